-- Losses minus those of naive, summed over the windows that all compared models of a family share: of the best few and of one more evaluation.
with members as (
  select
    experiment_id,
    model_name,
    case when count(*) over (partition by model_name) > 1 then concat(model_name, ' ', model_version) else model_name end as label,
    place
  from standings
  where commodity = :commodity
    and family_id = :family_id
    and place is not null
    and experiment_id is not null
),
losses as (
  select
    m.experiment_id,
    m.model_name,
    m.label,
    m.place,
    w.cutoff,
    w.mae_path - w.naive_mae_path as difference,
    count(*) over (partition by w.cutoff) as n_members
  from run_windows as w
  inner join members as m
    on w.experiment_id = m.experiment_id
  where w.commodity = :commodity
    and w.status = 'ok'
),
shared as (
  select *
  from losses
  where n_members = (select count(*) from members)
)
select
  place,
  label,
  model_name,
  cutoff,
  difference,
  count(*) over (partition by experiment_id) as n_windows,
  sum(difference) over (partition by experiment_id order by cutoff) as cumulative_difference
from shared
where place <= cast(:places as int) or experiment_id = :experiment_id
order by place, label, cutoff

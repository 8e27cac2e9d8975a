-- Which of the families of a source are recorded.
select f.family_id
from families as f
left semi join {source} as s
  on f.family_id = s.family_id
where f.commodity = :commodity

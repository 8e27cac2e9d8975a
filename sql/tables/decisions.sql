-- One row per decision on one model: promoted, rolled back to, pruned or restored.
create table if not exists decisions (
  decision_id string not null comment 'UUIDv7; its time is decided_at, never before that of the decision it follows',
  commodity string not null comment 'What is forecast',
  unique_id string comment 'The series (promote, rollback); NULL where it is about all series of the commodity (prune, restore)',
  kind string not null comment 'promote, rollback, prune or restore',
  model_name string not null comment 'promote, rollback: the model in production from then on; prune, restore: the model taken out or brought back',
  model_version string not null comment 'Version of the variant',
  experiment_id string comment 'promote, rollback: the evaluation in production from then on, see model_runs',
  decided_at timestamp not null comment 'Wall time, UTC',
  decided_by string not null comment 'Who decided',
  reason string comment 'Why, in the words of who decided',
  forced boolean not null comment 'Whether it was taken although the evidence does not meet the rule',
  rule string not null comment 'What the evidence was held against: better (than naive), inferior (beyond the margin) or specified (the query)',
  verdict string not null comment 'What the evidence says by that rule, in words',
  policy string not null comment 'Thresholds and words in force, JSON',
  evidence string not null comment 'All that the verdict rests on, JSON: the losses, the windows, the evaluations',
  evidence_digest string not null comment 'SHA-256 of rule, policy and evidence',
  table_versions string comment 'Versions of the tables read, JSON; maintenance may have removed them since',
  undoes string comment 'The decision taken back: the promotion of a rollback, the pruning of a restore',
  follows string not null comment 'The newest decision of the commodity when this one was taken; empty for the first'
)
using delta
partitioned by (commodity)
comment 'One row per decision on one model, with the evidence it was taken on: the truth about what is in production and what is pruned.'
tblproperties (
  'delta.constraints.kind_known' = "kind in ('promote', 'rollback', 'prune', 'restore')",
  'delta.constraints.production_evaluated' = "kind not in ('promote', 'rollback') or (experiment_id is not null and unique_id is not null)",
  'delta.constraints.force_explained' = "forced = false or reason is not null",
  'delta.constraints.evidence_given' = "evidence <> '' and evidence_digest <> ''"
)

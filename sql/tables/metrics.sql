-- One row per point of a metric that a run logged.
create table if not exists metrics (
  experiment_id string not null comment 'The run, see experiments',
  name string not null comment 'Name of the metric',
  value double not null comment 'As logged, NaN and infinities too; of a distribution its mean',
  step bigint comment 'Step of the run, where the caller counts them',
  episode bigint comment 'Episode, where the caller counts them',
  epoch bigint comment 'Epoch, where the caller counts them',
  logged_at timestamp not null comment 'Wall time of the call, UTC',
  edges array<double> comment 'Of a distribution the edges of its histogram, n + 1 ascending; else NULL',
  counts array<double> comment 'Of a distribution the values between two edges, n; else NULL',
  summary map<string, double> comment 'Of a distribution n, mean, std, min, max and percentiles p5 to p95; else NULL',
  journal_id string not null comment 'Journal the point came through, or the source it was imported from',
  position bigint not null comment 'Place in that journal, which orders the points; with the journal the key of the point',
  run_month string not null comment 'Month of the run, yyyy-MM, as in experiments'
)
using delta
partitioned by (run_month)
comment 'One row per point of a metric; a run is found by its month and the statistics of files over experiment_id.'

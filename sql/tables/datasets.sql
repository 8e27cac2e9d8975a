-- One row per version of a dataset: content, roles of its columns and splits, none of which ever changes.
create table if not exists datasets (
  dataset_id string not null comment 'Digest of name, content, roles, splits and metadata: registered again it is the same version',
  name string not null comment 'Name of the dataset',
  content_sha256 string not null comment 'Digest of the values, whatever file they were read from',
  created_at timestamp not null comment 'Wall time of the registration, UTC',
  created_by string not null comment 'Who registered it',
  source string comment 'File, table or frame it was made from',
  format string not null comment 'parquet for content that is kept, delta for a table at a version',
  location string not null comment 'Where the content is kept; of a table its name',
  table_version bigint comment 'Version of the table; else NULL',
  file_sha256 string comment 'SHA-256 of the kept file, checked before it is read; NULL for a table',
  size_bytes bigint comment 'Size of the kept file, bytes; NULL for a table',
  n_rows bigint not null comment 'Rows',
  n_columns int not null comment 'Columns',
  column_types map<string, string> not null comment 'Type of each column',
  minimums map<string, string> comment 'Smallest value of each column that has an order',
  maximums map<string, string> comment 'Largest value of each column that has an order',
  missing map<string, double> comment 'Missing values of each column',
  time_column string comment 'Column that orders the rows in time; NULL where none was named',
  feature_columns array<string> comment 'Columns a model may learn from',
  target_columns array<string> comment 'Columns to be forecast',
  splits string comment 'JSON: of each split its rows, and its first and last time or where its rows start and stop; NULL where it is not split',
  metadata string comment 'JSON: what the caller says of it'
)
using delta
comment 'One row per version of a dataset; equal content is kept once.'
tblproperties (
  'delta.constraints.format_known' = "format in ('parquet', 'delta')"
)

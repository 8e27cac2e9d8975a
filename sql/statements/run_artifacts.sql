-- The artifacts of a run, one row each.
select
  artifact_id,
  name,
  artifact_type,
  sha256,
  size_bytes,
  n_files,
  is_folder,
  location,
  metadata,
  logged_at
from artifacts
where run_month = :run_month and experiment_id = :experiment_id
order by name, logged_at, artifact_id

-- The versions are asked for by their id.
alter table datasets cluster by (dataset_id)

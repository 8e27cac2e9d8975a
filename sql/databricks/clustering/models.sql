-- The versions are asked for by their model.
alter table models cluster by (model_name)

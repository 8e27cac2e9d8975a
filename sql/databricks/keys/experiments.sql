-- Not RELY: an id that a caller brings is merged within one experiment_type only.
alter table experiments add constraint experiments_key primary key (experiment_id)

-- Not RELY: the writer merges on the decision it follows, not on this id, which is a UUIDv7 of its own.
alter table decisions add constraint decisions_key primary key (decision_id)

-- The migrations recorded since a time.
select version, name
from schema_version
where applied_at >= cast(:since as timestamp)
order by version

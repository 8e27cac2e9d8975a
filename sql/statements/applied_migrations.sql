-- The migrations recorded.
select version
from schema_version

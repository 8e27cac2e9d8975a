-- The environment of a run.
select *
from environments
where environment_id = :environment_id

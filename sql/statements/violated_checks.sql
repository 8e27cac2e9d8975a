-- The checks of a table that the first offending row of a source breaks.
select concat_ws(', ', {named}) as violated
from {source}
where ({all}) is not true
limit 1

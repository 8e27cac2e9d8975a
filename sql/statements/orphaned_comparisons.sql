-- The families of which there are comparisons and no row in families, with how many comparisons.
select o.commodity, o.family_id, count(*) as n_rows
from comparisons as o
left anti join families as f
  on o.family_id = f.family_id
group by o.commodity, o.family_id
order by o.commodity, o.family_id

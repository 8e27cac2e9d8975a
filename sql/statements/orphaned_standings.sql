-- The families of which there are standings and no row in families, with how many standings.
select o.commodity, o.family_id, count(*) as n_rows
from standings as o
left anti join families as f
  on o.family_id = f.family_id
group by o.commodity, o.family_id
order by o.commodity, o.family_id

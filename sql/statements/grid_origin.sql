-- The origin of the grid a commodity's windows lie on: the one recorded first.
select grid_origin
from backtests
where commodity = :commodity
  and frequency = :frequency
  and step_size = :step_size
  and grid_origin is not null
order by created_at
limit 1

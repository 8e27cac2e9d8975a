-- The leaderboards of the families of a source, best first.
select l.*
from leaderboard_history as l
left semi join {source} as s
  on l.family_id = s.family_id
where l.commodity = :commodity
order by l.metric, l.unique_id, l.place nulls last, l.model_name, l.model_version

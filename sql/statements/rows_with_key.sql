-- The rows of a table whose key is among those of a source.
select t.{columns}
from {table} as t
left semi join {source} as s
  on t.{key} = s.{key}

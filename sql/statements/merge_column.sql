-- Sets one column of the rows that a source names by their key.
merge into {table} as t
using {source} as s
on {condition}
when matched then update set {column} = s.{column}

-- Inserts the rows of a source whose key is not in the table yet; rows that are there stay as they are.
merge into {table} as t
using {source} as s
on {condition}
when not matched then insert ({columns}) values ({values})

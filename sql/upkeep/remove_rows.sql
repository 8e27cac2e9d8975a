-- Removes the rows of some ids of one partition: rows that belong to nothing.
delete from {table}
where {partition} and {key} in ({ids})

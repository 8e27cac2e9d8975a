-- Gives runs that are still called running the end of the source; an end that is there stays.
merge into experiments as t
using {source} as s
on {condition} and t.status = 'running'
when matched then update set status = s.status, ended_at = s.ended_at

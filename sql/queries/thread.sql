-- Threads: $1 user, $2 the session's id that the name holds (NULL: none), $3 the name.

-- name: thread_find
select parley.thread_find($1::uuid, $2::uuid, $3::text);

-- name: thread_open
-- $4 the id of the session if one is made, $5 how many a minute, $6 how many in all.
select session_id, name, created
from parley.thread_open($1::uuid, $2::uuid, $3::text, $4::uuid, $5::integer, $6::integer);

-- Whole sessions.

-- name: transcript_save
-- $3 whether no session is named, $4 messages, $5 an id for each, $6 sessions a minute, $7 sessions in all.
select session_id, created_at, updated_at
from parley.transcript_save($1::uuid, $2::uuid, $3::boolean, $4::jsonb, $5::uuid[], $6::integer, $7::integer);

-- name: transcript_list
-- $2 how many, past the row that $3 (last_message_at) and $4 (session) name, $5 bytes of JSON.
select session_id, messages, omitted, created_at, updated_at, last_message_at
from parley.transcript_list($1::uuid, $2::integer, $3::timestamptz, $4::uuid, $5::integer);

-- Threads: $1 user, $2 the session's id that the name holds (NULL: none), $3 the name.

-- name: thread_find
select parley.thread_find($1::uuid, $2::uuid, $3::text);

-- name: thread_open
-- $4 the id of the session if one is made, $5 how many a minute, $6 how many in all.
select session_id, name, created
from parley.thread_open($1::uuid, $2::uuid, $3::text, $4::uuid, $5::integer, $6::integer);

-- name: thread_get
-- What the session is called and how many messages its active path has.
select session_id, name, message_count from parley.thread_get($1::uuid, $2::uuid, $3::text);

-- name: thread_history
-- $4 before which seq, $5 how many, $6 bytes.
select seq, role, content, created_at, matches
from parley.thread_history($1::uuid, $2::uuid, $3::text, $4::integer, $5::integer, $6::integer);

-- name: thread_hide
-- $4 days until it may be purged.
select parley.thread_hide($1::uuid, $2::uuid, $3::text, make_interval(days => $4::integer));

-- name: thread_hide_all
-- $2 days until they may be purged.
select parley.thread_hide_all($1::uuid, make_interval(days => $2::integer));

-- name: thread_list
-- Sessions in which something was said, newest first. $2 how many, past the row that $3 (last_message_at) and $4 (session) name.
select s.session_id, coalesce(s.thread_name, 'thread-' || s.session_id), coalesce(s.title, ''), coalesce(s.preview, ''),
    s.message_count, s.last_message_at
from parley.chat_sessions s
where s.user_id = $1::uuid and s.deleted_at is null and s.message_count > 0
    and (s.last_message_at, s.session_id) < ($3::timestamptz, $4::uuid)
order by s.last_message_at desc, s.session_id desc
limit $2::integer;

-- name: thread_totals
-- Of the thread that $2 names (NULL: of all sessions) in which something was said; the tokens are the person's, also of what is gone.
select coalesce(sum(s.message_count), 0), min(s.created_at), max(s.last_message_at),
    (select u.total_tokens from parley.user_usage u where u.user_id = $1::uuid)
from parley.chat_sessions s
where s.user_id = $1::uuid and s.deleted_at is null and s.message_count > 0
    and ($2::text is null or s.thread_name = $2::text);

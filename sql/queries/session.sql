-- Chat sessions. Every query that answers sessions has the same fourteen columns: see core/session.c.

-- name: session_list
-- A person's sessions, newest first. $1 user, $2 how many, past the row that $3 (last_message_at) and $4 (session) name.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens > 0 as tokens_estimated
from parley.chat_sessions
where user_id = $1::uuid and deleted_at is null and (last_message_at, session_id) < ($3::timestamptz, $4::uuid)
order by last_message_at desc, session_id desc
limit $2::integer;

-- name: session_list_filtered
-- Of those the ones of project $5, of helper $6, active or not $7: NULL is any. `offset 0` keeps the planner from taking the filters inwards: it
-- expects hardly a row to pass them, and for so few it reads and sorts all of the person's sessions instead of going along the index.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens > 0 as tokens_estimated
from (
    select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens
    from parley.chat_sessions
    where user_id = $1::uuid and deleted_at is null and (last_message_at, session_id) < ($3::timestamptz, $4::uuid)
    order by last_message_at desc, session_id desc
    offset 0) newest
where ($5::uuid is null or project_id = $5::uuid)
    and ($6::text is null or helper = $6::text)
    and ($7::boolean is null or is_active = $7::boolean)
order by last_message_at desc, session_id desc
limit $2::integer;

-- name: session_get
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens > 0 as tokens_estimated
from parley.chat_sessions
where user_id = $1::uuid and session_id = $2::uuid and deleted_at is null;

-- name: session_create
-- $3 title, $4 project, $5 helper, $6 how many a minute, $7 how many in all.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens > 0 as tokens_estimated
from parley.session_create($1::uuid, $2::uuid, $3::text, $4::uuid, $5::text, $6::integer, $7::integer);

-- name: session_update
-- $3 whether the title is set, $4 title, $5 active (NULL: as it is), $6 whether the project is set, $7 project, $8 whether the helper is set, $9 helper.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens > 0 as tokens_estimated
from parley.session_update($1::uuid, $2::uuid, $3::boolean, $4::text, $5::boolean, $6::boolean, $7::uuid, $8::boolean,
    $9::text);

-- name: session_hide
-- $3 days until it may be purged.
select parley.session_hide($1::uuid, $2::uuid, make_interval(days => $3::integer));

-- name: session_remove
select parley.session_remove($1::uuid, $2::uuid);

-- name: session_restore
-- $3 how many sessions in all.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens > 0 as tokens_estimated
from parley.session_restore($1::uuid, $2::uuid, $3::integer);

-- name: session_activate
-- $3 the message whose branch is wanted.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at,
    prompt_tokens, completion_tokens, thread_name, estimated_tokens > 0 as tokens_estimated
from parley.message_activate($1::uuid, $2::uuid, $3::uuid);

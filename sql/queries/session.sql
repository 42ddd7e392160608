-- Chat sessions. Every query that answers sessions has the same ten columns: see core/session.c.

-- name: session_list
-- A person's sessions, newest first. $1 user, $2 how many, $3 project, $4 helper, $5 active: NULL is any. A bare `$3 is null or ...`
-- makes the planner believe that hardly a row passes: it then reads and sorts all sessions instead of a page of the index.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at
from parley.chat_sessions
where user_id = $1::uuid and deleted_at is null
    and (case when $3::uuid is null or project_id = $3::uuid then 1 end) is not null
    and (case when $4::text is null or helper = $4::text then 1 end) is not null
    and (case when $5::boolean is null or is_active = $5::boolean then 1 end) is not null
order by last_message_at desc, session_id desc
limit $2::integer;

-- name: session_list_after
-- The same, past the row that $6 (last_message_at) and $7 (session) name.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at
from parley.chat_sessions
where user_id = $1::uuid and deleted_at is null
    and (case when $3::uuid is null or project_id = $3::uuid then 1 end) is not null
    and (case when $4::text is null or helper = $4::text then 1 end) is not null
    and (case when $5::boolean is null or is_active = $5::boolean then 1 end) is not null
    and (last_message_at, session_id) < ($6::timestamptz, $7::uuid)
order by last_message_at desc, session_id desc
limit $2::integer;

-- name: session_get
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at
from parley.chat_sessions
where user_id = $1::uuid and session_id = $2::uuid and deleted_at is null;

-- name: session_create
-- $3 title, $4 project, $5 helper, $6 how many a minute, $7 how many in all.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at
from parley.session_create($1::uuid, $2::uuid, $3::text, $4::uuid, $5::text, $6::integer, $7::integer);

-- name: session_update
-- $3 whether the title is set, $4 title, $5 active (NULL: as it is), $6 whether the project is set, $7 project, $8 whether the helper is set, $9 helper.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at
from parley.session_update($1::uuid, $2::uuid, $3::boolean, $4::text, $5::boolean, $6::boolean, $7::uuid, $8::boolean,
    $9::text);

-- name: session_hide
-- $3 days until it may be purged.
select parley.session_hide($1::uuid, $2::uuid, make_interval(days => $3::integer));

-- name: session_remove
select parley.session_remove($1::uuid, $2::uuid);

-- name: session_restore
-- $3 how many sessions in all.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at
from parley.session_restore($1::uuid, $2::uuid, $3::integer);

-- name: session_activate
-- $3 the message whose branch is wanted.
select session_id, title, preview, message_count, is_active, helper, project_id, created_at, updated_at, last_message_at
from parley.message_activate($1::uuid, $2::uuid, $3::uuid);

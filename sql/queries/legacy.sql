-- What `parley import-legacy` asks and writes here, under the claim of the person whose data it is. What it reads elsewhere: legacy_source.sql.

-- name: legacy_owner
-- Whether the person is there, whether they are known as $3 of $2, how many of that owner's tokens are counted, and whether $2 has brought them by that
-- id or by that uuid in other letters.
select exists (select from parley.users where user_id = $1::uuid), count(*) filter (where legacy_id = $3::text) > 0,
    coalesce(max(tokens) filter (where legacy_id = $3::text), 0), count(*) > 0
from parley.legacy_owners
where user_id = $1::uuid and source = $2::text
    and (legacy_id = $3::text or (lower(legacy_id) = user_id::text and lower($3::text) = user_id::text));

-- name: legacy_owner_add
-- $2 source, $3 id there, $4 e-mail, $5 display name, $6 avatar, $7 since when.
select parley.legacy_owner_add($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::timestamptz);

-- name: legacy_claim
-- $2 e-mail, $3 password hash.
select parley.legacy_claim($1::uuid, $2::text, $3::text);

-- name: legacy_tokens
-- $2 source, $3 id there, $4 tokens there.
select parley.legacy_tokens($1::uuid, $2::text, $3::text, $4::bigint);

-- name: legacy_project
-- $3 its owner (NULL: the person), $4 name, $5 description, $6 since when, $7 source.
select parley.legacy_project($1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::timestamptz, $7::text);

-- name: legacy_project_present
select exists (select from parley.user_projects where user_id = $1::uuid and project_id = $2::uuid);

-- name: legacy_sessions
-- $3 source.
select parley.legacy_sessions($1::uuid, $2::json, $3::text);

-- name: legacy_messages
-- $3 source.
select parley.legacy_messages($1::uuid, $2::json, $3::text);

-- name: legacy_foreign
-- The session of each of the sessions or messages $2 that is there, but was not brought by the source $3.
select x.session_id
from json_to_recordset($2::json) as x (session_id uuid)
join parley.chat_sessions s on s.user_id = $1::uuid and s.session_id = x.session_id
where s.legacy_source is distinct from $3::text
order by x.session_id;

-- name: legacy_sessions_absent
-- How many of the sessions $2 are not there.
select count(*) from json_to_recordset($2::json) as x (session_id uuid)
where not exists (select from parley.chat_sessions s where s.user_id = $1::uuid and s.session_id = x.session_id);

-- name: legacy_messages_absent
-- How many of the messages $2 are not there, in a session that is not hidden and not of another source than $3.
select count(*) from json_to_recordset($2::json) as x (session_id uuid, message_id uuid)
where x.message_id is distinct from (select m.message_id from parley.chat_messages m
        where m.user_id = $1::uuid and m.session_id = x.session_id and m.message_id >= x.message_id
        order by m.user_id, m.session_id, m.message_id limit 1)
    and not exists (select from parley.chat_sessions s
        where s.user_id = $1::uuid and s.session_id = x.session_id
            and (s.deleted_at is not null or s.legacy_source is distinct from $3::text));

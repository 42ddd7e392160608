-- People and their logins.

-- name: user_create
-- $2 e-mail, $3 password hash, $4 display name, $5 avatar.
select user_id, display_name, avatar_url, created_at, updated_at
from parley.user_create($1::uuid, $2::text, $3::text, $4::text, $5::text);

-- name: user_get
select user_id, display_name, avatar_url, created_at, updated_at
from parley.users
where user_id = $1::uuid;

-- name: user_email
-- The address and password hash of a person.
select email, password_hash from parley.user_emails
where user_id = $1::uuid;

-- name: user_update
-- $2 whether the name is set, $3 name, $4 whether the avatar is set, $5 avatar.
update parley.users set
    display_name = case when $2::boolean then $3::text else display_name end,
    avatar_url = case when $4::boolean then $5::text else avatar_url end,
    updated_at = now()
where user_id = $1::uuid
returning user_id, display_name, avatar_url, created_at, updated_at;

-- name: user_set_password
update parley.user_emails set password_hash = $2::text, updated_at = now()
where user_id = $1::uuid;

-- name: user_delete
select parley.user_delete($1::uuid);

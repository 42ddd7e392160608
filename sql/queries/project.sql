-- Projects.

-- name: project_list
-- Those a person is a member of, by name; a list is short.
select project_id, name, owner_id = user_id as is_owner, created_at
from parley.user_projects
where user_id = $1::uuid
order by lower(name), project_id
limit $2::integer;

-- name: project_create
-- $3 name, $4 description.
select project_id, name, description, created_at, updated_at
from parley.project_create($1::uuid, $2::uuid, $3::text, $4::text);

-- name: project_update
-- $3 name (NULL: as it is), $4 whether the description is set, $5 description.
select project_id, name, description, created_at, updated_at
from parley.project_update($1::uuid, $2::uuid, $3::text, $4::boolean, $5::text);

-- name: project_delete
select parley.project_delete($1::uuid, $2::uuid);

-- name: project_invitation_round
-- The round of invitations of a project that is the person's own.
select invitation_round from parley.projects where user_id = $1::uuid and project_id = $2::uuid;

-- name: project_join
-- $2 the owner, $3 the project, $4 the round of the invitation.
select project_id, name, owner_id = user_id as is_owner, created_at
from parley.project_join($1::uuid, $2::uuid, $3::uuid, $4::integer);

-- name: project_members
-- The owner's list is of all members; a member's holds that member alone (the policy shows no others).
select user_id, owner_id = user_id as is_owner, created_at
from parley.user_projects
where project_id = $2::uuid and (user_id = $1::uuid or owner_id = $1::uuid)
order by created_at, user_id
limit $3::integer;

-- name: project_part
-- $3 the member.
select parley.project_part($1::uuid, $2::uuid, $3::uuid);

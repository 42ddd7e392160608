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

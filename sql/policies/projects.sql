-- A project is its owner's; the claim parley.project opens one to a member.

alter table parley.projects enable row level security;
alter table parley.projects force row level security;

revoke all on parley.projects from public;
grant select, insert, delete on parley.projects to :app;
grant update (name, description, updated_at, invitation_round) on parley.projects to :app;

drop policy if exists projects_owner_select on parley.projects;
create policy projects_owner_select on parley.projects for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or project_id = nullif(current_setting('parley.project', true), '')::uuid);
comment on policy projects_owner_select on parley.projects is 'People see their own rows.';

drop policy if exists projects_owner_insert on parley.projects;
create policy projects_owner_insert on parley.projects for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy projects_owner_insert on parley.projects is 'People add rows only as themselves.';

drop policy if exists projects_owner_update on parley.projects;
create policy projects_owner_update on parley.projects for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy projects_owner_update on parley.projects is 'People change their own rows.';

drop policy if exists projects_owner_delete on parley.projects;
create policy projects_owner_delete on parley.projects for delete
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy projects_owner_delete on parley.projects is 'People remove their own rows.';

-- A membership is the member's; the project's owner sees it, renames in it and removes it.

alter table parley.user_projects enable row level security;
alter table parley.user_projects force row level security;

revoke all on parley.user_projects from public;
grant select, insert, delete on parley.user_projects to :app;
grant update (name) on parley.user_projects to :app;

drop policy if exists user_projects_owner_select on parley.user_projects;
create policy user_projects_owner_select on parley.user_projects for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or owner_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_projects_owner_select on parley.user_projects is 'Members see their memberships; an owner sees the members.';

drop policy if exists user_projects_owner_insert on parley.user_projects;
create policy user_projects_owner_insert on parley.user_projects for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        and (owner_id = nullif(current_setting('parley.user_id', true), '')::uuid
            or project_id = nullif(current_setting('parley.project', true), '')::uuid));
comment on policy user_projects_owner_insert on parley.user_projects is 'People join for themselves: their own new projects, and the one that the claim parley.project opens.';

drop policy if exists user_projects_owner_update on parley.user_projects;
create policy user_projects_owner_update on parley.user_projects for update
    using (owner_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (owner_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_projects_owner_update on parley.user_projects is 'The owner renames in all members'' rows.';

drop policy if exists user_projects_owner_delete on parley.user_projects;
create policy user_projects_owner_delete on parley.user_projects for delete
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or owner_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_projects_owner_delete on parley.user_projects is 'Members leave; an owner removes members.';

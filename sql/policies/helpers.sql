-- Everybody reads helpers; the role that migrates writes them.

alter table parley.helpers enable row level security;
alter table parley.helpers force row level security;

revoke all on parley.helpers from public;
grant select on parley.helpers to :app;

drop policy if exists helpers_anyone_select on parley.helpers;
create policy helpers_anyone_select on parley.helpers for select
    using (true);
comment on policy helpers_anyone_select on parley.helpers is 'Helpers are the same for everybody.';

drop policy if exists helpers_admin_insert on parley.helpers;
create policy helpers_admin_insert on parley.helpers for insert to current_user
    with check (true);
comment on policy helpers_admin_insert on parley.helpers is 'The role that owns the schema keeps the helpers.';

drop policy if exists helpers_admin_update on parley.helpers;
create policy helpers_admin_update on parley.helpers for update to current_user
    using (true) with check (true);
comment on policy helpers_admin_update on parley.helpers is 'The role that owns the schema keeps the helpers.';

drop policy if exists helpers_admin_delete on parley.helpers;
create policy helpers_admin_delete on parley.helpers for delete to current_user
    using (true);
comment on policy helpers_admin_delete on parley.helpers is 'The role that owns the schema keeps the helpers.';

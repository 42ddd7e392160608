-- A person sees and changes their own row.

alter table parley.users enable row level security;
alter table parley.users force row level security;

revoke all on parley.users from public;
grant select, insert, delete on parley.users to :app;
grant update (display_name, avatar_url, updated_at) on parley.users to :app;

drop policy if exists users_owner_select on parley.users;
create policy users_owner_select on parley.users for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy users_owner_select on parley.users is 'People see their own rows.';

drop policy if exists users_owner_insert on parley.users;
create policy users_owner_insert on parley.users for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy users_owner_insert on parley.users is 'People add rows only as themselves.';

drop policy if exists users_owner_update on parley.users;
create policy users_owner_update on parley.users for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy users_owner_update on parley.users is 'People change their own rows.';

drop policy if exists users_owner_delete on parley.users;
create policy users_owner_delete on parley.users for delete
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy users_owner_delete on parley.users is 'People remove their own rows.';

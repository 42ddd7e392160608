-- The login of an address: its owners, and by the claim parley.email the one of that address, so that sign-in can find it.

alter table parley.user_emails enable row level security;
alter table parley.user_emails force row level security;

revoke all on parley.user_emails from public;
grant select, insert, delete on parley.user_emails to :app;
grant update (password_hash, updated_at) on parley.user_emails to :app;

drop policy if exists user_emails_owner_select on parley.user_emails;
create policy user_emails_owner_select on parley.user_emails for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or email = nullif(current_setting('parley.email', true), ''));
comment on policy user_emails_owner_select on parley.user_emails is 'People see their own rows.';

drop policy if exists user_emails_owner_insert on parley.user_emails;
create policy user_emails_owner_insert on parley.user_emails for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_emails_owner_insert on parley.user_emails is 'People add rows only as themselves.';

drop policy if exists user_emails_owner_update on parley.user_emails;
create policy user_emails_owner_update on parley.user_emails for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_emails_owner_update on parley.user_emails is 'People change their own rows.';

drop policy if exists user_emails_owner_delete on parley.user_emails;
create policy user_emails_owner_delete on parley.user_emails for delete
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy user_emails_owner_delete on parley.user_emails is 'People remove their own rows.';

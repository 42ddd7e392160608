-- Attempts are counted under the claim parley.email, for registered and unknown addresses alike.

alter table parley.login_attempts enable row level security;
alter table parley.login_attempts force row level security;

revoke all on parley.login_attempts from public;
grant select, insert, update, delete on parley.login_attempts to :app;

drop policy if exists login_attempts_email_select on parley.login_attempts;
create policy login_attempts_email_select on parley.login_attempts for select
    using (email = nullif(current_setting('parley.email', true), '')
        or current_setting('parley.purge', true) = 'due' and window_start < now() - interval '1 day');
comment on policy login_attempts_email_select on parley.login_attempts is 'The address that signs in; purging sees old counts.';

drop policy if exists login_attempts_email_insert on parley.login_attempts;
create policy login_attempts_email_insert on parley.login_attempts for insert
    with check (email = nullif(current_setting('parley.email', true), ''));
comment on policy login_attempts_email_insert on parley.login_attempts is 'Only for the address that signs in.';

drop policy if exists login_attempts_email_update on parley.login_attempts;
create policy login_attempts_email_update on parley.login_attempts for update
    using (email = nullif(current_setting('parley.email', true), ''))
    with check (email = nullif(current_setting('parley.email', true), ''));
comment on policy login_attempts_email_update on parley.login_attempts is 'Only of the address that signs in.';

drop policy if exists login_attempts_email_delete on parley.login_attempts;
create policy login_attempts_email_delete on parley.login_attempts for delete
    using (email = nullif(current_setting('parley.email', true), '')
        or current_setting('parley.purge', true) = 'due' and window_start < now() - interval '1 day');
comment on policy login_attempts_email_delete on parley.login_attempts is 'After a success, or when a day old.';

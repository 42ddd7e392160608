-- A family of refresh tokens: its owner's, and by the claim parley.refresh the one that a token names.

alter table parley.refresh_tokens enable row level security;
alter table parley.refresh_tokens force row level security;

revoke all on parley.refresh_tokens from public;
grant select, insert, delete on parley.refresh_tokens to :app;
grant update (token_hash, rotated_at, expires_at, revoked_at) on parley.refresh_tokens to :app;

drop policy if exists refresh_tokens_owner_select on parley.refresh_tokens;
create policy refresh_tokens_owner_select on parley.refresh_tokens for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or family_id = nullif(current_setting('parley.refresh', true), '')::uuid
        or current_setting('parley.purge', true) = 'due' and expires_at < now());
comment on policy refresh_tokens_owner_select on parley.refresh_tokens is 'People see their own; a token sees its family; purging sees expired ones.';

drop policy if exists refresh_tokens_owner_insert on parley.refresh_tokens;
create policy refresh_tokens_owner_insert on parley.refresh_tokens for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy refresh_tokens_owner_insert on parley.refresh_tokens is 'People sign in as themselves.';

drop policy if exists refresh_tokens_owner_update on parley.refresh_tokens;
create policy refresh_tokens_owner_update on parley.refresh_tokens for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or family_id = nullif(current_setting('parley.refresh', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or family_id = nullif(current_setting('parley.refresh', true), '')::uuid);
comment on policy refresh_tokens_owner_update on parley.refresh_tokens is 'People change their own; a token rotates or revokes its family.';

drop policy if exists refresh_tokens_owner_delete on parley.refresh_tokens;
create policy refresh_tokens_owner_delete on parley.refresh_tokens for delete
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or current_setting('parley.purge', true) = 'due' and expires_at < now());
comment on policy refresh_tokens_owner_delete on parley.refresh_tokens is 'People remove their own; purging removes expired ones.';

-- Keys are their owner's.

alter table parley.idempotency_keys enable row level security;
alter table parley.idempotency_keys force row level security;

revoke all on parley.idempotency_keys from public;
grant select, insert, delete on parley.idempotency_keys to :app;
grant update (request_hash, status, location, body, turn_id, created_at, expires_at) on parley.idempotency_keys to :app;

drop policy if exists idempotency_keys_owner_select on parley.idempotency_keys;
create policy idempotency_keys_owner_select on parley.idempotency_keys for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or current_setting('parley.purge', true) = 'due' and expires_at < now());
comment on policy idempotency_keys_owner_select on parley.idempotency_keys is 'People see their own; purging sees outlived ones.';

drop policy if exists idempotency_keys_owner_insert on parley.idempotency_keys;
create policy idempotency_keys_owner_insert on parley.idempotency_keys for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy idempotency_keys_owner_insert on parley.idempotency_keys is 'People add rows only as themselves.';

drop policy if exists idempotency_keys_owner_update on parley.idempotency_keys;
create policy idempotency_keys_owner_update on parley.idempotency_keys for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy idempotency_keys_owner_update on parley.idempotency_keys is 'People change their own rows.';

drop policy if exists idempotency_keys_owner_delete on parley.idempotency_keys;
create policy idempotency_keys_owner_delete on parley.idempotency_keys for delete
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid
        or current_setting('parley.purge', true) = 'due' and expires_at < now());
comment on policy idempotency_keys_owner_delete on parley.idempotency_keys is 'People remove their own; purging removes outlived ones.';

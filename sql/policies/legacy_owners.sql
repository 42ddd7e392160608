-- Where a person came from is theirs to see; the importer writes it as them.

alter table parley.legacy_owners enable row level security;
alter table parley.legacy_owners force row level security;

revoke all on parley.legacy_owners from public;
grant select, insert on parley.legacy_owners to :app;
grant update (tokens) on parley.legacy_owners to :app;

drop policy if exists legacy_owners_owner_select on parley.legacy_owners;
create policy legacy_owners_owner_select on parley.legacy_owners for select
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy legacy_owners_owner_select on parley.legacy_owners is 'People see their own rows.';

drop policy if exists legacy_owners_owner_insert on parley.legacy_owners;
create policy legacy_owners_owner_insert on parley.legacy_owners for insert
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy legacy_owners_owner_insert on parley.legacy_owners is 'People add rows only as themselves.';

drop policy if exists legacy_owners_owner_update on parley.legacy_owners;
create policy legacy_owners_owner_update on parley.legacy_owners for update
    using (user_id = nullif(current_setting('parley.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('parley.user_id', true), '')::uuid);
comment on policy legacy_owners_owner_update on parley.legacy_owners is 'People change their own rows.';

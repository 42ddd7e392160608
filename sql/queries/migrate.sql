-- What `parley migrate` asks on its own connection, as the owner.

-- name: migrate_settings
-- The migrations' session: no notices, no endless wait behind a busy table, names found in one place.
select set_config('client_min_messages', 'warning', false), set_config('lock_timeout', '60s', false),
       set_config('statement_timeout', '0', false), set_config('search_path', 'parley, pg_temp', false);

-- name: migrate_lock
-- Keeps two runs apart; ends with the connection. The key is the word "parley".
select pg_catalog.pg_advisory_lock(x'7061726c6579'::bigint);

-- name: migrate_role
-- Who migrates, and whether the role that is to serve exists.
select current_user, exists (select from pg_catalog.pg_roles where rolname = coalesce($1, current_user));

-- name: migrate_is_new
select not exists (
    select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'parley' and c.relname = 'schema_migrations');

-- name: migrate_list
select number, name, sha256 from parley.schema_migrations order by number;

-- name: migrate_note
insert into parley.schema_migrations (number, name, sha256) values ($1::integer, $2, $3)
on conflict (number) do update set name = excluded.name, sha256 = excluded.sha256, applied_at = now();

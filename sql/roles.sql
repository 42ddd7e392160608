-- The three roles of a normal installation. Run once by a superuser, in any database of the cluster:
--   psql -f sql/roles.sql
-- It can be run again. Passwords or peer maps are the administrator's business.

do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'parley_owner') then
        create role parley_owner login nosuperuser nobypassrls nocreatedb nocreaterole;
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname = 'parley_app') then
        create role parley_app login nosuperuser nobypassrls nocreatedb nocreaterole;
    end if;
    if not exists (select from pg_catalog.pg_roles where rolname = 'parley_backup') then
        create role parley_backup login nosuperuser bypassrls nocreatedb nocreaterole;
    end if;
end
$$;

-- pg_dump under forced row level security needs a role that sees every row; it may read, nothing else.
grant pg_read_all_data to parley_backup;

-- A statement that waits is ended by the server too, and a transaction whose client is gone does not stay open.
alter role parley_app set statement_timeout = '10s';
alter role parley_app set idle_in_transaction_session_timeout = '15s';
alter role parley_app set lock_timeout = '5s';
alter role parley_app set client_connection_check_interval = '500ms';

-- Every statement names its user by a parameter: its plan must not hang on whose it was made for.
alter role parley_app set plan_cache_mode = 'force_generic_plan';

comment on role parley_owner is 'Owns the schema parley and migrates it; serves nobody.';
comment on role parley_app is 'Serves: owns nothing, sees one user''s rows at a time.';
comment on role parley_backup is 'Reads everything for pg_dump; writes nothing.';

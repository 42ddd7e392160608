-- Whether this database guards its rows from the role that serves. Each query gives one row a fault: a sentence that says what is wrong
-- and what to do. They read the catalogs alone, so that a role without any grant may ask.

-- name: guard_role
-- $1: the name of the role that should serve.
select format('role "%s" is superuser: connect as %s', r.rolname, $1::text)
from pg_catalog.pg_roles r where r.rolname in (current_user, session_user) and r.rolsuper
union all
select format('role "%s" has BYPASSRLS: connect as %s', r.rolname, $1::text)
from pg_catalog.pg_roles r where r.rolname in (current_user, session_user) and r.rolbypassrls and not r.rolsuper;

-- name: guard_schema
select 'no schema: run `parley migrate`'
where not exists (
    select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'parley' and c.relname = 'schema_migrations')
union all
select format('role "%s" may not read parley.schema_migrations: set app_role to it and run `parley migrate`', current_user)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'parley' and c.relname = 'schema_migrations'
  and not (has_schema_privilege(n.oid, 'USAGE') and has_table_privilege(c.oid, 'SELECT'));

-- name: guard_owner
-- An owner may switch row level security off. $1: the name of the role that should serve.
select format('role "%s" owns schema parley: connect as %s', current_user, $1::text)
from pg_catalog.pg_namespace n where n.nspname = 'parley' and pg_has_role(n.nspowner, 'MEMBER')
union all
select format('role "%s" owns %s: connect as %s', current_user, x.name, $1::text)
from (
    select n.nspname || '.' || c.relname, c.relowner
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'parley'
    union all
    select n.nspname || '.' || p.proname || '()', p.proowner
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = 'parley'
    order by 1
) x (name, owner) where pg_has_role(x.owner, 'MEMBER')
union all
-- TRUNCATE asks no policy.
select format('role "%s" may truncate parley.%s: revoke truncate on parley.%2$s from "%1$s"', current_user, c.relname)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'parley' and c.relkind in ('r', 'p') and has_table_privilege(c.oid, 'TRUNCATE')
limit 1;

-- name: guard_tables
-- The second column is the fault alone, for `parley migrate` itself.
select format(x.fault, c.relname) || ': run `parley migrate`', format(x.fault, c.relname)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral (
    select case
        when c.relkind in ('r', 'p') and not c.relrowsecurity then 'table parley.%s has no row level security'
        when c.relkind in ('r', 'p') and not c.relforcerowsecurity then 'table parley.%s has no forced row level security'
        when c.relkind in ('r', 'p') and not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid)
            then 'table parley.%s has no policy'
        when c.relkind = 'v' and not exists (
            select from pg_options_to_table(c.reloptions) o
            where o.option_name = 'security_invoker' and o.option_value::boolean)
            then 'view parley.%s is not security_invoker'
        when c.relkind = 'm' then 'materialized view parley.%s passes by row level security'
        when c.relkind = 'f' then 'foreign table parley.%s passes by row level security'
    end
) x (fault)
where n.nspname = 'parley' and x.fault is not null
order by c.relname
limit 1;

-- name: guard_version
select max(number) from parley.schema_migrations;

-- What must hold for every object of the schema, whoever adds one. Exceptions are listed here with their reason, nowhere else.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

create temporary view tables as
    select c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relpersistence
    from pg_class c where c.relnamespace = 'parley'::regnamespace and c.relkind in ('r', 'p');

select is(relrowsecurity, true, relname || ' has row level security enabled') from tables;
select is(relforcerowsecurity, true, relname || ' has row level security forced') from tables;
select is_empty(
    $$ select relname, relkind from pg_class
       where relnamespace = 'parley'::regnamespace and relkind not in ('r', 'i', 'v', 'c') $$,
    'there are tables, indexes and views, no sequences, materialized views or foreign tables');
select is_empty(
    $$ select relname from pg_class where relnamespace = 'parley'::regnamespace and relpersistence <> 'p' $$,
    'nothing is unlogged');

-- Policies
create temporary view policies as
    select t.relname, p.polname, p.polcmd, p.polpermissive, p.polroles,
        case when p.polroles = '{0}' then '' else ' to ' || array_to_string(p.polroles::regrole[], ', ') end as roles,
        pg_get_expr(p.polqual, p.polrelid) as using_text, pg_get_expr(p.polwithcheck, p.polrelid) as check_text,
        p.polqual::text || coalesce(p.polwithcheck::text, '') as tree, p.oid
    from pg_policy p join tables t on t.oid = p.polrelid;

-- One letter for each command that has a policy: (s)elect, (i)nsert, (u)pdate, (d)elete.
select results_eq(
    $$ select t.relname::text collate "default",
           string_agg(translate(p.polcmd::text, 'rawd', 'siud'), '' order by position(p.polcmd::text in 'rawd')) || max(p.roles)
       from tables t left join policies p on p.relname = t.relname
       group by t.relname order by t.relname $$,
    $$ values ('chat_messages', 'siu'),          -- never deleted alone
              ('chat_sessions', 'siud'),
              ('helpers', 'siud to parley_owner'),
              ('idempotency_keys', 'siud'),
              ('legacy_owners', 'siu'),          -- end with their person
              ('login_attempts', 'siud'),
              ('projects', 'siud'),
              ('refresh_tokens', 'siud'),
              ('schema_migrations', 'siu to parley_owner'),
              ('turn_events', 'siud'),
              ('turns', 'siu'),                  -- end with their session
              ('user_emails', 'siud'),
              ('user_projects', 'siud'),
              ('user_rates', 'siu'),
              ('user_usage', 'siu'),
              ('users', 'siud') $$,
    'each table has exactly one policy for each command that somebody needs');
select is_empty($$ select polname from policies where not polpermissive $$, 'policies are permissive');
select is_empty(
    $$ select relname, polcmd, count(*) from policies group by relname, polcmd having count(*) > 1 $$,
    'two policies never add up');
select is_empty($$ select polname from policies where tree like '%SUBLINK%' $$, 'no policy has a sub-select');
select is_empty($$ select polname from policies where polname not like relname || '\_%' $$, 'a policy''s name begins with its table''s');
select is_empty($$ select polname from policies where polcmd = 'w' and check_text is null $$, 'an update policy says what may come out');
select results_eq(
    $$ select polname::text collate "default" from policies where 'true' in (using_text, check_text) order by 1 $$,
    $$ values ('helpers_admin_delete'), ('helpers_admin_insert'), ('helpers_admin_update'), -- to the owner
              ('helpers_anyone_select'),                                                     -- the same for everybody
              ('schema_migrations_owner_adds'), ('schema_migrations_owner_updates'),         -- to the owner
              ('schema_migrations_reader') $$,                                               -- no secret
    'no other policy is without a condition');

-- Keys
select is_empty(
    $$ select t.relname, c.relname as index
       from tables t join pg_index i on i.indrelid = t.oid join pg_class c on c.oid = i.indexrelid
       where i.indisunique and t.relname not in ('helpers', 'user_emails', 'login_attempts', 'schema_migrations')
         and not exists (select from pg_attribute a where a.attrelid = t.oid and a.attnum = i.indkey[0] and a.attname = 'user_id') $$,
    'primary and unique keys begin with user_id');
select is_empty(
    $$ select t.relname, c.conname from tables t join pg_constraint c on c.conrelid = t.oid
       where c.contype = 'f'
         and not (exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attnum = c.conkey[1] and a.attname = 'user_id')
             and exists (select from pg_attribute a where a.attrelid = c.confrelid and a.attnum = c.confkey[1] and a.attname = 'user_id')) $$,
    'foreign keys begin with user_id on both sides');
select is_empty(
    $$ select t.relname from tables t where not exists (select from pg_constraint c where c.conrelid = t.oid and c.contype = 'p') $$,
    'every table has a primary key');
select is_empty(
    $$ select t.relname from tables t
       where t.relname not in ('helpers', 'login_attempts', 'schema_migrations')
         and not exists (select from pg_attribute a
             where a.attrelid = t.oid and a.attname = 'user_id' and a.atttypid = 'uuid'::regtype and a.attnotnull) $$,
    'every table of people''s rows has user_id');
select is_empty(
    $$ select t.relname from tables t
       where t.relname not in ('helpers', 'login_attempts', 'schema_migrations', 'users', 'user_emails')
         and not exists (select from pg_constraint c
             where c.conrelid = t.oid and c.contype = 'f' and c.confdeltype = 'c') $$,
    'rows go with what they belong to');
select is_empty(
    $$ select t.relname, a.attname from tables t join pg_attribute a on a.attrelid = t.oid
       where a.attnum > 0 and not a.attisdropped and a.atttypid in ('timestamp'::regtype, 'varchar'::regtype, 'json'::regtype) $$,
    'times are timestamptz, texts text, JSON jsonb');

-- Functions and views
create temporary view functions as
    select p.* from pg_proc p where p.pronamespace = 'parley'::regnamespace;
select is_empty($$ select proname from functions where proleakproof $$, 'no function is LEAKPROOF');
select is_empty($$ select proname from functions where prosecdef $$, 'no function is SECURITY DEFINER');
select is_empty(
    $$ select proname from functions
       where not exists (select from unnest(proconfig) c where c ~ '^search_path=.*, pg_temp$') $$,
    'every function fixes its search_path, pg_temp last');
select is_empty(
    $$ select proname from functions f
       where f.proacl is null or exists (select from aclexplode(f.proacl) a where a.grantee = 0) $$,
    'no function may be executed by PUBLIC');
select is_empty(
    $$ select proname from functions where prolang <> (select oid from pg_language where lanname = 'plpgsql') $$,
    'functions are PL/pgSQL');
select is_empty(
    $$ select proname from functions group by proname having count(*) > 1 $$,
    'no function has two signatures');
select is_empty(
    $$ select relname from pg_class
       where relnamespace = 'parley'::regnamespace and relkind = 'v'
         and not coalesce(reloptions @> array['security_invoker=true'], false) $$,
    'views are security_invoker');
select is_empty(
    $$ select c.relname from pg_class c, aclexplode(c.relacl) a where c.relnamespace = 'parley'::regnamespace and a.grantee = 0
       union all
       select 'the schema' from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'parley' and a.grantee = 0 $$,
    'PUBLIC may do nothing');
select is_empty(
    $$ select relname from pg_class where relnamespace = 'parley'::regnamespace and relowner <> 'parley_owner'::regrole
       union all
       select proname from functions where proowner <> 'parley_owner'::regrole $$,
    'everything belongs to the role that migrates');

-- Comments
select is_empty(
    $$ select c.relname from pg_class c
       where c.relnamespace = 'parley'::regnamespace and c.relkind in ('r', 'p', 'v') and obj_description(c.oid, 'pg_class') is null $$,
    'every table and view has a comment');
select is_empty(
    $$ select t.relname, a.attname from tables t join pg_attribute a on a.attrelid = t.oid
       where a.attnum > 0 and not a.attisdropped and col_description(t.oid, a.attnum) is null $$,
    'every column has a comment');
select is_empty($$ select polname from policies where obj_description(oid, 'pg_policy') is null $$, 'every policy has a comment');
select is_empty($$ select proname from functions where obj_description(oid, 'pg_proc') is null $$, 'every function has a comment');

select * from finish();
rollback;

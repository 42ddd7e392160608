-- What the roles may do at all, before any policy is asked.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

create temporary view tables as
    select c.oid, c.relname::text collate "default" as tab from pg_class c
    where c.relnamespace = 'parley'::regnamespace and c.relkind in ('r', 'p');

-- The serving role
select results_eq(
    $$ select tab, concat(case when has_table_privilege('parley_app', oid, 'select') then 's' end,
           case when has_table_privilege('parley_app', oid, 'insert') then 'i' end,
           case when has_table_privilege('parley_app', oid, 'delete') then 'd' end) from tables order by tab $$,
    $$ values ('chat_messages', 'si'), ('chat_sessions', 'sid'), ('helpers', 's'), ('idempotency_keys', 'sid'),
              ('legacy_owners', 'si'), ('login_attempts', 'sid'), ('projects', 'sid'), ('refresh_tokens', 'sid'), ('schema_migrations', 's'),
              ('turn_events', 'sid'), ('turns', 'si'), ('user_emails', 'sid'), ('user_projects', 'sid'), ('user_rates', 'si'),
              ('user_usage', 'si'), ('users', 'sid') $$,
    'the serving role reads, adds and deletes where it has to');
select results_eq(
    $$ select t.tab || '.' || (a.attname collate "default") from tables t join pg_attribute a on a.attrelid = t.oid
       where a.attnum > 0 and not a.attisdropped and not has_column_privilege('parley_app', t.oid, a.attnum, 'update')
       order by t.tab, a.attname collate "default" $$,
    $$ select x.tab || '.' || kept from (values
           ('chat_messages', '{message_id,parent_id,role,seq,session_id,sibling_index,turn_id,user_id}'),
           ('chat_sessions', '{created_at,legacy_source,session_id,user_id}'),
           ('helpers', '{created_at,display_name,greeting,model,name,system_prompt,updated_at}'),
           ('idempotency_keys', '{key,user_id}'),
           ('legacy_owners', '{created_at,email,legacy_id,source,user_id}'),
           ('projects', '{created_at,legacy_source,project_id,user_id}'),
           ('refresh_tokens', '{created_at,family_id,user_id}'),
           ('schema_migrations', '{applied_at,name,number,sha256}'),
           ('turn_events', '{created_at,data,event_id,turn_id,type,user_id}'),
           ('turns', '{id_base,session_id,started_at,turn_id,user_id,user_message_id}'),
           ('user_emails', '{created_at,email,user_id}'),
           ('user_projects', '{created_at,owner_id,project_id,user_id}'),
           ('user_rates', '{kind,user_id}'),
           ('user_usage', '{created_at,user_id}'),
           ('users', '{created_at,user_id}')) x (tab, columns),
           unnest(x.columns::text[]) kept order by x.tab, kept $$,
    'what must not change, the serving role cannot update');
select is_empty(
    $$ select tab from tables where has_table_privilege('parley_app', oid, 'truncate, references, trigger') $$,
    'the serving role cannot truncate, refer or attach triggers');
select is(has_schema_privilege('parley_app', 'parley', 'create'), false, 'the serving role cannot create in the schema');
select is(has_schema_privilege('parley_app', 'public', 'create'), false, 'nor in public');
select is(has_database_privilege('parley_app', current_database(), 'create'), false, 'nor a schema');
select is_empty(
    $$ select relname from pg_class where relowner = 'parley_app'::regrole
       union all select proname from pg_proc where proowner = 'parley_app'::regrole
       union all select nspname from pg_namespace where nspowner = 'parley_app'::regrole $$,
    'the serving role owns nothing');
select is_empty(
    $$ select rolname from pg_roles where rolname in ('parley_app', 'parley_owner')
       and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication) $$,
    'neither it nor the owner is above the policies');
select is_empty(
    $$ select r.rolname from pg_roles r where r.rolname <> 'parley_app' and pg_has_role('parley_app', r.oid, 'member') $$,
    'the serving role is a member of no other');
select is_empty(
    $$ select proname from pg_proc where pronamespace = 'parley'::regnamespace and not has_function_privilege('parley_app', oid, 'execute') $$,
    'the serving role may call every function');
select is_empty(
    $$ select relname from pg_class where relnamespace = 'parley'::regnamespace and relkind = 'v'
       and (not has_table_privilege('parley_app', oid, 'select') or has_table_privilege('parley_app', oid, 'insert, update, delete')) $$,
    'views are read and never written');

-- The same by trying
select tap.person('ann');
select tap.become('ann');
select tap.session('talk');
select tap.say('talk', 'one', 'user', 'Hello');
select throws_ok($$ update parley.chat_messages set content = 'x' $$, 'PA409', 'message_immutable', 'kept by its trigger: see turn.sql');
select throws_ok($$ update parley.chat_messages set role = 'system' $$, '42501');
select throws_ok($$ update parley.turn_events set data = '{}' $$, '42501');
select throws_ok($$ delete from parley.chat_messages $$, '42501');
select throws_ok($$ update parley.chat_sessions set user_id = user_id $$, '42501');
select throws_ok($$ truncate parley.chat_messages $$, '42501');
select throws_ok($$ create table parley.mine () $$, '42501');
select throws_ok($$ drop table parley.turn_events $$, '42501');
select throws_ok($$ alter table parley.chat_messages disable row level security $$, '42501');
select throws_ok($$ drop policy users_owner_select on parley.users $$, '42501');
select throws_ok($$ create or replace function parley.user_delete(uuid) returns integer language sql as 'select 1' $$, '42501');
select throws_ok($$ set session_replication_role = replica $$, '42501');

-- The role of backups
select tap.stop();
set local role parley_backup;
select results_eq('select content from parley.chat_messages', array['Hello'], 'backups see every row');
select lives_ok(format('select from parley.%I', tab), 'backups read ' || tab) from tables;
select tap.stop();
select is_empty(
    $$ select tab from tables where has_any_column_privilege('parley_backup', oid, 'insert, update')
           or has_table_privilege('parley_backup', oid, 'delete, truncate, references, trigger') $$,
    'backups write nothing');
select is_empty(
    $$ select proname from pg_proc where pronamespace = 'parley'::regnamespace and has_function_privilege('parley_backup', oid, 'execute') $$,
    'nor through a function');
select is(has_schema_privilege('parley_backup', 'parley', 'create'), false, 'nor a new table');

select * from finish();
rollback;

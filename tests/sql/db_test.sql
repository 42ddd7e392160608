-- The queries of db_test: what the database layer must bear, told without any table of the product. All of it lies in schema db_test,
-- which the test makes and drops.

-- name: test_schema
create schema if not exists db_test;

-- name: test_table
create table if not exists db_test.rows (id integer primary key, of integer references db_test.rows deferrable initially deferred);

-- name: test_things
create table if not exists db_test.things (a integer);

-- name: test_tries
create sequence if not exists db_test.tries;

-- name: test_flaky
-- Fails with an SQLSTATE until it was tried often enough; sequences do not roll back.
create or replace function db_test.flaky(sqlstate text, often integer) returns void language plpgsql as $$
begin
    if nextval('db_test.tries') <= often then
        raise exception 'passing_trouble' using errcode = sqlstate; end if; end
$$;

-- name: test_raise
create or replace function db_test.refuse(state text, code text, said text, seconds text) returns void language plpgsql as $$
begin
    raise exception using errcode = state, message = code, hint = said, detail = seconds; end
$$;

-- name: test_drop
drop schema if exists db_test cascade;

-- name: add
insert into db_test.rows (id, of) values ($1::integer, $2::integer);

-- name: total
select count(*) from db_test.rows;

-- name: clear
delete from db_test.rows;

-- name: restart_tries
select setval('db_test.tries', 1, false);

-- name: tries
select last_value from db_test.tries;

-- name: flaky
select db_test.flaky($1::text, $2::integer);

-- name: refuse
select db_test.refuse($1::text, $2::text, $3::text, $4::text);

-- name: claim
select current_setting('parley.user_id', true), current_setting('parley.email', true);

-- name: echo
select $1::text;

-- name: divide
select 1 / $1::integer;

-- name: misspelt
select no_such_column;

-- name: sleep
select pg_sleep($1::float8), 'late';

-- name: pid
select pg_backend_pid();

-- name: end_other
select pg_terminate_backend($1::integer, 2000);

-- name: end_self
-- Ends the session only if it is the one that $1 names: another one is spared.
select pg_terminate_backend(pg_backend_pid()) where pg_backend_pid() = $1::integer;

-- name: forget
-- What a pooler does behind the program's back.
deallocate total;

-- name: all_things
select * from db_test.things;

-- name: widen_things
alter table db_test.things alter column a type bigint;

-- name: narrow_things
alter table db_test.things alter column a type integer;

-- name: values
select null::text, 42::bigint, -7, true, false, '0190a5c0-0000-7000-8000-000000000001'::uuid,
       '2026-01-31 13:00:00.12+01'::timestamptz, '2026-01-31 12:00:00Z'::timestamptz, 'infinity'::timestamptz,
       'größer'::text;

-- name: session
select current_setting('TimeZone'), current_setting('client_encoding'), current_setting('application_name'),
       current_setting('transaction_read_only');

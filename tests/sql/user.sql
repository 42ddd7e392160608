-- Signing up and leaving.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

-- Up
select tap.become('ann');
select results_eq(
    $$ select user_id, display_name, avatar_url from parley.user_create(tap.id('ann'), 'ann@example.org', 'h', 'Ann', 'https://x/y.png') $$,
    $$ values (tap.id('ann'), 'Ann', 'https://x/y.png') $$, 'a person is made');
select results_eq($$ select email, password_hash from parley.user_emails $$, $$ values ('ann@example.org', 'h') $$, 'with a login');
select results_eq($$ select session_count, total_tokens from parley.user_usage $$, $$ values (0, 0::bigint) $$, 'and totals');
select tap.become('bob');
select throws_ok(
    $$ select parley.user_create(tap.id('bob'), 'ann@example.org', 'h', null, null) $$, 'PA409', 'email_taken', 'an address is used once');
select is_empty($$ select from parley.users $$, 'and nothing is left of the refused');
select throws_ok(
    $$ select parley.user_create(tap.id('bob'), 'Bob@example.org', 'h', null, null) $$, '23514', null, 'addresses are in lower case');
select throws_ok(
    $$ select parley.user_create(tap.id('cy'), 'cy@example.org', 'h', null, null) $$, '42501', null, 'people sign up as themselves');
select tap.stop();

-- Away: a row in every table for Bob and for Cy, then Bob leaves.
select tap.person('bob');
select tap.person('cy');
create function pg_temp.fill(who text) returns void language plpgsql as $$
begin
    perform tap.become(who);
    perform parley.project_create(tap.id(who), tap.id(who || ' p'), who, null);
    perform parley.session_create(tap.id(who), tap.id(who || ' s'), null, tap.id(who || ' p'), null, 5, 5);
    perform tap.say(who || ' s', who || ' m', 'user', who);
    perform parley.session_create(tap.id(who), tap.id(who || ' hidden'), null, null, null, 5, 5);
    perform parley.session_hide(tap.id(who), tap.id(who || ' hidden'), '1 day');
    perform parley.idempotency_begin(tap.id(who), 'k', 'h', '1 day');
    insert into parley.turns (user_id, turn_id, session_id, user_message_id)
        values (tap.id(who), tap.id(who || ' t'), tap.id(who || ' s'), tap.id(who || ' m'));
    insert into parley.turn_events (user_id, turn_id, event_id, type, data) values (tap.id(who), tap.id(who || ' t'), 1, 'token', '{}');
    insert into parley.refresh_tokens (user_id, family_id, token_hash, expires_at) values (tap.id(who), tap.id(who), repeat('0', 64), now());
    insert into parley.legacy_owners (user_id, source, legacy_id) values (tap.id(who), 'old', who);
    perform tap.become_nobody();
    perform tap.claim('email', who || '@example.org');
    perform parley.login_begin(who || '@example.org', 10, '1 minute');
    perform tap.stop();
end
$$;
select pg_temp.fill('bob');
select pg_temp.fill('cy');
insert into parley.user_projects (user_id, project_id, owner_id, name) values
    (tap.id('cy'), tap.id('bob p'), tap.id('bob'), 'bob'), (tap.id('bob'), tap.id('cy p'), tap.id('cy'), 'cy');
update parley.chat_sessions set project_id = tap.id('bob p') where session_id = tap.id('cy hidden');

-- All rows that name a person, by their id or their address; tables that do are found in the catalogue.
create function pg_temp.rows_of(who text) returns table (tab text, held bigint) language plpgsql as $$
begin
    for tab in select c.relname from pg_class c where c.relnamespace = 'parley'::regnamespace and c.relkind in ('r', 'p') order by 1 loop
        execute format('select count(*) from parley.%I t where t::text like any ($1)', tab)
            using array['%' || tap.id(who) || '%', '%' || who || '@example.org%'] into held;
        return next;
    end loop;
end
$$;
create temporary table before as select * from pg_temp.rows_of('cy');
select results_eq(
    $$ select tab from pg_temp.rows_of('bob') where held = 0 order by tab $$,
    $$ values ('helpers'), ('schema_migrations') $$, 'Bob has rows in every table that can hold any');

select tap.become('ann');
select is(parley.user_delete(tap.id('bob')), 0, 'nobody removes another');
select tap.become_nobody();
select is(parley.user_delete(tap.id('bob')), 0, 'nor does nobody');
select tap.stop();
select is((select sum(held) from pg_temp.rows_of('bob'))::integer, 17, 'all is there still');

select tap.become('bob');
select is(parley.user_delete(tap.id('bob')), 1, 'a person leaves');
select is(parley.user_delete(tap.id('bob')), 0, 'once');
select is(current_setting('parley.email', true), '', 'and no claim is left open');
select tap.stop();
select is_empty($$ select * from pg_temp.rows_of('bob') where held > 0 $$, 'nothing of theirs is left');
select results_eq(
    $$ select b.tab, b.held - a.held from before b join pg_temp.rows_of('cy') a using (tab) where a.held <> b.held $$,
    $$ values ('user_projects', 2::bigint) $$, 'of others, memberships alone: theirs in Bob''s project and Bob''s in theirs');
select is((select project_id from parley.chat_sessions where session_id = tap.id('cy hidden')), null, 'sessions in it stay');
select is((select content from parley.chat_messages where session_id = tap.id('cy s')), 'cy', 'and all words of others');

-- The address can be registered again
select lives_ok($$ select tap.person('bob') $$, 'they may come back');

select * from finish();
rollback;

-- Threads: found by name, begun anew where that may be, told apart from what another has.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

create function pg_temp.open(p_user text, p_id uuid, p_name text, p_new text) returns text language sql
    as $$ select concat_ws(' ', session_id = tap.id(p_new), name, created)
          from parley.thread_open(tap.id(p_user), p_id, p_name, tap.id(p_new), 0, 0) $$;
create function pg_temp.named(p_session text) returns text language sql
    as $$ select coalesce(thread_name, '-') from parley.chat_sessions where session_id = tap.id(p_session) $$;

select tap.person('ann');
select tap.person('bob');
select tap.become('bob');
select tap.session('his');
update parley.chat_sessions set thread_name = 'old-name' where session_id = tap.id('his');

select tap.become('ann');
select tap.session('s1');
select is(parley.thread_find(tap.id('ann'), tap.id('s1'), 'thread-' || tap.id('s1')), tap.id('s1'), 'a session is found by the id in its name');
select is(parley.thread_find(tap.id('ann'), tap.id('his'), 'thread-' || tap.id('his')), null, 'another''s is not');
select is(parley.thread_find(tap.id('ann'), null, 'old-name'), null, 'by its name neither');
select is(parley.thread_find(tap.id('ann'), null, 'none'), null, 'nor what is not there');

-- The default thread
select is(pg_temp.open('ann', null, 'user-' || tap.id('ann'), 'd1'), 't user-' || tap.id('ann') || ' t', 'the default thread is made at first');
select is(pg_temp.open('ann', null, 'user-' || tap.id('ann'), 'd2'), 'f user-' || tap.id('ann') || ' f', 'and found again');
select is(pg_temp.open('ann', tap.id('d1'), 'thread-' || tap.id('d1'), 'd2'), 'f user-' || tap.id('ann') || ' f', 'by its id too');
select is((select session_count from parley.user_usage where user_id = tap.id('ann')), 2, 'it is counted');
select throws_ok($$ select pg_temp.open('ann', null, 'user-' || tap.id('bob'), 'd3') $$, 'PA404', 'thread_not_found', 'another''s default thread is not there');
select throws_ok($$ select pg_temp.open('ann', tap.id('his'), 'thread-' || tap.id('his'), 'd3') $$, 'PA404', 'thread_not_found', 'nor another''s thread');
select throws_ok($$ select pg_temp.open('ann', null, 'old-name', 'd3') $$, 'PA404', 'thread_not_found', 'nor under a name that another has');
select throws_ok($$ select pg_temp.open('ann', tap.id('no'), 'thread-' || tap.id('no'), 'd3') $$, 'PA404', 'thread_not_found', 'nor what never was');
select throws_ok(
    $$ select parley.thread_open(tap.id('bob'), null, 'user-' || tap.id('bob'), tap.id('d3'), 0, 0) $$, 'PA401', 'user_gone',
    'nobody begins a thread for somebody else');
select throws_ok(
    $$ update parley.chat_sessions set thread_name = 'user-' || tap.id('ann') where session_id = tap.id('s1') $$, '23505', null,
    'a name is one session''s');
select throws_ok($$ update parley.chat_sessions set thread_name = '' where session_id = tap.id('s1') $$, '23514', null, 'a name is not empty');

-- Hidden threads begin anew under their names, and come back.
select parley.session_hide(tap.id('ann'), tap.id('d1'), '1 day');
select parley.session_hide(tap.id('ann'), tap.id('s1'), '1 day');
select is(parley.thread_find(tap.id('ann'), tap.id('s1'), 'thread-' || tap.id('s1')), null, 'a hidden one is not found');
select is(pg_temp.open('ann', tap.id('s1'), 'thread-' || tap.id('s1'), 's2'), 't thread-' || tap.id('s1') || ' t', 'it begins anew under its name');
select is(pg_temp.open('ann', tap.id('s1'), 'thread-' || tap.id('s1'), 's3'), 'f thread-' || tap.id('s1') || ' f', 'and goes on so');
select is(pg_temp.open('ann', null, 'user-' || tap.id('ann'), 'd4'), 't user-' || tap.id('ann') || ' t', 'the default thread too');
select lives_ok($$ select parley.session_restore(tap.id('ann'), tap.id('d1'), 0) $$, 'a thread whose name is taken is restored');
select is(pg_temp.named('d1'), '-', 'without its name');
select is(pg_temp.named('d4'), 'user-' || tap.id('ann'), 'which the new one keeps');
select lives_ok($$ select parley.session_restore(tap.id('ann'), tap.id('s1'), 0) $$, 'a session whose id is another''s name is restored');
select is(pg_temp.named('s2'), '-', 'that name is its own again');
select is(parley.thread_find(tap.id('ann'), tap.id('s1'), 'thread-' || tap.id('s1')), tap.id('s1'), 'and finds it');

-- What was said
select tap.session('h');
select tap.say('h', 'h1', 'user', 'one');
select tap.say('h', 'h2', 'assistant', '');
select tap.say('h', 'h3', 'assistant', 'two');
select tap.say('h', 'h4', 'system', 'three');
select tap.say('h', 'h5', 'user', 'four');
create function pg_temp.history(p_before integer, p_limit integer, p_bytes integer) returns text language sql
    as $$ select string_agg(concat_ws(' ', seq, role, content, matches), ', ')
          from parley.thread_history(tap.id('ann'), tap.id('h'), 'thread-' || tap.id('h'), p_before, p_limit, p_bytes) $$;
select is(pg_temp.history(9, 9, 9999), '5 user four 3, 3 assistant two 3, 1 user one 3', 'history is what two said, newest first');
select is(pg_temp.history(9, 2, 9999), '5 user four 3, 3 assistant two 3', 'so many, and whether there are more');
select is(pg_temp.history(5, 2, 9999), '3 assistant two 2, 1 user one 2', 'before one of them');
select is(pg_temp.history(9, 9, 140), '5 user four 3, 3 assistant two 3', 'as many bytes');
select is(pg_temp.history(9, 9, 1), '5 user four 3', 'but one');
select is(pg_temp.history(1, 9, 9999), null, 'before the first there is nothing');
select results_eq(
    $$ select session_id, name, message_count from parley.thread_get(tap.id('ann'), tap.id('h'), 'thread-' || tap.id('h')) $$,
    $$ values (tap.id('h'), 'thread-' || tap.id('h'), 5) $$, 'its name and length');
select is_empty($$ select from parley.thread_get(tap.id('ann'), tap.id('his'), 'thread-' || tap.id('his')) $$, 'of another''s nothing');
select is_empty(
    $$ select from parley.thread_history(tap.id('ann'), tap.id('his'), 'thread-' || tap.id('his'), 9, 9, 9999) $$, 'what was said there neither');
select is_empty(
    $$ select from parley.thread_history(tap.id('bob'), tap.id('his'), 'thread-' || tap.id('his'), 9, 9, 9999) $$, 'not in his name either');

-- Hiding
select throws_ok($$ select parley.thread_hide(tap.id('ann'), tap.id('his'), 'thread-' || tap.id('his'), '1 day') $$, 'PA404', 'thread_not_found');
select throws_ok($$ select parley.thread_hide(tap.id('ann'), null, 'user-' || tap.id('bob'), '1 day') $$, 'PA404', 'thread_not_found');
select lives_ok($$ select parley.thread_hide(tap.id('ann'), tap.id('h'), 'thread-' || tap.id('h'), '1 day') $$, 'a thread is hidden by its name');
select is((select deleted_at is not null from parley.chat_sessions where session_id = tap.id('h')), true, 'and is');
select throws_ok($$ select parley.thread_hide(tap.id('ann'), tap.id('h'), 'thread-' || tap.id('h'), '1 day') $$, 'PA404', 'thread_not_found', 'once');

-- Quotas
select throws_ok(
    $$ select parley.session_hide(tap.id('ann'), tap.id('d4'), '1 day'),
              parley.thread_open(tap.id('ann'), null, 'user-' || tap.id('ann'), tap.id('d5'), 0, 3) $$, 'PA429', 'too_many_sessions',
    'a new thread is a new session');

-- All of them
select lives_ok($$ select parley.thread_hide_all(tap.id('ann'), '1 day') $$, 'all are hidden at once');
select is_empty($$ select from parley.chat_sessions where deleted_at is null $$, 'none is left');
select is((select session_count from parley.user_usage where user_id = tap.id('ann')), 0, 'none is counted');
select lives_ok($$ select parley.thread_hide_all(tap.id('ann'), '1 day') $$, 'also when there are none');
select lives_ok($$ select parley.thread_hide(tap.id('ann'), null, 'user-' || tap.id('ann'), '1 day') $$, 'a default thread is empty, not absent');
select parley.thread_hide_all(tap.id('bob'), '1 day');
select tap.become('bob');
select is((select count(*) from parley.chat_sessions where deleted_at is null), 1::bigint, 'nobody hides another''s');

select tap.become_nobody();
select is(parley.thread_find(tap.id('ann'), tap.id('s1'), 'thread-' || tap.id('s1')), null, 'nobody finds nothing');

select * from finish();
rollback;

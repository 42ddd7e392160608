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

-- Quotas
select throws_ok(
    $$ select parley.session_hide(tap.id('ann'), tap.id('d4'), '1 day'),
              parley.thread_open(tap.id('ann'), null, 'user-' || tap.id('ann'), tap.id('d5'), 0, 3) $$, 'PA429', 'too_many_sessions',
    'a new thread is a new session');

select tap.become_nobody();
select is(parley.thread_find(tap.id('ann'), tap.id('s1'), 'thread-' || tap.id('s1')), null, 'nobody finds nothing');

select * from finish();
rollback;

-- Chat sessions: made within quotas, listed, changed, hidden, restored, removed.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

create function pg_temp.count() returns integer language sql
    as $$ select session_count from parley.user_usage where user_id = tap.id('ann') $$;

select tap.person('ann');
select tap.person('bob');
select tap.become('bob');
select tap.session('his');

select tap.become('ann');
select results_eq(
    $$ select title, title_is_auto, preview, message_count, last_seq, active_leaf, is_active, helper, deleted_at
       from parley.session_create(tap.id('ann'), tap.id('s1'), null, null, null, 0, 0) $$,
    $$ values (null::text, true, null::text, 0, 0, null::uuid, true, null::text, null::timestamptz) $$,
    'a new session is empty and untitled');
select results_eq(
    $$ select title, title_is_auto, helper from parley.session_create(tap.id('ann'), tap.id('s2'), 'Plans', null, 'coach', 0, 0) $$,
    $$ values ('Plans', false, 'coach') $$,
    'a given title is not automatic');
select is(pg_temp.count(), 2, 'sessions are counted');
select throws_ok(
    $$ select parley.session_create(tap.id('ann'), tap.id('s1'), null, null, null, 0, 0) $$, '23505', null, 'an id is used once');
select throws_ok(
    $$ select parley.session_create(tap.id('ann'), tap.id('s9'), null, tap.id('nothing'), null, 0, 0) $$, 'PA404', 'project_not_found');
select throws_ok(
    $$ select parley.session_create(tap.id('bob'), tap.id('s9'), null, null, null, 0, 0) $$, 'PA401', 'user_gone',
    'nobody makes a session for somebody else');
select is(pg_temp.count(), 2, 'what is refused is not counted');

-- Quotas
select throws_ok(
    $$ select parley.session_create(tap.id('ann'), tap.id('s3'), null, null, null, 0, 2) $$, 'PA429', 'too_many_sessions');
select lives_ok($$ select parley.session_create(tap.id('ann'), tap.id('s3'), null, null, null, 0, 3) $$, 'the last that is allowed');
select lives_ok($$ select parley.session_create(tap.id('ann'), tap.id('s4'), null, null, null, 1, 0) $$, 'the first in a minute');
select throws_ok(
    $$ select parley.session_create(tap.id('ann'), tap.id('s5'), null, null, null, 1, 0) $$, 'PA429', 'sessions_per_minute');
select is(pg_temp.count(), 4, 'a refused session is not counted');

-- Changes. The order of arguments: title? title active project? project helper? helper
select results_eq(
    $$ select title, title_is_auto, is_active, helper from parley.session_update(
           tap.id('ann'), tap.id('s1'), true, 'Mine', false, false, null, true, 'coach') $$,
    $$ values ('Mine', false, false, 'coach') $$, 'what is named changes');
select results_eq(
    $$ select title, title_is_auto, is_active, helper from parley.session_update(
           tap.id('ann'), tap.id('s1'), false, 'No', null, false, tap.id('nothing'), false, 'no') $$,
    $$ values ('Mine', false, false, 'coach') $$, 'what is not named stays');
select tap.say('s1', 'm1', 'user', 'What is a vector?');
select is((select title from parley.chat_sessions where session_id = tap.id('s1')), 'Mine', 'a message does not change a given title');
select results_eq(
    $$ select title, title_is_auto from parley.session_update(tap.id('ann'), tap.id('s1'), true, null, null, false, null, true, null) $$,
    $$ values ('What is a vector?', true) $$, 'a title that is taken away is automatic again');
select throws_ok(
    $$ select parley.session_update(tap.id('ann'), tap.id('s1'), true, repeat('x', 201), null, false, null, false, null) $$, '23514', null,
    'a title has at most 200 characters');
select throws_ok(
    $$ select parley.session_update(tap.id('ann'), tap.id('his'), true, 'x', null, false, null, false, null) $$,
    'PA404', 'session_not_found', 'another''s session is not there');
select throws_ok(
    $$ select parley.session_update(tap.id('bob'), tap.id('his'), true, 'x', null, false, null, false, null) $$,
    'PA404', 'session_not_found', 'nor in their name');
select throws_ok(
    $$ select parley.session_update(tap.id('ann'), tap.id('s1'), false, null, null, true, tap.id('nothing'), false, null) $$,
    'PA404', 'project_not_found');

-- The list
update parley.chat_sessions set last_message_at = now() - interval '1 hour' where session_id = tap.id('s1');
update parley.chat_sessions set last_message_at = now() + interval '1 hour' where session_id = tap.id('s4');
select results_eq(
    $$ select session_id from parley.get_user_sessions(tap.id('ann')) $$,
    $$ values (tap.id('s4')), (greatest(tap.id('s2'), tap.id('s3'))), (least(tap.id('s2'), tap.id('s3'))), (tap.id('s1')) $$,
    'newest first, then by id');
select results_eq($$ select session_id from parley.get_user_sessions(tap.id('ann'), 1) $$, $$ values (tap.id('s4')) $$, 'as many as asked');
select is_empty($$ select from parley.get_user_sessions(tap.id('bob')) $$, 'another''s list is empty');

-- Hide and restore
select lives_ok($$ select parley.session_hide(tap.id('ann'), tap.id('s1'), interval '30 days') $$);
select is(pg_temp.count(), 3, 'a hidden session does not count');
select results_eq(
    $$ select deleted_at is not null, purge_at - deleted_at from parley.chat_sessions where session_id = tap.id('s1') $$,
    $$ values (true, interval '30 days') $$, 'it is kept until its time');
select throws_ok($$ select parley.session_hide(tap.id('ann'), tap.id('s1'), interval '1 day') $$, 'PA404', 'session_not_found', 'hidden once');
select throws_ok($$ select parley.session_hide(tap.id('ann'), tap.id('his'), interval '1 day') $$, 'PA404', 'session_not_found');
select throws_ok(
    $$ select parley.session_update(tap.id('ann'), tap.id('s1'), true, 'x', null, false, null, false, null) $$, 'PA404', null,
    'a hidden session does not change');
select throws_ok($$ select tap.say('s1', 'm2', 'user', 'Anybody?') $$, 'PA404', 'session_not_found', 'nor takes a message');
select is((select count(*) from parley.get_user_sessions(tap.id('ann')))::integer, 3, 'nor stands in the list');
select is_empty($$ select from parley.get_session_messages(tap.id('s1')) $$, 'nor shows its messages');
select throws_ok($$ select parley.session_restore(tap.id('ann'), tap.id('s1'), 3) $$, 'PA429', 'too_many_sessions');
select results_eq(
    $$ select session_id, deleted_at, purge_at, message_count from parley.session_restore(tap.id('ann'), tap.id('s1'), 4) $$,
    $$ values (tap.id('s1'), null::timestamptz, null::timestamptz, 1) $$, 'restored with what was in it');
select is(pg_temp.count(), 4, 'and counted again');
select lives_ok($$ select parley.session_restore(tap.id('ann'), tap.id('s1'), 4) $$, 'restoring twice is nothing');
select is(pg_temp.count(), 4, 'and is counted once');
select throws_ok($$ select parley.session_restore(tap.id('ann'), tap.id('his'), 0) $$, 'PA404', 'session_not_found');
select parley.session_hide(tap.id('ann'), tap.id('s1'), interval '-1 second');
select throws_ok($$ select parley.session_restore(tap.id('ann'), tap.id('s1'), 0) $$, 'PA404', null, 'too late is too late');
select is(pg_temp.count(), 3, 'and counts nothing');

-- Remove
select lives_ok($$ select parley.session_remove(tap.id('ann'), tap.id('s1')) $$, 'a hidden one is removed');
select is(pg_temp.count(), 3, 'which was not counted');
select lives_ok($$ select parley.session_remove(tap.id('ann'), tap.id('s2')) $$, 'one that is not hidden is removed');
select is(pg_temp.count(), 2, 'which was counted');
select is_empty($$ select from parley.chat_messages where session_id = tap.id('s1') $$, 'messages go with their session');
select throws_ok($$ select parley.session_remove(tap.id('ann'), tap.id('s1')) $$, 'PA404', 'session_not_found', 'gone is gone');
select throws_ok($$ select parley.session_remove(tap.id('ann'), tap.id('his')) $$, 'PA404', 'session_not_found');
select tap.stop();
select is((select count(*) from parley.chat_sessions where session_id = tap.id('his'))::integer, 1, 'Bob''s session is as it was');

select * from finish();
rollback;

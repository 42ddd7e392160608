-- Turns: begun with the message on disk, saved while they run, ended once, whoever ends them.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

insert into parley.helpers (name, display_name, model, system_prompt, greeting) values
    ('tutor', 'Tutor', 'small', 'Teach.', 'Welcome!'), ('mute', 'Mute', null, null, null);
select tap.person(word) from unnest(array['ann', 'bob', 'eve']) word;
select tap.become('bob');
select tap.session('his');
select tap.become('ann');
select tap.session('s');

-- Turn `word` has the user's message "u <word>" and the answer "a <word>".
create function pg_temp.start(
    word text, session text default 's', said text default 'Hello', parent uuid default null, lease interval default '20 s',
    is_new boolean default false, helper text default null, project uuid default null, model text default null,
    quotas integer[] default '{0,0,0,0,0}') returns text language sql as $$
    select concat_ws(', ', title, case when user_message_id = tap.id('u ' || word) then 'its own' else 'another' end, model, system_prompt)
    from parley.turn_begin(current_setting('parley.user_id')::uuid, tap.id(session), is_new, project, helper, model, said, parent,
        tap.id(word), tap.id('u ' || word), tap.id('a ' || word), lease, quotas[1], quotas[2], quotas[3], quotas[4], quotas[5])
$$;
-- The events of tokens, and any last words behind them, with ids as the relay gives them.
create function pg_temp.events(after integer, tokens text[], last text default null) returns jsonb language sql as $$
    with e as (
        select n, case when n <= cardinality(tokens) then 'token' else last end as type, tokens[n] as content
        from generate_series(1, coalesce(cardinality(tokens), 0) + (last is not null)::integer) n)
    select jsonb_agg(jsonb_build_object('id', id, 'type', type,
        'data', jsonb_strip_nulls(jsonb_build_object('type', type, 'content', content))) order by id)
    from (select type, content, after + sum(coalesce(octet_length(content), 1)) over (order by n) as id from e) x
$$;
create function pg_temp.checkpoint(word text, events jsonb default null) returns text language sql as $$
    select parley.turn_checkpoint(current_setting('parley.user_id')::uuid, tap.id(word), events, '20 s')
$$;
create function pg_temp.finish(
    word text, content text default 'Fine.', status text default 'complete', events jsonb default null, tool_calls jsonb default null,
    prompt integer default 10, completion integer default 3, model text default null) returns text language sql as $$
    select parley.turn_finish(current_setting('parley.user_id')::uuid, tap.id(word), events, status, content, tool_calls, 'stop', null,
        model, prompt, completion, prompt is null)
$$;
-- The session as "title | preview | count"; its active path, oldest first, as "role status content".
create function pg_temp.session(session text default 's') returns text language sql as $$
    select concat_ws(' | ', coalesce(title, '-'), coalesce(preview, '-'), message_count) from parley.chat_sessions
    where session_id = tap.id(session) and message_count = (
        select count(*) from parley.chat_messages where session_id = tap.id(session) and on_path)
$$;
create function pg_temp.path(session text default 's') returns text language sql as $$
    select string_agg(concat_ws(' ', role, nullif(status, 'complete'), nullif(content, '')), ', ' order by seq)
    from parley.chat_messages where session_id = tap.id(session) and on_path
$$;
create function pg_temp.turn(word text) returns text language sql as $$
    select concat_ws(' ', status, finish_reason, error_code, model, prompt_tokens, completion_tokens, case when tokens_estimated then 'estimated' end,
        case when lease_until is not null then 'leased' end, case when ended_at is not null then 'ended' end, last_event_id)
    from parley.turns where turn_id = tap.id(word)
$$;
create function pg_temp.log(word text) returns text language sql as $$
    select string_agg(concat_ws(' ', event_id, type, data ->> 'content'), ', ' order by event_id) from parley.turn_events where turn_id = tap.id(word)
$$;

-- Begun
select is(pg_temp.start('t1', said => 'What is love?'), 'What is love?, its own', 'the session''s title is that of the message');
select is(pg_temp.path(), 'user What is love?, assistant streaming', 'message and empty answer are stored');
select is(pg_temp.session(), 'What is love? | What is love? | 2', 'an empty answer is no preview');
select is(pg_temp.turn('t1'), 'streaming leased 0', 'with a turn that runs');
select results_eq(
    $$ select message_id, parent_id, turn_id, tokens from parley.chat_messages where session_id = tap.id('s') order by seq $$,
    $$ values (tap.id('u t1'), null::uuid, tap.id('t1'), null::integer), (tap.id('a t1'), tap.id('u t1'), tap.id('t1'), null) $$,
    'both are part of the turn');
select throws_ok($$ select pg_temp.start('x') $$, 'PA409', 'turn_in_progress', 'one turn at a time');
select throws_ok($$ select pg_temp.start('x', parent => '00000000-0000-0000-0000-000000000000') $$, 'PA409', 'turn_in_progress', 'on any branch');
select throws_ok($$ select pg_temp.start('x', said => null, parent => tap.id('a t1')) $$, 'PA409', 'turn_in_progress', 'nor another answer');
select is(pg_temp.path(), 'user What is love?, assistant streaming', 'a refusal stores nothing');
select is(pg_temp.finish('t1', 'Baby, do not hurt me.'), 'saved');
select is(pg_temp.start('t2', said => 'Again', model => 'big'), 'What is love?, its own, big', 'the next follows');
select is(pg_temp.session(), 'What is love? | Again | 4');
select is(pg_temp.finish('t2', ''), 'saved');
select is(pg_temp.session(), 'What is love? | Again | 4', 'nor is one that stayed empty');
select is(pg_temp.path(), 'user What is love?, assistant Baby, do not hurt me., user Again, assistant');

-- On other branches
select is(pg_temp.start('t3', said => 'Or so', parent => tap.id('a t1')), 'What is love?, its own', 'an edit is a sibling');
select is(pg_temp.path(), 'user What is love?, assistant Baby, do not hurt me., user Or so, assistant streaming');
select is(pg_temp.session(), 'What is love? | Or so | 4');
select pg_temp.finish('t3', 'So');
select is(pg_temp.start('t4', said => 'Anew', parent => '00000000-0000-0000-0000-000000000000'), 'What is love?, its own', 'another first message');
select is(pg_temp.path(), 'user Anew, assistant streaming');
select pg_temp.finish('t4', 'New');
select is(pg_temp.session(), 'What is love? | New | 2');
select is(pg_temp.start('t5', said => null, parent => tap.id('a t3')), 'What is love?, another', 'another answer to the same message');
select is(pg_temp.path(), 'user What is love?, assistant Baby, do not hurt me., user Or so, assistant streaming');
select results_eq(
    $$ select sibling_index, sibling_count from parley.chat_messages where parent_id = tap.id('u t3') order by seq $$,
    $$ values (1, 2), (2, 2) $$, 'is a sibling of the first');
select is((select user_message_id from parley.turns where turn_id = tap.id('t5')), tap.id('u t3'));
select is_empty($$ select from parley.chat_messages where message_id = tap.id('u t5') $$, 'and the message is not stored again');
select pg_temp.finish('t5', 'Thus');
select is(pg_temp.start('t6', said => null, parent => tap.id('u t3')), 'What is love?, another', 'the message itself may be named');
select pg_temp.finish('t6', 'Hence');
select is((select max(sibling_count) from parley.chat_messages where parent_id = tap.id('u t3')), 3);
select tap.session('talk');
select tap.say('talk', 'q', 'user', 'Anybody?');
select is(pg_temp.start('t7', 'talk', said => null, parent => tap.id('q')), 'Anybody?, another', 'a message without an answer gets its first');
select is(pg_temp.path('talk'), 'user Anybody?, assistant streaming');
select from parley.message_activate(tap.id('ann'), tap.id('s'), tap.id('a t2'));
select is(pg_temp.session(), 'What is love? | Again | 4', 'a branch that ends empty shows its last text');
select tap.session('odd');
select tap.say('odd', 'sys', 'system', 'Be brief.'), tap.say('odd', 'hi', 'assistant', 'Hi'), tap.say('odd', 'lone', 'assistant', 'Hi again');
select throws_ok($$ select pg_temp.start('x', 'odd', null, tap.id('sys')) $$, 'PA409', 'not_an_answer', 'a first message that is not the user''s');
select throws_ok($$ select pg_temp.start('x', 'odd', null, tap.id('lone')) $$, 'PA409', 'not_an_answer', 'what follows something else');
select throws_ok($$ select pg_temp.start('x', 'odd', null, tap.id('q')) $$, 'PA404', 'message_not_found', 'a message elsewhere');
select throws_ok($$ select pg_temp.start('x', 'odd', null, null) $$, 'PA404', 'message_not_found', 'no message');
select throws_ok($$ select pg_temp.start('x', 'odd', 'Hi', tap.id('q')) $$, 'PA404', 'message_not_found', 'a parent elsewhere');
select is(pg_temp.path('odd'), 'system Be brief., assistant Hi, assistant Hi again', 'refusals store nothing');

-- In a new session
select is(pg_temp.start('n1', 'new1', is_new => true), 'Hello, its own');
select is(pg_temp.path('new1'), 'user Hello, assistant streaming');
select is(pg_temp.start('n2', 'new2', is_new => true, helper => 'tutor'), 'Hello, its own, small, Teach.', 'a helper''s model and prompt');
select is(pg_temp.path('new2'), 'assistant Welcome!, user Hello, assistant streaming', 'and greeting');
select is(pg_temp.session('new2'), 'Hello | Hello | 3');
select results_eq(
    $$ select preview, message_count from parley.session_create(tap.id('ann'), tap.id('greeted'), null, null, 'tutor', 0, 0) $$,
    $$ values ('Welcome!', 1) $$, 'as in one that is made without a turn');
select is(pg_temp.start('n3', 'new3', is_new => true, helper => 'mute', model => 'big'), 'Hello, its own, big');
select is(pg_temp.path('new3'), 'user Hello, assistant streaming', 'not every helper greets');
select is(pg_temp.start('n4', 'new4', is_new => true, helper => 'nobody'), 'Hello, its own', 'a helper that is not there');
select results_eq(
    $$ select model from (values ('n7', null, null), ('n8', null, 'tutor'), ('n9', 'big', 'tutor')) x (word, named, helper),
           lateral parley.turn_begin(tap.id('ann'), tap.id(word), true, null, helper, named, 'Hello', null, tap.id(word), tap.id('u ' || word),
               tap.id('a ' || word), '20 s', 0, 0, 0, 0, 0, 'usual') order by word $$,
    array['usual', 'small', 'big'], 'without either the usual model is asked');
select is(pg_temp.finish('n2', 'Well'), 'saved');
select is(pg_temp.start('n5', 'new2', model => 'big'), 'Hello, its own, big, Teach.', 'the session''s helper stays; another model may be asked');
select results_eq($$ select model from parley.turns where turn_id = tap.id('n5') $$, array['big']);
select pg_temp.finish('n5', 'x', model => 'big-2024');
select results_eq($$ select model from parley.turns where turn_id = tap.id('n5') $$, array['big-2024'], 'what answered in the end');
select parley.project_create(tap.id('ann'), tap.id('p'), 'P', null);
select is(pg_temp.start('n6', 'new6', is_new => true, project => tap.id('p')), 'Hello, its own');
select is((select project_id from parley.chat_sessions where session_id = tap.id('new6')), tap.id('p'));
select throws_ok($$ select pg_temp.start('x', 'new', is_new => true, project => tap.id('other')) $$, 'PA404', 'project_not_found');
select throws_ok($$ select pg_temp.start('x', 'new6', is_new => true) $$, '23505', null, 'a session''s id is used once');
select is_empty($$ select from parley.chat_sessions where session_id = tap.id('new') $$);

-- Refused
select throws_ok($$ select pg_temp.start('x', 'nothing') $$, 'PA404', 'session_not_found');
select throws_ok($$ select pg_temp.start('x', 'his') $$, 'PA404', 'session_not_found', 'another''s session');
select throws_ok(
    $$ select parley.turn_begin(tap.id('bob'), tap.id('his'), false, null, null, null, 'x', null, tap.id('x'), tap.id('y'), tap.id('z'), '20 s', 0, 0, 0, 0, 0) $$,
    'PA404', 'session_not_found', 'in another''s name');
select tap.session('hidden');
select parley.session_hide(tap.id('ann'), tap.id('hidden'), '1 day');
select throws_ok($$ select pg_temp.start('x', 'hidden') $$, 'PA404', 'session_not_found', 'a hidden one');
select throws_ok($$ select parley.turn_stop(tap.id('ann'), tap.id('hidden')) $$, 'PA404', 'session_not_found');
select throws_ok($$ select parley.turn_stop(tap.id('ann'), tap.id('his')) $$, 'PA404', 'session_not_found');


-- Saved while it runs
select is(pg_temp.start('c', 's'), 'What is love?, its own');
select is(pg_temp.checkpoint('c'), 'go', 'nothing new renews the lease');
select is(pg_temp.checkpoint('c', pg_temp.events(0, '{Hé,llo}')), 'go');
select is(pg_temp.log('c'), '3 token Hé, 6 token llo', 'ids are lengths');
select is(pg_temp.checkpoint('c', pg_temp.events(0, '{Hé,llo}')), 'go', 'sent twice');
select is(pg_temp.log('c'), '3 token Hé, 6 token llo', 'is stored once');
select is(pg_temp.checkpoint('c', pg_temp.events(3, '{llo,!}')), 'go', 'partly again');
select is(pg_temp.checkpoint('c', pg_temp.events(0, '{H,é,llo,!}')), 'go', 'and cut otherwise');
select is(pg_temp.log('c'), '3 token Hé, 6 token llo, 7 token !', 'nothing is there twice');
select is(pg_temp.turn('c'), 'streaming leased 7');
select is(parley.turn_text(tap.id('ann'), tap.id('c')), 'Héllo!', 'the text so far');
select is(parley.turn_text(tap.id('ann'), tap.id('n1')), '', 'none so far');
select is((select content from parley.chat_messages where message_id = tap.id('a c')), '', 'the message waits for its end');
select results_eq($$ select purge_at from parley.turn_events where turn_id = tap.id('c') $$, array[null, null, null]::timestamptz[], 'and its events with it');
select cmp_ok((select lease_until from parley.turns where turn_id = tap.id('c')), '>', clock_timestamp() + interval '19 s', 'leased anew');
select is((select turn_id from parley.turn_stop(tap.id('ann'), tap.id('s'))), tap.id('c'), 'asked to stop');
select is(pg_temp.checkpoint('c'), 'stop');
create temporary table asked as select stop_requested_at from parley.turns where turn_id = tap.id('c');
select is((select turn_id from parley.turn_stop(tap.id('ann'), tap.id('s'))), tap.id('c'), 'twice');
select is((select stop_requested_at from parley.turns where turn_id = tap.id('c')), (select stop_requested_at from asked), 'is once');
select is(pg_temp.checkpoint('c', pg_temp.events(7, '{?}')), 'stop', 'what is new is saved all the same');
select is(pg_temp.finish('c', 'Héllo!?', 'stopped', pg_temp.events(7, '{?}', 'done')), 'saved');
select is(pg_temp.log('c'), '3 token Hé, 6 token llo, 7 token !, 8 token ?, 9 done');
select is_empty($$ select from parley.turn_stop(tap.id('ann'), tap.id('s')) $$, 'nothing runs to be stopped');
select is(pg_temp.checkpoint('c', pg_temp.events(9, '{late}')), 'gone', 'an ended turn takes nothing');
select is(pg_temp.log('c'), '3 token Hé, 6 token llo, 7 token !, 8 token ?, 9 done');
select is(pg_temp.checkpoint('nothing'), 'gone', 'nor one that never was');
select is(parley.turn_checkpoint(tap.id('bob'), tap.id('n1'), null, '20 s'), 'gone', 'nor another''s');

-- Ended
select tap.become('eve');
select tap.session('e');
select pg_temp.start('e1', 'e', said => 'Hello');
update parley.chat_sessions set last_message_at = now() - interval '1 hour' where session_id = tap.id('e');
select is(pg_temp.finish('e1', repeat('é', 70), events => pg_temp.events(0, array[repeat('é', 70)], 'done'), tool_calls => '[{"id": "1"}]'), 'saved');
select is(pg_temp.turn('e1'), 'complete stop 10 3 ended 141');
select is(pg_temp.session('e'), 'Hello | ' || repeat('é', 60) || ' | 2', 'the preview is the answer''s');
select results_eq(
    $$ select last_message_at, prompt_tokens, completion_tokens, estimated_tokens from parley.chat_sessions where session_id = tap.id('e') $$,
    $$ values (now(), 10::bigint, 3::bigint, 0::bigint) $$, 'the session has its time and tokens');
select results_eq(
    $$ select content, tool_calls, status, tokens, prompt_tokens, tokens_estimated from parley.chat_messages where message_id = tap.id('a e1') $$,
    $$ values (repeat('é', 70), '[{"id": "1"}]'::jsonb, 'complete', 3, 10, false) $$, 'the message its text');
select results_eq(
    $$ select prompt_tokens, completion_tokens, total_tokens from parley.user_usage where user_id = tap.id('eve') $$,
    $$ values (10::bigint, 3::bigint, 13::bigint) $$, 'the person''s total');
select results_eq(
    $$ select window_start, used from parley.user_rates where user_id = tap.id('eve') and kind = 'tokens' $$,
    $$ values (date_trunc('day', now(), 'UTC'), 13) $$, 'and the day''s');
select is_empty(
    $$ select from parley.turn_events where turn_id = tap.id('e1') and not purge_at between now() + interval '1 day' and now() + interval '25 hours' $$,
    'events may go a day later');
select is(pg_temp.finish('e1', 'Twice', events => pg_temp.events(141, '{Twice}')), 'saved', 'ended once more in the same way');
select is(pg_temp.finish('e1', 'Twice', 'failed'), 'gone', 'or another');
select is(pg_temp.finish('nothing'), 'gone');
select is(parley.turn_finish(tap.id('ann'), tap.id('n1'), null, 'complete', 'x', null, null, null, null, 1, 1, false), 'gone', 'another''s');
select is(pg_temp.turn('e1'), 'complete stop 10 3 ended 141', 'changes nothing');
select is((select left(content, 2) from parley.chat_messages where message_id = tap.id('a e1')), 'éé');
select results_eq($$ select total_tokens from parley.user_usage where user_id = tap.id('eve') $$, array[13::bigint], 'and counts nothing');
select is((select count(*) from parley.turn_events where turn_id = tap.id('e1'))::integer, 2);
select pg_temp.start('e2', 'e', said => 'Twelve bytes');
select is(pg_temp.finish('e2', 'Five!', 'failed', prompt => null, completion => null), 'saved');
select is(pg_temp.turn('e2'), 'failed stop 3 2 estimated ended 0', 'tokens nobody told are estimated');
select is(pg_temp.session('e'), 'Hello | Five! | 4');
select results_eq(
    $$ select s.prompt_tokens, s.completion_tokens, u.total_tokens, r.used, s.estimated_tokens, u.estimated_tokens
       from parley.chat_sessions s join parley.user_usage u using (user_id)
       join parley.user_rates r using (user_id) where s.session_id = tap.id('e') and r.kind = 'tokens' $$,
    $$ values (13::bigint, 5::bigint, 18::bigint, 18, 5::bigint, 5::bigint) $$, 'they add up, and so do the estimated ones');
select results_eq(
    $$ select tokens, prompt_tokens, tokens_estimated from parley.chat_messages where message_id = tap.id('a e2') $$,
    $$ values (2, 3, true) $$, 'the message says so, too');
update parley.user_rates set window_start = window_start - interval '1 day' where kind = 'tokens';
select pg_temp.start('e3', 'e');
select tap.say('e', 'e after', 'user', 'Meanwhile');
select is(pg_temp.finish('e3', repeat('0123456789', 1000000)), 'saved', 'ten megabytes');
select is((select octet_length(content) from parley.chat_messages where message_id = tap.id('a e3')), 10000000);
select is(pg_temp.session('e'), 'Hello | Meanwhile | 7', 'the preview stays that of what came after it');
select results_eq(
    $$ select used, window_start from parley.user_rates where user_id = tap.id('eve') and kind = 'tokens' $$,
    $$ values (13, date_trunc('day', now(), 'UTC')) $$, 'a new day begins at none');
update parley.user_rates set window_start = window_start + interval '1 day' where kind = 'tokens';
select pg_temp.start('e4', 'e'), pg_temp.finish('e4');
select results_eq(
    $$ select used, window_start from parley.user_rates where user_id = tap.id('eve') and kind = 'tokens' $$,
    $$ values (26, date_trunc('day', now(), 'UTC') + interval '1 day') $$, 'who comes late from yesterday does not take today away');

-- Interrupted: the lease is over
select tap.session('i');
select pg_temp.start('i1', 'i', lease => '-1 s');
select parley.turn_store_events(tap.id('eve'), tap.id('i1'), pg_temp.events(1, '{Hal,f}'), 1, null); -- after the session's event
select parley.turn_settle(tap.id('eve'), tap.id('i'));
select is(pg_temp.path('i'), 'user Hello, assistant interrupted Half', 'what was saved is the answer');
select is(pg_temp.turn('i1'), 'interrupted interrupted 2 1 estimated ended 16777221');
select is(pg_temp.log('i1'), '4 token Hal, 5 token f, 16777221 error', 'an event ends it');
select results_eq(
    $$ select data from parley.turn_events where turn_id = tap.id('i1') and event_id = 16777221 $$,
    $$ select jsonb_build_object('type', 'error', 'code', 'interrupted', 'message', 'The answer was interrupted.', 'turn_id', tap.id('i1')) $$);
select is_empty($$ select from parley.turn_events where turn_id = tap.id('i1') and purge_at is null $$, 'which may go a day later with the others');
select is(pg_temp.session('i'), 'Hello | Half | 2');
select results_eq($$ select tokens from parley.chat_messages where message_id = tap.id('a i1') $$, array[1]);
select parley.turn_settle(tap.id('eve'), tap.id('i'));
select is(pg_temp.log('i1'), '4 token Hal, 5 token f, 16777221 error', 'once');
create function pg_temp.sums() returns text language sql as $$
    select format('%s %s %s', s.prompt_tokens + s.completion_tokens, u.total_tokens, r.used) from parley.chat_sessions s
        join parley.user_usage u using (user_id) join parley.user_rates r using (user_id)
        where s.session_id = tap.id('i') and r.kind = 'tokens' $$;
select set_config('tap.sums', pg_temp.sums(), true);
select is(pg_temp.checkpoint('i1', pg_temp.events(5, '{late}')), 'go', 'a process that was only slow goes on');
select is(pg_temp.turn('i1'), 'streaming leased 9');
select is(pg_temp.log('i1'), '4 token Hal, 5 token f, 9 token late', 'as if nothing had been');
select is_empty($$ select from parley.turn_events where turn_id = tap.id('i1') and purge_at is not null $$);
select is(pg_temp.path('i'), 'user Hello, assistant streaming');
select results_eq(
    $$ select tokens, m.prompt_tokens, m.tokens_estimated, s.prompt_tokens + s.completion_tokens, s.estimated_tokens, u.estimated_tokens
       from parley.chat_messages m join parley.chat_sessions s using (user_id, session_id) join parley.user_usage u using (user_id)
       where message_id = tap.id('a i1') $$,
    $$ values (null::integer, null::integer, null::boolean, 0::bigint, 0::bigint, 5::bigint) $$, 'what was estimated is taken back');
select parley.turn_settle(tap.id('eve'), tap.id('i'));
select is(pg_temp.turn('i1'), 'streaming leased 9', 'and is leased again');
update parley.turns set lease_until = clock_timestamp() - interval '1 s' where turn_id = tap.id('i1');
select parley.turn_settle(tap.id('eve'), tap.id('i'));
select is(pg_temp.finish('i1', 'Half late', 'interrupted'), 'saved', 'its own end in the same words changes nothing');
select is(pg_temp.path('i'), 'user Hello, assistant interrupted Halflate');
select is(pg_temp.finish('i1', 'Half late', prompt => 2, completion => 1), 'saved', 'another end counts');
select is(pg_temp.path('i'), 'user Hello, assistant Half late');
select is(pg_temp.sums(), current_setting('tap.sums'), 'tokens count once');
select is(pg_temp.checkpoint('i1', pg_temp.events(9, '{more}')), 'gone', 'what is complete does not go on');
update parley.chat_sessions set preview = 'Half' where session_id = tap.id('i');
select pg_temp.start('i2', 'i', lease => '-1 s');
select is(pg_temp.start('i3', 'i'), 'Hello, its own', 'the next turn ends the lost one');
select is(pg_temp.path('i'), 'user Hello, assistant Half late, user Hello, assistant interrupted, user Hello, assistant streaming');
select is(pg_temp.session('i'), 'Hello | Hello | 6');
select is(pg_temp.checkpoint('i2', pg_temp.events(0, '{late}')), 'gone', 'a slow process whose session has another turn by now is told');
select is(pg_temp.finish('i2', 'Late'), 'gone');
select parley.turn_settle(tap.id('eve'), tap.id('i'));
select is(pg_temp.turn('i3'), 'streaming leased 0', 'a leased turn is let alone');
select pg_temp.finish('i3');
select pg_temp.start('i4', 'i', lease => '-1 s');
select is(pg_temp.checkpoint('i4'), 'go', 'a slow process that nobody missed goes on');
select parley.turn_settle(tap.id('eve'), tap.id('i'));
select is(pg_temp.turn('i4'), 'streaming leased 0');
select pg_temp.finish('i4');
select pg_temp.start('i5', 'i', lease => '-1 s');
select is(pg_temp.finish('i5', 'Late'), 'saved', 'or ends');
select pg_temp.start('i6', 'i', lease => '-1 s');
select is_empty($$ select from parley.turn_stop(tap.id('eve'), tap.id('i')) $$, 'to be stopped is too late for a lost one');
select is(pg_temp.turn('i6'), 'interrupted interrupted 2 0 estimated ended 16777216');

-- What was thought before the answer
select tap.session('r');
create function pg_temp.think(word text, thoughts text[], after integer default 0) returns text language sql as $$
    select pg_temp.checkpoint(word, (select jsonb_agg(jsonb_build_object('id', id, 'type', 'reasoning',
            'data', jsonb_build_object('type', 'reasoning', 'content', thought)) order by id)
        from (select thought, after + sum(octet_length(thought)) over (order by n) as id
            from unnest(thoughts) with ordinality as t (thought, n)) x))
$$;
create function pg_temp.kept(word text) returns jsonb language sql as $$
    select metadata from parley.chat_messages where message_id = tap.id('a ' || word)
$$;
select pg_temp.start('r1', 'r'), pg_temp.think('r1', array['Let me ', 'thi🤔k.']);
select is(pg_temp.kept('r1'), null, 'while it is written nothing is kept with the message');
select pg_temp.finish('r1', status => 'stopped', events => pg_temp.events(20, '{Fine.}'));
select is(pg_temp.kept('r1'), jsonb_build_object('reasoning', 'Let me thi🤔k.'));
select pg_temp.start('r2', 'r', lease => '-1 s'), parley.turn_store_events(tap.id('eve'), tap.id('r2'),
    '[{"id": 2, "type": "reasoning", "data": {"type": "reasoning", "content": "Hm"}}]', 0, null), parley.turn_settle(tap.id('eve'), tap.id('r'));
select is(pg_temp.kept('r2'), '{"reasoning": "Hm"}', 'also of a process that is gone');
select is(pg_temp.think('r2', array[' again'], 2), 'go');
select pg_temp.finish('r2');
select is(pg_temp.kept('r2'), '{"reasoning": "Hm again"}', 'and all of it when that was only slow');
select pg_temp.start('r3', 'r'), pg_temp.finish('r3');
select is(pg_temp.kept('r3'), null, 'without thoughts there is nothing to keep');
select pg_temp.start('r4', 'r'), pg_temp.think('r4', array['x' || repeat('é', 40000), repeat('y', 1000000)]), pg_temp.finish('r4');
select is(pg_temp.kept('r4') ->> 'reasoning', 'x' || repeat('é', 32767), 'at most 64 KiB, cut at a whole character');
select pg_temp.start('r5', 'r'), pg_temp.think('r5', array[repeat('x', 65530), 'abcdefg', 'h']), pg_temp.finish('r5');
select is(pg_temp.kept('r5') ->> 'reasoning', repeat('x', 65530) || 'abcdef');
select pg_temp.start('r6', 'r'), pg_temp.think('r6', array[repeat('é', 32768)]), pg_temp.finish('r6');
select is(pg_temp.kept('r6') ->> 'reasoning', repeat('é', 32768));

-- Which model answered
select pg_temp.start('r7', 'r', model => 'asked'), pg_temp.think('r7', array['Hm']), pg_temp.finish('r7', status => 'stopped');
select is(pg_temp.kept('r7'), '{"model": "asked", "reasoning": "Hm"}', 'the one that was asked');
select pg_temp.start('r8', 'r', model => 'asked'), pg_temp.finish('r8', model => 'asked-2024');
select is(pg_temp.kept('r8'), '{"model": "asked-2024"}', 'as it says itself where it does');
select pg_temp.start('r9', 'r', model => 'asked', lease => '-1 s'), parley.turn_settle(tap.id('eve'), tap.id('r'));
select is(pg_temp.kept('r9'), '{"model": "asked"}', 'also of a process that is gone');
select pg_temp.finish('r9', model => 'asked-2024');
select is(pg_temp.kept('r9'), '{"model": "asked-2024"}', 'and its own word when that was only slow');

-- Quotas: {sessions a minute, sessions, turns a minute, turns running, tokens a day}
select tap.person('quin');
select tap.become('quin');
select is(pg_temp.start('q1', 'q1', is_new => true, quotas => '{1,0,0,0,0}'), 'Hello, its own');
select throws_ok($$ select pg_temp.start('q2', 'q2', is_new => true, quotas => '{1,0,0,0,0}') $$, 'PA429', 'sessions_per_minute');
select throws_ok($$ select pg_temp.start('q2', 'q2', is_new => true, quotas => '{0,1,0,0,0}') $$, 'PA429', 'too_many_sessions');
select throws_ok($$ select pg_temp.start('q2', 'q2', is_new => true, quotas => '{0,0,0,1,0}') $$, 'PA429', 'turns_running');
select is(pg_temp.start('q2', 'q2', is_new => true, lease => '-1 s', quotas => '{0,0,1,2,0}'), 'Hello, its own');
select is(pg_temp.start('q3', 'q3', is_new => true, quotas => '{0,0,0,2,0}'), 'Hello, its own', 'a lost turn is not counted');
select throws_ok($$ select pg_temp.start('q4', 'q4', is_new => true, quotas => '{0,0,1,0,0}') $$, 'PA429', 'turns_per_minute');
select throws_ok($$ select pg_temp.start('q4', 'q4', is_new => true, quotas => '{0,0,0,2,0}') $$, 'PA429', 'turns_running');
select is((select used from parley.user_rates where user_id = tap.id('quin') and kind = 'turns'), 1, 'a refusal counts nothing');
select pg_temp.finish('q1', prompt => 99, completion => 1), pg_temp.finish('q3', prompt => 0, completion => 0);
select throws_ok($$ select pg_temp.start('q5', 'q1', quotas => '{0,0,0,0,100}') $$, 'PA429', 'tokens_per_day');
select is(pg_temp.start('q5', 'q1', quotas => '{0,0,0,1,101}'), 'Hello, its own');
select pg_temp.finish('q5');
update parley.user_rates set window_start = window_start - interval '1 day' where kind = 'tokens';
select is(pg_temp.start('q6', 'q1', quotas => '{0,0,0,0,1}'), 'Hello, its own', 'yesterday''s tokens do not count');
create function pg_temp.wait() returns integer language plpgsql as $$
declare
    v_detail text;
begin
    update parley.user_rates set window_start = date_trunc('day', now(), 'UTC') where kind = 'tokens';
    perform pg_temp.start('q7', 'q3', quotas => '{0,0,0,0,1}');
    return null;
exception
    when others then
        get stacked diagnostics v_detail = pg_exception_detail;
        return v_detail::integer;
end
$$;
select cmp_ok(pg_temp.wait(), '>=', 1, 'it is said how long to wait');
select cmp_ok(pg_temp.wait(), '<=', 86400);
select is((select session_count from parley.user_usage where user_id = tap.id('quin')), 3, 'sessions of refused turns are not counted');

-- Hidden and removed in the middle
select tap.become('eve');
select tap.session('gone'), pg_temp.start('g1', 'gone');
select parley.session_hide(tap.id('eve'), tap.id('gone'), '1 day');
select is(pg_temp.checkpoint('g1', pg_temp.events(0, '{Ki}')), 'go', 'the turn of a hidden session goes on');
select is(pg_temp.finish('g1', 'Kind', events => pg_temp.events(2, '{nd}', 'done')), 'saved');
select isnt((select deleted_at from parley.chat_sessions where session_id = tap.id('gone')), null, 'it stays hidden');
select is((select preview || message_count from parley.session_restore(tap.id('eve'), tap.id('gone'), 0)), 'Kind2', 'restored, it has its answer');
select is(pg_temp.path('gone'), 'user Hello, assistant Kind');
select pg_temp.start('g2', 'gone', lease => '-1 s');
select parley.turn_store_events(tap.id('eve'), tap.id('g2'), pg_temp.events(0, '{Half}'), 0, null);
select parley.session_hide(tap.id('eve'), tap.id('gone'), '1 day');
select parley.turn_settle(tap.id('eve'), tap.id('gone'));
select from parley.session_restore(tap.id('eve'), tap.id('gone'), 0);
select is(pg_temp.path('gone'), 'user Hello, assistant Kind, user Hello, assistant interrupted Half');
select pg_temp.start('g3', 'gone');
select pg_temp.checkpoint('g3', pg_temp.events(0, '{Half}'));
select parley.session_remove(tap.id('eve'), tap.id('gone'));
select is(pg_temp.checkpoint('g3', pg_temp.events(4, '{x}')), 'gone', 'the turn of a removed session is gone');
select is(pg_temp.finish('g3'), 'gone');
select is_empty($$ select from parley.turn_events where turn_id = tap.id('g3') $$);
select tap.session('left'), pg_temp.start('l1', 'left');
select parley.user_delete(tap.id('eve'));
select is(pg_temp.checkpoint('l1', pg_temp.events(0, '{x}')), 'gone', 'as is that of a person who left');
select is(pg_temp.finish('l1'), 'gone');
select is_empty(format('select from parley.%I where user_id = tap.id(''eve'')', tab), 'nothing comes back: ' || tab)
    from unnest(array['chat_sessions', 'chat_messages', 'turns', 'turn_events', 'user_usage', 'user_rates']) tab;

-- Messages stay as they were written, whoever writes: the superuser, whom no grant holds back.
select tap.become('ann');
select tap.session('k'), pg_temp.start('kc', 'k'), pg_temp.finish('kc', 'Kept', tool_calls => '[]');
select pg_temp.start('ke', 'k'), pg_temp.finish('ke', '', completion => 0);
select pg_temp.start('kp', 'k'), pg_temp.finish('kp', 'Part', 'stopped');
select pg_temp.start('kf', 'k'), pg_temp.finish('kf', '', 'failed');
select pg_temp.start('ki', 'k', lease => '-1 s'), parley.turn_settle(tap.id('ann'), tap.id('k'));
select pg_temp.start('ks', 'k');
select from parley.message_append(tap.id('ann'), tap.id('k'), tap.id('a mine'), 'assistant', '', null, null, null, null);
select from parley.message_append(tap.id('ann'), tap.id('k'), tap.id('a new'), 'assistant', '', null, null, tap.id('new'), null);
select from parley.message_append(tap.id('ann'), tap.id('k'), tap.id('a said'), 'user', '', null, null, tap.id('new'), null);
select from parley.message_append(tap.id('ann'), tap.id('k'), tap.id('a calls'), 'assistant', '', '[]', null, tap.id('new'), null);
select from parley.message_append(tap.id('ann'), tap.id('k'), tap.id('a full'), 'assistant', 'x', null, null, tap.id('new'), null);
select tap.stop();
create function pg_temp.change(word text, change text) returns text language plpgsql as $$
begin
    execute format('update parley.chat_messages set %s where message_id = %L', change, tap.id('a ' || word));
    raise exception 'changed';
exception
    when others then return sqlerrm;
end
$$;
create temporary table change (attname name, value text);
insert into change values
    ('session_id', 'tap.id(''s'')'), ('seq', '99'), ('message_id', 'tap.id(''x'')'), ('parent_id', 'null'), ('sibling_index', '2, sibling_count = 2'),
    ('role', '''system'''), ('content', '''y'''), ('tool_calls', '''[1]'''), ('metadata', '''[1]'''), ('turn_id', 'tap.id(''x'')'),
    ('created_at', '''2000-01-01'''), ('status', '''streaming'', content = ''x'''), ('tokens', '7'), ('prompt_tokens', '7'),
    ('tokens_estimated', 'tokens_estimated is not true');
select set_eq(
    $$ select attname from pg_attribute where attrelid = 'parley.chat_messages'::regclass and attnum > 0 and not attisdropped
       and attname not in ('user_id', 'on_path', 'sibling_count') $$,
    'select attname from change', 'every column but the flags is kept; user_id by the policies');
select is(pg_temp.change(word, attname || ' = ' || value), 'message_immutable', word || ': ' || attname)
    from change, unnest(array['kc', 'ke', 'kp', 'kf', 'ki', 'mine', 'new', 'said', 'calls', 'full', 'ks']) word
    where word <> 'ks' or attname <> 'status';
select is(pg_temp.change('ks', attname || ' = ' || value || ', status = ''complete'''), 'message_immutable', 'ending: ' || attname)
    from change where attname not in ('content', 'tool_calls', 'metadata', 'created_at', 'tokens', 'prompt_tokens', 'tokens_estimated', 'status');
select is(pg_temp.change('new', attname || ' = ' || value || ', status = ''streaming'''), 'message_immutable', 'marking: ' || attname)
    from change where attname <> 'status';
select is(pg_temp.change(word, format('status = %L', status)), case when status = own then 'changed' else 'message_immutable' end, word || ': ' || status)
    from unnest(array['complete', 'streaming', 'stopped', 'failed', 'interrupted']) status, (values
        ('kc', 'complete'), ('ke', 'complete'), ('kp', 'stopped'), ('kf', 'failed'), ('ki', 'interrupted'), ('mine', 'complete'), ('said', 'complete'),
        ('calls', 'complete'), ('full', 'complete')) x (word, own);
select is(pg_temp.change('new', format('status = %L', status)),
    case when status in ('complete', 'streaming') then 'changed' else 'message_immutable' end, 'a new empty answer: ' || status)
    from unnest(array['complete', 'streaming', 'stopped', 'failed', 'interrupted']) status;
select is(pg_temp.change('ks', format('status = %L, content = ''x'', tokens = 1, tool_calls = ''[]''', status)),
    case status when 'streaming' then 'message_immutable' else 'changed' end, 'the end of an answer: ' || status)
    from unnest(array['complete', 'streaming', 'stopped', 'failed', 'interrupted']) status;
select is(pg_temp.change(word, 'on_path = not on_path, sibling_count = 2'), 'changed', 'the flags of the tree: ' || word)
    from unnest(array['kc', 'kp', 'ks', 'mine', 'new']) word;
select is(pg_temp.change('kc', 'content = content, tool_calls = tool_calls, role = role'), 'changed', 'what stays is no change');

select * from finish();
rollback;

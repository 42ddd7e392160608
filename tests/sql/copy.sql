-- Copies: what a client saves around a turn and what the turn stores is one message.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.person('bob');
select tap.become('bob');
select tap.session('his');
select tap.say('his', 'b1', 'user', 'Secret');
select tap.become('ann');

-- The word of a message's id.
create function pg_temp.word(id uuid) returns text language sql as $$
    select w from unnest(array['s1', 's2', 's3', 's4', 's5', 't1', 't2', 'q1', 'q2', 'a1', 'a2', 'a3', 'b1']) w where tap.id(w) = id
$$;
create function pg_temp.path(session text default 's') returns text language sql as $$
    select string_agg(left(role, 1) || ':' || content, ' ' order by seq) from parley.chat_messages where session_id = tap.id(session) and on_path
$$;
-- Saves as word; answers the word of the message that holds it.
create function pg_temp.save(word text, role text, content text, calls jsonb default null, meta jsonb default null, keyed boolean default false)
    returns text language sql as $$
    select pg_temp.word(message_id) from parley.copy_save(tap.id('ann'), tap.id('s'), tap.id(word), role, content, calls, meta, keyed)
$$;
-- What sending finds: the message to answer, or the turn to join.
create function pg_temp.sent(content text) returns text language sql as $$
    select coalesce('answer ' || pg_temp.word(asked) || case when last <> asked then ' behind ' || pg_temp.word(last) else '' end, 'join ' || pg_temp.word(turn)) from parley.copy_question(tap.id('ann'), tap.id('s'), content)
$$;
-- A turn that answers a stored message, or a text of its own.
create function pg_temp.answer(turn text, question text, answer text) returns void language sql as $$
    select from parley.turn_begin(tap.id('ann'), tap.id('s'), false, null, null, null, null, tap.id(question), tap.id(turn), tap.id('q9'), tap.id(answer),
        '1 minute', 0, 0, 0, 0, 0)
$$;
create function pg_temp.ask(turn text, content text, question text, answer text) returns void language sql as $$
    select from parley.turn_begin(tap.id('ann'), tap.id('s'), false, null, null, null, content, null, tap.id(turn), tap.id(question), tap.id(answer),
        '1 minute', 0, 0, 0, 0, 0)
$$;
create function pg_temp.finish(turn text, content text, status text default 'complete', calls jsonb default null) returns void language sql as $$
    select from parley.turn_finish(tap.id('ann'), tap.id(turn), '[]', status, content, calls, null, null, null, 1, 1, false)
$$;
-- Each case begins with an empty session.
create function pg_temp.anew() returns void language sql as $$
    delete from parley.chat_sessions where session_id = tap.id('s');
    select tap.session('s');
$$;

-- The flow: save, send, save.
select pg_temp.anew();
select is(pg_temp.sent('Hi'), null, 'an empty session has nothing');
select is(pg_temp.save('s1', 'user', 'Hi'), 's1', 'a copy is stored');
select is(pg_temp.save('s2', 'user', 'Hi'), 's1', 'once');
select is(pg_temp.sent('Hi'), 'answer s1', 'what is sent is that message');
select is(pg_temp.sent(E' Hi\n'), 'answer s1', 'white space makes no difference');
select is(pg_temp.sent('hi'), null, 'other letters do');
select pg_temp.answer('t1', 's1', 'a1');
select is(pg_temp.sent('Hi'), 'join t1', 'sent again it joins the turn');
select pg_temp.finish('t1', 'Hello there.');
select is(pg_temp.sent('Hi'), 'join t1', 'also after its end');
select is(pg_temp.save('s3', 'assistant', 'Hello there.'), 'a1', 'the answer is stored already');
select is(pg_temp.save('s3', 'assistant', E'Hello there.\n'), 'a1');
select is(pg_temp.save('s3', 'assistant', 'Hello'), 'a1', 'its beginning, too');
select is(pg_temp.path(), 'u:Hi a:Hello there.', 'each is there once');
select is(pg_temp.save('s3', 'user', 'Hi'), 's3', 'the same words after the answer are new');
select is(pg_temp.sent('Hi'), 'answer s3');
select is(pg_temp.path(), 'u:Hi a:Hello there. u:Hi');
select is(pg_temp.save('s4', 'assistant', 'Hello there.'), 'a1', 'a late copy is not stored behind what came after');

-- Without saving first
select pg_temp.anew();
select pg_temp.ask('t1', 'Hi', 'q1', 'a1');
select is(pg_temp.sent('Hi'), null, 'who does not save asks anew each time');
select is(pg_temp.save('s1', 'user', 'Hi'), 'q1', 'a copy that comes while the turn runs');
select pg_temp.finish('t1', 'Hello.');
select is(pg_temp.sent('Hi'), null);
select is(pg_temp.save('s1', 'user', 'Hi'), 's1', 'after it, it is another message');

-- A turn that failed is not joined.
select pg_temp.anew();
select pg_temp.save('s1', 'user', 'Hi');
select pg_temp.answer('t1', 's1', 'a1');
select pg_temp.finish('t1', 'Hel', 'failed');
select is(pg_temp.sent('Hi'), 'answer s1', 'it is asked again');
select pg_temp.answer('t2', 's1', 'a2');
select pg_temp.finish('t2', 'Hello.');
select is(pg_temp.path(), 'u:Hi a:Hello.', 'as another answer to the one question');

-- A turn of long ago is not joined either.
select tap.stop();
set local session_replication_role = replica;
update parley.chat_messages set created_at = now() - interval '2 hours' where message_id = tap.id('a2');
set local session_replication_role = origin;
select tap.become('ann');
select is(pg_temp.sent('Hi'), null, 'after an hour it is a new text');

-- Two tabs
select pg_temp.anew();
select pg_temp.save('s1', 'user', 'One');
select pg_temp.save('s2', 'user', 'Two');
select is(pg_temp.sent('One'), 'answer s1 behind s2', 'one answer is for all that was said');
select is(pg_temp.save('s3', 'user', 'One'), 's1', 'of which each is there once');
select is(pg_temp.sent('Two'), 'answer s2');
select pg_temp.answer('t1', 's2', 'a1');
select is(pg_temp.sent('Two'), 'join t1');
select is(pg_temp.sent('One'), 'join t1', 'and both tabs watch it');
select is(pg_temp.save('s4', 'user', 'One'), 's1', 'nor is it stored again while it is answered');
select is(pg_temp.sent('Three'), null);
select pg_temp.save('s3', 'user', 'Three');
select is(pg_temp.sent('Two'), 'join t1', 'also when something came behind it');
select pg_temp.finish('t1', 'Both.');
select is(pg_temp.sent('Two'), null, 'what was asked and answered is over');
select is(pg_temp.sent('One'), 'join t1', 'but who did not ask yet has its answer there');

-- Copies that differ
select pg_temp.anew();
select pg_temp.save('s1', 'user', 'Hi');
select pg_temp.answer('t1', 's1', 'a1');
select pg_temp.finish('t1', 'Hello.', calls => '[{"id": "1"}]');
select is(pg_temp.save('s2', 'assistant', 'Hello.', '[{"id": "1"}]'), 'a1', 'the same calls are the same');
select is(pg_temp.save('s2', 'assistant', '**Hello.**'), 's2', 'more than the answer is a version');
select results_eq($$ select parent_id, sibling_index, tool_calls from parley.chat_messages where message_id = tap.id('s2') $$,
    $$ values (tap.id('s1'), 2, '[{"id": "1"}]'::jsonb) $$, 'beside it, with its calls');
select is(pg_temp.path(), 'u:Hi a:**Hello.**', 'which is looked at');
select is(pg_temp.save('s3', 'assistant', '**Hello.**', '[{"id": "1"}]'), 's2', 'and stored once');

select pg_temp.anew();
select pg_temp.save('s1', 'user', 'Hi');
select pg_temp.answer('t1', 's1', 'a1');
select pg_temp.finish('t1', 'Hello.');
select is(pg_temp.save('s2', 'assistant', 'Hello.', '[{"id": "1"}]'), 's2', 'calls that the answer lacks make a version');
select is(pg_temp.save('s3', 'assistant', 'Hello.', '[{"id": "1"}]'), 's2', 'once');
select is(pg_temp.path(), 'u:Hi a:Hello.');
select is(pg_temp.save('s4', 'assistant', 'Something else.'), 's4', 'other words are another message');
select is(pg_temp.path(), 'u:Hi a:Hello. a:Something else.', 'at the end');

select pg_temp.anew();
select pg_temp.save('s1', 'user', 'Hi');
select pg_temp.answer('t1', 's1', 'a1');
select pg_temp.finish('t1', 'Hello.');
select pg_temp.save('s2', 'user', 'Next');
select is(pg_temp.save('s3', 'assistant', 'Hello.', null, '{"ms": 5}'), 's3', 'a late version with notes');
select is(pg_temp.path(), 'u:Hi a:Hello. u:Next', 'does not move the conversation');
select results_eq($$ select message_count, preview, active_leaf from parley.chat_sessions where session_id = tap.id('s') $$,
    $$ values (3, 'Next', tap.id('s2')) $$);
select is((select parent_id from parley.chat_messages where message_id = tap.id('s3')), tap.id('s1'), 'it stands beside the answer');
select is(pg_temp.save('s4', 'assistant', 'Hello.', null, '{"ms": 5}'), 's3', 'once');

-- While the turn runs
select pg_temp.anew();
select pg_temp.save('s1', 'user', 'Hi');
select pg_temp.answer('t1', 's1', 'a1');
select is(pg_temp.save('s2', 'user', 'Hi'), 's1', 'a second click is no second message');
select is(pg_temp.save('s3', 'assistant', 'Hel'), 's3', 'of an answer of which nothing is saved yet a copy is kept');
select is(pg_temp.save('s4', 'assistant', 'Hel'), 's3', 'once');
select is(pg_temp.path(), 'u:Hi a:', 'but the answer is what is looked at');

select pg_temp.anew();
select pg_temp.save('s1', 'user', 'Hi');
select pg_temp.answer('t1', 's1', 'a1');
select parley.turn_checkpoint(tap.id('ann'), tap.id('t1'), '[{"id": 5, "type": "token", "data": {"type": "token", "content": "Hello"}}]', '1 minute');
select is(pg_temp.save('s2', 'assistant', 'Hel'), 'a1', 'what a client had read when it left');
select is(pg_temp.save('s2', 'assistant', 'Hello the'), 'a1', 'even if it is not saved yet');
select is(pg_temp.save('s2', 'assistant', 'Cancelled'), 's2', 'but not something else');
select pg_temp.finish('t1', 'Hello there.');
select is((select content from parley.chat_messages where message_id = tap.id('a1')), 'Hello there.');

-- Keys
select pg_temp.anew();
select is(pg_temp.save('s1', 'user', 'ok', keyed => true), 's1');
select is(pg_temp.save('s2', 'user', 'ok', keyed => true), 's2', 'with keys of its own the same text is another message');
select is(pg_temp.save('s3', 'tool', '[]', meta => '{"tool_call_id": "1"}'), 's3');
select is(pg_temp.save('s4', 'tool', '[]', meta => '{"tool_call_id": "2"}'), 's4', 'other notes make another message');
select is(pg_temp.save('s5', 'tool', '[]', meta => '{"tool_call_id": "2"}'), 's4');

-- A process that is gone
select pg_temp.anew();
select pg_temp.save('s1', 'user', 'Hi');
select pg_temp.answer('t1', 's1', 'a1');
update parley.turns set lease_until = now() - interval '1 s' where turn_id = tap.id('t1');
select is(pg_temp.sent('Hi'), 'answer s1', 'an interrupted turn is asked again');

-- Others
select throws_ok($$ select parley.copy_question(tap.id('ann'), tap.id('his'), 'Secret') $$, 'PA404', 'session_not_found');
select throws_ok($$ select parley.copy_question(tap.id('bob'), tap.id('his'), 'Secret') $$, 'PA404', 'session_not_found');
select throws_ok($$ select parley.copy_save(tap.id('bob'), tap.id('his'), tap.id('x'), 'user', 'Secret', null, null, false) $$, 'PA404', 'session_not_found');
select is_empty($$ select from parley.copy_answers(tap.id('bob'), tap.id('his')) $$);

select * from finish();
rollback;

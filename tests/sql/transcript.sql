-- Transcripts: saved as a prefix and its tail, listed whole.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.person('bob');
select tap.become('bob');
select tap.session('his');
select tap.say('his', 'b1', 'user', 'Secret');
select tap.become('ann');

-- "uHello aHi" is two messages: of the user, of the assistant.
create function pg_temp.array(words text) returns jsonb language sql immutable as $$
    select coalesce(jsonb_agg(jsonb_build_object('role', case left(w, 1) when 'u' then 'user' else 'assistant' end, 'content', substr(w, 2)) order by n), '[]')
    from regexp_split_to_table(words, ' ') with ordinality x (w, n) where w <> ''
$$;
create function pg_temp.save(session text, words text, new boolean default false, at_most integer default 0) returns void language sql as $$
    select from parley.transcript_save(current_setting('parley.user_id')::uuid, tap.id(session), new, pg_temp.array(words),
        array(select gen_random_uuid() from generate_series(1, 9)), 0, at_most)
$$;
create function pg_temp.stored(session text) returns text language sql as $$
    select string_agg(left(role, 1) || content, ' ' order by seq) from parley.chat_messages where session_id = tap.id(session) and on_path
$$;

-- Saving
select lives_ok($$ select pg_temp.save('s', 'uHello aHi', true) $$, 'a new session');
select is(pg_temp.stored('s'), 'uHello aHi');
select results_eq($$ select title, preview, message_count, last_seq from parley.chat_sessions where session_id = tap.id('s') $$,
    $$ values ('Hello', 'Hi', 2, 2) $$, 'with title, preview and counts');
select lives_ok($$ select pg_temp.save('s', 'uHello aHi uMore aYes') $$, 'more of it');
select lives_ok($$ select pg_temp.save('s', 'uHello aHi uMore aYes') $$, 'the same again');
select is(pg_temp.stored('s'), 'uHello aHi uMore aYes', 'adds only what is new');
select throws_ok(format($$ select pg_temp.save('s', %L) $$, words), 'PA409', 'messages_conflict', words)
    from unnest(array['', 'uHello', 'uHello aHi uMore', 'uHello aHi uMore uYes', 'uHello aHo uMore aYes uAnd', 'uhello aHi uMore aYes uAnd',
        'aHi uHello uMore aYes uAnd']) words;
select is(pg_temp.stored('s'), 'uHello aHi uMore aYes', 'a conflict stores nothing');
select throws_ok($$ select pg_temp.save('t', 'uHello', true, 1) $$, 'PA429', 'too_many_sessions');
select throws_ok($$ select pg_temp.save('nothing', 'uHello') $$, 'PA404', 'session_not_found');
select throws_ok($$ select pg_temp.save('his', 'uSecret uMine') $$, 'PA404', 'session_not_found', 'another''s session');
select throws_ok(
    $$ select parley.transcript_save(tap.id('bob'), tap.id('his'), false, pg_temp.array('uSecret uMine'), array[tap.id('x'), tap.id('y')], 0, 0) $$,
    'PA404', 'session_not_found', 'in another''s name');
select lives_ok($$ select pg_temp.save('e', 'u aAnswer uAsked', true) $$, 'texts may be empty');
select is((select title from parley.chat_sessions where session_id = tap.id('e')), 'Asked', 'and give no title');

-- Branches: the active path counts.
select tap.say('s', 'edit', 'user', 'Edited', (select message_id from parley.chat_messages where content = 'Hi'));
select throws_ok($$ select pg_temp.save('s', 'uHello aHi uMore aYes uAnd') $$, 'PA409', 'messages_conflict', 'what is not on the path');
select lives_ok($$ select pg_temp.save('s', 'uHello aHi uEdited aDone') $$, 'what is');

-- Without a name: the newest session, where the array goes on with all of it
select tap.person('cleo');
select tap.become('cleo');
create function pg_temp.put(session text, words text, at_most integer default 0) returns text language plpgsql as $$
declare
    v_saved uuid;
begin
    select session_id into v_saved from parley.transcript_save(current_setting('parley.user_id')::uuid, tap.id(session), true,
        pg_temp.array(words), array(select gen_random_uuid() from generate_series(1, 9)), 0, at_most);
    -- All of this is one transaction, at one time.
    update parley.chat_sessions set last_message_at = clock_timestamp() where session_id = v_saved;
    return case when v_saved = tap.id(session) then 'new' else (
        select string_agg(left(role, 1) || content, ' ' order by seq) from parley.chat_messages where session_id = v_saved and on_path) end;
end
$$;
select is(pg_temp.put('c1', 'uSecret'), 'new', 'another''s session does not begin it');
select is(pg_temp.put('c2', 'uSecret aHi'), 'uSecret aHi', 'more of it');
select is(pg_temp.put('c2', 'uSecret aHi uMore aYes', 1), 'uSecret aHi uMore aYes', 'is no session more');
select is(pg_temp.put(name, words), 'new', words) from (values ('c3', 'uSecret aHi uMore aYes'), ('c4', 'uSecret aHi'),
    ('c5', 'uSecret aHo uMore'), ('c6', 'aSecret aHo uMore aYes'), ('c7', 'uSecret aHi uMore aYes uAnd')) v (name, words);
select tap.session('nothing said');
update parley.chat_sessions set last_message_at = clock_timestamp() where session_id = tap.id('nothing said');
select is(pg_temp.put('c8', 'uSecret aHi uMore aYes uAnd aSo'), 'new', 'an empty session is gone on with by its name alone');
select is(pg_temp.put('c9', 'uSecret aHi uMore aYes uAnd aSo uEnd'), 'uSecret aHi uMore aYes uAnd aSo uEnd');
update parley.chat_sessions set deleted_at = now(), purge_at = now() + interval '1 day' where session_id = tap.id('c8');
select is(pg_temp.put('c9', 'uSecret aHi uMore aYes uAnd aSo uEnd aBye'), 'new', 'a hidden one is not there');
select tap.become('ann');

-- Turns
select tap.session('running');
select parley.turn_begin(tap.id('ann'), tap.id('running'), false, null, null, null, 'Ask', null, tap.id('turn'), tap.id('q'), tap.id('a'), '1 minute', 0, 0, 0, 0, 0);
select throws_ok($$ select pg_temp.save('running', 'uAsk a aMine') $$, 'PA409', 'turn_in_progress', 'not while an answer is written');
select is((select messages from parley.transcript_of(tap.id('ann'), tap.id('running'), 1000)), '[{"role": "user", "content": "Ask"}]', 'which is not shown');
update parley.turns set lease_until = now() - interval '1 s' where turn_id = tap.id('turn');
select parley.turn_settle_all(tap.id('ann'));
select is((select status from parley.turns where turn_id = tap.id('turn')), 'interrupted', 'a turn without a process is over');
select lives_ok($$ select pg_temp.save('running', 'uAsk a uAgain') $$, 'its answer is a message');

-- Listing
create function pg_temp.list(n integer, bytes integer default 100000, after text default 'nothing') returns table (word text, messages text, omitted integer) language sql as $$
    select (select w from unnest(array['s', 'e', 'running', 'long', 'one', 'two']) w where tap.id(w) = l.session_id), l.messages, l.omitted
    from parley.transcript_list(current_setting('parley.user_id')::uuid, n,
        coalesce((select last_message_at from parley.chat_sessions where session_id = tap.id(after)), 'infinity'),
        coalesce((select session_id from parley.chat_sessions where session_id = tap.id(after)), 'ffffffff-ffff-ffff-ffff-ffffffffffff'), bytes) l
$$;
update parley.chat_sessions set last_message_at = now() - interval '1 day' where user_id = tap.id('ann');
select pg_temp.save('one', 'uOne aYes', true);
select pg_temp.save('two', 'uTwo', true);
update parley.chat_sessions set last_message_at = now() - interval '1 minute' where session_id = tap.id('one');
select results_eq($$ select word, messages, omitted from pg_temp.list(9) limit 2 $$,
    $$ values ('two', '[{"role": "user", "content": "Two"}]', 0),
              ('one', '[{"role": "user", "content": "One"}, {"role": "assistant", "content": "Yes"}]', 0) $$, 'newest first, whole');
select results_eq($$ select word, messages is null from pg_temp.list(1) $$, $$ values ('two', false), ('one', true) $$, 'a row without messages says that there is more');
select results_eq($$ select word, messages is null from pg_temp.list(9, 40) $$, $$ values ('two', false), ('one', true) $$, 'also when there is no room');
select is((select word from pg_temp.list(1, 40, 'two') limit 1), 'one', 'one is given in any case');
select is((select count(*)::integer from pg_temp.list(9)), 5, 'to the last');
select is_empty($$ select from pg_temp.list(9) where word is null $$, 'one''s own alone');
select tap.session('long');
select tap.say('long', 'l' || n, 'user', repeat('x', 100)) from generate_series(1, 50) n;
select results_eq($$ select jsonb_array_length(messages::jsonb), omitted from parley.transcript_of(tap.id('ann'), tap.id('long'), 1400) $$,
    $$ values (10, 40) $$, 'a long session shows what fits');
select results_eq($$ select jsonb_array_length(messages::jsonb), omitted from parley.transcript_of(tap.id('ann'), tap.id('long'), 5) $$,
    $$ values (1, 49) $$, 'one message at least');
select is((select messages from parley.transcript_of(tap.id('ann'), tap.id('nothing'), 1400)), '[]', 'nothing is an empty array');
select is((select messages from parley.transcript_of(tap.id('bob'), tap.id('his'), 1400)), '[]', 'and so is another''s');
select is_empty($$ select from parley.transcript_list(tap.id('bob'), 9, 'infinity', tap.id('x'), 1000) $$, 'in another''s name there are none');

select * from finish();
rollback;

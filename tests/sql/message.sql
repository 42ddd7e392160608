-- Messages: order, the tree, the active path, and what the session's row says of them.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.person('bob');
select tap.become('bob');
select tap.session('his');
select tap.say('his', 'b1', 'user', 'Mine');
select tap.become('ann');
select tap.session('s');

-- Title, preview, count and last seq; the preview tells the end of the path.
create function pg_temp.session() returns text language sql as $$
    select concat_ws(', ', coalesce(title, 'untitled'), preview, message_count, last_seq) from parley.chat_sessions
    where session_id = tap.id('s') and active_leaf = (select message_id from parley.chat_messages where content = preview)
$$;
-- The active path as "first second ..."; a message with siblings as "word(index/count)".
create function pg_temp.path() returns text language sql as $$
    select string_agg(content || case when sibling_count > 1 then format('(%s/%s)', sibling_index, sibling_count) else '' end, ' ' order by seq)
    from parley.chat_messages where session_id = tap.id('s') and on_path
$$;
create function pg_temp.say(word text, parent uuid default null) returns integer language sql as $$
    select tap.say('s', word, case when word like 'a%' then 'assistant' else 'user' end, word, parent)
$$;

-- At the end
select results_eq(
    $$ select seq, parent_id, sibling_index, sibling_count, on_path, role, content, tool_calls, metadata, turn_id
       from parley.message_append(tap.id('ann'), tap.id('s'), tap.id('sys'), 'system', 'sys', '[]', '{"a": 1}', tap.id('t'), null) $$,
    $$ values (1, null::uuid, 1, 1, true, 'system', 'sys', '[]'::jsonb, '{"a": 1}'::jsonb, tap.id('t')) $$,
    'a first message follows nothing');
select is(pg_temp.session(), 'untitled, sys, 1, 1', 'a system message gives no title');
select is(pg_temp.say('u1'), 2, 'the next has the next seq');
select is(pg_temp.session(), 'u1, u1, 2, 2', 'the first user message gives the title');
select is(pg_temp.say('a1'), 3);
select is(pg_temp.say('u2'), 4);
select is(pg_temp.say('a2'), 5);
select is(pg_temp.session(), 'u1, a2, 5, 5', 'later ones do not; the preview follows');
select is(pg_temp.path(), 'sys u1 a1 u2 a2');
select is((select parent_id from parley.chat_messages where message_id = tap.id('a2')), tap.id('u2'), 'each follows the one before');

-- Branches
select is(pg_temp.say('a2b', tap.id('u2')), 6, 'another answer');
select is(pg_temp.path(), 'sys u1 a1 u2 a2b(2/2)', 'is a sibling, and is looked at');
select is(pg_temp.session(), 'u1, a2b, 5, 6', 'the count is that of the path');
select is(pg_temp.say('u1b', tap.id('sys')), 7, 'an edit in the middle');
select is(pg_temp.path(), 'sys u1b(2/2)', 'leaves what came after it on the other branch');
select is(pg_temp.session(), 'u1, u1b, 2, 7');
select is(pg_temp.say('a1b'), 8, 'and goes on');
select is(pg_temp.path(), 'sys u1b(2/2) a1b');
select is(pg_temp.say('sys2', '00000000-0000-0000-0000-000000000000'), 9, 'another first message');
select is(pg_temp.path(), 'sys2(2/2)');
select is(pg_temp.session(), 'u1, sys2, 1, 9', 'the title stays');
select is(pg_temp.say('a3', tap.id('sys2')), 10, 'a parent that is the end is the end');
select is(pg_temp.path(), 'sys2(2/2) a3');

-- Switching
create function pg_temp.activate(word text) returns text language sql as $$
    select preview || ' ' || message_count from parley.message_activate(tap.id('ann'), tap.id('s'), tap.id(word))
$$;
select is(pg_temp.activate('u1'), 'a2b 5', 'a branch is followed to its newest end');
select is(pg_temp.path(), 'sys(1/2) u1(1/2) a1 u2 a2b(2/2)');
select is(pg_temp.activate('a2'), 'a2 5');
select is(pg_temp.path(), 'sys(1/2) u1(1/2) a1 u2 a2(1/2)');
select is(pg_temp.activate('a1'), 'a2b 5', 'what is on the path already may lead elsewhere');
select is(pg_temp.activate('sys'), 'a1b 3', 'newest is by seq');
select is(pg_temp.activate('sys2'), 'a3 2');
select is(pg_temp.session(), 'u1, a3, 2, 10', 'switching gives out no seq');
select pg_temp.activate('a2');
select is(pg_temp.say('u3'), 11, 'a message goes to the end of the branch that is looked at');
select is(pg_temp.path(), 'sys(1/2) u1(1/2) a1 u2 a2(1/2) u3');
select throws_ok($$ select pg_temp.activate('nothing') $$, 'PA404', 'message_not_found');
select throws_ok($$ select pg_temp.activate('b1') $$, 'PA404', 'message_not_found', 'a message of another session');
select throws_ok($$ select parley.message_activate(tap.id('ann'), tap.id('s'), null) $$, 'PA404', 'message_not_found', 'no message');
select throws_ok($$ select parley.message_activate(tap.id('ann'), tap.id('his'), tap.id('b1')) $$, 'PA404', 'session_not_found');
select throws_ok($$ select parley.message_activate(tap.id('bob'), tap.id('his'), tap.id('b1')) $$, 'PA404', 'session_not_found');

-- Refusals store nothing
select throws_ok($$ select pg_temp.say('x', tap.id('nothing')) $$, 'PA404', 'message_not_found', 'an unknown parent');
select throws_ok($$ select pg_temp.say('x', tap.id('b1')) $$, 'PA404', 'message_not_found', 'a parent elsewhere');
select throws_ok($$ select pg_temp.say('u1') $$, '23505', null, 'an id that is used');
select throws_ok($$ select tap.say('s', 'x', 'robot', 'x') $$, '23514', null, 'an unknown role');
select throws_ok($$ select tap.say('s', 'x', 'user', null) $$, '23502', null, 'no content');
select throws_ok($$ select tap.say('his', 'x', 'user', 'x') $$, 'PA404', 'session_not_found', 'another''s session');
select throws_ok($$ select tap.say('nothing', 'x', 'user', 'x') $$, 'PA404', 'session_not_found', 'no session');
select throws_ok(
    $$ select parley.message_append(tap.id('bob'), tap.id('his'), tap.id('x'), 'user', 'x', null, null, null, null) $$,
    'PA404', 'session_not_found', 'in another''s name');
select is(pg_temp.path(), 'sys(1/2) u1(1/2) a1 u2 a2(1/2) u3', 'the path is as it was');
select is(pg_temp.session(), 'u1, u3, 6, 11', 'and no seq is lost');
select is((select count(*) from parley.chat_messages where session_id = tap.id('s'))::integer, 11, 'nothing was stored');

-- Title and preview are cut by characters
select tap.session('long');
select tap.say('long', 'l1', 'user', repeat('é', 70));
select results_eq(
    $$ select title, preview from parley.chat_sessions where session_id = tap.id('long') $$,
    $$ values (repeat('é', 50), repeat('é', 60)) $$, '50 and 60 characters, not bytes');

-- Pages
select is((select string_agg(content, ' ') from parley.get_session_messages(tap.id('s'))), 'sys u1 a1 u2 a2 u3', 'oldest first');
select is((select string_agg(content, ' ') from parley.get_session_messages(tap.id('s'), 2, 1)), 'u1 a1', 'from an offset');
select is((select string_agg(content, ' ') from parley.get_session_messages(session_id => tap.id('s'), "limit" => 1)), 'sys', 'by name');
select is_empty($$ select from parley.get_session_messages(tap.id('his')) $$, 'another''s session has no page');
select tap.become_nobody();
select is_empty($$ select from parley.get_session_messages(tap.id('s')) $$, 'nobody sees none');

-- Whatever is done, the flags say what the tree says. 200 random steps, each followed by a recomputation from parent_id alone.
select tap.become('ann');
select tap.session('tree');

create function pg_temp.recomputed() returns table (seq integer, on_path boolean, sibling_index bigint, sibling_count bigint) language sql as $$
    with recursive m as materialized (
        select * from parley.chat_messages where session_id = tap.id('tree')
    ), path as (
        select m.message_id, m.parent_id from m join parley.chat_sessions s on s.active_leaf = m.message_id and s.session_id = tap.id('tree')
        union all
        select m.message_id, m.parent_id from path p join m on m.message_id = p.parent_id
    )
    select m.seq, m.message_id in (select message_id from path), row_number() over (partition by m.parent_id order by m.seq),
        count(*) over (partition by m.parent_id)
    from m
$$;
-- What is wrong with the session, NULL when nothing is.
create function pg_temp.fault() returns text language sql as $$
    select concat(
        case when exists ((select seq, on_path, sibling_index::bigint, sibling_count::bigint from parley.chat_messages
                           where session_id = tap.id('tree')) except select * from pg_temp.recomputed()) then 'flags ' end,
        case when s.message_count <> (select count(*) from pg_temp.recomputed() where on_path) then 'count ' end,
        case when s.last_seq <> (select count(*) from parley.chat_messages where session_id = tap.id('tree'))
               or s.last_seq <> (select coalesce(max(seq), 0) from parley.chat_messages where session_id = tap.id('tree')) then 'seq ' end,
        case when s.preview <> (select content from parley.chat_messages where message_id = s.active_leaf) then 'preview ' end,
        case when exists (select from parley.chat_messages where parent_id = s.active_leaf) then 'leaf ' end)
    from parley.chat_sessions s where s.session_id = tap.id('tree')
$$;
create function pg_temp.any_message() returns uuid language sql as $$
    select message_id from parley.chat_messages where session_id = tap.id('tree') order by random() limit 1
$$;
select setseed(0.42);
create function pg_temp.walk() returns text language plpgsql as $$
declare
    v_step text;
begin
    for i in 1..200 loop
        v_step := (array['end', 'end', 'end', 'branch', 'branch', 'root', 'activate'])[1 + floor(random() * 7)];
        if i = 1 or v_step = 'end' then
            perform tap.say('tree', 'n' || i, 'user', 'n' || i);
        elsif v_step = 'branch' then
            perform tap.say('tree', 'n' || i, 'user', 'n' || i, pg_temp.any_message());
        elsif v_step = 'root' then
            perform tap.say('tree', 'n' || i, 'user', 'n' || i, '00000000-0000-0000-0000-000000000000');
        else
            perform parley.message_activate(tap.id('ann'), tap.id('tree'), pg_temp.any_message());
        end if;
        if pg_temp.fault() <> '' then
            return format('step %s, %s: %s', i, v_step, pg_temp.fault());
        end if;
    end loop;
    return '';
end
$$;
select is(pg_temp.walk(), '', 'after each of 200 random steps the flags are those of the tree');
select cmp_ok((select max(sibling_count) from parley.chat_messages where session_id = tap.id('tree')), '>', 3, 'which has branches');

-- A stored row is enough: the trigger keeps the session true, however the row came.
select tap.session('direct');
insert into parley.chat_messages (user_id, session_id, seq, message_id, parent_id, role, content) values
    (tap.id('ann'), tap.id('direct'), 1, tap.id('d1'), null, 'user', 'first'),
    (tap.id('ann'), tap.id('direct'), 2, tap.id('d2'), tap.id('d1'), 'assistant', 'second');
select results_eq(
    $$ select title, preview, message_count, last_seq, active_leaf from parley.chat_sessions where session_id = tap.id('direct') $$,
    $$ values ('first', 'second', 2, 2, tap.id('d2')) $$, 'two rows in one statement');
select throws_ok(
    $$ insert into parley.chat_messages (user_id, session_id, seq, message_id, role, content)
       values (tap.id('ann'), tap.id('his'), 2, tap.id('d3'), 'user', 'x') $$,
    '23503', null, 'a row in another''s session has no session');

select * from finish();
rollback;

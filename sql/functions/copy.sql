-- Front ends that save both sides of an exchange themselves, around the turn that stores them too: each message is stored once.
--
-- A copy is what such a client saves; a turn's message has its turn_id. White space around a text makes no difference.

-- What becomes of a text that is sent, where the client saved it before, among the last messages of the path. It waits for an answer: asked is that
-- message, last the one that the answer is to follow. It has its answer, running or complete within the hour: turn; but when it was asked,
-- answered, and something came after, it is over. No row: the text is new. Locks the session's row.
create or replace function parley.copy_question(p_user_id uuid, p_session_id uuid, p_text text)
    returns table (asked uuid, last uuid, turn uuid)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_leaf uuid := parley.copy_lock(p_user_id, p_session_id);
    v_asked parley.chat_messages;
    v_answer parley.chat_messages;
begin
    select l.* into v_asked from (
            select m.* from parley.chat_messages m
            where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path
            order by m.seq desc limit 20
        ) l
        where l.role = 'user' and l.turn_id is null and parley.copy_same(l.content, p_text)
        order by l.seq desc limit 1;
    select m.* into v_answer from parley.chat_messages m
        where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path and m.role <> 'user'
            and m.seq > v_asked.seq
        order by m.seq limit 1;
    -- Several tabs may have saved their texts one after the other: one answer is for all that the user said since the last one.
    if v_answer.seq is null then
        return query select v_asked.message_id, v_leaf, null::uuid where v_asked.seq is not null;
    elsif v_answer.turn_id is null or v_answer.status <> 'streaming' and v_answer.message_id <> v_leaf
        and exists (select from parley.turns t
            where t.user_id = p_user_id and t.session_id = p_session_id and t.user_message_id = v_asked.message_id) then
        return;
    elsif v_answer.status = 'streaming'
        or v_answer.status = 'complete' and v_answer.created_at > now() - interval '1 hour' then
        return query select null::uuid, null::uuid, v_answer.turn_id;
    elsif v_answer.status <> 'complete' and v_answer.message_id = v_leaf then
        return query select v_asked.message_id, v_answer.parent_id, null::uuid;
    end if;
end
$$;
comment on function parley.copy_question(uuid, uuid, text) is 'Finds a text that its client saved before it sent it.';

-- Stores a copy, unless the path's end holds it already: then that message is answered. The answer of a turn with more to it than was
-- stored (calls of tools, words around it) becomes a version beside that answer; anything else goes to the end. p_keyed: the client marks its
-- repetitions itself, by a key, so that the same text once more is another message.
create or replace function parley.copy_save(
    p_user_id uuid, p_session_id uuid, p_message_id uuid, p_role text, p_content text, p_tool_calls jsonb, p_metadata jsonb,
    p_keyed boolean)
    returns setof parley.chat_messages
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_leaf uuid := parley.copy_lock(p_user_id, p_session_id);
    v_held uuid := parley.copy_held(p_user_id, p_session_id, p_role, p_content, p_tool_calls, p_metadata, p_keyed);
    v_answer parley.chat_messages;
begin
    if v_held is not null then
        return query select m.* from parley.chat_messages m
            where m.user_id = p_user_id and m.session_id = p_session_id and m.message_id = v_held;
        return;
    end if;
    if p_role = 'assistant' then
        select * into v_answer from parley.copy_answers(p_user_id, p_session_id) limit 1;
    end if;
    if v_answer.turn_id is null or strpos(p_content, btrim(v_answer.content, E' \t\r\n')) = 0 then
        return query select * from parley.message_append(p_user_id, p_session_id, p_message_id, p_role, p_content,
            p_tool_calls, p_metadata, null, null);
        return;
    end if;
    return query select * from parley.message_append(p_user_id, p_session_id, p_message_id, p_role, p_content,
        coalesce(p_tool_calls, v_answer.tool_calls), p_metadata, null, coalesce(v_answer.parent_id, '00000000-0000-0000-0000-000000000000'));
    if v_leaf <> v_answer.message_id or v_answer.status = 'streaming' then
        -- The conversation has gone on behind the answer, or the answer itself goes on: it stays what is looked at.
        perform parley.message_activate(p_user_id, p_session_id, v_leaf);
    end if;
end
$$;
comment on function parley.copy_save(uuid, uuid, uuid, text, text, jsonb, jsonb, boolean)
    is 'Stores a message that a client saves, once.';

-- The message at the end of the path that holds all of a copy; NULL: none. The session's row is locked by the caller.
create or replace function parley.copy_held(
    p_user_id uuid, p_session_id uuid, p_role text, p_content text, p_tool_calls jsonb, p_metadata jsonb, p_keyed boolean)
    returns uuid
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_answer parley.chat_messages;
    v_newest boolean := true;
begin
    if p_role = 'assistant' then
        -- An answer of a turn; of the newest also the beginning, as far as a reader got.
        for v_answer in select * from parley.copy_answers(p_user_id, p_session_id) loop
            if v_answer.turn_id is not null and (p_tool_calls is null or p_tool_calls = v_answer.tool_calls)
                and p_metadata is null and (parley.copy_same(v_answer.content, p_content)
                    or v_newest and p_content <> '' and starts_with(v_answer.content, p_content)
                    or v_newest and v_answer.content <> '' and v_answer.status = 'streaming'
                        and starts_with(p_content, v_answer.content)) then
                return v_answer.message_id;
            end if;
            v_newest := false;
        end loop;
    elsif p_role = 'user' and p_tool_calls is null and p_metadata is null then
        -- What a turn that runs answers: by a client that did not wait for its own saving, or that was clicked twice.
        select q.* into v_answer from parley.copy_answers(p_user_id, p_session_id) a
            join parley.chat_messages q on q.user_id = p_user_id and q.session_id = p_session_id and q.on_path and q.role = 'user'
                and q.seq < a.seq
            where a.status = 'streaming' and parley.copy_same(q.content, p_content)
                and not exists (select from parley.chat_messages n
                    where n.user_id = p_user_id and n.session_id = p_session_id and n.on_path and n.role <> 'user'
                        and n.seq > q.seq and n.seq < a.seq)
            order by q.seq desc limit 1;
        if found then
            return v_answer.message_id;
        end if;
    end if;
    if p_keyed then
        return null;
    end if;
    -- The very same copy: of what waits for an answer, else the last message, or a version beside the newest answer.
    return (select m.message_id from parley.chat_messages m
        where m.user_id = p_user_id and m.session_id = p_session_id and m.turn_id is null
            and (m.message_id = (select s.active_leaf from parley.chat_sessions s
                    where s.user_id = p_user_id and s.session_id = p_session_id)
                or p_role = 'user' and m.on_path and m.seq > coalesce((select n.seq from parley.chat_messages n
                    where n.user_id = p_user_id and n.session_id = p_session_id and n.on_path and n.role <> 'user'
                    order by n.seq desc limit 1), 0)
                or p_role = 'assistant' and m.parent_id = (select a.parent_id
                    from parley.copy_answers(p_user_id, p_session_id) a limit 1))
            and (m.role, m.content, m.tool_calls, m.metadata)
                is not distinct from (p_role, p_content, p_tool_calls, p_metadata)
        order by m.seq desc limit 1);
end
$$;
comment on function parley.copy_held(uuid, uuid, text, text, jsonb, jsonb, boolean) is 'The message that holds all of a copy.';

-- The assistant's messages among the last eight of the path, newest first; one that is being written with its text as far as it was saved.
create or replace function parley.copy_answers(p_user_id uuid, p_session_id uuid)
    returns setof parley.chat_messages
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_message parley.chat_messages;
begin
    for v_message in
        select m.* from parley.chat_messages m
        where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path
        order by m.seq desc limit 8
    loop
        if v_message.status = 'streaming' then
            v_message.content := parley.turn_text(p_user_id, v_message.turn_id);
        end if;
        if v_message.role = 'assistant' then
            return next v_message;
        end if;
    end loop;
end
$$;
comment on function parley.copy_answers(uuid, uuid) is 'The newest answers of a session.';

-- Locks the session's row, ends what nobody runs any more, and answers the end of the active path.
create or replace function parley.copy_lock(p_user_id uuid, p_session_id uuid)
    returns uuid
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_session parley.chat_sessions := parley.session_lock(p_user_id, p_session_id);
begin
    perform parley.turn_settle(p_user_id, p_session_id);
    return v_session.active_leaf;
end
$$;
comment on function parley.copy_lock(uuid, uuid) is 'Locks a session and answers the end of its path.';

-- Whether two texts are one but for white space around them.
create or replace function parley.copy_same(p_one text, p_other text)
    returns boolean
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return btrim(p_one, E' \t\r\n') = btrim(p_other, E' \t\r\n');
end
$$;
comment on function parley.copy_same(text, text) is 'Whether two texts are one but for white space around them.';

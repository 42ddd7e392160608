-- Messages: a tree that only grows, and the path through it that is looked at.

-- Stores a message after p_parent_id: NULL is the end of the active path, the nil uuid is no parent (another first message). A parent that has
-- followers already gets one more: the message is their sibling, and the active path now leads to it.
create or replace function parley.message_append(
    p_user_id uuid, p_session_id uuid, p_message_id uuid, p_role text, p_content text,
    p_tool_calls jsonb, p_metadata jsonb, p_turn_id uuid, p_parent_id uuid)
    returns setof parley.chat_messages
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_last_seq integer;
    v_parent uuid;
    v_siblings integer := 1;
begin
    select s.last_seq, s.active_leaf into v_last_seq, v_parent from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is null
        for no key update;
    if not found then
        raise exception using errcode = 'PA404', message = 'session_not_found', hint = 'No such session.';
    end if;
    if p_parent_id is not null and p_parent_id is distinct from v_parent then
        v_parent := nullif(p_parent_id, '00000000-0000-0000-0000-000000000000');
        v_siblings := parley.message_branch(p_user_id, p_session_id, v_parent);
    end if;
    return query insert into parley.chat_messages (user_id, session_id, seq, message_id, parent_id, sibling_index,
            sibling_count, role, content, tool_calls, metadata, turn_id)
        values (p_user_id, p_session_id, v_last_seq + 1, p_message_id, v_parent, v_siblings,
            v_siblings, p_role, p_content, p_tool_calls, p_metadata, p_turn_id)
        returning *;
end
$$;
comment on function parley.message_append(uuid, uuid, uuid, text, text, jsonb, jsonb, uuid, uuid)
    is 'Stores a message at the end of the active path, or as a sibling branch.';

-- Makes room for one more follower of p_parent_id (NULL: one more first message): the active path ends at the parent, the followers know of the new
-- one. Answers its sibling index. The session's row is locked by the caller.
create or replace function parley.message_branch(p_user_id uuid, p_session_id uuid, p_parent_id uuid)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_siblings integer;
begin
    perform parley.message_show_path(p_user_id, p_session_id, p_parent_id);
    -- Two statements, because no index serves `is not distinct from`.
    if p_parent_id is null then
        update parley.chat_messages m set sibling_count = m.sibling_count + 1
            where m.user_id = p_user_id and m.session_id = p_session_id and m.parent_id is null;
    else
        update parley.chat_messages m set sibling_count = m.sibling_count + 1
            where m.user_id = p_user_id and m.session_id = p_session_id and m.parent_id = p_parent_id;
    end if;
    get diagnostics v_siblings = row_count;
    return v_siblings + 1;
end
$$;
comment on function parley.message_branch(uuid, uuid, uuid) is 'Makes room for a sibling and answers its index.';

-- Lets the flags say that the active path ends at p_leaf_id (NULL: it is empty). An unknown message is refused (PA404). Only the
-- messages between the old end, the new end and the fork where they part are touched, however long the path to the fork is.
create or replace function parley.message_show_path(p_user_id uuid, p_session_id uuid, p_leaf_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_fork integer;
    v_shown integer[];
begin
    -- Climb to the first message that stands on the active path already.
    with recursive climb as (
        select m.seq, m.parent_id, m.on_path from parley.chat_messages m
            where m.user_id = p_user_id and m.session_id = p_session_id and m.message_id = p_leaf_id
        union all
        select m.seq, m.parent_id, m.on_path from climb c
            join parley.chat_messages m on m.user_id = p_user_id and m.session_id = p_session_id
                and m.message_id = c.parent_id
            where not c.on_path
    )
    select coalesce(max(c.seq) filter (where c.on_path), 0), array_agg(c.seq) filter (where not c.on_path)
        into v_fork, v_shown from climb c;
    if p_leaf_id is not null and v_fork = 0 and v_shown is null then
        raise exception using errcode = 'PA404', message = 'message_not_found', hint = 'No such message in this session.';
    end if;
    -- A parent is always older than what follows it, so what the path loses is newer than the fork.
    update parley.chat_messages m set on_path = false
        where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path and m.seq > v_fork;
    update parley.chat_messages m set on_path = true
        where m.user_id = p_user_id and m.session_id = p_session_id and m.seq = any (v_shown);
end
$$;
comment on function parley.message_show_path(uuid, uuid, uuid) is 'Moves the active path so that it ends at a message.';

-- Switches to the branch that holds a message: the active path goes through it and on to its newest follower, and so on to an end.
create or replace function parley.message_activate(p_user_id uuid, p_session_id uuid, p_message_id uuid)
    returns setof parley.chat_sessions
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_leaf uuid;
begin
    perform parley.session_lock(p_user_id, p_session_id);
    -- The newest descendant's whole line of parents is the wanted path: no later message can follow it.
    with recursive branch as (
        select m.message_id, m.seq from parley.chat_messages m
            where m.user_id = p_user_id and m.session_id = p_session_id and m.message_id = p_message_id
        union all
        select m.message_id, m.seq from branch b
            join parley.chat_messages m on m.user_id = p_user_id and m.session_id = p_session_id
                and m.parent_id = b.message_id
    )
    select b.message_id into v_leaf from branch b order by b.seq desc limit 1;
    if v_leaf is null then
        raise exception using errcode = 'PA404', message = 'message_not_found', hint = 'No such message in this session.';
    end if;
    perform parley.message_show_path(p_user_id, p_session_id, v_leaf);
    return query update parley.chat_sessions s set
            active_leaf = v_leaf,
            message_count = (select count(*) from parley.chat_messages m
                where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path),
            preview = (select left(m.content, 60) from parley.chat_messages m
                where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path and m.content <> ''
                order by m.seq desc limit 1),
            updated_at = now()
        where s.user_id = p_user_id and s.session_id = p_session_id
        returning *;
end
$$;
comment on function parley.message_activate(uuid, uuid, uuid) is 'Switches to the branch that holds a message.';

-- Keeps the session's row true when a message is stored: order, counts, title, preview, time.
create or replace function parley.update_session_last_message()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update parley.chat_sessions s set
            last_seq = new.seq,
            active_leaf = new.message_id,
            message_count = case when new.parent_id is not distinct from s.active_leaf then s.message_count + 1
                else (select count(*) from parley.chat_messages m
                      where m.user_id = new.user_id and m.session_id = new.session_id and m.on_path) end,
            title = case when s.title_is_auto and coalesce(s.title, 'New Chat') = 'New Chat' and new.role = 'user'
                and new.content <> '' then left(new.content, 50) else s.title end,
            preview = case when new.content = '' then s.preview else left(new.content, 60) end,
            last_message_at = greatest(s.last_message_at, new.created_at),
            updated_at = new.created_at
        where s.user_id = new.user_id and s.session_id = new.session_id;
    return null;
end
$$;
comment on function parley.update_session_last_message() is 'Keeps a session''s count, title, preview and time true.';

-- Who stores many at once says so (legacy_messages) and does the same for all of them.
create or replace trigger update_chat_session_on_message
    after insert on parley.chat_messages
    for each row when (current_setting('parley.bulk', true) is distinct from 'on')
    execute function parley.update_session_last_message();

-- A page of the active path, oldest first, of a session of the person whom the claim names.
create or replace function parley.get_session_messages(
    session_id uuid, "limit" integer default 50, "offset" integer default 0)
    returns table (message_id uuid, role text, content text, tool_calls jsonb, metadata jsonb, turn_id uuid,
        created_at timestamptz)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_user_id uuid := nullif(current_setting('parley.user_id', true), '')::uuid;
begin
    return query select m.message_id, m.role, m.content, m.tool_calls, m.metadata, m.turn_id, m.created_at
        from parley.chat_sessions s
        join parley.chat_messages m on m.user_id = s.user_id and m.session_id = s.session_id
        where s.user_id = v_user_id and s.session_id = get_session_messages.session_id and s.deleted_at is null
            and m.user_id = v_user_id and m.on_path
        order by m.seq
        limit get_session_messages."limit" offset get_session_messages."offset";
end
$$;
comment on function parley.get_session_messages(uuid, integer, integer) is 'A page of a session''s messages, oldest first.';

-- Transcripts: a whole session as one array of {role, content}.

-- Saves a transcript: the active path of the session must be how p_messages begins (else PA409, and nothing is stored); what comes after it is
-- appended. p_new: the client names no session; p_session_id is then the id of the one that is made, unless the newest can be gone on with.
-- p_message_ids has an id for each message of the array, of which those that are appended take theirs.
create or replace function parley.transcript_save(
    p_user_id uuid, p_session_id uuid, p_new boolean, p_messages jsonb, p_message_ids uuid[], p_per_minute integer,
    p_at_most integer)
    returns table (session_id uuid, created_at timestamptz, updated_at timestamptz)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_session_id uuid := p_session_id;
    v_stored integer := 0;
    v_next record;
begin
    if not p_new then
        perform parley.session_lock(p_user_id, p_session_id);
        perform parley.turn_refuse_second(p_user_id, p_session_id);
        v_stored := parley.transcript_compare(p_user_id, p_session_id, p_messages);
        if v_stored is null then
            raise exception using
                errcode = 'PA409', message = 'messages_conflict',
                hint = 'The messages do not begin with those that the session has; read it again.';
        end if;
    else
        select n.session_id, n.stored into v_session_id, v_stored from parley.transcript_newest(p_user_id, p_messages) n;
        if not found then
            v_session_id := p_session_id;
            v_stored := 0;
            perform parley.session_create(p_user_id, p_session_id, null, null, null, p_per_minute, p_at_most);
        end if;
    end if;
    for v_next in
        select g.nth, g.message from jsonb_array_elements(p_messages) with ordinality g (message, nth)
        where g.nth > v_stored order by g.nth
    loop
        perform parley.message_append(p_user_id, v_session_id, p_message_ids[v_next.nth], v_next.message ->> 'role',
            v_next.message ->> 'content', null, null, null, null);
    end loop;
    return query select s.session_id, s.created_at, s.updated_at from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = v_session_id;
end
$$;
comment on function parley.transcript_save(uuid, uuid, boolean, jsonb, uuid[], integer, integer)
    is 'Saves a transcript: appends what the session does not have yet.';

-- The person's newest session, locked, and how many messages it has, where these are how p_messages begins and more comes after them. No row: none.
create or replace function parley.transcript_newest(p_user_id uuid, p_messages jsonb)
    returns table (session_id uuid, stored integer)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_session_id uuid;
    v_stored integer;
begin
    -- Most that cannot be gone on with are told by their counts.
    select n.session_id into v_session_id from (
            select s.session_id, s.message_count from parley.chat_sessions s
            where s.user_id = p_user_id and s.deleted_at is null
            order by s.last_message_at desc, s.session_id desc limit 1
        ) n
        where n.message_count between 1 and jsonb_array_length(p_messages) - 1;
    -- Another save may add to it or hide it until the row is ours: what it has then is compared.
    perform from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = v_session_id and s.deleted_at is null
        for no key update;
    if found then
        perform parley.turn_settle(p_user_id, v_session_id);
        v_stored := parley.transcript_compare(p_user_id, v_session_id, p_messages);
    end if;
    if v_stored between 1 and jsonb_array_length(p_messages) - 1 then
        return query select v_session_id, v_stored;
    end if;
end
$$;
comment on function parley.transcript_newest(uuid, jsonb) is 'The newest session, where an array goes on with it.';

-- How many messages the active path has, where the array begins with all of them; NULL: it does not. One that is being written is not anything yet.
-- The session's row is locked by the caller.
create or replace function parley.transcript_compare(p_user_id uuid, p_session_id uuid, p_messages jsonb)
    returns integer
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select case when count(*) = count(*) filter (where g.message ->> 'role' = m.role and g.message ->> 'content' = m.content
            and m.status <> 'streaming') then count(*) end
        from (
            select c.role, c.content, c.status, row_number() over (order by c.seq) as nth from parley.chat_messages c
            where c.user_id = p_user_id and c.session_id = p_session_id and c.on_path
        ) m
        left join jsonb_array_elements(p_messages) with ordinality g (message, nth) on g.nth = m.nth);
end
$$;
comment on function parley.transcript_compare(uuid, uuid, jsonb) is 'The length of the active path, where an array begins with it.';

-- A person's sessions with all they hold, newest first, past the row that p_after names: as many as p_limit and p_bytes of JSON allow, one at least.
-- A last row without messages says that there are more. A session that is longer than p_bytes shows its newest messages and how many are left
-- out. Without the answer that is being written.
create or replace function parley.transcript_list(
    p_user_id uuid, p_limit integer, p_after timestamptz, p_after_id uuid, p_bytes integer)
    returns table (session_id uuid, messages text, omitted integer, created_at timestamptz, updated_at timestamptz,
        last_message_at timestamptz)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_left integer := p_bytes;
    v_count integer := 0;
begin
    for session_id, created_at, updated_at, last_message_at in
        select s.session_id, s.created_at, s.updated_at, s.last_message_at from parley.chat_sessions s
        where s.user_id = p_user_id and s.deleted_at is null and (s.last_message_at, s.session_id) < (p_after, p_after_id)
        order by s.last_message_at desc, s.session_id desc
        limit p_limit + 1
    loop
        v_count := v_count + 1;
        if v_count <= p_limit then
            select t.messages, t.omitted into messages, omitted
                from parley.transcript_of(p_user_id, session_id, p_bytes) t;
            v_left := v_left - octet_length(messages);
        end if;
        if v_count > p_limit or v_count > 1 and v_left < 0 then
            messages := null;
            return next;
            return;
        end if;
        return next;
    end loop;
end
$$;
comment on function parley.transcript_list(uuid, integer, timestamptz, uuid, integer) is 'A page of whole sessions, newest first.';

-- The newest messages of a session that p_bytes of JSON can hold, one at least, and how many older ones there are. The first sum is of stored lengths,
-- for which no text is read; what passes it is measured as it is written.
create or replace function parley.transcript_of(p_user_id uuid, p_session_id uuid, p_bytes integer)
    returns table (messages text, omitted integer)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        with stored as (
            select m.seq, m.role, m.content, sum(octet_length(m.content) + 32) over (order by m.seq desc) as bytes
            from parley.chat_messages m
            where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path and m.status <> 'streaming'
        ), written as (
            select s.seq, jsonb_build_object('role', s.role, 'content', s.content) as message from stored s
            where s.bytes <= p_bytes or s.seq = (select max(n.seq) from stored n)
        ), measured as (
            select w.seq, w.message, sum(octet_length(w.message::text) + 2) over (order by w.seq desc) as bytes from written w
        )
        select coalesce(jsonb_agg(f.message order by f.seq), '[]')::text, ((select count(*) from stored) - count(*))::integer
        from measured f
        where f.bytes <= p_bytes or f.seq = (select max(n.seq) from stored n);
end
$$;
comment on function parley.transcript_of(uuid, uuid, integer) is 'The newest messages of a session as one JSON array.';

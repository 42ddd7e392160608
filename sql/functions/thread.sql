-- Threads: sessions by their names. A name is given as its text and, where it is thread-<uuid>, that session's id too (else NULL).

-- The session of that name; NULL: none that is not hidden. A session's own id goes before a name that another was given.
create or replace function parley.thread_find(p_user_id uuid, p_session_id uuid, p_name text)
    returns uuid
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(
        (select s.session_id from parley.chat_sessions s
         where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is null),
        (select s.session_id from parley.chat_sessions s
         where s.user_id = p_user_id and s.thread_name = p_name and s.deleted_at is null));
end
$$;
comment on function parley.thread_find(uuid, uuid, text) is 'A person''s session by its name as a thread.';

-- Whether a name may begin anew: the person's own default thread, or one of theirs that is hidden. Front ends go on with the name they hold.
create or replace function parley.thread_may_begin(p_user_id uuid, p_session_id uuid, p_name text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return p_name = 'user-' || p_user_id
        or exists (select from parley.chat_sessions s
            where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is not null)
        or exists (select from parley.chat_sessions s
            where s.user_id = p_user_id and s.thread_name = p_name and s.deleted_at is not null);
end
$$;
comment on function parley.thread_may_begin(uuid, uuid, text) is 'Whether a thread of that name may be made.';

-- The session of that name, made as p_new_id within the quotas where the name may begin anew, with the helper and project of the hidden one;
-- else refused (PA404).
create or replace function parley.thread_open(
    p_user_id uuid, p_session_id uuid, p_name text, p_new_id uuid, p_per_minute integer, p_at_most integer)
    returns table (session_id uuid, name text, created boolean)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_found uuid := parley.thread_find(p_user_id, p_session_id, p_name);
    v_hidden record;
begin
    if v_found is null and parley.thread_may_begin(p_user_id, p_session_id, p_name) then
        select s.project_id, s.helper into v_hidden from parley.chat_sessions s
            where s.user_id = p_user_id and s.deleted_at is not null
                and (s.session_id = p_session_id or s.thread_name = p_name)
            order by s.deleted_at desc
            limit 1;
        begin
            perform parley.session_create(p_user_id, p_new_id, null, v_hidden.project_id, v_hidden.helper, p_per_minute,
                p_at_most);
            update parley.chat_sessions s set thread_name = p_name
                where s.user_id = p_user_id and s.session_id = p_new_id;
            v_found := p_new_id;
        exception when unique_violation then
            -- Another request began it at the same time.
            v_found := parley.thread_find(p_user_id, p_session_id, p_name);
        end;
    end if;
    if v_found is null then
        raise exception using errcode = 'PA404', message = 'thread_not_found', hint = 'No such thread.';
    end if;
    return query select s.session_id, coalesce(s.thread_name, 'thread-' || s.session_id), s.session_id = p_new_id
        from parley.chat_sessions s where s.user_id = p_user_id and s.session_id = v_found;
end
$$;
comment on function parley.thread_open(uuid, uuid, text, uuid, integer, integer) is 'A thread to go on with, made anew where it may be.';

-- What the session of that name is called, and how many messages its active path has; no row: none.
create or replace function parley.thread_get(p_user_id uuid, p_session_id uuid, p_name text)
    returns table (session_id uuid, name text, message_count integer)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_found uuid := parley.thread_find(p_user_id, p_session_id, p_name);
begin
    return query select s.session_id, coalesce(s.thread_name, 'thread-' || s.session_id), s.message_count
        from parley.chat_sessions s where s.user_id = p_user_id and s.session_id = v_found;
end
$$;
comment on function parley.thread_get(uuid, uuid, text) is 'A thread''s name and length.';

-- What a person and the model said in a thread, newest first: those before seq p_before, at most p_limit and about p_bytes of them, but one in any
-- case. Without the answer that is being written, without what says nothing. matches counts at least one more than are shown when there are more.
create or replace function parley.thread_history(
    p_user_id uuid, p_session_id uuid, p_name text, p_before integer, p_limit integer, p_bytes integer)
    returns table (seq integer, role text, content text, created_at timestamptz, matches integer)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_found uuid := parley.thread_find(p_user_id, p_session_id, p_name);
begin
    return query
        select h.seq, h.role, h.content, h.created_at, h.matches
        from (
            select n.seq, n.role, n.content, n.created_at, (count(*) over ())::integer as matches,
                row_number() over newest as nth, sum(octet_length(n.content) + 64) over newest as bytes
            from (
                select m.seq, m.role, m.content, m.created_at from parley.chat_messages m
                where m.user_id = p_user_id and m.session_id = v_found and m.on_path and m.seq < p_before
                    and m.role in ('user', 'assistant') and m.status <> 'streaming' and m.content <> ''
                order by m.seq desc
                limit p_limit + 1
            ) n
            window newest as (order by n.seq desc rows unbounded preceding)
        ) h
        where h.nth = 1 or h.nth <= p_limit and h.bytes <= p_bytes
        order by h.seq desc;
end
$$;
comment on function parley.thread_history(uuid, uuid, text, integer, integer, integer) is 'The newest messages of a thread.';

-- Hides the session of that name. That a default thread is not there is no mistake: it is empty until something is said.
create or replace function parley.thread_hide(p_user_id uuid, p_session_id uuid, p_name text, p_keep interval)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_found uuid := parley.thread_find(p_user_id, p_session_id, p_name);
begin
    if v_found is not null then
        perform parley.session_hide(p_user_id, v_found, p_keep);
    elsif p_name <> 'user-' || p_user_id then
        raise exception using errcode = 'PA404', message = 'thread_not_found', hint = 'No such thread.';
    end if;
end
$$;
comment on function parley.thread_hide(uuid, uuid, text, interval) is 'Hides a thread until it is restored or purged.';

-- Hides all sessions of a person. Rows are locked in the order of their ids, as by whoever else does this at the same time.
create or replace function parley.thread_hide_all(p_user_id uuid, p_keep interval)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_count integer;
begin
    perform from parley.chat_sessions s where s.user_id = p_user_id and s.deleted_at is null
        order by s.session_id for no key update;
    update parley.chat_sessions s set deleted_at = now(), purge_at = now() + p_keep, updated_at = now()
        where s.user_id = p_user_id and s.deleted_at is null;
    get diagnostics v_count = row_count;
    update parley.user_usage u set session_count = u.session_count - v_count, updated_at = now()
        where u.user_id = p_user_id;
end
$$;
comment on function parley.thread_hide_all(uuid, interval) is 'Hides all sessions until they are restored or purged.';

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

-- The session of that name, made as p_new_id within the quotas where the name may begin anew; else refused (PA404).
create or replace function parley.thread_open(
    p_user_id uuid, p_session_id uuid, p_name text, p_new_id uuid, p_per_minute integer, p_at_most integer)
    returns table (session_id uuid, name text, created boolean)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_found uuid := parley.thread_find(p_user_id, p_session_id, p_name);
begin
    if v_found is null and parley.thread_may_begin(p_user_id, p_session_id, p_name) then
        begin
            perform parley.session_create(p_user_id, p_new_id, null, null, null, p_per_minute, p_at_most);
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

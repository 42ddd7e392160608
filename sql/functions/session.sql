-- Chat sessions: made within quotas, hidden, restored, removed.

-- Makes a session within the quotas a minute and in all. With a helper it starts with its greeting. "New Chat" is what front ends call one that has
-- no title yet: it stays until the first message of the user gives one.
create or replace function parley.session_create(
    p_user_id uuid, p_session_id uuid, p_title text, p_project_id uuid, p_helper text,
    p_per_minute integer, p_at_most integer)
    returns setof parley.chat_sessions
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform parley.session_count_up(p_user_id, p_at_most);
    perform parley.rate_take(p_user_id, 'sessions', 1, p_per_minute);
    if p_project_id is not null and not exists (
        select from parley.user_projects p where p.user_id = p_user_id and p.project_id = p_project_id) then
        raise exception using errcode = 'PA404', message = 'project_not_found', hint = 'No such project.';
    end if;
    insert into parley.chat_sessions (user_id, session_id, title, title_is_auto, project_id, helper)
        values (p_user_id, p_session_id, p_title, p_title is null or p_title = 'New Chat', p_project_id, p_helper);
    perform parley.session_greet(p_user_id, p_session_id, p_helper);
    return query select * from parley.chat_sessions s where s.user_id = p_user_id and s.session_id = p_session_id;
end
$$;
comment on function parley.session_create(uuid, uuid, text, uuid, text, integer, integer) is 'Makes a session.';

-- One session more for p_user_id, refused beyond p_at_most (0: no limit) and for a person who is gone.
create or replace function parley.session_count_up(p_user_id uuid, p_at_most integer)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_count integer;
begin
    update parley.user_usage u set session_count = u.session_count + 1, updated_at = now()
        where u.user_id = p_user_id returning u.session_count into v_count;
    if not found then
        raise exception using errcode = 'PA401', message = 'user_gone', hint = 'This account does not exist any more.';
    end if;
    if p_at_most > 0 and v_count > p_at_most then
        raise exception using
            errcode = 'PA429', message = 'too_many_sessions', detail = '3600',
            hint = 'The account has as many sessions as it may; delete some first.';
    end if;
end
$$;
comment on function parley.session_count_up(uuid, integer) is 'Counts a session against the person''s quota.';

-- Locks a session's row for what is about to be changed in it, and answers it; one that is not there or hidden is refused (PA404). message_append,
-- which every message passes, does the same by itself.
create or replace function parley.session_lock(p_user_id uuid, p_session_id uuid)
    returns parley.chat_sessions
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_session parley.chat_sessions;
begin
    select * into v_session from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is null
        for no key update;
    if not found then
        raise exception using errcode = 'PA404', message = 'session_not_found', hint = 'No such session.';
    end if;
    return v_session;
end
$$;
comment on function parley.session_lock(uuid, uuid) is 'Locks a session''s row and answers it.';

-- Hides a session; parley purge may remove it p_keep later.
create or replace function parley.session_hide(p_user_id uuid, p_session_id uuid, p_keep interval)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update parley.chat_sessions s set deleted_at = now(), purge_at = now() + p_keep, updated_at = now()
        where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is null;
    if not found then
        raise exception using errcode = 'PA404', message = 'session_not_found', hint = 'No such session.';
    end if;
    update parley.user_usage u set session_count = u.session_count - 1, updated_at = now() where u.user_id = p_user_id;
end
$$;
comment on function parley.session_hide(uuid, uuid, interval) is 'Hides a session until it is restored or purged.';

-- Shows a hidden session again, while its time is not over; one that is not hidden stays as it is. A thread's name that was given to another
-- meanwhile stays there; thread-<its own id> is its own again.
create or replace function parley.session_restore(p_user_id uuid, p_session_id uuid, p_at_most integer)
    returns setof parley.chat_sessions
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    update parley.chat_sessions s set deleted_at = null, purge_at = null, updated_at = now(),
            thread_name = case when exists (
                select from parley.chat_sessions o
                where o.user_id = p_user_id and o.thread_name = s.thread_name and o.deleted_at is null)
                then null else s.thread_name end
        where s.user_id = p_user_id and s.session_id = p_session_id and s.purge_at > now();
    if found then
        update parley.chat_sessions o set thread_name = null
            where o.user_id = p_user_id and o.thread_name = 'thread-' || p_session_id and o.deleted_at is null;
        perform parley.session_count_up(p_user_id, p_at_most);
    end if;
    return query select * from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is null;
    if not found then
        raise exception using errcode = 'PA404', message = 'session_not_found', hint = 'No such session.';
    end if;
end
$$;
comment on function parley.session_restore(uuid, uuid, integer) is 'Shows a hidden session again.';

-- Removes a session for good, hidden or not.
create or replace function parley.session_remove(p_user_id uuid, p_session_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_hidden boolean;
begin
    delete from parley.chat_sessions s where s.user_id = p_user_id and s.session_id = p_session_id
        returning s.deleted_at is not null into v_hidden;
    if not found then
        raise exception using errcode = 'PA404', message = 'session_not_found', hint = 'No such session.';
    end if;
    if not v_hidden then
        update parley.user_usage u set session_count = u.session_count - 1, updated_at = now()
            where u.user_id = p_user_id;
    end if;
end
$$;
comment on function parley.session_remove(uuid, uuid) is 'Removes a session and its messages for good.';

-- Changes what the flags name. A title of NULL makes the title automatic again.
create or replace function parley.session_update(
    p_user_id uuid, p_session_id uuid, p_set_title boolean, p_title text, p_is_active boolean,
    p_set_project boolean, p_project_id uuid, p_set_helper boolean, p_helper text)
    returns setof parley.chat_sessions
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_set_project and p_project_id is not null and not exists (
        select from parley.user_projects p where p.user_id = p_user_id and p.project_id = p_project_id) then
        raise exception using errcode = 'PA404', message = 'project_not_found', hint = 'No such project.';
    end if;
    return query update parley.chat_sessions s set
            title = case
                when not p_set_title then s.title
                when p_title is not null then p_title
                else (select left(m.content, 50) from parley.chat_messages m
                      where m.user_id = p_user_id and m.session_id = p_session_id and m.on_path and m.role = 'user'
                      order by m.seq limit 1)
                end,
            title_is_auto = case when p_set_title then p_title is null else s.title_is_auto end,
            is_active = coalesce(p_is_active, s.is_active),
            project_id = case when p_set_project then p_project_id else s.project_id end,
            helper = case when p_set_helper then p_helper else s.helper end,
            updated_at = now()
        where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is null
        returning *;
    if not found then
        raise exception using errcode = 'PA404', message = 'session_not_found', hint = 'No such session.';
    end if;
end
$$;
comment on function parley.session_update(uuid, uuid, boolean, text, boolean, boolean, uuid, boolean, text)
    is 'Renames a session, puts it aside, or moves it.';

-- A person's newest sessions, as a list shows them.
create or replace function parley.get_user_sessions(user_id uuid, "limit" integer default 20)
    returns table (session_id uuid, title text, preview text, message_count integer, is_active boolean, project_id uuid,
        helper text, created_at timestamptz, updated_at timestamptz, last_message_at timestamptz)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query select s.session_id, s.title, s.preview, s.message_count, s.is_active, s.project_id, s.helper,
            s.created_at, s.updated_at, s.last_message_at
        from parley.chat_sessions s
        where s.user_id = get_user_sessions.user_id and s.deleted_at is null
        order by s.last_message_at desc, s.session_id desc
        limit get_user_sessions."limit";
end
$$;
comment on function parley.get_user_sessions(uuid, integer) is 'A person''s newest sessions with counts and previews.';

-- Bringing in what another application kept. Each function may be called again with the same values: what is there already stays as it is.
-- The word '!' in the place of a password's hash locks a login: no password has it.

-- Makes p_user_id known as p_legacy_id of p_source; answers whether the person is new here. With an address a new person gets a locked login,
-- unless the address is taken.
create or replace function parley.legacy_owner_add(
    p_user_id uuid, p_source text, p_legacy_id text, p_email text, p_display_name text, p_avatar_url text,
    p_created_at timestamptz)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_new boolean;
begin
    insert into parley.users (user_id, display_name, avatar_url, created_at)
        values (p_user_id, p_display_name, p_avatar_url, coalesce(p_created_at, now()))
        on conflict (user_id) do nothing;
    v_new := found;
    insert into parley.user_usage (user_id) values (p_user_id) on conflict (user_id) do nothing;
    if v_new and p_email is not null then
        insert into parley.user_emails (email, user_id, password_hash) values (p_email, p_user_id, '!')
            on conflict (email) do nothing;
    end if;
    insert into parley.legacy_owners (user_id, source, legacy_id, email)
        values (p_user_id, p_source, p_legacy_id, p_email)
        on conflict (user_id, source, legacy_id) do nothing;
    return v_new;
end
$$;
comment on function parley.legacy_owner_add(uuid, text, text, text, text, text, timestamptz) is 'Notes which person an imported owner is.';

-- Gives an imported person their login. Refused for somebody who was not imported (PA404), who has a login that works, and for an address
-- that is another's (PA409).
create or replace function parley.legacy_claim(p_user_id uuid, p_email text, p_password_hash text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from parley.legacy_owners o where o.user_id = p_user_id) then
        raise exception using
            errcode = 'PA404', message = 'owner_not_found', hint = 'No imported owner has this id or address.';
    end if;
    delete from parley.user_emails e where e.user_id = p_user_id and e.password_hash = '!';
    if exists (select from parley.user_emails e where e.user_id = p_user_id) then
        raise exception using
            errcode = 'PA409', message = 'claimed_already', hint = 'They have a login already: see `parley user password`.';
    end if;
    insert into parley.user_emails (email, user_id, password_hash) values (p_email, p_user_id, p_password_hash)
        on conflict (email) do nothing;
    if not found then
        raise exception using
            errcode = 'PA409', message = 'email_taken', hint = 'This e-mail address is registered already.';
    end if;
end
$$;
comment on function parley.legacy_claim(uuid, text, text) is 'Gives an imported person a login.';

-- Counts what p_total is beyond the tokens that were counted before; answers how many that are.
create or replace function parley.legacy_tokens(p_user_id uuid, p_source text, p_legacy_id text, p_total bigint)
    returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_more bigint;
begin
    select greatest(p_total - o.tokens, 0) into v_more from parley.legacy_owners o
        where o.user_id = p_user_id and o.source = p_source and o.legacy_id = p_legacy_id for update;
    if v_more > 0 then
        update parley.legacy_owners o set tokens = p_total
            where o.user_id = p_user_id and o.source = p_source and o.legacy_id = p_legacy_id;
        update parley.user_usage u set total_tokens = u.total_tokens + v_more, updated_at = now()
            where u.user_id = p_user_id;
    end if;
    return coalesce(v_more, 0);
end
$$;
comment on function parley.legacy_tokens(uuid, text, text, bigint) is 'Counts tokens that were used elsewhere, once.';

-- Lets p_user_id have a project: as a member of p_owner_id's that p_source has brought, or as their own when there is none such (NULL: they are its
-- owner). No other database says who may join a project that was made here. Answers whether that is new; a project that they have already stays as it
-- is. The claim parley.project is set for the one statement that joins.
create or replace function parley.legacy_project(
    p_user_id uuid, p_project_id uuid, p_owner_id uuid, p_name text, p_description text, p_created_at timestamptz,
    p_source text)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_joined integer;
begin
    if exists (select from parley.user_projects p where p.user_id = p_user_id and p.project_id = p_project_id) then
        return false;
    end if;
    perform set_config('parley.project', p_project_id::text, true);
    insert into parley.user_projects (user_id, project_id, owner_id, name, created_at)
        select p_user_id, p.project_id, p.user_id, p.name, coalesce(p_created_at, now()) from parley.projects p
            where p.user_id = p_owner_id and p.project_id = p_project_id and p.legacy_source = p_source;
    get diagnostics v_joined = row_count;
    perform set_config('parley.project', '', true);
    if v_joined > 0 then
        return true;
    end if;
    insert into parley.user_projects (user_id, project_id, owner_id, name, created_at)
        values (p_user_id, p_project_id, p_user_id, p_name, coalesce(p_created_at, now()));
    insert into parley.projects (user_id, project_id, name, description, created_at, legacy_source)
        values (p_user_id, p_project_id, p_name, p_description, coalesce(p_created_at, now()), p_source);
    return true;
end
$$;
comment on function parley.legacy_project(uuid, uuid, uuid, text, text, timestamptz, text) is 'Brings a project or a membership in.';

-- Makes the sessions of the array p_sessions that are not there; answers how many.
create or replace function parley.legacy_sessions(p_user_id uuid, p_sessions json, p_source text)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v record;
    v_added integer := 0;
begin
    -- Two imports for one person wait for one another here.
    perform from parley.user_usage u where u.user_id = p_user_id for update;
    if not found then
        raise exception using errcode = 'PA401', message = 'user_gone', hint = 'This account does not exist any more.';
    end if;
    for v in select * from json_to_recordset(p_sessions) as x (session_id uuid, title text, project_id uuid,
            project_name text, project_created_at timestamptz, helper text, thread_name text, thread_fallback text, provider_thread_id text,
            is_active boolean, created_at timestamptz, updated_at timestamptz, last_message_at timestamptz) loop
        continue when exists (select from parley.chat_sessions s
            where s.user_id = p_user_id and s.session_id = v.session_id);
        if v.project_id is not null then
            perform parley.legacy_project(p_user_id, v.project_id, null, v.project_name, null,
                coalesce(v.project_created_at, v.created_at), p_source);
        end if;
        insert into parley.chat_sessions (user_id, session_id, project_id, helper, title, title_is_auto, thread_name,
                provider_thread_id, is_active, created_at, updated_at, last_message_at, legacy_source)
            values (p_user_id, v.session_id, v.project_id, v.helper, v.title, v.title is null,
                -- The first of the two names that no other session has.
                (select w.name from unnest(array[v.thread_name, v.thread_fallback]) with ordinality w (name, n)
                 where w.name is not null and not exists (select from parley.chat_sessions s
                    where s.user_id = p_user_id and s.thread_name = w.name and s.deleted_at is null)
                 order by w.n limit 1),
                v.provider_thread_id, coalesce(v.is_active, true), coalesce(v.created_at, now()),
                coalesce(v.updated_at, v.created_at, now()), coalesce(v.last_message_at, v.created_at, now()), p_source);
        v_added := v_added + 1;
    end loop;
    update parley.user_usage u set session_count = u.session_count + v_added, updated_at = now()
        where u.user_id = p_user_id and v_added > 0;
    return v_added;
end
$$;
comment on function parley.legacy_sessions(uuid, json, text) is 'Brings sessions in, without their messages.';

-- Appends the messages of the array p_messages that are not there to the active paths of their sessions, in the array's order; answers how many. Those of
-- hidden sessions stay away, and so do those of sessions that p_source has not brought. Both statements ask in an order that one index alone has:
-- without it any index that begins with the session is taken for as long as there are no statistics, and all of the session read. What the trigger does
-- for one message, the last statement does here for all of a session at once.
create or replace function parley.legacy_messages(p_user_id uuid, p_messages json, p_source text)
    returns integer
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_before parley.chat_sessions[];
    v_added integer;
begin
    v_before := array(select s from parley.chat_sessions s
        where s.user_id = p_user_id and s.deleted_at is null and s.legacy_source = p_source and s.session_id in (
            select x.session_id from json_to_recordset(p_messages) as x (session_id uuid))
        order by s.session_id for no key update);
    perform set_config('parley.bulk', 'on', true);
    insert into parley.chat_messages (user_id, session_id, seq, message_id, parent_id, role, content, tool_calls,
            metadata, created_at)
        select p_user_id, x.session_id, b.last_seq + row_number() over session, x.message_id,
            coalesce(lag(x.message_id) over session, b.active_leaf), x.role, x.content, x.tool_calls, x.metadata,
            coalesce(x.created_at, b.created_at)
        from (
            -- A table without a key may have a message twice.
            select distinct on (r.session_id, r.message_id) r.*
            from rows from (json_to_recordset(p_messages) as (session_id uuid, message_id uuid, role text, content text,
                tool_calls jsonb, metadata jsonb, created_at timestamptz))
                with ordinality as r (session_id, message_id, role, content, tool_calls, metadata, created_at, n)
            order by r.session_id, r.message_id, r.n) x
        join unnest(v_before) b on b.session_id = x.session_id
        where x.message_id is distinct from (select m.message_id from parley.chat_messages m
            where m.user_id = p_user_id and m.session_id = x.session_id and m.message_id >= x.message_id
            order by m.user_id, m.session_id, m.message_id limit 1)
        window session as (partition by x.session_id order by x.n);
    get diagnostics v_added = row_count;
    perform set_config('parley.bulk', '', true);
    update parley.chat_sessions s set
            last_seq = a.last_seq,
            active_leaf = a.leaf,
            message_count = b.message_count + a.count,
            title = case when b.title is null and b.title_is_auto then a.title else b.title end,
            preview = coalesce(a.preview, b.preview),
            last_message_at = greatest(b.last_message_at, a.last_message_at),
            updated_at = greatest(b.updated_at, a.last_message_at)
        from unnest(v_before) b
        cross join lateral (
            select max(m.seq) as last_seq, count(*) as count, max(m.created_at) as last_message_at,
                (array_agg(m.message_id order by m.seq desc))[1] as leaf,
                (array_agg(left(m.content, 50) order by m.seq) filter (where m.role = 'user'))[1] as title,
                (array_agg(left(m.content, 60) order by m.seq desc) filter (where m.content <> ''))[1] as preview
            from (
                select m.seq, m.created_at, m.message_id, m.content, m.role from parley.chat_messages m
                where m.user_id = p_user_id and m.session_id = b.session_id and m.seq > b.last_seq
                order by m.user_id, m.session_id, m.seq offset 0) m) a
        where s.user_id = p_user_id and s.session_id = b.session_id and a.count > 0;
    return v_added;
end
$$;
comment on function parley.legacy_messages(uuid, json, text) is 'Brings messages in.';

-- Turns: begun with the user's message on disk, saved while they run, ended once.

-- Ends what nobody runs any more: a streaming turn of the session whose lease is over reads as interrupted, with all text that was saved. Rows
-- are locked in one order everywhere: the session, its turn, the person's totals.
create or replace function parley.turn_settle(p_user_id uuid, p_session_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_turn record;
begin
    if not exists (select from parley.turns t
        where t.user_id = p_user_id and t.session_id = p_session_id and t.status = 'streaming'
            and t.lease_until < clock_timestamp()) then
        return;
    end if;
    perform from parley.chat_sessions s where s.user_id = p_user_id and s.session_id = p_session_id for no key update;
    for v_turn in
        select t.turn_id, t.last_event_id from parley.turns t
        where t.user_id = p_user_id and t.session_id = p_session_id and t.status = 'streaming'
            and t.lease_until < clock_timestamp()
        for update
    loop
        -- Its id lies beyond every id that the lost process may have given out unsaved: who watched it then still gets the end.
        perform parley.turn_store_events(p_user_id, v_turn.turn_id, jsonb_build_array(jsonb_build_object(
            'id', v_turn.last_event_id + 16777216, 'type', 'error', 'data', jsonb_build_object(
                'type', 'error', 'code', 'interrupted', 'message', 'The answer was interrupted.',
                'turn_id', v_turn.turn_id))), v_turn.last_event_id, null);
        perform parley.turn_end(p_user_id, v_turn.turn_id, 'interrupted', parley.turn_text(p_user_id, v_turn.turn_id),
            null, null, 'interrupted', null, null, null, true);
    end loop;
end
$$;
comment on function parley.turn_settle(uuid, uuid) is 'Ends turns whose process is gone as interrupted.';

-- Lets a turn go on that was taken for interrupted while its process was only cut off from the database: nobody else writes events of a turn, so
-- who brings more is that process. What its end had written is taken back; the lease, over by now, is that process's to take anew. Answers whether
-- it runs again: not when another runs in the session by now, nor an hour later.
create or replace function parley.turn_revive(p_user_id uuid, p_turn_id uuid)
    returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_turn parley.turns;
begin
    perform from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = (select t.session_id from parley.turns t
            where t.user_id = p_user_id and t.turn_id = p_turn_id)
        for no key update;
    select * into v_turn from parley.turns t
        where t.user_id = p_user_id and t.turn_id = p_turn_id and t.status = 'interrupted'
            and t.error_code = 'interrupted' and t.ended_at > clock_timestamp() - interval '1 hour'
        for update;
    if not found or exists (select from parley.turns t
        where t.user_id = p_user_id and t.session_id = v_turn.session_id and t.status = 'streaming') then
        return false;
    end if;
    delete from parley.turn_events e
        where e.user_id = p_user_id and e.turn_id = p_turn_id and e.event_id = v_turn.last_event_id and e.type = 'error';
    update parley.turn_events e set purge_at = null where e.user_id = p_user_id and e.turn_id = p_turn_id;
    update parley.turns t set status = 'streaming', error_code = null, ended_at = null, prompt_tokens = null,
            completion_tokens = null, tokens_estimated = false, lease_until = clock_timestamp(),
            last_event_id = coalesce((select max(e.event_id) from parley.turn_events e
                where e.user_id = p_user_id and e.turn_id = p_turn_id), 0)
        where t.user_id = p_user_id and t.turn_id = p_turn_id;
    update parley.chat_messages m set content = '', status = 'streaming', tokens = null, prompt_tokens = null,
            tokens_estimated = null
        where m.user_id = p_user_id and m.session_id = v_turn.session_id and m.message_id = v_turn.message_id;
    perform parley.turn_account(p_user_id, v_turn.session_id, -v_turn.prompt_tokens, -v_turn.completion_tokens,
        v_turn.tokens_estimated);
    return true;
end
$$;
comment on function parley.turn_revive(uuid, uuid) is 'Lets a turn go on that was taken for interrupted.';

-- Refuses (PA409) while a turn runs in the session. The session's row is locked by the caller.
create or replace function parley.turn_refuse_second(p_user_id uuid, p_session_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform parley.turn_settle(p_user_id, p_session_id);
    if exists (select from parley.turns t
        where t.user_id = p_user_id and t.session_id = p_session_id and t.status = 'streaming') then
        raise exception using
            errcode = 'PA409', message = 'turn_in_progress', hint = 'An answer is being written in this session.';
    end if;
end
$$;
comment on function parley.turn_refuse_second(uuid, uuid) is 'Refuses while a turn runs in the session.';

-- Ends all turns of a person that nobody runs any more.
create or replace function parley.turn_settle_all(p_user_id uuid)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform parley.turn_settle(p_user_id, l.session_id) from (
        select t.session_id from parley.turns t
        where t.user_id = p_user_id and t.status = 'streaming' and t.lease_until < clock_timestamp()
        order by t.session_id
    ) l;
end
$$;
comment on function parley.turn_settle_all(uuid) is 'Ends a person''s turns whose process is gone as interrupted.';

-- The text of an answer as far as it was saved.
create or replace function parley.turn_text(p_user_id uuid, p_turn_id uuid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return (select coalesce(string_agg(e.data ->> 'content', '' order by e.event_id), '') from parley.turn_events e
        where e.user_id = p_user_id and e.turn_id = p_turn_id and e.type = 'token');
end
$$;
comment on function parley.turn_text(uuid, uuid) is 'The text of an answer as far as it was saved.';

-- What the model thought before it answered, as far as it was saved, cut to 64 KiB at a whole character; null: nothing.
create or replace function parley.turn_reasoning(p_user_id uuid, p_turn_id uuid)
    returns text
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_bytes bytea;
    v_end integer := 65536;
begin
    -- Of what lies behind the end no more is read than the event that crosses it.
    v_bytes := (select convert_to(string_agg(p.content, '' order by p.event_id), 'UTF8') from (
        select e.event_id, e.data ->> 'content' as content,
            sum(octet_length(e.data ->> 'content')) over (order by e.event_id) - octet_length(e.data ->> 'content') as before
        from parley.turn_events e
        where e.user_id = p_user_id and e.turn_id = p_turn_id and e.type = 'reasoning') p
        where p.before < v_end);
    if octet_length(v_bytes) <= v_end then
        return convert_from(v_bytes, 'UTF8');
    end if;
    while get_byte(v_bytes, v_end) & 192 = 128 loop
        v_end := v_end - 1;
    end loop;
    return convert_from(substring(v_bytes from 1 for v_end), 'UTF8');
end
$$;
comment on function parley.turn_reasoning(uuid, uuid) is 'What the model thought before it answered, at most 64 KiB.';

-- Begins a turn: everything that must not be lost is stored here, before a model is asked. p_new makes the session; p_text NULL asks for another answer to
-- the user's message p_parent_id (or, where p_user_message_id is one that stands there, to that one, behind p_parent_id), else p_text is the user's message, stored after p_parent_id as message_append says. Answers what the relay
-- and the first event need.
create or replace function parley.turn_begin(
    p_user_id uuid, p_session_id uuid, p_new boolean, p_project_id uuid, p_helper text, p_model text, p_text text,
    p_parent_id uuid, p_turn_id uuid, p_user_message_id uuid, p_message_id uuid, p_lease interval,
    p_sessions_per_minute integer, p_sessions integer, p_turns_per_minute integer, p_turns_running integer,
    p_tokens_per_day integer, p_model_default text default null)
    returns table (title text, user_message_id uuid, model text, system_prompt text, id_base bigint)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_id_base bigint;
    v_helper parley.helpers;
    v_session parley.chat_sessions;
    v_user_message uuid := p_user_message_id;
    v_parent uuid := p_user_message_id;
begin
    if p_new then
        perform parley.session_create(p_user_id, p_session_id, null, p_project_id, p_helper, p_sessions_per_minute,
            p_sessions);
    end if;
    v_session := parley.session_lock(p_user_id, p_session_id);
    perform parley.turn_refuse_second(p_user_id, p_session_id);
    perform parley.turn_take_quotas(p_user_id, p_turns_per_minute, p_turns_running, p_tokens_per_day);

    if p_text is null then
        v_parent := parley.turn_question(p_user_id, p_session_id, p_parent_id);
        -- What is asked may stand before the last message that the answer is for.
        v_user_message := coalesce((select m.message_id from parley.chat_messages m
            where m.user_id = p_user_id and m.session_id = p_session_id and m.message_id = p_user_message_id), v_parent);
    else
        perform parley.message_append(p_user_id, p_session_id, v_user_message, 'user', p_text, null, null, p_turn_id,
            p_parent_id);
    end if;
    perform parley.message_append(p_user_id, p_session_id, p_message_id, 'assistant', '', null, null, p_turn_id,
        v_parent);
    update parley.chat_messages m set status = 'streaming'
        where m.user_id = p_user_id and m.session_id = p_session_id and m.message_id = p_message_id;

    select * into v_helper from parley.helpers h where h.name = v_session.helper;
    select t.id_base + t.last_event_id into v_id_base from parley.turns t
        where t.user_id = p_user_id and t.session_id = p_session_id
        order by t.turn_id desc
        limit 1;
    insert into parley.turns (user_id, turn_id, session_id, user_message_id, message_id, model, lease_until, id_base)
        values (p_user_id, p_turn_id, p_session_id, v_user_message, p_message_id, coalesce(p_model, v_helper.model, p_model_default),
            clock_timestamp() + p_lease, coalesce(v_id_base, 0));
    return query select s.title, v_user_message, coalesce(p_model, v_helper.model, p_model_default), v_helper.system_prompt,
            coalesce(v_id_base, 0)
        from parley.chat_sessions s where s.user_id = p_user_id and s.session_id = p_session_id;
end
$$;
comment on function parley.turn_begin(uuid, uuid, boolean, uuid, text, text, text, uuid, uuid, uuid, uuid, interval, integer,
    integer, integer, integer, integer, text) is 'Begins a turn with the user''s message and an empty answer.';

-- One turn more for p_user_id, or a refusal (PA429) beyond one of the limits; 0: no limit.
create or replace function parley.turn_take_quotas(
    p_user_id uuid, p_per_minute integer, p_running integer, p_tokens_per_day integer)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_today timestamptz := date_trunc('day', now(), 'UTC');
begin
    if p_running > 0 then
        -- One at a time, so that two do not take the last place.
        perform from parley.user_usage u where u.user_id = p_user_id for no key update;
        if p_running <= (select count(*) from parley.turns t
            where t.user_id = p_user_id and t.status = 'streaming' and t.lease_until > clock_timestamp()) then
            raise exception using
                errcode = 'PA429', message = 'turns_running', detail = '5', hint = 'Too many answers are being written.';
        end if;
    end if;
    if p_tokens_per_day > 0 and exists (select from parley.user_rates r
        where r.user_id = p_user_id and r.kind = 'tokens' and r.window_start = v_today
            and r.used >= p_tokens_per_day) then
        raise exception using
            errcode = 'PA429', message = 'tokens_per_day',
            detail = ceil(extract(epoch from v_today + interval '1 day' - now()))::text,
            hint = 'No tokens are left for today.';
    end if;
    perform parley.rate_take(p_user_id, 'turns', 1, p_per_minute);
end
$$;
comment on function parley.turn_take_quotas(uuid, integer, integer, integer) is 'Counts a turn against the person''s quotas.';

-- The user's message that p_message_id is, or answers.
create or replace function parley.turn_question(p_user_id uuid, p_session_id uuid, p_message_id uuid)
    returns uuid
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_message record;
begin
    select m.message_id, m.role, m.parent_id into v_message from parley.chat_messages m
        where m.user_id = p_user_id and m.session_id = p_session_id and m.message_id = p_message_id;
    if not found then
        raise exception using errcode = 'PA404', message = 'message_not_found', hint = 'No such message in this session.';
    end if;
    if v_message.role = 'user' then
        return v_message.message_id;
    end if;
    select m.message_id, m.role, m.parent_id into v_message from parley.chat_messages m
        where m.user_id = p_user_id and m.session_id = p_session_id and m.message_id = v_message.parent_id;
    if not found or v_message.role <> 'user' then
        raise exception using
            errcode = 'PA409', message = 'not_an_answer', hint = 'This message answers no message of the user.';
    end if;
    return v_message.message_id;
end
$$;
comment on function parley.turn_question(uuid, uuid, uuid) is 'The user''s message that a message is, or answers.';

-- A UUIDv7 (RFC 9562): milliseconds, then random bits.
create or replace function parley.uuid_v7()
    returns uuid
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_time text := lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0');
begin
    return (substr(v_time, 1, 8) || '-' || substr(v_time, 9) || '-7' || substr(gen_random_uuid()::text, 16))::uuid;
end
$$;
comment on function parley.uuid_v7() is 'A new UUID that sorts by time.';

-- A session made with a helper starts with its greeting.
create or replace function parley.session_greet(p_user_id uuid, p_session_id uuid, p_helper text)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_greeting text;
begin
    select h.greeting into v_greeting from parley.helpers h where h.name = p_helper;
    if v_greeting is not null then
        perform parley.message_append(p_user_id, p_session_id, parley.uuid_v7(), 'assistant', v_greeting, null, null, null,
            null);
    end if;
end
$$;
comment on function parley.session_greet(uuid, uuid, text) is 'Starts a session with its helper''s greeting.';

-- Stores events: an array of {id, type, data}, where data is the event as viewers get it. What is not behind p_last, the last id so far, was stored
-- before. p_lease NULL: the lease stays. The turn's row is locked by the caller.
create or replace function parley.turn_store_events(
    p_user_id uuid, p_turn_id uuid, p_events jsonb, p_last integer, p_lease interval)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    with stored as (
        insert into parley.turn_events (user_id, turn_id, event_id, type, data)
            select p_user_id, p_turn_id, e.id, e.type, e.data
            from jsonb_to_recordset(p_events) as e (id integer, type text, data jsonb)
            where e.id > p_last
            on conflict (user_id, turn_id, event_id) do nothing
            returning event_id
    )
    update parley.turns t set last_event_id = coalesce((select max(s.event_id) from stored s), p_last),
            lease_until = coalesce(clock_timestamp() + p_lease, t.lease_until)
        where t.user_id = p_user_id and t.turn_id = p_turn_id;
end
$$;
comment on function parley.turn_store_events(uuid, uuid, jsonb, integer, interval) is 'Stores events of a turn once.';

-- Saves what is new of a running turn and renews its lease. Answers go; stop when somebody asked for that; gone when the turn is not running any more
-- (ended elsewhere, or removed).
create or replace function parley.turn_checkpoint(p_user_id uuid, p_turn_id uuid, p_events jsonb, p_lease interval)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_turn record;
begin
    select t.last_event_id, t.stop_requested_at into v_turn from parley.turns t
        where t.user_id = p_user_id and t.turn_id = p_turn_id and t.status = 'streaming'
        for no key update;
    if not found then
        if not parley.turn_revive(p_user_id, p_turn_id) then
            return 'gone';
        end if;
        select t.last_event_id, t.stop_requested_at into v_turn from parley.turns t
            where t.user_id = p_user_id and t.turn_id = p_turn_id;
    end if;
    perform parley.turn_store_events(p_user_id, p_turn_id, p_events, v_turn.last_event_id, p_lease);
    return case when v_turn.stop_requested_at is null then 'go' else 'stop' end;
end
$$;
comment on function parley.turn_checkpoint(uuid, uuid, jsonb, interval) is 'Saves what is new of a turn and renews its lease.';

-- Ends a running turn with its last events, once: answers saved, also when it was ended in just this way before; gone otherwise.
create or replace function parley.turn_finish(
    p_user_id uuid, p_turn_id uuid, p_events jsonb, p_status text, p_content text, p_tool_calls jsonb,
    p_finish_reason text, p_error_code text, p_model text, p_prompt_tokens integer, p_completion_tokens integer,
    p_estimated boolean)
    returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_turn record;
begin
    perform from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = (select t.session_id from parley.turns t
            where t.user_id = p_user_id and t.turn_id = p_turn_id)
        for no key update;
    select t.status, t.last_event_id into v_turn from parley.turns t
        where t.user_id = p_user_id and t.turn_id = p_turn_id for update;
    if v_turn.status = p_status then
        return 'saved';
    end if;
    if v_turn.status = 'interrupted' and parley.turn_revive(p_user_id, p_turn_id) then
        select t.status, t.last_event_id into v_turn from parley.turns t
            where t.user_id = p_user_id and t.turn_id = p_turn_id;
    end if;
    if v_turn.status is distinct from 'streaming' then
        return 'gone';
    end if;
    if p_events is not null then
        perform parley.turn_store_events(p_user_id, p_turn_id, p_events, v_turn.last_event_id, null);
    end if;
    perform parley.turn_end(p_user_id, p_turn_id, p_status, p_content, p_tool_calls, p_finish_reason, p_error_code, p_model,
        p_prompt_tokens, p_completion_tokens, p_estimated);
    return 'saved';
end
$$;
comment on function parley.turn_finish(uuid, uuid, jsonb, text, text, jsonb, text, text, text, integer, integer, boolean)
    is 'Ends a turn: text, tokens, preview and usage in one.';

-- Writes the end of a turn everywhere it shows; its session's row is locked by the caller. Token counts that are NULL are estimated at four
-- bytes a token. An answer without text leaves the preview as it is.
create or replace function parley.turn_end(
    p_user_id uuid, p_turn_id uuid, p_status text, p_content text, p_tool_calls jsonb, p_finish_reason text,
    p_error_code text, p_model text, p_prompt_tokens integer, p_completion_tokens integer, p_estimated boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_turn parley.turns;
    v_prompt integer;
    v_completion integer := coalesce(p_completion_tokens, (octet_length(p_content) + 3) / 4);
    v_told jsonb;
begin
    select * into v_turn from parley.turns t where t.user_id = p_user_id and t.turn_id = p_turn_id;
    v_prompt := coalesce(p_prompt_tokens, (select (octet_length(m.content) + 3) / 4 from parley.chat_messages m
        where m.user_id = p_user_id and m.session_id = v_turn.session_id and m.message_id = v_turn.user_message_id), 0);
    v_turn.model := coalesce(p_model, v_turn.model);
    v_told := jsonb_strip_nulls(jsonb_build_object('model', v_turn.model, 'reasoning', parley.turn_reasoning(p_user_id, p_turn_id)));
    update parley.turns t set status = p_status, finish_reason = p_finish_reason, error_code = p_error_code,
            model = v_turn.model, prompt_tokens = v_prompt, completion_tokens = v_completion,
            tokens_estimated = p_estimated, ended_at = clock_timestamp(), lease_until = null
        where t.user_id = p_user_id and t.turn_id = p_turn_id;
    update parley.turn_events e set purge_at = clock_timestamp() + interval '1 day'
        where e.user_id = p_user_id and e.turn_id = p_turn_id;
    update parley.chat_messages m set content = p_content, tool_calls = p_tool_calls, status = p_status,
            tokens = v_completion, prompt_tokens = v_prompt, tokens_estimated = p_estimated,
            created_at = greatest(m.created_at, now()),
            metadata = nullif(coalesce(m.metadata, '{}') || v_told, '{}')
        where m.user_id = p_user_id and m.session_id = v_turn.session_id and m.message_id = v_turn.message_id;
    update parley.chat_sessions s set
            preview = case when s.active_leaf = v_turn.message_id and p_content <> '' then left(p_content, 60)
                else s.preview end,
            last_message_at = greatest(s.last_message_at, now()),
            updated_at = now()
        where s.user_id = p_user_id and s.session_id = v_turn.session_id;
    perform parley.turn_account(p_user_id, v_turn.session_id, v_prompt, v_completion, p_estimated);
end
$$;
comment on function parley.turn_end(uuid, uuid, text, text, jsonb, text, text, text, integer, integer, boolean)
    is 'Writes the end of a turn everywhere it shows.';

-- Adds a turn's tokens to the sums of its session, its person and their day; below zero they are taken back. What a server counts may be absurd:
-- the day's sum ends at its type's end.
create or replace function parley.turn_account(
    p_user_id uuid, p_session_id uuid, p_prompt integer, p_completion integer, p_estimated boolean)
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_estimated bigint := case when p_estimated then p_prompt::bigint + p_completion else 0 end;
begin
    update parley.chat_sessions s set
            prompt_tokens = s.prompt_tokens + p_prompt,
            completion_tokens = s.completion_tokens + p_completion,
            estimated_tokens = s.estimated_tokens + v_estimated
        where s.user_id = p_user_id and s.session_id = p_session_id;
    update parley.user_usage u set
            prompt_tokens = u.prompt_tokens + p_prompt,
            completion_tokens = u.completion_tokens + p_completion,
            total_tokens = u.total_tokens + p_prompt + p_completion,
            estimated_tokens = u.estimated_tokens + v_estimated,
            updated_at = now()
        where u.user_id = p_user_id;
    insert into parley.user_rates as r (user_id, kind, window_start, used)
        values (p_user_id, 'tokens', date_trunc('day', now(), 'UTC'), greatest(0, least(p_prompt::bigint + p_completion, 2147483647)))
        on conflict (user_id, kind) do update
            set used = greatest(0, least(case when r.window_start < excluded.window_start then 0 else r.used end::bigint + p_prompt + p_completion,
                    2147483647)),
                window_start = greatest(r.window_start, excluded.window_start);
end
$$;
comment on function parley.turn_account(uuid, uuid, integer, integer, boolean) is 'Adds a turn''s tokens to the sums.';

-- The turn of a session that a viewer means who has seen the events up to p_after (as viewers count): the one that this id belongs to while there is
-- more of it, else the one that followed; from 0 on, or where none followed, the newest.
create or replace function parley.turn_watched(p_user_id uuid, p_session_id uuid, p_after bigint)
    returns setof parley.turns
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_seen parley.turns;
begin
    select * into v_seen from parley.turns t
        where t.user_id = p_user_id and t.session_id = p_session_id and (p_after <= 0 or t.id_base <= p_after)
        order by t.turn_id desc
        limit 1;
    if p_after > 0 and v_seen.status <> 'streaming' and v_seen.id_base + v_seen.last_event_id <= p_after then
        return query select * from parley.turns t
            where t.user_id = p_user_id and t.session_id = p_session_id and t.turn_id > v_seen.turn_id
            order by t.turn_id
            limit 1;
        if found then
            return;
        end if;
    end if;
    if v_seen.turn_id is not null then
        return next v_seen;
    end if;
end
$$;
comment on function parley.turn_watched(uuid, uuid, bigint) is 'The turn that a viewer means who has seen so much.';

-- The events of a turn that has ended, made from what is stored of it: for when its own are purged, or lost. The last id is as it was, and so are the
-- others where they can be, so that who comes back gets just the rest. Rather than lose anything some is told again: calls came in pieces; they are
-- whole here, right before the end, and who lacks a piece gets its call anew. Of long thoughts the end is not stored; their ids stay a gap, and the
-- text behind it is counted back from the end, with calls as if each had come in one piece. Thoughts, text and calls that came in turns stand in this
-- order: who saw calls before text may miss as much text as there were pieces. What the error said is not stored.
create or replace function parley.turn_retold(p_user_id uuid, p_turn_id uuid)
    returns table (event_id integer, type text, data jsonb)
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_turn parley.turns;
    v_answer parley.chat_messages;
    v_session parley.chat_sessions;
    v_ids jsonb;
    v_cut boolean;
    v_before_calls integer;
begin
    select * into v_turn from parley.turns t
        where t.user_id = p_user_id and t.turn_id = p_turn_id and t.status <> 'streaming';
    select * into v_answer from parley.chat_messages m
        where m.user_id = p_user_id and m.session_id = v_turn.session_id and m.message_id = v_turn.message_id;
    select * into v_session from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = v_turn.session_id;
    if v_answer.message_id is null then
        return;
    end if;
    v_ids := jsonb_build_object('session_id', v_turn.session_id, 'turn_id', p_turn_id, 'message_id', v_turn.message_id);
    -- As turn_reasoning cuts, and as turn_settle numbers the end.
    v_cut := coalesce(octet_length(v_answer.metadata ->> 'reasoning') > 65532, false);
    v_before_calls := v_turn.last_event_id - coalesce(jsonb_array_length(v_answer.tool_calls), 0)
        - case when v_turn.error_code = 'interrupted' and v_turn.last_event_id > 16777216 then 16777216 else 1 end;
    return query
        with said (nth, type, data) as (
            select 0, 'session', v_ids || jsonb_build_object('user_message_id', v_turn.user_message_id,
                'title', v_session.title, 'created', v_session.created_at = v_turn.started_at)
            union all
            select 1, 'reasoning', jsonb_build_object('content', v_answer.metadata ->> 'reasoning')
                where v_answer.metadata ->> 'reasoning' <> ''
            union all
            select 2, 'token', jsonb_build_object('content', v_answer.content) where v_answer.content <> ''
            union all
            select 2 + c.nth, 'tool_call', jsonb_strip_nulls(jsonb_build_object('index', c.nth - 1, 'call_id', c.call -> 'id',
                    'name', c.call #> '{function,name}', 'arguments', c.call #> '{function,arguments}'))
                from jsonb_array_elements(v_answer.tool_calls) with ordinality c (call, nth)
            union all
            select 1000, 'done', v_ids || jsonb_build_object('thread_id', v_turn.session_id, 'status', v_turn.status,
                    'finish_reason', v_turn.finish_reason, 'title', v_session.title, 'usage', jsonb_build_object(
                        'prompt_tokens', v_turn.prompt_tokens, 'completion_tokens', v_turn.completion_tokens,
                        'total_tokens', v_turn.prompt_tokens::bigint + v_turn.completion_tokens,
                        'estimated', v_turn.tokens_estimated))
                    || case when v_answer.tool_calls is null then '{}' else jsonb_build_object('tool_calls', v_answer.tool_calls) end
                where v_turn.error_code is null
            union all
            select 1000, 'error', v_ids || jsonb_build_object('code', v_turn.error_code, 'message',
                    case v_turn.status when 'interrupted' then 'The answer was interrupted.' else 'The answer has failed.' end)
                where v_turn.error_code is not null
        )
        select greatest(sum(coalesce(octet_length(s.data ->> 'content'), 1)) over (order by s.nth), case
                when s.nth = 1000 then v_turn.last_event_id
                when s.nth > 2 or s.nth = 2 and v_cut then v_before_calls + s.nth - 2 end)::integer, s.type, jsonb_build_object('type', s.type) || s.data
            from said s order by s.nth;
end
$$;
comment on function parley.turn_retold(uuid, uuid) is 'The events of an ended turn, made from what is stored of it.';

-- Asks the running turn of a session to stop. Answers the turn; no row when none runs.
create or replace function parley.turn_stop(p_user_id uuid, p_session_id uuid)
    returns table (turn_id uuid)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from parley.chat_sessions s
        where s.user_id = p_user_id and s.session_id = p_session_id and s.deleted_at is null) then
        raise exception using errcode = 'PA404', message = 'session_not_found', hint = 'No such session.';
    end if;
    perform parley.turn_settle(p_user_id, p_session_id);
    return query update parley.turns t set stop_requested_at = coalesce(t.stop_requested_at, clock_timestamp())
        where t.user_id = p_user_id and t.session_id = p_session_id and t.status = 'streaming'
        returning t.turn_id;
end
$$;
comment on function parley.turn_stop(uuid, uuid) is 'Asks the running turn of a session to stop.';

-- Messages do not change, but for the flags of the tree. An answer is stored empty and marked as streaming before its turn is there; when the
-- turn ends it gets its text, its tokens, its time, and as metadata which model answered and what it thought before, once.
create or replace function parley.message_keep()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_place boolean := (new.session_id, new.seq, new.message_id, new.parent_id, new.sibling_index, new.role,
        new.turn_id) is not distinct from (old.session_id, old.seq, old.message_id, old.parent_id, old.sibling_index,
        old.role, old.turn_id);
    v_text boolean := (new.content, new.tool_calls, new.metadata, new.tokens, new.prompt_tokens, new.tokens_estimated,
        new.created_at) is not distinct from (old.content, old.tool_calls, old.metadata, old.tokens, old.prompt_tokens,
        old.tokens_estimated, old.created_at);
begin
    if v_place and (v_text and new.status = old.status or old.status = 'streaming' and new.status <> 'streaming') then
        return new;
    end if;
    if v_place and v_text and new.status = 'streaming' and old.status = 'complete' and old.role = 'assistant'
        and old.content = '' and old.tool_calls is null and old.tokens is null and old.turn_id is not null
        and not exists (select from parley.turns t where t.user_id = old.user_id and t.turn_id = old.turn_id) then
        return new;
    end if;
    -- The same back: a turn that was taken for interrupted goes on.
    if v_place and old.status = 'interrupted' and (new.status, new.content) = ('streaming', '')
        and (new.tokens, new.prompt_tokens, new.tokens_estimated) is null
        and (new.metadata, new.created_at) is not distinct from (old.metadata, old.created_at)
        and exists (select from parley.turns t
            where t.user_id = old.user_id and t.turn_id = old.turn_id and t.status = 'streaming') then
        return new;
    end if;
    raise exception using errcode = 'PA409', message = 'message_immutable', hint = 'Messages do not change.';
end
$$;
comment on function parley.message_keep() is 'Keeps messages as they were written.';

create or replace trigger keep_chat_message
    before update of session_id, seq, message_id, parent_id, sibling_index, role, content, tool_calls, metadata, turn_id,
        created_at, status, tokens, prompt_tokens, tokens_estimated on parley.chat_messages
    for each row execute function parley.message_keep();

-- Turns.

-- name: turn_begin
-- $2 session, $3 whether it is new, $4 project, $5 helper, $6 model, $7 text (NULL: another answer), $8 parent, $9 turn, $10 user's message, $11 answer, $12
-- seconds of the lease, $13 to $17 quotas: sessions a minute, sessions, turns a minute, turns running, tokens a day, $18 the model where neither $6 nor the
-- helper names one.
select title, user_message_id, model, system_prompt, id_base
from parley.turn_begin($1::uuid, $2::uuid, $3::boolean, $4::uuid, $5::text, $6::text, $7::text, $8::uuid, $9::uuid,
    $10::uuid, $11::uuid, make_interval(secs => $12::integer), $13::integer, $14::integer, $15::integer, $16::integer,
    $17::integer, $18::text);

-- name: turn_copy_question
-- Where a client saved the text $3 before it sends it: the message to answer and the one that the answer follows, or the turn that does.
select asked, last, turn from parley.copy_question($1::uuid, $2::uuid, $3::text);

-- name: turn_history
-- What the model is told: the active path without the answer that is being written, oldest first; its newest $3 bytes and at most 500 messages, but
-- the newest message in any case. Model servers refuse calls without all their results right behind them, and results without their call: such
-- calls, which a cut, a stop or a client leaves, are not told, nor what is empty without them. Calls that have no names, or no ids that tell them
-- apart, have no results.
with newest as (
    select m.seq, m.role, m.content, m.tool_calls,
        case when m.role = 'tool' then m.metadata ->> 'tool_call_id' end as tool_call_id,
        case when m.role = 'assistant' and m.status = 'complete' and jsonb_typeof(m.tool_calls) = 'array' then (
            select jsonb_agg(c.call -> 'id') from jsonb_array_elements(m.tool_calls) c (call)
            having count(*) = count(distinct c.call ->> 'id') filter (where c.call @? 'strict $ ? (@.id.type() == "string" && @.id != ""
                && @.function.name.type() == "string" && @.function.name != "")')) end as asked,
        row_number() over newest as nth,
        sum(octet_length(m.content) + coalesce(octet_length(m.tool_calls::text), 0) + 16) over newest as bytes
    from parley.chat_messages m
    where m.user_id = $1::uuid and m.session_id = $2::uuid and m.on_path and m.status <> 'streaming'
        and (m.content <> '' or m.tool_calls is not null or m.role = 'tool')
    window newest as (order by m.seq desc rows unbounded preceding)
    order by m.seq desc
    limit 500
), runs as (
    -- A message and the results right behind it.
    select n.*, count(*) filter (where n.role <> 'tool') over (order by n.seq) as run
    from newest n
    where n.bytes <= $3::integer or n.nth = 1
), matched as (
    select r.seq, r.role, r.content, r.tool_calls, r.tool_call_id, first_value(r.asked) over run as asked,
        jsonb_agg(r.tool_call_id) filter (where r.tool_call_id is not null) over run as given,
        row_number() over (partition by r.run, r.tool_call_id order by r.seq) as nth
    from runs r
    window run as (partition by r.run order by r.seq rows between unbounded preceding and unbounded following)
)
select h.role, h.content, case when h.role <> 'tool' and h.asked <@ h.given then h.tool_calls end as tool_calls, h.tool_call_id
from matched h
where case when h.role = 'tool' then h.asked <@ h.given and h.asked ? h.tool_call_id and h.nth = 1
    else h.content <> '' or h.asked <@ h.given end
order by h.seq;

-- name: turn_settle
select parley.turn_settle($1::uuid, $2::uuid);

-- name: turn_settle_all
select parley.turn_settle_all($1::uuid);

-- name: turn_watched
-- The turn of a session that a viewer means who has seen $3. A day after its end its events may be purged: then the id of the last one is 0.
select t.turn_id, t.status, case when t.ended_at < now() - interval '1 day' then 0 else t.last_event_id end as last_event_id,
    t.message_id, t.user_message_id, t.id_base
from parley.turn_watched($1::uuid, $2::uuid, $3::bigint) t;

-- name: turn_get
-- A turn of a session that is not hidden.
select t.turn_id, t.status, case when t.ended_at < now() - interval '1 day' then 0 else t.last_event_id end as last_event_id,
    t.message_id, t.user_message_id, t.id_base, t.session_id, coalesce(s.thread_name, 'thread-' || s.session_id) as thread
from parley.turns t
join parley.chat_sessions s on s.user_id = t.user_id and s.session_id = t.session_id
where t.user_id = $1::uuid and t.turn_id = $2::uuid and s.user_id = $1::uuid and s.deleted_at is null;

-- name: turn_events
-- Events past id $3, at most $4.
select e.event_id, e.type, e.data
from parley.turn_events e
where e.user_id = $1::uuid and e.turn_id = $2::uuid and e.event_id > $3::integer
order by e.event_id
limit $4::integer;

-- name: turn_retold
-- The events of a turn whose own are gone.
select event_id, type, data from parley.turn_retold($1::uuid, $2::uuid);

-- name: turn_text
select parley.turn_text($1::uuid, $2::uuid);

-- name: turn_stop
select turn_id from parley.turn_stop($1::uuid, $2::uuid);

-- name: turn_of_key
-- The turn that a request with this key began.
select k.turn_id from parley.idempotency_keys k
where k.user_id = $1::uuid and k.key = $2::text and k.turn_id is not null and k.expires_at > now();

-- name: turn_of_event
-- The turn of the session $2 that has the event $3, as viewers count.
select t.turn_id
from (
    select r.turn_id, r.status, r.id_base + r.last_event_id as last from parley.turns r
    where r.user_id = $1::uuid and r.session_id = $2::uuid and r.id_base < $3::bigint
    order by r.turn_id desc
    limit 1
) t
where t.status = 'streaming' or t.last >= $3::bigint;

-- name: turn_of_text
-- The turn of the last hour that answers just this text: in the session $2 the newest; in any (NULL) one that runs or ended in the last ten minutes
-- before older ones, and none where that may be two. In this order one look-up each: as a join the planner reads all messages of the user.
select (array_agg(f.turn_id order by f.fresh desc, f.started_at desc))[1] as turn_id
from (
    select t.turn_id, t.started_at, t.fresh
    from (
        select n.* from (
            select r.turn_id, r.session_id, r.user_message_id, r.started_at,
                r.ended_at is null or r.ended_at > now() - interval '10 minutes' as fresh
            from parley.turns r
            where r.user_id = $1::uuid and r.started_at > now() - interval '1 hour'
                and (case when $2::uuid is null or r.session_id = $2::uuid then 1 end) is not null
            order by r.started_at desc
            limit 1000
        ) n
        order by n.fresh desc, n.started_at desc
        offset 0
    ) t
    where (select m.content from parley.chat_messages m
            where m.user_id = $1::uuid and m.session_id = t.session_id and m.message_id = t.user_message_id) = $3::text
        and (select s.deleted_at is null from parley.chat_sessions s
            where s.user_id = $1::uuid and s.session_id = t.session_id)
    order by t.fresh desc, t.started_at desc
    limit 2
) f
having count(*) > 0 and ($2::uuid is not null or count(*) filter (where f.fresh) < 2);

-- name: turn_note_key
-- A request's key began this turn.
update parley.idempotency_keys set turn_id = $3::uuid, status = 200
where user_id = $1::uuid and key = $2::text;

-- name: turn_checkpoint
-- $3 events, $4 seconds of the lease. Answers go, stop or gone.
select parley.turn_checkpoint($1::uuid, $2::uuid, $3::jsonb, make_interval(secs => $4::integer));

-- name: turn_finish
-- $3 events, $4 status, $5 content, $6 tool calls, $7 finish reason, $8 error code, $9 model, $10 prompt tokens, $11 completion tokens, $12 estimated.
-- Answers saved or gone.
select parley.turn_finish($1::uuid, $2::uuid, $3::jsonb, $4::text, $5::text, $6::jsonb, $7::text, $8::text, $9::text,
    $10::integer, $11::integer, $12::boolean);

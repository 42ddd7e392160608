-- What `parley import-legacy` reads in another application's database (src/db/source.c), whose tables are not Parley's: src/core/legacy_form.c
-- asks only for tables that source_forms has found. Columns that a form can do without are read through to_jsonb(row).
--
-- Every declaration of `messages` has these columns, ordered by owner, session and place in it; a session without messages is one row whose
-- `message` is null:
--   owner, session, message, role, content (null: longer than $1 bytes, or none), bytes of it (null: there is none), tool_calls, metadata,
--   created_at, and of the session: title, project, project's name, helper, thread, provider's thread, is_active, created_at, updated_at,
--   last_message_at, project's created_at
-- Times without a zone are UTC, for that is the session's. What does not look like a time is none.

-- name: source_begin
begin isolation level repeatable read read only;

-- name: source_settings
-- A sort may take its time; rows that a policy would keep back are an error, not silence; bytes of no known encoding come as they are.
-- parley.moment is what a text must look like to be a time: PATTERN_MOMENT of src/base/pattern.c.
select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
    set_config('row_security', 'off', true),
    set_config('parley.moment', '^(?!0000)(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))'
        || '|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)'
        || '[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)? ?(Z|UTC|[+-](0\d|1[0-4])(:?[0-5]\d)?)?$', true),
    set_config('client_encoding', case current_setting('server_encoding') when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end, true);

-- name: source_forms
-- Which forms are there: tables on the search path with the columns that make them.
with tab as (
    select c.relname::text as name, array_agg(a.attname::text) as columns,
        max(a.atttypid::regtype::text) filter (where a.attname = 'id') as id_type
    from unnest(array['users', 'user_sessions', 'sessions', 'chat_messages', 'user_projects', 'dossier', 'turns', 'chat_sessions',
        'conversations', 'user_usage']) w (name)
    join pg_catalog.pg_class c on c.oid = to_regclass(w.name) and c.relkind in ('r', 'p')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname <> 'parley'
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    group by c.relname),
made as (
    select f.name, bool_and(exists (
        select from tab where tab.name = f.tab and tab.columns @> string_to_array(f.columns, ' '))) as there
    from (values
        ('saves', 'user_sessions', 'session_id user_id messages'),
        ('v1', 'sessions', 'session_id user_id'), ('v1', 'chat_messages', 'session_id role content'), ('v1', 'dossier', 'project_id'),
        ('projects', 'dossier', 'project_id'), ('projects', 'user_projects', 'project_id user_id'),
        ('members', 'dossier', 'project_id'), ('members', 'user_projects', 'project_id user_id'),
        ('turns', 'turns', 'turn_id'), ('turns', 'sessions', 'session_id user_id'), ('turns', 'chat_messages', 'turn_id'),
        ('turns', 'dossier', 'project_id'), ('turns', 'user_projects', 'project_id user_id'),
        ('old turns', 'turns', 'turn_id'), ('old turns', 'dossier', 'project_id'),
        ('helper chats', 'chat_sessions', 'id user_id'), ('helper chats', 'chat_messages', 'id session_id role content'),
        ('threads', 'conversations', 'id user_id thread_id role content'),
        ('usage', 'user_usage', 'user_id total_tokens')) f (name, tab, columns)
    group by f.name)
select name from made where there
    and (name <> 'old turns' or not (select there from made where name = 'turns'))
    and (name <> 'threads' or (select id_type from tab where tab.name = 'conversations') = 'uuid')
union all
select 'single thread' from made where name = 'threads' and there
    and (select id_type from tab where tab.name = 'conversations') <> 'uuid'
union all
select 'people' from tab where name = 'users' and columns && array['id', 'user_id'];

-- name: source_people
-- $1: the column that is their id, where there are two.
declare people no scroll cursor for
select coalesce(v->>$1, v->>'user_id', v->>'id') as id, v->>'email',
    coalesce(v->>'display_name', v->>'full_name', v->>'name', v->>'username'), v->>'avatar_url',
    case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end
from (select to_jsonb(u) as v from users u offset 0) u
where coalesce(v->>$1, v->>'user_id', v->>'id') is not null
order by coalesce(v->>$1, v->>'user_id', v->>'id') collate "C";

-- name: source_projects
-- Each with its owner: who was its member first, else a person who stands for the project. What has no time of its own is as old as that
-- membership. The last column is for members alone.
declare messages no scroll cursor for
select (coalesce(o.user_id, 'project-' || d.project_id::text)) collate "C" as owner, d.project_id::text,
    coalesce(v->>'name', v->>'title', 'Project ' || d.project_id::text), v->>'description',
    case when c.at ~ current_setting('parley.moment') then c.at::timestamptz end, null
from dossier d
cross join lateral (select to_jsonb(d) as v offset 0) j
left join (
    select distinct on (p.project_id) p.project_id, p.user_id::text as user_id, to_jsonb(p)->>'created_at' as since from user_projects p
    order by p.project_id, to_jsonb(p)->>'created_at', p.user_id) o on o.project_id = d.project_id
cross join lateral (select case when v->>'created_at' ~ current_setting('parley.moment') then v->>'created_at' else o.since end as at) c
order by 1, 2;

-- name: source_members
-- Who else is a member, and whose project it is.
declare messages no scroll cursor for
select p.user_id::text collate "C" as owner, p.project_id::text,
    coalesce(to_jsonb(d)->>'name', to_jsonb(d)->>'title', 'Project ' || p.project_id::text), null,
    case when to_jsonb(p)->>'created_at' ~ current_setting('parley.moment') then (to_jsonb(p)->>'created_at')::timestamptz end,
    o.user_id as project_owner
from user_projects p
join dossier d on d.project_id = p.project_id
join (
    select distinct on (m.project_id) m.project_id, m.user_id::text as user_id from user_projects m
    order by m.project_id, to_jsonb(m)->>'created_at', m.user_id) o on o.project_id = p.project_id and o.user_id <> p.user_id::text
order by 1, 2;

-- name: source_saves
-- An element's other members are kept as metadata; of a content in parts, the texts.
declare messages no scroll cursor for
select u.user_id::text as owner, u.session_id::text as session,
    case when jsonb_typeof(u.list) is distinct from 'array' then '0' else e.n::text end as message,
    e.v->>'role' as role,
    case when octet_length(t.content) <= $1::integer then t.content end as content, octet_length(t.content),
    e.v->'tool_calls' as tool_calls,
    nullif(case when jsonb_typeof(e.v) = 'object' then
        e.v - case when jsonb_typeof(coalesce(e.v->'content', e.v->'text')) = 'array' then '{}'::text[] else '{content,text}' end
        - '{role,tool_calls,metadata,created_at,timestamp}'::text[]
        || case jsonb_typeof(e.v->'metadata') when 'object' then e.v->'metadata' else '{}' end end, '{}') as metadata,
    case when t.at ~ current_setting('parley.moment') then t.at::timestamptz end as created_at,
    u.v->>'title', null, null, null, null, null, null, u.v->>'created_at', u.v->>'updated_at', u.v->>'updated_at', null
from (
    select s.user_id, s.session_id, to_jsonb(s) - 'messages' as v, to_jsonb(s.messages) as list from user_sessions s
    order by s.user_id::text collate "C", s.session_id) u
left join lateral jsonb_array_elements(case jsonb_typeof(u.list) when 'array' then u.list else '[]' end)
    with ordinality e (v, n) on true
left join lateral (
    select case jsonb_typeof(coalesce(e.v->'content', e.v->'text'))
            when 'string' then coalesce(e.v->>'content', e.v->>'text')
            when 'array' then (select string_agg(p.v->>'text', E'\n' order by p.n)
                from jsonb_array_elements(coalesce(e.v->'content', e.v->'text')) with ordinality p (v, n))
            end,
        coalesce(e.v->>'created_at', e.v->>'timestamp')
    where jsonb_typeof(e.v) = 'object') t (content, at) on true;

-- name: source_v1
declare messages no scroll cursor for
select (coalesce(s.user_id::text, 'project-' || (sj.v->>'project_id'), 'nobody')) collate "C" as owner, s.session_id::text collate "C" as session,
    coalesce(mj.v->>'message_id', mj.v->>'id') as message, m.role::text,
    case when octet_length(m.content) <= $1::integer then m.content end, octet_length(m.content),
    mj.v->'tool_calls', mj.v->'metadata', mj.at as created_at,
    nullif(sj.v->>'title', ''), sj.v->>'project_id', coalesce(to_jsonb(d)->>'name', to_jsonb(d)->>'title'), sj.v->>'helper',
    null, null, sj.v->>'is_active', sj.v->>'created_at', sj.v->>'updated_at', sj.v->>'last_message_at', to_jsonb(d)->>'created_at'
from sessions s
cross join lateral (select to_jsonb(s) as v offset 0) sj
left join dossier d on d.project_id::text = sj.v->>'project_id'
left join chat_messages m on m.session_id::text = s.session_id::text
left join lateral (
    select v, case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at,
        coalesce(v->>'message_id', v->>'id') as id
    from (select to_jsonb(m) as v where m.session_id is not null offset 0) x offset 0) mj on true
order by 1, 2, mj.at, case when mj.id ~ '^\d{1,18}$' then mj.id::bigint end, m.ctid;

-- name: source_turns
-- Turns that no message refers to. The text stands in the first of these columns that there is; what else stands in a turn is metadata.
declare messages no scroll cursor for
select (coalesce(v->>'user_id', s.user_id::text, o.user_id, 'project-' || (v->>'project_id'), 'nobody')) collate "C" as owner,
    coalesce(v->>'session_id', 'turns of ' || (v->>'project_id'), 'turns') collate "C" as session,
    t.turn_id::text || p.part as message, p.role,
    case when octet_length(p.content) <= $1::integer then p.content end, octet_length(p.content),
    v->'tool_calls',
    case when p.n = 1 then nullif(jsonb_strip_nulls(v - '{turn_id,session_id,user_id,project_id,created_at,updated_at,role,content,tool_calls,
        user_input,raw_text,prompt,question,user_message,input,response,output,answer,assistant_message,completion,reply}'::text[]), '{}') end,
    at as created_at,
    coalesce(nullif(to_jsonb(s)->>'title', ''), to_jsonb(d)->>'name', to_jsonb(d)->>'title'), v->>'project_id',
    coalesce(to_jsonb(d)->>'name', to_jsonb(d)->>'title'), null, null, null, to_jsonb(s)->>'is_active',
    coalesce(to_jsonb(s)->>'created_at', to_jsonb(d)->>'created_at'), to_jsonb(s)->>'updated_at', to_jsonb(s)->>'last_message_at',
    to_jsonb(d)->>'created_at'
from turns t
cross join lateral (select to_jsonb(t) as v offset 0) j
cross join lateral (select case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at) c
left join sessions s on s.session_id::text = v->>'session_id'
left join dossier d on d.project_id::text = v->>'project_id'
left join (
    select distinct on (p.project_id) p.project_id::text as project_id, p.user_id::text as user_id from user_projects p
    order by p.project_id, to_jsonb(p)->>'created_at', p.user_id) o on o.project_id = v->>'project_id'
cross join lateral (
    select 1, '/1', coalesce(v->>'role', 'user'), v->>'content' where v ? 'content'
    union all
    select 1, '/1', 'user', coalesce(v->>'user_input', v->>'raw_text', v->>'prompt', v->>'question', v->>'user_message', v->>'input')
    where not v ? 'content'
    union all
    select 2, '/2', 'assistant', a.content
    from (select coalesce(v->>'response', v->>'output', v->>'answer', v->>'assistant_message', v->>'completion', v->>'reply')) a (content)
    where a.content is not null) p (n, part, role, content)
where not exists (select from chat_messages m where m.turn_id::text = t.turn_id::text)
order by 1, 2, at, case when t.turn_id::text ~ '^\d{1,18}$' then t.turn_id::text::bigint end, t.ctid, p.n;

-- name: source_old_turns
-- The same where there is nothing else yet than projects and turns.
declare messages no scroll cursor for
select (coalesce(v->>'user_id', 'project-' || (v->>'project_id'), 'nobody')) collate "C" as owner,
    coalesce(v->>'session_id', 'turns of ' || (v->>'project_id'), 'turns') collate "C" as session,
    t.turn_id::text || p.part as message, p.role,
    case when octet_length(p.content) <= $1::integer then p.content end, octet_length(p.content),
    v->'tool_calls',
    case when p.n = 1 then nullif(jsonb_strip_nulls(v - '{turn_id,session_id,user_id,project_id,created_at,updated_at,role,content,tool_calls,
        user_input,raw_text,prompt,question,user_message,input,response,output,answer,assistant_message,completion,reply}'::text[]), '{}') end,
    at as created_at,
    coalesce(to_jsonb(d)->>'name', to_jsonb(d)->>'title'), v->>'project_id',
    coalesce(to_jsonb(d)->>'name', to_jsonb(d)->>'title'), null, null, null, null, to_jsonb(d)->>'created_at', null, null,
    to_jsonb(d)->>'created_at'
from turns t
cross join lateral (select to_jsonb(t) as v offset 0) j
cross join lateral (select case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at) c
left join dossier d on d.project_id::text = v->>'project_id'
cross join lateral (
    select 1, '/1', coalesce(v->>'role', 'user'), v->>'content' where v ? 'content'
    union all
    select 1, '/1', 'user', coalesce(v->>'user_input', v->>'raw_text', v->>'prompt', v->>'question', v->>'user_message', v->>'input')
    where not v ? 'content'
    union all
    select 2, '/2', 'assistant', a.content
    from (select coalesce(v->>'response', v->>'output', v->>'answer', v->>'assistant_message', v->>'completion', v->>'reply')) a (content)
    where a.content is not null) p (n, part, role, content)
order by 1, 2, at, case when t.turn_id::text ~ '^\d{1,18}$' then t.turn_id::text::bigint end, t.ctid, p.n;

-- name: source_helper_chats
declare messages no scroll cursor for
select s.user_id::text collate "C" as owner, s.id::text collate "C" as session, mj.id as message, m.role::text,
    case when octet_length(m.content) <= $1::integer then m.content end, octet_length(m.content),
    mj.v->'tool_calls', mj.v->'metadata', mj.at as created_at,
    nullif(nullif(sj.v->>'title', ''), 'New Chat'), sj.v->>'project_id', null, sj.v->>'helper', null, sj.v->>'thread_id',
    sj.v->>'is_active', sj.v->>'created_at', sj.v->>'updated_at', sj.v->>'last_message_at', null
from chat_sessions s
cross join lateral (select to_jsonb(s) as v offset 0) sj
left join chat_messages m on m.session_id::text = s.id::text
left join lateral (
    select v, case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at, v->>'id' as id
    from (select to_jsonb(m) as v where m.session_id is not null offset 0) x offset 0) mj on true
order by 1, 2, mj.at, case when mj.id ~ '^\d{1,18}$' then mj.id::bigint end, m.ctid;

-- name: source_threads
-- That application renames user-... to thread-legacy-<its user>, on some day: a session is told by the later name on all days. Where ids are no uuids the
-- person's own thread alone has both names, and the old one is what makes it the default.
declare messages no scroll cursor for
select c.user_id::text collate "C" as owner, (c.user_id::text || '/' || t.name) collate "C" as session, c.id::text as message, c.role::text,
    case when octet_length(c.content) <= $1::integer then c.content end, octet_length(c.content),
    j.v->'tool_calls', j.v->'metadata', j.at as created_at,
    null, null, null, null, case when t.is_final then t.name else c.thread_id::text end, null, null, null, null, null, null
from conversations c
cross join lateral (
    select pg_typeof(c.id) = 'uuid'::regtype as is_final,
        case when c.thread_id::text = 'user-' || c.user_id::text or (c.thread_id::text like 'user-%' and pg_typeof(c.id) = 'uuid'::regtype)
            then 'thread-legacy-' || c.user_id::text else c.thread_id::text end as name) t
cross join lateral (
    select v, case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at
    from (select to_jsonb(c) as v offset 0) x offset 0) j
order by 1, 2, at, case when c.id::text ~ '^\d{1,18}$' then c.id::text::bigint end, c.ctid;

-- name: source_usage
-- No total may come near the end of numbers, beyond which nothing can be counted any more.
declare messages no scroll cursor for
select user_id::text collate "C" as owner, least(total_tokens, 1000000000000)::bigint from user_usage
where total_tokens > 0
order by 1;

-- name: source_fetch
fetch forward 100 from messages;

-- name: source_fetch_people
fetch forward 100 from people;

-- name: source_close
close messages;

-- name: source_close_people
close people;

-- name: source_count_saves
select sum(jsonb_array_length(case jsonb_typeof(to_jsonb(messages)) when 'array' then to_jsonb(messages) else '[]' end)) from user_sessions;

-- name: source_count_v1
select count(*) from chat_messages m join sessions s on s.session_id::text = m.session_id::text;

-- name: source_count_turns
select count(*) from turns;

-- name: source_count_helper_chats
select count(*) from chat_messages m join chat_sessions s on s.id::text = m.session_id::text;

-- name: source_count_threads
select count(*) from conversations;

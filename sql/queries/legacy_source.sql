-- What `parley import-legacy` reads in another application's database (src/db/source.c), whose tables are not Parley's: src/core/legacy_form.c
-- asks only for tables that source_forms has found. Columns that a form can do without are read through row_json(row).
--
-- Every declaration of `messages` has these columns, ordered by owner, session and place in it; a session without messages is one row whose
-- `message` is null, a message without a session one whose `session` is, a message without an id one whose `message` is empty:
--   owner, session, message, role, content (null: longer than $1 bytes, or none), bytes of it (null: there is none), tool_calls (empty: longer than
--   $2 bytes), metadata (empty: longer than $3), created_at, and of the session: title, project, project's name, helper, thread, provider's thread,
--   is_active, created_at, updated_at, last_message_at, project's created_at; remark (null; 'mended': a value of the row was; 'taken': the text of a
--   turn that a message has; 'twice': of a turn whose id one before it in that session has)
-- No text is much longer than what is kept of it, so that a row has a bound.
-- Times without a zone are UTC, for that is the session's. What does not look like a time is none.

-- macro: row_json
-- The row @ as jsonb. A column of type json may hold what jsonb cannot, and one such value would end the import: an escape that is no character (\u0000, half
-- of a pair) stays as it is written, as text, and a number beyond all bounds becomes a string; the object has the member parley_mended then. No JSON text has
-- raw control characters: chr(1) stands for an escaped backslash meanwhile, chr(2) for the new quotes, chr(3) for the backslash of a half whose other half is there;
-- a string is passed over as a whole. No pattern looks behind: that would read all that stands before, for each escape.
case when current_setting('parley.has_json') = 'false' then to_jsonb(@) else (
    select case when mended.text = given.text then given.text::jsonb else mended.text::jsonb || '{"parley_mended": true}' end
    from (select row_to_json(@)::text as text offset 0) given
    cross join lateral (
        select case when given.text !~ current_setting('parley.unfit') then given.text else
            replace(replace(replace(replace(regexp_replace(regexp_replace(regexp_replace(replace(given.text, '\\', chr(1)),
                '\\(u[dD][89abAB]..)\\(u[dD][c-fC-F]..)', chr(3) || '\1' || chr(3) || '\2', 'g'),
                current_setting('parley.escape'), chr(1) || '\1', 'g'),
                '("(?:[^"\\]|\\.)*")|([-+.eE0-9]*[eE][-+]?[0-9]{5,}|[-+.eE0-9]{255,})', '\1' || chr(2) || '\2' || chr(2), 'g'),
                chr(2) || chr(2), ''), chr(2), '"'), chr(1), '\\'), chr(3), '\') end as text offset 0) mended)
end;

-- macro: tool_calls_text
case when octet_length((@)::text) > $2::integer then '' else (@)::text end;

-- macro: metadata_text
case when octet_length((@)::text) > $3::integer then '' else (@)::text end;

-- macro: role_kind
-- The role as Parley has it, if it is a person's or a model's.
case when lower(@) = 'human' then 'user' when lower(@) in ('ai', 'bot', 'model', 'agent') then 'assistant' else lower(@) end;

-- macro: message_row
-- What there is of a message of v1, as jsonb and in order.
(select v, id, case when id ~ '^\d{1,18}$' then id::bigint end as num,
    case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at
from (select v, case when v is not null then coalesce(v->>'message_id', v->>'id', '') end as id from (select row_json(@) as v offset 0) w offset 0) w offset 0);

-- macro: session_owner
coalesce(s.user_id::text, 'project-' || (sj.v->>'project_id'), 'nobody');

-- macro: turn_row
-- A turn as jsonb, and in order.
(select v, case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at,
    case when v->>'turn_id' ~ '^\d{1,18}$' then (v->>'turn_id')::bigint end as num
from (select row_json(@) as v offset 0) w offset 0);

-- macro: turn_texts
-- The prompt and the answer of the turn j.v, each the first of these columns that there is. taken: a message with that role names the turn, whose roles are
-- told.kinds; is_first and is_last: among those that are not taken. keys: the columns of all.
(select p.*, array_agg(p.key) over () as keys, row_number() over (partition by p.taken order by p.n) = 1 and not p.taken as is_first,
    row_number() over (partition by p.taken order by p.n desc) = 1 and not p.taken as is_last
from (
    select k.n, k.key, k.role, j.v->>k.key as content, coalesce(role_kind(k.role) = any (told.kinds), false) as taken
    from (
        select distinct on (w.n) w.n, w.key,
            case when w.key = 'content' then coalesce(j.v->>'role', 'user') when w.n = 1 then 'user' else 'assistant' end as role
        from unnest('{1,1,1,1,1,1,1,2,2,2,2,2,2}'::integer[], '{content,user_input,raw_text,prompt,question,user_message,input,
            response,output,answer,assistant_message,completion,reply}'::text[]) with ordinality w (n, key, place)
        where j.v->>w.key is not null
        order by w.n, w.place) k) p);

-- macro: turn_is_twice
-- Whether another turn t of that owner and session z, stored before, has its id.
(t.turn_id is not null and row_number() over (partition by z.owner, z.session, t.turn_id::text, p.n order by t.ctid) > 1);

-- macro: turn_rest
-- All that stands in the turn j.v and has no place of its own, but for its texts, whose columns are @.
jsonb_strip_nulls(j.v - '{turn_id,session_id,user_id,project_id,created_at,updated_at,parley_mended}'::text[]
    - @ - case when 'content' = any (@) then '{role}' else '{}' end::text[]);

-- name: source_begin
begin isolation level repeatable read read only;

-- name: source_settings
-- A sort may take its time, and compiling what is run once is none of it; rows that a policy would keep back are an error, not silence; bytes of no known encoding come as they are.
-- parley.moment is what a text must look like to be a time: PATTERN_MOMENT of src/base/pattern.c. parley.escape is what jsonb has no character for (chr(3): row_json), and
-- parley.unfit what may be such an escape or number (row_json).
select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
    set_config('row_security', 'off', true), (select set_config('jit', 'off', true) from pg_catalog.pg_settings where name = 'jit'),
    set_config('parley.moment', '^(?!0000)(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))'
        || '|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)'
        || '[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)? ?(Z|UTC|[+-](0\d|1[0-4])(:?[0-5]\d)?)?$', true),
    set_config('parley.escape', case
        when current_setting('server_encoding') = 'UTF8' then '\\(u0000|u[dD][89a-fA-F])'
        when current_setting('server_encoding') in ('LATIN1', 'WIN1252') then '[\\' || chr(3) || '](u0000|u(?!00[0-7a-fA-F]))'
        else '[\\' || chr(3) || '](u0000|u(?!00[0-7]))' end, true),
    set_config('parley.unfit', case current_setting('server_encoding') when 'UTF8' then '\\u(0000|[dD][89a-fA-F])' else '\\u' end
        || '|[eE][-+]?[0-9]{5}|[-+.eE0-9]{255}', true),
    set_config('client_encoding', case current_setting('server_encoding') when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end, true);

-- name: source_forms
-- Which forms are there: tables on the search path with the columns that make them. parley.has_json: whether one of these has a column that may hold json.
with tab as (
    select c.relname::text as name, array_agg(a.attname::text) as columns,
        max(a.atttypid::regtype::text) filter (where a.attname = 'id') as id_type,
        bool_or(t.typnamespace <> 'pg_catalog'::regnamespace or t.oid in ('json'::regtype, 'json[]'::regtype)) as has_json
    from unnest(array['users', 'user_sessions', 'sessions', 'chat_messages', 'user_projects', 'dossier', 'turns', 'chat_sessions',
        'conversations', 'user_usage']) w (name)
    join pg_catalog.pg_class c on c.oid = to_regclass(w.name) and c.relkind in ('r', 'p')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname <> 'parley'
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type t on t.oid = a.atttypid
    group by c.relname),
made as (
    select f.name, bool_and(exists (
        select from tab where tab.name = f.tab and tab.columns @> string_to_array(f.columns, ' '))) as there
    from (values
        ('saves', 'user_sessions', 'session_id user_id messages'),
        ('v1', 'sessions', 'session_id user_id'), ('v1', 'chat_messages', 'session_id role content'), ('v1', 'dossier', 'project_id'),
        ('projects', 'dossier', 'project_id'), ('projects', 'user_projects', 'project_id user_id'),
        ('members', 'dossier', 'project_id'), ('members', 'user_projects', 'project_id user_id'),
        ('v1 and turns', 'turns', 'turn_id'), ('v1 and turns', 'sessions', 'session_id user_id'),
        ('v1 and turns', 'chat_messages', 'session_id role content turn_id'),
        ('v1 and turns', 'dossier', 'project_id'), ('v1 and turns', 'user_projects', 'project_id user_id'),
        ('old turns', 'turns', 'turn_id'), ('old turns', 'dossier', 'project_id'),
        ('helper chats', 'chat_sessions', 'id user_id'), ('helper chats', 'chat_messages', 'id session_id role content'),
        ('threads', 'conversations', 'id user_id thread_id role content'),
        ('usage', 'user_usage', 'user_id total_tokens')) f (name, tab, columns)
    group by f.name)
select name, set_config('parley.has_json', (select bool_or(has_json)::text from tab), true) from (
    select name from made where there
        and (name not in ('v1', 'old turns') or not (select there from made where name = 'v1 and turns'))
        and (name <> 'threads' or (select id_type from tab where tab.name = 'conversations') = 'uuid')
    union all
    select 'single thread' from made where name = 'threads' and there
        and (select id_type from tab where tab.name = 'conversations') <> 'uuid'
    union all
    select 'people' from tab where name = 'users' and columns && array['id', 'user_id']) found;

-- name: source_people
-- $1: the column that is their id, where there are two.
declare people no scroll cursor for
select coalesce(v->>$1, v->>'user_id', v->>'id') as id, left(v->>'email', 255),
    left(coalesce(v->>'display_name', v->>'full_name', v->>'name', v->>'username'), 200), left(v->>'avatar_url', 2049),
    case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end
from (select row_json(u) as v from users u offset 0) u
where coalesce(v->>$1, v->>'user_id', v->>'id') is not null
order by coalesce(v->>$1, v->>'user_id', v->>'id') collate "C";

-- name: source_projects
-- Each with its owner: who was its member first, else a person who stands for the project. What has no time of its own is as old as that
-- membership. The last column is for members alone.
declare messages no scroll cursor for
select (coalesce(o.user_id, 'project-' || d.project_id::text)) collate "C" as owner, d.project_id::text,
    left(coalesce(v->>'name', v->>'title', 'Project ' || d.project_id::text), 200), left(v->>'description', 10000),
    case when c.at ~ current_setting('parley.moment') then c.at::timestamptz end, null
from dossier d
cross join lateral (select row_json(d) as v offset 0) j
left join (
    select distinct on (p.project_id) p.project_id, p.user_id::text as user_id, row_json(p)->>'created_at' as since from user_projects p
    order by p.project_id, since, p.user_id) o on o.project_id = d.project_id
cross join lateral (select case when v->>'created_at' ~ current_setting('parley.moment') then v->>'created_at' else o.since end as at) c
order by 1, 2;

-- name: source_members
-- Who else is a member, and whose project it is.
declare messages no scroll cursor for
select p.user_id::text collate "C" as owner, p.project_id::text,
    left(coalesce(dj.v->>'name', dj.v->>'title', 'Project ' || p.project_id::text), 200), null,
    case when pj.v->>'created_at' ~ current_setting('parley.moment') then (pj.v->>'created_at')::timestamptz end,
    o.user_id as project_owner
from user_projects p
cross join lateral (select row_json(p) as v offset 0) pj
join dossier d on d.project_id = p.project_id
cross join lateral (select row_json(d) as v offset 0) dj
join (
    select distinct on (m.project_id) m.project_id, m.user_id::text as user_id, row_json(m)->>'created_at' as since from user_projects m
    order by m.project_id, since, m.user_id) o on o.project_id = p.project_id and o.user_id <> p.user_id::text
order by 1, 2;

-- name: source_saves
-- An element's other members are kept as metadata; of a content in parts, the texts.
declare messages no scroll cursor for
select u.user_id::text as owner, u.session_id::text as session,
    case when jsonb_typeof(u.list) is distinct from 'array' then '0' else e.n::text end as message,
    left(e.v->>'role', 1001) as role,
    case when octet_length(t.content) <= $1::integer then t.content end as content, octet_length(t.content),
    tool_calls_text(e.v->'tool_calls') as tool_calls, metadata_text(x.metadata) as metadata,
    case when t.at ~ current_setting('parley.moment') then t.at::timestamptz end as created_at,
    left(u.v->>'title', 201), null, null, null, null, null, null, u.v->>'created_at', u.v->>'updated_at', u.v->>'updated_at', null,
    case when u.v ? 'parley_mended' and coalesce(e.n, 1) = 1 then 'mended' end
from (
    select s.user_id, s.session_id, s.v - 'messages' as v, s.v->'messages' as list
    from (select s.user_id, s.session_id, row_json(s) as v from user_sessions s order by s.user_id::text collate "C", s.session_id) s) u
left join lateral jsonb_array_elements(case jsonb_typeof(u.list) when 'array' then u.list else '[]' end)
    with ordinality e (v, n) on true
left join lateral (
    select case jsonb_typeof(coalesce(e.v->'content', e.v->'text'))
            when 'string' then coalesce(e.v->>'content', e.v->>'text')
            when 'array' then (select string_agg(p.v->>'text', E'\n' order by p.n)
                from jsonb_array_elements(coalesce(e.v->'content', e.v->'text')) with ordinality p (v, n))
            end,
        coalesce(e.v->>'created_at', e.v->>'timestamp')
    where jsonb_typeof(e.v) = 'object') t (content, at) on true
cross join lateral (select nullif(case when jsonb_typeof(e.v) = 'object' then
    e.v - case when jsonb_typeof(coalesce(e.v->'content', e.v->'text')) = 'array' then '{}'::text[] else '{content,text}' end
    - '{role,tool_calls,metadata,created_at,timestamp}'::text[]
    || case jsonb_typeof(e.v->'metadata') when 'object' then e.v->'metadata' else '{}' end end, '{}') offset 0) x (metadata);

-- name: source_v1
declare messages no scroll cursor for
select session_owner() collate "C" as owner, s.session_id::text collate "C" as session, mj.id as message, left(m.role::text, 1001),
    case when octet_length(m.content) <= $1::integer then m.content end, octet_length(m.content),
    tool_calls_text(mj.v->'tool_calls'), metadata_text(mj.v->'metadata'), mj.at as created_at,
    left(nullif(sj.v->>'title', ''), 201), sj.v->>'project_id', left(coalesce(dj.v->>'name', dj.v->>'title'), 200), left(sj.v->>'helper', 1000),
    null, null, sj.v->>'is_active', sj.v->>'created_at', sj.v->>'updated_at', sj.v->>'last_message_at', dj.v->>'created_at',
    case when mj.v ? 'parley_mended' then 'mended' end
from sessions s
full join chat_messages m on m.session_id::text = s.session_id::text
cross join lateral (select row_json(s) as v offset 0) sj
left join dossier d on d.project_id::text = sj.v->>'project_id'
cross join lateral (select row_json(d) as v offset 0) dj
cross join lateral message_row(m) mj
order by 1, 2, mj.at, mj.num, m.ctid;

-- name: source_v1_turns
-- The same where there are turns too. A text of a turn is a message of its own, unless a message with its role names the turn. The first message that names
-- it (the user's, if there is one) has what else stands in it, a prompt before itself and an answer behind itself. A turn that no message names stands at its
-- own time, and what else stands in it is metadata of its first text.
declare messages no scroll cursor for
with told as materialized (
    select distinct on (k.turn) k.*, array_agg(k.kind) over (partition by k.turn) as kinds
    from (
        select m.turn_id::text as turn, m.tableoid as tab, m.ctid as place, role_kind(m.role::text) as kind, mj.at, mj.num,
            session_owner() as owner, s.session_id::text as session
        from chat_messages m
        join sessions s on s.session_id::text = m.session_id::text
        cross join lateral (select row_json(s) as v offset 0) sj
        cross join lateral message_row(m) mj
        where m.turn_id is not null) k
    order by k.turn, k.kind <> 'user', k.at, k.num, k.place)
select x.owner collate "C", x.session collate "C", x.message, x.role, case when x.bytes <= $1::integer then x.content end, x.bytes,
    tool_calls_text(x.tool_calls), metadata_text(x.metadata), x.at as created_at,
    left(case when x.sv is null then coalesce(dj.v->>'name', dj.v->>'title') else nullif(x.sv->>'title', '') end, 201), x.project,
    left(coalesce(dj.v->>'name', dj.v->>'title'), 200), left(x.sv->>'helper', 1000), null, null, x.sv->>'is_active',
    case when x.sv is null then dj.v->>'created_at' else x.sv->>'created_at' end, x.sv->>'updated_at', x.sv->>'last_message_at', dj.v->>'created_at',
    x.remark
from (
    select session_owner() as owner, s.session_id::text as session, mj.id as message, left(m.role::text, 1001) as role,
        m.content::text as content, octet_length(m.content) as bytes, mj.v->'tool_calls' as tool_calls,
        case when r.rest is null then mj.v->'metadata'
            when jsonb_typeof(mj.v->'metadata') = 'object' then r.rest || (mj.v->'metadata')
            when coalesce(jsonb_typeof(mj.v->'metadata'), 'null') = 'null' then nullif(r.rest, '{}')
            else r.rest || jsonb_build_object('value', mj.v->'metadata') end as metadata,
        mj.at, sj.v as sv, sj.v->>'project_id' as project, mj.at as since, mj.num, m.ctid as place, 0 as n,
        case when mj.v ? 'parley_mended' or (r.rest is not null and j.v ? 'parley_mended') then 'mended' end as remark
    from sessions s
    full join chat_messages m on m.session_id::text = s.session_id::text
    cross join lateral (select row_json(s) as v offset 0) sj
    cross join lateral message_row(m) mj
    left join told on told.tab = m.tableoid and told.place = m.ctid
    left join (select distinct on (turn_id::text) * from turns order by turn_id::text, ctid) t on t.turn_id::text = told.turn
    cross join lateral turn_row(t) j
    cross join lateral (
        select turn_rest(q.keys) - case when q.moved then '{tool_calls}' else '{}' end::text[] as rest
        from (select coalesce(array_agg(p.key), '{}') as keys, coalesce(bool_or(not p.taken), false) as moved from turn_texts() p) q) r
    union all
    select z.owner, z.session, coalesce(t.turn_id::text || case when p.n = 2 then '/2' else '/1' end, ''),
        left(p.role, 1001), case when not p.taken then p.content end, octet_length(p.content), case when p.is_last then j.v->'tool_calls' end,
        case when told.turn is null and p.is_first then nullif(turn_rest(p.keys) - 'tool_calls', '{}') end,
        case when told.turn is null then j.at when role_kind(p.role) = 'user' then least(j.at, told.at) else greatest(j.at, told.at) end,
        sj.v, case when sj.v is null then j.v->>'project_id' else sj.v->>'project_id' end,
        case when told.turn is null then j.at else told.at end, case when told.turn is null then j.num else told.num end, coalesce(told.place, t.ctid),
        case when told.turn is null then p.n when role_kind(p.role) = 'user' then -1 else 1 end,
        case when turn_is_twice() then 'twice' when p.taken then 'taken' when j.v ? 'parley_mended' then 'mended' end
    from turns t
    cross join lateral turn_row(t) j
    left join told on told.turn = t.turn_id::text
    cross join lateral (select coalesce(told.session, j.v->>'session_id') as session) w
    left join sessions s on s.session_id::text = w.session
    cross join lateral (select row_json(s) as v offset 0) sj
    left join (
        select distinct on (p.project_id) p.project_id::text as project_id, p.user_id::text as user_id, row_json(p)->>'created_at' as since
        from user_projects p
        order by p.project_id, since, p.user_id) o on o.project_id = j.v->>'project_id'
    cross join lateral (
        select case when told.turn is not null then told.owner
                else coalesce(j.v->>'user_id', case when sj.v is not null then session_owner() end, o.user_id, 'project-' || (j.v->>'project_id'), 'nobody') end,
            coalesce(w.session, 'turns of ' || (j.v->>'project_id'), 'turns')) z (owner, session)
    left join lateral turn_texts() p on true
    where p.n is not null or told.turn is null) x
left join dossier d on d.project_id::text = x.project
cross join lateral (select row_json(d) as v offset 0) dj
order by 1, 2, x.since, x.num, x.place, x.n;

-- name: source_old_turns
-- Turns where there is nothing else yet than projects.
declare messages no scroll cursor for
select z.owner collate "C", z.session collate "C", coalesce(t.turn_id::text || case when p.n = 2 then '/2' else '/1' end, '') as message, left(p.role, 1001),
    case when octet_length(p.content) <= $1::integer then p.content end, octet_length(p.content),
    case when p.is_last then tool_calls_text(j.v->'tool_calls') end, case when p.is_first then metadata_text(r.rest) end, j.at as created_at,
    left(coalesce(dj.v->>'name', dj.v->>'title'), 201), j.v->>'project_id', left(coalesce(dj.v->>'name', dj.v->>'title'), 200),
    null, null, null, null, dj.v->>'created_at', null, null, dj.v->>'created_at',
    case when turn_is_twice() then 'twice' when j.v ? 'parley_mended' then 'mended' end
from turns t
cross join lateral turn_row(t) j
cross join lateral (
    select coalesce(j.v->>'user_id', 'project-' || (j.v->>'project_id'), 'nobody'),
        coalesce(j.v->>'session_id', 'turns of ' || (j.v->>'project_id'), 'turns')) z (owner, session)
cross join (select null::text[] as kinds) told
left join dossier d on d.project_id::text = j.v->>'project_id'
cross join lateral (select row_json(d) as v offset 0) dj
left join lateral turn_texts() p on true
cross join lateral (select nullif(turn_rest(p.keys) - 'tool_calls', '{}') as rest) r
order by 1, 2, j.at, j.num, t.ctid, p.n;

-- name: source_helper_chats
declare messages no scroll cursor for
select s.user_id::text collate "C" as owner, s.id::text collate "C" as session, mj.id as message, left(m.role::text, 1001),
    case when octet_length(m.content) <= $1::integer then m.content end, octet_length(m.content),
    tool_calls_text(mj.v->'tool_calls'), metadata_text(mj.v->'metadata'), mj.at as created_at,
    left(nullif(nullif(sj.v->>'title', ''), 'New Chat'), 201), sj.v->>'project_id', null, left(sj.v->>'helper', 1000), null,
    left(sj.v->>'thread_id', 1001), sj.v->>'is_active', sj.v->>'created_at', sj.v->>'updated_at', sj.v->>'last_message_at', null,
    case when mj.v ? 'parley_mended' then 'mended' end
from chat_sessions s
full join chat_messages m on m.session_id::text = s.id::text
cross join lateral (select row_json(s) as v offset 0) sj
cross join lateral (
    select v, case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at,
        case when v is not null then coalesce(v->>'id', '') end as id
    from (select row_json(m) as v offset 0) w offset 0) mj
order by 1, 2, mj.at, case when mj.id ~ '^\d{1,18}$' then mj.id::bigint end, m.ctid;

-- name: source_threads
-- That application renames user-... to thread-legacy-<its user>, on some day: a session is told by the later name on all days. Where ids are no uuids the
-- person's own thread alone has both names, and the old one is what makes it the default.
declare messages no scroll cursor for
select c.user_id::text collate "C" as owner, (c.user_id::text || '/' || t.name) collate "C" as session, coalesce(c.id::text, '') as message, left(c.role::text, 1001),
    case when octet_length(c.content) <= $1::integer then c.content end, octet_length(c.content),
    tool_calls_text(j.v->'tool_calls'), metadata_text(j.v->'metadata'), j.at as created_at,
    null, null, null, null, case when t.is_final then t.name else c.thread_id::text end, null, null, null, null, null, null,
    case when j.v ? 'parley_mended' then 'mended' end
from conversations c
cross join lateral (
    select pg_typeof(c.id) = 'uuid'::regtype as is_final,
        case when c.thread_id::text = 'user-' || c.user_id::text or (c.thread_id::text like 'user-%' and pg_typeof(c.id) = 'uuid'::regtype)
            then 'thread-legacy-' || c.user_id::text else c.thread_id::text end as name) t
cross join lateral (
    select v, case when v->>'created_at' ~ current_setting('parley.moment') then (v->>'created_at')::timestamptz end as at
    from (select row_json(c) as v offset 0) x offset 0) j
order by 1, 2, at, case when c.id::text ~ '^\d{1,18}$' then c.id::text::bigint end, c.ctid;

-- name: source_usage
-- No total may come near the end of numbers, beyond which nothing can be counted any more.
declare messages no scroll cursor for
select user_id::text collate "C" as owner, least(total_tokens, 1000000000000)::bigint from user_usage
where total_tokens > 0
order by 1;

-- name: source_fetch
fetch forward 50 from messages;

-- name: source_fetch_few
fetch forward 5 from messages;

-- name: source_fetch_one
fetch forward 1 from messages;

-- name: source_fetch_people
fetch forward 100 from people;

-- name: source_close
close messages;

-- name: source_close_people
close people;

-- name: source_count_saves
select sum(json_array_length(case json_typeof(to_json(messages)) when 'array' then to_json(messages) else '[]' end)) from user_sessions;

-- name: source_count_messages
select count(*) from chat_messages;

-- name: source_count_turns
select count(*) from turns;

-- name: source_count_v1_turns
select (select count(*) from chat_messages) + (select count(*) from turns);

-- name: source_count_threads
select count(*) from conversations;

-- Who may see, add, change and remove which rows: every table, every kind of caller, every command.
--
-- The policies are asked alone: inside this transaction the serving role is granted everything, and what the grants withhold is the matter of
-- grants.sql. Updates and deletes are blind (no WHERE, nothing read), because a statement that reads is guarded by the select policy as well,
-- behind which a hole in its own would not show.
--
-- A new table needs a row for each of the persons a, b and d in `sample`, its SET clauses in `change`, and what its owner may do in `own`.
-- tap.table, when set, names the one table to look at: test_policy_mutation.py is quick by it.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

-- Persons: a has live rows; b's session is hidden, but not yet due for purging, nor are the events of b's turn; all of d's rows that can be are due; c is a member of a's project.
create function pg_temp.sample(tab text, who text) returns jsonb language sql stable as $$
    select jsonb_build_object('user_id', tap.id(who)) || case tab
        when 'users' then jsonb_build_object('display_name', who)
        when 'user_emails' then jsonb_build_object('email', who || '@example.org', 'password_hash', 'hash')
        when 'login_attempts' then jsonb_build_object('email', who || '@example.org', 'attempts', 1,
            'window_start', now() - case who when 'd' then interval '2 days' else interval '1 minute' end)
        when 'refresh_tokens' then jsonb_build_object('family_id', tap.id('family ' || who), 'token_hash', repeat('a', 64),
            'expires_at', now() + case who when 'd' then interval '-1 day' else interval '1 day' end)
        when 'projects' then jsonb_build_object('project_id', tap.id('project ' || who), 'name', who)
        when 'user_projects' then jsonb_build_object('name', who, 'project_id', tap.id('project ' || translate(who, 'c', 'a')),
            'owner_id', tap.id(translate(who, 'c', 'a')))
        when 'helpers' then jsonb_build_object('name', 'helper-' || who, 'display_name', who)
        when 'chat_sessions' then jsonb_build_object('session_id', tap.id('session ' || who), 'title', who) || case who
            when 'b' then jsonb_build_object('deleted_at', now(), 'purge_at', now() + interval '1 day')
            when 'd' then jsonb_build_object('deleted_at', now(), 'purge_at', now() - interval '1 day')
            else '{}' end
        when 'chat_messages' then jsonb_build_object('session_id', tap.id('session ' || who), 'seq', 1,
            'message_id', tap.id('message ' || who), 'role', 'user', 'content', who,
            'on_path', true)
        when 'turns' then jsonb_build_object('session_id', tap.id('session ' || who), 'turn_id', tap.id('turn ' || who), 'model', who,
            'user_message_id', tap.id('message ' || who), 'status', 'complete', 'ended_at', now())
        when 'turn_events' then jsonb_build_object('turn_id', tap.id('turn ' || who), 'event_id', 1, 'type', 'token', 'data', '{}'::jsonb,
            'purge_at', now() + case who when 'b' then interval '1 day' when 'd' then interval '-1 day' end)
        when 'user_usage' then jsonb_build_object('session_count', 1)
        when 'user_rates' then jsonb_build_object('kind', 'requests', 'window_start', now(), 'used', 1)
        when 'idempotency_keys' then jsonb_build_object('key', who, 'request_hash', who,
            'expires_at', now() + case who when 'd' then interval '-1 day' else interval '1 day' end)
        when 'legacy_owners' then jsonb_build_object('source', 'old', 'legacy_id', who, 'tokens', 1)
        when 'schema_migrations' then jsonb_build_object('number', 9000 + ascii(who), 'name', who, 'sha256', who)
    end
$$;

-- Which columns a blind update writes: touch leaves the row with its owner, move gives it away.
create temporary table change (tab text, touch text, move text);
insert into change values
    ('users', 'display_name = ''x''', 'user_id = tap.id(''x'')'),
    ('user_emails', 'password_hash = ''x''', 'user_id = tap.id(''x'')'),
    ('login_attempts', 'attempts = 99', 'email = ''x'''),
    ('refresh_tokens', 'token_hash = repeat(''f'', 64)', 'user_id = tap.id(''x''), family_id = tap.id(''x'')'),
    ('projects', 'name = ''x''', 'user_id = tap.id(''x'')'),
    ('user_projects', 'name = ''x''', 'owner_id = tap.id(''x'')'),
    ('helpers', 'display_name = ''x''', null), -- nobody's
    ('chat_sessions', 'title = ''x''', 'user_id = tap.id(''x'')'),
    ('chat_messages', 'on_path = false', 'user_id = tap.id(''x'')'),
    ('turns', 'model = ''x''', 'user_id = tap.id(''x'')'),
    ('turn_events', 'type = ''x''', 'user_id = tap.id(''x'')'),
    ('user_usage', 'session_count = 99', 'user_id = tap.id(''x'')'),
    ('user_rates', 'used = 99', 'user_id = tap.id(''x'')'),
    ('idempotency_keys', 'request_hash = ''x''', 'user_id = tap.id(''x'')'),
    ('legacy_owners', 'tokens = 99', 'user_id = tap.id(''x'')'),
    ('schema_migrations', 'sha256 = ''x''', null);

-- What people may do with their own rows: (s)elect, (i)nsert, (u)pdate, (d)elete.
create temporary table own (tab text, commands text);
insert into own values
    ('users', 'siud'), ('user_emails', 'siud'), ('refresh_tokens', 'siud'), ('projects', 'siud'), ('user_projects', 'siud'),
    ('chat_sessions', 'siud'), ('chat_messages', 'siu'), ('turns', 'siu'), ('turn_events', 'siud'), ('user_usage', 'siu'),
    ('user_rates', 'siu'), ('idempotency_keys', 'siud'), ('legacy_owners', 'siu'), ('login_attempts', ''), ('helpers', ''), ('schema_migrations', '');

create temporary table actor (name text, role name, claims jsonb);
insert into actor values
    ('a', 'parley_app', jsonb_build_object('user_id', tap.id('a'))),
    ('b', 'parley_app', jsonb_build_object('user_id', tap.id('b'))),
    ('c', 'parley_app', jsonb_build_object('user_id', tap.id('c'))),
    ('nobody', 'parley_app', '{}'),
    ('empty claims', 'parley_app', '{"user_id": "", "email": "", "refresh": "", "project": "", "purge": ""}'),
    ('the e-mail of a', 'parley_app', '{"email": "a@example.org"}'),
    ('an unknown e-mail', 'parley_app', '{"email": "nobody@example.org"}'),
    ('a token of a', 'parley_app', jsonb_build_object('refresh', tap.id('family a'))),
    ('an unknown token', 'parley_app', jsonb_build_object('refresh', tap.id('nothing'))),
    ('the project of a', 'parley_app', jsonb_build_object('project', tap.id('project a'))),
    ('an unknown project', 'parley_app', jsonb_build_object('project', tap.id('nothing'))),
    ('purging', 'parley_app', '{"purge": "due"}'),
    ('purging by another word', 'parley_app', '{"purge": "all"}'),
    ('the role that migrates', 'parley_owner', '{}');

-- Where a cell is neither empty nor as `own` says. NULL: as it says.
create temporary table expected (actor text, tab text, s text, i text, u text, d text);
insert into expected values
    ('a', 'user_projects', 'ac', 'a', 'ac', 'ac'), -- an owner's project is in its members' rows
    ('c', 'user_projects', 'c', '', '', 'c'),      -- a member may leave
    ('c', 'users', 'c', 'c', 'c', 'c'),
    ('the e-mail of a', 'user_emails', 'a', '', '', ''),
    ('the e-mail of a', 'login_attempts', 'a', 'a', 'a', 'a'),
    ('a token of a', 'refresh_tokens', 'a', '', 'a', ''),
    ('the project of a', 'projects', 'a', '', '', ''),
    ('purging', 'chat_sessions', 'd', '', '', 'd'),
    ('purging', 'idempotency_keys', 'd', '', '', 'd'),
    ('purging', 'refresh_tokens', 'd', '', '', 'd'),
    ('purging', 'login_attempts', 'd', '', '', 'd'),
    ('purging', 'turn_events', 'd', '', '', 'd'),
    ('the role that migrates', 'helpers', 'abd', 'abd', 'abd', 'abd'),
    ('the role that migrates', 'schema_migrations', '*abd', 'abd', 'abd', '');
-- Everybody reads these; * stands for rows that are not of this test.
insert into expected select name, 'helpers', 'abd', '', '', '' from actor where role = 'parley_app';
insert into expected select name, 'schema_migrations', '*abd', '', '', '' from actor where role = 'parley_app';

create temporary view all_tables as
    select c.relname::text as tab from pg_class c where c.relnamespace = 'parley'::regnamespace and c.relkind in ('r', 'p');
create temporary view tables as
    select tab from all_tables where tab = coalesce(nullif(current_setting('tap.table', true), ''), tab);

create temporary table sample as
    select t.tab, w.who, s.value - x.absent as value
    from all_tables t, unnest(array['a', 'b', 'c', 'd']) w (who), pg_temp.sample(t.tab, w.who) s (value),
        lateral (select array(select k from jsonb_object_keys(s.value) k where not exists (
            select from pg_attribute a where a.attrelid = ('parley.' || t.tab)::regclass and a.attname = k))) x (absent)
    where s.value is not null and (w.who <> 'c' or t.tab in ('users', 'user_projects'));
grant select on sample to public;

select set_has(format('select tab from sample where who = %L', who), 'select tab from all_tables', 'every table has a row of ' || who)
    from unnest(array['a', 'b', 'd']) who;
select set_has('select tab from change', 'select tab from all_tables', 'every table says how it is changed');
select set_has('select tab from own', 'select tab from all_tables', 'every table says what its owner may do');

create function pg_temp.add(p_tab text, p_value jsonb) returns void language plpgsql as $$
declare
    v_columns text := (select string_agg(quote_ident(k), ', ') from jsonb_object_keys(p_value) k);
begin
    execute format('insert into parley.%1$I (%2$s) select %2$s from jsonb_populate_record(null::parley.%1$I, $1)', p_tab, v_columns)
        using p_value;
end
$$;
set local session_replication_role = replica; -- no triggers, no order of insertion
do $$ begin perform pg_temp.add(tab, value) from sample; end $$;
set local session_replication_role = origin;
grant all on all tables in schema parley to parley_app;

create function pg_temp.act_as(p_actor actor) returns void language plpgsql as $$
begin
    perform set_config('parley.' || key, value, true) from jsonb_each_text(p_actor.claims);
    perform set_config('role', p_actor.role, true);
end
$$;

-- Whose rows the actor sees.
create function pg_temp.seen(p_actor actor, p_tab text) returns text language plpgsql as $$
declare
    v_who text;
begin
    perform pg_temp.act_as(p_actor);
    execute format(
        'select string_agg(distinct coalesce(s.who, ''*''), '''') from parley.%I t left join sample s on s.tab = %L and to_jsonb(t) @> s.value',
        p_tab, p_tab) into v_who;
    raise exception using errcode = 'TA000', message = coalesce(v_who, '');
exception
    when others then return sqlerrm;
end
$$;

-- Whose rows a blind statement of the actor takes away or changes.
create function pg_temp.lost(p_actor actor, p_tab text, p_sql text) returns text language plpgsql as $$
declare
    v_who text;
begin
    perform pg_temp.act_as(p_actor);
    execute p_sql;
    reset role;
    execute format(
        'select string_agg(s.who, '''' order by s.who) from sample s where s.tab = %L
         and not exists (select from parley.%I t where to_jsonb(t) @> s.value)', p_tab, p_tab) into v_who;
    raise exception using errcode = 'TA000', message = coalesce(v_who, '');
exception
    when others then return sqlerrm;
end
$$;

-- Whose rows the actor may add. They are there already: to be told so means that the policy has let them pass.
create function pg_temp.added(p_actor actor, p_tab text) returns text language plpgsql as $$
declare
    v_sample sample;
    v_who text := '';
begin
    for v_sample in select * from sample where tab = p_tab order by who loop
        begin
            perform pg_temp.act_as(p_actor);
            perform pg_temp.add(p_tab, v_sample.value);
            v_who := v_who || '+'; -- added twice: the table has no key
        exception
            when unique_violation then v_who := v_who || v_sample.who;
            when insufficient_privilege then
                if sqlerrm not like 'new row violates row-level security policy%' then
                    return sqlerrm;
                end if;
            when others then return sqlerrm;
        end;
    end loop;
    return v_who;
end
$$;

-- The tests proper; test_policy_mutation.py runs what stands above once and what follows for each break.
select is(
    format('select %s, insert %s, update %s, delete %s', pg_temp.seen(a, t.tab), pg_temp.added(a, t.tab),
        pg_temp.lost(a, t.tab, format('update parley.%I set %s', t.tab, c.touch)),
        pg_temp.lost(a, t.tab, format('delete from parley.%I', t.tab))),
    format('select %s, insert %s, update %s, delete %s', coalesce(e.s, o.s), coalesce(e.i, o.i), coalesce(e.u, o.u), coalesce(e.d, o.d)),
    a.name || ': ' || t.tab)
from tables t
join change c on c.tab = t.tab
cross join actor a
left join expected e on e.actor = a.name and e.tab = t.tab
cross join lateral (
    select case when w.commands like '%s%' then a.name else '' end, case when w.commands like '%i%' then a.name else '' end,
        case when w.commands like '%u%' then a.name else '' end, case when w.commands like '%d%' then a.name else '' end
    from (select case when a.name in ('a', 'b') then (select commands from own where own.tab = t.tab) else '' end) w (commands)
) o (s, i, u, d);

-- A row cannot be given away.
create function pg_temp.moves(p_actor actor, p_tab text, p_move text) returns text language plpgsql as $$
begin
    perform pg_temp.act_as(p_actor);
    execute format('update parley.%I set %s', p_tab, p_move);
    raise exception 'moved';
exception
    when others then return sqlerrm;
end
$$;
select is(
    pg_temp.moves(a, t.tab, c.move), format('new row violates row-level security policy for table "%s"', t.tab),
    a.name || ' cannot give away: ' || t.tab)
from tables t join change c on c.tab = t.tab and c.move is not null
join actor a on a.name = 'a' and t.tab <> 'login_attempts' or a.name = 'the e-mail of a' and t.tab = 'login_attempts'
    or a.name = 'a token of a' and t.tab = 'refresh_tokens';

-- A claim that is no uuid is an error, not nobody.
create function pg_temp.reads(p_claims jsonb, p_tab text) returns text language plpgsql as $$
begin
    perform pg_temp.act_as(row('malformed', 'parley_app', p_claims)::actor);
    execute format('select from parley.%I', p_tab);
    raise exception using errcode = 'TA000';
exception
    when others then return sqlstate;
end
$$;
select is(pg_temp.reads('{"user_id": "a"}', t.tab), '22P02', 'a malformed claim user_id: ' || t.tab)
    from tables t join own o on o.tab = t.tab and o.commands <> '';
select is(pg_temp.reads(x.claim, t.tab), '22P02', 'a malformed claim: ' || t.tab)
    from tables t join (values ('refresh_tokens', '{"refresh": "a"}'::jsonb), ('projects', '{"project": "a"}')) x (tab, claim) on x.tab = t.tab;

select * from finish();
rollback;

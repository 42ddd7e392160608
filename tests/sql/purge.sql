-- Purging removes what is due and nothing else.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.become('ann');
select tap.session(word), tap.say(word, word || '1', 'user', 'Hello') from unnest(array['live', 'hidden', 'due', 'due2']) word;
select parley.session_hide(tap.id('ann'), tap.id('hidden'), interval '30 days');
select parley.session_hide(tap.id('ann'), tap.id(word), interval '-1 second') from unnest(array['due', 'due2']) word;
insert into parley.turns (user_id, turn_id, session_id, user_message_id) values (tap.id('ann'), tap.id('t'), tap.id('due'), tap.id('due1'));
insert into parley.turn_events (user_id, turn_id, event_id, type, data) values (tap.id('ann'), tap.id('t'), 1, 'token', '{}');
insert into parley.idempotency_keys (user_id, key, request_hash, expires_at) values
    (tap.id('ann'), 'live', 'h', now() + interval '1 second'), (tap.id('ann'), 'due', 'h', now() - interval '1 second');
insert into parley.refresh_tokens (user_id, family_id, token_hash, expires_at) values
    (tap.id('ann'), tap.id('live'), repeat('0', 64), now() + interval '1 second'),
    (tap.id('ann'), tap.id('due'), repeat('0', 64), now() - interval '1 second');
-- Events: of a turn in a session that goes, of one that still runs, of one that ended lately and of one that ended long ago.
insert into parley.turns (user_id, turn_id, session_id, user_message_id, status, lease_until, ended_at)
    select tap.id('ann'), tap.id(word), tap.id('live'), tap.id('live1'), status, now() - interval '1 year', ended_at
    from (values ('running', 'streaming', null), ('lately', 'complete', now()), ('long ago', 'complete', now())) x (word, status, ended_at);
insert into parley.turn_events (user_id, turn_id, event_id, type, data, purge_at)
    select tap.id('ann'), tap.id(word), n, 'token', '{}', now() + due
    from (values ('running', null), ('lately', interval '1 second'), ('long ago', interval '-1 second')) x (word, due),
        generate_series(1, 2) n;
select tap.stop();
insert into parley.login_attempts values ('live@x', now() - interval '23 hours', 1), ('due@x', now() - interval '25 hours', 1);

-- The statements of sql/queries/purge.sql, as anybody might write them: the policies hold for a careless one too.
select tap.become_nobody();
select tap.claim('purge', 'due');
create function pg_temp.purge() returns text language plpgsql as $$
declare
    v_counts text[];
    v_count text;
    v_table text;
begin
    foreach v_table in array array['chat_sessions', 'idempotency_keys', 'refresh_tokens', 'login_attempts', 'turn_events'] loop
        execute format('delete from parley.%I', v_table);
        get diagnostics v_count = row_count;
        v_counts := v_counts || v_count;
    end loop;
    return array_to_string(v_counts, ' ');
end
$$;
select is(pg_temp.purge(), '2 1 1 1 2', 'what is due goes');
select is(pg_temp.purge(), '0 0 0 0 0', 'once');
select is_empty($$ select from parley.chat_messages $$, 'messages are closed to it');
select is_empty($$ select from parley.users $$, 'and people');

select tap.stop();
select results_eq(
    $$ select s.session_id, m.content from parley.chat_sessions s left join parley.chat_messages m using (user_id, session_id)
       order by s.deleted_at nulls first $$,
    $$ values (tap.id('live'), 'Hello'), (tap.id('hidden'), 'Hello') $$, 'live and hidden sessions stay, with their messages');
select is((select count(*) from parley.chat_messages)::integer, 2, 'messages go with their session');
select bag_eq($$ select turn_id from parley.turns $$, $$ select tap.id(unnest(array['running', 'lately', 'long ago'])) $$, 'and turns');
select bag_eq(
    $$ select turn_id, event_id from parley.turn_events $$,
    $$ select tap.id(word), n from unnest(array['running', 'lately']) word, generate_series(1, 2) n $$,
    'and their events; what is due goes alone, what may be the only copy stays');
select results_eq($$ select key from parley.idempotency_keys $$, array['live']);
select results_eq($$ select family_id from parley.refresh_tokens $$, array[tap.id('live')]);
select results_eq($$ select email from parley.login_attempts $$, array['live@x']);
select is((select session_count from parley.user_usage), 1, 'a purged session was not counted any more');

select * from finish();
rollback;

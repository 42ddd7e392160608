-- The names that older designs know: their views, functions and queries answer as they say.
begin;
set local search_path = tap, pg_catalog;
select no_plan();

select tap.person('ann');
select tap.person('bob');
select tap.become('bob');
select tap.session('his');
select tap.say('his', 'b1', 'user', 'Secret');
select tap.become('ann');
select parley.project_create(tap.id('ann'), tap.id('p'), 'Horror', null);
select parley.session_create(tap.id('ann'), tap.id('s'), null, tap.id('p'), null, 0, 0);
select tap.say('s', 'm1', 'user', 'How do I fix my iPhone?');
select tap.say('s', 'm2', 'assistant', 'First try');
select tap.say('s', 'm3', 'assistant', 'I''ll help you with that. First, identify the model, then open it carefully.', tap.id('m1'));
select tap.session('gone');
select tap.say('gone', 'g1', 'user', 'Forget this');
select parley.session_hide(tap.id('ann'), tap.id('gone'), '1 day');

-- The deployment check of one of them, verbatim, as whoever deploys
select tap.stop();
select set_has(
    $$ SELECT tablename FROM pg_tables WHERE tablename LIKE 'chat_%' $$,
    $$ values ('chat_sessions'::name), ('chat_messages') $$, 'tables are created');
select bag_eq(
    $$ SELECT tablename, rowsecurity FROM pg_tables
WHERE tablename IN ('chat_sessions', 'chat_messages') $$,
    $$ values ('chat_sessions'::name, true), ('chat_messages', true) $$, 'row level security is enabled');
select results_eq(
    $$ SELECT tgname FROM pg_trigger
WHERE tgname = 'update_chat_session_on_message' $$,
    array['update_chat_session_on_message'::name], 'the trigger is there');
select trigger_is('parley', 'chat_messages', 'update_chat_session_on_message', 'parley', 'update_session_last_message', 'and runs its function');
select tap.become('ann');

-- Functions
select results_eq(
    $$ select session_id, title, preview, message_count, is_active, project_id from parley.get_user_sessions(tap.id('ann'), 10) $$,
    $$ values (tap.id('s'), 'How do I fix my iPhone?', 'I''ll help you with that. First, identify the model, then ope', 2, true, tap.id('p')) $$,
    'get_user_sessions(user_id, limit) has counts and previews');
select lives_ok($$ select parley.get_user_sessions(user_id => tap.id('ann'), "limit" => 10) $$, 'by the names of its arguments');
select results_eq(
    $$ select message_id, role from parley.get_session_messages(tap.id('s'), 50, 0) $$,
    $$ values (tap.id('m1'), 'user'), (tap.id('m3'), 'assistant') $$, 'get_session_messages(session_id, limit, offset) pages');
select lives_ok($$ select parley.get_session_messages(session_id => tap.id('s'), "limit" => 50, "offset" => 0) $$, 'by the names of its arguments');

-- Views
select columns_are('parley', 'sessions', array['session_id', 'user_id', 'project_id', 'title', 'created_at', 'updated_at', 'last_message_at', 'is_active']);
select results_eq(
    $$ select session_id, user_id, project_id, title, is_active from parley.sessions $$,
    $$ values (tap.id('s'), tap.id('ann'), tap.id('p'), 'How do I fix my iPhone?', true) $$, 'sessions: one''s own that are not hidden');
select results_eq($$ select project_id from parley.dossier $$, $$ values (tap.id('p')) $$, 'dossier: one''s own projects');
select columns_are('parley', 'conversations', array['id', 'user_id', 'thread_id', 'role', 'content', 'created_at']);
select col_type_is('parley', 'conversations', 'user_id', 'text', 'conversations name the user by text');
select results_eq(
    $$ SELECT user_id, COUNT(*) as message_count
FROM parley.conversations
GROUP BY user_id
ORDER BY message_count DESC $$,
    $$ values (tap.id('ann')::text, 2::bigint) $$, 'conversations: messages of the active paths, one''s own');
select results_eq(
    format($$ select role, left(content, 9) from parley.conversations where thread_id = 'thread-%s' order by role desc $$, tap.id('s')),
    $$ values ('user', 'How do I '), ('assistant', 'I''ll help') $$, 'by thread_id');
select results_eq(
    $$ SELECT DISTINCT user_id, thread_id, MAX(created_at) as last_active
FROM parley.conversations
WHERE created_at > NOW() - INTERVAL '24 hours'
GROUP BY user_id, thread_id
ORDER BY last_active DESC $$,
    $$ values (tap.id('ann')::text, 'thread-' || tap.id('s'), now()) $$, 'active sessions of a day');
select results_eq($$ SELECT user_id, total_tokens FROM parley.user_usage ORDER BY total_tokens DESC LIMIT 10 $$,
    $$ values (tap.id('ann'), 0::bigint) $$, 'user_usage has total_tokens');
select columns_are('parley', 'user_sessions', array['session_id', 'user_id', 'messages', 'created_at', 'updated_at']);
select results_eq(
    $$ select session_id, jsonb_array_length(messages), messages -> 0 from parley.user_sessions $$,
    $$ values (tap.id('s'), 2, '{"role": "user", "content": "How do I fix my iPhone?"}'::jsonb) $$, 'user_sessions: messages as one JSON array');

-- Nobody sees nothing in any view; views are found in the catalogue.
select tap.become_nobody();
select is_empty(format('select from parley.%I', relname), relname || ' is empty for nobody')
    from pg_class where relnamespace = 'parley'::regnamespace and relkind = 'v';

select * from finish();
rollback;

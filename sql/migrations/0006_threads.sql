-- The names by which front ends of threads know a session.

alter table parley.chat_sessions add column thread_name text;
alter table parley.chat_sessions add constraint chat_sessions_thread_name_length
    check (char_length(thread_name) between 1 and 200);
create unique index chat_sessions_thread_name_key on parley.chat_sessions (user_id, thread_name)
    where thread_name is not null and deleted_at is null;
comment on column parley.chat_sessions.thread_name is 'Its name as a thread; NULL: thread-<session_id>.';

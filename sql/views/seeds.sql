-- The names that older designs know. Each view shows what the caller may see: security_invoker. The text of an answer whose process is gone comes into its
-- message when somebody reads the session over HTTP (turn_settle): until then conversations lacks it, and user_sessions has it empty.

create or replace view parley.sessions with (security_invoker = true) as
    select s.session_id, s.user_id, s.project_id, s.title, s.created_at, s.updated_at, s.last_message_at, s.is_active
    from parley.chat_sessions s
    where s.deleted_at is null;
comment on view parley.sessions is 'Sessions that are not hidden.';

create or replace view parley.dossier with (security_invoker = true) as
    select p.project_id, p.owner_id as user_id, p.name as title, min(p.created_at) as created_at
    from parley.user_projects p
    group by p.project_id, p.owner_id, p.name;
comment on view parley.dossier is 'Projects that the caller is a member of, once however many members they have.';

create or replace view parley.conversations with (security_invoker = true) as
    select m.message_id as id, m.user_id::text as user_id, coalesce(s.thread_name, 'thread-' || s.session_id) as thread_id,
        m.role, m.content, m.created_at
    from parley.chat_sessions s
    join parley.chat_messages m on m.user_id = s.user_id and m.session_id = s.session_id
    where s.deleted_at is null and m.on_path and m.role in ('user', 'assistant') and m.status <> 'streaming';
comment on view parley.conversations is 'What people and models said on active paths, with their thread''s name.';

create or replace view parley.user_sessions with (security_invoker = true) as
    select s.session_id, s.user_id,
        (select coalesce(jsonb_agg(jsonb_build_object('role', m.role, 'content', m.content) order by m.seq), '[]')
         from parley.chat_messages m
         where m.user_id = s.user_id and m.session_id = s.session_id and m.on_path) as messages,
        s.created_at, s.updated_at
    from parley.chat_sessions s
    where s.deleted_at is null;
comment on view parley.user_sessions is 'Sessions with their messages as one JSON array.';

grant select on parley.sessions, parley.dossier, parley.conversations, parley.user_sessions to :app;

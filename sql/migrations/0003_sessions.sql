-- Chat sessions, their messages, and the turns that make answers.

create table parley.chat_sessions (
    user_id            uuid        not null,
    session_id         uuid        not null,
    project_id         uuid,
    helper             text,
    title              text,
    title_is_auto      boolean     not null default true,
    preview            text,
    message_count      integer     not null default 0,
    last_seq           integer     not null default 0,
    active_leaf        uuid,
    is_active          boolean     not null default true,
    provider_thread_id text,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    last_message_at    timestamptz not null default now(),
    deleted_at         timestamptz,
    purge_at           timestamptz,
    constraint chat_sessions_pkey primary key (user_id, session_id),
    constraint chat_sessions_user_fkey foreign key (user_id) references parley.users (user_id) on delete cascade,
    constraint chat_sessions_project_fkey foreign key (user_id, project_id)
        references parley.user_projects (user_id, project_id) on delete set null (project_id),
    constraint chat_sessions_title_length check (char_length(title) <= 200),
    constraint chat_sessions_helper_shape check (helper ~ '^[a-z][a-z0-9_-]{0,63}$'),
    constraint chat_sessions_deleted_whole check ((deleted_at is null) = (purge_at is null))
);
-- The list, newest first, is one range of this index.
create index chat_sessions_newest_idx on parley.chat_sessions (user_id, last_message_at desc, session_id desc)
    where deleted_at is null;
create index chat_sessions_purge_idx on parley.chat_sessions (purge_at) where purge_at is not null;
comment on table parley.chat_sessions is 'One conversation of one person.';
comment on column parley.chat_sessions.user_id is 'Whose it is.';
comment on column parley.chat_sessions.session_id is 'UUIDv7.';
comment on column parley.chat_sessions.project_id is 'The project it belongs to; NULL: none.';
comment on column parley.chat_sessions.helper is 'The name of the helper that answers; NULL: none. Need not stand in helpers.';
comment on column parley.chat_sessions.title is 'Given by the user, or the first 50 characters of the first user message; NULL before that.';
comment on column parley.chat_sessions.title_is_auto is 'Whether the title was never given by the user.';
comment on column parley.chat_sessions.preview is 'First 60 characters of the last message on the active path.';
comment on column parley.chat_sessions.message_count is 'Messages on the active path.';
comment on column parley.chat_sessions.last_seq is 'The highest seq given out in this session.';
comment on column parley.chat_sessions.active_leaf is 'The last message of the active path.';
comment on column parley.chat_sessions.is_active is 'False: put aside by the user.';
comment on column parley.chat_sessions.provider_thread_id is 'The model provider''s own name for it; never leaves the server.';
comment on column parley.chat_sessions.created_at is 'When it was made.';
comment on column parley.chat_sessions.updated_at is 'When the row last changed.';
comment on column parley.chat_sessions.last_message_at is 'When the last message came, or when it was made; the list''s order.';
comment on column parley.chat_sessions.deleted_at is 'Hidden since; NULL: not hidden.';
comment on column parley.chat_sessions.purge_at is 'From when on it may be removed for good.';

-- No foreign key for parent_id: message_append alone writes it, from a row it has locked, and a cascade over the tree would be slow.
create table parley.chat_messages (
    user_id       uuid        not null,
    session_id    uuid        not null,
    seq           integer     not null,
    message_id    uuid        not null,
    parent_id     uuid,
    sibling_index integer     not null default 1,
    sibling_count integer     not null default 1,
    on_path       boolean     not null default true,
    role          text        not null,
    content       text        not null,
    tool_calls    jsonb,
    metadata      jsonb,
    turn_id       uuid,
    created_at    timestamptz not null default now(),
    constraint chat_messages_pkey primary key (user_id, session_id, seq),
    constraint chat_messages_id_key unique (user_id, session_id, message_id),
    constraint chat_messages_session_fkey foreign key (user_id, session_id)
        references parley.chat_sessions (user_id, session_id) on delete cascade,
    constraint chat_messages_role_known check (role in ('user', 'assistant', 'system', 'tool')),
    constraint chat_messages_siblings_sane check (sibling_index between 1 and sibling_count)
);
-- A page of the active path is one range of this index, however many other branches there are.
create index chat_messages_path_idx on parley.chat_messages (user_id, session_id, seq) where on_path;
-- What follows a message: siblings are counted and branches gone down by it.
create index chat_messages_parent_idx on parley.chat_messages (user_id, session_id, parent_id);
-- Every index begins with user_id, session_id. Unless it knows that a session belongs to one user, the planner expects
-- one row of that pair and takes any of them: finding one message by its id then reads the whole session.
create statistics parley.chat_messages_session_stats (ndistinct, dependencies)
    on user_id, session_id from parley.chat_messages;
comment on statistics parley.chat_messages_session_stats is 'A session belongs to one user.';
comment on table parley.chat_messages is 'Messages: never changed once written, but for the flags that say how the tree is looked at.';
comment on column parley.chat_messages.user_id is 'Whose it is.';
comment on column parley.chat_messages.session_id is 'The session it belongs to.';
comment on column parley.chat_messages.seq is '1, 2, 3, ... without gaps within a session: the order of messages.';
comment on column parley.chat_messages.message_id is 'UUIDv7.';
comment on column parley.chat_messages.parent_id is 'The message it follows; NULL: it is a first one.';
comment on column parley.chat_messages.sibling_index is 'Which of the messages that follow the same parent, from 1.';
comment on column parley.chat_messages.sibling_count is 'How many follow the same parent.';
comment on column parley.chat_messages.on_path is 'Whether it stands on the active path from a first message to the active leaf.';
comment on column parley.chat_messages.role is 'user, assistant, system or tool.';
comment on column parley.chat_messages.content is 'The text.';
comment on column parley.chat_messages.tool_calls is 'Calls the model asked for, as the provider writes them.';
comment on column parley.chat_messages.metadata is 'What the client wants kept with it.';
comment on column parley.chat_messages.turn_id is 'The turn that it is part of.';
comment on column parley.chat_messages.created_at is 'When it was stored.';

create table parley.turns (
    user_id           uuid        not null,
    turn_id           uuid        not null,
    session_id        uuid        not null,
    user_message_id   uuid        not null,
    message_id        uuid,
    status            text        not null default 'streaming',
    model             text,
    lease_until       timestamptz,
    stop_requested_at timestamptz,
    finish_reason     text,
    error_code        text,
    prompt_tokens     integer,
    completion_tokens integer,
    tokens_estimated  boolean     not null default false,
    started_at        timestamptz not null default now(),
    ended_at          timestamptz,
    constraint turns_pkey primary key (user_id, turn_id),
    constraint turns_session_fkey foreign key (user_id, session_id)
        references parley.chat_sessions (user_id, session_id) on delete cascade,
    constraint turns_status_known check (status in ('streaming', 'complete', 'stopped', 'failed', 'interrupted')),
    constraint turns_ended_when_over check ((status = 'streaming') = (ended_at is null))
);
-- At most one turn runs in a session.
create unique index turns_running_key on parley.turns (user_id, session_id) where status = 'streaming';
create index turns_session_idx on parley.turns (user_id, session_id, turn_id);
comment on table parley.turns is 'One exchange: a user''s message and the model''s answer to it.';
comment on column parley.turns.user_id is 'Whose it is.';
comment on column parley.turns.turn_id is 'UUIDv7.';
comment on column parley.turns.session_id is 'The session it runs in.';
comment on column parley.turns.user_message_id is 'The message that is answered.';
comment on column parley.turns.message_id is 'The answer.';
comment on column parley.turns.status is 'streaming, then one of complete, stopped, failed, interrupted.';
comment on column parley.turns.model is 'The model asked.';
comment on column parley.turns.lease_until is 'A streaming turn past this moment has lost its process: it reads as interrupted.';
comment on column parley.turns.stop_requested_at is 'When somebody asked to stop it.';
comment on column parley.turns.finish_reason is 'Why the model ended, in its own word.';
comment on column parley.turns.error_code is 'Why it failed.';
comment on column parley.turns.prompt_tokens is 'Tokens read by the model.';
comment on column parley.turns.completion_tokens is 'Tokens written by the model.';
comment on column parley.turns.tokens_estimated is 'Whether the two numbers were estimated here.';
comment on column parley.turns.started_at is 'When it began.';
comment on column parley.turns.ended_at is 'When it ended.';

create table parley.turn_events (
    user_id    uuid        not null,
    turn_id    uuid        not null,
    event_id   integer     not null,
    type       text        not null,
    data       jsonb       not null,
    created_at timestamptz not null default now(),
    constraint turn_events_pkey primary key (user_id, turn_id, event_id),
    constraint turn_events_turn_fkey foreign key (user_id, turn_id)
        references parley.turns (user_id, turn_id) on delete cascade
);
comment on table parley.turn_events is 'What viewers of a turn were sent, so that another process can go on where one ended.';
comment on column parley.turn_events.user_id is 'Whose it is.';
comment on column parley.turn_events.turn_id is 'The turn.';
comment on column parley.turn_events.event_id is 'Strictly grows within a turn.';
comment on column parley.turn_events.type is 'session, status, token, reasoning, tool_call, done or error.';
comment on column parley.turn_events.data is 'The event as it was sent.';
comment on column parley.turn_events.created_at is 'When it was stored.';

"""Databases of other applications for tests of the import: the tables as those applications' own documents write them, and some chats in them.

The DDL is theirs to the letter, but for what PostgreSQL cannot read (`ON UPDATE CURRENT_TIMESTAMP`) and what they take for granted (a table of
users, the tables that one of them only alters).
"""
import uuid

SAVES = """
CREATE TABLE users (id SERIAL PRIMARY KEY, email TEXT, name TEXT, created_at TIMESTAMP DEFAULT now());
CREATE TABLE user_sessions (
    session_id SERIAL PRIMARY KEY,
    user_id INT NOT NULL,
    messages JSONB NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (user_id) REFERENCES users(id)
);
"""
OLD_TURNS = """
CREATE TABLE dossier (project_id UUID PRIMARY KEY DEFAULT gen_random_uuid(), title TEXT, created_at TIMESTAMPTZ DEFAULT now());
CREATE TABLE turns (turn_id UUID PRIMARY KEY DEFAULT gen_random_uuid(), project_id UUID REFERENCES dossier(project_id),
    raw_text TEXT, response TEXT, mood TEXT, created_at TIMESTAMPTZ DEFAULT now());
"""
V1 = """
CREATE TABLE users (
    user_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    email TEXT UNIQUE,
    display_name TEXT,
    avatar_url TEXT,
    created_at TIMESTAMPTZ DEFAULT current_timestamp,
    updated_at TIMESTAMPTZ DEFAULT current_timestamp
);
""" + OLD_TURNS + """
CREATE TABLE sessions (
    session_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users(user_id) ON DELETE CASCADE,
    project_id UUID REFERENCES dossier(project_id) ON DELETE CASCADE,
    title TEXT,
    created_at TIMESTAMPTZ DEFAULT current_timestamp,
    updated_at TIMESTAMPTZ DEFAULT current_timestamp,
    last_message_at TIMESTAMPTZ DEFAULT current_timestamp,
    is_active BOOLEAN DEFAULT true
);
CREATE TABLE chat_messages (
    message_id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id UUID REFERENCES sessions(session_id) ON DELETE CASCADE,
    turn_id UUID REFERENCES turns(turn_id) ON DELETE SET NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    content TEXT NOT NULL,
    metadata JSONB,
    created_at TIMESTAMPTZ DEFAULT current_timestamp,
    updated_at TIMESTAMPTZ DEFAULT current_timestamp
);
CREATE TABLE user_projects (
    user_id UUID REFERENCES users(user_id) ON DELETE CASCADE,
    project_id UUID REFERENCES dossier(project_id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ DEFAULT current_timestamp,
    PRIMARY KEY (user_id, project_id)
);
ALTER TABLE turns ADD COLUMN session_id UUID REFERENCES sessions(session_id);
ALTER TABLE turns ADD COLUMN user_id UUID REFERENCES users(user_id);
"""
HELPER_CHATS = """
CREATE TABLE chat_sessions (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), user_id UUID NOT NULL, project_id UUID, helper TEXT NOT NULL,
    title TEXT, thread_id TEXT, created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now());
CREATE TABLE chat_messages (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), session_id UUID REFERENCES chat_sessions(id) ON DELETE CASCADE,
    role TEXT NOT NULL, content TEXT NOT NULL, tool_calls JSONB, created_at TIMESTAMPTZ DEFAULT now());
"""
THREADS = """
CREATE TABLE conversations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    role TEXT NOT NULL,  -- 'user' or 'assistant'
    content TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT NOW()
);

CREATE INDEX idx_conversations_user_thread
ON conversations(user_id, thread_id, created_at);
"""
SINGLE_THREAD = """
CREATE TABLE conversations (
    id SERIAL PRIMARY KEY,
    user_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT NOW()
);
CREATE TABLE user_usage (
    user_id TEXT PRIMARY KEY,
    total_tokens INTEGER DEFAULT 0,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);
"""


class Legacy:
    """A database of its own in a test's cluster; say() runs SQL in it."""

    def __init__(self, postgres, name, ddl="", encoding="UTF8"):
        self.postgres = postgres
        self.name = name
        postgres.psql("-c", f"create database {name} template template0 encoding '{encoding}' lc_collate 'C' lc_ctype 'C'", database="postgres")
        self.conninfo = f"host={postgres.folder} user=postgres dbname={name}"
        self.say(ddl)

    def say(self, statement, *parameters):
        connection = self.postgres.connect("postgres", self.name)
        try:
            with connection, connection.cursor() as cursor:
                if statement:
                    cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def number(self, n):
        """A uuid that this application has made."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.name} {n}"))

    def drop(self):
        self.postgres.drop_database(self.name)

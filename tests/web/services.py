"""What a flow may ask of the services, by name; values in and out are JSON's."""
import contextlib
import datetime
import json
import os
import subprocess
import uuid

from people import person, run_sql

HERE = os.path.dirname(os.path.abspath(__file__))

SESSIONS = """
insert into parley.chat_sessions (user_id, session_id, title, title_is_auto, preview, created_at, updated_at, last_message_at)
    select %s, gen_random_uuid(), 'Chat number ' || n, false, 'What was said last in chat ' || n, t, t, t
    from generate_series(1, %s) n, lateral (select now() - n * interval '53 minutes' as t) times
"""
MESSAGES = """
with numbers as (
    select n, md5(%(session)s || n)::uuid as id, md5(%(session)s || n - 1)::uuid as parent from generate_series(1, %(count)s) n
), stored as (
    insert into parley.chat_messages (user_id, session_id, seq, message_id, parent_id, role, content, created_at)
    select %(user)s, %(session)s, n, id, case when n > 1 then parent end, case when n %% 2 = 1 then 'user' else 'assistant' end,
        case when n %% 2 = 1 then 'Question ' || n else 'Answer ' || n || E'\\n\\nwith **some** more\\n\\n- a list\\n- of two\\n\\n```c\\nint n = ' || n || E';\\n```' end,
        now() - (%(count)s - n) * interval '1 minute'
    from numbers
)
update parley.chat_sessions set last_seq = %(count)s, message_count = %(count)s, active_leaf = md5(%(session)s || %(count)s)::uuid
    where user_id = %(user)s and session_id = %(session)s
"""


def plain(value):
    if isinstance(value, (uuid.UUID, datetime.datetime)):
        return str(value)
    raise TypeError(type(value))


class Services:
    """The answers to one flow; close() puts back what it changed."""

    def __init__(self, parley, model):
        self.parley, self.model = parley, model
        self.stack = contextlib.ExitStack()

    def url(self):
        return f"http://127.0.0.1:{self.parley.port}"

    def person(self, name=None):
        """A new person with an account: e-mail, password, id, access token."""
        made = person(self.parley, display_name=name)
        return {"email": made.email, "password": made.password, "user_id": made.user_id, "token": made.token}

    def sql(self, statement, *values):
        return run_sql(self.parley, statement, *values)

    def sessions(self, user, count):
        """So many chats, one an hour or so."""
        run_sql(self.parley, SESSIONS, user, count)

    def messages(self, user, session, count):
        """So many messages in a chat that has none."""
        connection = self.parley.postgres.connect("postgres")
        with contextlib.closing(connection), connection, connection.cursor() as cursor:
            cursor.execute(MESSAGES, {"user": user, "session": session, "count": count})

    def helper(self, name, display_name, greeting):
        run_sql(self.parley, "insert into parley.helpers (name, display_name, greeting) values (%s, %s, %s) on conflict do nothing",
                name, display_name, greeting)
        self.stack.callback(run_sql, self.parley, "delete from parley.helpers where name = %s", name)

    def configure(self, **options):
        before = {name: self.parley.options.get(name) for name in options}
        self.parley.configure(**options)
        self.parley.restart()
        self.stack.callback(self.parley.restart)
        self.stack.callback(self.parley.configure, **before)

    def close(self):
        self.stack.close()


def run_flow(node, file, name, services):
    """Runs a flow and serves what it asks for; answers what it says when it fails."""
    process = subprocess.Popen([node, os.path.join(HERE, "run.mjs"), file, name], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for line in process.stdout:
            process.stdin.write(json.dumps(answer(services, json.loads(line)), default=plain) + "\n")
            process.stdin.flush()
        process.wait(20)
        return None if process.returncode == 0 else process.stderr.read()
    finally:
        process.kill()
        process.wait()
        services.close()


def answer(services, question):
    values = question["values"]
    named = values.pop() if values and isinstance(values[-1], dict) else {}
    try:
        return {"value": getattr(services, question["need"])(*values, **named)}
    except Exception as error:  # pylint: disable=broad-except
        return {"error": repr(error)}

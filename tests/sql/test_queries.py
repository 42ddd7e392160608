"""The named queries of sql/queries: each is accepted by the database as it stands, those that go together have the same
columns, and the ones that every page load runs stay one range of one index."""
import glob
import json
import os
import re

import pytest

from postgres import SQL


def named_queries():
    queries = {}
    for path in sorted(glob.glob(os.path.join(SQL, "queries", "*.sql"))):
        text = open(path).read()
        for name, body in re.findall(r"^-- name: (\w+)\n(.*?);\s*$", text, re.M | re.S):
            queries[name] = "\n".join(line for line in body.split("\n") if not line.lstrip().startswith("--"))
    return queries


QUERIES = named_queries()
MESSAGE = "message_id seq parent_id sibling_index sibling_count role content tool_calls metadata turn_id created_at status tokens".split()
SESSION = ("session_id title preview message_count is_active helper project_id created_at updated_at last_message_at").split()
COLUMNS = {name: columns for columns, names in (
    (MESSAGE, "message_last message_before message_after message_offset message_all message_append"),
    (SESSION, "session_list session_list_after session_get session_create session_update session_restore session_activate"),
    ("project_id name description created_at updated_at".split(), "project_create project_update"),
    ("user_id display_name avatar_url created_at updated_at".split(), "user_create user_get"),
) for name in names.split()}
USER, SESSION_ID = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000065"


@pytest.mark.parametrize("name", QUERIES)
def test_the_database_accepts(postgres, name):
    role = "parley_owner" if name.startswith("migrate_") else "parley_app"
    connection = postgres.connect(role)
    with connection.cursor() as cursor:
        cursor.execute(f"prepare {name} as {QUERIES[name]}")
    connection.close()


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(postgres, name):
    connection = postgres.connect()
    with connection.cursor() as cursor:
        cursor.execute(f"select * from ({re.sub(r'[$][0-9]+', 'null', QUERIES[name])}) q limit 0")
        assert [column.name for column in cursor.description] == COLUMNS[name]
    connection.close()


@pytest.fixture(scope="module")
def filled(postgres):
    """100 people with 30 sessions of 10 messages; one of them with 3,000 sessions more, and with 5,000 messages in the first."""
    postgres.create_database("filled", template="tap")
    postgres.psql("-c", """
        set session_replication_role = replica;
        create function id(n bigint) returns uuid language sql immutable as $$
            select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
        $$;
        insert into parley.users (user_id) select id(u) from generate_series(1, 100) u;
        insert into parley.user_usage (user_id, session_count) select id(u), 30 from generate_series(1, 100) u;
        insert into parley.chat_sessions (user_id, session_id, last_message_at, last_seq, message_count, active_leaf)
            select id(u), id(u * 100 + s), now() - s * interval '1 hour', n, n, id((u * 100 + s) * 10000 + n)
            from generate_series(1, 100) u, generate_series(1, 30) s,
                lateral (select case when u = 1 and s = 1 then 5000 else 10 end) x (n);
        insert into parley.chat_sessions (user_id, session_id, last_message_at)
            select id(1), id(1000000 + s), now() - s * interval '1 day' from generate_series(1, 3000) s;
        insert into parley.chat_messages (user_id, session_id, seq, message_id, parent_id, role, content)
            select s.user_id, s.session_id, n, id(k * 10000 + n), case when n > 1 then id(k * 10000 + n - 1) end, 'user', 'Hello'
            from parley.chat_sessions s, lateral (select ('x' || right(s.session_id::text, 12))::bit(48)::bigint) x (k),
                lateral generate_series(1, s.last_seq) n;
        """, "-c", "analyze", database="filled")
    connection = postgres.connect(database="filled")
    with connection.cursor() as cursor:
        cursor.execute("set plan_cache_mode = force_generic_plan")
        cursor.execute("begin")
        cursor.execute(f"set local parley.user_id = '{USER}'")
    yield connection
    connection.close()
    postgres.drop_database("filled")


def explain(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute("explain (analyze, buffers, format json) " + sql)
        (plan,) = cursor.fetchone()[0]
    return plan["Plan"]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize("name, parameters, index", [
    ("message_session", [USER, SESSION_ID], "chat_sessions_pkey"),
    ("message_last", [USER, SESSION_ID, 50], "chat_messages_path_idx"),
    ("message_before", [USER, SESSION_ID, 50, 2000], "chat_messages_path_idx"),
    ("message_after", [USER, SESSION_ID, 50, 2000], "chat_messages_path_idx"),
    ("message_offset", [USER, SESSION_ID, 50, 0], "chat_messages_path_idx"),
    ("message_all", [USER, SESSION_ID, 50, 2000], "chat_messages_pkey"),
    ("session_get", [USER, SESSION_ID], "chat_sessions_pkey"),
    ("session_list", [USER, 20, None, None, None], "chat_sessions_newest_idx"),
    ("session_list_after", [USER, 20, None, None, None, "2100-01-01", SESSION_ID], "chat_sessions_newest_idx"),
])
def test_a_page_is_one_range_of_an_index(filled, name, parameters, index):
    values = ", ".join("null" if value is None else f"'{value}'" for value in parameters)
    with filled.cursor() as cursor:
        cursor.execute(f"prepare page_{name} as {QUERIES[name]}")
    plan = explain(filled, f"execute page_{name}({values})")
    found = list(nodes(plan))
    assert [node["Index Name"] for node in found if "Index Name" in node] == [index]
    assert not [node for node in found if "Sort" in node["Node Type"] or node["Node Type"] == "Seq Scan"]
    assert plan["Actual Rows"] == (1 if name in ("message_session", "session_get") else int(parameters[1 if "list" in name else 2]))
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 40, "it reads more than the page"


@pytest.mark.parametrize("what, sql", [
    ("a message by its id", "select from parley.chat_messages where user_id = $1 and session_id = $2 and message_id = $3"),
    ("what follows a message", "select from parley.chat_messages where user_id = $1 and session_id = $2 and parent_id = $3"),
])
def test_one_message_is_one_look_up(filled, what, sql):
    name = what.replace(" ", "_")
    with filled.cursor() as cursor:
        cursor.execute(f"prepare {name}(uuid, uuid, uuid) as {sql}")
    message = "00000000-0000-7000-8000-%012x" % (101 * 10000 + 4000)
    plan = explain(filled, f"execute {name}('{USER}', '{SESSION_ID}', '{message}')")
    assert plan["Actual Rows"] == 1 and plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 10


def test_the_end_of_the_path_moves_at_the_cost_of_the_move(filled):
    near_end = "00000000-0000-7000-8000-%012x" % (101 * 10000 + 4998)
    plan = explain(filled, f"select parley.message_show_path('{USER}', '{SESSION_ID}', '{near_end}')")
    filled.rollback()
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 600, "it reads the session"

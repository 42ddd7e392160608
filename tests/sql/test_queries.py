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
MESSAGE = "message_id seq parent_id sibling_index sibling_count role content tool_calls metadata turn_id created_at status tokens prompt_tokens tokens_estimated".split()
SESSION = ("session_id title preview message_count is_active helper project_id created_at updated_at last_message_at prompt_tokens completion_tokens thread_name "
           "tokens_estimated").split()
COLUMNS = {name: columns for columns, names in (
    (MESSAGE, "message_last message_before message_history message_after message_offset message_all message_append message_copy"),
    (SESSION, "session_list session_list_filtered session_get session_create session_update session_restore session_activate"),
    ("project_id name description created_at updated_at".split(), "project_create project_update"),
    ("user_id display_name avatar_url created_at updated_at".split(), "user_create user_get"),
) for name in names.split()}
USER, SESSION_ID = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000065"
TURN = "00000000-0000-7000-8000-%012x" % (101 * 10000 + 10000)
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


# Those of `parley import-legacy` are for other databases: tests/http/test_import_legacy.py runs them.
@pytest.mark.parametrize("name", [name for name in QUERIES if not name.startswith("source_")])
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
def much(postgres):
    """100 people with 30 sessions of 10 messages in 5 turns; one of them with 3,000 sessions more, 20 turns that run, and 10,000
    messages in the first session: of a turn a minute, the newest with 2,000 events."""
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
                lateral (select case when u = 1 and s = 1 then 10000 else 10 end) x (n);
        insert into parley.chat_sessions (user_id, session_id, last_message_at)
            select id(1), id(1000000 + s), now() - s * interval '1 day' from generate_series(1, 3000) s;
        insert into parley.chat_messages (user_id, session_id, seq, message_id, parent_id, role, content)
            select s.user_id, s.session_id, n, id(k * 10000 + n), case when n > 1 then id(k * 10000 + n - 1) end, 'user', 'Hello'
            from parley.chat_sessions s, lateral (select ('x' || right(s.session_id::text, 12))::bit(48)::bigint) x (k),
                lateral generate_series(1, s.last_seq) n;
        insert into parley.turns (user_id, turn_id, session_id, user_message_id, message_id, status, started_at, ended_at, last_event_id)
            select m.user_id, m.message_id, m.session_id, m.message_id, m.message_id, 'complete', t, t, 5
            from parley.chat_messages m join parley.chat_sessions s using (user_id, session_id),
                lateral (select now() - (s.last_seq - m.seq) * interval '30 s') x (t)
            where m.seq % 2 = 0;
        insert into parley.turns (user_id, turn_id, session_id, user_message_id, message_id, status, started_at, ended_at)
            select id(1), id(n), id(1000000 + n % 3000), id(n), id(n), 'complete', now() - n * interval '1 hour', now() from generate_series(1, 5000) n;
        insert into parley.turns (user_id, turn_id, session_id, user_message_id, message_id, lease_until)
            select id(1), id(100000000 + n), id(1000000 + n), id(n), id(n), now() + interval '1 day' from generate_series(1, 20) n;
        insert into parley.turn_events (user_id, turn_id, event_id, type, data, purge_at)
            select user_id, turn_id, n, 'token', '{"type": "token", "content": "x"}', ended_at + interval '1 day'
            from parley.turns, generate_series(1, case turn_id when id(1020000) then 2000 else 5 end) n;
        """, "-c", "vacuum analyze", database="filled")
    connection = postgres.connect(database="filled")
    with connection.cursor() as cursor:
        cursor.execute("set plan_cache_mode = force_generic_plan")
    connection.commit()
    yield connection
    connection.close()
    postgres.drop_database("filled")


@pytest.fixture
def filled(much):
    """A transaction under the claim of that one person."""
    with much.cursor() as cursor:
        cursor.execute(f"set local parley.user_id = '{USER}'")
    yield much
    much.rollback()


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
    ("message_history", [USER, SESSION_ID, 50, 2000, 4194304], "chat_messages_path_idx"),
    ("message_after", [USER, SESSION_ID, 50, 2000], "chat_messages_path_idx"),
    ("message_offset", [USER, SESSION_ID, 50, 0], "chat_messages_path_idx"),
    ("message_all", [USER, SESSION_ID, 50, 2000], "chat_messages_pkey"),
    ("session_get", [USER, SESSION_ID], "chat_sessions_pkey"),
    ("session_list", [USER, 20, "infinity", LAST], "chat_sessions_newest_idx"),
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


def test_a_filtered_list_costs_no_more_than_the_persons_own_sessions(filled):
    """Which way the planner goes depends on its figures; either way it touches nobody else's rows, of which there are many more."""
    plan = run_plan(filled, "session_list_filtered", USER, 20, "infinity", LAST, None, None, True)
    assert plan["Actual Rows"] == 20 and buffers(plan) < 600
    assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]


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
    near_end = "00000000-0000-7000-8000-%012x" % (101 * 10000 + 9998)
    plan = explain(filled, f"select parley.message_show_path('{USER}', '{SESSION_ID}', '{near_end}')")
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 600, "it reads the session"


def run_plan(filled, name, *parameters):
    values = ", ".join("null" if value is None else f"'{value}'" for value in parameters)
    with filled.cursor() as cursor:
        cursor.execute(f"prepare turns_{name} as {QUERIES[name]}")
    plan = explain(filled, f"execute turns_{name}({values})")
    with filled.cursor() as cursor:
        cursor.execute(f"deallocate turns_{name}")
    return plan


def buffers(plan):
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.parametrize("name, parameters, indexes, rows, limit", [
    ("turn_get", [USER, TURN], {"turns_pkey", "chat_sessions_pkey"}, 1, 12),
    ("turn_events", [USER, TURN, 1000, 500], {"turn_events_pkey"}, 500, 40),
    ("turn_events", [USER, TURN, 2000, 500], {"turn_events_pkey"}, 0, 8),
    ("turn_history", [USER, SESSION_ID, 128000], {"chat_messages_path_idx"}, 500, 40),
    ("turn_of_text", [USER, None, "Hello"], {"turns_started_idx", "chat_sessions_pkey", "chat_messages_id_key"}, 0, 80),
    ("turn_of_text", [USER, SESSION_ID, "Hello"], {"turns_started_idx", "chat_sessions_pkey", "chat_messages_id_key"}, 1, 80),
    ("turn_of_text", [USER, None, "Never said"], {"turns_started_idx", "chat_sessions_pkey", "chat_messages_id_key"}, 0, 2000),
    ("turn_of_text", [USER, SESSION_ID, "Never said"], {"turns_started_idx", "chat_sessions_pkey", "chat_messages_id_key"}, 0, 2000),
])
def test_turns_are_found_by_an_index(filled, name, parameters, indexes, rows, limit):
    """The user has some 10,000 turns, 225 of them of the last hour: at most eight blocks for each of these."""
    plan = run_plan(filled, name, *parameters)
    found = list(nodes(plan))
    assert {node["Index Name"] for node in found if "Index Name" in node} == indexes
    assert not [node for node in found if node["Node Type"] == "Seq Scan"]
    assert plan["Actual Rows"] == rows
    assert buffers(plan) < limit


def test_a_turn_costs_the_same_however_long_the_session(filled):
    """From its beginning to its end, with 10 checkpoints, in the session of 10,000 messages."""
    turn = "00000000-0000-7000-8000-00000000abcd"
    begin = f"""select parley.turn_begin('{USER}', '{SESSION_ID}', false, null, null, null, 'Hi', null, '{turn}', gen_random_uuid(),
        gen_random_uuid(), '20 s', 0, 0, 100, 100, 100)"""
    end = [f"select parley.turn_settle('{USER}', '{SESSION_ID}')", f"select parley.turn_stop('{USER}', '{SESSION_ID}')",
           f"select parley.turn_watched('{USER}', '{SESSION_ID}', 1)", f"select parley.turn_text('{USER}', '{turn}')",
           f"select parley.turn_finish('{USER}', '{turn}', null, 'complete', 'Ho', null, null, null, null, 1, 1, false)"]
    with filled.cursor() as cursor:
        for sql in (begin, *end):  # so that the catalogs are read and the plans made
            cursor.execute("savepoint warm")
            cursor.execute(sql)
            cursor.execute("rollback to savepoint warm")
    blocks = buffers(explain(filled, begin))
    for n in range(10):
        event = json.dumps([{"id": n + 1, "type": "token", "data": {"content": "x"}}])
        blocks += buffers(explain(filled, f"select parley.turn_checkpoint('{USER}', '{turn}', '{event}', '20 s')"))
    blocks += sum(buffers(explain(filled, sql)) for sql in end)
    assert blocks < 1500


def test_running_turns_are_counted_from_an_index_of_them(filled):
    plan = explain(filled, f"""select count(*) from parley.turns t
        where t.user_id = '{USER}' and t.status = 'streaming' and t.lease_until > clock_timestamp()""")
    assert {node["Index Name"] for node in nodes(plan) if "Index Name" in node} == {"turns_running_key"}
    assert buffers(plan) < 30


def test_what_may_be_purged_is_found_by_an_index(filled):
    with filled.cursor() as cursor:
        cursor.execute("set local parley.purge = 'due'")
    plan = run_plan(filled, "purge_turn_events", 500)
    assert {node["Index Name"] for node in nodes(plan) if "Index Name" in node} == {"turn_events_purge_idx", "turn_events_pkey"}
    assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]


def test_a_history_is_not_read_beyond_what_is_shown(filled):
    """One message more than the bytes hold tells that there are more; a thousand long ones would fill a worker's memory."""
    with filled.cursor() as cursor:
        cursor.execute(f"prepare history as {QUERIES['message_history']}")
        for most in (0, 100, 1000):
            cursor.execute("execute history (%s, %s, 1001, 2147483647, %s)", (USER, SESSION_ID, most))
            lengths = [len(row[6].encode()) for row in cursor.fetchall()]
            assert sum(lengths[:-1]) <= most < sum(lengths)
        cursor.execute("deallocate history")

"""`parley import-legacy`: what other applications kept is read back by the API, as its owner and by nobody else."""
import itertools
import json
import os
import re
import signal
import subprocess
import time
import uuid
from urllib.parse import quote

import pytest

import legacy
from legacy import Legacy
from parley import binary
from people import access_token, run_sql, secret_of
from postgres import UNPRIVILEGED

_names = itertools.count(1)
PASSWORD = "correct horse battery"


@pytest.fixture
def source(parley):
    made = []

    def make(ddl, **more):
        made.append(Legacy(parley.postgres, f"old_{os.getpid()}_{next(_names)}", ddl, **more))
        return made[-1]

    yield make
    for database in made:
        database.drop()


def bring(parley, database, *options, code=0, conninfo=None):
    """Runs the import; answers its report."""
    done = parley.run("import-legacy", "-c", parley.config, *options, conninfo or database.conninfo)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def counts(report, form):
    """{"messages": {"new": 4, "there already": 0}} of one form's paragraph."""
    found, inside = {}, False
    for line in report.splitlines():
        if not line.startswith(" "):
            inside = line == form
        elif inside and (match := re.fullmatch(r"  (\w+): (.*)", line)):
            what = {part.split(" ", 1)[1]: int(part.split(" ", 1)[0]) for part in match[2].split(", ") if " " in part}
            found[match[1]] = what or int(match[2])
    return found


def new(report, form, what):
    return counts(report, form)[what]["new"]


def claim(parley, legacy_id, email=None, source=None, code=0):
    """Gives an imported owner a login; answers a client who is signed in as them."""
    email = email or f"claimed{next(_names)}.{os.getpid()}@example.org"
    words = ["user", "claim", *(["--source", source] if source else []), legacy_id, email, "-c", parley.config]
    done = subprocess.run([*UNPRIVILEGED, binary(), *words], env=parley.environment(), cwd=parley.folder,
                          input=PASSWORD + "\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (done.stdout, done.stderr)
    return parley.client.login(email, PASSWORD) if code == 0 else done.stderr


def sessions(client):
    answer = client.get("/api/v1/sessions?limit=100")
    assert answer.status == 200, answer
    return answer.json


def messages(client, session):
    answer = client.get(f"/api/v1/sessions/{session}/messages?limit=200")
    assert answer.status == 200, answer
    return answer.json


def texts(client, session):
    return [(m["role"], m["content"]) for m in messages(client, session)]


def is_whole(parley):
    """Nothing that was imported contradicts itself: counts, order and paths of every session, sessions of every owner."""
    assert run_sql(parley, """
        select s.session_id from parley.chat_sessions s
        left join lateral (
            select count(*) as count, max(seq) as last, count(*) filter (where m.on_path) as path,
                bool_and(m.seq = 1 or m.parent_id is not null) as parents,
                (array_agg(m.message_id order by m.seq desc) filter (where m.on_path))[1] as leaf,
                max(m.created_at) as at
            from parley.chat_messages m where m.user_id = s.user_id and m.session_id = s.session_id) m on true
        where s.user_id in (select o.user_id from parley.legacy_owners o) and (
            (s.message_count, s.last_seq) is distinct from (m.path::integer, coalesce(m.last, 0))
            or m.count <> coalesce(m.last, 0) or s.active_leaf is distinct from m.leaf
            or not m.parents or s.last_message_at < m.at)""") == []
    assert run_sql(parley, """
        select u.user_id from parley.user_usage u where u.session_count <> (
            select count(*) from parley.chat_sessions s where s.user_id = u.user_id and s.deleted_at is null)""") == []


# Each form


def test_saves(parley, source, bob):
    old = source(legacy.SAVES)
    old.say("insert into users (id, email) values (1, 'one@old.example'), (2, null)")
    old.say("""insert into user_sessions (user_id, messages, created_at, updated_at) values
        (1, '[{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hi", "model": "x"}]',
            '2024-01-02 03:04:05', '2024-01-03 00:00:00'),
        (2, '[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]', '2024-02-02', null)""")
    report = bring(parley, old)
    assert counts(report, "saves")["messages"] == {"new": 3, "there already": 0}
    one = claim(parley, "one@old.example")
    assert parley.client.get("/api/v1/sessions").status == 401
    [session] = sessions(one)
    assert texts(one, session["session_id"]) == [("user", "Hello!"), ("assistant", "Hi")]
    assert messages(one, session["session_id"])[1]["metadata"] == {"model": "x"}
    assert (session["title"], session["preview"], session["message_count"]) == ("Hello!", "Hi", 2)
    assert session["created_at"].startswith("2024-01-02T03:04:05") and session["last_message_at"].startswith("2024-01-03")
    assert bob.get(f"/api/v1/sessions/{session['session_id']}").status == 404
    assert bob.get(f"/api/v1/sessions/{session['session_id']}/messages").status == 404
    two = claim(parley, "2", source=old.name)
    assert texts(two, sessions(two)[0]["session_id"]) == [("user", "a\nb")]
    is_whole(parley)


def fill_v1(old):
    ann, ben, project = old.number("ann"), old.number("ben"), old.number("project")
    old.say("insert into users (user_id, email, display_name) values (%s, %s, 'Ann'), (%s, %s, null)",
            ann, f"ann.{old.name}@old.example", ben, f"ben.{old.name}@old.example")
    old.say("insert into dossier values (%s, 'The book', '2023-01-01')", project)
    old.say("insert into user_projects values (%s, %s, '2023-01-01'), (%s, %s, '2023-01-02')", ann, project, ben, project)
    old.say("insert into sessions (session_id, user_id, project_id, title, created_at, is_active) values (%s, %s, %s, 'Plot', '2023-01-01', false)",
            old.number("plot"), ann, project)
    old.say("insert into sessions (session_id, user_id, title) values (%s, %s, null)", old.number("empty"), ben)
    old.say("insert into turns (turn_id, project_id, raw_text, response, mood, created_at) values (%s, %s, 'Old?', 'Old!', 'dark', '2022-01-01')",
            old.number("turn"), project)
    old.say("insert into turns (turn_id, project_id, raw_text, session_id, user_id) values (%s, %s, 'told', %s, %s)",
            old.number("told"), project, old.number("plot"), ann)
    old.say("""insert into chat_messages (message_id, session_id, turn_id, role, content, metadata, created_at) values
        (%s, %s, %s, 'user', 'A horror story', '{"model": "m"}', '2023-01-01 10:00'), (%s, %s, null, 'assistant', 'Once', null, '2023-01-01 10:01')""",
            old.number("m1"), old.number("plot"), old.number("told"), old.number("m2"), old.number("plot"))
    return ann, ben, project


def test_v1(parley, source, bob):
    old = source(legacy.V1)
    ann_id, ben_id, project = fill_v1(old)
    report = bring(parley, old)
    assert counts(report, "v1 and turns")["messages"] == {"new": 4, "there already": 0, "left out": 1}
    ann, ben = claim(parley, f"ann.{old.name}@old.example"), claim(parley, ben_id)
    assert ann.user_id == ann_id
    for person, is_owner in ((ann, True), (ben, False)):
        assert [(p["project_id"], p["name"], p["is_owner"]) for p in person.get("/api/v1/projects").json] == [(project, "The book", is_owner)]
    plot = ann.get(f"/api/v1/sessions/{old.number('plot')}").json
    assert (plot["title"], plot["project_id"], plot["is_active"]) == ("Plot", project, False)
    assert ann.get("/api/v1/projects").json[0]["created_at"].startswith("2023-01-01T00:00:00")
    kept = messages(ann, old.number("plot"))
    assert [(m["message_id"], m["content"]) for m in kept] == [(old.number("m1"), "A horror story"), (old.number("m2"), "Once")]
    assert [m["metadata"] for m in kept] == [{"model": "m"}, None] and kept[0]["created_at"].startswith("2023-01-01T10:00:00")
    [turns] = [s for s in sessions(ann) if s["title"] == "The book"]
    assert texts(ann, turns["session_id"]) == [("user", "Old?"), ("assistant", "Old!")]
    assert messages(ann, turns["session_id"])[0]["metadata"] == {"mood": "dark"}
    assert [s["session_id"] for s in sessions(ben)] == [old.number("empty")]
    assert bob.get(f"/api/v1/sessions/{old.number('plot')}/messages").status == 404
    is_whole(parley)


@pytest.mark.parametrize("change, made, joined", [
    ("alter table dossier drop created_at", "2023-01-01", "2023-01-02"),
    ("update dossier set created_at = null", "2023-01-01", "2023-01-02"),
    ("update dossier set created_at = '2022-12-31'", "2022-12-31", "2023-01-02"),
    ("delete from user_projects", "2023-01-01", None)])
def test_a_project_is_as_old_as_it_was(parley, source, change, made, joined):
    """For its owner, for its members, and for whom a session alone has brought to it."""
    old = source(legacy.V1)
    ann_id, ben_id, project = (str(uuid.uuid4()) for _ in range(3))
    old.say("insert into users (user_id) values (%s), (%s)", ann_id, ben_id)
    old.say("insert into dossier values (%s, 'The book', '2023-01-01')", project)
    old.say("insert into user_projects values (%s, %s, '2023-01-01'), (%s, %s, '2023-01-02')", ann_id, project, ben_id, project)
    old.say("insert into sessions (user_id, project_id, created_at) values (%s, %s, '2023-06-06'), (%s, null, '2023-06-06')", ann_id, project, ben_id)
    old.say(change)
    bring(parley, old)
    ann = claim(parley, ann_id)
    assert [p["created_at"][:10] for p in ann.get("/api/v1/projects").json] == [made]
    assert run_sql(parley, "select created_at::date::text from parley.projects where user_id = %s", ann_id) == [(made,)]
    assert [p["created_at"][:10] for p in claim(parley, ben_id).get("/api/v1/projects").json] == ([joined] if joined else [])


def test_turns_before_there_were_people(parley, source):
    old = source(legacy.OLD_TURNS)
    project = str(uuid.uuid4())
    old.say("insert into dossier (project_id, title) values (%s, 'Alone')", project)
    old.say("insert into turns (project_id, raw_text, response) values (%s, 'in', 'out'), (null, 'who?', null), (%s, null, null)", project, project)
    report = bring(parley, old)
    assert counts(report, "old turns")["messages"] == {"new": 3, "there already": 0, "left out": 1}
    owner = claim(parley, "project-" + project, source=old.name)
    [session] = sessions(owner)
    assert (session["title"], session["project_id"]) == ("Alone", project)
    assert texts(owner, session["session_id"]) == [("user", "in"), ("assistant", "out")]
    nobody = claim(parley, "nobody", source=old.name)
    assert texts(nobody, sessions(nobody)[0]["session_id"]) == [("user", "who?")]


def test_a_turn_is_moved_as_far_as_no_message_has_it(parley, source):
    old = source(legacy.V1)
    person, session = old.number("person"), old.number("session")
    old.say("insert into users (user_id) values (%s)", person)
    old.say("insert into dossier values (%s, 'T', '2024-01-01')", old.number("project"))
    old.say("insert into user_projects values (%s, %s)", person, old.number("project"))
    old.say("insert into sessions (session_id, user_id, project_id) values (%s, %s, %s)", session, person, old.number("project"))
    for n, (prompt, answer, at) in enumerate((("q0", "a0", "10:00"), ("q1", "a1", "10:01"), ("q2", "a2", "10:01"), ("q3", "a3", "10:03"), (None, "a4", "10:04"),
                                              ("q5", None, None), ("q6", "a6", "09:00"))):
        old.say("insert into turns (turn_id, project_id, raw_text, response, mood, session_id, user_id, created_at) values (%s, %s, %s, %s, %s, %s, %s, %s)",
                old.number(f"turn {n}"), old.number("project"), prompt, answer, f"mood {n}", session, person, at and "2024-01-01 " + at)
    # Turn 0 is named by both sides, 1 and 2 by the question alone, in one moment; 3 by the answer; 4 to 6 by nobody, of which 6 is the oldest.
    for turn, role, text, at, metadata in ((0, "user", "q0", "10:00", {"mood": "own", "x": 1}), (0, "assistant", "a0", "10:00:30", None),
                                           (1, "user", "q1", "10:01:05", None), (2, "user", "q2", "10:01:05", [7]), (3, "assistant", "a3", "10:02", None)):
        old.say("insert into chat_messages (session_id, turn_id, role, content, created_at, metadata) values (%s, %s, %s, %s, %s, %s)",
                session, old.number(f"turn {turn}"), role, text, "2024-01-01 " + at, metadata and json.dumps(metadata))
    report = bring(parley, old)
    assert counts(report, "v1 and turns")["messages"] == {"new": 12, "there already": 0, "left out": 5}
    assert "5 messages left out: the text of a turn that a message with the same role names: " in report
    assert report.count(f"{old.number('turn 0')}/1, {old.number('turn 0')}/2, {old.number('turn 1')}/1") == 1
    ann = claim(parley, person)
    kept = messages(ann, session)
    assert [(m["content"], m["created_at"][11:19], m["metadata"]) for m in kept if m["content"] != "q5"] == [
        ("q6", "09:00:00", {"mood": "mood 6"}), ("a6", "09:00:00", None), ("q0", "10:00:00", {"mood": "own", "x": 1}), ("a0", "10:00:30", None),
        ("q1", "10:01:05", {"mood": "mood 1"}), ("a1", "10:01:05", None), ("q2", "10:01:05", {"mood": "mood 2", "value": [7]}), ("a2", "10:01:05", None),
        ("q3", "10:02:00", None), ("a3", "10:02:00", {"mood": "mood 3"}), ("a4", "10:04:00", {"mood": "mood 4"})]
    assert [m["role"] for m in kept] == ["user", "assistant"] * 5 + ["assistant", "user"]
    assert kept[11]["metadata"] == {"mood": "mood 5"}
    before = parley.contents()
    assert new(bring(parley, old), "v1 and turns", "messages") == 0
    assert parley.contents() == before
    is_whole(parley)


def test_of_a_turn_nothing_is_lost(parley, source):
    """Two prompts, a role of its own, calls of tools, an empty content."""
    old = source("create table dossier (project_id int, title text); create table turns (turn_id int, project_id int, session_id text, role text, content text, "
                 "prompt text, raw_text text, answer text, tool_calls jsonb);" + legacy.V1.split("ALTER TABLE")[0].split(legacy.OLD_TURNS)[1]
                 .replace("UUID REFERENCES dossier(project_id) ON DELETE CASCADE", "int").replace("turn_id UUID REFERENCES turns(turn_id) ON DELETE SET NULL", "turn_id int")
                 .replace("REFERENCES users(user_id) ON DELETE CASCADE", ""))
    session = str(uuid.uuid4())
    old.say("insert into sessions (session_id) values (%s)", session)
    old.say("""insert into turns values (1, null, null, 'assistant', 'said', null, 'raw', null, '[{"id": "1"}]'), (2, null, null, null, null, 'p', 'raw', 'a', '[{"id": "2"}]'),
        (3, null, null, 'x', null, 'p3', null, null, '[{"id": "3"}]'), (4, null, null, null, null, 'p4', null, 'a4', '[{"id": "4"}]'), (5, null, null, null, null, null, null, null, null)""")
    old.say("insert into chat_messages (session_id, turn_id, role, content) values (%s, 4, 'user', 'p4'), (%s, 4, 'assistant', 'a4')", session, session)
    assert "1 message left out: without role or text: 5/1" in bring(parley, old)
    nobody = claim(parley, "nobody", source=old.name)
    [turns] = [s["session_id"] for s in sessions(nobody) if s["session_id"] != session]
    assert [(m["role"], m["content"], m["tool_calls"], m["metadata"]) for m in messages(nobody, turns)] == [
        ("assistant", "said", [{"id": "1"}], {"raw_text": "raw"}), ("user", "raw", None, {"prompt": "p"}), ("assistant", "a", [{"id": "2"}], None),
        ("user", "p3", [{"id": "3"}], {"role": "x"})]
    assert [m["metadata"] for m in messages(nobody, session)] == [{"tool_calls": [{"id": "4"}]}, None]


def test_messages_without_a_session_are_told(parley, source):
    old = source(legacy.V1)
    person, lost = (str(uuid.uuid4()) for _ in range(2))
    old.say("insert into users (user_id) values (%s)", person)
    old.say("insert into sessions (session_id, user_id) values (%s, %s)", lost, person)
    old.say("insert into turns (turn_id, raw_text, user_id) values (%s, 'of a turn', %s)", old.number("turn"), person)
    old.say("insert into chat_messages (message_id, session_id, turn_id, role, content) values (%s, null, %s, 'user', 'x'), (%s, %s, null, 'user', 'y')",
            old.number("m"), old.number("turn"), str(uuid.uuid4()), lost)
    # A database that lost its constraints and then a session.
    old.say("alter table chat_messages drop constraint chat_messages_session_id_fkey; alter table chat_messages alter session_id type text; "
            "update chat_messages set session_id = 'gone' where content = 'y'")
    report = bring(parley, old)
    assert "2 messages left out: without a session: " in report and old.number("m") in report
    assert counts(report, "v1 and turns")["messages"] == {"new": 1, "there already": 0, "left out": 2}
    assert sorted(s["message_count"] for s in sessions(claim(parley, person))) == [0, 1]
    assert progress(parley, old) == [(3, 3)]
    old.say("drop table turns cascade")
    assert "2 messages left out: without a session: " in bring(parley, old)
    chats = source(legacy.HELPER_CHATS)
    chats.say("insert into chat_messages (id, role, content) values (%s, 'user', 'x')", chats.number("m"))
    assert f"helper chats\n  messages: 0 new, 0 there already, 1 left out\n  1 message left out: without a session: {chats.number('m')}\n" in bring(parley, chats)
    threads = source("create table conversations (id int, user_id text, thread_id text, role text, content text)")
    threads.say("insert into conversations values (1, 'u', null, 'user', 'x'), (2, null, null, 'user', 'x')")
    assert "2 messages left out: without a session: 1, 2\n" in bring(parley, threads)
    saves = source("create table user_sessions (session_id int, user_id int, messages jsonb)")
    saves.say("insert into user_sessions values (null, 1, '[{\"role\": \"user\", \"content\": \"x\"}]')")
    assert "1 message left out: without a session: (empty)\n" in bring(parley, saves)


def test_messages_without_an_id_are_told(parley, source):
    """A second run could not know them again: they are counted, and their sessions come."""
    rows = "create table sessions (session_id int, user_id int); create table dossier (project_id int); create table chat_messages (session_id int, role text, " \
           "content text%s); insert into sessions values (1, 1), (2, 1)"
    old = source(rows % "")
    old.say("insert into chat_messages values (1, 'user', 'a'), (1, 'assistant', 'b'), (9, 'user', 'c'), (null, 'user', 'd')")
    for new_sessions, there in ((2, 0), (0, 2)):
        report = bring(parley, old)
        assert counts(report, "v1") == {"owners": {"new": new_sessions // 2, "there already": there // 2}, "messages": {"new": 0, "there already": 0, "left out": 4},
                                        "sessions": {"new": new_sessions, "there already": there}}, report
        assert "  2 messages left out: without an id, in session: 1\n" in report and "  2 messages left out: without a session: (empty)\n" in report
    assert progress(parley, old) == [(4, 4)]
    some = source(rows % ", id int, turn_id int" + "; create table turns (turn_id int, prompt text); create table user_projects (project_id int, user_id int)")
    some.say("insert into chat_messages values (1, 'user', 'a', 1), (1, 'user', 'b', null), (9, 'user', 'c', null); insert into turns values (null, 't')")
    report = bring(parley, some)
    assert counts(report, "v1 and turns")["messages"] == {"new": 1, "there already": 0, "left out": 3} and progress(parley, some) == [(4, 4)]
    assert "  2 messages left out: without an id, in session: 1, turns\n" in report or "  2 messages left out: without an id, in session: turns, 1\n" in report
    chats = source("create table chat_sessions (id int, user_id int); create table chat_messages (id int, session_id int, role text, content text); "
                   "insert into chat_sessions values (1, 1), (2, 1); insert into chat_messages values (null, 1, 'user', 'x')")
    assert "  1 message left out: without an id, in session: 1\n" in bring(parley, chats)
    threads = source("create table conversations (id int, user_id text, thread_id text, role text, content text); "
                     "insert into conversations values (null, 'u', 't', 'user', 'x')")
    assert "  1 message left out: without an id, in session: u/t\n" in bring(parley, threads)


def test_turns_with_one_id_are_told(parley, source):
    """On a first run nothing is there already. A number that counts the turns of each project is an id as well."""
    old = source("create table dossier (project_id int, title text); create table turns (turn_id int, project_id int, prompt text, response text)")
    old.say("insert into dossier values (1, 'P'); insert into turns values (1, 1, 'q', 'a'), (null, 1, 'x', 'y'), (null, 1, 'x', 'y'), (1, 1, 'q2', 'a2'), (1, 2, 'q', 'a')")
    for what in ({"new": 4, "there already": 0, "left out": 6}, {"new": 0, "there already": 4, "left out": 6}):
        report = bring(parley, old)
        assert counts(report, "old turns")["messages"] == what
        assert "  4 messages left out: without an id, in session: turns?of?1\n" in report
        assert "  2 messages left out: of a turn whose id another one in the session has: 1/1, 1/2\n" in report
    person = claim(parley, "project-1", source=old.name)
    assert texts(person, sessions(person)[0]["session_id"]) == [("user", "q"), ("assistant", "a")]
    old.say("create table sessions (session_id int, user_id int); create table user_projects (project_id int, user_id int); create table chat_messages "
            "(id int, session_id int, role text, content text, turn_id int); insert into sessions values (5, 7); "
            "insert into chat_messages values (1, 5, 'user', 'q', 1), (2, 5, 'assistant', 'a', 1); delete from turns where project_id = 2 or turn_id is null")
    report = bring(parley, old)
    assert counts(report, "v1 and turns")["messages"] == {"new": 2, "there already": 0, "left out": 4}, report
    assert "  2 messages left out: of a turn whose id another one in the session has: 1/1, 1/2\n" in report
    assert progress(parley, old) == [(6, 6)] and new(bring(parley, old), "v1 and turns", "messages") == 0
    is_whole(parley)


def test_helper_chats(parley, source, bob):
    old = source(legacy.HELPER_CHATS)
    user, project = str(uuid.uuid4()), str(uuid.uuid4())
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    for n, (helper, title) in enumerate((("brand-voice", "New Chat"), ("Brand Voice", "Named"), ("助手", None))):
        session = str(uuid.uuid4())
        old.say("insert into chat_sessions (id, user_id, project_id, helper, title, thread_id) values (%s, %s, %s, %s, %s, %s)",
                session, user, project, helper, title, f"thread_openai{n}")
        old.say("insert into chat_messages (session_id, role, content, created_at) values (%s, 'user', %s, '2024-01-01')", session, f"Hi {n}")
        old.say("insert into chat_messages (session_id, role, content, tool_calls, created_at) values (%s, 'assistant', '', %s, '2024-01-02')",
                session, json.dumps(calls))
    report = bring(parley, old)
    assert "1 session whose helper's name was made to fit" in report and "1 session whose helper's name cannot fit" in report
    person = claim(parley, user)
    found = {s["title"]: s for s in sessions(person)}
    assert {title: s["helper"] for title, s in found.items()} == {"Hi 0": "brand-voice", "Named": "brand-voice", "Hi 2": None}
    own_words = person.get("/api/chat/sessions?helper=Brand%20Voice").json["sessions"]
    assert {(s["title"], s["helper"]) for s in own_words} == {("Hi 0", "Brand Voice"), ("Named", "Brand Voice")}, "its front end goes on with its own"
    assert {s["project_id"] for s in found.values()} == {project}
    kept = messages(person, found["Hi 2"]["session_id"])
    assert kept[0]["metadata"] == {"legacy_helper": "助手"} and kept[1]["tool_calls"] == calls
    assert "thread_openai" not in person.get("/api/v1/sessions").body.decode()
    assert run_sql(parley, "select count(*) from parley.chat_sessions where user_id = %s and provider_thread_id like 'thread_openai%%'", user) == [(3,)]
    assert bob.get(f"/api/v1/sessions/{found['Named']['session_id']}").status == 404
    is_whole(parley)


def thread_names(parley, client):
    return {name for name, in run_sql(parley, "select thread_name from parley.chat_sessions where user_id = %s", client.user_id)}


def test_threads(parley, source, bob):
    old = source(legacy.THREADS)
    thread = str(uuid.uuid4())
    for name in (f"thread-{thread}", "user-u1", "strange name", "x" * 300, "two\nlines"):
        old.say("insert into conversations (user_id, thread_id, role, content, created_at) values ('u1', %s, 'user', 'Q', '2024-05-01'), "
                "('u1', %s, 'assistant', 'A', '2024-05-01 00:00:01.5')", name, name)
    report = bring(parley, old)
    assert new(report, "threads", "messages") == 10 and "2 threads under a new name: the old one is" in report
    person = claim(parley, "u1", source=old.name)
    assert texts(person, thread) == [("user", "Q"), ("assistant", "A")]
    assert messages(person, thread)[1]["created_at"] == "2024-05-01T00:00:01.500000Z"
    assert thread_names(parley, person) == {None, "thread-legacy-u1", "strange name"}
    for name in (f"thread-{thread}", "thread-legacy-u1", "strange%20name"):
        assert [m["content"] for m in person.get(f"/chat/history?thread_id={name}").json["messages"]] == ["Q", "A"]
        assert bob.get(f"/chat/history?thread_id={name}").status == 404
    for entry in person.get("/chat/sessions").json["sessions"]:
        assert person.get(f"/chat/history?thread_id={quote(entry['id'])}").json["message_count"] == 2, entry
    assert bob.get(f"/api/v1/sessions/{thread}").status == 404
    is_whole(parley)


def test_a_thread_renamed_there_is_the_same_here(parley, source):
    """The statement is that application's own, as its document has it."""
    rename = "UPDATE conversations SET thread_id = 'thread-legacy-' || user_id WHERE thread_id LIKE 'user-%'"
    old, single = source(legacy.THREADS), source(legacy.SINGLE_THREAD)
    for database in (old, single):
        for n, (user, thread) in enumerate((("u1", "user-u1"), ("u1", "user-u1"), ("u2", "user-u2"), ("u2", "mine"))):
            database.say("insert into conversations (user_id, thread_id, role, content, created_at) values (%s, %s, 'user', %s, '2024-01-01')",
                         user, thread, f"text {n}")
    old.say("insert into conversations (user_id, thread_id, role, content, created_at) values ('u1', 'user-before', 'user', 'text 4', '2024-01-02')")
    for database, form in ((old, "threads"), (single, "single thread")):
        bring(parley, database)
        before = parley.contents()
        database.say(rename)
        found = counts(bring(parley, database), form)
        assert (found["sessions"], found["messages"]["new"]) == ({"new": 0, "there already": 3}, 0)
        assert parley.contents() == before
        database.say("insert into conversations (user_id, thread_id, role, content) values ('u1', 'thread-legacy-u1', 'user', 'later')")
        assert new(bring(parley, database), form, "messages") == 1
    person = claim(parley, "u1", source=old.name)
    [session] = sessions(person)
    assert [text for _, text in texts(person, session["session_id"])] == ["text 0", "text 1", "text 4", "later"]
    assert thread_names(parley, person) == {"thread-legacy-u1"}
    person = claim(parley, "u1", source=single.name)
    assert thread_names(parley, person) == {f"user-{person.user_id}"} and sessions(person)[0]["message_count"] == 3
    is_whole(parley)


def test_single_thread(parley, source, bob):
    old = source(legacy.SINGLE_THREAD)
    old.say("insert into conversations (user_id, thread_id, role, content, created_at) select 'abc123', 'user-abc123', "
            "case n %% 2 when 1 then 'user' else 'assistant' end, n::text, '2024-01-01' from generate_series(1, 25) n" % ())
    old.say("insert into user_usage values ('abc123', 12500), ('idle', 7)")
    report = bring(parley, old)
    assert new(report, "single thread", "messages") == 25 and counts(report, "usage")["tokens"] == 12507
    person = claim(parley, "abc123", source=old.name)
    assert thread_names(parley, person) == {f"user-{person.user_id}"}
    # All in one moment: the order is that of their numbers.
    [session] = sessions(person)
    assert [m["content"] for m in messages(person, session["session_id"])] == [str(n) for n in range(1, 26)]
    history = person.get("/chat/history?limit=2").json
    assert (history["thread_id"], history["message_count"]) == (f"user-{person.user_id}", 25)
    assert [m["content"] for m in history["messages"]] == ["24", "25"]
    assert person.get("/chat/sessions").json["total_tokens_used"] == 12500
    assert person.get("/api/v1/usage").json["total_tokens"] == 12500
    old.say("update user_usage set total_tokens = total_tokens + 100 where user_id = 'abc123'")
    assert counts(bring(parley, old), "usage")["tokens"] == 100
    bring(parley, old)
    assert person.get("/api/v1/usage").json["total_tokens"] == 12600
    assert bob.get(f"/api/v1/sessions/{session['session_id']}").status == 404


def test_order_without_numbers_is_that_of_storing(parley, source):
    old = source(legacy.THREADS)
    old.say("insert into conversations (user_id, thread_id, role, content, created_at) "
            "select 'u', 't', 'user', n::text, '2024-01-01' from generate_series(1, 120) n")
    bring(parley, old)
    person = claim(parley, "u", source=old.name)
    assert [m["content"] for m in messages(person, sessions(person)[0]["session_id"])] == [str(n) for n in range(1, 121)]


def test_several_forms_in_one_database(parley, source):
    old = source("create schema other; create schema third;" + legacy.SAVES + legacy.SINGLE_THREAD + "set search_path = other;" + legacy.V1
                 + legacy.THREADS + "set search_path = third;" + legacy.HELPER_CHATS)
    old.say("insert into users values (1)")
    old.say("insert into user_sessions (user_id, messages) values (1, '[{\"role\": \"user\", \"content\": \"saved\"}]')")
    old.say("insert into conversations (user_id, thread_id, role, content) values ('1', 'user-1', 'user', 'single')")
    old.say("insert into other.conversations (user_id, thread_id, role, content) values ('1', 'user-1', 'user', 'threads')")
    old.say("insert into third.chat_sessions (user_id, helper) values (%s, 'x')", str(uuid.uuid4()))
    report = bring(parley, old)
    assert (new(report, "saves", "sessions"), new(report, "single thread", "sessions")) == (1, 1)
    other = bring(parley, old, "--source", "other", conninfo=old.conninfo + " options=-csearch_path=other")
    assert new(other, "threads", "sessions") == 1
    third = bring(parley, old, conninfo=old.conninfo + " options=-csearch_path=third")
    assert new(third, "helper chats", "sessions") == 1
    person, other = claim(parley, "1", source=old.name), claim(parley, "1", source="other")
    assert {s["title"] for s in sessions(person)} == {"saved", "single"}
    assert {s["title"] for s in sessions(other)} == {"threads"}
    is_whole(parley)


# Again, later, and cut off


def test_a_second_run_adds_nothing_and_later_ones_what_is_new(parley, source):
    old = source(legacy.V1)
    fill_v1(old)
    bring(parley, old)
    before = parley.contents()
    report = bring(parley, old)
    assert parley.contents() == before
    for form in ("projects", "v1 and turns"):
        for what in counts(report, form).values():
            assert what["new"] == 0
    old.say("insert into chat_messages (session_id, role, content) values (%s, 'user', 'More')", old.number("plot"))
    old.say("insert into sessions (user_id, title) values (%s, 'Later')", old.number("ann"))
    report = bring(parley, old)
    assert (new(report, "v1 and turns", "messages"), new(report, "v1 and turns", "sessions")) == (1, 1)
    secret = secret_of(parley)
    ann = parley.client
    ann.token = access_token(secret, old.number("ann"))
    assert [t for _, t in texts(ann, old.number("plot"))] == ["A horror story", "Once", "More"]
    # What was said here meanwhile stays in its place.
    ann.say(old.number("plot"), "Here")
    old.say("insert into chat_messages (session_id, role, content) values (%s, 'assistant', 'There')", old.number("plot"))
    bring(parley, old)
    assert [t for _, t in texts(ann, old.number("plot"))] == ["A horror story", "Once", "More", "Here", "There"]
    # What was hidden here stays hidden.
    ann.delete(f"/api/v1/sessions/{old.number('plot')}")
    bring(parley, old)
    assert ann.get(f"/api/v1/sessions/{old.number('plot')}").status == 404
    is_whole(parley)


def much(source, count, thread="'thread-' || md5((n / 50)::text)::uuid", user="'user' || n % 7"):
    old = source(legacy.THREADS)
    old.say(f"insert into conversations (id, user_id, thread_id, role, content, created_at) select md5(n::text)::uuid, {user}, {thread}, "
            "case n % 2 when 0 then 'user' else 'assistant' end, repeat('word ' || n || ' ', 20), timestamp '2024-01-01' + n * interval '1 second' "
            f"from generate_series(1, {count}) n")
    return old


def test_a_killed_import_goes_on(parley, source):
    old = much(source, 20000)
    owners = "select count(*) from parley.chat_messages m join parley.legacy_owners o using (user_id) where o.source = %s"
    command = [*UNPRIVILEGED, binary(), "import-legacy", "-c", parley.config, old.conninfo]
    for wanted in (1, 5000, 12000):
        process = subprocess.Popen(command, env=parley.environment(), cwd=parley.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while run_sql(parley, owners, old.name)[0][0] < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 12000 <= run_sql(parley, owners, old.name)[0][0] < 20000
    is_whole(parley)
    report = bring(parley, old)
    assert sum(counts(report, "threads")["messages"].values()) == 20000
    assert run_sql(parley, owners, old.name) == [(20000,)]
    is_whole(parley)


def test_an_interrupt_ends_it_between_two_chunks(parley, source):
    old = much(source, 20000)
    command = [*UNPRIVILEGED, binary(), "import-legacy", "-c", parley.config, old.conninfo]
    process = subprocess.Popen(command, env=parley.environment(), cwd=parley.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not run_sql(parley, "select 1 from parley.legacy_owners where source = %s", old.name) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    report, complaint = process.communicate(timeout=30)
    assert process.returncode == 75 and "on request" in complaint, (process.returncode, report, complaint)
    assert counts(report, "threads").get("messages", {"new": 0})["new"] < 20000
    is_whole(parley)
    assert sum(counts(bring(parley, old), "threads")["messages"].values()) == 20000


def test_a_dry_run_writes_nothing_and_says_the_same(parley, source):
    old = source(legacy.V1)
    for table in ("users", "dossier", "sessions", "chat_messages", "turns", "user_projects"):
        assert old.say(f"select count(*) from {table}") == [(0,)]
    person = str(uuid.uuid4())
    old.say("insert into users (user_id, email) values (%s, %s)", person, person + "@old.example")
    old.say("insert into sessions (user_id) select %s from generate_series(1, 700)", person)
    old.say("insert into chat_messages (session_id, role, content) select session_id, 'user', 'x' from sessions, generate_series(1, 3)")
    before = parley.contents()
    said = bring(parley, old, "--dry-run")
    assert parley.contents() == before
    done = bring(parley, old)
    assert said.splitlines()[1:] == done.splitlines()[1:]
    assert bring(parley, old, "--dry-run").splitlines()[1:] == bring(parley, old).splitlines()[1:]


# Whose it is


def test_an_address_that_has_an_account_is_not_believed(parley, source, alice):
    old = source(legacy.SAVES)
    old.say("insert into users (id, email) values (1, %s), (2, 'no address')", alice.email.upper())
    old.say("insert into user_sessions (user_id, messages) select n, '[{\"role\": \"user\", \"content\": \"mine\"}]' from generate_series(1, 2) n")
    report = bring(parley, old)
    assert sessions(alice) == []
    assert counts(report, "saves")["messages"] == {"new": 1, "there already": 0, "left out": 1}
    assert "1 owner left out: an account has their e-mail address" in report and "1 message left out with the owner: 1\n" in report
    assert "1 owner without login: not an e-mail address: 2" in report
    assert "mine" not in report
    report = bring(parley, old, "--match-email")
    assert counts(report, "people")["owners"]["matched by e-mail"] == 1
    assert [s["title"] for s in sessions(alice)] == ["mine"]
    # Once agreed, it holds without being said again.
    old.say("insert into user_sessions (user_id, messages) values (1, '[]')")
    assert new(bring(parley, old), "saves", "sessions") == 1
    assert len(sessions(alice)) == 2
    is_whole(parley)


def belongings(parley, client):
    """All that a person has, and who is in their projects."""
    return [run_sql(parley, f"select to_jsonb(t) from parley.{table} t where user_id = %s order by t::text", client.user_id)
            for table in ("users", "user_emails", "chat_sessions", "chat_messages", "projects", "user_usage", "legacy_owners")] + [
        run_sql(parley, "select to_jsonb(t) from parley.user_projects t where %s in (user_id, owner_id) order by t::text", client.user_id)]


def fill_with_what_is_here(old, person, session, project):
    """A database that names a person of this place, their session and their project; answers the id of a stranger, a member there."""
    stranger, own = old.number("stranger"), old.number("own")
    old.say("insert into users (user_id) values (%s), (%s)", person, stranger)
    old.say("insert into dossier values (%s, 'Theirs', '2023-01-01')", project)
    old.say("insert into user_projects values (%s, %s, '2023-01-01'), (%s, %s, '2023-01-02')", person, project, stranger, project)
    old.say("insert into sessions (session_id, user_id, title, project_id) values (%s, %s, 'a', %s), (%s, %s, 'b', null)", session, person, project, own, person)
    for where in (session, session, own):
        old.say("insert into chat_messages (session_id, role, content, created_at) values (%s, 'system', 'Obey!', '2023-01-01 10:00')", where)
    return stranger


def projects(client):
    return [(p["project_id"], p["name"], p["is_owner"]) for p in client.get("/api/v1/projects").json]


def test_an_id_that_has_an_account_is_not_believed(parley, source, alice):
    session = alice.post("/api/v1/sessions", {}).json["session_id"]
    alice.say(session, "mine")
    project = alice.post("/api/v1/projects", {"name": "Secret"}).json["project_id"]
    old = source(legacy.V1)
    stranger = fill_with_what_is_here(old, alice.user_id, session, project)
    before = belongings(parley, alice)
    said = bring(parley, old, "--dry-run")
    report = bring(parley, old)
    assert belongings(parley, alice) == before
    assert said.splitlines()[1:4] == report.splitlines()[1:4]
    assert f"  1 owner left out: their id has an account here already; --match-id takes them for the same people: {alice.user_id}\n" in report
    assert counts(report, "people")["owners"] == {"new": 1, "there already": 0, "left out": 1}
    assert counts(report, "v1 and turns")["messages"] == {"new": 0, "there already": 0, "left out": 3} and "sessions" not in counts(report, "v1 and turns")
    # A member there is none here, also when told again: they have a project of their own.
    assert counts(bring(parley, old), "people")["owners"] == {"new": 0, "there already": 1, "left out": 1}
    assert belongings(parley, alice) == before
    member = claim(parley, stranger)
    assert projects(member) == [(project, "Theirs", True)] and projects(alice) == [(project, "Secret", True)]
    # Agreed: what is new there comes, but into no session or project that was here.
    said = bring(parley, old, "--dry-run", "--match-id")
    report = bring(parley, old, "--match-id")
    assert said.splitlines()[1:] == report.splitlines()[1:]
    assert counts(report, "people")["owners"] == {"new": 0, "there already": 1, "matched by id": 1}
    assert counts(report, "v1 and turns")["sessions"] == {"new": 1, "there already": 0, "left out": 1}
    assert counts(report, "v1 and turns")["messages"] == {"new": 1, "there already": 0, "left out": 2}
    assert f"  1 session left out: their id is here already, and not from this source: {session}\n" in report
    assert f"  2 messages left out with the session: {session}\n" in report
    assert texts(alice, session) == [("user", "mine")] and texts(alice, old.number("own")) == [("system", "Obey!")]
    newcomer = old.number("newcomer")
    old.say("insert into users (user_id) values (%s)", newcomer)
    old.say("insert into user_projects values (%s, %s, '2023-01-03')", newcomer, project)
    old.say("insert into sessions (user_id, title) values (%s, 'Later')", alice.user_id)
    # It holds without being said again.
    report = bring(parley, old)
    assert counts(report, "v1 and turns")["sessions"] == {"new": 1, "there already": 1, "left out": 1}
    assert projects(alice) == [(project, "Secret", True)] and projects(claim(parley, newcomer)) == [(project, "Theirs", True)]
    assert [m["user_id"] for m in alice.get(f"/api/v1/projects/{project}/members").json] == [alice.user_id]
    is_whole(parley)


@pytest.mark.parametrize("claimed", [False, True])
def test_an_account_of_one_source_is_not_another_ones(parley, source, claimed):
    one, two = source(legacy.V1), source(legacy.V1)
    ann, ben, project = fill_v1(one)
    bring(parley, one)
    person = claim(parley, ann) if claimed else parley.client
    person.user_id, person.token = ann, access_token(secret_of(parley), ann)
    stranger = fill_with_what_is_here(two, ann, one.number("plot"), project)
    before = belongings(parley, person)
    report = bring(parley, two)
    assert counts(report, "people")["owners"] == {"new": 1, "there already": 0, "left out": 1}
    assert belongings(parley, person) == before
    report = bring(parley, two, "--match-id")
    assert counts(report, "v1 and turns")["sessions"] == {"new": 1, "there already": 0, "left out": 1}
    assert [t for _, t in texts(person, one.number("plot"))] == ["A horror story", "Once"]
    # The source that made it goes on, with its sessions and its members.
    one.say("insert into chat_messages (session_id, role, content) values (%s, 'user', 'More')", one.number("plot"))
    one.say("insert into users (user_id) values (%s)", one.number("cleo"))
    one.say("insert into user_projects values (%s, %s, '2023-01-03')", one.number("cleo"), project)
    report = bring(parley, one)
    assert counts(report, "people")["owners"] == {"new": 1, "there already": 2}
    assert [t for _, t in texts(person, one.number("plot"))] == ["A horror story", "Once", "More"]
    members = {m["user_id"] for m in person.get(f"/api/v1/projects/{project}/members").json}
    assert members == {ann, ben, one.number("cleo")} and stranger not in members
    is_whole(parley)


def test_an_owner_is_known_by_their_own_id_alone(parley, source, alice):
    """An address that was agreed to says nothing of another owner who has the account's id; letters of a uuid may be of either case."""
    old = source("create table users (id text, email text);" + legacy.THREADS)
    user = str(uuid.uuid4())
    old.say("insert into users values ('a', %s)", alice.email)
    say = "insert into conversations (user_id, thread_id, role, content) values (%s, 't', 'user', 'x')"
    for owner in ("a", user):
        old.say(say, owner)
    bring(parley, old, "--match-email")
    assert len(sessions(alice)) == 1
    for owner in (alice.user_id, alice.user_id.upper(), user.upper()):
        old.say(say, owner)
    for _ in range(2):
        report = bring(parley, old, "--match-email")
        assert counts(report, "threads")["owners"] == {"new": 0, "there already": 3, "left out": 2}
        assert "2 owners left out: their id has an account here already" in report
    assert len(sessions(alice)) == 1
    report = bring(parley, old, "--match-id")
    assert counts(report, "threads")["owners"] == {"new": 0, "there already": 4, "matched by id": 1}
    is_whole(parley)


def test_a_locked_login_opens_by_claim_or_password_alone(parley, source):
    old = source(legacy.SAVES)
    email = f"locked{next(_names)}.{os.getpid()}@old.example"
    old.say("insert into users (id, email) values (1, %s)", email)
    old.say("insert into user_sessions (user_id, messages) values (1, '[]')")
    bring(parley, old)
    for password in ("!", "", PASSWORD):
        assert parley.client.post("/api/v1/auth/login", {"email": email, "password": password}).status in (400, 401)
    assert parley.client.post("/api/v1/auth/signup", {"email": email, "password": PASSWORD}).status == 409
    owner = claim(parley, email, email)
    assert len(sessions(owner)) == 1
    assert "a login already" in claim(parley, email, email, code=1)
    assert "imported" in claim(parley, "77", source=old.name, code=1)
    assert "--source" in claim(parley, "77", code=1)


def test_claims_cannot_take_addresses_or_accounts(parley, source, alice):
    old = source(legacy.SAVES)
    old.say("insert into users (id) values (1)")
    old.say("insert into user_sessions (user_id, messages) values (1, '[]')")
    bring(parley, old)
    assert "registered" in claim(parley, "1", alice.email, source=old.name, code=1)
    assert "imported" in claim(parley, alice.user_id, code=1)
    assert "imported" in claim(parley, alice.email, code=1)
    claim(parley, "1", source=old.name)


# What does not fit


def test_what_cannot_be_kept_is_told(parley, source):
    old = source(legacy.SAVES.replace("messages JSONB NOT NULL", "messages JSONB"))
    old.say("insert into users values (1)")
    list_ = [{"role": "user", "content": "kept"}, "text", None, 5, {"role": "user"}, {"content": "no role"}, {"role": "narrator", "content": "dark"},
             {"role": "human", "content": "x" * 262145}, {"role": "ai", "content": "ok", "tool_calls": {"id": "1"}},
             {"role": "assistant", "content": "ok", "tool_calls": 7, "metadata": {"a": [1]}, "timestamp": "2024-03-03T00:00:00Z"}]
    old.say("insert into user_sessions (user_id, messages) values (1, %s), (1, '{\"not\": \"a list\"}'), (1, null)", json.dumps(list_))
    report = bring(parley, old)
    assert counts(report, "saves")["messages"] == {"new": 4, "there already": 0, "left out": 6}
    for line in ("1 message left out: longer than max_message_bytes: 1/8",
                 "5 messages left out: without role or text: 1/2, 1/3, 1/4, 1/5, 1/6\n",
                 "2 sessions whose messages are no JSON array: 2, 3", "1 message without tool calls: neither array nor object, longer than 256 KiB, or not UTF-8: 1/10",
                 "1 message stored as assistant's, the old role in metadata.legacy_role: 1/7"):
        assert line in report, report
    person = claim(parley, "1", source=old.name)
    [session] = [s for s in sessions(person) if s["message_count"]]
    kept = messages(person, session["session_id"])
    assert [(m["role"], m["content"]) for m in kept] == [("user", "kept"), ("assistant", "dark"), ("assistant", "ok"), ("assistant", "ok")]
    assert kept[1]["metadata"] == {"legacy_role": "narrator"} and kept[2]["tool_calls"] == [{"id": "1"}]
    assert kept[3]["metadata"] == {"a": [1]} and kept[3]["created_at"].startswith("2024-03-03")


ODD_JSON = r'''{"zero": "a\u0000b", "high": "\ud83d!", "low": "\udc00\ud83d\ude00", "path": "C:\\u0000 \\\\", "text": "1e999999, \": 2e99999",
    "number": [1e200000, -1.5e-20000, %s], "small": 1e-9, "ok": true}''' % ("7" * 20000)
MENDED = {"zero": "a\\u0000b", "high": "\\ud83d!", "low": "\\udc00\U0001f600", "path": "C:\\u0000 \\\\", "text": "1e999999, \": 2e99999",
          "number": ["1e200000", "-1.5e-20000", "7" * 20000], "small": 1e-9, "ok": True}


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII", "LATIN1", "KOI8R"])
def test_json_that_cannot_be_kept_is_mended(parley, source, encoding):
    """What a column of type json takes and jsonb does not ends nothing, in whatever column it stands."""
    ddl = legacy.SAVES + legacy.HELPER_CHATS.replace("title TEXT", "title TEXT, metadata JSON")
    old = source(ddl.replace("JSONB", "JSON").replace("content TEXT NOT NULL", "content TEXT NOT NULL, metadata JSON").replace("name TEXT", "name TEXT, more JSON"),
                 encoding=encoding)
    odd, mended = ODD_JSON, MENDED if encoding == "UTF8" else {**MENDED, "low": "\\udc00\\ud83d\\ude00"}
    person, session = (str(uuid.uuid4()) for _ in range(2))
    old.say("insert into users (id, more) values (1, %s)", odd)
    old.say("insert into user_sessions (user_id, messages) values (1, %s), (1, '[{\"role\": \"user\", \"content\": \"x\"}]')",
            '[{"role": "user", "content": "a\\u0000b \\u0433"}, {"role": "user", "content": "y", "n": 1e200000}]')
    old.say("insert into chat_sessions (id, user_id, helper, metadata) values (%s, %s, 'h', %s)", session, person, odd)
    for n, metadata in enumerate((odd, '{"plain": "\\\\u0000 caf\\u00e9"}', None)):
        old.say("insert into chat_messages (session_id, role, content, metadata, created_at) values (%s, 'user', %s, %s, '2024-01-01')", session, f"text {n}", metadata)
    report = bring(parley, old)
    sentence = "of JSON mended: a number became a string, or an escape like \\u0000 plain text: "
    few = encoding in ("UTF8", "LATIN1")
    assert f"{1 if few else 2} row{'' if few else 's'} {sentence}" in report and f"  1 row {sentence}1\n" in report, report
    kept = messages(claim(parley, person), session)
    assert [m["metadata"] for m in kept] == [mended, {"plain": "\\u0000 caf" + ("é" if few else "\\u00e9")}, None]
    one = claim(parley, "1", source=old.name)
    saved = messages(one, [s for s in sessions(one) if s["message_count"] == 2][0]["session_id"])
    assert saved[0]["content"] == "a\\u0000b " + ("г" if encoding == "UTF8" else "\\u0433") and saved[1]["metadata"] == {"n": "1e200000"}


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1"])
def test_very_many_escapes_take_no_longer_than_they_are(parley, source, encoding):
    """In one row: each must not cost a walk through all that stands before it."""
    old = source(legacy.SAVES.replace("JSONB", "JSON"), encoding=encoding)
    old.say("insert into users (id) values (1)")
    odd = r"\u0000 \ud83d\ude00 \ude00\ud83d " * 4000
    old.say("insert into user_sessions (user_id, messages) values (1, %s)", f'[{{"role": "user", "content": "{odd}", "more": "{odd}"}}]')
    start = time.monotonic()
    assert new(bring(parley, old), "saves", "messages") == 1
    assert time.monotonic() - start < 5
    person = claim(parley, "1", source=old.name)
    [(_, text)] = texts(person, sessions(person)[0]["session_id"])
    assert text == r"\u0000 %s \ude00\ud83d " % ("\U0001f600" if encoding == "UTF8" else r"\ud83d\ude00") * 4000


def test_the_report_names_what_it_counts(parley, source, alice):
    old = source(legacy.SAVES + legacy.THREADS)
    old.say("insert into users (id, email) values (1, %s), (2, null)", alice.email)
    list_ = json.dumps([{"role": "user", "content": "x"}] * 4 + [7])
    old.say("insert into user_sessions (user_id, messages) values (2, '[]'), (2, %s), (1, %s), (1, %s)", list_, list_, list_)
    report = bring(parley, old)
    for line in ("1 message left out: without role or text: 2/5", "10 messages left out with the owner: 1",
                 "1 owner left out: an account has their e-mail address (--match-email puts their data there): 1"):
        assert f"  {line}\n" in report, report
    assert [line for line in report.splitlines() if not line.startswith(" ")] == ["source: " + old.name, "people", "saves"]
    old.say("insert into user_sessions (user_id, messages) select 2, '[1]' from generate_series(1, 5)")
    assert "6 messages left out: without role or text: 2/5, 5/1, 6/1, 7/1, 8/1, ...\n" in bring(parley, old)


def progress(parley, database):
    done = parley.run("import-legacy", "-c", parley.config, database.conninfo)
    assert done.returncode == 0
    found = [re.fullmatch(r"(\d+) of (\d+) messages?", line) for line in done.stderr.splitlines()]
    assert all(found), done.stderr
    return [tuple(map(int, line.groups())) for line in found]


def test_progress_ends_with_all(parley, source):
    """What has no message is none, and what is left out is done too."""
    old = source(legacy.SAVES.replace("messages JSONB NOT NULL", "messages JSONB"))
    old.say("insert into users (id) values (1)")
    list_ = json.dumps([{"role": "user", "content": "x"}] * 8 + [7])
    old.say("insert into user_sessions (user_id, messages) values (1, '[]'), (1, null), (1, '{}'), (1, %s)", list_)
    assert progress(parley, old) == [(9, 9)]
    turns = source(legacy.OLD_TURNS)
    turns.say("insert into turns (raw_text, response) values ('in', 'out')")
    assert progress(parley, turns) == [(2, 2)]


def test_progress_of_a_long_run_is_told_meanwhile(parley, source):
    old = much(source, 2000)
    # A row lock that somebody holds for two seconds and a half makes any run a long one.
    bring(parley, old)
    old.say("insert into conversations (user_id, thread_id, role, content) select 'user' || n % 7, 'new', 'user', 'x' from generate_series(1, 70) n")
    connection = parley.postgres.connect("postgres", "parley")
    try:
        with connection.cursor() as cursor:
            cursor.execute("select from parley.user_usage u join parley.legacy_owners o using (user_id) "
                           "where o.source = %s and o.legacy_id = 'user3' for update of u", (old.name,))
            process = subprocess.Popen([*UNPRIVILEGED, binary(), "import-legacy", "-c", parley.config, old.conninfo], env=parley.environment(),
                                       cwd=parley.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(2.5)
    finally:
        connection.close()
    lines = process.communicate(timeout=60)[1].splitlines()
    assert len(lines) >= 2 and lines[-1] == "2070 of 2070 messages", lines
    assert all(line.endswith(" of 2070 messages") and not line.startswith("1 ") for line in lines)


@pytest.mark.parametrize("at, kept", [
    ("2024-02-30T10:00:00Z", False), ("2023-02-29 10:00", False), ("2024-99-99 99:99", False), ("0000-01-01 10:00", False), ("1900-02-29 10:00", False),
    ("2024-01-01 10:00 o'clock", False), ("2024-01-01 10:00+99", False), ("infinity", False), ("2024-02-29T10:00:00.123Z", True),
    ("2000-02-29 10:00:00 UTC", True), ("2024-12-31T23:59:59.999999+05:30", True), ("2024-04-30 00:00:00-0800", True)])
def test_a_text_that_is_no_time_ends_nothing(parley, source, at, kept):
    """Whoever wrote it was a client of the other application: one of them must not keep all others' data there."""
    old = source(legacy.SAVES.replace("TIMESTAMP DEFAULT CURRENT_TIMESTAMP", "TEXT"))
    old.say("insert into users (id) values (1)")
    list_ = [{"role": "user", "content": "x", "timestamp": at}, {"role": "user", "content": "y", "created_at": at}]
    old.say("insert into user_sessions (user_id, messages, created_at, updated_at) values (1, %s, %s, %s)", json.dumps(list_), at, at)
    assert new(bring(parley, old), "saves", "messages") == 2
    person = claim(parley, "1", source=old.name)
    [session] = sessions(person)
    [[moment]] = run_sql(parley, "select case when %s then %s::timestamptz end", kept, at if kept else None)
    [[first, made]] = run_sql(parley, "select m.created_at, s.created_at from parley.chat_messages m join parley.chat_sessions s using (session_id) "
                                      "where session_id = %s and seq = 1", session["session_id"])
    assert (first, made) == (moment, moment) if kept else first.year == made.year == time.gmtime().tm_year
    is_whole(parley)


def test_absurd_totals_and_roles_end_nothing(parley, source):
    """Counting goes on behind any number of tokens, as turns do that are counted; a role as long as a book is none."""
    old = source("create table user_usage (user_id text, total_tokens numeric); "
                 "create table conversations (id int, user_id text, thread_id text, role text, content text)")
    for n, total in enumerate(("9223372036854775807", "1e30", "12")):
        old.say("insert into user_usage values (%s, %s::numeric)", f"u{n}", total)
        old.say("insert into conversations values (%s, %s, 't', 'user', 'x')", n, f"u{n}")
    old.say("insert into conversations values (7, 'u0', 't', repeat('r', 50000000), 'x')")
    report = bring(parley, old)
    assert "1 message left out" in report and counts(report, "usage")["tokens"] == 2 * 10**12 + 12
    for n in range(3):
        person = claim(parley, f"u{n}", source=old.name)
        before = person.get("/chat/sessions").json["total_tokens_used"]
        assert person.post("/chat", {"message": "Hello"}).status == 200
        assert person.get("/chat/sessions").json["total_tokens_used"] > before
    assert "tokens" not in counts(bring(parley, old), "usage")


def test_a_message_that_stands_there_twice_comes_once(parley, source):
    """In a table without a key, or by ids that are one but for the case of their letters."""
    old = source("create table chat_sessions (id text, user_id text, helper text, title text, thread_id text); "
                 "create table chat_messages (id text, session_id text, role text, content text, created_at text);")
    user, session, message = (str(uuid.uuid4()) for _ in range(3))
    old.say("insert into chat_sessions (id, user_id) values (%s, %s), (%s, %s)", session, user, session, user)
    for n, id_ in enumerate((message, message, message.upper(), "other", "other")):
        old.say("insert into chat_messages (id, session_id, role, content, created_at) values (%s, %s, 'user', %s, %s)",
                id_, session, f"text {n}", f"2024-01-01 00:00:0{n}")
    bring(parley, old)
    assert new(bring(parley, old), "helper chats", "messages") == 0
    assert texts(claim(parley, user), session) == [("user", "text 0"), ("user", "text 3")]
    is_whole(parley)


def test_hostile_values_stay_values(parley, source, bob):
    old = source(legacy.THREADS)
    evil = "'); drop table parley.users; --"
    old.say("insert into conversations (user_id, thread_id, role, content) values (%s, %s, 'user', %s)", evil, evil, evil + "\\u0000 \x01 \U0001f600")
    old.say("insert into conversations (user_id, thread_id, role, content) values (%s, %s, 'user', 'for bob?')", "", "t")
    old.say("insert into conversations (user_id, thread_id, role, content) values (%s, 't', 'user', 'long')", "y" * 500)
    report = bring(parley, old)
    assert counts(report, "threads")["owners"] == {"new": 1, "there already": 0, "left out": 2}
    person = claim(parley, evil, source=old.name)
    assert texts(person, sessions(person)[0]["session_id"]) == [("user", evil + "\\u0000 \x01 \U0001f600")]
    assert sessions(bob) == []


def test_bytes_that_are_no_text(parley, source):
    old = source(legacy.HELPER_CHATS + legacy.SAVES + "create table dossier (project_id text, title text, description text);"
                 "create table user_projects (user_id text, project_id text);", encoding="SQL_ASCII")
    user, session = str(uuid.uuid4()), str(uuid.uuid4())
    old.say("insert into chat_sessions (id, user_id, helper, title, thread_id) values (%s, %s, E'\\xff', E'\\xff', E'\\xff')", session, user)
    for n, text in enumerate(("'good'", "E'\\xe4'")):
        old.say(f"insert into chat_messages (session_id, role, content, created_at) values (%s, 'user', {text}, now() + %s * interval '1 second')",
                session, n)
    old.say("insert into users values (1, E'\\xff@x.example', E'\\xff')")
    old.say("insert into dossier values ('p', '', repeat('d', 20000)), (E'\\xff', E'\\xff', E'\\xff')")
    old.say("insert into user_projects values ('1', 'p'), (E'\\xff', E'\\xff')")
    report = bring(parley, old)
    assert "1 message left out: not UTF-8" in report and "1 owner without login" in report
    assert counts(report, "projects")["owners"] == {"new": 0, "there already": 1, "left out": 1}
    person = claim(parley, user)
    assert texts(person, session) == [("user", "good")]


def test_rows_that_a_policy_keeps_back_are_no_silence(parley, source):
    old = source(legacy.SAVES + "alter table user_sessions enable row level security")
    old.say("grant select on users, user_sessions to parley_app")
    bring(parley, old, code=65, conninfo=f"host={parley.postgres.folder} user=parley_app dbname={old.name}")
    bring(parley, old, conninfo=f"host={parley.postgres.folder} user=parley_backup dbname={old.name}")


def test_an_id_may_look_like_an_address(parley, source):
    old = source(legacy.THREADS)
    old.say("insert into conversations (user_id, thread_id, role, content) values ('Who@old.example', 't', 'user', 'x')")
    bring(parley, old)
    assert "Nobody" in claim(parley, "Who@old.example", code=1)
    assert len(sessions(claim(parley, "Who@old.example", source=old.name))) == 1


def test_a_password_is_found_as_libpq_finds_it(parley, source, tmp_path):
    old = source(legacy.SAVES)
    old.say("insert into users (id) values (1); insert into user_sessions (user_id, messages) values (1, '[]'); "
            f"create role {old.name} login password 'two words'; grant select on users, user_sessions to {old.name}")
    access = os.path.join(parley.postgres.data, "pg_hba.conf")
    before = open(access).read()
    with open(access, "w") as file:
        file.write(f"local {old.name} {old.name} scram-sha-256\n" + before)
    old.say("select pg_reload_conf()")
    conninfo = f"host={parley.postgres.folder} user={old.name} dbname={old.name}"
    files = {"pass": f"*:*:*:{old.name}:two words\n", "service": f"[old]\npassword=two words\n" + conninfo.replace(" ", "\n") + "\n"}
    for name, text in files.items():
        path = os.path.join(parley.folder, f"{name}-{old.name}")
        files[name] = path
        with open(path, "w", opener=lambda where, flags: os.open(where, flags, 0o600)) as file:
            file.write(text)
        if UNPRIVILEGED:
            os.chown(path, os.stat(parley.folder).st_uid, -1)
    try:
        for code, conninfo_, more in ((75, conninfo, {}), (0, conninfo, {"PGPASSWORD": "two words"}), (0, conninfo, {"PGPASSFILE": files["pass"]}),
                                      (0, "service=old", {"PGSERVICEFILE": files["service"]})):
            done = subprocess.run([*UNPRIVILEGED, binary(), "import-legacy", "-c", parley.config, conninfo_], env={**parley.environment(), **more},
                                  cwd=parley.folder, capture_output=True, text=True)
            assert done.returncode == code, (more, done.stderr)
            assert "two words" not in done.stdout + done.stderr
    finally:
        with open(access, "w") as file:
            file.write(before)
        old.say(f"select pg_reload_conf(); drop owned by {old.name}; drop role {old.name}")


def test_bad_beginnings(parley, source):
    empty = source("create table unknown (id integer)")
    bring(parley, empty, code=65)
    bring(parley, empty, "--unknown", code=64)
    bring(parley, empty, "--source", "", code=64)
    bring(parley, empty, conninfo="host=/nowhere", code=75)
    for option in ("--match-email", "--match-id"):
        assert option in parley.run("import-legacy", "--help").stdout
    assert "import-legacy" in parley.run("help").stdout
    # A role that passes by the policies writes nothing.
    old = source(legacy.SAVES)
    environment = {**parley.environment(), "PARLEY_DATABASE": f"host={parley.postgres.folder} user=postgres dbname=parley"}
    done = subprocess.run([*UNPRIVILEGED, binary(), "import-legacy", "-c", parley.config, old.conninfo], env=environment, cwd=parley.folder,
                          capture_output=True, text=True)
    assert done.returncode == 78 and "superuser" in done.stderr
    # A role that may not read there is told so.
    old.say("revoke connect on database " + old.name + " from public; create role stranger login; grant connect on database " + old.name
            + " to stranger")
    assert "refuses" in parley.run("import-legacy", "-c", parley.config, f"host={parley.postgres.folder} user=stranger dbname={old.name}").stderr


def peak(process):
    """The most memory that it has had when it ends, in KiB."""
    most = 0
    while process.poll() is None:
        with open(f"/proc/{process.pid}/status") as status:
            most = max([most, *(int(line.split()[1]) for line in status if line.startswith("VmHWM"))])
        time.sleep(0.01)
    return most


def measured(parley, database):
    """Runs the import; answers the most memory that it has had, in KiB, and the report."""
    # What AddressSanitizer keeps of what was freed is not the program's.
    environment = parley.environment()
    environment["ASAN_OPTIONS"] += ":quarantine_size_mb=1"
    process = subprocess.Popen([*UNPRIVILEGED, binary(), "import-legacy", "-c", parley.config, database.conninfo], env=environment,
                               cwd=parley.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    most = peak(process)
    report = process.communicate()[0]
    assert process.returncode == 0
    return most, report


def forget(parley, database):
    """Much that is stored is in the way of whoever compares all of it."""
    run_sql(parley, "delete from parley.users u using parley.legacy_owners o where o.user_id = u.user_id and o.source = %s", database.name)


def test_memory_does_not_grow(parley, source):
    peaks = []
    for count in (2000, 100000):
        old = much(source, count, thread="'thread ' || n % 5", user="'user ' || n % 5")
        peaks.append(measured(parley, old)[0])
        forget(parley, old)
    assert peaks[1] < peaks[0] + 8192, peaks


def test_memory_does_not_grow_with_owners(parley, source):
    """Each with a row of their own, one thread and tokens."""
    peaks = []
    for count in (100, 3000):
        old = much(source, count * 2, thread="'user-u' || n / 2", user="'u' || n / 2")
        old.say(f"create table users (id text primary key, name text); insert into users select 'u' || n, 'Name ' || n from generate_series(0, {count}) n;"
                f"create table user_usage (user_id text, total_tokens int); insert into user_usage select 'u' || n, n from generate_series(0, {count}) n")
        peaks.append(measured(parley, old)[0])
        assert run_sql(parley, "select count(distinct o.user_id), count(*), sum(o.tokens) from parley.legacy_owners o join parley.chat_messages m using (user_id) "
                               "where o.source = %s", old.name)[0][:2] == (count + 1, count * 2)
        forget(parley, old)
    assert peaks[1] < peaks[0] + 4096, peaks


def test_memory_does_not_grow_with_what_stands_in_a_row(parley, source):
    """Five megabytes of each thing that a row may hold, and as much as is kept of each."""
    old, large = much(source, 100), source(legacy.SAVES + legacy.HELPER_CHATS.replace("role TEXT NOT NULL", "role TEXT NOT NULL, metadata JSON"))
    before, _ = measured(parley, old)
    forget(parley, old)
    large.say("insert into users (id, name) select 1, repeat('n', 5000000)")
    large.say("insert into chat_sessions (id, user_id, helper, title, thread_id) select md5('s')::uuid, md5('u')::uuid, repeat('h', 50000), repeat('t', 50000), "
              "repeat('i', 50000)")
    for size, count in ((5000000, 8), (200000, 120)):
        large.say("insert into chat_messages (session_id, role, content, tool_calls, metadata) select md5('s')::uuid, 'user', repeat('c', %s), "
                  "jsonb_build_array(repeat('t', %s)), json_build_object('m', repeat('m', %s)) from generate_series(1, %s)", size, size, min(size, 60000), count)
    large.say("insert into user_sessions (user_id, messages) select 1, jsonb_agg(jsonb_build_object('role', 'user', 'content', 'x', 'more', repeat('m', 5000000))) "
              "from generate_series(1, 8)")
    after, report = measured(parley, large)
    assert counts(report, "helper chats")["messages"] == {"new": 120, "there already": 0, "left out": 8}
    assert "8 messages without metadata: longer than 64 KiB" in report
    forget(parley, large)
    assert after < before + (48 << 10), (before, after)

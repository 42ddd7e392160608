"""The API of users, sessions and projects, by the document that it comes from: its endpoints, headers, samples, functions and tables.

What of it cannot hold literally:
- `user-uuid` and the other stand-ins for ids: real ones take their places;
- X-User-ID alone proves nothing (anybody could send it): it goes beside a token whose subject it must be. Behind a front server that signs
  people in, and only when `trusted_header` is on, it is enough as the samples show it;
- "project_id: ... // Optional: create new project": naming one that is not there makes none (anybody could take another's id), it is made first;
- POST /users names no password: who is made by it could never sign in, so one is needed, behind a trusted front server too;
- users.email, chat_messages.updated_at: an address stands in user_emails, where no policy needs to look at other people's; what is said is stored
  once (an answer's text when its turn ends), so nothing is ever updated;
- turns.project_id: the project is the session's; and turns began at `started_at`;
- dossier is a view, to be read: a project is made with its first member, over HTTP;
- INSERTs with the document's columns: each row carries its user, a message its place in the session, which the API gives.
"""
import contextlib
import json
import re
import uuid

import psycopg2
import pytest

import client as clients
import walk
from nginx_lines import OldAddress, Site, lines
from parley import Parley, free_port
from people import person
from sse import Stream, answered

STORY = {"text": "I want to write a horror story"}
NEXT = {"text": "What should happen next?"}


def as_in_the_samples(user):
    return {"Content-Type": "application/json", "X-User-ID": user.user_id}


def project_of(user):
    return user.post("/api/v1/projects", {"name": "Horror"}).json["project_id"]


@contextlib.contextmanager
def application(parley, user):
    """SQL as the application's role under a person's claim, schema parley in front."""
    connection = parley.postgres.connect("parley_app", re.search(r"dbname=(\S+)", parley.options["database"]).group(1))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("set local search_path = parley, pg_catalog")
            cursor.execute(f"set local parley.user_id = '{uuid.UUID(user.user_id)}'")

            def run(statement, *parameters):
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else cursor.rowcount

            yield run
    finally:
        connection.close()


# The usage examples

def test_starting_a_new_chat_session(alice):
    project = project_of(alice)
    with Stream(alice, "POST", "/api/v1/chat", {**STORY, "project_id": project}, as_in_the_samples(alice)) as stream:
        assert stream.status == 200 and stream.first["type"] == "session" and stream.first["created"]
        assert stream.rest()[-1].type == "done"
    session = alice.get(f"/api/v1/sessions/{stream.first['session_id']}").json
    assert (session["project_id"], session["title"], session["message_count"]) == (project, STORY["text"], 2)


def test_continuing_an_existing_session(alice):
    session = answered(alice, STORY["text"]).first["session_id"]
    with Stream(alice, "POST", "/api/v1/chat", {**NEXT, "session_id": session}, as_in_the_samples(alice)) as stream:
        assert (stream.first["session_id"], stream.first["created"]) == (session, False)
        assert stream.rest()[-1].type == "done"
    said = [message["content"] for message in alice.get(f"/api/v1/sessions/{session}/messages").json if message["role"] == "user"]
    assert said == [STORY["text"], NEXT["text"]]


def test_getting_a_users_sessions(alice):
    sessions = [answered(alice, text).first["session_id"] for text in ("first", "second")]
    listed = alice.get("/api/v1/sessions", headers={"X-User-ID": alice.user_id}).json
    assert [session["session_id"] for session in listed] == sessions[::-1]
    assert all(session["message_count"] == 2 and session["preview"] for session in listed), "with message counts and previews"


# The endpoints

def test_sessions_are_limited(alice):
    for _ in range(12):
        alice.session()
    assert len(alice.get("/api/v1/sessions?limit=10", headers={"X-User-ID": alice.user_id}).json) == 10


def test_messages_are_paginated(alice):
    session = alice.session()
    for number in range(7):
        alice.say(session, str(number))
    page = alice.get(f"/api/v1/sessions/{session}/messages?limit=50&offset=0", headers={"X-User-ID": alice.user_id}).json
    assert [message["content"] for message in page] == list("0123456")
    page = alice.get(f"/api/v1/sessions/{session}/messages?limit=3&offset=3").json
    assert [message["content"] for message in page] == list("345")


def test_a_title_is_updated_and_a_session_deleted(alice):
    session = alice.session()
    headers = {"X-User-ID": alice.user_id}
    answer = alice.put(f"/api/v1/sessions/{session}/title", {"title": "New Session Title"}, headers=headers)
    assert (answer.status, answer.json["title"]) == (200, "New Session Title")
    assert alice.delete(f"/api/v1/sessions/{session}", headers=headers).status == 204
    assert alice.get(f"/api/v1/sessions/{session}").status == 404


def test_users_are_made_and_told_who_they_are(client):
    made = client.post("/api/v1/users", {"email": f"{uuid.uuid4()}@example.org", "password": "long enough", "display_name": "Ann",
                                         "avatar_url": "https://example.org/a.png"})
    assert made.status == 201
    token = {"Authorization": "Bearer " + made.json["access_token"]}
    me = client.get("/api/v1/users/me", headers=token).json
    assert set(me) >= {"user_id", "email", "display_name", "avatar_url", "created_at", "updated_at"}, "the columns of users"
    assert (me["user_id"], me["display_name"]) == (made.json["user_id"], "Ann")


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_message_roles_are_those_of_the_table(alice, role):
    session = alice.session()
    assert alice.say(session, "words", role=role, metadata={"model": "m1"})["role"] == role
    assert alice.get(f"/api/v1/sessions/{session}/messages").json[0]["metadata"] == {"model": "m1"}
    assert alice.post(f"/api/v1/sessions/{session}/messages", {"role": "moderator", "content": "x"}).status == 400


@pytest.mark.parametrize("method, path", [
    ("GET", "/api/v1/sessions/{}/messages"), ("PUT", "/api/v1/sessions/{}/title"), ("DELETE", "/api/v1/sessions/{}")])
def test_ids_are_validated(alice, method, path):
    answer = alice.request(method, path.format("not-a-uuid"), headers=as_in_the_samples(alice), raw=b'{"title":"x"}' if method == "PUT" else None)
    assert answer.status == 404


def test_the_header_alone_proves_nothing(client, alice, bob):
    assert client.get("/api/v1/sessions", headers={"X-User-ID": alice.user_id}).status == 401
    assert bob.get("/api/v1/sessions", headers={"X-User-ID": alice.user_id}).problem == "user_mismatch"


def test_behind_a_trusted_front_server_the_samples_hold_as_they_are(parley):
    with Parley(postgres=parley.postgres) as running:
        path = running.write_secret("front.secret")
        running.configure(trusted_header="on", trusted_header_secret_file=path)
        running.restart()
        user = person(running)
        user.token = None
        with open(path) as file:
            front = {"X-Proxy-Secret": file.read()}  # what the front server adds
        with Stream(user, "POST", "/api/v1/chat", STORY, {**as_in_the_samples(user), **front}) as stream:
            assert stream.rest()[-1].type == "done"
        listed = user.get("/api/v1/sessions", headers={"X-User-ID": user.user_id, **front}).json
        assert [session["title"] for session in listed] == [STORY["text"]]
        unsigned = user.post("/api/v1/users", {"email": f"{uuid.uuid4()}@example.org"}, headers=front)
        assert (unsigned.status, unsigned.problem) == (400, "invalid_field"), "a password is needed here too"


def test_the_documented_lines_serve_an_old_address(parley):
    with OldAddress(lines("v1.md"), postgres=parley.postgres) as site:
        front = site.old()
        made = front.post("/api/v1/users", {"email": f"{uuid.uuid4()}@example.org", "password": "long enough"})
        assert made.status == 201
        front.token = made.json["access_token"]
        headers = {"X-User-ID": made.json["user_id"]}
        assert front.post("/api/v1/chat", STORY, headers=headers).body.endswith(b"\n\n")
        assert front.post("/chat", NEXT, headers=headers).json["response"] == NEXT["text"]
        assert len(front.get("/api/v1/sessions?limit=10", headers=headers).json) == 2
        assert front.get("/").body == b"the old page"


def test_the_documented_lines_of_a_trusted_front_server(parley, monkeypatch):
    """In the shipped site, without the exact address that would win over them."""
    monkeypatch.setattr(clients, "witness", None)  # nginx' own 401
    who, secret = free_port(), "s" * 40
    locations = lines("v1.md", 1).replace("the same secret", secret) + (
        f"location = /who {{ internal; proxy_pass http://127.0.0.1:{who}; proxy_pass_request_body off; proxy_set_header Content-Length ''; }}\n")
    sign_in = f"""
server {{
    listen 127.0.0.1:{who};
    location / {{
        if ($http_cookie = '') {{ return 401; }}
        add_header X-User $http_cookie always;
        return 200;
    }}
}}
"""
    with Site(locations, without=["location = /api/v1/users {"], servers=sign_in, postgres=parley.postgres) as site:
        path = site.write_secret("front.secret")
        with open(path, "w") as file:
            file.write(secret)
        site.configure(trusted_header="on", trusted_header_secret_file=path)
        site.restart()
        alice, bob = person(parley), person(parley)
        front = site.client
        cookie = {"Cookie": alice.user_id}
        with Stream(front, "POST", "/api/v1/chat", STORY, cookie) as stream:
            assert stream.rest()[-1].type == "done"
        assert front.post("/chat", NEXT, headers=cookie).json["thread_id"] == "user-" + alice.user_id
        for spoofed in ({}, {"X-User-ID": bob.user_id}, {"X-User-ID": bob.user_id, "X-Proxy-Secret": "guessed"}):
            assert len(front.get("/api/v1/sessions", headers={**cookie, **spoofed}).json) == 2
            assert front.get("/api/v1/sessions", headers=spoofed).status == 401, "a stranger"
        new = {"email": f"{uuid.uuid4()}@example.org", "password": "long enough"}
        for method, path in (("POST", "/api/v1/users"), ("POST", "/api/v1/auth/signup"), ("POST", "/api/v1/auth/login"), ("POST", "/chat"),
                             ("POST", "/chat/stream"), ("GET", "/chat/sessions"), ("POST", "/api/chat")):
            assert front.request(method, path, **({"body": new} if method == "POST" else {})).status == 401, path


# The tables and functions, in SQL as the application's role

def test_its_functions_answer_the_application_under_row_level_security(parley, alice, bob):
    session = answered(alice, STORY["text"]).first["session_id"]
    with application(parley, alice) as run:
        listed = run("select session_id::text, title, message_count, preview from get_user_sessions(%s, 10)", alice.user_id)
        assert [row[:3] for row in listed] == [(session, STORY["text"], 2)] and listed[0][3]
        assert [row[0] for row in run("select role from get_session_messages(%s, 50, 0)", session)] == ["user", "assistant"]
    with application(parley, bob) as run:
        assert run("select * from get_user_sessions(%s, 10)", alice.user_id) == []
        assert run("select * from get_session_messages(%s, 50, 0)", session) == []


def test_its_trigger_function_keeps_the_sessions_time(parley, alice):
    session = alice.session()
    with application(parley, alice) as run:
        run("update chat_sessions set last_message_at = last_message_at - interval '1 day' where session_id = %s and user_id = %s",
            session, alice.user_id)
        before, = run("select last_message_at from sessions where session_id = %s", session)
        run("select message_append(%s, %s, %s, 'user', 'words', null, null, null, null)", alice.user_id, session, str(uuid.uuid4()))
        after, = run("select last_message_at from sessions where session_id = %s", session)
        assert after > before
        assert run("select proname from pg_proc where proname = 'update_session_last_message'") == [("update_session_last_message",)]


@pytest.mark.parametrize("table, columns", [
    ("users", "user_id display_name avatar_url created_at updated_at"),
    ("sessions", "session_id user_id project_id title created_at updated_at last_message_at is_active"),
    ("chat_messages", "message_id session_id turn_id role content metadata created_at"),
    ("user_projects", "user_id project_id created_at"),
    ("turns", "turn_id session_id user_id"),
    ("dossier", "project_id"),
])
def test_its_tables_can_be_read_by_their_columns(parley, alice, bob, table, columns):
    """But for those that are told at the top."""
    for user in (alice, bob):
        answered(user, STORY["text"], project_id=project_of(user))
    with application(parley, alice) as run:
        names = columns.split()
        rows = run(f"select {', '.join(names)} from {table}")
        assert rows
        if "user_id" in names:
            assert {str(row[names.index("user_id")]) for row in rows} == {alice.user_id}


def test_a_turn_belongs_to_its_session_and_user(parley, alice):
    first = answered(alice, STORY["text"]).first
    with application(parley, alice) as run:
        assert run("select session_id::text, user_id::text from turns where turn_id = %s", first["turn_id"]) == [
            (first["session_id"], alice.user_id)]


def test_turns_are_found_from_their_project(parley, alice, bob):
    """As the document's foreign keys lead, dossier to sessions to turns: one's own, also of a project that is shared."""
    project = project_of(alice)
    walk.share(alice, bob, project)
    turns = {user.user_id: answered(user, STORY["text"], project_id=project).first["turn_id"] for user in (alice, bob)}
    answered(alice, "in no project")
    for user in (alice, bob):
        with application(parley, user) as run:
            joined = run("select d.project_id::text, t.turn_id::text from dossier d join sessions s using (project_id) join turns t using (session_id)")
            assert joined == [(project, turns[user.user_id])]


@pytest.mark.parametrize("statement", [
    "insert into chat_messages (session_id, role, content) values ('{session}', 'user', 'x')",
    "insert into sessions (user_id, title) values ('{user}', 'x')",
    "insert into dossier (title) values ('x')",
    "update dossier set title = 'x'",
    "insert into turns (session_id, user_id) values ('{session}', '{user}')",
    "select email from users", "select updated_at from chat_messages", "select project_id from turns",
], ids=lambda statement: statement[:30])
def test_what_of_its_sql_is_refused(parley, alice, statement):
    session = alice.session(title="kept")
    with pytest.raises(psycopg2.Error), application(parley, alice) as run:
        run(statement.format(session=session, user=alice.user_id))
    assert alice.get(f"/api/v1/sessions/{session}").json["message_count"] == 0


def test_a_user_is_not_made_without_a_password(parley, client):
    answer = client.post("/api/v1/users", {"email": f"{uuid.uuid4()}@example.org", "display_name": "Ann"})
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, ["password"])


# Projects

def test_naming_a_project_makes_none(parley, alice, bob):
    """Nor is another's adopted by it."""
    theirs = project_of(bob)
    before = parley.contents(but=("user_rates",))
    for project in (str(uuid.uuid4()), theirs):
        for path, body in (("/api/v1/chat", STORY), ("/api/v1/sessions", {}), ("/chat", STORY), ("/chat/stream", STORY), ("/api/chat", STORY),
                           ("/api/chat/sessions", {"helper": "coach"})):
            answer = alice.post(path, {**body, "project_id": project})
            assert (answer.status, answer.problem) == (404, "project_not_found"), path
    assert parley.contents(but=("user_rates",)) == before


def test_access_to_a_project_is_by_membership_alone(alice, bob):
    project = project_of(alice)
    for path, body in (("/api/v1/sessions", {"project_id": project}), ("/api/v1/chat", {**STORY, "project_id": project})):
        assert bob.post(path, body).problem == "project_not_found"
    walk.share(alice, bob, project)
    assert bob.post("/api/v1/sessions", {"project_id": project}).status == 201
    assert bob.delete(f"/api/v1/projects/{project}/members/{bob.user_id}").status == 204
    assert bob.post("/api/v1/sessions", {"project_id": project}).problem == "project_not_found"


def test_two_people_share_a_project_and_see_none_of_each_others_sessions(parley, alice, bob):
    project = project_of(alice)
    walk.share(alice, bob, project)
    sessions = {user.user_id: answered(user, f"secret of {user.user_id}", project_id=project).first["session_id"] for user in (alice, bob)}
    for user, other in ((alice, bob), (bob, alice)):
        listed = user.get(f"/api/v1/sessions?project_id={project}").json
        assert [session["session_id"] for session in listed] == [sessions[user.user_id]]
        for path in ("", "/messages", "/stream", "/events"):
            assert user.get(f"/api/v1/sessions/{sessions[other.user_id]}{path}").status == 404
        with application(parley, user) as run:
            assert run("select project_id::text from dossier") == [(project,)]
            assert run("select session_id::text from sessions") == [(sessions[user.user_id],)]
            told = json.dumps([str(row) for row in run("select content from chat_messages")])
            assert user.user_id in told and other.user_id not in told


# Another person at every endpoint

def test_another_person_reaches_nothing(parley, alice, bob):
    session = answered(alice, STORY["text"]).first["session_id"]
    before = parley.contents(but=("user_rates",))
    headers = as_in_the_samples(bob)
    for method, path, body in (
            ("POST", "/api/v1/chat", {**NEXT, "session_id": session}),
            ("GET", f"/api/v1/sessions/{session}/messages?limit=50&offset=0", None),
            ("PUT", f"/api/v1/sessions/{session}/title", {"title": "mine"}),
            ("DELETE", f"/api/v1/sessions/{session}", None)):
        answer = bob.request(method, path, headers=headers, **({} if body is None else {"body": body}))
        assert (answer.status, answer.problem) == (404, "session_not_found"), (method, path)
        answer = bob.request(method, path, headers=as_in_the_samples(alice), **({} if body is None else {"body": body}))
        assert answer.problem == "user_mismatch", (method, path)
    assert bob.get("/api/v1/sessions").json == []
    assert parley.contents(but=("user_rates",)) == before

"""A single thread: the API for front ends with one conversation a person, word by word as conf/dialects/single-thread.md has it."""
import json
import re
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import fastcgi
from frames import Told, history, sessions, split, stream
from nginx_lines import Site, lines
from parley import Parley
from people import person, run_sql
from sse import answered, words

CHAT, STREAM, HISTORY, SESSIONS = "/chat", "/chat/stream", "/chat/history", "/chat/sessions"

# The samples as the API's own text has them. What cannot hold literally:
# - `abc123` is no user: users have UUIDs, so `user-<id>` holds with the caller's own;
# - message_count and total_messages count what a system or a tool said too: they are the session's own count;
# - the monitoring queries are run as parley_backup: row level security is forced, so the role that owns the tables sees no row either.
REQUEST = """{
  "message": "How do I fix my iPhone screen?"
}"""
ANSWER = """{
  "response": "To fix your iPhone screen...",
  "thread_id": "user-abc123"
}"""
FRAMES = """data: {"type": "status", "content": "Searching iFixit..."}
data: {"type": "token", "content": "To"}
data: {"type": "token", "content": " fix"}
data: {"type": "done", "thread_id": "user-abc123"}
"""
HISTORY_ANSWER = """{
  "thread_id": "user-abc123",
  "message_count": 12,
  "messages": [
    {
      "role": "user",
      "content": "How do I fix my phone?",
      "timestamp": "2025-12-15T10:00:00Z"
    },
    {
      "role": "assistant",
      "content": "I can help you with that...",
      "timestamp": "2025-12-15T10:00:05Z"
    }
  ]
}"""
CLEARED = """{
  "success": true,
  "message": "Chat history cleared successfully",
  "thread_id": "user-abc123"
}"""
STATISTICS = """{
  "user_id": "abc123",
  "thread_id": "user-abc123",
  "total_messages": 45,
  "total_tokens_used": 12500,
  "session_start": "2025-12-01T08:00:00Z",
  "last_activity": "2025-12-15T14:30:00Z"
}"""
MONITORING = {
    "all of one": """SELECT * FROM conversations
WHERE thread_id = 'user-abc123'
ORDER BY created_at DESC;""",
    "messages of each": """SELECT user_id, COUNT(*) as message_count
FROM conversations
GROUP BY user_id
ORDER BY message_count DESC;""",
    "active": """SELECT DISTINCT user_id, thread_id, MAX(created_at) as last_active
FROM conversations
WHERE created_at > NOW() - INTERVAL '24 hours'
GROUP BY user_id, thread_id
ORDER BY last_active DESC;""",
    "tokens": """SELECT user_id, total_tokens
FROM user_usage
ORDER BY total_tokens DESC
LIMIT 10;""",
}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


@pytest.fixture(scope="module")
def single(parley):
    """A Parley whose front end knows one thread."""
    with Parley({"single_thread": "on"}, postgres=parley.postgres) as running:
        yield running


@pytest.fixture
def ada(single):
    return person(single)


def own(user):
    return "user-" + user.user_id


def as_ones_own(sample, user):
    """A sample with the caller's id in the place of its own."""
    return json.loads(sample.replace("abc123", user.user_id))


def say(user, message, **more):
    answer = user.post(CHAT, {"message": message}, **more)
    assert answer.status == 200, answer
    return answer.json


# The samples


def test_chat_answers_as_the_sample(ada):
    answer = ada.post(CHAT, raw=REQUEST.encode())
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == list(json.loads(ANSWER))
    assert answer.json == {"response": "How do I fix my iPhone screen?", "thread_id": own(ada)}


def test_the_stream_is_as_the_sample(ada):
    answer = ada.post(STREAM, raw=REQUEST.encode())
    frames = split(answer.body)
    assert set(map(str, map(list, frames))) <= set(map(str, map(list, split(FRAMES.encode()))))
    assert frames[-1] == as_ones_own(FRAMES.splitlines()[-1].removeprefix("data: "), ada)
    assert Told(frames).text == "How do I fix my iPhone screen?"


def test_history_is_as_the_sample(ada):
    say(ada, "How do I fix my phone?")
    answer = ada.get(HISTORY + "?limit=50")
    sample = as_ones_own(HISTORY_ANSWER, ada)
    assert list(answer.json) == list(sample) and list(answer.json["messages"][0]) == list(sample["messages"][0])
    assert (answer.json["thread_id"], answer.json["message_count"]) == (sample["thread_id"], 2)
    assert answer.json["messages"][0]["content"] == sample["messages"][0]["content"]
    assert [message["role"] for message in answer.json["messages"]] == [message["role"] for message in sample["messages"]]
    assert all(re.fullmatch(TIME, message["timestamp"]) for message in answer.json["messages"])


def test_clearing_is_as_the_sample(ada):
    say(ada, "x")
    assert ada.delete(HISTORY).json == as_ones_own(CLEARED, ada)
    assert history(ada) == []


def test_the_statistics_are_as_the_sample(ada):
    """With another member, `sessions`, for front ends of many threads; this one's do not look at it."""
    began = time.time()
    say(ada, "one")
    say(ada, "two")
    told, sample = ada.get(SESSIONS).json, as_ones_own(STATISTICS, ada)
    assert set(told) == set(sample) | {"sessions"}
    assert (told["user_id"], told["thread_id"], told["total_messages"]) == (ada.user_id, own(ada), 4)
    assert told["total_tokens_used"] == ada.get("/api/v1/usage").json["total_tokens"] > 0
    assert re.fullmatch(TIME, told["session_start"]) and re.fullmatch(TIME, told["last_activity"])
    assert told["session_start"] < told["last_activity"] and told["last_activity"] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began - 2))
    assert [entry["id"] for entry in told["sessions"]] == [own(ada)]


def test_the_statistics_are_those_of_the_history(ada):
    """The thread that they name, not what the person has said elsewhere; the tokens are the person's."""
    say(ada, "one")
    session = answered(ada, "elsewhere").first["session_id"]
    stream(ada, "named", f"thread-{session}")
    told, shown = ada.get(SESSIONS).json, ada.get(HISTORY).json
    assert told["thread_id"] == shown["thread_id"] == own(ada)
    assert told["total_messages"] == shown["message_count"] == 2
    last = ada.get("/api/v1/sessions").json[-1]
    assert (told["session_start"], told["last_activity"]) == (last["created_at"], last["last_message_at"])
    assert told["total_tokens_used"] == ada.get("/api/v1/usage").json["total_tokens"]
    assert [entry["id"] for entry in told["sessions"]] == [f"thread-{session}", own(ada)], "the list is of all"


def test_who_never_said_anything(ada):
    assert ada.get(HISTORY).json == {"thread_id": own(ada), "message_count": 0, "messages": []}
    assert ada.get(f"{HISTORY}?thread_id={own(ada)}").json["messages"] == []
    assert ada.get(SESSIONS).json == {"sessions": [], "user_id": ada.user_id, "thread_id": own(ada), "total_messages": 0,
                                      "total_tokens_used": 0, "session_start": None, "last_activity": None}
    assert ada.delete(HISTORY).json["success"] is True
    assert ada.delete(f"{HISTORY}?thread_id={own(ada)}").json["thread_id"] == own(ada)


# One thread


def test_all_messages_are_in_one_thread(ada):
    """"Each user has a unique thread"; "Messages are retrieved on each request to maintain context"."""
    assert say(ada, "My PS5 broke")["thread_id"] == own(ada)
    assert stream(ada, "And now?").thread == own(ada)
    assert say(ada, "Thanks", headers={"Accept": "application/json"})["thread_id"] == own(ada)
    assert history(ada) == [(role, text) for text in ("My PS5 broke", "And now?", "Thanks") for role in ("user", "assistant")]
    assert history(ada, query="limit=1") == [("assistant", "Thanks")]
    assert len(sessions(ada)) == 1


def test_chat_streams_to_who_accepts_that(ada):
    answer = ada.post(CHAT, {"message": "Hello"}, headers={"Accept": "text/event-stream"})
    assert Told(split(answer.body)).text == "Hello" and Told(split(answer.body)).thread == own(ada)


def test_the_one_thread_is_made_once(single, ada):
    """The first messages of two tabs at the same moment: one is told to wait, none is in another thread."""
    def tab(n):
        client = single.client
        client.token = ada.token
        return client.post(CHAT, {"message": f"tab {n}"}).status
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(tab, range(6)))
    assert set(statuses) <= {200, 409} and 200 in statuses
    assert len(sessions(ada)) == 1
    assert len(history(ada)) == 2 * statuses.count(200)


def test_after_clearing_it_begins_anew_under_its_name(ada):
    """"Start fresh conversation", "reset context", and what was said is kept a while for who did not mean it."""
    say(ada, "before")
    session = ada.get("/api/v1/sessions").json[0]["session_id"]
    ada.delete(HISTORY)
    assert say(ada, "after")["thread_id"] == own(ada)
    assert history(ada) == [("user", "after"), ("assistant", "after")]
    assert ada.post(f"/api/v1/sessions/{session}/restore").status == 200
    assert history(ada) == [("user", "after"), ("assistant", "after")], "the name stays with the thread that is gone on with"
    assert history(ada, f"thread-{session}") == [("user", "before"), ("assistant", "before")]


def test_clearing_leaves_what_other_front_ends_have(ada, alice):
    """"Clear conversation history" is of the one conversation that such a front end shows; of many, it is of all (DELETE without a thread)."""
    kept = [answered(ada, "begun elsewhere").first["session_id"], ada.session()]
    say(ada, "cleared")
    assert ada.delete(HISTORY).json["thread_id"] == own(ada)
    assert history(ada) == [] and ada.get(SESSIONS).json["total_messages"] == 0
    assert {session["session_id"] for session in ada.get("/api/v1/sessions").json} == set(kept)
    assert ada.delete(HISTORY).status == 200, "and again, of nothing"
    assert len(ada.get("/api/v1/sessions").json) == 2
    alice.session()
    stream(alice, "x")
    assert alice.delete(HISTORY).status == 200
    assert alice.get("/api/v1/sessions").json == []


def test_tokens_are_counted_also_of_what_was_cleared(ada):
    say(ada, "Hello")
    used = ada.get(SESSIONS).json["total_tokens_used"]
    ada.delete(HISTORY)
    assert ada.get(SESSIONS).json["total_tokens_used"] == used > 0
    assert ada.get(SESSIONS).json["total_messages"] == 0


def test_a_failed_answer_is_a_problem(parley):
    with Parley({"model_url": "http://127.0.0.1:9/v1"}, postgres=parley.postgres) as broken, broken.expecting("5xx"):
        eve = person(broken)
        answer = eve.post(CHAT, {"message": "Hello"})
        assert (answer.status, answer.problem) == (502, "model_unreachable")
        assert history(eve) == [("user", "Hello")], "the message is kept"


def test_a_request_with_a_key_is_done_once(ada):
    first, second = (ada.post(CHAT, {"message": "once"}, headers={"Idempotency-Key": "single-1"}) for _ in range(2))
    assert first.json == second.json and second.headers["Idempotency-Replayed"] == "true"
    assert len(history(ada)) == 2


# Front ends of both kinds on one store


def test_the_option_is_about_streams_without_a_thread(alice, ada):
    assert stream(ada, "x").thread == own(ada)
    assert stream(alice, "x").thread.startswith("thread-")
    assert say(alice, "y")["thread_id"] == own(alice), "POST /chat always means the one thread"


def test_a_thread_that_is_named_wins(ada):
    session = ada.session()
    assert stream(ada, "x", f"thread-{session}").thread == f"thread-{session}"
    assert ada.post(CHAT, {"message": "y", "thread_id": session}).json == {"response": "y", "thread_id": f"thread-{session}"}
    assert history(ada) == []


@pytest.mark.parametrize("option, said, one", [
    ("off", "on", True), ("on", "off", False), ("off", None, False), ("on", None, True), ("on", "nonsense", False), ("on", "", True)])
def test_the_web_server_may_say_it_for_each_site(parley, single, option, said, one):
    running = single if option == "on" else parley
    user = person(running)
    answer = fastcgi.request(running.socket, "POST", STREAM, b'{"message": "x"}',
                             {"Authorization": "Bearer " + user.token, "Content-Type": "application/json"},
                             {} if said is None else {"PARLEY_SINGLE_THREAD": said})
    assert Told(split(answer.body)).thread.startswith("user-" if one else "thread-")


def test_the_documented_lines_of_nginx_say_it(parley):
    with Site(lines("single-thread.md"), postgres=parley.postgres) as site:
        user = person(site)
        assert stream(user, "x").thread == own(user)
        assert say(user, "y")["thread_id"] == own(user)
        assert len(history(user)) == 4
        user.session()
        user.delete(HISTORY)
        assert history(user) == [] and len(user.get("/api/v1/sessions").json) == 1
        assert user.get("/healthz").status == 200


def test_no_client_can_say_it(alice):
    for name in ("PARLEY_SINGLE_THREAD", "Parley-Single-Thread", "HTTP_PARLEY_SINGLE_THREAD"):
        assert stream(alice, "x", headers={name: "on"}).thread.startswith("thread-")


def test_a_project_wants_a_session_of_its_own(ada):
    """The default thread is in no project; the same path with a project makes a session there, as it once did."""
    project = ada.post("/api/v1/projects", {"name": "Horror"}).json["project_id"]
    thread = ada.post(CHAT, {"text": "I want to write a horror story", "project_id": project}).json["thread_id"]
    session = thread.removeprefix("thread-")
    assert ada.get(f"/api/v1/sessions/{session}").json["project_id"] == project
    assert ada.post(CHAT, {"text": "What should happen next?", "session_id": session}).json["thread_id"] == thread
    assert len(history(ada, thread)) == 4 and history(ada) == []


# Who may see it


def test_ones_thread_is_nobody_elses(single, ada):
    say(ada, "secret")
    eve = person(single)
    for answer in (eve.get(f"{HISTORY}?thread_id={own(ada)}"), eve.delete(f"{HISTORY}?thread_id={own(ada)}"),
                   eve.post(CHAT, {"message": "x", "thread_id": own(ada)}), eve.post(STREAM, {"message": "x", "thread_id": own(ada)})):
        assert (answer.status, answer.problem) == (404, "thread_not_found")
    for path in (CHAT, STREAM):
        assert eve.post(path, {"message": "x", "user_id": ada.user_id}).problem == "user_mismatch"
    assert eve.get(HISTORY, headers={"X-User-ID": ada.user_id}).status == 403
    eve.delete(HISTORY)
    assert "secret" not in eve.get(HISTORY).body.decode() + eve.get(SESSIONS).body.decode()
    assert history(ada) == [("user", "secret"), ("assistant", "secret")]
    for method, path in (("POST", CHAT), ("POST", STREAM), ("GET", HISTORY), ("DELETE", HISTORY), ("GET", SESSIONS)):
        assert single.client.request(method, path).status == 401


# Its front end


def reference_reader(chunks):
    """The text's own reader of streams, in Python: each chunk that is read, split into lines, those with `data: ` parsed. What a cut may leave
    behind it does not keep."""
    for chunk in chunks:
        for line in chunk.decode().split("\n"):
            if line.startswith("data: "):
                yield json.loads(line[6:])


def keeping_reader(chunks):
    """The same, keeping the rest of a cut line for the next chunk."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def test_the_documented_reader_reads_the_stream(ada):
    body = ada.post(STREAM, {"message": words(30)}).body
    for cut in (1, 2, 7, 64, len(body)):
        chunks = [body[at:at + cut] for at in range(0, len(body), cut)]
        assert list(keeping_reader(chunks)) == split(body)
    # A chunk for each event, as they come when the model is slower than the line.
    events = [event + b"\n\n" for event in body.split(b"\n\n")[:-1]]
    assert list(reference_reader(events)) == list(reference_reader([body])) == split(body)


def test_each_frame_leaves_in_one_piece(single, ada):
    """The documented reader does not keep the rest of a cut frame: each record that leaves the program ends with a frame."""
    request = fastcgi.Request(single.socket, "POST", STREAM, json.dumps({"message": words(200) + "\n" * 5000}).encode(),
                              {"Authorization": "Bearer " + ada.token})
    request.begin()
    request.end()
    received = b"".join(iter(lambda: request.socket.recv(65536), b""))
    request.close()
    pieces, at = [], 0
    while at < len(received):
        _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", received[at:at + 8])
        if kind == fastcgi.STDOUT and length:
            pieces.append(received[at + 8:at + 8 + length])
        at += 8 + length + padding
    head, _, first = pieces[0].partition(b"\r\n\r\n")
    pieces[0] = first
    assert head.startswith(b"Status: 200") and len(pieces) > 20
    assert all(not piece or piece.endswith(b"\n\n") for piece in pieces)
    assert Told(list(reference_reader(pieces))).text == words(200) + "\n" * 5000


def test_the_documented_calls_of_curl(single, ada):
    say(ada, "Hello")
    for path in (SESSIONS, HISTORY + "?limit=10"):
        out = subprocess.run(["curl", "-sS", "-H", f"Authorization: Bearer {ada.token}", f"http://localhost:{single.port}{path}"],
                             capture_output=True, check=True, timeout=30)
        assert json.loads(out.stdout)["thread_id"] == own(ada)


# Its SQL


def ask(parley, role, user, query):
    """The rows of a query as it stands, of a role; user: whom the claim names."""
    with parley.postgres.connect(role, "parley") as connection, connection.cursor() as cursor:
        cursor.execute("set local search_path = parley")
        if user:
            cursor.execute("select set_config('parley.user_id', %s, true)", (user.user_id,))
        cursor.execute(query)
        return cursor.fetchall()


def monitoring(user):
    return {name: query.replace("abc123", user.user_id) for name, query in MONITORING.items()}


def test_ones_own_rows_by_the_documented_queries(single, ada):
    say(ada, "Hello")
    stream(person(single), "not hers")
    queries = monitoring(ada)
    rows = ask(single, "parley_app", ada, queries["all of one"])
    assert sorted(row[3:5] for row in rows) == [("assistant", "Hello"), ("user", "Hello")]
    assert ask(single, "parley_app", ada, queries["messages of each"]) == [(ada.user_id, 2)]
    assert [row[:2] for row in ask(single, "parley_app", ada, queries["active"])] == [(ada.user_id, own(ada))]
    assert ask(single, "parley_app", ada, queries["tokens"]) == [(ada.user_id, ada.get(SESSIONS).json["total_tokens_used"])]
    for query in queries.values():
        assert ask(single, "parley_app", None, query) == ask(single, "parley_owner", None, query) == []


def test_everybodys_rows_for_who_operates(single, ada):
    """As the role for backups, which reads everything and writes nothing."""
    eve = person(single)
    say(ada, "Hello")
    say(eve, "Hello, too")
    queries = monitoring(ada)
    assert len(ask(single, "parley_backup", None, queries["all of one"])) == 2
    counts = dict(ask(single, "parley_backup", None, queries["messages of each"]))
    assert counts[ada.user_id] == counts[eve.user_id] == 2
    assert {own(ada), own(eve)} <= {row[1] for row in ask(single, "parley_backup", None, queries["active"])}
    run_sql(single, "update parley.user_usage set total_tokens = total_tokens + 2000000000 where user_id = %s", eve.user_id)
    tokens = ask(single, "parley_backup", None, queries["tokens"])
    assert len(tokens) <= 10 and str(tokens[0][0]) == eve.user_id and [row[1] for row in tokens] == sorted((row[1] for row in tokens), reverse=True)


def test_the_roles_of_its_table(single, ada):
    """CHECK (role IN ('user', 'assistant')): what else stands in a session does not show there."""
    say(ada, "Hello")
    session = ada.get("/api/v1/sessions").json[0]["session_id"]
    ada.say(session, "Be brief.", role="system")
    ada.say(session, "{}", role="tool")
    rows = ask(single, "parley_app", ada, "select distinct role from conversations order by 1")
    assert rows == [("assistant",), ("user",)]

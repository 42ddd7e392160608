"""Threads: the API for front ends with many conversations a person, each known by its name, word by word as conf/dialects/threads.md has it."""
import contextlib
import json
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from frames import Told, begin, history, sessions, split, stream
from model import Model
from nginx_lines import OldAddress, lines
from parley import Parley
from people import person, run_sql
from sse import Stream, words

STREAM, HISTORY, SESSIONS = "/chat/stream", "/chat/history", "/chat/sessions"
NAME = re.compile(r"thread-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
COUNTERS = ("user_rates",)

# The samples as the API's own text has them. What cannot hold literally:
# - "thread-abc123" is no `thread-<uuid>`, which is the format that the text itself names: it holds where it was moved from older data alone;
# - `request.thread_id or f"thread-{uuid.uuid4()}"` takes any name: one that the server has not given out, in the right form or not, is 404 here,
#   since whoever may choose a name can ask which names there are;
# - message_count counts what a system or a tool said too, which the history does not show: it is the session's own count;
# - MIGRATION, below: it belongs into the old database, before an import; here `conversations` is a view over what cannot be renamed by SQL.
REQUEST = """{
  "message": "How do I fix my iPhone?",
  "thread_id": "thread-abc123"  // Optional: omit for new chats
}"""
FRAMES = """data: {"type": "status", "content": "Searching iFixit..."}
data: {"type": "token", "content": "To"}
data: {"type": "token", "content": " fix"}
data: {"type": "done", "thread_id": "thread-abc123"}
"""
HISTORY_ANSWER = """{
  "thread_id": "thread-abc123",
  "message_count": 10,
  "messages": [
    {
      "role": "user",
      "content": "How do I fix my iPhone?",
      "timestamp": "2025-12-16T10:30:00Z"
    },
    {
      "role": "assistant",
      "content": "I'll help you with that...",
      "timestamp": "2025-12-16T10:30:15Z"
    }
  ]
}"""
SESSIONS_ANSWER = """{
  "sessions": [
    {
      "id": "thread-abc123",
      "title": "How do I fix my iPhone?",
      "preview": "I'll help you with that. First, identify...",
      "timestamp": "2025-12-16T10:30:15Z",
      "message_count": 10
    }
  ]
}"""

MIGRATION = """UPDATE conversations 
SET thread_id = 'thread-legacy-' || user_id 
WHERE thread_id LIKE 'user-%';"""


def sample_request():
    """The request's JSON without its comment."""
    return json.loads(re.sub(r"\s*//.*", "", REQUEST))


def moved(parley, user, name):
    """A session that has its name from older data, with a question and an answer."""
    session = user.session()
    user.say(session, "How do I fix my iPhone?")
    user.say(session, "I'll help you with that. First, identify the model.", role="assistant")
    run_sql(parley, "update parley.chat_sessions set thread_name = %s where session_id = %s", name, session)
    return session


def shape(value):
    """What a JSON value is made of."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


def unchanged(parley, act):
    before = parley.contents(but=COUNTERS)
    result = act()
    assert parley.contents(but=COUNTERS) == before
    return result


# The samples


def test_the_samples_are_answered_as_they_say(parley, alice):
    """Request, history and list of a thread that has the samples' own name."""
    moved(parley, alice, "thread-abc123")
    answer = alice.post(STREAM, sample_request())
    frames = split(answer.body)
    assert frames[-1] == split(FRAMES.encode())[-1] == {"type": "done", "thread_id": "thread-abc123"}
    assert answer.body.endswith(b'data: {"type": "done", "thread_id": "thread-abc123"}\n\n')
    told = alice.get(HISTORY + "?thread_id=thread-abc123").json
    sample = json.loads(HISTORY_ANSWER)
    assert list(told) == list(sample) and shape(told) == shape(sample)
    assert (told["thread_id"], told["message_count"], told["messages"][0]["content"]) == ("thread-abc123", 4, sample["messages"][0]["content"])
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", message["timestamp"]) for message in told["messages"])
    listed = alice.get(SESSIONS).json
    sample = json.loads(SESSIONS_ANSWER)
    assert shape(listed)["sessions"] == shape(sample)["sessions"]
    assert (listed["sessions"][0]["id"], listed["sessions"][0]["title"]) == ("thread-abc123", "How do I fix my iPhone?")


def test_the_frames_are_lines_of_data_alone(parley, alice):
    """Byte for byte as the sample writes them: blanks behind colon and comma, an empty line behind each, no ids."""
    answer = alice.post(STREAM, {"message": "a \"b\" \u00e9\n\u2028c"})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = answer.body.decode().split("\n")
    assert lines[1::2] == [""] * (len(lines) // 2) and lines[-1] == ""
    for line in lines[:-1:2]:
        assert line.startswith('data: {"type": "token", "content": "') or line == f'data: {{"type": "done", "thread_id": "{Told(split(answer.body)).thread}"}}'
    assert Told(split(answer.body)).text == "a \"b\" \u00e9\n\u2028c"


def test_a_new_chat_gets_a_name(alice):
    """"thread_id = request.thread_id or f"thread-{uuid.uuid4()}"": each message without a name begins another thread."""
    names = [stream(alice, "Hello").thread for _ in range(2)]
    assert all(NAME.fullmatch(name) for name in names) and names[0] != names[1]
    assert {entry["id"] for entry in sessions(alice)} == set(names)
    assert stream(alice, "null is no name", headers=None).thread not in names
    answer = alice.post(STREAM, {"message": "x", "thread_id": None})
    assert NAME.fullmatch(Told(split(answer.body)).thread)


def test_the_user_flows(alice):
    """New chat, continue, switch, reload: as the text tells them."""
    first = stream(alice, "How do I fix my iPhone?").thread
    assert stream(alice, "And then?", first).thread == first
    second = stream(alice, "Another matter").thread
    assert history(alice, first) == [(role, text) for text in ("How do I fix my iPhone?", "And then?") for role in ("user", "assistant")]
    assert history(alice, second) == [("user", "Another matter"), ("assistant", "Another matter")]
    listed = sessions(alice)
    assert [entry["id"] for entry in listed] == [second, first], "newest first"
    assert (listed[1]["title"], listed[1]["preview"], listed[1]["message_count"]) == ("How do I fix my iPhone?", "And then?", 4)
    stream(alice, "Once more", first)
    assert [entry["id"] for entry in sessions(alice)] == [first, second], "a message moves its session to the top"
    assert [entry["timestamp"] for entry in sessions(alice)] == sorted((entry["timestamp"] for entry in sessions(alice)), reverse=True)


def test_title_and_preview_have_the_documented_lengths(alice):
    """"First 50 chars of first user message", "Last 60 chars of last message": the preview shows its first 60, as the sample does."""
    text = "".join(chr(97 + n % 26) for n in range(200))
    stream(alice, text)
    (entry,) = sessions(alice)
    assert (entry["title"], entry["preview"]) == (text[:50], text[:60])


def test_the_model_hears_the_thread_and_no_other(parley):
    """"Sessions are isolated and don't interfere with each other"."""
    with Parley({"history_tokens": 1000}, postgres=parley.postgres) as other:
        alice = person(other)
        stream(alice, "apples")
        thread = stream(alice, "pears").thread
        stream(alice, "plums", thread)
        told = run_sql(other, "select content from parley.conversations where thread_id = %s order by created_at, role desc", thread)
        assert [text for text, in told] == ["pears", "pears", "plums", "plums"]


def test_its_migration_changes_nothing_here(parley, alice):
    alice.post("/chat", {"message": "x"})
    connection = parley.postgres.connect("parley_app", "parley")
    with contextlib.closing(connection), pytest.raises(psycopg2.Error), connection.cursor() as cursor:
        cursor.execute(f"set search_path = parley; set parley.user_id = '{alice.user_id}'")
        cursor.execute(MIGRATION)
    assert sessions(alice)[0]["id"] == "user-" + alice.user_id


def test_a_tools_call_is_a_status(parley):
    """On the stream of threads and on that of helper chats: a line with the tool's name, of the very form of the sample."""
    with Model() as model, Parley({"model_url": model.url, "model_name": "usual"}, postgres=parley.postgres) as running:
        alice = person(running)
        told = stream(alice, "script:tools")
        assert told.frames[:-1] == [{"type": "status", "content": "Using look_up..."}, {"type": "status", "content": "Using count..."}]
        assert set(told.frames[0]) == set(split(FRAMES.encode())[0]) and told.types[-1] == "done"
        with Stream(alice, "POST", "/api/chat", {"message": "script:tools"}, {"Content-Type": "text/plain"}) as other:
            frames = [event.json for event in other.rest()]
        assert frames[:-1] == told.frames[:-1] and frames[-1]["threadId"] == frames[-1]["thread_id"]
        calls = alice.get(f"/api/chat/sessions/{frames[-1]['thread_id'].removeprefix('thread-')}/messages").json["messages"][1]["toolCalls"]
        assert [call["function"]["name"] for call in calls] == ["look_up", "count"]


def test_the_documented_lines_serve_an_old_address(parley):
    with OldAddress(lines("threads.md"), postgres=parley.postgres) as site:
        front = site.old(person(site))
        thread = stream(front, "How do I fix my iPhone?").thread
        assert [entry["id"] for entry in sessions(front)] == [thread] and len(history(front, thread)) == 2
        assert front.post("/chat", {"message": "x"}).status == 200
        assert front.delete(HISTORY).status == 200 and sessions(front) == []
        assert front.get("/").body == b"the old page"


# Sending


@pytest.mark.parametrize("name", ["thread_id", "threadId", "session_id", "sessionId"])
def test_a_thread_has_many_names(alice, name):
    thread = stream(alice, "x").thread
    for value in (thread, thread.removeprefix("thread-"), thread.upper().replace("THREAD", "thread")):
        answer = alice.post(STREAM, {"message": "y", name: value})
        assert Told(split(answer.body)).thread == thread
        assert alice.get(f"{HISTORY}?{name}={value}").json["thread_id"] == thread
    if name != "thread_id":
        assert alice.post(STREAM, {"message": "y", name: thread, "thread_id": str(uuid.uuid4())}).problem == "invalid_field"


def test_two_names_that_say_the_same_do_not_contradict_one_another(alice):
    both = alice.post(STREAM, {"message": "x", "text": "x", "thread_id": None, "sessionId": None, "projectId": None, "project_id": None})
    assert both.status == 200
    thread = Told(split(both.body)).thread
    assert alice.post(STREAM, {"message": "x", "thread_id": None, "threadId": thread}).problem == "invalid_field"


def test_a_sessions_id_and_its_name_are_one(alice):
    """Both were in what the front end was told of the thread, so it may send both; another thread's beside them is a contradiction."""
    thread, other = (stream(alice, text).thread for text in ("x", "another"))
    session = thread.removeprefix("thread-")
    for both in ({"thread_id": thread, "session_id": session}, {"thread_id": session, "sessionId": thread}, {"threadId": thread, "session_id": session.upper()}):
        assert Told(split(alice.post(STREAM, {"message": "y", **both}).body)).thread == thread
        query = "&".join(f"{name}={value}" for name, value in both.items())
        assert alice.get(f"{HISTORY}?{query}").json["thread_id"] == thread
    for both in ({"thread_id": other, "session_id": session}, {"thread_id": "user-" + session, "session_id": session}):
        query = "&".join(f"{name}={value}" for name, value in both.items())
        for answer in (alice.post(STREAM, {"message": "z", **both}), alice.get(f"{HISTORY}?{query}"), alice.delete(f"{HISTORY}?{query}"),
                       alice.delete(HISTORY, both)):
            assert (answer.status, answer.problem) == (400, "invalid_field")
    assert len(history(alice, thread)) == 8 and len(history(alice, other)) == 2


@pytest.mark.parametrize("name", ["message", "text", "content"])
def test_a_message_has_many_names(alice, name):
    assert Told(split(alice.post(STREAM, {name: "Hello"}).body)).text == "Hello"


@pytest.mark.parametrize("kind", [None, "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/json"])
def test_a_body_of_any_content_type_is_json(alice, kind):
    """fetch() with a string as its body says text/plain."""
    answer = alice.post(STREAM, raw=b'{"message": "Hello"}', headers={"Content-Type": kind} if kind else {})
    assert Told(split(answer.body)).text == "Hello"
    answer = alice.post(STREAM, raw=b"message=Hello", headers={"Content-Type": kind} if kind else {})
    assert (answer.status, answer.problem) == (400, "invalid_json")


@pytest.mark.parametrize("body", [
    {}, {"message": ""}, {"message": None}, {"message": 7}, {"message": "x", "thread_id": ""}, {"message": "x", "thread_id": 7},
    {"message": "x", "thread_id": "a\nb"}, {"message": "x", "thread_id": "x" * 201}, {"message": "x", "text": "y"},
    {"message": "x", "project_id": "none"}], ids=repr)
def test_a_wrong_body_stores_nothing(parley, alice, body):
    answer = unchanged(parley, lambda: alice.post(STREAM, body))
    assert (answer.status, answer.problem) == (400, "invalid_field")


def test_a_thread_that_is_not_there_is_not_made(parley, alice, bob):
    """Another's thread and none at all give the same answer."""
    theirs = stream(bob, "secret").thread
    moved(parley, bob, "old-name")
    before = parley.contents(but=COUNTERS)
    for name in (theirs, theirs.removeprefix("thread-"), f"thread-{uuid.uuid4()}", "thread-abc124", "user-" + bob.user_id, "old-name", "nonsense"):
        for ask in (lambda n: alice.post(STREAM, {"message": "x", "thread_id": n}), lambda n: alice.post("/chat", {"message": "x", "thread_id": n}),
                    lambda n: alice.get(f"{HISTORY}?thread_id={n}"), lambda n: alice.delete(f"{HISTORY}?thread_id={n}")):
            answer = ask(name)
            assert (answer.status, answer.problem) == (404, "thread_not_found"), (name, answer)
    assert parley.contents(but=COUNTERS) == before
    assert history(bob, theirs) == [("user", "secret"), ("assistant", "secret")]


def test_a_second_message_while_one_is_answered_waits(alice):
    """"Concurrent messages: no race conditions"."""
    with begin(alice, words(400)) as running:
        running.next()
        (entry,) = sessions(alice)
        answer = alice.post(STREAM, {"message": "x", "thread_id": entry["id"]})
        assert (answer.status, answer.problem) == (409, "turn_in_progress")
        assert history(alice, entry["id"]) == [("user", words(400))], "what is being written is not history yet"
        alice.post(f"/api/v1/sessions/{entry['id'].removeprefix('thread-')}/stop")
        assert running.rest()[-1].json == {"type": "done", "thread_id": entry["id"]}
    assert len(history(alice, entry["id"])) == 2


def test_tabs_are_apart(parley, alice):
    """"Multiple tabs: isolated sessions": eight new chats at once are eight threads."""
    def tab(n):
        client = parley.client
        client.token = alice.token
        return stream(client, f"tab {n}").thread
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(tab, range(8)))
    assert len(set(names)) == 8
    assert all(history(alice, name) == [("user", f"tab {n}"), ("assistant", f"tab {n}")] for n, name in enumerate(names))


def test_a_tab_that_is_closed_loses_nothing(alice):
    with begin(alice, words(60)) as running:
        running.next()
        running.close(reset=True)
    (entry,) = sessions(alice)
    end = time.monotonic() + 20
    while len(history(alice, entry["id"])) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert history(alice, entry["id"]) == [("user", words(60)), ("assistant", words(60))]


def test_a_request_with_a_key_is_done_once(alice):
    key = {"Idempotency-Key": "threads-1"}
    first, second = stream(alice, "once", headers=key), stream(alice, "once", headers=key)
    assert (first.thread, first.text) == (second.thread, second.text)
    assert len(sessions(alice)) == 1 and len(history(alice, first.thread)) == 2
    assert alice.post(STREAM, {"message": "other"}, headers=key).problem == "idempotency_key_reused"
    inside = [stream(alice, "again", first.thread, headers={"Idempotency-Key": "threads-2"}) for _ in range(2)]
    assert inside[0].frames[-1] == inside[1].frames[-1] and len(history(alice, first.thread)) == 4


def test_a_request_that_comes_again_with_a_last_event_id_begins_no_turn(alice):
    thread = stream(alice, "resume me").thread
    for body in ({"message": "resume me"}, {"message": "resume me", "thread_id": thread}):
        told = Told(split(alice.post(STREAM, body, headers={"Last-Event-ID": "0"}).body))
        assert (told.text, told.thread) == ("resume me", thread)
    assert len(history(alice, thread)) == 2
    assert alice.post(STREAM, {"message": "never"}, headers={"Last-Event-ID": "0"}).problem == "turn_not_found"


def test_quotas_hold_as_everywhere(parley):
    with Parley({"quota_turns_per_minute": 2, "quota_sessions": 3}, postgres=parley.postgres) as strict:
        alice = person(strict)
        assert [alice.post(STREAM, {"message": "x"}).status for _ in range(3)] == [200, 200, 429]
        bob = person(strict)
        for _ in range(3):
            bob.session()
        for path in (STREAM, "/chat"):
            answer = bob.post(path, {"message": "x"})
            assert (answer.status, answer.problem) == (429, "too_many_sessions"), path


def test_a_model_that_fails_is_told_as_an_error(parley):
    with Parley({"model_url": "http://127.0.0.1:9/v1"}, postgres=parley.postgres) as broken:
        alice = person(broken)
        frames = split(alice.post(STREAM, {"message": "x"}).body)
        assert frames[-1]["type"] == "error" and frames[-1]["code"] == "model_unreachable" and frames[-1]["content"]
        (entry,) = sessions(alice)
        assert history(alice, entry["id"]) == [("user", "x")], "the message is kept; an answer that says nothing is no history"


# History


def test_history_is_read_in_pieces(alice):
    session = alice.session()
    for n in range(25):
        alice.say(session, f"text {n}", role="assistant" if n % 2 else "user")
    thread = f"thread-{session}"
    answer = alice.get(f"{HISTORY}?thread_id={thread}&limit=10")
    assert [message["content"] for message in answer.json["messages"]] == [f"text {n}" for n in range(15, 25)], "the newest, oldest first"
    assert answer.json["message_count"] == 25
    seen = [message["content"] for message in answer.json["messages"]]
    while link := answer.link("prev"):
        answer = alice.get(link)
        seen = [message["content"] for message in answer.json["messages"]] + seen
    assert seen == [f"text {n}" for n in range(25)]
    assert alice.get(f"{HISTORY}?thread_id={thread}").link("prev") is None


def test_history_has_what_people_and_models_said(alice):
    session = alice.session()
    alice.say(session, "Be brief.", role="system")
    alice.say(session, "What is the time?")
    alice.say(session, "", role="assistant", tool_calls=[{"id": "call_1"}])
    alice.say(session, "noon", role="tool")
    alice.say(session, "Noon.", role="assistant")
    assert history(alice, session) == [("user", "What is the time?"), ("assistant", "Noon.")]


def test_a_long_history_is_bounded(alice):
    session = alice.session()
    for n in range(30):
        alice.say(session, f"{n:02}" + "x" * 250000)
    answer = alice.get(f"{HISTORY}?thread_id={session}")
    kept = [message["content"][:2] for message in answer.json["messages"]]
    assert 4 <= len(kept) < 30 and kept == [f"{n:02}" for n in range(30 - len(kept), 30)]
    assert len(answer.body) < 5 << 20 and answer.link("prev")
    # Six bytes for one, as the answer has to write them.
    for _ in range(30):
        alice.say(session, "\x01" * 40000)
    answer = alice.get(f"{HISTORY}?thread_id={session}")
    assert answer.status == 200 and 2 << 20 < len(answer.body) < 5 << 20 and answer.link("prev")


@pytest.mark.parametrize("query", ["thread_id=", "thread_id", "limit=0", "limit=1001", "limit=x", "before=0", "thread_id=a&threadId=b"])
def test_a_wrong_query_is_400(parley, alice, query):
    stream(alice, "kept")
    for ask in (alice.get, alice.delete):
        if ask == alice.delete and "thread" not in query:
            continue
        answer = unchanged(parley, lambda: ask(f"{HISTORY}?{query}"))  # pylint: disable=cell-var-from-loop
        assert (answer.status, answer.problem) == (400, "invalid_field"), answer


def test_lists_are_not_sent_twice(alice):
    stream(alice, "x")
    for path in (HISTORY, SESSIONS):
        first = alice.get(path)
        assert alice.get(path, headers={"If-None-Match": first.headers["ETag"]}).status == 304


def test_the_list_goes_on(alice):
    names = [stream(alice, f"thread {n}").thread for n in range(5)]
    alice.session(title="Nothing was said here")
    seen, path = [], SESSIONS + "?limit=2"
    while path:
        answer = alice.get(path)
        assert (answer.json["total_messages"], len(answer.json["sessions"])) == (10, 1 if len(seen) == 4 else 2)
        seen += [entry["id"] for entry in answer.json["sessions"]]
        path = answer.link("next")
    assert seen == names[::-1]
    assert alice.get(SESSIONS + "?cursor=x").status == alice.get(SESSIONS + "?limit=1001").status == 400


# Clearing


def test_clearing_one_thread_touches_no_other(parley, alice, bob):
    mine, kept, theirs = stream(alice, "mine").thread, stream(alice, "kept").thread, stream(bob, "theirs").thread
    answer = alice.delete(f"{HISTORY}?thread_id={mine}")
    assert (answer.status, answer.json) == (200, {"success": True, "message": "Chat history cleared successfully", "thread_id": mine})
    assert [entry["id"] for entry in sessions(alice)] == [kept]
    assert alice.get(f"{HISTORY}?thread_id={mine}").problem == "thread_not_found"
    assert alice.delete(f"{HISTORY}?thread_id={mine}").problem == "thread_not_found"
    assert [entry["id"] for entry in sessions(bob)] == [theirs]


@pytest.mark.parametrize("name", ["thread_id", "threadId", "session_id"])
def test_a_thread_that_the_body_names_is_the_one_that_is_cleared(alice, name):
    """Whoever names a thread in the wrong place must not lose the others."""
    gone, kept = stream(alice, "gone").thread, stream(alice, "kept").thread
    answer = alice.delete(HISTORY, {name: gone}, headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.json["thread_id"]) == (200, gone)
    assert alice.delete(HISTORY, {name: gone}).problem == "thread_not_found"
    assert alice.delete(f"{HISTORY}?thread_id={kept}", {name: gone}).problem == "invalid_field"
    assert alice.delete(HISTORY, {name: ""}).problem == "invalid_field"
    assert alice.request("DELETE", HISTORY, raw=b"thread_id=" + kept.encode()).problem == "invalid_json"
    assert [entry["id"] for entry in sessions(alice)] == [kept]
    assert alice.delete(f"{HISTORY}?{name}={kept}", {name: kept}).status == 200


def test_a_thread_named_by_another_word_does_not_clear_all(alice):
    name = stream(alice, "words").thread
    for answer in (alice.delete(f"{HISTORY}?id={name}"), alice.delete(HISTORY, {"id": name})):
        assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, ["id"])
    assert [entry["id"] for entry in sessions(alice)] == [name]


def test_an_answer_has_the_time_of_its_end(alice):
    told = stream(alice, words(20))
    question, answer = (entry["timestamp"] for entry in alice.get(f"{HISTORY}?thread_id={told.thread}").json["messages"])
    assert question < answer == sessions(alice)[0]["timestamp"], "which is that of the session's last message"


def test_clearing_without_a_name_clears_all_of_ones_own(alice, bob):
    """"Without `thread_id`: Deletes ALL user conversations"."""
    names = [stream(alice, f"text {n}").thread for n in range(3)]
    stream(bob, "theirs")
    answer = alice.delete(HISTORY)
    assert (answer.status, answer.json["success"], answer.json["thread_id"]) == (200, True, "user-" + alice.user_id)
    assert sessions(alice) == alice.get("/api/v1/sessions").json == []
    assert alice.get("/api/v1/usage").json["session_count"] == 0
    assert len(sessions(bob)) == 1
    assert alice.delete(HISTORY).status == 200, "nothing to clear is no mistake"
    # Nothing is lost that was cleared by mistake.
    for name in names:
        assert alice.post(f"/api/v1/sessions/{name.removeprefix('thread-')}/restore").status == 200
    assert [entry["id"] for entry in sessions(alice)] == names[::-1]


def test_a_front_end_goes_on_with_a_name_that_was_cleared(alice):
    """Another tab does not know of the clearing: its thread begins anew under the name, and the old one can still be restored."""
    thread = stream(alice, "before").thread
    alice.delete(f"{HISTORY}?thread_id={thread}")
    assert stream(alice, "after", thread).thread == thread
    assert stream(alice, "and on", thread).thread == thread
    assert history(alice, thread)[0] == ("user", "after") and len(history(alice, thread)) == 4
    assert [entry["id"] for entry in sessions(alice)] == [thread]
    assert alice.post(f"/api/v1/sessions/{thread.removeprefix('thread-')}/restore").status == 200
    assert history(alice, thread)[0] == ("user", "before")
    assert len(sessions(alice)) == len({entry["id"] for entry in sessions(alice)}) == 2


def test_a_cleared_name_begins_once(parley, alice):
    thread = stream(alice, "before").thread
    alice.delete(f"{HISTORY}?thread_id={thread}")
    start = threading.Barrier(6)

    def tab(n):
        client = parley.client
        client.token = alice.token
        start.wait()
        return client.post(STREAM, {"message": f"tab {n}", "thread_id": thread}).status
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(tab, range(6)))
    assert set(statuses) <= {200, 409} and 200 in statuses
    assert [entry["id"] for entry in sessions(alice)] == [thread]


# Who calls


@pytest.mark.parametrize("method, path", [("POST", "/chat"), ("POST", STREAM), ("GET", HISTORY), ("DELETE", HISTORY), ("GET", SESSIONS)])
def test_without_a_token_nothing_is_told(parley, alice, method, path):
    """"Auto-logout on 401 responses"."""
    stream(alice, "mine")
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer "}):
        answer = unchanged(parley, lambda: parley.client.request(method, path, headers=headers))  # pylint: disable=cell-var-from-loop
        assert answer.status == 401


def test_a_user_id_in_the_body_is_the_tokens(alice, bob):
    assert alice.post(STREAM, {"message": "x", "user_id": bob.user_id}).problem == "user_mismatch"
    assert alice.post(STREAM, {"message": "x", "userId": alice.user_id}).status == 200


# The same sessions elsewhere


def test_a_thread_is_a_session_like_any_other(alice):
    """What the text calls future: renaming, deleting one, sharing a store with other front ends."""
    thread = stream(alice, "Hello").thread
    session = thread.removeprefix("thread-")
    assert alice.put(f"/api/v1/sessions/{session}/title", {"title": "Renamed"}).status == 200
    assert sessions(alice)[0]["title"] == "Renamed"
    with Stream(alice, "POST", "/api/v1/chat", {"text": "from elsewhere", "session_id": session}) as turn:
        turn.rest()
    assert history(alice, thread)[-1] == ("assistant", "from elsewhere")


def test_the_table_is_there_as_a_view(parley, alice):
    """The columns that the API's own CREATE TABLE names, and its query as one asks it."""
    thread = stream(alice, "Hello").thread
    rows = run_sql(parley, "select id, user_id, thread_id, role, content, created_at from parley.conversations "
                           "where thread_id = %s and user_id = %s order by created_at, role desc", thread, alice.user_id)
    assert [row[1:5] for row in rows] == [(alice.user_id, thread, "user", "Hello"), (alice.user_id, thread, "assistant", "Hello")]

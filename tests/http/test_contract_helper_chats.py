"""Helper chats: the API for front ends that have many sessions for each helper and save both sides of an exchange themselves, as
conf/dialects/helper-chats.md has it.

FrontEnd does what that API's usage examples do, request by request, with the bytes that fetch() sends: a JSON text without a Content-Type, which
goes out as text/plain. What of them cannot hold literally:
- the browser's cookie is no proof, since whatever can make a browser send a request would act as the person: the Authorization header is added;
- thread_id is "the OpenAI thread"; that name never leaves the server, and what stands here is Parley's own;
- projectId is made first (POST /api/v1/projects): one that nobody has made is 404, and another's is not adopted by naming it.
"""
import json
import os
import random
import re
import signal
import threading
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import Answer
from parley import Parley
from people import person, run_sql
from postgres import ROOT
from sse import Stream, words

SESSIONS = "/api/chat/sessions"
CHAT = "/api/chat"
FETCH = {"Content-Type": "text/plain;charset=UTF-8"}

# Both spellings of each name that the examples use.
SESSION = {"id", "user_id", "userId", "project_id", "projectId", "helper", "title", "preview", "thread_id", "threadId", "message_count", "messageCount",
           "is_active", "isActive", "created_at", "createdAt", "updated_at", "updatedAt", "last_message_at", "lastMessageAt"}
MESSAGE = {"id", "session_id", "sessionId", "role", "content", "tool_calls", "toolCalls", "metadata", "status", "created_at", "createdAt"}

# The deployment check, verbatim.
DEPLOY_CHECK = """
-- Check tables created
SELECT tablename FROM pg_tables WHERE tablename LIKE 'chat_%';

-- Check RLS enabled
SELECT tablename, rowsecurity FROM pg_tables 
WHERE tablename IN ('chat_sessions', 'chat_messages');

-- Verify trigger
SELECT tgname FROM pg_trigger 
WHERE tgname = 'update_chat_session_on_message';
"""


def fetch(user, path, method="GET", body=None):
    """fetch(path, {method, body: JSON.stringify(body)})"""
    raw = None if body is None else json.dumps(body, separators=(",", ":")).encode()
    return user.request(method, path, raw=raw, headers=FETCH if raw else None)


class FrontEnd:
    """The chat of one helper, as its usage examples are written."""

    def __init__(self, user, helper=None, project=None):
        self.user, self.helper, self.project = user, helper, project
        self.sessions, self.current, self.messages = [], None, []
        self.streams = []

    def load_sessions(self):
        query = "&".join(f"{name}={value}" for name, value in (("helper", self.helper), ("projectId", self.project)) if value)
        answer = fetch(self.user, f"{SESSIONS}?{query}" if query else SESSIONS)
        assert answer.status == 200, answer
        self.sessions = answer.json["sessions"]
        return self.sessions

    def handle_new_chat(self):
        # 1. Create session in database
        body = {"projectId": self.project, "helper": self.helper, "title": "New Chat"}
        response = fetch(self.user, SESSIONS, "POST", {name: value for name, value in body.items() if value})
        assert response.status == 201, response
        # 2. Add to session list
        session = response.json["session"]
        self.sessions = [session, *self.sessions]
        # 3. Make it active
        self.current, self.messages = session, []
        # 4. Auto-start journey
        self.handle_start_journey(session)
        return session

    def handle_start_journey(self, session):
        """The examples do not say what it does; with a helper's greeting the session has begun already."""
        self.load_session(session)

    def load_session(self, session):
        # 1. Fetch messages
        response = fetch(self.user, f"{SESSIONS}/{session['id']}/messages")
        assert response.status == 200, response
        # 2. Update state
        self.messages, self.current = response.json["messages"], session
        # 3. session.thread_id is used in the next API call
        return self.messages

    def save_message(self, role, content, **more):
        answer = fetch(self.user, f"{SESSIONS}/{self.current['id']}/messages", "POST", {"role": role, "content": content, **more})
        assert answer.status in (200, 201), answer
        return answer

    def send(self, content):
        """POST /api/chat; the stream, opened."""
        body = json.dumps({"threadId": self.current["thread_id"], "message": content})
        stream = Stream(self.user, "POST", CHAT, json.loads(body), FETCH)
        self.streams.append(stream)
        return stream

    def handle_submit_message(self, content):
        # 1. Add to UI immediately
        self.messages.append({"id": int(time.time() * 1000), "role": "user", "content": content})
        # 2. Save to database
        self.save_message("user", content)
        # 3. Send to OpenAI with thread_id
        with self.send(content) as stream:
            assert stream.status == 200, stream.answer
            # 4. Stream response
            stream.rest()
        assert stream.events[-1].type == "done", stream.events
        # 5. Save assistant message to database
        return self.save_message("assistant", stream.text)

    def said(self):
        """What a reload shows."""
        return [(message["role"], message["content"]) for message in self.load_session(self.current)]

    def kept(self):
        """What every branch holds, the database's own word."""
        answer = self.user.get(f"/api/v1/sessions/{self.current['id']}/messages?branches=all&limit=200")
        return [(message["role"], message["content"]) for message in answer.json]


def helper(parley, name, greeting=None):
    run_sql(parley, "insert into parley.helpers (name, display_name, greeting) values (%s, %s, %s) "
                    "on conflict (name) do update set greeting = excluded.greeting", name, name.title(), greeting)
    return name


def project_of(user, name="Horror"):
    return user.post("/api/v1/projects", {"name": name}).json["project_id"]


def wrong_fields(answer):
    assert (answer.status, answer.problem) == (400, "invalid_field"), answer
    return [error["field"] for error in answer.json["errors"]]


def again(parley, user):
    """The same person in another tab."""
    other = parley.client
    other.token, other.user_id = user.token, user.user_id
    return other


@pytest.fixture
def front(parley, alice):
    """A front end with a new chat."""
    front = FrontEnd(alice)
    front.handle_new_chat()
    return front


# The deployment check


@pytest.mark.parametrize("role", ["parley_owner", "parley_app"])
def test_the_deployment_check_passes(parley, role):
    with parley.postgres.connect(role) as connection, connection.cursor() as cursor:
        found = []
        for statement in filter(str.strip, DEPLOY_CHECK.split(";")):
            cursor.execute(statement)
            found.append(cursor.fetchall())
    assert {("chat_sessions",), ("chat_messages",)} == set(found[0])
    assert set(found[1]) == {("chat_sessions", True), ("chat_messages", True)}
    assert found[2] == [("update_chat_session_on_message",)]


# The usage examples


def test_creating_new_chat(parley, alice):
    """handleNewChat: the session is in the list, it is shown as New Chat, and it has begun with the helper's greeting."""
    coach, project = helper(parley, "coach", "Hello. What shall we write?"), project_of(alice)
    front = FrontEnd(alice, coach, project)
    session = front.handle_new_chat()
    assert set(session) == SESSION
    assert (session["title"], session["helper"], session["projectId"], session["user_id"]) == ("New Chat", coach, project, alice.user_id)
    assert session["thread_id"] == session["threadId"] == "thread-" + session["id"]
    assert [message["content"] for message in front.messages] == ["Hello. What shall we write?"]
    assert [entry["id"] for entry in front.load_sessions()] == [session["id"]]
    assert front.sessions[0]["preview"] == "Hello. What shall we write?"


def test_sending_message(front):
    """handleSubmitMessage, word by word: two messages, each stored once."""
    assert front.handle_submit_message("one two three").status == 200, "the assistant's message is there already"
    assert front.said() == front.kept() == [("user", "one two three"), ("assistant", "one two three")]
    (session,) = [entry for entry in front.load_sessions() if entry["id"] == front.current["id"]]
    assert (session["title"], session["preview"], session["message_count"]) == ("one two three", "one two three", 2)


def test_the_same_message_sent_twice_is_there_twice(front):
    for _ in range(3):
        front.handle_submit_message("again")
    assert front.said() == front.kept() == 3 * [("user", "again"), ("assistant", "again")]


def test_a_conversation_goes_on(front):
    for text in ("one", "two", "three"):
        front.handle_submit_message(text)
    expected = [(role, text) for text in ("one", "two", "three") for role in ("user", "assistant")]
    assert front.said() == front.kept() == expected


def test_switching_sessions(front):
    first = front.current
    front.handle_submit_message("in the first")
    second = front.handle_new_chat()
    front.handle_submit_message("in the second")
    assert [message["content"] for message in front.load_session(first)] == 2 * ["in the first"]
    front.handle_submit_message("more in the first")
    assert [message["content"] for message in front.load_session(second)] == 2 * ["in the second"]
    assert all(set(message) == MESSAGE for message in front.messages)
    assert [session["id"] for session in front.load_sessions()][:2] == [first["id"], second["id"]], "the last used comes first"


def test_the_frames_are_as_front_ends_read_them(front):
    front.save_message("user", "one two")
    with front.send("one two") as stream:
        frames = [event.data for event in stream]
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert all(event.id is None for event in stream.events)
    assert "".join(json.loads(frame)["content"] for frame in frames[:-1]) == "one two"
    assert all(frame.startswith('{"type": "token", "content": "') for frame in frames[:-1])
    thread = front.current["thread_id"]
    assert frames[-1] == f'{{"type": "done", "thread_id": "{thread}", "threadId": "{thread}"}}'


def test_one_answer_as_json(front):
    front.save_message("user", "one two")
    answer = front.user.post(CHAT, {"threadId": front.current["threadId"], "message": "one two"}, headers={"Accept": "application/json"})
    assert (answer.status, answer.json) == (200, {"response": "one two", "thread_id": front.current["thread_id"]})


# Exactly once


def test_every_request_of_the_flow_may_be_sent_again(front):
    """As after a lost answer: each step three times."""
    for _ in range(3):
        front.save_message("user", "one two")
    assert front.kept() == [("user", "one two")]
    for _ in range(3):
        with front.send("one two") as stream:
            stream.rest()
        assert (stream.text, stream.events[-1].type) == ("one two", "done")
    assert front.kept() == [("user", "one two"), ("assistant", "one two")]
    for _ in range(3):
        assert front.save_message("assistant", "one two").status == 200
    assert front.said() == front.kept() == [("user", "one two"), ("assistant", "one two")]


def test_a_stream_that_was_cut_is_joined_by_sending_again(parley, front):
    text = words(60)
    front.save_message("user", text)
    stream = front.send(text)
    stream.take(5)
    stream.close(reset=True)
    with front.send(text) as joined:
        joined.rest()
    assert (joined.text, joined.events[-1].type) == (text, "done")
    assert run_sql(parley, "select count(*) from parley.turns where session_id = %s", front.current["id"]) == [(1,)]
    front.save_message("assistant", joined.text)
    assert front.said() == front.kept() == [("user", text), ("assistant", text)]


def test_keys_make_each_request_once_too(front):
    def keyed(path, body, key):
        return front.user.post(path, body, headers={"Idempotency-Key": key, "Accept": "application/json"})
    path, thread = f"{SESSIONS}/{front.current['id']}/messages", front.current["threadId"]
    saved = [keyed(path, {"role": "user", "content": "ok"}, "save") for _ in range(2)]
    assert (saved[0].body, saved[1].headers["Idempotency-Replayed"]) == (saved[1].body, "true")
    sent = [keyed(CHAT, {"threadId": thread, "message": "ok"}, "send") for _ in range(2)]
    assert [answer.json["response"] for answer in sent] == ["ok", "ok"]
    joined = [keyed(CHAT, {"threadId": thread, "message": "ok"}, "another-key") for _ in range(2)]
    assert [(answer.status, answer.json["response"]) for answer in joined] == 2 * [(200, "ok")]
    assert joined[1].headers["Idempotency-Replayed"] == "true"
    assert front.kept() == [("user", "ok"), ("assistant", "ok")]
    assert [keyed(path, {"role": "user", "content": "ok"}, f"{n}").status for n in range(2)] == [201, 201], "each key is a message of its own"


def test_two_tabs_with_the_same_text(parley, front):
    """Both save, both send, both save what they read."""
    other = FrontEnd(again(parley, front.user))
    other.current = front.current
    start, text = threading.Barrier(2), words(15)

    def submit(tab):
        start.wait()
        return tab.handle_submit_message(text).status
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(submit, (front, other))) == [200, 200]
    assert front.said() == front.kept() == [("user", text), ("assistant", text)]


def test_two_tabs_with_different_texts(parley, front):
    """Both save before either sends: one answer is for both, and both tabs read it."""
    other = FrontEnd(again(parley, front.user))
    other.current = front.current
    front.save_message("user", "from one")
    other.save_message("user", "from the other")
    with front.send("from one") as mine, other.send("from the other") as theirs:
        mine.rest()
        theirs.rest()
    assert mine.events[-1].type == theirs.events[-1].type == "done"
    assert mine.text == theirs.text
    assert [tab.save_message("assistant", mine.text).status for tab in (front, other)] == [200, 200]
    assert front.said() == front.kept() == [("user", "from one"), ("user", "from the other"), ("assistant", mine.text)]


def test_a_tab_that_sends_while_the_other_is_answered_is_told_to_wait(parley, front):
    other, text = FrontEnd(again(parley, front.user)), words(60)
    other.current = front.current
    front.save_message("user", text)
    with front.send(text) as mine:
        mine.take(3)
        other.save_message("user", "from the other")
        refused = other.send("from the other")
        assert (refused.status, refused.answer.problem) == (409, "turn_in_progress")
        mine.rest()
    assert front.save_message("assistant", mine.text).status == 200, "though something came behind it"
    with other.send("from the other") as theirs:
        theirs.rest()
    other.save_message("assistant", theirs.text)
    expected = [("user", text), ("assistant", text), ("user", "from the other"), ("assistant", "from the other")]
    assert front.kept() == [expected[n] for n in (0, 1, 2, 3)]
    assert front.said() == expected


def test_three_tabs_at_will_store_each_message_once(parley, front):
    """Each says five things of its own, and sends again when it is told to wait or leaves the stream."""
    texts = [[words(20, f"tab{tab}says{n}x") for n in range(5)] for tab in range(3)]

    def talk(number):
        tab, rng = FrontEnd(again(parley, front.user)), random.Random(number)
        tab.current = front.current
        for text in texts[number]:
            for _ in range(rng.choice((1, 1, 2))):
                tab.save_message("user", text)
            while True:
                with tab.send(text) as stream:
                    if stream.status == 409:
                        time.sleep(0.02)
                    elif rng.random() < 0.3:
                        stream.take(1)
                    elif stream.rest()[-1].type == "done":
                        break
            for _ in range(rng.choice((1, 2))):
                tab.save_message("assistant", stream.text)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(talk, range(3)))
    kept = front.kept()
    assert sorted(content for role, content in kept if role == "user") == sorted(sum(texts, []))
    assert run_sql(parley, "select count(*) from parley.chat_messages where session_id = %s and role = 'assistant' and turn_id is null",
                   front.current["id"]) == [(0,)]
    assert front.said() == kept


def test_a_client_that_does_not_wait_for_its_saving(front):
    """Sending overtakes saving: the text is there once."""
    text = words(30)
    with front.send(text) as stream:
        stream.take(2)
        assert front.save_message("user", text).status == 200
        stream.rest()
    front.save_message("assistant", stream.text)
    assert front.said() == front.kept() == [("user", text), ("assistant", text)]


def test_a_client_that_saves_nothing_itself(front):
    for _ in range(2):
        with front.send("hello") as stream:
            stream.rest()
    assert front.said() == 2 * [("user", "hello"), ("assistant", "hello")]


def test_an_answer_saved_with_white_space_off_is_the_same(front):
    front.save_message("user", "one\n")
    with front.send("one") as stream:
        stream.rest()
    assert front.save_message("assistant", f"  {stream.text}\n").status == 200
    assert front.kept() == [("user", "one\n"), ("assistant", stream.text)]


def test_an_answer_saved_in_part_is_the_same(front):
    front.save_message("user", "one two three")
    with front.send("one two three") as stream:
        stream.rest()
    assert front.save_message("assistant", "one two").status == 200
    assert front.said() == front.kept() == [("user", "one two three"), ("assistant", "one two three")]


@pytest.mark.parametrize("change", [lambda text: text + "\n\n*Sources: none.*", lambda text: f"**{text}**"], ids=["behind it", "around it"])
def test_an_answer_saved_with_more_is_a_version_of_it(front, change):
    """The version is what is shown; the answer as the model gave it stays beside it."""
    front.save_message("user", "one two")
    with front.send("one two") as stream:
        stream.rest()
    changed = change(stream.text)
    assert [front.save_message("assistant", changed).status for _ in range(2)] == [201, 200]
    assert front.said() == [("user", "one two"), ("assistant", changed)]
    assert front.kept() == [("user", "one two"), ("assistant", "one two"), ("assistant", changed)]
    front.handle_submit_message("on")
    assert front.said() == [("user", "one two"), ("assistant", changed), ("user", "on"), ("assistant", "on")]


def test_an_answer_saved_with_other_words_is_another_message(front):
    """Nothing that was shown goes away."""
    front.handle_submit_message("one two")
    assert [front.save_message("assistant", "Something else.").status for _ in range(2)] == [201, 200]
    assert front.said() == front.kept() == [("user", "one two"), ("assistant", "one two"), ("assistant", "Something else.")]


@pytest.mark.parametrize("name", ["tool_calls", "toolCalls"])
def test_tool_calls_are_saved_with_messages(front, name):
    calls = [{"id": "call_1", "type": "function", "function": {"name": "outline", "arguments": "{\"n\": 1.10}"}}]
    front.save_message("user", "one two")
    with front.send("one two") as stream:
        stream.rest()
    answer = front.save_message("assistant", stream.text, **{name: calls})
    assert (answer.status, answer.json["message"]["tool_calls"]) == (201, calls)
    assert front.save_message("assistant", stream.text, **{name: calls}).status == 200
    assert front.save_message("assistant", stream.text).status == 201, "without them it would be another message"
    shown = front.load_session(front.current)
    assert [message["toolCalls"] for message in shown][:2] == [None, calls]


def test_a_stream_that_was_left_goes_on_and_is_saved(front):
    text = words(60)
    front.save_message("user", text)
    stream = front.send(text)
    stream.take(5)
    early = stream.text
    stream.take(35)
    stream.close(reset=True)
    front.save_message("assistant", early)
    assert front.save_message("assistant", stream.text).status == 200, "what was read is part of the answer"
    end = time.monotonic() + 10
    while front.said()[-1][1] != text:
        assert time.monotonic() < end, front.said()
        time.sleep(0.05)
    assert front.kept() == [("user", text), ("assistant", text)]


def test_a_copy_from_before_anything_is_saved_does_not_hide_the_answer(front):
    text = words(40)
    front.save_message("user", text)
    with front.send(text) as stream:
        stream.take(2)
        front.save_message("assistant", stream.text)
        stream.rest()
    assert front.save_message("assistant", stream.text).status == 200
    assert front.said() == [("user", text), ("assistant", text)]


def test_a_model_that_failed_is_asked_again_for_the_same_message(parley):
    """Nobody listens where the model should be; then the built-in one answers."""
    with Parley({"model_url": "http://127.0.0.1:1/v1"}, postgres=parley.postgres) as running:
        front = FrontEnd(person(running))
        front.handle_new_chat()
        front.save_message("user", "hello")
        with front.send("hello") as stream:
            stream.rest()
        assert (stream.events[-1].type, set(stream.events[-1].json)) == ("error", {"type", "content", "code"})
        running.configure(model_url=None)
        running.restart()
        with front.send("hello") as stream:
            stream.rest()
        assert (stream.text, stream.events[-1].type) == ("hello", "done")
        front.save_message("assistant", "hello")
        assert front.said() == [("user", "hello"), ("assistant", "hello")]


# Sessions


def test_sessions_are_apart_by_helper_project_and_person(parley, alice, bob):
    coach, critic = helper(parley, "coach"), helper(parley, "critic")
    horror, comedy = project_of(alice, "Horror"), project_of(alice, "Comedy")
    made = {}
    for name in (coach, critic):
        for project in (horror, comedy):
            made[name, project] = FrontEnd(alice, name, project).handle_new_chat()["id"]
    for (name, project), session in made.items():
        assert [entry["id"] for entry in FrontEnd(alice, name, project).load_sessions()] == [session]
    assert {entry["id"] for entry in FrontEnd(alice, coach).load_sessions()} == {made[coach, horror], made[coach, comedy]}
    assert {entry["id"] for entry in FrontEnd(alice).load_sessions()} == set(made.values())
    assert fetch(alice, f"{SESSIONS}?project_id={horror}&helper=critic").json["sessions"][0]["id"] == made[critic, horror]
    assert FrontEnd(bob, coach).load_sessions() == []
    assert fetch(bob, f"{SESSIONS}?projectId={horror}").json == {"sessions": []}


WORDS = {"Brand Voice": "brand-voice", "brandVoice": "brandvoice", "brand.voice": "brand-voice", "7days": "days", "coach-": "coach-", "Café ☕": "caf",
         "x/?&#%+\"'<\\": "x"}


@pytest.mark.parametrize("word, name", WORDS.items())
def test_a_helper_is_named_in_the_front_ends_own_words(alice, word, name):
    """The text has no form for them. What is kept is made to fit; what the front end compares with is what it wrote."""
    body = {"helper": word, "title": "New Chat"}
    made = fetch(alice, SESSIONS, "POST", body).json["session"]
    assert made["helper"] == word
    other = fetch(alice, SESSIONS, "POST", {"helper": "another"}).json["session"]
    query = f"{SESSIONS}?helper={urllib.parse.quote(word, safe='')}"
    assert fetch(alice, query).json["sessions"] == [made]
    assert [entry["helper"] for entry in fetch(alice, SESSIONS).json["sessions"]] == ["another", name], "who asks for all gets the names as they are kept"
    assert fetch(alice, f"{SESSIONS}?helper={name}").json["sessions"] == [{**made, "helper": name}]
    for body in ({"threadId": made["thread_id"], "message": "x", "helper": word}, {"message": "y", "helper": word}):
        with Stream(alice, "POST", CHAT, body, FETCH) as stream:
            assert stream.rest()[-1].type == "done"
    assert [entry["helper"] for entry in fetch(alice, query).json["sessions"]] == [word, word]
    first = fetch(alice, query + "&limit=1")
    second = alice.get(first.link("next"))
    assert [entry["helper"] for answer in (first, second) for entry in answer.json["sessions"]] == [word, word] and second.link("next") is None
    assert alice.get(f"/api/v1/sessions/{other['id']}").json["helper"] == "another"
    assert {alice.get(f"/api/v1/sessions?helper={urllib.parse.quote(word, safe='')}").status, alice.post("/api/v1/sessions", {"helper": word}).status} == (
        {200, 201} if word == name else {400}), "the canonical API takes names in their own form alone"


def test_the_kept_helper_is_the_one_that_answers(parley, alice):
    """Its greeting begins a session, whatever way it is written."""
    helper(parley, "brand-voice", "Hello, brand.")
    front = FrontEnd(alice, "Brand Voice")
    front.handle_new_chat()
    assert front.said() == [("assistant", "Hello, brand.")]


def test_new_chat_is_no_title(alice):
    front = FrontEnd(alice)
    front.handle_new_chat()
    front.save_message("assistant", "Welcome.")
    assert front.load_sessions()[0]["title"] == "New Chat"
    front.save_message("user", "x" * 80)
    front.save_message("user", "another")
    assert front.load_sessions()[0]["title"] == "x" * 50
    named = fetch(alice, SESSIONS, "POST", {"title": "My plan"}).json["session"]
    front.current = named
    front.save_message("user", "words")
    assert front.load_sessions()[0]["title"] == "My plan"
    for nothing in ({}, {"title": ""}, {"title": None}):
        assert fetch(alice, SESSIONS, "POST", nothing).json["session"]["title"] is None


def test_empty_filters_filter_nothing(alice):
    made = fetch(alice, SESSIONS, "POST", {}).json["session"]["id"]
    assert [entry["id"] for entry in fetch(alice, f"{SESSIONS}?helper=&projectId=").json["sessions"]] == [made]


def test_a_tab_that_goes_on_with_a_deleted_session_stays_with_its_helper(parley, alice):
    helper(parley, "keeper")
    front = FrontEnd(alice, "keeper", project_of(alice))
    front.handle_new_chat()
    assert fetch(alice, f"{SESSIONS}?id={front.current['id']}", "DELETE").status == 200
    with front.send("Are you there?") as told:
        assert told.rest()[-1].type == "done"
    (session,) = front.load_sessions()
    assert (session["helper"], session["projectId"]) == ("keeper", front.project)


def test_a_list_has_all_and_pages(alice):
    made = [fetch(alice, SESSIONS, "POST", {"title": f"Chat {n}"}).json["session"]["id"] for n in range(7)]
    assert [entry["id"] for entry in FrontEnd(alice).load_sessions()] == made[::-1]
    found, path = [], SESSIONS + "?limit=3"
    while path:
        answer = alice.get(path)
        found += [entry["id"] for entry in answer.json["sessions"]]
        path = answer.link("next")
    assert found == made[::-1]
    tag = alice.get(SESSIONS).headers["ETag"]
    assert alice.get(SESSIONS, headers={"If-None-Match": tag}).status == 304


def test_a_list_that_cannot_be_paged_has_a_thousand(parley, alice):
    """Bounded in bytes too: names and titles of the longest, all of it escaped, come in two pieces."""
    alice.session()
    run_sql(parley, """
        insert into parley.chat_sessions (user_id, session_id, title, preview, helper, last_message_at)
        select %s, gen_random_uuid(), 'Chat ' || n, 'x', 'coach', now() - n * interval '1 s' from generate_series(1, 1100) n;
        update parley.user_usage set session_count = session_count + 1100 where user_id = %s""", alice.user_id, alice.user_id)
    whole = fetch(alice, SESSIONS + "?helper=coach")
    assert [entry["title"] for entry in whole.json["sessions"]] == [f"Chat {n}" for n in range(1, 1001)]
    rest = alice.get(whole.link("next"))
    assert [entry["title"] for entry in rest.json["sessions"]] == [f"Chat {n}" for n in range(1001, 1101)] and rest.link("next") is None
    run_sql(parley, """
        update parley.chat_sessions set title = repeat(chr(1), 200), preview = repeat(chr(1), 60), thread_name = repeat(chr(1), 190) || session_id::text::char(8)
        where user_id = %s""", alice.user_id)
    found, address, sizes = [], SESSIONS, []
    while address:
        page = alice.get(address)
        found += [entry["id"] for entry in page.json["sessions"]]
        sizes.append(len(page.body))
        address = page.link("next")
    assert len(found) == len(set(found)) == 1101
    assert 4 << 20 <= sizes[0] < (4 << 20) + 8192 and len(sizes) == 2


@pytest.mark.parametrize("how", ["?id=", "?sessionId=", "?threadId=thread-", "id", "sessionId", "session_id"])
def test_a_session_is_deleted_by_any_of_its_names(alice, how):
    front = FrontEnd(alice)
    session = front.handle_new_chat()["id"]
    path, body = (SESSIONS + how + session, None) if how[0] == "?" else (SESSIONS, {how: session})
    answer = fetch(alice, path, "DELETE", body)
    assert (answer.status, answer.json) == (200, {"success": True})
    assert front.load_sessions() == []
    assert fetch(alice, f"{SESSIONS}/{session}/messages").status == 404
    assert fetch(alice, path, "DELETE", body).problem == "session_not_found"
    assert alice.post(f"/api/v1/sessions/{session}/restore").status == 200


def test_what_is_to_be_deleted_must_be_said_once(alice):
    one, two = (FrontEnd(alice).handle_new_chat()["id"] for _ in range(2))
    assert wrong_fields(fetch(alice, SESSIONS, "DELETE")) == ["id"]
    assert wrong_fields(fetch(alice, SESSIONS, "DELETE", {"id": 5})) == ["id"]
    assert wrong_fields(fetch(alice, f"{SESSIONS}?id={one}", "DELETE", {"id": two})) == ["id"]
    assert wrong_fields(fetch(alice, f"{SESSIONS}?id={one}&sessionId={two}", "DELETE")) == ["id"]
    assert wrong_fields(fetch(alice, SESSIONS, "DELETE", {"sessionId": one, "threadId": "thread-" + two})) == ["sessionId"]
    assert wrong_fields(fetch(alice, SESSIONS, "DELETE", {"threadId": "nonsense"})) == ["id"]
    assert fetch(alice, f"{SESSIONS}?id={one}&sessionId={one}", "DELETE", {"id": one, "threadId": "thread-" + one}).status == 200
    assert [entry["id"] for entry in FrontEnd(alice).load_sessions()] == [two]


def test_both_names_of_a_session_may_be_sent(front):
    """A session has `id` and `thread_id`; a front end that sends the one as sessionId beside the other says one thing."""
    session = {"sessionId": front.current["id"], "threadId": front.current["thread_id"]}
    with Stream(front.user, "POST", CHAT, {**session, "message": "one"}, FETCH) as stream:
        stream.rest()
    assert stream.events[-1].json["threadId"] == front.current["thread_id"]
    assert front.said() == [("user", "one"), ("assistant", "one")]
    assert "sessionId" in wrong_fields(fetch(front.user, CHAT, "POST", {**session, "sessionId": str(uuid.uuid4()), "message": "two"}))
    assert fetch(front.user, SESSIONS, "DELETE", session).json == {"success": True}
    assert front.load_sessions() == []


def test_a_session_with_another_name_is_reached_by_it(parley, front):
    """Of a thread that came with moved data."""
    run_sql(parley, "update parley.chat_sessions set thread_name = 'thread-legacy-7' where session_id = %s", front.current["id"])
    (front.current,) = front.load_sessions()
    assert front.current["thread_id"] == "thread-legacy-7"
    front.handle_submit_message("one")
    assert front.said() == [("user", "one"), ("assistant", "one")]


def test_without_a_thread_a_session_begins(parley, alice):
    coach = helper(parley, "coach", "Hello.")
    project = project_of(alice)
    with Stream(alice, "POST", CHAT, {"threadId": None, "message": "one", "helper": coach, "projectId": project}, FETCH) as stream:
        stream.rest()
    front = FrontEnd(alice, coach, project)
    (session,) = front.load_sessions()
    assert stream.events[-1].json["threadId"] == session["thread_id"]
    front.current = session
    assert front.said() == [("assistant", "Hello."), ("user", "one"), ("assistant", "one")]


def test_a_message_can_be_saved_as_it_was_shown(alice):
    """Each name is there in two spellings; a front end that copies a message sends both back."""
    there, here = (FrontEnd(alice).handle_new_chat()["id"] for _ in range(2))
    for fields in ({"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "tool_calls": [{"id": "1"}]}):
        shown = alice.post(f"{SESSIONS}/{there}/messages", fields).json["message"]
        answer = alice.post(f"{SESSIONS}/{here}/messages", shown)
        assert (answer.status, answer.json["message"]["toolCalls"]) == (201, fields.get("tool_calls"))
    wrong = alice.post(f"{SESSIONS}/{here}/messages", {**fields, "toolCalls": [{"id": "2"}]})
    assert [error["field"] for error in wrong.json["errors"]] == ["toolCalls"]


def test_a_session_of_long_messages_is_read_in_pages(parley, alice):
    session = alice.session()
    alice.say(session, "first")
    run_sql(parley, """
        insert into parley.chat_messages (user_id, session_id, seq, message_id, role, content, tool_calls)
        select user_id, session_id, n, gen_random_uuid(), 'user', 'text ' || n, to_jsonb(array[repeat('z', 250000)])
        from parley.chat_messages, generate_series(2, 40) n where session_id = %s""", session)
    texts, address = [], f"{SESSIONS}/{session}/messages"
    while address:
        page = fetch(alice, address)
        texts = [message["content"] for message in page.json["messages"]] + texts
        assert len(page.body) < 10 << 20
        address = page.link("prev")
    assert texts == ["first", *(f"text {n}" for n in range(2, 41))]


def test_a_long_session_is_read_whole(alice):
    front = FrontEnd(alice)
    session = front.handle_new_chat()["id"]
    alice.post("/api/v1/chat/session", {"session_id": session, "messages": [{"role": "user", "content": f"text {n}"} for n in range(1200)]})
    answer = fetch(alice, f"{SESSIONS}/{session}/messages")
    assert [message["content"] for message in answer.json["messages"]] == [f"text {n}" for n in range(200, 1200)]
    older = fetch(alice, answer.link("prev"))
    assert [message["content"] for message in older.json["messages"]] == [f"text {n}" for n in range(200)]
    assert older.link("prev") is None
    assert len(fetch(alice, f"{SESSIONS}/{session}/messages?limit=2").json["messages"]) == 2


# What is refused


@pytest.mark.parametrize("fields, wrong", [
    ({"role": "robot", "content": "x"}, "role"), ({"content": "x"}, "role"), ({"role": "user"}, "content"), ({"role": "user", "content": ""}, "content"),
    ({"role": "user", "content": 5}, "content"), ({"role": "user", "content": "x" * 262145}, "content"), ({"role": "assistant", "content": "x", "toolCalls": {}}, "toolCalls"),
    ({"role": "user", "content": "x", "metadata": []}, "metadata"), ({"role": "assistant", "content": "x", "toolCalls": [1], "tool_calls": [2]}, "toolCalls"),
], ids=lambda value: str(value)[:40])
def test_a_wrong_message_stores_nothing(front, fields, wrong):
    answer = fetch(front.user, f"{SESSIONS}/{front.current['id']}/messages", "POST", fields)
    assert wrong in wrong_fields(answer)
    assert front.kept() == []


@pytest.mark.parametrize("body, field", [
    ({}, "text"), ({"message": ""}, "message"), ({"message": 5}, "message"), ({"message": "x", "threadId": 5}, "threadId"), ({"message": "x", "threadId": ""}, "threadId"),
    ({"message": "x", "helper": "助手"}, "helper"), ({"message": "x", "helper": "x" * 201}, "helper"), ({"message": "x", "helper": "7"}, "helper"), ({"message": "x", "projectId": "none"}, "projectId"), ({"message": "x", "text": "y"}, "message"),
], ids=str)
def test_a_wrong_chat_begins_nothing(alice, body, field):
    assert field in wrong_fields(fetch(alice, CHAT, "POST", body))
    assert FrontEnd(alice).load_sessions() == []


@pytest.mark.parametrize("query, field", [("helper=%E5%8A%A9", "helper"), ("helper=" + "x" * 201, "helper"), ("projectId=x", "projectId"), ("limit=0", "limit"), ("limit=1001", "limit"), ("cursor=x", "cursor")])
def test_a_wrong_query_is_named(alice, query, field):
    assert wrong_fields(fetch(alice, f"{SESSIONS}?{query}")) == [field]


def test_quotas_hold(parley):
    with Parley({"quota_sessions": 1, "quota_turns_per_minute": 1}, postgres=parley.postgres) as running:
        front = FrontEnd(person(running))
        front.handle_new_chat()
        assert fetch(front.user, SESSIONS, "POST", {}).problem == "too_many_sessions"
        assert fetch(front.user, CHAT, "POST", {"message": "x"}).problem == "too_many_sessions"


# Attacks


def test_another_persons_things_are_like_nothing(parley, alice, bob):
    project = project_of(bob)
    front = FrontEnd(bob, project=project)
    front.handle_new_chat()
    front.handle_submit_message("secret")
    theirs, nothing = (front.current["id"], str(uuid.uuid4()))
    before = parley.contents(but=("user_rates",))

    def attack(session, project):
        yield fetch(alice, f"{SESSIONS}/{session}/messages")
        for role, content in (("user", "secret"), ("assistant", "secret"), ("user", "mine")):
            yield fetch(alice, f"{SESSIONS}/{session}/messages", "POST", {"role": role, "content": content})
        for thread in (session, "thread-" + session):
            for text in ("secret", "mine"):
                yield fetch(alice, CHAT, "POST", {"threadId": thread, "message": text})
        yield fetch(alice, f"{SESSIONS}?id={session}", "DELETE")
        yield fetch(alice, SESSIONS, "DELETE", {"sessionId": session})
        yield fetch(alice, SESSIONS, "POST", {"projectId": project})
        yield fetch(alice, CHAT, "POST", {"projectId": project, "message": "x"})
    for one, other in zip(attack(theirs, project), attack(nothing, str(uuid.uuid4())), strict=True):
        assert one.status == other.status == 404, (one, other)
        assert (one.problem, one.json["detail"]) == (other.problem, other.json["detail"])
    for body in ({"title": "x", "userId": bob.user_id}, {"title": "x", "user_id": bob.user_id}):
        assert fetch(alice, SESSIONS, "POST", body).problem == "user_mismatch"
    assert parley.contents(but=("user_rates",)) == before
    assert front.said() == [("user", "secret"), ("assistant", "secret")]


def test_thread_ids_of_the_provider_never_leave(parley, front):
    run_sql(parley, "update parley.chat_sessions set provider_thread_id = 'thread_of_the_provider' where session_id = %s", front.current["id"])
    session = front.current["id"]
    answers = [fetch(front.user, path) for path in (SESSIONS, f"{SESSIONS}/{session}/messages", "/api/v1/sessions", f"/api/v1/sessions/{session}",
                                                    "/api/v1/chat/sessions")]
    answers.append(front.save_message("user", "x"))
    with front.send("x") as stream:
        stream.rest()
    answers.append(Answer(200, stream.headers, "".join(event.data for event in stream.events).encode()))
    assert not [answer for answer in answers if b"thread_of_the_provider" in answer.body]


def test_a_cookie_alone_is_no_proof(alice):
    stranger = alice.anonymous()
    for path, method in ((SESSIONS, "GET"), (SESSIONS, "POST"), (CHAT, "POST")):
        answer = stranger.request(method, path, raw=b'{"message": "x"}' if method == "POST" else None,
                                  headers={**FETCH, "Cookie": f"parley_token={alice.token}", "Sec-Fetch-Site": "same-origin"})
        assert answer.status == 401


def test_nginx_makes_the_header_of_the_cookie(parley):
    """The lines of conf/dialects/helper-chats.md, where it says that they stand."""
    with open(os.path.join(ROOT, "conf", "dialects", "helper-chats.md")) as file:
        lines = re.findall(r"```nginx\n(.*?)```", file.read(), re.S)
    with Parley(postgres=parley.postgres) as running:
        for name, text, where in (("parley.conf", lines[0], 0), ("fastcgi_parley", lines[1], 1)):
            path = os.path.join(running.folder, "parley", name)
            with open(path) as file:
                parts = [file.read(), text]
            with open(path, "w") as file:
                file.write("\n".join(parts if where else parts[::-1]))
        running.nginx.send_signal(signal.SIGHUP)
        user = person(running)
        cookie, same = {"Cookie": f"a=b; parley_token={user.token}"}, {"Sec-Fetch-Site": "same-origin"}
        stranger = user.anonymous()

        def status(**headers):
            stranger.close()
            return stranger.get(SESSIONS, headers={name.replace("_", "-"): value for name, value in headers.items()}).status
        end = time.monotonic() + 10
        while status(**cookie, **same) != 200:
            assert time.monotonic() < end, "nginx does not take the lines"
            time.sleep(0.05)
        assert status(Authorization="Bearer " + user.token) == 200
        for headers in ({}, cookie, same, {**cookie, "Sec-Fetch-Site": "same-site"}, {**cookie, "Sec-Fetch-Site": "cross-site"},
                        {"Cookie": "parley_token=x y", **same}, {**cookie, **same, "Authorization": "Bearer x"}):
            assert status(**headers) == 401, headers

"""Turns: a text is sent, its answer streamed and stored, made anew, stopped; one at a time in a session, within quotas.

The built-in model says again what it was told, a word every 20 ms.
"""
import json
import random
import socket
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

import fastcgi
from parley import UNPRIVILEGED, Parley, binary
from people import person, run_sql, steady_minute
from sse import Stream, answered, chat, text_of, watch, words

PATH = "/api/v1/chat"
SESSIONS = "/api/v1/sessions"
LONG = words(1000)


def messages(user, session, query=""):
    answer = user.get(f"{SESSIONS}/{session}/messages{query}")
    assert answer.status == 200, answer
    return answer.json


def contents(user, session, query=""):
    return [message["content"] for message in messages(user, session, query)]


def session_of(user, session):
    answer = user.get(f"{SESSIONS}/{session}")
    assert answer.status == 200, answer
    return answer.json


def regenerate(user, session, message, **more):
    return Stream(user, "POST", f"{SESSIONS}/{session}/messages/{message}/regenerate", **more)


def stop(user, session):
    return user.post(f"{SESSIONS}/{session}/stop")


def as_json(user, body, **headers):
    """A turn whose answer is one JSON document."""
    return user.post(PATH, body, headers={"Accept": "application/json", **headers})


def again(parley, user):
    """The same person at another device."""
    other = parley.client
    other.token = user.token
    return other


def wrong_fields(answer):
    assert (answer.status, answer.problem) == (400, "invalid_field"), answer
    return [error["field"] for error in answer.json["errors"]]


def turn_rows(parley, user):
    return run_sql(parley, "select turn_id::text, status from parley.turns where user_id = %s order by turn_id", user.user_id)


def settled(read, seconds=10):
    """The first value of read() that is not None, within so long."""
    end = time.monotonic() + seconds
    while (value := read()) is None:
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return value


# A text and its answer


def test_a_new_session_is_told_first_and_the_end_last(alice):
    with chat(alice, "one two three") as turn:
        assert turn.status == 200
        first = turn.first
        turn.rest()
    assert set(first) == {"type", "session_id", "turn_id", "message_id", "user_message_id", "title", "created"}
    assert (first["type"], first["title"], first["created"]) == ("session", "one two three", True)
    for name in ("session_id", "turn_id", "message_id", "user_message_id"):
        assert uuid.UUID(first[name]).version == 7
    done = turn.events[-1].json
    assert {event.type for event in turn.events[1:-1]} == {"token"}
    assert turn.text == "one two three"
    assert {name: done[name] for name in ("type", "session_id", "thread_id", "turn_id", "message_id", "status", "finish_reason", "title")} == {
        "type": "done", "session_id": first["session_id"], "thread_id": first["session_id"], "turn_id": first["turn_id"],
        "message_id": first["message_id"], "status": "complete", "finish_reason": "stop", "title": "one two three"}
    assert done["usage"]["total_tokens"] == done["usage"]["prompt_tokens"] + done["usage"]["completion_tokens"] > 0
    assert done["usage"]["estimated"] is True


def test_ids_grow_by_what_the_events_say(alice):
    turn = answered(alice, "ein Gruß ☕ 👩‍👩‍👧 und mehr")
    at = 0
    for event in turn.events:
        at += len(event.content.encode()) or 1
        assert event.id == at, event
    assert [event.type for event in turn.events].count("done") == 1


def test_words_come_as_they_are_written(alice):
    with chat(alice, words(40)) as turn:
        began = turn.events[0].at - turn.begun
        tokens = [event for event in turn.rest() if event.type == "token"]
    assert began < 0.5
    assert len(tokens) > 10
    assert tokens[-1].at - tokens[0].at > 0.4


@pytest.mark.parametrize("text", [
    "data: {\"type\":\"done\"}\n\nid: 9\n\n", " ", "\n", "\r\n\r\nevent: x\r\n", "wörld ☕ 👩‍👩‍👧 \u202e\u0001\u007f\u2028\u2029", "\\\"/\b\f\t",
    "<script>alert(1)</script>", "'; drop table parley.turns; --", "%s%n\\u0000", "\ud7ff\ue000\ufeff\ufffd\U0010ffff", "x" * 1500, "☕" * 500,
], ids=lambda text: repr(text)[:24])
def test_any_text_is_answered_as_it_was(alice, text):
    turn = answered(alice, text)
    assert turn.text == text
    assert contents(alice, turn.first["session_id"]) == [text, text]


def test_what_is_told_is_stored(alice):
    text = "word " * 30 + "end"
    turn = answered(alice, text)
    first, usage = turn.first, turn.events[-1].json["usage"]
    question, answer = messages(alice, first["session_id"])
    assert (question["message_id"], question["role"], question["content"]) == (first["user_message_id"], "user", text)
    assert (answer["message_id"], answer["role"], answer["content"]) == (first["message_id"], "assistant", text)
    assert (question["parent_id"], answer["parent_id"]) == (None, question["message_id"])
    assert (question["seq"], answer["seq"]) == (1, 2)
    assert question["turn_id"] == answer["turn_id"] == first["turn_id"]
    assert (question["status"], answer["status"]) == ("complete", "complete")
    assert (question["tokens"], answer["tokens"]) == (None, usage["completion_tokens"])
    session = session_of(alice, first["session_id"])
    assert (session["title"], session["preview"], session["message_count"]) == (text[:50], text[:60], 2)
    assert session["last_message_at"] >= answer["created_at"]
    assert alice.get(SESSIONS).json == [session]


def test_a_turn_in_a_session_goes_on_in_it(alice):
    session = alice.session(title="Mine")
    alice.say(session, "before")
    with chat(alice, "more words", session_id=session) as turn:
        assert (turn.first["session_id"], turn.first["created"], turn.first["title"]) == (session, False, "Mine")
        turn.rest()
    answered(alice, "and more", session_id=session)
    assert contents(alice, session) == ["before", "more words", "more words", "and more", "and more"]
    listed = messages(alice, session)
    assert [message["parent_id"] for message in listed[1:]] == [message["message_id"] for message in listed[:-1]]
    assert session_of(alice, session)["message_count"] == 5
    assert len(alice.get(SESSIONS).json) == 1


def test_a_new_session_may_be_in_a_project(alice):
    project = alice.post("/api/v1/projects", {"name": "P"}).json["project_id"]
    turn = answered(alice, "x", project_id=project, model="any-model")
    assert session_of(alice, turn.first["session_id"])["project_id"] == project


def test_the_end_is_told_when_all_is_stored(parley, alice):
    """What is fetched at `done` is whole."""
    for text in ("one", words(10), words(20)):
        with chat(alice, text) as turn:
            turn.until(lambda event: event.type == "done")
            assert contents(alice, turn.first["session_id"]) == [text, text]
            assert messages(alice, turn.first["session_id"])[1]["status"] == "complete"
            assert turn_rows(parley, alice)[-1] == (turn.first["turn_id"], "complete")


def test_an_end_that_cannot_be_stored_is_not_told(parley, alice):
    """The session's row is held by somebody else for a while."""
    with chat(alice, words(5)) as turn, ThreadPoolExecutor(1) as pool:
        holder = parley.postgres.connect("postgres")
        try:
            with holder.cursor() as cursor:
                cursor.execute("select from parley.chat_sessions where session_id = %s for update", (turn.first["session_id"],))
            reader = pool.submit(turn.rest)
            time.sleep(1.2)
            assert not reader.done()
            held_until = time.monotonic()
        finally:
            holder.close()
        events = reader.result(10)
    assert text_of(events) == words(5)
    assert events[-1].type == "done" and events[-1].at > held_until
    assert events[-2].at < held_until
    assert contents(alice, turn.first["session_id"]) == [words(5)] * 2


def test_the_header_block_lets_events_through(parley, alice):
    """As the web server gets it: nginx keeps X-Accel-Buffering to itself."""
    answer = fastcgi.request(parley.socket, "POST", PATH, json.dumps({"text": "x"}).encode(),
                             {"Authorization": "Bearer " + alice.token, "X-Request-Id": "my-request-0001"})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-request-id"] == "my-request-0001"
    assert "content-length" not in answer.headers
    assert answer.body.startswith(b"id: 1\ndata: {") and answer.body.endswith(b"}\n\n")


def test_a_stream_through_nginx_has_the_usual_headers(alice):
    turn = answered(alice, "x")
    assert turn.headers["X-Content-Type-Options"] == "nosniff"
    assert turn.headers["Cache-Control"] == "no-store"
    assert len(turn.headers.get_all("X-Request-Id")) == 1
    assert turn.headers["Content-Length"] is None


# Its fields


@pytest.mark.parametrize("name", ["text", "content", "message"])
def test_the_text_goes_by_three_names(alice, name):
    with Stream(alice, "POST", PATH, {name: "the text"}) as turn:
        turn.rest()
    assert turn.text == "the text"


@pytest.mark.parametrize("name", ["session_id", "thread_id", "threadId"])
def test_the_session_goes_by_three_names(alice, name):
    session = alice.session()
    turn = answered(alice, "x", **{name: session})
    assert turn.first["session_id"] == session


@pytest.mark.parametrize("fields, field", [
    ({}, "text"), ({"text": None}, "text"), ({"text": ""}, "text"), ({"text": 5}, "text"), ({"text": ["x"]}, "text"), ({"text": {}}, "text"),
    ({"text": "x" * 262145}, "text"), ({"text": "☕" * 87382}, "text"), ({"message": "x" * 262145}, "message"),
    ({"text": "x", "message": "y"}, "message"), ({"content": "x", "text": "y"}, "text"), ({"text": "x", "message": None}, "message"),
    ({"text": "x", "session_id": "x"}, "session_id"), ({"text": "x", "session_id": 5}, "session_id"), ({"text": "x", "session_id": ""}, "session_id"),
    ({"text": "x", "session_id": "a" * 36}, "session_id"), ({"text": "x", "project_id": "p"}, "project_id"), ({"text": "x", "helper": "No Name"}, "helper"),
    ({"text": "x", "helper": "h" * 65}, "helper"), ({"text": "x", "helper": 1}, "helper"), ({"text": "x", "model": "m" * 201}, "model"),
    ({"text": "x", "model": {}}, "model"), ({"text": "x", "parent_message_id": "p"}, "parent_message_id"),
    ({"text": "x", "parent_message_id": str(uuid.uuid4())}, "parent_message_id"), ({"text": "x", "parent_message_id": None}, "parent_message_id"),
], ids=lambda value: str(value)[:40])
def test_a_wrong_field_begins_nothing(parley, alice, fields, field):
    assert wrong_fields(alice.post(PATH, fields)) == [field]
    assert alice.get(SESSIONS).json == []
    assert turn_rows(parley, alice) == []


def test_two_names_with_two_sessions_are_refused(alice):
    first, second = alice.session(), alice.session()
    assert wrong_fields(alice.post(PATH, {"text": "x", "session_id": first, "thread_id": second})) == ["thread_id"]
    assert answered(alice, "x", session_id=first, thread_id=first).first["session_id"] == first


def test_the_longest_text_is_taken(alice):
    with chat(alice, "x" * 262144) as turn:
        assert turn.status == 200
        session = turn.first["session_id"]
        turn.take(3)
        assert stop(alice, session).status == 202
        turn.rest()
    assert contents(alice, session)[0] == "x" * 262144


@pytest.mark.parametrize("field, code", [("session_id", "session_not_found"), ("project_id", "project_not_found")])
def test_what_is_not_there_is_not_found(parley, alice, field, code):
    answer = alice.post(PATH, {"text": "x", field: str(uuid.uuid4())})
    assert (answer.status, answer.problem) == (404, code)
    assert turn_rows(parley, alice) == []
    assert alice.get(SESSIONS).json == []


def test_a_hidden_session_takes_no_text(alice):
    session = alice.session()
    alice.delete(f"{SESSIONS}/{session}")
    assert alice.post(PATH, {"text": "x", "session_id": session}).problem == "session_not_found"


def test_nobody_may_not_ask(client):
    answer = client.post(PATH, {"text": "x"})
    assert (answer.status, answer.problem) == (401, "unauthenticated")


# Branches


def test_an_edit_is_a_sibling_branch(alice):
    session = answered(alice, "one").first["session_id"]
    answer = messages(alice, session)[1]["message_id"]
    answered(alice, "two", session_id=session)
    edited = answered(alice, "better", session_id=session, parent_message_id=answer)
    assert contents(alice, session) == ["one", "one", "better", "better"]
    assert contents(alice, session, "?branches=all") == ["one", "one", "two", "two", "better", "better"]
    shown = messages(alice, session)
    assert (shown[2]["message_id"], shown[2]["parent_id"]) == (edited.first["user_message_id"], answer)
    assert [(message["sibling_index"], message["sibling_count"]) for message in shown] == [(1, 1), (1, 1), (2, 2), (1, 1)]
    listed = session_of(alice, session)
    assert (listed["message_count"], listed["preview"], listed["title"]) == (4, "better", "one")


def test_the_first_text_can_be_edited_too(alice):
    session = answered(alice, "first try").first["session_id"]
    answered(alice, "second try", session_id=session, parent_message_id=None)
    shown = messages(alice, session)
    assert [message["content"] for message in shown] == ["second try"] * 2
    assert [(message["sibling_index"], message["sibling_count"]) for message in shown] == [(2, 2), (1, 1)]
    assert shown[0]["parent_id"] is None
    switched = alice.put(f"{SESSIONS}/{session}/active", {"message_id": messages(alice, session, "?branches=all")[0]["message_id"]})
    assert (switched.status, switched.json["preview"]) == (200, "first try")
    assert contents(alice, session) == ["first try"] * 2


def test_a_parent_has_to_be_in_the_session(alice):
    session = answered(alice, "here").first["session_id"]
    elsewhere = answered(alice, "elsewhere").first["message_id"]
    for parent in (elsewhere, str(uuid.uuid4())):
        answer = alice.post(PATH, {"text": "x", "session_id": session, "parent_message_id": parent})
        assert (answer.status, answer.problem) == (404, "message_not_found")
    assert contents(alice, session, "?branches=all") == ["here"] * 2


def test_another_answer_is_a_sibling_of_the_first(parley, alice):
    turn = answered(alice, "question")
    session, question, first = (turn.first[name] for name in ("session_id", "user_message_id", "message_id"))
    with regenerate(alice, session, first) as second:
        assert second.status == 200
        second.rest()
    event = second.events[0].json
    assert (event["session_id"], event["user_message_id"], event["created"]) == (session, question, False)
    assert event["message_id"] not in (first, question) and event["turn_id"] != turn.first["turn_id"]
    assert (second.text, second.events[-1].json["status"]) == ("question", "complete")
    shown = messages(alice, session)
    assert [message["message_id"] for message in shown] == [question, event["message_id"]]
    assert (shown[1]["sibling_index"], shown[1]["sibling_count"], shown[1]["parent_id"]) == (2, 2, question)
    assert session_of(alice, session)["message_count"] == 2
    switched = alice.put(f"{SESSIONS}/{session}/active", {"message_id": first})
    assert switched.status == 200
    shown = messages(alice, session)
    assert [(message["message_id"], message["sibling_index"]) for message in shown] == [(question, 1), (first, 1)]
    assert shown[1]["sibling_count"] == 2


def test_a_question_is_answered_anew_too(alice):
    turn = answered(alice, "question")
    session, question = turn.first["session_id"], turn.first["user_message_id"]
    answered(alice, "next", session_id=session)
    with regenerate(alice, session, question, body={"model": "another"}) as second:
        second.rest()
    assert contents(alice, session) == ["question", "question"]
    assert messages(alice, session)[1]["sibling_index"] == 2
    with regenerate(alice, session, messages(alice, session)[1]["message_id"], body={}) as third:
        third.rest()
    shown = messages(alice, session)[1]
    assert (shown["message_id"], shown["sibling_index"], shown["sibling_count"]) == (third.first["message_id"], 3, 3)


def test_what_answers_nobody_cannot_be_answered_anew(parley, alice):
    session = alice.session()
    greeting = alice.say(session, "Hello", role="assistant")
    rule = alice.say(session, "Be kind", role="system")
    for message in (greeting, rule):
        answer = alice.post(f"{SESSIONS}/{session}/messages/{message['message_id']}/regenerate")
        assert (answer.status, answer.problem) == (409, "not_an_answer")
        assert answer.headers["X-Should-Retry"] == "false"
    assert contents(alice, session, "?branches=all") == ["Hello", "Be kind"]
    assert turn_rows(parley, alice) == []


@pytest.mark.parametrize("body, field", [({"model": 5}, "model"), ({"model": "m" * 201}, "model")])
def test_another_answer_has_its_fields_too(alice, body, field):
    session = alice.session()
    message = alice.say(session, "x")["message_id"]
    assert wrong_fields(alice.post(f"{SESSIONS}/{session}/messages/{message}/regenerate", body)) == [field]


def test_a_message_elsewhere_cannot_be_answered_anew_here(alice):
    session, elsewhere = alice.session(), answered(alice, "x").first["message_id"]
    for message in (elsewhere, str(uuid.uuid4()), "x"):
        assert alice.post(f"{SESSIONS}/{session}/messages/{message}/regenerate").status == 404


# One at a time


def test_a_second_text_has_to_wait(parley, alice):
    with chat(alice, LONG) as turn:
        session = turn.first["session_id"]
        for path, body in ((PATH, {"text": "second", "session_id": session}),
                           (f"{SESSIONS}/{session}/messages/{turn.first['user_message_id']}/regenerate", {})):
            answer = alice.post(path, body, headers={"Idempotency-Key": "again-" + path[-5:]})
            assert (answer.status, answer.problem) == (409, "turn_in_progress")
            assert answer.headers["X-Should-Retry"] == "false"
        assert turn_rows(parley, alice) == [(turn.first["turn_id"], "streaming")]
        assert answered(alice, "elsewhere").first["session_id"] != session
        stop(alice, session)
        turn.rest()
    with chat(alice, "second", headers={"Idempotency-Key": "again-" + PATH[-5:]}, session_id=session) as turn:
        assert turn.rest()[-1].type == "done"
    assert contents(alice, session)[2:] == ["second", "second"]


def test_of_two_at_once_one_wins(parley, alice):
    for attempt in range(50):
        session = alice.session()
        start = threading.Barrier(2)

        def send(text):
            start.wait()
            with chat(alice, text, session_id=session) as turn:
                turn.rest()
            return text, turn.status, turn.answer and turn.answer.problem
        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(send, (f"a{attempt}", f"b{attempt}")), key=lambda outcome: outcome[1])
        winner, loser = outcomes
        assert (winner[1], loser[1:]) == (200, (409, "turn_in_progress"))
        assert contents(alice, session, "?branches=all") == [winner[0]] * 2
    assert len(turn_rows(parley, alice)) == 50


# One JSON answer


def test_who_wants_json_gets_one_answer_at_the_end(alice):
    answer = as_json(alice, {"text": "one two three"})
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (200, "application/json", "no-store")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    told = answer.json
    assert set(told) == {"session_id", "turn_id", "message_id", "user_message_id", "title", "created", "status", "content", "reasoning",
                         "tool_calls", "finish_reason", "usage"}
    assert (told["status"], told["content"], told["finish_reason"], told["title"], told["created"]) == (
        "complete", "one two three", "stop", "one two three", True)
    question, kept = messages(alice, told["session_id"])
    assert (question["message_id"], kept["message_id"], kept["turn_id"]) == (told["user_message_id"], told["message_id"], told["turn_id"])
    assert kept["tokens"] == told["usage"]["completion_tokens"]


@pytest.mark.parametrize("accept, streamed", [
    ("application/json", False), ("application/json, text/plain, */*", False), ("text/event-stream", True), ("*/*", True), ("text/html", True),
    ("text/event-stream, application/json", True), ("application/json;q=0.9, text/event-stream", True),
])
def test_what_is_accepted_says_how_it_comes(alice, accept, streamed):
    answer = as_json(alice, {"text": "x"}, Accept=accept)
    assert answer.headers["Content-Type"].startswith("text/event-stream" if streamed else "application/json")


def test_another_answer_may_be_one_of_json_too(alice):
    turn = answered(alice, "question")
    path = f"{SESSIONS}/{turn.first['session_id']}/messages/{turn.first['message_id']}/regenerate"
    told = alice.post(path, {}, headers={"Accept": "application/json"}).json
    assert (told["content"], told["status"], told["user_message_id"]) == ("question", "complete", turn.first["user_message_id"])


def test_one_answer_of_a_turn_that_is_stopped_has_the_text_so_far(parley, alice):
    session = alice.session()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(as_json, alice, {"text": LONG, "session_id": session})
        other = again(parley, alice)
        settled(lambda: messages(other, session)[1:] and messages(other, session)[1]["content"] or None)
        assert stop(other, session).status == 202
        told = waiting.result(10).json
    assert (told["status"], told["finish_reason"]) == ("stopped", "stopped")
    assert told["content"] and LONG.startswith(told["content"])
    assert contents(other, session)[1] == told["content"]


# Stopping


def test_a_stop_keeps_the_text(parley, alice):
    with chat(alice, LONG) as turn:
        session = turn.first["session_id"]
        turn.take(5)
        asked = time.monotonic()
        answer = stop(again(parley, alice), session)
        assert (answer.status, answer.json) == (202, {"turn_id": turn.first["turn_id"]})
        done = turn.rest()[-1]
    assert done.at - asked < 1
    assert (done.type, done.json["status"], done.json["finish_reason"]) == ("done", "stopped", "stopped")
    assert LONG.startswith(turn.text) and 0 < len(turn.text) < len(LONG)
    kept = messages(alice, session)[1]
    assert (kept["content"], kept["status"]) == (turn.text, "stopped")
    assert kept["tokens"] == done.json["usage"]["completion_tokens"] == (len(turn.text) + 3) // 4
    assert session_of(alice, session)["preview"] == turn.text[:60]


def test_a_stop_can_be_said_again(parley, alice):
    with chat(alice, LONG) as turn:
        session = turn.first["session_id"]
        answers = [stop(alice, session) for _ in range(5)]
        assert answers[0].status == 202 and {answer.status for answer in answers} <= {202, 204}
        turn.rest()
    assert [event.type for event in turn.events].count("done") == 1
    answer = stop(alice, session)
    assert (answer.status, answer.body) == (204, b"")
    assert turn_rows(parley, alice) == [(turn.first["turn_id"], "stopped")]


def test_where_nothing_runs_there_is_nothing_to_stop(alice):
    assert stop(alice, alice.session()).status == 204
    turn = answered(alice, "x")
    assert stop(alice, turn.first["session_id"]).status == 204
    assert messages(alice, turn.first["session_id"])[1]["status"] == "complete"
    assert stop(alice, str(uuid.uuid4())).problem == "session_not_found"
    assert stop(alice, "x").status == 404


def test_after_a_stop_it_goes_on(alice):
    with chat(alice, LONG) as turn:
        session = turn.first["session_id"]
        turn.take(3)
        stop(alice, session)
        turn.rest()
    answered(alice, "next", session_id=session)
    assert contents(alice, session) == [LONG, turn.text, "next", "next"]


# While it runs


def test_messages_show_the_text_so_far(parley, alice):
    with chat(alice, LONG) as turn:
        session = turn.first["session_id"]
        shown = messages(alice, session)
        assert [message["content"] for message in shown][0] == LONG
        assert (shown[1]["status"], shown[1]["tokens"]) == ("streaming", None)
        seen = []
        for _ in range(2):
            seen.append(settled(lambda: next((text for text in [contents(alice, session)[1]] if text and text not in seen), None)))
        assert LONG.startswith(seen[1]) and seen[1].startswith(seen[0])
        turn.until(lambda event: len(turn.text) > len(seen[1]) + 100)
        lag = settled(lambda: contents(alice, session)[1])
        assert turn.text.startswith(lag) or lag.startswith(turn.text)
        everything = messages(alice, session, "?branches=all")
        assert everything[1]["status"] == "streaming" and everything[1]["content"].startswith(seen[1])
        stop(alice, session)
        turn.rest()
    assert messages(alice, session)[1]["content"] == turn.text


def test_a_running_turn_can_be_looked_away_from(alice):
    """A switch to another branch leaves it running; its text is in its own branch."""
    turn = answered(alice, "one")
    session = turn.first["session_id"]
    with chat(alice, words(30), session_id=session, parent_message_id=None) as other:
        assert alice.put(f"{SESSIONS}/{session}/active", {"message_id": turn.first["message_id"]}).status == 200
        other.rest()
    assert contents(alice, session) == ["one", "one"]
    assert session_of(alice, session)["preview"] == "one"
    assert contents(alice, session, "?branches=all")[2:] == [words(30)] * 2


def test_a_session_that_is_hidden_gets_its_answer(alice):
    with chat(alice, words(30)) as turn:
        session = turn.first["session_id"]
        assert alice.delete(f"{SESSIONS}/{session}").status == 204
        assert stop(alice, session).status == watch(alice, session).status == 404
        assert turn.rest()[-1].type == "done"
    assert alice.post(f"{SESSIONS}/{session}/restore").status < 300
    assert contents(alice, session) == [words(30)] * 2


@pytest.mark.parametrize("path", ["session", "person"])
def test_what_is_removed_for_good_ends_its_turn(parley, alice, path):
    with chat(alice, LONG) as turn:
        session = turn.first["session_id"]
        if path == "session":
            assert alice.delete(f"{SESSIONS}/{session}?purge=true").status == 204
        else:
            assert alice.delete("/api/v1/users/me").status == 204
        last = turn.rest()[-1]
    assert (last.type, last.json["code"]) == ("error", "turn_gone")
    assert turn_rows(parley, alice) == []
    assert run_sql(parley, "select count(*) from parley.turn_events where user_id = %s", alice.user_id) == [(0,)]


def leave_at(user, text, after, reset):
    """Sends a text, reads what comes in so many seconds and is gone. Answers whether anything came."""
    body = json.dumps({"text": text}).encode()
    with socket.create_connection(("127.0.0.1", user.port)) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\nContent-Type: application/json\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        end = time.monotonic() + after
        received = b""
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                received += connection.recv(4096)
            except TimeoutError:
                break
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return b'"type":"session"' in received


def test_who_leaves_finds_the_whole_answer(parley):
    rng = random.Random(5)
    people = [person(parley) for _ in range(3)]
    plans = [(user, words(15, f"{number}."), rng.uniform(0, 0.45), rng.random() < 0.5) for user in people for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        begun = list(pool.map(lambda plan: leave_at(*plan), plans))

    def rest():
        running, = run_sql(parley, "select count(*) from parley.turns where status = 'streaming' and user_id = any(%s::uuid[])",
                           [user.user_id for user in people])[0],
        return None if running[0] else True
    settled(rest)
    assert sum(begun) > 20
    for (user, text, after, reset), came in zip(plans, begun):
        kept = run_sql(parley, """
            select m.role, m.content, m.status from parley.chat_messages m join parley.chat_messages q using (user_id, session_id)
            where m.user_id = %s and q.role = 'user' and q.content = %s order by m.seq""", user.user_id, text)
        if came or kept:
            assert kept == [("user", text, "complete"), ("assistant", text, "complete")], (after, reset)


# Helpers


@pytest.fixture(scope="module")
def guide(parley):
    """A helper with a greeting, as the administrator makes it."""
    owner = parley.options["database"].replace("user=parley_app", "user=parley_owner")
    environment = {**parley.environment(), "PARLEY_DATABASE": owner}

    def helper(*arguments):
        return subprocess.run([*UNPRIVILEGED, binary(), "helper", *arguments], env=environment, cwd=parley.folder, capture_output=True, text=True)
    assert helper("set", "guide", "--display-name", "The guide", "--greeting", "Welcome! ☕").returncode == 0
    yield "guide"
    assert helper("remove", "guide").returncode == 0


def test_a_session_with_a_helper_starts_with_its_greeting(parley, alice, guide):
    assert guide in [helper["name"] for helper in alice.get("/api/v1/helpers").json]
    turn = answered(alice, "Where am I?", helper=guide)
    session = turn.first["session_id"]
    greeting, question, answer = messages(alice, session)
    assert (greeting["role"], greeting["content"], greeting["parent_id"]) == ("assistant", "Welcome! ☕", None)
    assert (question["parent_id"], answer["content"]) == (greeting["message_id"], "Where am I?")
    listed = session_of(alice, session)
    assert (listed["helper"], listed["title"], listed["message_count"]) == (guide, "Where am I?", 3)
    refused = alice.post(f"{SESSIONS}/{session}/messages/{greeting['message_id']}/regenerate")
    assert (refused.status, refused.problem) == (409, "not_an_answer")


def test_a_session_made_with_a_helper_greets_before_anything_is_said(alice, guide):
    session = alice.session(helper=guide)
    assert contents(alice, session) == ["Welcome! ☕"]
    answered(alice, "Thanks", session_id=session)
    assert contents(alice, session) == ["Welcome! ☕", "Thanks", "Thanks"]


def test_a_helper_that_nobody_knows_is_a_name(alice):
    """As for POST /sessions: helpers may be made and removed after their sessions."""
    turn = answered(alice, "x", helper="nobody-knows")
    assert session_of(alice, turn.first["session_id"])["helper"] == "nobody-knows"
    assert contents(alice, turn.first["session_id"]) == ["x", "x"]


# What it cost


def test_tokens_are_counted_for_message_session_and_person(alice):
    session = alice.session()
    before = alice.get("/api/v1/usage").json
    assert (before["prompt_tokens"], before["completion_tokens"], before["total_tokens"]) == (0, 0, 0)
    usages = [answered(alice, words(count), session_id=session).events[-1].json["usage"] for count in (1, 5, 20)]
    with chat(alice, LONG, session_id=session) as turn:
        turn.take(4)
        stop(alice, session)
        usages.append(turn.rest()[-1].json["usage"])
    prompt, completion = (sum(usage[name] for usage in usages) for name in ("prompt_tokens", "completion_tokens"))
    told = [tuple(message[name] for name in ("prompt_tokens", "tokens", "tokens_estimated")) for message in messages(alice, session)]
    assert told[1::2] == [(usage["prompt_tokens"], usage["completion_tokens"], True) for usage in usages]
    assert set(told[::2]) == {(None, None, None)}
    assert usages[0]["prompt_tokens"] < usages[1]["prompt_tokens"] < usages[2]["prompt_tokens"]
    shown = session_of(alice, session)
    assert (shown["prompt_tokens"], shown["completion_tokens"], shown["tokens_estimated"]) == (prompt, completion, True)
    assert session_of(alice, alice.session())["tokens_estimated"] is False
    after = alice.get("/api/v1/usage").json
    assert (after["prompt_tokens"], after["completion_tokens"], after["total_tokens"]) == (prompt, completion, prompt + completion)
    assert (after["session_count"], after["message_count"]) == (2, 8)
    assert (before["tokens_estimated"], after["tokens_estimated"]) == (False, True)


def test_an_answer_says_which_model_made_it(alice):
    session = answered(alice, "word").first["session_id"]
    with chat(alice, LONG, session_id=session) as turn:
        turn.take(4)
        stop(alice, session)
        turn.rest()
    assert [message["metadata"] for message in messages(alice, session)] == [None, {"model": "echo"}] * 2


# Quotas


@pytest.fixture(scope="module")
def few(parley):
    with Parley({"quota_requests_per_minute": 100, "quota_turns_per_minute": 4, "quota_turns_running": 2, "quota_tokens_per_day": 200,
                 "quota_sessions_per_minute": 6}, postgres=parley.postgres) as running:
        yield running


def test_a_stream_says_how_many_requests_are_left(few):
    steady_minute()
    user = person(few)
    turn = answered(user, "x")
    assert turn.headers["RateLimit-Limit"] == "100"
    assert int(turn.headers["RateLimit-Remaining"]) < 100
    assert 1 <= int(turn.headers["RateLimit-Reset"]) <= 60


def test_turns_of_a_minute_are_counted(few):
    steady_minute(8)
    user = person(few)
    session = user.session()
    assert [as_json(user, {"text": "x", "session_id": session}).status for _ in range(4)] == [200] * 4
    again_path = f"{SESSIONS}/{session}/messages/{messages(user, session)[1]['message_id']}/regenerate"
    for path, body in ((PATH, {"text": "y", "session_id": session}), (PATH, {"text": "y"}), (again_path, {})):
        answer = user.post(path, body)
        assert (answer.status, answer.problem) == (429, "turns_per_minute")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert contents(user, session, "?branches=all") == ["x"] * 8
    assert len(user.get(SESSIONS).json) == 1
    assert as_json(person(few), {"text": "x"}).status == 200


def test_refused_turns_are_not_counted(few):
    steady_minute(8)
    user = person(few)
    session = user.session()
    for _ in range(5):
        assert as_json(user, {"text": "x", "session_id": str(uuid.uuid4())}).status == 404
    assert as_json(user, {"text": "x", "session_id": session}).status == 200


def test_so_many_turns_run_at_once(few):
    steady_minute(8)
    user = person(few)
    with chat(user, words(50)) as first, chat(user, words(50)) as second:
        answer = user.post(PATH, {"text": "third"})
        assert (answer.status, answer.problem) == (429, "turns_running")
        assert int(answer.headers["Retry-After"]) >= 1
        assert len(user.get(SESSIONS).json) == 2
        stop(user, first.first["session_id"])
        first.rest()
        with chat(user, "third") as third:
            assert third.status == 200
            stop(user, second.first["session_id"])
            assert third.rest()[-1].type == second.rest()[-1].type == "done"


def test_the_last_place_is_taken_once(few):
    steady_minute(8)
    user = person(few)
    sessions = [user.session() for _ in range(4)]
    start = threading.Barrier(4)

    def send(session):
        start.wait()
        return chat(user, words(40), session_id=session)
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(send, sessions))
    assert sorted(turn.status for turn in turns) == [200, 200, 429, 429]
    for turn in turns:
        turn.close()
    for session in sessions:
        stop(user, session)


def test_tokens_of_a_day_are_counted(few):
    steady_minute(8)
    user = person(few)
    turn = answered(user, words(10, "x" * 100))
    session = turn.first["session_id"]
    assert turn.events[-1].json["usage"]["total_tokens"] > 200
    answer = user.post(PATH, {"text": "more", "session_id": session})
    assert (answer.status, answer.problem) == (429, "tokens_per_day")
    left = 86400 - time.time() % 86400
    assert left - 5 <= int(answer.headers["Retry-After"]) <= left + 5
    assert len(contents(user, session)) == 2
    run_sql(few, "update parley.user_rates set window_start = window_start - interval '1 day' where kind = 'tokens' and user_id = %s",
            user.user_id)
    assert as_json(user, {"text": "more", "session_id": session}).status == 200


def test_sessions_of_a_minute_are_counted_here_too(few):
    steady_minute(8)
    user = person(few)
    for _ in range(6):
        user.session()
    answer = user.post(PATH, {"text": "x"})
    assert (answer.status, answer.problem) == (429, "sessions_per_minute")
    assert turn_rows(few, user) == []

"""Turns watched: joined by other devices, resumed from any point, polled, sent twice and done once, followed from another process, interrupted.

What must stay true for every viewer, whenever and wherever it comes: what it has seen and what it gets is the whole, without gap or repeat.
"""
import contextlib
import http.client
import os
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from parley import Parley
from people import person, run_sql
from sse import Stream, answered, chat, text_of, watch, words

PATH = "/api/v1/chat"
SESSIONS = "/api/v1/sessions"
LONG = words(1000)
MIXED = "Grüße ☕ und 👩‍👩‍👧 mehr: \"quoted\" \\ back\n\nlines\t🇺🇳 a é ß ☃ " + "ü" * 40 + " end ☕"


def messages(user, session):
    answer = user.get(f"{SESSIONS}/{session}/messages")
    assert answer.status == 200, answer
    return answer.json


def stop(user, session):
    return user.post(f"{SESSIONS}/{session}/stop")


def poll(user, session, after=None):
    """The events as JSON: without the ids they are what streams say."""
    answer = user.get(f"{SESSIONS}/{session}/events" + ("" if after is None else f"?after={after}"))
    assert answer.status == 200, answer
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def turns(parley, user):
    return run_sql(parley, "select count(*) from parley.turns where user_id = %s", user.user_id)[0][0]


def elsewhere(user, other):
    """The same person at another Parley."""
    client = other.client
    client.token, client.user_id = user.token, user.user_id
    return client


def assert_rest(events, whole, after):
    """That events are just what of the whole lies behind an id. Tokens may be cut and joined in other places."""
    ids = [event.id for event in events]
    assert ids == sorted(set(ids)) and (not ids or ids[0] > after), (after, ids)
    assert [(event.id, event.json) for event in events if event.type != "token"] == [
        (event.id, event.json) for event in whole if event.type != "token" and event.id > after]
    # The session's event has the first id, and each byte of text one more.
    assert text_of(events).encode() == text_of(whole).encode()[max(after - whole[0].id, 0):], after
    assert not ids or ids[-1] == whole[-1].id


@pytest.fixture(scope="module")
def reader(parley):
    """Somebody with a turn that has ended; only read from."""
    user = person(parley)
    user.turn = answered(user, MIXED)
    user.chat = user.turn.first["session_id"]
    return user


@pytest.fixture(scope="module")
def other(parley):
    """Another Parley beside the first: own processes, own nginx, the same database."""
    with Parley({"jwt_secret_file": parley.options["jwt_secret_file"], "relays": 2}, postgres=parley.postgres) as running:
        yield running


# Joining


@pytest.mark.parametrize("after", [None, 0])
def test_a_second_device_gets_everything_from_the_start(alice, after):
    with chat(alice, words(40)) as turn:
        turn.take(10)
        with watch(alice, turn.first["session_id"], after) as second:
            assert second.status == 200
            assert second.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            second.next()
            assert second.first == turn.first
            turn.rest()
            second.rest()
    assert turn.text == second.text == words(40)
    assert_rest(second.events, turn.events, 0)
    assert abs(second.events[-1].at - turn.events[-1].at) < 0.5


def test_devices_that_join_at_any_moment_from_any_id_miss_nothing(alice):
    watchers = []
    with chat(alice, MIXED + words(20)) as turn:
        session = turn.first["session_id"]
        for event in turn:
            for seen in {event.id, turn.events[len(turn.events) // 2].id, 1}:
                watchers.append((seen, watch(alice, session, seen)))
    assert len(watchers) > 40
    for seen, second in watchers:
        with second:
            if second.status == 204:
                assert seen == turn.events[-1].id
            else:
                assert_rest(second.rest(), turn.events, seen)


def test_after_the_end_any_id_gets_the_rest(reader):
    for event in reader.turn.events[:-1]:
        with watch(reader, reader.chat, event.id) as stream:
            assert stream.status == 200
            assert_rest(stream.rest(), reader.turn.events, event.id)


def test_after_the_end_everything_can_be_told_again(reader):
    with watch(reader, reader.chat, 0) as stream:
        stream.rest()
    assert (stream.first, stream.text) == (reader.turn.first, MIXED)
    assert_rest(stream.events, reader.turn.events, 0)


def test_an_id_that_was_never_given_out_breaks_no_character(reader):
    """Ids between those that were given out are taken as one near them."""
    last = reader.turn.events[-1].id
    for after in range(last):
        with watch(reader, reader.chat, after) as stream:
            text = stream.rest() and stream.text
        assert MIXED.endswith(text) and len(MIXED.encode()) - len(text.encode()) in range(after - 4, after + 3), after
        polled = poll(reader, reader.chat, after)
        text = "".join(event["content"] for event in polled if event["type"] == "token")
        assert MIXED.endswith(text) and len(MIXED.encode()) - len(text.encode()) in range(after - 4, after + 3), after


def test_the_header_and_the_query_say_the_same(reader):
    middle = reader.turn.events[4].id
    with watch(reader, reader.chat, Last_Event_ID=middle) as stream:
        assert_rest(stream.rest(), reader.turn.events, middle)
    with watch(reader, reader.chat, 0, Last_Event_ID=middle) as stream:
        assert_rest(stream.rest(), reader.turn.events, middle)
    answer = reader.get(f"{SESSIONS}/{reader.chat}/events", headers={"Last-Event-ID": str(middle)})
    assert answer.json == poll(reader, reader.chat, middle)


def test_where_nothing_runs_there_is_nothing_to_join(parley, alice, reader):
    last = reader.turn.events[-1].id
    for user, session, after in ((alice, alice.session(), None), (alice, alice.session(), 0), (reader, reader.chat, None),
                                 (reader, reader.chat, last), (reader, reader.chat, last + 1), (reader, reader.chat, 99999999)):
        with watch(user, session, after) as stream:
            assert (stream.status, stream.answer.body) == (204, b""), after
    assert watch(alice, str(uuid.uuid4())).answer.problem == "session_not_found"


def test_who_has_seen_more_than_there_is_is_told_the_end(alice):
    with chat(alice, words(10)) as turn, watch(alice, turn.first["session_id"], 99999999) as second:
        assert second.rest()[-1].json == turn.rest()[-1].json


@pytest.mark.parametrize("bad", ["x", "-1", "1.5", "1e3", "0x10", " ", "+1", "1 2", "99999999999999999999", "é"])
def test_an_id_that_is_none_is_refused(reader, bad):
    sent = bad.encode().decode("latin-1")
    for method, path, body in (("GET", f"{SESSIONS}/{reader.chat}/stream", None), ("GET", f"{SESSIONS}/{reader.chat}/events", None),
                               ("POST", PATH, {"text": MIXED})):
        if bad.strip():
            with Stream(reader, method, path, body, {"Last-Event-ID": sent}) as stream:
                assert (stream.status, stream.answer.problem) == (400, "invalid_field"), (method, path)
                assert [error["field"] for error in stream.answer.json["errors"]] == ["Last-Event-ID"]
        if method == "GET":
            answer = reader.get(path + "?after=" + "".join(f"%{byte:02x}" for byte in bad.encode()))
            assert (answer.status, answer.problem) == (400, "invalid_field")
            assert [error["field"] for error in answer.json["errors"]] == ["after"]


def test_a_new_turn_is_the_one_that_is_joined(alice):
    session = answered(alice, "first").first["session_id"]
    with chat(alice, words(20), session_id=session) as turn, watch(alice, session) as second:
        second.rest()
        turn.rest()
    assert (second.first["turn_id"], second.text) == (turn.first["turn_id"], words(20))
    assert_rest(second.events, turn.events, 0)


def test_ids_grow_from_turn_to_turn_so_that_none_is_mixed_with_the_next(alice):
    """A client that lost its line in one turn comes back while the next one runs."""
    session = alice.session()
    with chat(alice, words(200, "first"), session_id=session) as lost:
        lost.take(20)
        stop(alice, session)
        lost.rest()
    middle = lost.events[12].id
    with chat(alice, words(40, "second"), session_id=session) as turn:
        turn.take(5)
        assert turn.events[0].id > lost.events[-1].id
        with watch(alice, session, Last_Event_ID=middle) as rest:
            rest.rest()
        assert_rest(rest.events, lost.events, middle)
        with watch(alice, session, rest.events[-1].id) as following, watch(alice, session) as joined:
            for stream in (turn, following, joined):
                stream.rest()
            assert following.first == joined.first == turn.first
            assert following.text == joined.text == turn.text == words(40, "second")
    for stream in (lost, turn):
        assert_rest(stream.events, stream.events, 0)
        told = alice.get(f"{SESSIONS}/{session}/events?after={stream.events[0].id}").json
        assert {event["turn_id"] for event in told} == {stream.first["turn_id"]}
        assert [event["id"] for event in told] == sorted(event["id"] for event in told) and told[-1]["id"] == stream.events[-1].id
    assert alice.get(f"{SESSIONS}/{session}/events?after={lost.events[-1].id}").json[0]["turn_id"] == turn.first["turn_id"]
    assert watch(alice, session, turn.events[-1].id).status == 204


def test_one_json_answer_can_be_waited_for_by_another_device(alice):
    with chat(alice, words(20)) as turn:
        answer = alice.get(f"{SESSIONS}/{turn.first['session_id']}/stream", headers={"Accept": "application/json"})
        turn.rest()
    assert (answer.status, answer.json["content"], answer.json["turn_id"]) == (200, words(20), turn.first["turn_id"])


# Polling


def test_polling_gets_what_streams_get(reader):
    polled = poll(reader, reader.chat)
    assert polled == poll(reader, reader.chat, 0)
    told = {event.id: event.json for event in reader.turn.events}
    for event in polled:
        assert event.pop("turn_id") == reader.turn.first["turn_id"]
        if event["type"] != "token":
            assert told[event.pop("id")] == {**event, **({"turn_id": reader.turn.first["turn_id"]} if event["type"] in ("session", "done") else {})}
    assert "".join(event["content"] for event in polled if event["type"] == "token") == MIXED


def test_polling_from_any_id_is_cut_right(reader):
    whole = MIXED.encode()
    for event in reader.turn.events:
        polled = poll(reader, reader.chat, event.id)
        ids = [row["id"] for row in polled]
        assert ids == sorted(set(ids)) and all(row > event.id for row in ids)
        assert "".join(row["content"] for row in polled if row["type"] == "token").encode() == whole[event.id - 1:]
        assert (polled == []) == (event is reader.turn.events[-1])


def test_polling_while_it_runs_gets_the_whole_in_parts(alice):
    with chat(alice, MIXED + words(60)) as turn:
        session, after, rows = turn.first["session_id"], 0, []
        while not rows or rows[-1]["type"] != "done":
            rows += poll(alice, session, after)
            after = rows[-1]["id"] if rows else 0
            time.sleep(0.05)
        turn.rest()
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    assert "".join(row["content"] for row in rows if row["type"] == "token") == turn.text
    assert len([row for row in rows if row["type"] == "token"]) > 1
    # And each part ends where a stream can go on.
    for row in rows[:-1]:
        with watch(alice, session, row["id"]) as stream:
            assert_rest(stream.rest(), turn.events, row["id"])


def test_polling_a_session_without_turns_is_empty(alice):
    assert poll(alice, alice.session()) == []
    assert alice.get(f"{SESSIONS}/{uuid.uuid4()}/events").problem == "session_not_found"


# Sent again


@pytest.mark.parametrize("named", [False, True], ids=["", "session"])
@pytest.mark.parametrize("keyed", [False, True], ids=["by text", "by key"])
def test_a_post_that_comes_back_resumes(parley, alice, keyed, named):
    text = words(30)
    headers = {"Idempotency-Key": "key-1"} if keyed else {}
    session = {"session_id": alice.session()} if named else {}
    with chat(alice, text, headers, **session) as turn:
        seen = turn.take(4)[-1].id
        with chat(alice, text, {**headers, "Last-Event-ID": str(seen)}, **session) as second:
            second.rest()
        turn.rest()
    assert_rest(second.events, turn.events, seen)
    for seen in (0, turn.events[6].id, turn.events[-2].id):
        with chat(alice, text, {**headers, "Last-Event-ID": str(seen)}, **session) as third:
            third.rest()
        assert_rest(third.events, turn.events, seen)
    with chat(alice, text, {**headers, "Last-Event-ID": str(turn.events[-1].id)}, **session) as fourth:
        assert fourth.status in (200, 204)
        assert all(event.id is None or event.id >= turn.events[-1].id for event in fourth.events + fourth.rest())
    assert turns(parley, alice) == 1


def test_a_post_that_comes_back_never_begins_a_turn(parley, alice):
    session = answered(alice, "said").first["session_id"]
    cases = [({"text": "never said"}, {}), ({"text": "said"}, {"Idempotency-Key": "never-used"}), ({"text": "said", "session_id": alice.session()}, {}),
             ({"text": "said", "session_id": str(uuid.uuid4())}, {})]
    for body, headers in cases:
        answer = alice.post(PATH, body, headers={"Last-Event-ID": "1", **headers})
        assert (answer.status, answer.problem) == (404, "turn_not_found"), (body, answer)
    assert turns(parley, alice) == 1
    assert len(messages(alice, session)) == 2
    assert run_sql(parley, "select count(*) from parley.idempotency_keys where user_id = %s", alice.user_id) == [(0,)]


@pytest.mark.parametrize("gone", ["purged", "half purged", "lost"])
def test_a_key_is_answered_when_the_events_are_gone(gone):
    with Parley({"idempotency_hours": 48}) as parley:
        user, text = person(parley), "Grüße und mehr " * 3
        body, keys = {"text": text}, [{"Idempotency-Key": name} for name in ("streamed", "whole", "stopped")]
        with chat(user, text, keys[0]) as turn:
            turn.rest()
        whole = user.post(PATH, body, headers={**keys[1], "Accept": "application/json"})
        with chat(user, LONG, keys[2]) as stopped:
            stopped.take(5)
            user.post(f"{SESSIONS}/{stopped.first['session_id']}/stop")
            stopped.rest()
        if gone == "lost":
            run_sql(parley, "delete from parley.turn_events")
        else:
            run_sql(parley, "update parley.turns set started_at = started_at - interval '25 hours', ended_at = ended_at - interval '25 hours'")
            run_sql(parley, "update parley.chat_sessions set created_at = created_at - interval '25 hours'")
            run_sql(parley, "update parley.turn_events set purge_at = now() - interval '1 hour'" + (
                " where type in ('token', 'session')" if gone == "half purged" else ""))
            assert parley.run("purge", "-c", parley.config).returncode == 0
        for told, key in ((turn, keys[0]), (stopped, keys[2])):
            with chat(user, LONG if told is stopped else text, key) as replayed:
                replayed.rest()
            assert_rest(replayed.events, told.events, 0)
        for seen in (turn.events[2].id, turn.events[-2].id):
            with chat(user, text, {**keys[0], "Last-Event-ID": str(seen)}) as resumed:
                resumed.rest()
            assert_rest(resumed.events, turn.events, seen)
        again = user.post(PATH, body, headers={**keys[1], "Accept": "application/json"})
        assert (again.status, again.json, again.headers["Idempotency-Replayed"]) == (200, whole.json, "true")
        assert turns(parley, user) == 3


def test_a_key_resumes_nothing_of_another_session(alice):
    with chat(alice, "only here", {"Idempotency-Key": "one-key"}) as turn:
        turn.rest()
    for session, status in ((alice.session(), 404), (turn.first["session_id"], 200)):
        with chat(alice, "only here", {"Idempotency-Key": "one-key", "Last-Event-ID": "0"}, session_id=session) as again:
            assert again.status == status
            assert again.answer.problem == "turn_not_found" if again.answer else again.rest() and again.text == "only here"


def test_the_newest_of_the_same_words_in_a_session_is_resumed(alice):
    session = answered(alice, "again").first["session_id"]
    newest = answered(alice, "again", session_id=session)
    with chat(alice, "again", {"Last-Event-ID": "0"}, session_id=session) as stream:
        stream.rest()
    assert stream.first["turn_id"] == newest.first["turn_id"]


def test_two_tabs_with_the_same_words_never_get_one_anothers_answer(parley, alice):
    with chat(alice, words(30)) as one, chat(alice, words(30)) as other:
        sessions = [tab.first["session_id"] for tab in (one, other)]
        for at in range(2):
            with chat(alice, words(30), {"Last-Event-ID": "1"}) as lost:
                assert (lost.status, lost.answer.problem) == (404, "turn_not_found"), "while both run" if at == 0 else "and when they have ended"
            one.rest(), other.rest()
    with chat(alice, words(30), {"Last-Event-ID": "0"}, session_id=sessions[1]) as named:
        named.rest()
    assert named.first["turn_id"] == other.first["turn_id"]
    assert turns(parley, alice) == 2


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "key-1"}], ids=["by event", "by key"])
def test_a_regeneration_that_comes_back_resumes(parley, alice, headers):
    first = answered(alice, words(30))
    path = f"{SESSIONS}/{first.first['session_id']}/messages/{first.first['message_id']}/regenerate"
    with Stream(alice, "POST", path, {}, headers) as turn:
        seen = turn.take(4)[-1].id
        with Stream(alice, "POST", path, {}, {**headers, "Last-Event-ID": str(seen)}) as second:
            second.rest()
        turn.rest()
    assert_rest(second.events, turn.events, seen)
    answered(alice, "then", session_id=first.first["session_id"])
    for seen in (turn.events[0].id, turn.events[6].id, turn.events[-2].id):
        with Stream(alice, "POST", path, {}, {**headers, "Last-Event-ID": str(seen)}) as third:
            third.rest()
        assert_rest(third.events, turn.events, seen)
    with Stream(alice, "POST", path, {}, {**headers, "Last-Event-ID": str(turn.events[-1].id)}) as fourth:
        assert all(event.id >= turn.events[-1].id for event in fourth.rest())
    assert turns(parley, alice) == 3


def test_a_regeneration_that_comes_back_never_begins_a_turn(parley, alice):
    turn = answered(alice, "said")
    message, last = turn.first["message_id"], turn.events[-1].id
    cases = [(turn.first["session_id"], {"Last-Event-ID": "0"}), (turn.first["session_id"], {"Last-Event-ID": str(last + 1)}),
             (turn.first["session_id"], {"Last-Event-ID": str(last), "Idempotency-Key": "never-used"}),
             (alice.session(), {"Last-Event-ID": "1"}), (str(uuid.uuid4()), {"Last-Event-ID": "1"})]
    for session, headers in cases:
        answer = alice.post(f"{SESSIONS}/{session}/messages/{message}/regenerate", {}, headers=headers)
        assert (answer.status, answer.problem) == (404, "turn_not_found"), (headers, answer)
    assert turns(parley, alice) == 1


def test_the_same_key_joins_the_turn_and_replays_it(parley, alice):
    key = {"Idempotency-Key": "key-1"}
    with chat(alice, words(30), key) as turn:
        with chat(alice, words(30), key) as joined:
            assert joined.headers["Idempotency-Replayed"] == "true"
            joined.rest()
        turn.rest()
    assert turn.headers["Idempotency-Replayed"] is None
    with chat(alice, words(30), key) as replayed:
        replayed.rest()
    for other in (joined, replayed):
        assert other.first == turn.first
        assert_rest(other.events, turn.events, 0)
    told = alice.post(PATH, {"text": words(30)}, headers={**key, "Accept": "application/json"}).json
    assert (told["turn_id"], told["content"], told["status"]) == (turn.first["turn_id"], words(30), "complete")
    for body in ({"text": "other"}, {"text": words(30), "model": "other"}):
        answer = alice.post(PATH, body, headers=key)
        assert (answer.status, answer.problem) == (422, "idempotency_key_reused")
    assert turns(parley, alice) == 1
    assert len(alice.get(SESSIONS).json) == 1


def test_the_same_key_at_once_begins_one_turn(parley, alice):
    session = alice.session()

    def send(_):
        with chat(alice, words(5), {"Idempotency-Key": "key-1"}, session_id=session) as turn:
            turn.rest()
        return turn
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(send, range(8)))
    assert {turn.status for turn in sent} == {200}
    assert {(turn.first["turn_id"], turn.text) for turn in sent} == {(sent[0].first["turn_id"], words(5))}
    assert turns(parley, alice) == 1
    assert len(messages(alice, session)) == 2


def test_another_answer_with_a_key_is_made_once(parley, alice):
    turn = answered(alice, words(5))
    path = f"{SESSIONS}/{turn.first['session_id']}/messages/{turn.first['message_id']}/regenerate"
    firsts = []
    for _ in range(2):
        with Stream(alice, "POST", path, {}, {"Idempotency-Key": "key-1"}) as stream:
            stream.rest()
        firsts.append(stream.first)
    assert firsts[0] == firsts[1]
    assert turns(parley, alice) == 2


def test_a_key_replays_a_turn_that_was_stopped(alice):
    key = {"Idempotency-Key": "key-1"}
    with chat(alice, LONG, key) as turn:
        turn.take(4)
        stop(alice, turn.first["session_id"])
        turn.rest()
    with chat(alice, LONG, key) as replayed:
        replayed.rest()
    assert_rest(replayed.events, turn.events, 0)
    assert replayed.events[-1].json["status"] == "stopped"


# From other processes


def test_two_relays_share_the_sessions(parley, other):
    user = elsewhere(person(parley), other)
    assert len(other.relays()) == 2
    running = [chat(user, words(25, f"{number}.")) for number in range(8)]
    seconds = [watch(user, turn.first["session_id"]) for turn in running]
    for number, (turn, second) in enumerate(zip(running, seconds)):
        with turn, second:
            turn.rest()
            second.rest()
            assert turn.text == second.text == words(25, f"{number}.")
            assert_rest(second.events, turn.events, 0)


def test_another_relay_follows_the_turn(parley, alice, other):
    far = elsewhere(alice, other)
    with chat(alice, MIXED + words(60)) as turn:
        session = turn.first["session_id"]
        watchers = [(0, watch(far, session)), (0, watch(far, session, 0))]
        for event in turn:
            if len(watchers) < 12:
                watchers.append((event.id, watch(far, session, event.id)))
        for seen, second in watchers:
            with second:
                assert_rest(second.rest(), turn.events, seen)
                assert second.events[-1].at - turn.events[-1].at < 2
    for event in turn.events[:-1:7]:
        with watch(far, session, event.id) as second:
            assert_rest(second.rest(), turn.events, event.id)
    assert watch(far, session).status == 204


def test_who_changes_between_relays_misses_nothing(alice, other):
    """A line that is lost again and again, each time met by the other one."""
    far = elsewhere(alice, other)
    text = MIXED + words(70)
    with chat(alice, text) as turn:
        session, seen = turn.first["session_id"], turn.events[:]
    users = [far, alice]
    while seen[-1].type != "done":
        with watch(users[len(seen) % 2], session, seen[-1].id) as stream:
            seen += stream.take(3)
    assert text_of(seen) == text
    assert [event.id for event in seen] == sorted({event.id for event in seen})
    assert [event.type for event in seen].count("session") == [event.type for event in seen].count("done") == 1


def test_all_of_a_turn_works_from_elsewhere(parley, alice, other):
    far = elsewhere(alice, other)
    key = {"Idempotency-Key": "key-1"}
    with chat(alice, LONG, key) as turn:
        session = turn.first["session_id"]
        refused = far.post(PATH, {"text": "x", "session_id": session})
        assert (refused.status, refused.problem) == (409, "turn_in_progress")
        turn.take(5)
        with chat(far, LONG, key) as joined, chat(far, LONG, {"Last-Event-ID": str(turn.events[3].id)}) as resumed, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(elsewhere(alice, other).get, f"{SESSIONS}/{session}/stream", headers={"Accept": "application/json"})
            joined.take(2)
            asked = time.monotonic()
            assert stop(far, session).status == 202
            done = turn.rest()[-1]
            assert (done.json["status"], done.at - asked < 1.5) == ("stopped", True)
            joined.rest()
            resumed.rest()
            told = waiting.result(10).json
    assert_rest(joined.events, turn.events, 0)
    assert_rest(resumed.events, turn.events, turn.events[3].id)
    assert (told["turn_id"], told["content"], told["status"]) == (turn.first["turn_id"], turn.text, "stopped")
    assert poll(far, session) == poll(alice, session)
    assert messages(far, session) == messages(alice, session)
    assert turns(parley, alice) == 1


# Interrupted


def test_a_turn_whose_relay_dies_reads_as_interrupted_everywhere(parley, other):
    """Each reader is the first to look at a turn of its own. The lease is shortened by hand: nobody waits for it."""
    with Parley({"jwt_secret_file": parley.options["jwt_secret_file"]}, postgres=parley.postgres) as dying:
        user = elsewhere(person(parley), dying)
        far = elsewhere(user, other)
        running = [chat(user, LONG, {"Idempotency-Key": f"key-{number}"}) for number in range(8)]
        sessions = [turn.first["session_id"] for turn in running]
        follower = watch(far, sessions[7])
        for turn in running:
            turn.until(lambda event: len(turn.text) > 400)
        with dying.expecting("died"):
            relay, = dying.relays()
            os.kill(relay, signal.SIGKILL)
            for turn in running:
                # The web server may end such an answer as if it were whole: only `done` or `error` says that it is.
                with contextlib.suppress(http.client.IncompleteRead, ConnectionError), turn:
                    turn.rest()
                assert turn.events[-1].type == "token"
            end = time.monotonic() + 10
            while dying.relays() in ([], [relay]):
                assert time.monotonic() < end
                time.sleep(0.02)
        assert messages(user, sessions[0])[1]["status"] == "streaming"
        assert user.post(PATH, {"text": "x", "session_id": sessions[0]}).problem == "turn_in_progress"
        run_sql(parley, "update parley.turns set lease_until = clock_timestamp() - interval '1 second' where user_id = %s", user.user_id)

        def by_messages(session):
            messages(user, session)

        def by_events(session):
            last = poll(user, session)[-1]
            assert (last["type"], last["code"]) == ("error", "interrupted")

        def by_stream(session):
            with watch(user, session, 0) as stream:
                last = stream.rest()[-1]
            assert (last.type, last.json["code"]) == ("error", "interrupted")

        def by_stream_elsewhere(session):
            with watch(far, session, 0) as stream:
                last = stream.rest()[-1]
            assert (last.type, last.json["code"]) == ("error", "interrupted")

        def by_stop(session):
            assert stop(user, session).status == 204

        def by_key(session):
            key = {"Idempotency-Key": f"key-{sessions.index(session)}"}
            answer = user.post(PATH, {"text": LONG}, headers={**key, "Accept": "application/json"})
            assert (answer.status, answer.problem) == (503, "interrupted")
            assert answer.json["turn_id"] == running[sessions.index(session)].first["turn_id"]

        def by_sending(session):
            answered(user, "next", session_id=session)

        def by_following(session):
            with follower:
                last = follower.rest()[-1]
            assert (last.type, last.json["code"]) == ("error", "interrupted")
            assert LONG.startswith(follower.text)
        for number, read in enumerate((by_messages, by_events, by_stream, by_stream_elsewhere, by_stop, by_key, by_sending, by_following)):
            session, turn = sessions[number], running[number]
            read(session)
            answer = messages(user, session)[1]
            assert (answer["status"], answer["turn_id"]) == ("interrupted", turn.first["turn_id"]), read
            # All but the last half second of what was seen is there.
            assert LONG.startswith(answer["content"])
            assert len(answer["content"]) >= len(turn.text) - 60 * len("word999 ")
            assert answer["tokens"] == (len(answer["content"]) + 3) // 4
            told = poll(user, session)
            if read is not by_sending:
                assert "".join(event["content"] for event in told if event["type"] == "token") == answer["content"]
                assert watch(user, session).status == 204
                assert answered(user, "next", session_id=session).text == "next"
            assert [message["content"] for message in messages(user, session)[2:]] == ["next", "next"]
        assert run_sql(parley, "select array_agg(distinct status order by status) from parley.turns where user_id = %s", user.user_id) == [
            (["complete", "interrupted"],)]


def test_a_turn_goes_on_that_was_taken_for_interrupted_while_its_process_could_not_save(parley, alice):
    """As when the database was away for longer than a lease, and a reader came back to it before the relay did."""
    used = alice.get("/api/v1/usage").json["total_tokens"]
    with chat(alice, words(150)) as turn:
        session = turn.first["session_id"]
        turn.until(lambda event: len(turn.text) > 200)
        end = time.monotonic() + 10
        while True:
            # The relay renews it twice a second: one of these comes between.
            run_sql(parley, "update parley.turns set lease_until = clock_timestamp() - interval '1 second' where user_id = %s", alice.user_id)
            told = poll(alice, session)
            if told and told[-1]["type"] == "error":
                break
            assert time.monotonic() < end
        assert told[-1]["code"] == "interrupted"
        turn.rest()
    assert (turn.events[-1].type, turn.text) == ("done", words(150))
    answer = messages(alice, session)[1]
    assert (answer["status"], answer["content"]) == ("complete", words(150))
    assert "".join(event.get("content", "") for event in poll(alice, session) if event["type"] == "token") == words(150)
    assert not [event for event in poll(alice, session) if event["type"] == "error"]
    usage = turn.events[-1].json["usage"]
    assert alice.get("/api/v1/usage").json["total_tokens"] - used == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_relay_that_ends_in_peace_keeps_the_text(parley):
    """Asked to end, it gives turns their time, and what is not done by then is marked."""
    with Parley({"jwt_secret_file": parley.options["jwt_secret_file"], "drain_seconds": 1}, postgres=parley.postgres) as ending:
        user = elsewhere(person(parley), ending)
        with chat(user, words(30)) as short, chat(user, LONG) as long:
            long.take(5)
            with ThreadPoolExecutor(2) as pool:
                results = [pool.submit(short.rest), pool.submit(long.rest)]
                assert ending.stop() == 0
                for result in results:
                    result.result(20)
        assert (short.text, short.events[-1].json["status"]) == (words(30), "complete")
        assert (long.events[-1].type, long.events[-1].json["code"]) == ("error", "interrupted")
        ending.start()
        ending.wait_ready()
        question, answer = messages(user, long.first["session_id"])
        assert (answer["content"], answer["status"]) == (long.text, "interrupted")
        assert messages(user, short.first["session_id"])[1]["content"] == words(30)

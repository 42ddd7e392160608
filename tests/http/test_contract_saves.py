"""Saves: the API for front ends that hold a conversation as one array and save all of it, word by word as conf/dialects/saves.md has it."""
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from nginx_lines import OldAddress, lines
from parley import Parley
from people import person, run_sql
from sse import chat, words

SAVE = "/api/v1/chat/session"
LIST = "/api/v1/chat/sessions"

# The request body as the API's own text has it. What cannot hold literally:
# - its user_id is a number; users here have UUIDs, so the number cannot be anybody's;
# - its table has a session_id that is a number, and MySQL's ON UPDATE: a view has that name here, with UUIDs, and is read.
SAMPLE = """{
    "user_id": 1,
    "messages": [{"role": "user", "content": "Hello!"}]
}"""


def said(*texts):
    """Messages of a user and an assistant in turn."""
    return [{"role": "assistant" if n % 2 else "user", "content": text} for n, text in enumerate(texts)]


def save(user, messages, session=None, **more):
    return user.post(SAVE, {"messages": messages, **({"session_id": session} if session else {})}, **more)


def saved(user, messages, session=None):
    answer = save(user, messages, session)
    assert answer.status == (200 if session else 201), answer
    return answer.json["session_id"]


def listed(user, query=""):
    answer = user.get(LIST + query)
    assert answer.status == 200, answer
    return answer.json


def kept(user, session):
    """The session's messages as the list tells them."""
    return next(entry["messages"] for entry in listed(user) if entry["session_id"] == session)


def wrong_fields(answer):
    assert (answer.status, answer.problem) == (400, "invalid_field"), answer
    return [error["field"] for error in answer.json["errors"]]


# The samples


def test_the_sample_is_saved_and_retrieved(alice):
    body = {**json.loads(SAMPLE), "user_id": alice.user_id}
    answer = alice.post(SAVE, body)
    assert answer.status == 201, answer
    assert set(answer.json) == {"session_id", "user_id", "messages", "created_at", "updated_at"}
    assert (answer.json["user_id"], answer.json["messages"]) == (alice.user_id, body["messages"])
    assert answer.headers["Location"] == "/api/v1/sessions/" + answer.json["session_id"]
    assert listed(alice) == [answer.json]


def test_the_samples_number_is_nobody(alice):
    answer = alice.post(SAVE, raw=SAMPLE.encode())
    assert (answer.status, answer.problem) == (403, "user_mismatch")
    assert listed(alice) == []


def test_the_user_comes_from_the_token(alice, bob):
    """"Use user_id from the authenticated token to save/retrieve sessions"; "Ensure signed-in status is checked before"."""
    assert alice.post(SAVE, {"user_id": bob.user_id, "messages": said("x")}).problem == "user_mismatch"
    assert save(alice, said("mine")).json["user_id"] == alice.user_id
    assert listed(bob) == []
    stranger = alice.anonymous()
    assert save(stranger, said("x")).status == stranger.get(LIST).status == 401


def test_sign_up_and_login(client):
    """"Implement user sign-up and login functionality. Use secure tokens": each gives one, by which the same sessions are reached."""
    person = {"email": f"{uuid.uuid4()}@example.org", "password": "long enough"}
    signed_up = client.post("/api/v1/auth/signup", person)
    assert signed_up.status == 201
    client.token = signed_up.json["access_token"]
    saved(client, said("Hello!"))
    client.token = None
    assert client.get(LIST).status == 401
    assert client.post("/api/v1/auth/login", {**person, "password": "another one"}).status == 401
    logged_in = client.post("/api/v1/auth/login", person)
    assert logged_in.json["user_id"] == signed_up.json["user_id"]
    client.token = logged_in.json["access_token"]
    body = {**json.loads(SAMPLE), "user_id": logged_in.json["user_id"]}
    assert client.post(SAVE, body).status == 201
    assert [entry["messages"] for entry in listed(client)] == 2 * [said("Hello!")]


def test_the_documented_lines_serve_an_old_address(parley):
    with OldAddress(lines("saves.md"), postgres=parley.postgres) as site:
        front = site.old()
        signed_up = front.post("/api/v1/auth/signup", {"email": f"{uuid.uuid4()}@example.org", "password": "long enough"})
        front.token = signed_up.json["access_token"]
        saved(front, said("Hello!"))
        assert save(front, said("Hello!", "Hi.")).status == 200
        assert len(listed(front)) == 1
        assert front.get("/").body == b"the old page"


def test_the_table_is_there_as_a_view(parley, alice):
    """The columns that the API's own CREATE TABLE names."""
    session = saved(alice, said("Hello!"))
    ((user, messages, created, updated),) = run_sql(
        parley, "select user_id::text, messages, created_at, updated_at from parley.user_sessions where session_id = %s", session)
    assert (user, messages) == (alice.user_id, said("Hello!"))
    assert created <= updated


# Save or update


def test_a_save_with_the_session_appends_what_is_new(alice):
    session = saved(alice, said("Hello!"))
    longer = said("Hello!", "Hi.", "How are you?")
    answer = save(alice, longer, session)
    assert (answer.status, answer.json["session_id"], answer.json["messages"]) == (200, session, longer)
    assert answer.json["updated_at"] > answer.json["created_at"]
    assert kept(alice, session) == longer
    pages = alice.get(f"/api/v1/sessions/{session}/messages").json
    assert [message["seq"] for message in pages] == [1, 2, 3]
    assert [message["parent_id"] for message in pages] == [None, *(message["message_id"] for message in pages[:-1])]
    shown = alice.get(f"/api/v1/sessions/{session}").json
    assert (shown["title"], shown["preview"], shown["message_count"]) == ("Hello!", "How are you?", 3)


def test_the_same_save_twice_is_done_once(alice):
    session = saved(alice, said("Hello!"))
    answers = [save(alice, said("Hello!", "Hi."), session) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[0].json == answers[1].json == answers[2].json
    assert kept(alice, session) == said("Hello!", "Hi.")


def test_a_new_session_is_made_once_for_a_key(alice):
    first, second = (save(alice, said("once"), headers={"Idempotency-Key": "save-1"}) for _ in range(2))
    assert (first.status, first.body) == (second.status, second.body)
    assert (first.headers["Idempotency-Replayed"], second.headers["Idempotency-Replayed"]) == (None, "true")
    assert len(listed(alice)) == 1
    assert save(alice, said("other"), headers={"Idempotency-Key": "save-1"}).problem == "idempotency_key_reused"


# The front end as the text describes it: it knows its user and its messages, and no session_id


def test_who_knows_no_session_id_goes_on_with_the_newest(alice):
    """"Save or update the session linked to user_id": the sample's body, longer each time."""
    first = save(alice, said("Hello!"))
    answers = [save(alice, said("Hello!", "Hi.", *("on", "yes") * n)) for n in range(4)]
    assert [answer.status for answer in answers] == 4 * [200]
    assert {answer.json["session_id"] for answer in answers} == {first.json["session_id"]}
    assert [len(answer.json["messages"]) for answer in answers] == [2, 4, 6, 8]
    assert answers[0].headers["Location"] is None
    assert listed(alice) == [answers[-1].json]


@pytest.mark.parametrize("messages", [
    said("Hello!", "Hi."), said("Hello!"), said("Hello?", "Hi.", "More"), said("Hello!", "Ho.", "More"), [{"role": "system", "content": "x"}, *said("Hello!", "Hi.")],
    [*said("Hello!"), {"role": "user", "content": "Hi."}, *said("More")]], ids=["equal", "shorter", "edited", "another answer", "one in front", "another role"])
def test_what_does_not_go_on_with_the_newest_is_a_new_session(alice, messages):
    session = saved(alice, said("Hello!", "Hi."))
    answer = save(alice, messages)
    assert answer.status == 201 and answer.json["session_id"] != session
    assert kept(alice, session) == said("Hello!", "Hi.") and kept(alice, answer.json["session_id"]) == messages


def test_only_the_newest_is_gone_on_with(alice):
    older = saved(alice, said("one"))
    empty = alice.session()
    assert save(alice, said("one", "One.")).status == 201, "an empty session is gone on with by its name alone"
    alice.delete("/api/v1/sessions/" + empty)
    newest = listed(alice)[0]["session_id"]
    alice.delete("/api/v1/sessions/" + newest)
    assert save(alice, said("one", "One.")).json["session_id"] == older, "what is deleted is not there"
    saved(alice, said("two"))
    assert save(alice, said("one", "One.", "three")).status == 201


def test_anothers_session_is_never_gone_on_with(parley, alice, bob):
    theirs = saved(bob, said("Hello!"))
    before = run_sql(parley, "select m::text from parley.chat_messages m where user_id = %s", bob.user_id)
    answer = save(alice, said("Hello!", "Hi."))
    assert answer.status == 201 and answer.json["session_id"] != theirs
    assert save(alice, said("Hello!", "Hi.", "More")).json["session_id"] == answer.json["session_id"]
    assert save(alice, said("Hello!", "Hi."), headers={"X-User-ID": bob.user_id}).problem == "user_mismatch"
    assert run_sql(parley, "select m::text from parley.chat_messages m where user_id = %s", bob.user_id) == before
    assert kept(bob, theirs) == said("Hello!")


def test_going_on_is_done_once_for_a_key(alice):
    session = saved(alice, said("Hello!"))
    first, second = (save(alice, said("Hello!", "Hi."), headers={"Idempotency-Key": "on-1"}) for _ in range(2))
    assert (first.status, first.body, first.json["session_id"]) == (second.status, second.body, session)
    assert (first.status, first.headers["Idempotency-Replayed"], second.headers["Idempotency-Replayed"]) == (200, None, "true")
    assert save(alice, said("Hello!", "Ho."), headers={"Idempotency-Key": "on-1"}).problem == "idempotency_key_reused"
    assert listed(alice) == [first.json]


@pytest.mark.parametrize("tabs", ["different", "the same"])
def test_saves_of_the_same_moment_go_on_once(parley, alice, tabs):
    """One of eight goes on with the session, the others find that it has got other messages, or all of theirs, and have their own."""
    session = saved(alice, said("Hello!"))
    start = threading.Barrier(8)

    def tab(n):
        client = parley.client
        client.token = alice.token
        start.wait()
        return save(client, said("Hello!", f"to tab {n}" if tabs == "different" else "Hi."))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(tab, range(8)))
    assert sorted(answer.status for answer in answers) == [200] + 7 * [201]
    assert [answer.json["session_id"] for answer in answers if answer.status == 200] == [session]
    stored = {entry["session_id"]: entry["messages"] for entry in listed(alice)}
    assert stored == {answer.json["session_id"]: answer.json["messages"] for answer in answers} and len(stored) == 8


def test_a_session_that_is_being_answered_is_not_gone_on_with(alice):
    with chat(alice, words(400)) as turn:
        session = turn.first["session_id"]
        answer = save(alice, [*said(words(400), ""), {"role": "user", "content": "mine"}])
        assert answer.status == 201 and answer.json["session_id"] != session
        alice.post(f"/api/v1/sessions/{session}/stop")
        turn.rest()


@pytest.mark.parametrize("messages", [
    said("Hello!"), said("Hello?", "Hi."), said("Hello!", "Ho.", "More"), said("Hello! ", "Hi.", "More"),
    [{"role": "system", "content": "Hello!"}, *said("Hello!", "Hi.")], [{"role": "system", "content": "Hello!"}, said("", "Hi.")[1]],
], ids=["shorter", "edited", "another answer", "a blank more", "one in front", "another role"])
def test_what_does_not_begin_with_the_stored_is_a_conflict(parley, alice, messages):
    session = saved(alice, said("Hello!", "Hi."))
    before = parley.contents(but=("user_rates",))
    answer = save(alice, messages, session)
    assert (answer.status, answer.problem) == (409, "messages_conflict")
    assert parley.contents(but=("user_rates",)) == before


def test_two_tabs_lose_nothing(parley, alice):
    """Of eight saves at the same moment one is stored, the others are told; what they had is saved after reading again."""
    session = saved(alice, said("Hello!", "Hi."))
    start = threading.Barrier(8)

    def tab(n):
        client = parley.client
        client.token = alice.token
        start.wait()
        return save(client, said("Hello!", "Hi.", f"from tab {n}"), session)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(tab, range(8)))
    assert sorted(answer.status for answer in answers) == [200] + 7 * [409]
    (stored,) = [answer.json["messages"] for answer in answers if answer.status == 200]
    assert kept(alice, session) == stored
    assert save(alice, [*stored, {"role": "user", "content": "again"}], session).status == 200


def test_a_branch_that_is_looked_at_is_what_counts(alice):
    session = saved(alice, said("Hello!", "Hi."))
    first = alice.get(f"/api/v1/sessions/{session}/messages").json[0]["message_id"]
    alice.say(session, "Good day.", role="assistant", parent_message_id=first)
    assert kept(alice, session) == said("Hello!", "Good day.")
    assert save(alice, said("Hello!", "Hi."), session).status == 409
    assert save(alice, said("Hello!", "Good day.", "Bye"), session).status == 200


def test_a_session_while_it_is_answered_takes_no_save(alice):
    with chat(alice, words(400)) as turn:
        session = turn.first["session_id"]
        answer = save(alice, [*said(words(400)), {"role": "assistant", "content": "mine"}], session)
        assert (answer.status, answer.problem) == (409, "turn_in_progress")
        assert kept(alice, session) == said(words(400)), "the answer that is being written is not shown yet"
        alice.post(f"/api/v1/sessions/{session}/stop")
        turn.rest()
    messages = kept(alice, session)
    assert len(messages) == 2
    assert save(alice, [*messages, {"role": "user", "content": "on"}], session).status == 200


def test_an_answer_whose_process_is_gone_is_listed_as_far_as_it_came(parley, alice):
    with chat(alice, words(400)) as turn:
        session = turn.first["session_id"]
        turn.take(40)
        time.sleep(0.7)
        alice.post(f"/api/v1/sessions/{session}/stop")
        turn.rest()
    # As if nobody had ended it.
    run_sql(parley, "set session_replication_role = replica; "
                    "update parley.turns set status = 'streaming', ended_at = null, lease_until = now() - interval '1 s' where session_id = %s; "
                    "update parley.chat_messages set status = 'streaming', content = '' where session_id = %s and role = 'assistant'",
            session, session)
    messages = kept(alice, session)
    assert messages[1]["content"].startswith("word1 ")
    assert save(alice, [*messages, {"role": "user", "content": "on"}], session).status == 200


def test_what_another_front_end_stored_can_be_gone_on_with(alice):
    """Calls of tools without a word, answers that failed: they are part of the array, empty as they are."""
    session = alice.session(title="Mixed")
    alice.say(session, "What is the time?")
    alice.say(session, "", role="assistant", tool_calls=[{"id": "call_1"}])
    alice.say(session, "noon", role="tool")
    messages = kept(alice, session)
    assert [message["content"] for message in messages] == ["What is the time?", "", "noon"]
    assert save(alice, [*messages, {"role": "assistant", "content": "Noon."}], session).status == 200
    assert alice.get(f"/api/v1/sessions/{session}/messages").json[1]["tool_calls"] == [{"id": "call_1"}]


# What is taken


@pytest.mark.parametrize("text", ["", " ", "☕ \U0001f600", "\"\\/\b\f\n\r\t\x01\x7f", "{\"a\": [1]}", "'; drop table parley.users; --", "x" * 262144],
                         ids=["empty", "blank", "signs", "controls", "JSON", "SQL", "longest"])
def test_texts_come_back_as_they_were(alice, text):
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    session = saved(alice, messages)
    assert kept(alice, session) == messages
    assert save(alice, [*messages, {"role": "user", "content": "more"}], session).status == 200


def test_other_members_of_a_message_are_not_kept(alice):
    session = saved(alice, [{"role": "user", "content": "x", "id": 5, "timestamp": 1e300, "content_": None}])
    assert kept(alice, session) == [{"role": "user", "content": "x"}]


@pytest.mark.parametrize("messages, fields", [
    (None, ["messages"]), ([], ["messages"]), ({}, ["messages"]), ("x", ["messages"]), (["x"], ["messages[0]"]), ([None, []], ["messages[0]", "messages[1]"]),
    ([{"role": "user"}], ["messages[0].content"]), ([{"content": "x"}], ["messages[0].role"]),
    (said("a", "b", "c") + [{"role": "robot", "content": 5}], ["messages[3].content", "messages[3].role"]),
    ([{"role": None, "content": None}], ["messages[0].role", "messages[0].content"]),
    (said("a", "b", "x" * 262145), ["messages[2].content"]), (2001 * said("x"), ["messages"]), (20 * [1], [f"messages[{n}]" for n in range(8)]),
], ids=lambda value: str(value)[:40])
def test_a_mistake_is_named_and_stores_nothing(alice, messages, fields):
    assert wrong_fields(alice.post(SAVE, {"messages": messages})) == fields
    assert listed(alice) == []


def test_a_wrong_session_is_named(alice):
    for session in ("x", 5, "thread"):
        assert wrong_fields(alice.post(SAVE, {"messages": said("x"), "session_id": session})) == ["session_id"]
    assert listed(alice) == []


def test_as_many_as_may_be_are_saved_at_once(alice):
    messages = [{"role": "user", "content": f"text {n}"} for n in range(2000)]
    session = saved(alice, messages)
    assert kept(alice, session) == messages
    assert alice.get(f"/api/v1/sessions/{session}").json["message_count"] == 2000


def test_a_body_beyond_the_limit_is_refused(parley, alice):
    assert save(alice, said(*(5 * ["x" * 250000]))).status == 413
    with Parley({"max_body_bytes": 4096, "max_message_bytes": 1000}, postgres=parley.postgres) as small:
        user = person(small)
        assert save(user, said(*(5 * ["x" * 1000]))).status == 413
        assert wrong_fields(save(user, said("x" * 1001))) == ["messages[0].content"]
        assert save(user, said(*(3 * ["x" * 1000]))).status == 201


def test_quotas_hold(parley):
    with Parley({"quota_sessions": 2}, postgres=parley.postgres) as running:
        user = person(running)
        session = saved(user, said("one"))
        saved(user, said("two"))
        answer = save(user, said("three"))
        assert (answer.status, answer.problem) == (429, "too_many_sessions")
        assert answer.headers["Retry-After"]
        assert save(user, said("one", "more"), session).status == 200
    with Parley({"quota_sessions_per_minute": 1}, postgres=parley.postgres) as running:
        user = person(running)
        assert [save(user, said("x")).status for _ in range(2)] in ([201, 429], [201, 201])


# The list


def test_the_list_is_newest_first_and_whole(alice):
    sessions = [saved(alice, said(f"Session {n}", "Yes.")) for n in range(5)]
    saved(alice, said("Session 1", "Yes.", "Back again"), sessions[1])
    entries = listed(alice)
    assert [entry["session_id"] for entry in entries] == [sessions[n] for n in (1, 4, 3, 2, 0)]
    assert [len(entry["messages"]) for entry in entries] == [3, 2, 2, 2, 2]
    assert all(set(entry) == {"session_id", "user_id", "messages", "created_at", "updated_at"} for entry in entries)
    alice.delete("/api/v1/sessions/" + sessions[4])
    assert [entry["session_id"] for entry in listed(alice)] == [sessions[n] for n in (1, 3, 2, 0)]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_following_the_links_meets_each_session_once(alice, limit):
    sessions = [saved(alice, said(f"Session {n}")) for n in range(6)]
    found, path = [], f"{LIST}?limit={limit}"
    while path:
        answer = alice.get(path)
        found += [entry["session_id"] for entry in answer.json]
        path = answer.link("next")
    assert found == sessions[::-1]


def test_long_sessions_come_in_shorter_lists_and_none_is_left_out(alice):
    long = said(*(3 * ["x" * 250000]))
    sessions = [saved(alice, long) for _ in range(12)]
    found, path = [], LIST
    while path:
        answer = alice.get(path)
        assert len(answer.body) < 4.2 * 1048576
        assert all(entry["messages"] == long for entry in answer.json)
        found.append([entry["session_id"] for entry in answer.json])
        path = answer.link("next")
    assert sum(found, []) == sessions[::-1]
    assert len(found) == 3


@pytest.mark.parametrize("text", ["x" * 262144, "\x01" * 150000], ids=["letters", "escaped"])
def test_a_session_that_is_too_long_shows_its_newest_messages(alice, text):
    session = alice.session()
    for n in range(20):
        alice.say(session, text if n % 7 else "short")
    (entry,) = listed(alice)
    shown = len(entry["messages"])
    assert entry["messages_omitted"] == 20 - shown > 0
    assert shown > 1
    assert [len(message["content"]) for message in entry["messages"]] == [len(text) if n % 7 else 5 for n in range(20)][-shown:]


def test_a_list_that_did_not_change_is_not_sent_again(alice):
    session = saved(alice, said("x"))
    tag = alice.get(LIST).headers["ETag"]
    answer = alice.get(LIST, headers={"If-None-Match": tag})
    assert (answer.status, answer.body) == (304, b"")
    saved(alice, said("x", "y"), session)
    assert alice.get(LIST, headers={"If-None-Match": tag}).status == 200


@pytest.mark.parametrize("query, field", [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"), ("cursor=", "cursor")])
def test_a_wrong_query_is_named(alice, query, field):
    assert wrong_fields(alice.get(f"{LIST}?{query}")) == [field]


# Attacks


def test_another_persons_session_is_like_one_that_is_not_there(parley, alice, bob):
    session = saved(bob, said("Secret"))
    before = parley.contents(but=("user_rates",))
    answers = [save(alice, messages, id) for messages in (said("Secret", "stolen"), said("Guess")) for id in (session, str(uuid.uuid4()))]
    assert {(answer.status, answer.problem) for answer in answers} == {(404, "session_not_found")}
    assert parley.contents(but=("user_rates",)) == before
    assert listed(alice) == []
    cursor = None
    saved(bob, said("Another"))
    cursor = bob.get(LIST + "?limit=1").link("next")
    assert alice.get(cursor).json == []
    assert kept(bob, session) == said("Secret")


def test_a_deleted_session_takes_no_save_until_it_is_restored(alice):
    session = saved(alice, said("x"))
    alice.delete(f"/api/v1/sessions/{session}")
    assert save(alice, said("x", "y"), session).problem == "session_not_found"
    alice.post(f"/api/v1/sessions/{session}/restore")
    assert save(alice, said("x", "y"), session).status == 200

"""Nobody sees another's words: every id of every route, as its owner's neighbour and as nobody.

What is not yours and what is not there give the same answer, byte for byte but for the request's id, and change nothing.
"""
import json
import uuid

import pytest

import walk
from people import person
from sse import chat, words

# Counts of requests, which change with each of them.
COUNTERS = ("user_rates",)


@pytest.fixture(scope="module")
def bob_with_all(parley):
    bob = parley.signup()
    bob.ids = walk.belongings(parley, bob)
    return bob


@pytest.fixture(scope="module")
def alice(parley):
    alice = parley.signup()
    alice.ids = walk.belongings(parley, alice)
    return alice


def comparable(answer):
    """Status, headers and body without what differs between any two requests."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("Date", "X-Request-Id")}
    body = answer.body.replace(answer.headers["X-Request-Id"].encode(), b"ID")
    return answer.status, headers, body


def ask(person, method, path, ids, headers=None):
    sent = walk.body(method, path, ids)
    more = {} if sent is None else {"raw": json.dumps(sent).encode()}
    return person.request(method, walk.fill(path, ids), headers=headers, **more)


def walk_routes(parley):
    routes = [(method, path) for method, path, _, _ in parley.routes() if walk.has_parameter(path)]
    assert routes
    return routes


def test_every_route_with_an_id_can_be_walked(parley):
    for method, path in walk_routes(parley):
        walk.fill(path, walk.absent())


def test_the_owner_gets_through(parley):
    """The walk below proves nothing if its requests were wrong in themselves."""
    order = {"GET": 0, "PUT": 1, "PATCH": 2, "POST": 3, "DELETE": 4}
    for method, path in sorted(walk_routes(parley), key=lambda route: order[route[0]]):
        owner = person(parley)
        owner.ids = walk.belongings(parley, owner)
        answer = ask(owner, method, path, owner.ids)
        # What is not deleted cannot be restored, and says so in its own words.
        assert answer.status < 300 or path.endswith("/restore"), (method, path, answer)


def test_another_users_id_is_like_an_absent_one(parley, alice, bob_with_all):
    before = parley.contents(but=COUNTERS)
    for method, path in walk_routes(parley):
        theirs = ask(alice, method, path, bob_with_all.ids)
        nothing = ask(alice, method, path, walk.absent())
        assert theirs.status == 404, (method, path, theirs)
        assert comparable(theirs) == comparable(nothing), (method, path)
    assert parley.contents(but=COUNTERS) == before


def test_another_users_id_in_ones_own_thing_is_like_an_absent_one(parley, alice, bob_with_all):
    """The first id of the path is one's own, the others (and those in the body) are not."""
    before = parley.contents(but=COUNTERS)
    for method, path in walk_routes(parley):
        if "message_id" not in (walk.BODIES.get((method, path)) or {}) and path.count("{") < 2:
            continue
        mine = {"session": alice.ids["session"], "project": alice.ids["project"]}
        theirs = ask(alice, method, path, {**bob_with_all.ids, **mine})
        nothing = ask(alice, method, path, {**walk.absent(), **mine})
        assert theirs.status in (400, 404, 422), (method, path, theirs)
        assert comparable(theirs) == comparable(nothing), (method, path)
    assert parley.contents(but=COUNTERS) == before


@pytest.mark.parametrize("method, path, field, name", [
    ("POST", "/api/v1/sessions", "project_id", "project"),
    ("PATCH", "/api/v1/sessions/{id}", "project_id", "project"),
    ("POST", "/api/v1/sessions/{id}/messages", "parent_message_id", "message"),
    ("POST", "/api/v1/chat", "session_id", "session"),
    ("POST", "/api/v1/chat", "parent_message_id", "message"),
])
def test_another_users_id_in_a_body_is_like_an_absent_one(parley, alice, bob_with_all, method, path, field, name):
    before = parley.contents(but=COUNTERS)
    good = walk.body(method, path, alice.ids)
    answers = [alice.request(method, walk.fill(path, alice.ids), {**good, field: ids[name]})
               for ids in (bob_with_all.ids, walk.absent())]
    assert answers[0].status in (400, 404, 422), answers[0]
    assert comparable(answers[0]) == comparable(answers[1])
    assert parley.contents(but=COUNTERS) == before


def test_a_turn_in_another_users_project_is_like_one_in_none(parley, alice, bob_with_all):
    before = parley.contents(but=COUNTERS)
    answers = [alice.post("/api/v1/chat", {"text": "Words", "project_id": ids["project"]})
               for ids in (bob_with_all.ids, walk.absent())]
    assert answers[0].status == 404, answers[0]
    assert comparable(answers[0]) == comparable(answers[1])
    assert parley.contents(but=COUNTERS) == before


def test_another_users_turn_is_resumed_by_nobody(parley, alice, bob_with_all):
    """By its text, its key, its session, whether it runs or has ended."""
    key, text = {"Idempotency-Key": "bobs-key"}, words(500, "secret")
    with chat(bob_with_all, text, headers=key) as running:
        session = running.first["session_id"]
        for _ in ("while it runs", "after its end"):
            before = parley.contents(but=(*COUNTERS, "turns", "turn_events", "chat_messages"))
            for body in ({"text": text}, {"text": text, "session_id": session}):
                for more in ({}, key):
                    answer = alice.post("/api/v1/chat", body, headers={"Last-Event-ID": "0", **more})
                    assert (answer.status, answer.problem) == (404, "turn_not_found"), answer
            for path in ("stream", "events", "stream?after=1", "events?after=1"):
                theirs, nothing = (alice.get(f"/api/v1/sessions/{one}/{path}") for one in (session, walk.absent()["session"]))
                assert theirs.status == 404, theirs
                assert comparable(theirs) == comparable(nothing)
            assert alice.post(f"/api/v1/sessions/{session}/stop").status == 404
            assert parley.contents(but=(*COUNTERS, "turns", "turn_events", "chat_messages")) == before
            bob_with_all.post(f"/api/v1/sessions/{session}/stop")
            running.rest()
    with chat(alice, "another text", headers=key) as own:
        assert own.first["session_id"] != session
        assert own.rest()[-1].type == "done"


def test_another_users_project_in_a_query_finds_nothing(alice, bob_with_all):
    answers = [alice.get("/api/v1/sessions?project_id=" + ids["project"]) for ids in (bob_with_all.ids, walk.absent())]
    assert comparable(answers[0]) == comparable(answers[1])
    assert answers[0].json == []


def test_nobody_is_told_to_sign_in_first(parley, bob_with_all):
    before = parley.contents(but=COUNTERS)
    stranger = parley.client
    for method, path, access, _ in parley.routes():
        if access != "user":
            continue
        answers = [ask(stranger, method, path, ids) for ids in (bob_with_all.ids, walk.absent())]
        assert [answer.status for answer in answers] == [401, 401], (method, path, answers)
        assert comparable(answers[0]) == comparable(answers[1]), (method, path)
        assert answers[0].headers["WWW-Authenticate"].startswith("Bearer")
    assert parley.contents(but=COUNTERS) == before


def test_claiming_to_be_another_is_forbidden(parley, alice, bob_with_all):
    before = parley.contents(but=COUNTERS)
    for method, path, access, _ in parley.routes():
        if access != "user":
            continue
        answer = ask(alice, method, path, alice.ids, headers={"X-User-ID": bob_with_all.user_id})
        assert answer.status == 403, (method, path, answer)
    assert parley.contents(but=COUNTERS) == before


def test_a_body_of_another_user_is_forbidden(alice, bob_with_all):
    answer = alice.post("/api/v1/sessions", {"title": "x", "user_id": bob_with_all.user_id})
    assert answer.status == 403, answer


def test_lists_hold_only_ones_own(alice, bob_with_all):
    for path in ("/api/v1/sessions", "/api/v1/projects"):
        text = alice.get(path).body.decode()
        for word in bob_with_all.ids.values():
            assert word not in text


def test_a_deleted_user_is_nobody_and_leaves_nothing(parley):
    person = parley.signup()
    walk.belongings(parley, person)
    answer = person.delete("/api/v1/users/me", {"password": person.password})
    assert answer.status == 204, answer
    assert person.get("/api/v1/users/me").status in (401, 404)
    for table, rows in parley.contents().items():
        assert not any(person.user_id in row or person.email in row for row in rows), table


def test_a_known_id_with_other_letters_is_the_same_thing_or_none(alice):
    session = alice.ids["session"]
    assert alice.get("/api/v1/sessions/" + session.upper()).status in (200, 404)
    assert alice.get("/api/v1/sessions/" + uuid.UUID(session).hex).status == 404

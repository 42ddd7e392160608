"""Idempotency-Key: what is sent twice is done once and answered twice."""
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from parley import Parley
from people import person, run_sql

PATH = "/api/v1/sessions"


def keyed(user, path, body, key="key-1", **more):
    return user.post(path, body, headers={"Idempotency-Key": key, **more})


def same(first, second):
    """A second answer like the first, marked as a repetition."""
    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Content-Type"] == first.headers["Content-Type"]
    assert first.headers["Idempotency-Replayed"] is None
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


def test_every_post_that_creates_can_be_sent_twice(alice):
    session = alice.session()
    for path, body in ((PATH, {"title": "once"}), ("/api/v1/projects", {"name": "once"}),
                       (f"{PATH}/{session}/messages", {"role": "user", "content": "once ☕"})):
        first = keyed(alice, path, body, key=path)
        assert first.status == 201
        same(first, keyed(alice, path, body, key=path))
    assert len(alice.get(PATH).json) == 2
    assert len(alice.get("/api/v1/projects").json) == 1
    assert len(alice.get(f"{PATH}/{session}/messages").json) == 1


def test_an_answer_stays_what_it_was(alice):
    """Also when what it made was changed or removed since."""
    first = keyed(alice, PATH, {"title": "once"})
    session = first.json["session_id"]
    alice.patch(f"{PATH}/{session}", {"title": "changed"})
    same(first, keyed(alice, PATH, {"title": "once"}))
    alice.delete(f"{PATH}/{session}?purge=true")
    same(first, keyed(alice, PATH, {"title": "once"}))
    assert alice.get(PATH).json == []


def test_another_request_with_the_key_is_refused(alice):
    session = alice.session()
    keyed(alice, PATH, {"title": "once"})
    for path, body in ((PATH, {"title": "other"}), (PATH, {}), (PATH + "?x=1", {"title": "once"}), ("/api/v1/projects", {"name": "P"}),
                       (f"{PATH}/{session}/messages", {"role": "user", "content": "x"})):
        answer = keyed(alice, path, body)
        assert (answer.status, answer.problem) == (422, "idempotency_key_reused"), path
    assert len(alice.get(PATH).json) == 2
    assert alice.get("/api/v1/projects").json == []


def test_a_key_belongs_to_one_person(alice, bob):
    first, second = (keyed(user, PATH, {"title": "once"}) for user in (alice, bob))
    assert first.status == second.status == 201
    assert second.headers["Idempotency-Replayed"] is None
    assert first.json["session_id"] != second.json["session_id"]
    assert [session["session_id"] for session in bob.get(PATH).json] == [second.json["session_id"]]


def test_without_a_key_everything_is_done_again(alice):
    assert [alice.post(PATH, {"title": "again"}).status for _ in range(2)] == [201, 201]
    assert len(alice.get(PATH).json) == 2


def test_the_same_key_at_once_makes_one_row(parley, alice):
    session = alice.session()
    start = threading.Barrier(8)

    def send(_):
        client = parley.client
        client.token = alice.token
        start.wait()
        return keyed(client, f"{PATH}/{session}/messages", {"role": "user", "content": "once"})
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert [answer.headers["Idempotency-Replayed"] for answer in answers].count(None) == 1
    assert len(alice.get(f"{PATH}/{session}/messages").json) == 1
    assert alice.get(f"{PATH}/{session}").json["message_count"] == 1


def test_a_request_that_failed_does_not_use_up_its_key(parley, alice):
    session = alice.session()
    path = f"{PATH}/{session}/messages"
    body = {"role": "user", "content": "x"}
    assert keyed(alice, path, {"role": "user", "content": ""}).status == 400
    assert alice.post(path, raw=b"{", headers={"Idempotency-Key": "key-1"}).status == 400
    alice.delete(f"{PATH}/{session}")
    assert keyed(alice, path, body).status == 404
    assert run_sql(parley, "select count(*) from parley.idempotency_keys where user_id = %s", alice.user_id) == [(0,)]
    alice.post(f"{PATH}/{session}/restore")
    first = keyed(alice, path, body)
    assert first.status == 201
    same(first, keyed(alice, path, body))


def test_a_quota_that_refuses_does_not_use_up_the_key(parley):
    with Parley({"quota_sessions": 1}, postgres=parley.postgres) as running:
        user = person(running)
        session = user.session()
        assert keyed(user, PATH, {}).status == 429
        user.delete(f"{PATH}/{session}")
        assert keyed(user, PATH, {}).status == 201


def test_only_posts_that_create_look_at_the_key(alice):
    session = alice.session(title="first")
    for title in ("second", "third"):
        answer = alice.patch(f"{PATH}/{session}", {"title": title}, headers={"Idempotency-Key": "key-1"})
        assert (answer.status, answer.json["title"]) == (200, title)
        assert alice.put(f"{PATH}/{session}/title", {"title": title}, headers={"Idempotency-Key": "key-1"}).status == 200
        assert alice.get(PATH, headers={"Idempotency-Key": "key-1"}).status == 200
    assert alice.delete(f"{PATH}/{session}", headers={"Idempotency-Key": "key-1"}).status == 204
    assert alice.delete(f"{PATH}/{session}", headers={"Idempotency-Key": "key-1"}).status == 404
    assert keyed(alice, PATH, {}).status == 201


@pytest.mark.parametrize("hours", [None, 3])
def test_a_key_is_kept_for_its_hours(parley, hours):
    with Parley({"idempotency_hours": hours} if hours else {}, postgres=parley.postgres) as running:
        user = person(running)
        first = keyed(user, PATH, {"title": "once"})
        kept = run_sql(running, "select extract(epoch from expires_at - created_at)::integer from parley.idempotency_keys "
                                "where user_id = %s", user.user_id)
        assert kept == [((hours or 24) * 3600,)]
        run_sql(running, "update parley.idempotency_keys set expires_at = now() where user_id = %s", user.user_id)
        again = keyed(user, PATH, {"title": "other"})
        assert (again.status, again.json["title"]) == (201, "other")
        same(again, keyed(user, PATH, {"title": "other"}))
        assert first.json["session_id"] != again.json["session_id"]


def test_outlived_keys_are_purged(parley, alice, bob):
    keyed(alice, PATH, {})
    keyed(bob, PATH, {})
    run_sql(parley, "update parley.idempotency_keys set expires_at = now() - interval '1 second' where user_id = %s", alice.user_id)
    assert parley.run("purge", "-c", parley.config).returncode == 0
    left = run_sql(parley, "select user_id::text from parley.idempotency_keys where user_id in (%s, %s)", alice.user_id, bob.user_id)
    assert left == [(bob.user_id,)]


@pytest.mark.parametrize("key", ["k", "k" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"],
                         ids=["one", "longest", "uuid", "signs"])
def test_any_visible_text_is_a_key(alice, key):
    first = keyed(alice, PATH, {}, key)
    same(first, keyed(alice, PATH, {}, key))


@pytest.mark.parametrize("key", ["k" * 256, "two words", "ä", "tab\tin"], ids=["long", "blank", "other letters", "tab"])
def test_what_is_no_key_is_refused(alice, key):
    answer = keyed(alice, PATH, {}, key.encode("utf-8").decode("latin-1"))
    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (400, ["Idempotency-Key"])
    assert alice.get(PATH).json == []

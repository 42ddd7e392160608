"""Requests a minute of one person."""
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from parley import Parley
from people import person, run_sql, steady_minute

PATH = "/api/v1/sessions"
WORKERS = 4


@pytest.fixture(scope="module")
def few(parley):
    with Parley({"quota_requests_per_minute": 5, "workers": WORKERS}, postgres=parley.postgres) as running:
        yield running


@pytest.fixture(scope="module")
def many(parley):
    """A limit that is counted in blocks of ten."""
    with Parley({"quota_requests_per_minute": 100, "workers": WORKERS}, postgres=parley.postgres) as running:
        yield running


def limits(answer):
    return [answer.headers["RateLimit-" + name] for name in ("Limit", "Remaining", "Reset")]


def test_the_sixth_of_five_requests_has_to_wait(few):
    steady_minute()
    user = person(few)
    for left in (4, 3, 2, 1, 0):
        answer = user.get(PATH)
        limit, remaining, reset = limits(answer)
        assert (answer.status, limit, remaining) == (200, "5", str(left))
        assert 1 <= int(reset) <= 60
    for _ in range(3):
        answer = user.get(PATH)
        assert (answer.status, answer.problem) == (429, "requests_per_minute")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert limits(answer)[:2] == ["5", "0"]


def test_writes_count_and_what_is_refused_is_not_done(few):
    steady_minute()
    user = person(few)
    statuses = [user.post(PATH, {"title": "x"}).status for _ in range(8)]
    assert statuses == 5 * [201] + 3 * [429]
    assert run_sql(few, "select count(*) from parley.chat_sessions where user_id = %s", user.user_id) == [(5,)]


def test_one_person_over_the_limit_stops_nobody_else(few):
    steady_minute()
    eager, calm = person(few), person(few)
    for _ in range(10):
        eager.get(PATH)
    assert eager.get(PATH).status == 429
    assert calm.get(PATH).status == 200
    assert few.client.get("/healthz").status == 200
    assert few.client.post("/api/v1/auth/login", {"email": eager.email, "password": eager.password}).status == 200
    assert few.client.post("/api/v1/auth/refresh", {"refresh_token": eager.refresh_token}).status == 200


def test_the_process_answers_about_itself_without_counting(few):
    steady_minute()
    user = person(few)
    for _ in range(10):
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = user.get(path)
            assert (answer.status, limits(answer)) == (200, [None] * 3)
    assert user.get(PATH).headers["RateLimit-Remaining"] == "4"


def test_the_limit_holds_over_all_processes_but_for_a_block_of_each(many):
    steady_minute(8)
    user = person(many)

    def send(_):
        client = many.client
        client.token = user.token
        return [client.get(PATH).status for _ in range(60)]
    with ThreadPoolExecutor(4) as pool:
        statuses = sum(pool.map(send, range(4)), [])
    assert set(statuses) == {200, 429}
    assert 100 <= statuses.count(200) <= 100 + WORKERS * 10


@pytest.mark.parametrize("path, status", [(f"/{uuid.uuid4()}", 404), ("?limit=none", 400)], ids=["absent", "wrong"])
def test_requests_that_fail_count_too(many, path, status):
    steady_minute(8)
    user = person(many)

    def send(_):
        client = many.client
        client.token = user.token
        return [client.get(PATH + path).status for _ in range(60)]
    with ThreadPoolExecutor(4) as pool:
        statuses = sum(pool.map(send, range(4)), [])
    assert set(statuses) == {status, 429}
    assert 100 <= statuses.count(status) <= 100 + WORKERS * 10


@pytest.mark.parametrize("path, status", [(f"/{uuid.uuid4()}", 404), ("?limit=none", 400)], ids=["absent", "wrong"])
def test_a_request_that_fails_counts_once(few, path, status):
    """What is refused before the database is asked is noticed by each process one request late."""
    steady_minute()
    user = person(few)
    statuses = [user.get(PATH + path).status for _ in range(6 + WORKERS)]
    assert statuses[:5] == 5 * [status]
    assert statuses[-1] == 429


def test_without_a_limit_nothing_is_said_of_one(alice):
    answers = [alice.get(PATH) for _ in range(30)]
    assert {answer.status for answer in answers} == {200}
    assert limits(answers[0]) == [None] * 3


def test_the_usual_limit_is_six_hundred(parley):
    with Parley({"quota_requests_per_minute": None, "quota_sessions_per_minute": None}, postgres=parley.postgres) as usual:
        answer = person(usual).post(PATH, {})
        assert (answer.status, limits(answer)[:2]) == (201, ["600", "599"])

"""Whether the process lives, whether it can serve, and what it counts."""
import re
import time
import uuid

import pytest

from parley import Parley
from people import person, run_sql

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|[+-]Inf|NaN)")


@pytest.fixture(scope="module")
def own():
    """With a PostgreSQL of its own, which these tests stop."""
    with Parley({"workers": 4}) as running:
        yield running


def read_metrics(parley):
    """{(name, labels): value} of /metrics, which must follow the text format to the letter."""
    answer = parley.client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.body.decode()
    assert text.endswith("\n")
    samples, kinds, helped = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in helped
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped and name not in kinds and kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            family = re.sub(r"_(bucket|sum|count)$", "", found[1])
            family = family if kinds.get(family) == "histogram" else found[1]
            assert list(kinds)[-1] == family, "a family's samples stand together"
            assert (kinds[family] == "counter") == found[1].endswith("_total")
            key = (found[1], frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or "")))
            assert key not in samples
            samples[key] = float(found[3])
    return samples


def value(samples, name, **labels):
    return samples.get((name, frozenset(labels.items())), 0)


# Healthy


def test_a_healthy_process_says_so(client):
    for path, state in (("/healthz", "alive"), ("/readyz", "ready")):
        answer = client.get(path)
        assert (answer.status, answer.json) == (200, {"status": state})
        assert answer.headers["Cache-Control"] == "no-store"


def test_health_needs_no_token_and_minds_none(client):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers={"Authorization": "Bearer nonsense"}).status == 200


# Without a database


def test_without_a_database_the_process_lives_and_is_not_ready(own):
    user = person(own)
    session = user.session()
    workers = own.workers()
    before = read_metrics(own)
    with own.expecting("5xx"):
        own.postgres.stop()
        try:
            for _ in range(5):
                assert own.client.get("/healthz").json == {"status": "alive"}
                answer = own.client.get("/readyz")
                assert (answer.status, answer.problem) == (503, "not_ready")
                assert int(answer.headers["Retry-After"]) >= 1
                start = time.monotonic()
                for answer in (user.get("/api/v1/sessions"), user.post("/api/v1/sessions", {}),
                               own.client.post("/api/v1/auth/login", {"email": user.email, "password": user.password})):
                    assert (answer.status, answer.problem) == (503, "unavailable")
                    assert int(answer.headers["Retry-After"]) >= 1
                assert time.monotonic() - start < 2
            assert user.get("/nowhere").status == 404
            assert own.client.get("/api/v1/sessions").status == 401
            down = read_metrics(own)
        finally:
            own.postgres.start()
        own.wait_ready()
    for _ in range(20):
        assert user.get(f"/api/v1/sessions/{session}").status == 200
    assert user.post("/api/v1/sessions", {}).status == 201
    assert own.workers() == workers
    for name in ("parley_database_errors_total", "parley_database_connects_total"):
        assert value(down, name) > value(before, name)
    refused = {"method": "GET", "route": "/readyz", "status": "503"}
    assert value(down, "parley_requests_total", **refused) - value(before, "parley_requests_total", **refused) == 5


def test_a_restart_of_the_database_between_requests_is_not_noticed(own):
    user = person(own)
    session = user.session()
    for _ in range(8):
        user.get("/api/v1/sessions")
    own.postgres.restart()
    for i in range(12):
        assert user.say(session, f"text {i}")["seq"] == i + 1
    assert user.get(f"/api/v1/sessions/{session}").json["message_count"] == 12


def not_ready(own):
    with own.expecting("5xx"):
        answer = own.client.get("/readyz")
        assert (answer.status, answer.problem) == (503, "not_ready"), answer
        return answer


def test_an_older_schema_than_the_programs_is_not_ready(own):
    newest = run_sql(own, "select number, name, sha256, applied_at from parley.schema_migrations order by 1 desc limit 1")[0]
    run_sql(own, "delete from parley.schema_migrations where number = %s", newest[0])
    try:
        not_ready(own)
        assert own.client.get("/healthz").status == 200
    finally:
        run_sql(own, "insert into parley.schema_migrations (number, name, sha256, applied_at) values (%s, %s, %s, %s)", *newest)
    assert own.client.get("/readyz").status == 200


def test_a_newer_schema_than_the_programs_is_ready(own):
    """A rolling upgrade migrates first."""
    run_sql(own, "insert into parley.schema_migrations (number, name, sha256) values (999, 'later', repeat('0', 64))")
    try:
        assert own.client.get("/readyz").status == 200
    finally:
        run_sql(own, "delete from parley.schema_migrations where number = 999")


def test_a_guard_that_was_switched_off_is_not_ready_and_the_log_says_which(own):
    run_sql(own, "alter table parley.chat_messages no force row level security")
    try:
        answer = not_ready(own)
        assert b"chat_messages" not in answer.body
        assert "table parley.chat_messages has no forced row level security" in own.log_text()
    finally:
        run_sql(own, "alter table parley.chat_messages force row level security")
    assert own.client.get("/readyz").status == 200


# Metrics


def test_metrics_count_every_request_once(own):
    user = person(own)
    session = user.session()
    before = read_metrics(own)
    for _ in range(7):
        user.get("/api/v1/sessions")
    for _ in range(3):
        user.get(f"/api/v1/sessions/{uuid.uuid4()}")
    user.say(session, "hello")
    user.get("/nowhere")
    user.request("BREW", "/api/v1/sessions")
    after = read_metrics(own)

    def grown(name="parley_requests_total", **labels):
        return value(after, name, **labels) - value(before, name, **labels)
    assert grown(method="GET", route="/api/v1/sessions", status="200") == 7
    assert grown(method="GET", route="/api/v1/sessions/{id}", status="404") == 3
    assert grown(method="POST", route="/api/v1/sessions/{id}/messages", status="201") == 1
    assert grown(method="any", route="none", status="404") == 1
    assert grown(method="any", route="none", status="405") == 1
    assert grown("parley_request_seconds_count", method="GET", route="/api/v1/sessions") == 7
    assert grown("parley_database_transactions_total") >= 11
    assert grown("parley_database_errors_total") == 0


def test_histograms_add_up(own):
    samples = read_metrics(own)
    buckets = {}
    for (name, labels), count in samples.items():
        if name == "parley_request_seconds_bucket":
            rest = {pair for pair in labels if pair[0] != "le"}
            buckets.setdefault(frozenset(rest), []).append((float(dict(labels)["le"].replace("+Inf", "inf")), count))
    assert buckets
    for labels, counts in buckets.items():
        counts.sort()
        assert [count for _, count in counts] == sorted(count for _, count in counts)
        assert counts[-1] == (float("inf"), samples["parley_request_seconds_count", labels])
        answered = sum(count for (name, other), count in samples.items()
                       if name == "parley_requests_total" and labels <= other)
        assert answered == counts[-1][1]
        assert samples["parley_request_seconds_sum", labels] >= 0


def test_workers_are_counted(own):
    samples = read_metrics(own)
    assert value(samples, "parley_workers") == 4 == len(own.workers())
    assert value(samples, "parley_workers_busy") == 1
    assert value(samples, "parley_workers_started_total") >= 4
    assert value(samples, "parley_workers_died_total") == 0
    assert value(samples, "parley_uptime_seconds") < 1000


def test_counters_only_grow_also_when_workers_are_replaced(own):
    """A worker that makes room for another leaves its counts behind."""
    with Parley({"workers": 4, "max_requests": 5}, postgres=own.postgres) as running:
        user = person(running)
        totals = []
        for _ in range(6):
            for _ in range(10):
                assert user.get("/api/v1/sessions").status == 200
            samples = read_metrics(running)
            totals.append(value(samples, "parley_requests_total", method="GET", route="/api/v1/sessions", status="200"))
        assert totals == [10, 20, 30, 40, 50, 60]
        assert value(samples, "parley_workers_started_total") > 8
        assert value(samples, "parley_workers_died_total") == 0


def test_metrics_name_nobody(own):
    user = person(own)
    user.get(f"/api/v1/sessions/{uuid.uuid4()}")
    text = own.client.get("/metrics").body.decode()
    assert user.user_id not in text and user.email not in text
    assert len(re.findall(r'route="([^"]*)"', text)) and not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text)

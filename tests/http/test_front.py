"""What nginx does in front: security headers, limits, problem documents of its own."""
import pytest

from parley import Parley

HEADERS = ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy", "X-Request-Id")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/api/v1/sessions", "/api/v1/auth/login", "/api/v1/users", "/problem/413"])
def test_every_answer_has_the_headers(client, path):
    answer = client.get(path)
    for name in HEADERS:
        assert len(answer.headers.get_all(name, [])) == 1, (path, name)
    assert answer.headers["Server"] == "nginx"
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_the_bare_address_says_where_things_are(client):
    answer = client.get("/")
    assert answer.status == 200 and answer.json["api"] == "/api/v1"
    assert client.get(answer.json["health"]).status == 200
    refused = client.post("/", {})
    assert (refused.status, refused.problem) == (405, "method_not_allowed")


def test_an_application_that_is_away_is_a_problem_document(parley):
    """Nobody listens: 502 in the form of all others, and the next start serves again."""
    client = parley.client
    client.get("/healthz")
    parley.stop()
    try:
        answer = client.get("/api/v1/sessions")
        assert (answer.status, answer.problem) == (502, "unavailable")
        assert answer.headers["Retry-After"] == "1"
    finally:
        parley.start()
        parley.wait_ready()
    assert client.get("/healthz").status == 200


def test_an_address_that_tries_too_often_has_to_wait(parley):
    with Parley(postgres=parley.postgres, sign_ins=10) as limited:
        client = limited.client
        for path in ("/api/v1/auth/login", "/api/v1/users"):
            answers = [client.post(path, {}) for _ in range(60)]
            assert {answer.status for answer in answers} == {400, 429}, path
            refused = next(answer for answer in answers if answer.status == 429)
            assert refused.problem == "too_many_requests"
            assert refused.headers["Retry-After"] == "1"
        assert {client.get("/api/v1/users/me").status for _ in range(60)} == {401}


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/users", "/api/v1/auth/login", "/healthz", "/api/v1/sessions"])
def test_a_slash_more_passes_no_rule_of_a_single_path(client, path):
    for more in ("/", "//", "/?x=1"):
        assert client.get(path + more).status == 404, more
        assert client.post(path + more, {}).status == 404, more


def test_metrics_are_for_this_machine(client):
    answer = client.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"# TYPE parley_" in answer.body

"""What every answer has in common, whatever the route."""
import email.utils
import http.client
import itertools
import json
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

import walk
from client import PASSWORD, raw_exchange
from people import person

# An invitation's end, which the database does not know, has three digits.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\d{3})?Z")
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers")
OTHER_TYPES = {"/metrics": "text/plain; version=0.0.4; charset=utf-8", "/openapi.yaml": "application/yaml"}
_keys = itertools.count(1)


def invitation_of(parley, owner):
    """To a project of theirs."""
    return owner.post(f"/api/v1/projects/{walk.belongings(parley, owner)['project']}/invitations").json["invitation"]


def good_answers(parley):
    """A good request to every route, each with belongings of its own: ((method, path), answer)."""
    for method, path, access, _ in parley.routes():
        user = person(parley)
        ids = walk.belongings(parley, user)
        if path.endswith("/restore"):
            user.delete(f"/api/v1/sessions/{ids['session']}")
        body = walk.body(method, path, ids)
        if path.endswith(("/signup", "/users")):
            body = {"email": f"walk{next(_keys)}.{uuid.uuid4().hex}@example.org", "password": PASSWORD}
        elif path.endswith("/login"):
            body = {"email": user.email, "password": user.password}
        elif path.endswith(("/refresh", "/logout")):
            body = {"refresh_token": user.refresh_token}
        elif path.endswith("/password"):
            body = {"current_password": user.password, "new_password": "another password"}
        elif path.endswith("/join"):
            body = {"invitation": invitation_of(parley, person(parley))}
        asker = user if access == "user" else user.anonymous()
        yield (method, path), asker.request(method, walk.fill(path, ids), **({"body": body} if body else {}))


@pytest.fixture(scope="module")
def walked(parley):
    return dict(good_answers(parley))


def test_every_route_answers_a_good_request(walked):
    assert {route: answer.status for route, answer in walked.items() if not 200 <= answer.status < 300} == {}


def is_stream(route):
    """Turns that begin are streams, but for one front end's; all other answers are whole."""
    return route[0] == "POST" and route[1].endswith(("/chat", "/chat/stream", "/regenerate")) and route[1] != "/chat"


def test_every_answer_has_a_length_and_an_id(walked):
    for route, answer in walked.items():
        assert answer.headers["X-Request-Id"], route
        assert ("Transfer-Encoding" in answer.headers) == is_stream(route), route
        if is_stream(route):
            continue
        if answer.status == 204:
            assert (answer.body, answer.headers["Content-Length"], answer.headers["Content-Type"]) == (b"", None, None), route
        else:
            assert int(answer.headers["Content-Length"]) == len(answer.body) > 0, route


def test_every_answer_says_its_type_once(walked):
    for route, answer in walked.items():
        if answer.status != 204:
            kinds = answer.headers.get_all("Content-Type")
            usual = "text/event-stream; charset=utf-8" if is_stream(route) else "application/json"
            assert kinds == [OTHER_TYPES.get(route[1], usual)], route


def test_ids_of_requests_are_all_different(walked):
    ids = [answer.headers["X-Request-Id"] for answer in walked.values()]
    assert len(set(ids)) == len(ids)


def test_answers_with_tokens_are_never_stored(walked):
    for route, answer in walked.items():
        if b'"access_token"' in answer.body:
            assert answer.headers["Cache-Control"] == "no-store", route
    with_tokens = {path for (_, path), answer in walked.items() if b'"access_token"' in answer.body}
    assert with_tokens == {"/api/v1/users"} | {"/api/v1/auth/" + name for name in ("signup", "login", "refresh", "password")}


def test_times_are_rfc_3339_in_utc(walked):
    found = 0
    for route, answer in walked.items():
        if answer.body and route[1] != "/metrics":
            for name, value in re.findall(r'"(\w+_at|since)":("[^"]*"|null)', answer.body.decode()):
                assert value == "null" or MOMENT.fullmatch(value.strip('"')), (route, name, value)
                found += 1
    assert found > 30


def test_no_page_of_another_site_may_read(parley, walked, alice):
    foreign = {"Origin": "https://evil.example"}
    answers = list(walked.values()) + [
        alice.get("/api/v1/sessions", headers=foreign), alice.get("/healthz", headers=foreign), alice.get("/nowhere", headers=foreign),
        parley.client.request("OPTIONS", "/api/v1/sessions", headers={**foreign, "Access-Control-Request-Method": "POST",
                                                                       "Access-Control-Request-Headers": "authorization"})]
    for answer in answers:
        assert [answer.headers[name] for name in CORS] == [None] * 4
    assert answers[-1].status == 405


def problems(parley, alice):
    """One answer for every kind of error that a client can bring about, by what it should be."""
    session = alice.session()
    ask, stranger = alice.request, parley.client
    key = {"Idempotency-Key": f"key-{next(_keys)}"}
    alice.post("/api/v1/sessions", {"title": "a"}, headers=key)
    return {
        (400, "invalid_field"): ask("POST", "/api/v1/sessions", {"title": 5}),
        (400, "invalid_json"): ask("POST", "/api/v1/sessions", raw=b"{,}"),
        (400, "invalid_request"): ask("GET", "/api/v1/%ff"),
        (401, "unauthenticated"): stranger.get("/api/v1/users/me"),
        (401, "token_invalid"): stranger.get("/api/v1/users/me", headers={"Authorization": "Bearer x"}),
        (401, "invalid_credentials"): stranger.post("/api/v1/auth/login", {"email": alice.email, "password": "wrong"}),
        (401, "refresh_invalid"): stranger.post("/api/v1/auth/refresh", {}),
        (403, "user_mismatch"): ask("GET", "/api/v1/users/me", headers={"X-User-ID": str(uuid.uuid4())}),
        (403, "origin_mismatch"): stranger.post("/api/v1/auth/refresh", headers={"Cookie": "parley_refresh=x"}),
        (404, "not_found"): ask("GET", "/nowhere"),
        (404, "session_not_found"): ask("GET", f"/api/v1/sessions/{uuid.uuid4()}"),
        (404, "project_not_found"): ask("DELETE", f"/api/v1/projects/{uuid.uuid4()}"),
        (404, "message_not_found"): ask("PUT", f"/api/v1/sessions/{session}/active", {"message_id": str(uuid.uuid4())}),
        (405, "method_not_allowed"): ask("PUT", "/api/v1/sessions", {}),
        (409, "email_taken"): stranger.post("/api/v1/users", {"email": alice.email, "password": PASSWORD}),
        (413, "too_large"): ask("POST", "/api/v1/sessions", raw=b" " * 20000),
        (415, "unsupported_media_type"): ask("POST", "/api/v1/sessions", raw=b"a=b", headers={"Content-Type": "text/plain"}),
        (422, "idempotency_key_reused"): ask("POST", "/api/v1/sessions", {"title": "b"}, headers=key),
    }


def test_every_error_is_a_problem_document_of_one_form(parley, alice):
    for (status, code), answer in problems(parley, alice).items():
        assert (answer.status, answer.problem) == (status, code), answer
        assert answer.headers["Cache-Control"] == "no-store"
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        problem = answer.json
        assert set(problem) <= {"type", "title", "status", "detail", "code", "errors", "request_id"}
        assert {"type", "title", "status", "code", "request_id"} <= set(problem)
        assert (problem["type"], problem["status"]) == ("urn:parley:problem:" + code, status)
        assert problem["request_id"] == answer.headers["X-Request-Id"]
        assert problem["title"][0].isupper()
        assert ("errors" in problem) == (code in ("invalid_field", "invalid_json"))
        for error in problem.get("errors", []):
            assert set(error) == {"field", "message"} and all(error.values())
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert ("Allow" in answer.headers) == (status == 405)


def test_an_error_repeats_nothing_that_was_sent(parley, alice):
    for body in ({"title": ["marker-7261"]}, {"title": "marker-7261" * 100}, {"helper": "marker-7261 "}, {"project_id": "marker-7261"}):
        answer = alice.post("/api/v1/sessions", body)
        assert answer.status == 400 and b"marker-7261" not in answer.body
    assert "marker-7261" not in parley.log_text()
    assert b"marker-7261" not in alice.get("/marker-7261?x=marker-7261").body


# Ids of requests


@pytest.mark.parametrize("given", ["abcdefgh", "A-b_c.d9", "x" * 64, "01a1f87c-9dea-72b7-8d66-0d0dceffd927"])
def test_a_requests_id_comes_back_and_stands_in_the_log(parley, alice, given):
    good = alice.get("/api/v1/sessions", headers={"X-Request-Id": given})
    bad = alice.get("/nowhere", headers={"X-Request-Id": given})
    assert good.headers.get_all("X-Request-Id") == bad.headers.get_all("X-Request-Id") == [given]
    assert bad.json["request_id"] == given
    wait_for(lambda: parley.log_text().count(f"request={given} event=request") >= 2)


def wait_for(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_log_has_a_line_a_request_and_no_secrets(parley):
    user = person(parley)
    given = uuid.uuid4().hex
    session = user.session()
    user.post(f"/api/v1/sessions/{session}/messages?q=hidden-in-query", {"role": "user", "content": "words-of-the-user"},
              headers={"X-Request-Id": given})
    wait_for(lambda: given in parley.log_text())
    lines = [line for line in parley.log_text().splitlines() if given in line]
    assert len(lines) == 1
    pairs = dict(word.split("=", 1) for word in lines[0].split(" "))
    assert (pairs["event"], pairs["method"], pairs["status"]) == ("request", "POST", "201")
    assert (pairs["path"], pairs["route"]) == (f"/api/v1/sessions/{session}/messages", "/api/v1/sessions/{id}/messages")
    assert pairs["user"] == user.user_id
    log = parley.log_text()
    for secret in ("hidden-in-query", "words-of-the-user", user.token, user.token.split(".")[2], user.refresh_token, user.email):
        assert secret not in log


# HEAD, methods, bodies


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/users/me", "/api/v1/usage", "/api/v1/projects", "/api/v1/helpers", "/healthz",
                                  "/readyz", "/nowhere"])
def test_head_is_get_without_its_body(alice, path):
    alice.session()
    head, get = alice.request("HEAD", path), alice.get(path)
    assert (head.status, head.body) == (get.status, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Link"):
        assert head.headers[name] == get.headers[name], name


def test_head_does_nothing(alice):
    session = alice.session()
    for path in (f"/api/v1/sessions/{session}/restore", f"/api/v1/sessions/{session}/title"):
        answer = alice.request("HEAD", path)
        assert (answer.status, answer.body) == (405, b"")
    assert alice.request("HEAD", f"/api/v1/sessions/{session}").status == 200


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", "APPLICATION/JSON"])
def test_json_may_be_called_so_in_many_ways(alice, kind):
    assert alice.post("/api/v1/sessions", raw=b'{"title": "x"}', headers={"Content-Type": kind}).status == 201


def test_text_is_sent_as_utf_8_and_json_as_it_is(alice):
    session = alice.session(title="☕ \"quoted\" </script>")
    body = alice.get(f"/api/v1/sessions/{session}").body
    assert "☕".encode() in body
    assert json.loads(body)["title"] == "☕ \"quoted\" </script>"


def test_one_connection_serves_many_requests(parley, alice):
    connection = http.client.HTTPConnection("127.0.0.1", parley.port, timeout=10)
    for i in range(30):
        connection.request("GET" if i % 3 else "DELETE", "/api/v1/sessions" if i % 2 else f"/api/v1/sessions/{uuid.uuid4()}",
                           headers={"Authorization": "Bearer " + alice.token})
        answer = connection.getresponse()
        answer.read()
        assert not answer.will_close
    connection.close()


def test_an_old_client_is_served_too(parley):
    answer = raw_exchange(parley.port, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and b'{"status":"alive"}' in answer
    assert b"Connection: close" in answer


def test_the_date_is_now(client):
    sent = email.utils.parsedate_to_datetime(client.get("/healthz").headers["Date"])
    assert abs(sent.timestamp() - time.time()) < 5


def test_everything_together_is_quick(parley):
    """Four readers at once, each on its own connection: nobody waits for another's request."""
    users = [person(parley) for _ in range(4)]
    for user in users:
        user.say(user.session(), "hello")

    def read(user):
        worst = 0
        for _ in range(50):
            start = time.monotonic()
            assert user.get("/api/v1/sessions").status == 200
            worst = max(worst, time.monotonic() - start)
        return worst
    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(read, users)) < 2


def test_a_body_of_too_many_values_is_too_large_and_not_the_servers_fault(alice):
    session = alice.session()
    raw = b'{"role": "user", "content": "x", "more": [' + b",".join([b"[]"] * 200000) + b"]}"
    answer = alice.post(f"/api/v1/sessions/{session}/messages", raw=raw)
    assert (answer.status, answer.problem) == (413, "json_too_large")


def test_a_session_of_texts_that_double_by_escaping_can_be_read_in_pages(alice):
    session = alice.session()
    for _ in range(8):
        assert alice.post(f"/api/v1/sessions/{session}/messages", {"role": "user", "content": "\u0001" * 170000}).status == 201
    seen, path = 0, f"/api/v1/sessions/{session}/messages?offset=0"
    while path:
        answer = alice.get(path)
        assert answer.status == 200
        seen += len(answer.json)
        link = answer.headers.get("Link")
        path = link and link[1:link.index(">")]
    assert seen == 8

"""Hostile input of every kind: a problem document, nothing stored, never a 5xx, no dead worker (the end of the session looks for those in the log)."""
import base64
import hashlib
import hmac
import json
import re
import time

import pytest

import walk
from client import raw_exchange, raw_status

# What json-c takes and RFC 8259 does not, and what this API refuses besides.
BAD_JSON = {
    "nan": b'{"title": NaN}', "infinity": b'{"title": -Infinity}', "single quotes": b"{'title': 'x'}",
    "bare word": b'{title: "x"}', "newline in a string": b'{"title": "a\nb"}', "tab in a string": b'{"title": "a\tb"}',
    "leading zero": b'{"n": -01}', "no digit after the point": b'{"n": 1.}', "plus": b'{"n": +1}', "bare point": b'{"n": .5}',
    "hexadecimal": b'{"n": 0x10}', "trailing comma": b'{"title": "x",}', "comment": b'{"title": "x"} // c',
    "block comment": b'/* c */ {"title": "x"}', "two values": b'{"title": "x"} {}', "cut": b'{"title": "x"', "open string": b'{"title": "x',
    "upper case": b'{"b": TRUE}', "bad escape": b'{"title": "\\x41"}', "short escape": b'{"title": "\\u12"}',
    "nul escape": b'{"title": "a\\u0000b"}', "nul escape in a key": b'{"a\\u0000b": 1}', "nul byte": b'{"title": "a\0b"}',
    "nul at the end": b'{"title": "x"}\0', "lone high surrogate": b'{"title": "\\ud800"}', "lone low surrogate": b'{"title": "\\udc00x"}',
    "wrong surrogates": b'{"title": "\\ud800\\ud800"}', "overlong": b'{"title": "\xc0\xaf"}', "overlong nul": b'{"title": "\xc0\x80"}',
    "raw surrogate": b'{"title": "\xed\xa0\x80"}', "beyond unicode": b'{"title": "\xf4\x90\x80\x80"}', "cut sequence": b'{"title": "\xe2\x82"}',
    "bare continuation": b'{"title": "\x80"}', "latin-1": b'{"title": "caf\xe9"}', "utf-16": '{"title": "x"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"title": "x"}', "same key twice": b'{"title": "x", "title": "y"}',
    "same key twice, once escaped": b'{"title": "x", "titl\\u0065": "y"}', "deep array": b'{"a": ' + b"[" * 33 + b"]" * 33 + b"}",
    "very deep": b"[" * 8000, "deep object": b'{"a":' * 40 + b"1" + b"}" * 40, "array": b"[]", "string": b'"x"', "number": b"1",
    "null": b"null", "true": b"true", "spaces": b"   ", "html": b"<html>", "form": b"title=x", "vertical tab": b'\x0b{"title": "x"}',
}

STATUSES = (400, 401, 403, 404, 405, 413, 414, 415, 422, 429, 431, 501, 505)


@pytest.fixture(scope="module")
def alice(parley):
    person = parley.signup()
    person.ids = walk.belongings(parley, person)
    return person


def assert_problem(answer, *statuses):
    assert answer.status in (statuses or STATUSES), answer
    assert answer.headers["Content-Type"] == "application/problem+json", answer
    document = answer.json
    assert document["status"] == answer.status
    assert document["request_id"] == answer.headers["X-Request-Id"]
    assert {"type", "title", "code"} <= document.keys()


def routes_with_body(parley):
    """Routes that read a body. A few take one that they have no use for: clients that always send one get through."""
    return [(method, path, limit) for method, path, _, limit in parley.routes()
            if limit and method != "DELETE" and not path.endswith(("/restore", "/stop", "/invitations"))]


@pytest.mark.parametrize("name", BAD_JSON)
def test_json_that_is_none_is_refused_everywhere(parley, alice, name):
    before = parley.row_counts()
    for method, path, _ in routes_with_body(parley):
        answer = alice.request(method, walk.fill(path, alice.ids), raw=BAD_JSON[name])
        assert_problem(answer, 400)
    assert parley.row_counts() == before


def test_good_json_of_the_wrong_types_is_refused(parley, alice):
    before = parley.row_counts()
    for method, path, _ in routes_with_body(parley):
        good = walk.body(method, path, alice.ids)
        for key in good:
            for wrong in (1, 1.5, [], {}, ["x"], 10 ** 400, "x" if key == "is_active" else True):
                answer = alice.request(method, walk.fill(path, alice.ids), {**good, key: wrong})
                assert_problem(answer, 400)
    assert parley.row_counts() == before


def test_words_that_are_too_long_are_refused(parley, alice):
    before = parley.row_counts()
    for method, path, limit in routes_with_body(parley):
        good = walk.body(method, path, alice.ids)
        for key in good:
            if key != "is_active":
                answer = alice.request(method, walk.fill(path, alice.ids), {**good, key: "x" * (limit - 200)})
                assert_problem(answer, 400, 413)
    assert parley.row_counts() == before


def test_a_wrong_field_is_named(alice):
    answer = alice.post("/api/v1/sessions", {"title": 5, "project_id": "none"})
    assert_problem(answer, 400)
    assert {error["field"] for error in answer.json["errors"]} == {"title", "project_id"}


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                                  "application/jsonx", "application/problem+json", "json", ";"])
def test_a_body_that_is_not_called_json_is_refused(parley, alice, kind):
    before = parley.row_counts()
    for method, path, _ in routes_with_body(parley):
        # Older front ends send JSON as text/plain.
        if not path.startswith("/api/v1/"):
            continue
        answer = alice.request(method, walk.fill(path, alice.ids), raw=b'{"title": "x"}', headers={"Content-Type": kind})
        assert_problem(answer, 415)
    assert parley.row_counts() == before


def test_a_body_beyond_the_routes_limit_is_refused(parley, alice):
    before = parley.row_counts()
    for method, path, _, limit in parley.routes():
        over = min(limit, 1048576) + 1
        good = json.dumps(walk.body(method, path, alice.ids) or {}).encode()
        answer = alice.request(method, walk.fill(path, alice.ids), raw=good + b" " * (over - len(good)))
        assert_problem(answer, 413)
    assert parley.row_counts() == before


def test_a_body_beyond_nginx_limit_is_refused_as_a_problem(alice):
    assert_problem(alice.post("/api/v1/sessions", raw=b" " * (2 * 1048576 + 1)), 413)


def test_a_wrong_method_is_told_the_right_ones(parley, alice):
    routes = [(method, path) for method, path, _, _ in parley.routes()]
    for path in dict.fromkeys(path for _, path in routes):
        # A word can stand where another route has an id: then that one's methods are there, too.
        known = {method for method, other in routes if re.fullmatch(other.replace("{id}", "[^/]+"), path)}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "PROPFIND"} - known:
            answer = alice.request(method, walk.fill(path, alice.ids))
            assert_problem(answer, 405)
            assert set(answer.headers["Allow"].replace("HEAD", "GET").split(", ")) == known, (method, path)


@pytest.mark.parametrize("path", [
    "/api", "/api/v1", "/api/v2/sessions", "/api/v1/sessionsx", "/api/v1/session", "/API/V1/SESSIONS", "/index.html",
    "/api/v1//sessions", "//api/v1/sessions", "/api/v1/sessions/x", "/api/v1/sessions/00000000-0000-0000-0000-00000000000",
    "/api/v1/sessions/%7Bid%7D", "/api/v1%2fsessions", "/api/v1/sessions/..%2f..%2fmetrics", "/problem/413", "/.git/config",
    "/api/v1/sessions/" + "a" * 3000, "/" + "/".join("a" * 20)])
def test_an_unknown_path_is_not_there(alice, path):
    assert_problem(alice.get(path), 404)


@pytest.mark.parametrize("path", [
    "/api/v1/%00", "/%0d%0aX-Forged:%201", "/api/v1/%ff", "/api/v1/%c0%af", "/api/v1/%zz", "/api/v1/%", "/api/v1/sessions/%ed%a0%80",
    "/api/v1/./sessions", "/api/v1/../v1/sessions", "/api/v1/%2e%2e/v1/sessions", "/a%7f"])
def test_a_path_that_cannot_be_read_is_refused(alice, path):
    answer = raw_exchange(alice.port, b"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n"
                          % (path.encode(), alice.token.encode()))
    assert raw_status(answer) in (400, 404)
    assert b"\r\nX-Forged" not in answer


def test_a_path_with_a_slash_at_the_end_is_another_path(alice):
    assert alice.get("/api/v1/users/me/").status == 404


@pytest.mark.parametrize("query", [
    "limit=0", "limit=-1", "limit=x", "limit=", "limit=1e3", "limit=99999999999999999999", "limit=1&limit=2", "limit=%31%00", "cursor=x",
    "cursor=%ff", "cursor=" + "A" * 3000, "cursor=" + base64.urlsafe_b64encode(b"2020-01-01T00:00:00Z' or 1=1 --").decode(),
    "project_id=x", "project_id='", "helper=%27%3B--", "helper=" + "h" * 300, "active=maybe", "active=1",
    "&".join(f"q{number}=1" for number in range(100)), "limit=%", "limit=%zz", "a=%ed%a0%80"])
def test_a_query_that_is_wrong_is_refused(alice, query):
    assert_problem(alice.get("/api/v1/sessions?" + query), 400, 414)


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "before=0x1", "after=" + "9" * 30, "offset=1&before=2", "branches=some",
                                   "limit=100000", "offset=1&offset=2"])
def test_a_page_that_is_wrong_is_refused(alice, query):
    assert_problem(alice.get(f"/api/v1/sessions/{alice.ids['session']}/messages?{query}"), 400)


def test_long_addresses_and_headers_are_refused(alice):
    for length in (5000, 9000, 20000, 60000):
        assert_problem(alice.get("/api/v1/sessions?cursor=" + "a" * length), 400, 413, 414)
    for length in (9000, 20000, 60000):
        answer = alice.get("/api/v1/sessions", headers={"X-Long": "a" * length})
        assert answer.status == 200 or assert_problem(answer, 400, 431) is None
    answer = alice.get("/api/v1/sessions", headers={f"X-{number}": "a" * 900 for number in range(90)})
    assert_problem(answer, 400, 431)


# Tokens


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(header, payload, key=b"k" * 32):
    signed = b64(json.dumps(header).encode()) + "." + b64(json.dumps(payload).encode())
    return signed + "." + b64(hmac.new(key, signed.encode(), hashlib.sha256).digest())


def forged_tokens(alice):
    header, payload, signature = alice.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    now = int(time.time())
    good = {"alg": "HS256", "typ": "JWT"}
    swapped = chr(ord(signature[0]) ^ 1) if signature[0].isalpha() else "A"
    return [
        "", "x", "x.y.z", "..", header + "." + payload + ".", header + "." + payload, alice.token + "x", alice.token + ".x",
        alice.token[:-4], header + "." + payload + "." + swapped + signature[1:], header.lower() + "." + payload + "." + signature,
        b64(json.dumps({"alg": "none"}).encode()) + "." + payload + ".", b64(json.dumps({"alg": "none"}).encode()) + "." + payload + "." + signature,
        forge(good, claims), forge(good, claims, b""), forge({"alg": "HS512"}, claims), forge({"alg": "RS256"}, claims),
        forge(good, {**claims, "exp": now + 10 ** 9}), forge({}, claims), forge([], claims), forge(good, []), "A" * 20000,
        alice.token + "=", " " + alice.token + " " + alice.token, "%00", "null", "é".encode().decode("latin-1"),
    ]


def test_forged_tokens_are_nobodys(parley, alice):
    for token in forged_tokens(alice):
        answer = parley.client.get("/api/v1/users/me", headers={"Authorization": "Bearer " + token})
        assert_problem(answer, 400, 401, 431)
    for value in (alice.token, "Basic " + alice.token, "Bearer", "Bearer" + alice.token, "Token " + alice.token, "Negotiate"):
        assert_problem(parley.client.get("/api/v1/users/me", headers={"Authorization": value}), 401)


def test_the_token_counts_in_no_other_place(parley, alice):
    stranger = parley.client
    assert_problem(stranger.get("/api/v1/users/me?access_token=" + alice.token), 401)
    assert_problem(stranger.get("/api/v1/users/me", headers={"Cookie": "access_token=" + alice.token}), 401)


def test_headers_that_play_the_front_server_prove_nothing(parley, alice):
    stranger = parley.client
    for name in ("X-User-ID", "X_User_ID", "X-User-Id", "Remote-User", "REMOTE_USER", "X-Forwarded-User", "Proxy"):
        assert_problem(stranger.get("/api/v1/users/me", headers={name: alice.user_id}), 401)


@pytest.mark.parametrize("value", ["", "short", "a b c d e f g h", "x" * 65, "\"quoted---\"", "a=b level=error", "%0d%0aforged"])
def test_an_odd_request_id_is_replaced(client, value):
    answer = client.get("/healthz", headers={"X-Request-Id": value})
    assert answer.status == 200
    assert answer.headers["X-Request-Id"] not in ("", value)


def test_a_good_request_id_is_kept(client):
    assert client.get("/healthz", headers={"X-Request-Id": "my-request-0001"}).headers["X-Request-Id"] == "my-request-0001"


@pytest.mark.parametrize("key", ["x" * 256, "a b", "caf\xe9", "a\tb"])
def test_an_odd_idempotency_key_is_refused(parley, alice, key):
    before = parley.row_counts()
    assert_problem(alice.post("/api/v1/sessions", {}, headers={"Idempotency-Key": key}), 400)
    assert parley.row_counts() == before


# Bytes that no client library sends


RAW = {
    "no request": b"\r\n\r\n", "garbage": b"\x16\x03\x01\x02\x00\x01\x00", "no version": b"GET /\r\n\r\n", "lower case": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n", "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "bad host": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "both lengths": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "negative length": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "huge length": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "bad chunk": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "unknown coding": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "nul in a header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "nul in the path": b"GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n", "old version": b"GET /nothing HTTP/0.9\r\nHost: x\r\n\r\n", "new version": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    "folded header": b"GET /nothing HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n", "trace": b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "connect": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_bytes_that_are_no_request_are_refused(parley, name):
    received = raw_exchange(parley.port, RAW[name], close=True)
    assert not received or received.startswith(b"{") or 400 <= raw_status(received) <= 505
    assert raw_status(received) not in (500, 502, 503, 504)
    assert not received.startswith(b"HTTP/1.") or b"application/problem+json" in received


def test_a_body_that_is_cut_stores_nothing(parley, alice):
    before = parley.row_counts()
    for declared, sent in ((100, b'{"title": "x"}'), (20, b"")):
        head = f"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n" \
               f"Content-Type: application/json\r\nContent-Length: {declared}\r\n\r\n".encode()
        received = raw_exchange(parley.port, head + sent, close=True)
        assert raw_status(received) in (0, 400)
    time.sleep(0.2)
    assert parley.row_counts() == before


def test_a_chunked_body_is_a_body_like_any_other(parley, alice):
    body = b'{"title": "In pieces"}'
    received = raw_exchange(parley.port, b"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + alice.token.encode() +
                            b"\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
    assert raw_status(received) == 201
    assert b"In pieces" in received


def test_a_request_inside_a_body_is_never_served(parley, alice):
    """A body must not be read as a request of its own, whatever its bytes and whenever it was refused."""
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + b"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" * 50
    for path in ("/api/v1/sessions", "/nothing", "/healthz"):
        received = raw_exchange(parley.port, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(smuggled)}\r\nConnection: close\r\n\r\n"
                                .encode() + smuggled)
        assert raw_status(received) in (400, 401, 404, 405, 413, 415)
        assert received.count(b"HTTP/1.1 ") == 1


def test_hostile_words_come_back_as_they_were(alice):
    for words in ("'; drop table parley.users; --", "\\'", "%s%n", "${jndi:ldap://x}", "<script>alert(1)</script>", "\u202e\u0301\ufeff\U0001f600",
                  "a\r\nSet-Cookie: x=1", "{{7*7}}", "\x7f\x01\x1b[31m"):
        session = alice.session()
        assert alice.say(session, words)["content"] == words
        assert alice.get(f"/api/v1/sessions/{session}").json["title"] == words

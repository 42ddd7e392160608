"""The description of the API: it is served, it is whole, and the program keeps to it (every test of this folder: conftest.py)."""
import glob
import json
import re

import pytest
import yaml

import openapi
from client import Answer
from postgres import ROOT


def test_the_program_serves_the_file(client):
    answer = client.get("/openapi.yaml")
    with open(openapi.DOCUMENT, "rb") as file:
        assert answer.body == file.read()
    assert answer.headers["Content-Type"] == "application/yaml"
    again = client.get("/openapi.yaml", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_it_reads_the_same_to_every_parser():
    """PyYAML's own is stricter with plain words than libyaml."""
    assert yaml.load(read(openapi.DOCUMENT), openapi.times_stay_text(yaml.SafeLoader)) == openapi.load()


def test_it_describes_every_route_and_nothing_else(parley):
    assert sorted((method, path) for method, path, _ in openapi.operations()) == sorted((method, path) for method, path, _, _ in parley.routes())


def test_it_asks_for_a_token_where_the_program_does(parley):
    """An operation that says nothing takes the document's rule: a token."""
    free = {(method, path) for method, path, operation in openapi.operations() if {} in operation.get("security", [None]) or operation.get("security") == []}
    assert free == {(method, path) for method, path, access, _ in parley.routes() if access == "anyone"}


def test_every_code_that_the_program_has_is_described():
    """And none that it does not have: of the sources all words that look like one."""
    described = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"code:\s*{? *(?:enum|const): *([^}\]]*)", read(openapi.DOCUMENT)))))
    sources = "\n".join(read(path) for path in glob.glob(f"{ROOT}/src/*/*.c") + glob.glob(f"{ROOT}/sql/functions/*.sql") + glob.glob(f"{ROOT}/nginx/problems.conf"))
    used = set(re.findall(r"message = '([a-z_]+)'", sources)) | set(re.findall(r'fault_set\([^;]*?ST_[A-Z_]+, "([a-z_]+)"', sources))
    used |= set(re.findall(r"urn:parley:problem:([a-z_]+)", sources)) | set(re.findall(r'\[MODEL_[A-Z_]+\] = {"([a-z_]+)"', sources))
    used -= {"user_not_found", "helper_not_found", "invalid_password", "owner_not_found", "claimed_already"}  # of the command line
    used -= {"idempotency_replay", "message_immutable"}  # these never leave the program
    assert used - described == set()
    assert {code for code in described if not re.search(rf"\b{code.removesuffix('_per_minute')}\b", sources)} == set()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def session(**fields):
    """An answer of GET /usage with other fields."""
    return {"session_count": 1, "message_count": 0, "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "tokens_estimated": False,
            "since": "2026-11-20T13:23:53.192563Z", "updated_at": "2026-11-20T13:23:53.192563Z", **fields}


@pytest.mark.parametrize("status, kind, body, headers", [
    (200, "application/json", session(more=1), {}),
    (200, "application/json", session(session_count="1"), {}),
    (200, "application/json", session(since="yesterday"), {}),
    (200, "application/json", [], {}),
    (200, "text/html", session(), {}),
    (200, None, session(), {}),
    (200, "application/json", session(), {"X-Request-Id": None}),
    (200, "application/json", session(), {"X-Request-Id": "short"}),
    (201, "application/json", session(), {}),
    (418, "application/problem+json", {"type": "urn:parley:problem:teapot", "title": "x", "status": 418, "code": "teapot"}, {}),
    (404, "application/problem+json", {"type": "urn:parley:problem:teapot", "title": "x", "status": 404, "code": "teapot"}, {}),
    (401, "application/problem+json", {"type": "urn:parley:problem:user_gone", "title": "x", "status": 403, "code": "user_gone"},
     {"WWW-Authenticate": "Bearer"}),
])
def test_a_wrong_answer_is_noticed(witness, status, kind, body, headers):
    given = {"Content-Type": kind, "X-Request-Id": "0123456789", **headers}
    answer = Answer(status, {name: value for name, value in given.items() if value}, json.dumps(body).encode())
    with pytest.raises(openapi.Undescribed):
        witness.answer("GET", "/api/v1/usage", answer)


def test_a_name_that_stands_twice_is_noticed(witness):
    answer = Answer(200, {"Content-Type": "application/json", "X-Request-Id": "0123456789"}, b'{"status": "alive", "status": "alive"}')
    with pytest.raises(openapi.Undescribed):
        witness.answer("GET", "/healthz", answer)


@pytest.mark.parametrize("data", ['{"type": "token"}', '{"type": "other"}', '{"type": "token", "content": "x", "more": 1}', '"token"', "[]"])
def test_a_wrong_event_is_noticed(witness, data):
    look = witness.stream("POST", "/api/v1/chat", 200, {"Content-Type": "text/event-stream; charset=utf-8", "X-Request-Id": "0123456789"})
    look('{"type": "token", "content": "x"}')
    with pytest.raises(openapi.Undescribed):
        look(data)

"""aimock, a model server that nobody here wrote: its streams, its tools, its reasoning and its faults.

It is as it came from the registry; node18.mjs says what Debian's Node needs for it.
"""
import json
import os
import subprocess
import urllib.request

import pytest

from parley import Parley, free_port
from people import person
from turns import Turn, answer_of, finished, stored, until

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIONS = {"quota_turns_per_minute": 0, "quota_turns_running": 0, "quota_requests_per_minute": 0, "model_idle_ms": 3000}
LONG = "Grüße aus dem Norden ☕: " + " ".join(f"Wort{number}" for number in range(200))
CALL = {"id": "call_1", "name": "get_weather", "arguments": '{"city":"Köln"}'}

FIXTURES = [
    {"match": {"userMessage": "hello", "turnIndex": 0}, "response": {"content": "Hello, who are you?"}},
    {"match": {"userMessage": "a guest", "turnIndex": 1}, "response": {"content": "Welcome, guest."}},
    {"match": {"userMessage": "long"}, "response": {"content": LONG}, "chunkSize": 3},
    {"match": {"userMessage": "slow"}, "response": {"content": LONG}, "latency": 10, "chunkSize": 20},
    {"match": {"userMessage": "think"}, "response": {"content": "Four.", "reasoning": "Two and two are four."}},
    {"match": {"userMessage": "weather"}, "response": {"toolCalls": [CALL]}},
    {"match": {"userMessage": "both"}, "response": {"content": "Let me look.", "toolCalls": [CALL]}},
    {"match": {"userMessage": "cut"}, "response": {"content": LONG}, "latency": 20, "truncateAfterChunks": 5},
    {"match": {"userMessage": "leave"}, "response": {"content": LONG}, "latency": 20, "disconnectAfterMs": 200},
    {"match": {"userMessage": "busy"}, "response": {"error": {"message": "secret", "type": "rate_limit_error"}, "status": 429}},
    {"match": {"userMessage": "broken"}, "response": {"error": {"message": "secret", "type": "server_error"}, "status": 500}},
    {"match": {"userMessage": "malformed"}, "response": {"content": "x"}, "chaos": {"malformedRate": 1}},
    {"match": {"userMessage": "dropped"}, "response": {"content": "x"}, "chaos": {"dropRate": 1}},
    {"match": {"userMessage": "hang up"}, "response": {"content": "x"}, "chaos": {"disconnectRate": 1}},
]


@pytest.fixture(scope="module")
def aimock(node, packages, tmp_path_factory):
    """The address of a running aimock."""
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}))
    port = free_port()
    with open(folder / "log", "w+b") as log:
        process = subprocess.Popen([node, "--import", "./node18.mjs", packages / "@copilotkit/aimock/dist/cli.js", "--port", str(port),
                                    "--fixtures", folder], cwd=HERE, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def is_up():
            assert process.poll() is None, (folder / "log").read_text()
            return "listening" in (folder / "log").read_text()
        try:
            until(is_up, what="aimock")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def parley(aimock):
    with Parley({**OPTIONS, "model_url": aimock + "/v1", "model_name": "gpt-4o"}) as running:
        yield running


@pytest.fixture
def user(parley):
    return person(parley)


def ask(user, text, **more):
    turn, = finished([Turn(user, text, **more)])
    assert turn.how is None and turn.events, turn.stream.answer
    return turn


@pytest.mark.parametrize("text", ["long", "slow"])
def test_its_streams_are_read_whole(parley, user, text):
    turn = ask(user, text)
    assert (turn.code, turn.seen, turn.last["finish_reason"]) == ("done", LONG, "stop")
    assert turn.last["usage"]["estimated"] is False and turn.last["usage"]["completion_tokens"] > 10
    assert stored(parley, [turn])[turn.session].content == LONG
    assert len(turn.events) > 5 or text == "long"  # which comes all at once


def test_it_is_told_what_was_said_before(parley, user, aimock):
    first = ask(user, "hello")
    assert first.seen == "Hello, who are you?"
    second = ask(user, "a guest", session=first.session)
    assert second.seen == "Welcome, guest."
    with urllib.request.urlopen(aimock + "/v1/_requests") as answer:
        body = json.load(answer)[-1]["body"]
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("user", "hello"), ("assistant", "Hello, who are you?"), ("user", "a guest")]
    assert body["stream"] is True and body["model"] == "gpt-4o"


def test_its_reasoning_is_told_apart(user):
    turn = ask(user, "think")
    assert (turn.code, turn.seen) == ("done", "Four.")
    assert "".join(event.json["content"] for event in turn.events if event.type == "reasoning") == "Two and two are four."


@pytest.mark.parametrize("text, content", [("weather", ""), ("both", "Let me look.")])
def test_its_tools_are_put_together(user, text, content):
    turn = ask(user, text)
    assert (turn.code, turn.seen, turn.last["finish_reason"]) == ("done", content, "tool_calls")
    call, = turn.last["tool_calls"]
    assert call["function"]["name"] == "get_weather" and json.loads(call["function"]["arguments"]) == {"city": "Köln"}
    assert answer_of(turn)["tool_calls"] == [call]


@pytest.mark.parametrize("text, code", [("cut", "model_cut"), ("leave", "model_cut"), ("busy", "model_rate_limited"), ("broken", "model_error"),
                                        ("malformed", "model_garbled"), ("dropped", "model_error"), ("hang up", "model_unreachable"),
                                        ("nobody knows this", "model_refused")])
def test_its_faults_are_told(parley, user, text, code):
    turn = ask(user, text)
    assert turn.code == code, turn.last
    row = stored(parley, [turn])[turn.session]
    assert (row.status, row.content, row.question) == ("failed", turn.seen, text)
    assert LONG.startswith(turn.seen) and bool(turn.seen) == (text in ("cut", "leave"))
    assert "secret" not in json.dumps([event.data for event in turn.events])

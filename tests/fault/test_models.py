"""Every fault that a model server can have, from the server through the relay and nginx to the client and the database.

The server is lib/model.py. All faults are asked for at once, as many people would; each test looks at its own. How the bytes of an answer are read
stands in tests/unit/test_model_stream.c, how a call behaves in test_upstream.py.
"""
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time
import uuid

import pytest

from model import TEXT, Model
from parley import Parley, binary, free_port
from people import person, run_sql
from postgres import UNPRIVILEGED
from sse import Stream
from turns import Turn, answer_of, finished, own_memory, quick, stored, until

OPTIONS = {"quota_turns_per_minute": 0, "quota_turns_running": 0, "quota_requests_per_minute": 0, "log_level": "warn", "workers": 4}
HURRIED = {"model_connect_ms": 2000, "model_first_byte_ms": 1500, "model_idle_ms": 1500, "model_total_ms": 6000}
SOME = "The quick brown"
SECRET = "secret words of the server"

# What the server does: the code and the text that clients get and that are stored, and the status of a JSON answer.
FAULTS = {
    "stall-headers": ("model_timeout", "", 504),
    "stall-first": ("model_timeout", "", 504),
    "stall-mid": ("model_timeout", SOME, 504),
    "slow:200:50": ("model_timeout", "w0 w1 ", 504),
    "reset-first": ("model_unreachable", "", 502),
    "reset-mid": ("model_cut", SOME, 502),
    "cut": ("model_cut", SOME, 502),
    "cut-event": ("model_cut", SOME, 502),
    "cut-chunk": ("model_cut", SOME, 502),
    "cut-chunked": ("model_cut", SOME, 502),
    "empty": ("model_cut", "", 502),
    "garbage": ("model_garbled", SOME, 502),
    "not-http": ("model_garbled", "", 502),
    "html": ("model_garbled", "", 502),
    "packed": ("model_garbled", "", 502),
    "long-line": ("model_garbled", "", 502),
    "flood-headers": ("model_garbled", "", 502),
    "error-inband": ("model_error", SOME, 502),
    "error-event": ("model_error", SOME, 502),
    "429:7": ("model_rate_limited", "", 429),
    "429:date": ("model_rate_limited", "", 429),
    "429": ("model_rate_limited", "", 429),
    "500": ("model_error", "", 502),
    "502": ("model_error", "", 502),
    "503": ("model_error", "", 502),
    "504": ("model_error", "", 502),
    "302": ("model_refused", "", 502),
    "400": ("model_refused", "", 502),
    "401": ("model_refused", "", 502),
    "404": ("model_refused", "", 502),
    "413": ("model_refused", "", 502),
    "422": ("model_refused", "", 502),
    "long-error": ("model_refused", "", 502),
    "overfed": ("model_refused", "", 502),
    "big-tools": ("answer_too_long", "", 502),
}

# What it does that is unusual, but no fault: the text, the tokens that it says (None: it does not).
HABITS = {
    "echo": ("script:echo", (7, 11)),
    "split:1:reasoning": (TEXT, (7, 11)),
    "split:7:badutf8": ("a\ufffdb\ufffdc\ufffd\U0001f600d\ufffd\u00e4\u20ac", (7, 11)),
    "reasoning": (TEXT, (7, 11)),
    "reasoning:reasoning": (TEXT, (7, 11)),
    "comments:4:700": (TEXT, (7, 11)),
    "crlf": (TEXT, None),
    "json": (TEXT, (3, 5)),
    "no-usage": (TEXT, None),
    "no-done": (TEXT, None),
    "done-only": (TEXT, None),
    "done-hang": (TEXT, None),
    "finish-hang": (TEXT, None),
    "reset-once:once-reset": ("attempt 2", (7, 11)),
    "500-once:once": ("attempt 2", (7, 11)),
    "503-then-ok:once-503": ("attempt 2", (7, 11)),
}


class Poor(Parley):
    """One whose processes may have few descriptors."""

    def start(self):
        with open(self.log, "ab") as log:
            self.master = subprocess.Popen(["prlimit", "--nofile=192:192", *UNPRIVILEGED, binary(), "serve", "-c", self.config],
                                           cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True)


class Polite(Turn):
    """A client that wants one JSON answer."""

    def __init__(self, user, text):
        super().__init__(user, text, headers={"Accept": "application/json"})


class Asked:
    """A script, asked for by one client that takes events and by another that takes JSON."""

    def __init__(self, user, script):
        self.events = Turn(user, "script:" + script)
        self.json = Polite(user, "script:" + (script if "once" not in script and "ok" not in script else script + "-json"))


@pytest.fixture(scope="module")
def model():
    with Model() as running:
        yield running


@pytest.fixture(scope="module")
def hurried(postgres, model):
    """A Parley with short deadlines."""
    with Parley({**OPTIONS, **HURRIED, "model_url": model.url}, postgres=postgres) as running:
        yield running


@pytest.fixture(scope="module")
def patient(postgres, model):
    """One with the usual deadlines, for what is a lot of work."""
    with Parley({**OPTIONS, "model_url": model.url}, postgres=postgres) as running:
        yield running


@pytest.fixture(scope="module")
def asked(hurried):
    user = person(hurried)
    found = {script: Asked(user, script) for script in {**FAULTS, **HABITS}}
    finished([turn for one in found.values() for turn in (one.events, one.json)])
    return found


def usage_of(parley, turn):
    return run_sql(parley, "select prompt_tokens, completion_tokens, tokens_estimated, finish_reason, model from parley.turns "
                           "where session_id = %s order by turn_id desc limit 1", turn.session)[0]


@pytest.mark.parametrize("script", FAULTS)
def test_a_fault_is_told_and_what_came_before_it_is_stored(hurried, asked, script):
    code, text, _ = FAULTS[script]
    turn = asked[script].events
    assert turn.status == 200 and turn.how is None and turn.events[0].type == "session"
    assert turn.code == code and len([event for event in turn.events if event.type in ("done", "error")]) == 1
    row = stored(hurried, [turn])[turn.session]
    assert (row.question, row.status, row.error_code, row.content) == (turn.text, "failed", code, turn.seen)
    assert turn.seen == text or script.startswith("slow") and turn.seen.startswith(text)
    answer = answer_of(turn)
    assert (answer["status"], answer["content"]) == ("failed", turn.seen)
    told = json.dumps([event.data for event in turn.events]) + json.dumps(answer)
    assert SECRET not in told and "Traceback" not in told
    prompt, completion, estimated, _, _ = usage_of(hurried, turn)
    assert estimated and bool(prompt) == bool(completion) == bool(turn.seen or script == "big-tools")
    assert turn.last.get("retry_after") == ({"429:7": 7, "429:date": 7}.get(script) if code == "model_rate_limited" else None) \
        or script == "429:date" and 5 <= turn.last["retry_after"] <= 7


@pytest.mark.parametrize("script", FAULTS)
def test_a_fault_as_one_json_answer_has_its_status(asked, script):
    code, _, status = FAULTS[script]
    answer = asked[script].json.stream.answer
    assert (answer.status, answer.problem) == (status, code)
    assert answer.headers["x-should-retry"] == "false"  # the text is stored: it must not be sent again
    assert answer.json["session_id"] == asked[script].json.session and SECRET not in answer.body.decode()
    if script == "429:7":
        assert answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("script", HABITS)
def test_what_is_unusual_is_no_fault(hurried, asked, script):
    text, tokens = HABITS[script]
    turn = asked[script].events
    assert (turn.code, turn.seen, turn.last["status"], turn.last["finish_reason"]) == ("done", text, "complete", "stop")
    row = stored(hurried, [turn])[turn.session]
    assert (row.question, row.status, row.content) == (turn.text, "complete", text)
    prompt, completion, estimated, _, name = usage_of(hurried, turn)
    usage = turn.last["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["estimated"]) == (prompt, completion, estimated)
    assert (estimated, (prompt, completion)) == ((False, tokens) if tokens else (True, (prompt, completion)))
    assert prompt > 0 and completion > 0 and name == "scripted-1"
    whole = asked[script].json.stream.answer
    assert whole.status == 200 and whole.json["content"] == text
    assert answer_of(turn)["tokens"] == completion


def test_the_session_of_a_fault_goes_on(hurried, asked):
    again = finished([Turn(one.events.user, "and now?", one.events.session) for one in asked.values()])
    assert {(turn.code, turn.seen) for turn in again} == {("done", "and now?")}


def test_deadlines_are_kept(asked):
    """Not sooner, and not much later."""
    def took(script):
        turn = asked[script].events
        return turn.over_at - turn.stream.begun
    for script in ("stall-headers", "stall-first", "stall-mid"):
        assert 1.4 < took(script) < 5, (script, took(script))
    assert 5.9 < took("slow:200:50") < 10
    assert took("done-hang") < 3 and took("finish-hang") < 8


def test_reasoning_is_told_and_not_taken_for_the_answer(hurried, asked):
    for script in ("reasoning", "reasoning:reasoning", "split:1:reasoning"):
        turn = asked[script].events
        thought = "".join(event.json["content"] for event in turn.events if event.type == "reasoning")
        assert thought == "Let me think." and "think" not in turn.seen
        polled = turn.user.get(f"/api/v1/sessions/{turn.session}/events").json
        first = [event for event in polled if event["turn_id"] == turn.events[0].json["turn_id"] and event["type"] == "reasoning"]
        assert not first or "".join(event["content"] for event in first) == thought


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 11, 50])
def test_tools_in_pieces_are_put_together(patient, size):
    turn, = finished([Turn(person(patient), f"script:split:{size}:tools")])
    assert turn.code == "done" and turn.last["finish_reason"] == "tool_calls"
    calls = [{"id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "fox"}'}},
             {"id": "call_b", "type": "function", "function": {"name": "count", "arguments": "{}"}}]
    assert turn.last["tool_calls"] == calls and answer_of(turn)["tool_calls"] == calls
    pieces = [event.json for event in turn.events if event.type == "tool_call"]
    for index, call in enumerate(calls):
        mine = [piece for piece in pieces if piece["index"] == index]
        assert [piece["call_id"] for piece in mine if "call_id" in piece] == [call["id"]]
        assert "".join(piece.get("arguments", "") for piece in mine) == call["function"]["arguments"]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 13])
def test_bad_utf8_is_mended_wherever_its_bytes_are_cut(patient, size):
    text = HABITS["split:7:badutf8"][0]
    turn, = finished([Turn(person(patient), f"script:split:{size}:badutf8")])
    assert (turn.code, turn.seen) == ("done", text)
    assert stored(patient, [turn])[turn.session].content == text


def test_a_server_without_usage_is_asked_once_more_and_then_always_without(postgres, model):
    with Parley({**OPTIONS, "model_url": model.url}, postgres=postgres) as parley:
        user, key = person(parley), uuid.uuid4().hex
        for attempts in (2, 3, 4):
            turn, = finished([Turn(user, f"script:usage-refused:{key}")])
            assert (turn.code, turn.seen, turn.last["usage"]["estimated"]) == ("done", TEXT, True)
            assert model.counts[key] == attempts


def test_attempts_are_counted(asked, model):
    """One more before the first token where it may help, none where it does not, and never after the first token."""
    key = uuid.uuid4().hex
    attempts = {"500:": 2, "502:": 2, "503:": 2, "504:": 1, "429:1": 1, "400:": 1, "reset-first": 2, "empty": 2, "reset-mid:3": 1}
    finished([Turn(asked["500"].events.user, f"script:{script}:{key}{number}") for number, script in enumerate(attempts)])
    assert [model.counts[f"{key}{number}"] for number in range(len(attempts))] == list(attempts.values())


# Much

def test_a_million_empty_deltas_are_read_through(patient):
    """Meanwhile the same relay serves others."""
    user = person(patient)
    relay, = patient.relays()
    quick(user)
    before = own_memory(relay)
    turn = Turn(user, "script:empty-deltas:1000000")
    others = []
    while turn.is_alive():
        begun = time.monotonic()
        quick(user)
        others.append(time.monotonic() - begun)
    assert (turn.code, turn.seen, stored(patient, [turn])[turn.session].content) == ("done", TEXT, TEXT)
    assert len(turn.events) < 100
    print(f"a million empty deltas in {turn.over_at - turn.stream.begun:.1f} s; {len(others)} turns of others took "
          f"{statistics.median(others) * 1e3:.0f} ms in the median, {max(others) * 1e3:.0f} ms at most; "
          f"the relay grew by {(own_memory(relay) - before) >> 10} KB")
    assert max(others) < 5 and own_memory(relay) - before < 4 << 20


def test_an_answer_of_ten_megabytes_is_whole_and_one_byte_more_is_too_long(patient):
    user = person(patient)
    relay, = patient.relays()
    size = 10 << 20
    turns = finished([Turn(user, f"script:big:{size}"), Turn(user, f"script:big:{size + 1}")], 120)
    rows = stored(patient, turns)
    assert turns[0].code == "done" and turns[0].seen == rows[turns[0].session].content == "x" * size
    assert turns[1].code == "answer_too_long" and len(turns[1].seen) <= size
    assert rows[turns[1].session].content == turns[1].seen and rows[turns[1].session].status == "failed"
    begun = time.monotonic()
    with Stream(user, "GET", f"/api/v1/sessions/{turns[0].session}/stream?after=0") as again:
        again.rest()
    assert again.text == "x" * size
    until(lambda: own_memory(relay) < 40 << 20, what="memory given back")
    print(f"ten megabytes in {turns[0].over_at - turns[0].stream.begun:.1f} s, told again in {time.monotonic() - begun:.1f} s; "
          f"the relay has {own_memory(relay) >> 10} KB afterwards")


@pytest.mark.parametrize("letter", ["x", "\x01"], ids=["plain", "escaped"])
def test_the_longest_answer_can_be_read_and_polled(patient, letter):
    user = person(patient)
    size = 10 << 20
    turn, = finished([Turn(user, f"script:big:{size}:{letter}")], 120)
    assert turn.code == "done"
    assert answer_of(turn)["content"] == letter * size
    polled, after, last = [], 0, None
    while last != "done":
        answer = user.get(f"/api/v1/sessions/{turn.session}/events?after={after}")
        assert answer.status == 200 and len(answer.body) < 16 << 20, answer
        polled += [event["content"] for event in answer.json if event["type"] == "token"]
        after, last = answer.json[-1]["id"], answer.json[-1]["type"]
    assert "".join(polled) == letter * size


# Who is asked, and with what

def holds(pid, text):
    """Whether a process has that in its memory. What is very large is a sanitizer's own."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end = (int(address, 16) for address in line.split()[0].split("-"))
            if line.split()[1].startswith("rw") and end - begin <= 1 << 28:
                memory.seek(begin)
                with contextlib.suppress(OSError):
                    if text in memory.read(end - begin):
                        return True
    return False


def test_the_key_goes_to_the_server_and_nowhere_else(postgres, model):
    key = "sk-" + uuid.uuid4().hex
    with Parley({**OPTIONS, "log_level": "debug"}, postgres=postgres) as parley:
        path = os.path.join(parley.folder, "model.key")
        with open(path, "w") as file:
            file.write(key + "\n")
        os.chmod(path, 0o600)
        if UNPRIVILEGED:
            shutil.chown(path, "nobody", "nogroup")
        parley.configure(model_url=model.url, model_key_file=path)
        parley.restart()
        user = person(parley)
        for script in ("echo", "401", "reset-first:" + uuid.uuid4().hex):
            finished([Turn(user, "script:" + script)])
        asked = [request for request in model.requests if request["headers"].get("authorization") == "Bearer " + key]
        assert len(asked) == 4
        assert key not in parley.log_text()
        relay, = parley.relays()
        assert holds(relay, key.encode())
        assert not [pid for pid in (parley.master.pid, *parley.workers()) if holds(pid, key.encode())], "more than the relay has read it"


def test_where_descriptors_are_few_nobody_is_cut_off(postgres, model):
    """Connections that are kept to the model server take some too."""
    with Poor({**OPTIONS, "model_url": model.url}, postgres=postgres) as parley:
        users = [person(parley) for _ in range(80)]
        with parley.expecting("5xx"):
            crowd = finished([Turn(user, "script:slow:20:50") for user in users])
            turn = Turn(users[0], "script:slow:60:50")
            turn.wait_for_text()
            streams = [Stream(users[0], "GET", f"/api/v1/sessions/{turn.session}/stream?after=0") for _ in range(140)]
            late, = finished([Turn(users[1], "script:slow:2:10")])
        assert {one.status for one in [*crowd, *streams, late]} <= {200, 503}, [one.status for one in [*crowd, *streams, late]]
        for stream in streams:
            stream.close()
        finished([turn])
        assert turn.code == "done" and all(row.status != "streaming" for row in stored(parley, [*crowd, turn, late]).values())
        until(lambda: quick(users[0]), what="room again")


def test_no_server_at_all_is_told_at_once(postgres):
    port = free_port()
    with Parley({**OPTIONS, "model_url": f"http://127.0.0.1:{port}/v1"}, postgres=postgres) as parley:
        turn, = finished([Turn(person(parley), "anybody there?")])
        assert turn.code == "model_unreachable" and turn.over_at - turn.stream.begun < 5
        with Model(port):
            quick(turn.user)

"""Clients that nobody here wrote read the streams, and come back after a cut: no gap, no repeat, no second turn."""
import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from cutter import Cutter
from parley import Parley
from people import person, run_sql
from sse import words
from turns import expire, until, Turn

HERE = os.path.dirname(os.path.abspath(__file__))
MIXED = "Grüße ☕ und 👩‍👩‍👧 mehr: \"quoted\" \\ back\n\nlines\tdata: no\nid: 7\n: no comment\r\n 🇺🇳 ß ☃ end"
OPTIONS = {"quota_turns_per_minute": 0, "quota_turns_running": 0, "quota_requests_per_minute": 0}


@pytest.fixture(scope="module")
def parley():
    with Parley(OPTIONS) as running:
        yield running


class Script(threading.Thread):
    """A client in a process of its own; what it tells, line by line."""

    def __init__(self, node, name, **order):
        super().__init__(daemon=True)
        self.lines = []
        self.process = subprocess.Popen([node, os.path.join(HERE, name), json.dumps(order)], cwd=HERE, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.start()

    def run(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def finish(self, timeout=90):
        """Its events, when it has ended by itself."""
        try:
            self.process.wait(timeout)
        finally:
            self.process.kill()
            self.join()
        assert self.process.returncode == 0, self.process.stderr.read()
        return self.events

    @property
    def events(self):
        return [line for line in self.lines if "data" in line]

    def said(self, word):
        """What it told under a word, in order."""
        return [line[word] for line in self.lines if word in line]


def post(user, port, text, **headers):
    """The order for a script that begins a turn in a new session; and that session."""
    session = user.session()
    return session, {"url": f"http://127.0.0.1:{port}/api/v1/chat", "method": "POST",
                     "headers": {"Authorization": "Bearer " + user.token, "Content-Type": "application/json", **headers},
                     "body": json.dumps({"text": text, "session_id": session})}


def join(user, port, session):
    """The order for a script that watches a turn."""
    return {"url": f"http://127.0.0.1:{port}/api/v1/sessions/{session}/stream?after=0", "headers": {"Authorization": "Bearer " + user.token}}


def check(parley, events, session, text):
    """The events are the whole turn, each once and in order, and it is the only one."""
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(set(ids)), "an event came twice, or out of order"
    told = [json.loads(event["data"]) for event in events]
    assert [event["type"] for event in told if event["type"] != "token"] == ["session", "done"]
    assert "".join(event["content"] for event in told if event["type"] == "token") == text
    # The session's event has the first id, each byte of text one more.
    assert ids[-1] == 1 + len(text.encode()) + 1
    rows = run_sql(parley, "select role, content, status from parley.chat_messages where session_id = %s order by seq", session)
    assert rows == [("user", text, "complete"), ("assistant", text, "complete")]
    assert run_sql(parley, "select count(*) from parley.turns where session_id = %s", session) == [(1,)]


# Reading

@pytest.mark.parametrize("text", [words(20), MIXED], ids=["words", "mixed"])
def test_all_read_the_same(node, parley, text):
    user = person(parley)
    first, order = post(user, parley.port, text)
    second, other = post(user, parley.port, text)
    scripts = [(Script(node, "parser.mjs", **order), first), (Script(node, "fetch-event-source.mjs", **other), second)]
    for script, session in scripts:
        check(parley, script.finish(), session, text)
        assert script.said("status") == [200] and not script.said("failure")
    third = Turn(user, text)
    third.wait_for_text()
    script = Script(node, "eventsource.mjs", **join(user, parley.port, third.session))
    check(parley, script.finish(), third.session, text)
    assert not script.said("failure")


def test_the_words_arrive_as_they_are_written(node, parley):
    user = person(parley)
    session, order = post(user, parley.port, words(100))
    script = Script(node, "parser.mjs", **order)
    until(lambda: 5 < len(script.events) < 60, what="a part of the answer")
    check(parley, script.finish(), session, words(100))
    assert len(script.events) > 50


# Coming back

def cuts(count, most=4000):
    """Places in an answer: right at its beginning, and some further on."""
    return [0, *(random.randrange(1, most) for _ in range(count - 1))]


def test_a_cut_costs_no_event_and_no_second_turn(node, parley):
    """EventSource comes back by its own rules, fetch-event-source repeats the POST; both say what they have seen. Each connection is cut, in order or
    with a reset, the first before its first event; for fetch-event-source between two events, for it takes the id of half an event as seen."""
    user, text, running = person(parley), words(600), []
    with contextlib.ExitStack() as stack:
        for reset in (False, True):
            turn = Turn(user, text)
            turn.wait_for_text()
            cutter = stack.enter_context(Cutter(parley.port, cuts(3), reset))
            running.append((Script(node, "eventsource.mjs", **join(user, cutter.port, turn.session)), turn.session, cutter, 3))
            cutter = stack.enter_context(Cutter(parley.port, cuts(7), reset, whole=True))
            session, order = post(user, cutter.port, text, **{"Idempotency-Key": "cut-" + os.urandom(8).hex()})
            running.append((Script(node, "fetch-event-source.mjs", **order), session, cutter, 7))
        for script, session, cutter, count in running:
            check(parley, script.finish(), session, text)
            assert cutter.cut >= count - 2  # the last ones may lie behind the end
            ids = [int(line.partition(":")[2]) for head in cutter.requests for line in head.split("\r\n")
                   if line.lower().startswith("last-event-id:")]
            assert ids and ids == sorted(ids)
            print(f"cut {cutter.cut} times; it came back behind {ids}")


def test_a_post_that_comes_back_without_a_key_is_no_second_turn(node, parley):
    """From the first event on it says what it has seen: that is enough."""
    user = person(parley)
    with Cutter(parley.port, [700, 3000, 2], whole=True) as cutter:
        session, order = post(user, cutter.port, words(250))
        script = Script(node, "fetch-event-source.mjs", **order)
        check(parley, script.finish(), session, words(250))
        assert cutter.cut == 3


def test_the_death_of_web_server_processes_is_such_a_cut(node, parley):
    user = person(parley)
    turn = Turn(user, words(350))
    turn.wait_for_text()
    session, order = post(user, parley.port, words(350), **{"Idempotency-Key": "nginx-" + os.urandom(8).hex()})
    scripts = [(Script(node, "eventsource.mjs", **join(user, parley.port, turn.session)), turn.session),
               (Script(node, "fetch-event-source.mjs", **order), session)]
    for _ in range(2):
        until(lambda: all(script.events for script, _ in scripts), what="an answer that begins")
        time.sleep(random.uniform(0.3, 1))
        for pid in children(parley.nginx.pid):
            os.kill(pid, signal.SIGKILL)
        time.sleep(1.5)
    for script, whose in scripts:
        check(parley, script.finish(), whose, words(350))
        assert script.said("failure")


def test_a_reload_of_the_web_server_cuts_nothing(node, parley):
    user = person(parley)
    session, order = post(user, parley.port, words(100))
    script = Script(node, "fetch-event-source.mjs", **order)
    until(lambda: len(script.events) > 5, what="an answer that begins")
    parley.nginx.send_signal(signal.SIGHUP)
    check(parley, script.finish(), session, words(100))
    assert not script.said("failure")


def test_the_death_of_a_relay_is_told_when_the_client_comes_back(node, parley):
    user = person(parley)
    turn = Turn(user, words(900))
    turn.wait_for_text(300)
    script = Script(node, "eventsource.mjs", **join(user, parley.port, turn.session))
    until(lambda: len(script.events) > 30, what="an answer that begins")
    with parley.expecting("died"):
        os.kill(parley.relays()[0], signal.SIGKILL)
        until(lambda: len(script.said("opened")) == 2, what="the client again")
        expire(parley, [turn])
        events = script.finish()
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(set(ids)) and json.loads(events[-1]["data"])["code"] == "interrupted"
    text = "".join(json.loads(event["data"]).get("content", "") for event in events)
    assert text and turn.text.startswith(text)


def test_who_comes_back_after_the_end_is_sent_away(node, parley):
    """EventSource would come back for ever: 204 ends it."""
    user = person(parley)
    turn = Turn(user, words(30))
    turn.wait_for_text()
    script = Script(node, "eventsource.mjs", stay=True, **join(user, parley.port, turn.session))
    check(parley, script.finish(), turn.session, words(30))
    assert script.said("closed") == [204]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return list(map(int, file.read().split()))

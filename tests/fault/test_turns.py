"""Relays that die, stand still or have no room, and who waits for them.

What a killed relay costs stands in test_turns_killed.py. Leases are pushed back here by hand; that they end by themselves stands in
test_turns_patience.py. Clients that leave or read slowly stand in test_turns_viewers.py, what becomes of turns when the program ends or is reloaded in
test_turns_ending.py, and when the database goes away in test_turns_postgres.py.
"""
import contextlib
import os
import resource
import signal
import time

from parley import Parley
from people import person
from sse import words
from turns import Asking, Turn, answer_of, expire, finished, quick, stopped, stored, until

FREE = {"quota_turns_per_minute": 0, "quota_turns_running": 0, "log_level": "warn"}


# Relays that end

def test_what_waits_for_a_relay_outlives_it(postgres):
    """The relay stands still, turns are handed over, it is killed: the next one writes all of them."""
    with Parley({**FREE, "workers": 4}, postgres=postgres) as parley, parley.expecting("died"):
        user = person(parley)
        relay, = parley.relays()
        os.kill(relay, signal.SIGSTOP)
        turns = [Turn(user, words(10, f"turn{number}x")) for number in range(40)]
        until(lambda: len([row for row in stored(parley, turns).values() if row]) == len(turns), what="the start of all turns")
        with Asking(person(parley)) as others:  # workers do not wait for a relay
            until(lambda: len(others.took) >= 10, what="ten other requests")
        assert not others.failures and max(others.took) < 2
        os.kill(relay, signal.SIGKILL)
        finished(turns)
        assert [(turn.code, turn.seen) for turn in turns] == [("done", turn.text) for turn in turns]
        rows = stored(parley, turns)
        assert [rows[turn.session].content for turn in turns] == [turn.text for turn in turns]


@contextlib.contextmanager
def few_descriptors(count):
    """Processes that are started meanwhile may open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_than_can_wait_for_a_relay_is_refused_and_said_so(postgres):
    """Nothing is taken and forgotten: each turn runs, or its client and its session are told that it does not. So many descriptors as a process
    may open can be on their way."""
    with Parley({**FREE, "workers": 4}, postgres=postgres) as parley, parley.expecting("5xx"):
        parley.stop()
        with few_descriptors(100):
            parley.start()
            parley.wait_ready()
        user = person(parley)
        relay, = parley.relays()
        turns = [Turn(user, f"turn {number}", start=False) for number in range(150)]
        with stopped(relay):
            for turn in turns:
                turn.start()
            until(lambda: all(stored(parley, turns).values()), 60, what="the start of all turns")
        finished(turns)
        rows = stored(parley, turns)
        refused = [turn for turn in turns if turn.status != 200]
        for turn in refused:
            assert (turn.status, turn.stream.answer.problem) == (503, "overloaded")
            assert (rows[turn.session].question, rows[turn.session].status, rows[turn.session].error_code) == (turn.text, "failed", "overloaded")
        for turn in set(turns) - set(refused):
            assert (turn.code, turn.seen) == ("done", turn.text)
            assert (rows[turn.session].status, rows[turn.session].content) == ("complete", turn.text)
        assert len(refused) >= 50 and len(turns) - len(refused) >= 30
        print(f"of {len(turns)} turns {len(refused)} were refused")
        quick(user)


def test_relays_that_die_young_come_back_ever_more_slowly(postgres):
    with Parley(FREE, postgres=postgres) as parley, parley.expecting("died", "5xx"):
        user, deaths, end = person(parley), 0, time.monotonic() + 3
        turns = []
        with Asking(person(parley)) as others:
            while time.monotonic() < end:
                for pid in parley.relays():
                    os.kill(pid, signal.SIGKILL)
                    deaths += 1
                if len(turns) < 10:
                    turns.append(Turn(user, words(5)))
                time.sleep(0.005)
        assert 2 <= deaths < 12, deaths  # 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s between them
        assert not others.failures, others.failures[:3]
        until(parley.relays, what="a relay")
        quick(user)
        finished(turns)
        rows = stored(parley, turns)
        for turn in turns:
            assert rows[turn.session].question == turn.text
            if turn.code == "done":
                assert turn.seen == rows[turn.session].content == turn.text
        cut = [turn for turn in turns if turn.code != "done"]
        expire(parley, cut)
        assert all(answer_of(turn)["status"] == "interrupted" for turn in cut)
        print(f"{deaths} deaths; of {len(turns)} turns {len(turns) - len(cut)} were written whole")

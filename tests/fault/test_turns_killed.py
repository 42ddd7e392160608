"""Relays are killed while answers are written: no message is lost, and of an answer half a second.

PARLEY_TEST_KILLS says how many are killed. It waits more than it works: tests/run.sh has it run beside the others.
"""
import os
import random
import signal
import statistics
import time

from load import age
from parley import Parley
from people import person
from sse import Stream, watch, words
from turns import Asking, Places, Turn, answer_of, expire, finished, stored, until

KILLS = int(os.environ.get("PARLEY_TEST_KILLS", "50"))
RELAYS = 8  # as many as there can be: one that dies older than five seconds is replaced at once
OLD = 5.2
LOST = 0.5  # seconds of an answer that may be lost with its relay
MOST = 0.8  # and with what a busy machine takes to save what is due
FREE = {"quota_turns_per_minute": 0, "quota_turns_running": 0, "log_level": "warn"}


class Kill:
    """A relay that is killed at a random moment, and its turns: one that goes on for a while, one that has just begun, one that begins."""

    def __init__(self, parley, places, place):
        user, relays = places.user, places.relays
        sessions = [places.session_at(place) for _ in range(3)]
        elsewhere = places.session_at((place - 1) % RELAYS)  # the one that is the last to be killed
        until(lambda: age(relays[place]) > OLD, what="a relay that is old enough")
        self.turns = [Turn(user, words(length), session, start=False) for length, session in zip((900, 300, 100), sessions)]
        self.turns[0].start()
        self.neighbour = Turn(user, words(120), elsewhere)
        self.turns[0].wait_for_text()
        time.sleep(random.uniform(0, 1.2))
        self.turns[1].start()
        time.sleep(random.uniform(0, 0.3))
        self.turns[2].start()
        time.sleep(random.choice((0, random.uniform(0, 0.03), random.uniform(0, 0.6))))
        self.at = time.monotonic()
        os.kill(relays[place], signal.SIGKILL)
        until(lambda: relays[place] not in parley.relays(), what="the end of the relay")
        relays[place] = until(lambda: set(parley.relays()) - set(relays), what="a new relay").pop()
        self.too_early = Turn(user, "too early", sessions[0])  # the lease goes on: nobody knows yet

    def check(self, rows):
        """What is stored beside what clients have seen. Answers the seconds that were lost, of each turn that was cut."""
        lost = []
        for turn in self.turns:
            row = rows[turn.session]
            assert row and row.question == turn.text, "the user's message is not stored"
            if turn.code == "done":  # it waited in the socket, and the next relay took it
                assert (row.status, row.content, turn.seen) == ("complete", turn.text, turn.text)
                continue
            assert turn.code is None and row.status == "streaming", (turn.events[-1:], row)
            assert turn.text.startswith(row.content) and turn.text.startswith(turn.seen)
            since = turn.unsaved_since(row)
            lost.append(self.at - since if since else 0.0)
        assert self.turns[0].code is None, "the longest of them was not cut"
        return lost


def check_after(turn):
    """A turn whose relay is gone and whose lease is over."""
    before = Stream(turn.user, "GET", f"/api/v1/sessions/{turn.session}/stream?after=0").rest()
    assert before[-1].json["code"] == "interrupted"
    answer = answer_of(turn)
    assert answer["status"] == "interrupted" and turn.text.startswith(answer["content"])
    assert answer["content"] == "".join(event.content for event in before)
    # A client that had more than is stored is told the end, and nothing twice.
    last = max([event.id for event in turn.events], default=0)
    with watch(turn.user, turn.session, after=last) as rest:
        assert (rest.text if rest.answer is None else "") == answer["content"][len(turn.seen):]


def test_a_killed_relay_costs_half_a_second_of_its_turns(postgres):
    with Parley({**FREE, "relays": RELAYS}, postgres=postgres) as parley, parley.expecting("died"):
        user = person(parley)
        places = Places(user, parley.relays())
        with Asking(person(parley)) as others:
            kills = [Kill(parley, places, number % RELAYS) for number in range(KILLS)]
            finished([kill.neighbour for kill in kills])
        assert not others.failures, others.failures[:3]
        turns = [turn for kill in kills for turn in finished(kill.turns)]
        rows = stored(parley, turns)
        lost = [seconds for kill in kills for seconds in kill.check(rows)]
        for kill in kills:
            assert kill.neighbour.code == "done" and kill.neighbour.seen == kill.neighbour.text, "a turn of another relay was harmed"
        cut = [turn for turn in turns if turn.code != "done"]
        assert [turn.status for turn in finished([kill.too_early for kill in kills])] == [409] * KILLS
        expire(parley, cut)
        for turn in cut:
            check_after(turn)
        again = finished([Turn(user, "and now again", turn.session) for turn in cut])
        assert {(turn.code, turn.seen) for turn in again} == {("done", "and now again")}
        print(f"{KILLS} relays killed, {len(cut)} turns cut, {len(turns) - len(cut)} went on with the next relay; lost "
              f"{statistics.median(lost):.2f} s in the median, {max(lost):.2f} s at most; {len(others.took)} other requests")
        assert statistics.median(lost) <= LOST and max(lost) <= MOST, sorted(lost)[-5:]

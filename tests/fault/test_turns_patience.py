"""What takes half a minute because nothing is hurried: leases that end by themselves, an end that cannot be saved, a reader that takes nothing,
a name server that does not answer.

All of it happens at once, in threads; each test waits for its own part.
"""
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from model import Model
from parley import Parley, binary
from people import person
from postgres import Postgres
from sse import text_of, watch, words
from turns import Turn, answer_of, count_descriptors, finished, stored, until
from test_turns_viewers import SlowReader

OPTIONS = {"workers": 2, "quota_turns_per_minute": 0, "quota_turns_running": 0, "quota_requests_per_minute": 0, "log_level": "warn",
           "database_timeout": 2000}
BIG = 8 << 20
INTERRUPTED_WITHIN = 30
TOLD_AFTER = 30  # seconds for which it is tried to save an end before its client is told
DROPPED_AFTER = 30


def leases_that_end(postgres):
    """A relay is killed under three turns: one is read again and again, one is watched on, at one nobody looks before its time is over."""
    with Parley(OPTIONS, postgres=postgres) as parley, parley.expecting("died"):
        user = person(parley)
        turns = [Turn(user, words(900)) for _ in range(3)]
        for turn in turns:
            turn.wait_for_text(600)
        killed = time.monotonic()
        os.kill(parley.relays()[0], signal.SIGKILL)
        finished(turns)
        viewer = watch(user, turns[1].session, after=max(event.id for event in turns[1].events))
        assert time.monotonic() - killed < 10, "who has all that there is waits for the header block"
        with ThreadPoolExecutor(1) as pool:
            watched = pool.submit(lambda: (viewer.rest(), time.monotonic() - killed)[1])
            while answer_of(turns[0])["status"] == "streaming":
                assert time.monotonic() - killed < INTERRUPTED_WITHIN
                time.sleep(0.2)
            read = time.monotonic() - killed
            assert watched.result() < INTERRUPTED_WITHIN
        time.sleep(max(0, killed + INTERRUPTED_WITHIN - time.monotonic()))
        assert stored(parley, turns)[turns[2].session].status == "streaming"
        for turn in turns:
            answer = answer_of(turn)
            assert answer["status"] == "interrupted" and answer["content"] and turn.text.startswith(answer["content"])
        assert viewer.events[-1].json["code"] == "interrupted"
        with watch(user, turns[2].session, after=0) as late:
            assert late.rest()[-1].json["code"] == "interrupted"
        print(f"read as interrupted after {read:.1f} s, told to a viewer after {watched.result():.1f} s")


def an_end_that_cannot_be_saved():
    """The database is away for longer than an end may wait. It is said so, never that the turn is done; and when the database is back, it is saved
    all the same."""
    with Postgres() as postgres, Parley(OPTIONS, postgres=postgres) as parley, parley.expecting("5xx"):
        user = person(parley)
        turns = [Turn(user, words(50)) for _ in range(3)]
        one = Turn(user, words(50), headers={"Accept": "application/json"})
        for turn in turns:
            turn.wait_for_text()
        until(lambda: stored(parley, [one])[one.session], what="its start")
        postgres.stop()
        until(lambda: all(turn.seen == turn.text for turn in turns), what="the whole text")
        ended = time.monotonic()
        finished([*turns, one], TOLD_AFTER + 30)
        for turn in turns:
            assert turn.code == "not_saved" and turn.over_at - ended > TOLD_AFTER - 5
        assert one.status == 503 and one.stream.answer.problem == "not_saved"
        told = max(turn.over_at for turn in turns) - ended
        postgres.start()
        back = time.monotonic()
        until(lambda: all(row.status == "complete" and row.content == words(50) for row in stored(parley, [*turns, one]).values()),
              what="the turns in the database")
        with watch(user, turns[0].session, after=0) as late:
            assert text_of(late.rest()) == words(50) and late.events[-1].type == "done"
        print(f"told as not saved after {told:.1f} s, saved {time.monotonic() - back:.1f} s after the return")


def a_program_that_ends_without_a_database():
    """It does not wait for ever, and does not say that anything is done."""
    with Postgres() as postgres, Parley({**OPTIONS, "drain_seconds": 1}, postgres=postgres) as parley, parley.expecting("5xx"):
        user = person(parley)
        turns = [Turn(user, words(900)), Turn(user, words(40))]
        for turn in turns:
            turn.wait_for_text(20)
        postgres.stop()
        begun = time.monotonic()
        assert parley.stop() == 0
        took = time.monotonic() - begun
        finished(turns)
        assert took < 20
        assert [turn.code for turn in turns] == ["not_saved", "not_saved"], [turn.last for turn in turns]
        print(f"ended after {took:.1f} s")


def a_reader_that_takes_nothing(postgres):
    with Model() as model, Parley({**OPTIONS, "model_url": model.url}, postgres=postgres) as parley:
        user = person(parley)
        relay, = parley.relays()
        slow = SlowReader(user, f"script:big:{BIG}")
        begun = time.monotonic()
        until(lambda: (row := stored(parley, [slow])[slow.session]) and row.status == "complete", what="the end of the turn")
        held = count_descriptors(relay)
        until(lambda: count_descriptors(relay) < held or time.monotonic() - begun > DROPPED_AFTER + 30, 70, what="the end of its connection")
        dropped = time.monotonic() - begun
        assert DROPPED_AFTER - 5 < dropped < DROPPED_AFTER + 25
        slow.gulp()
        events = slow.events()
        assert events[-1].type == "token"
        assert stored(parley, [slow])[slow.session].content == "x" * BIG
        with watch(user, slow.session, after=events[-1].id) as rest:
            assert text_of(events) + text_of(rest.rest()) == "x" * BIG and rest.events[-1].type == "done"
        print(f"dropped after {dropped:.1f} s with {len(text_of(events))} bytes of {BIG}")


# A host whose name nobody knows, which is told as late as by a name server that does not answer.
SLOW_NAME = """
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strcmp(name, "pg.slow") != 0)
        return real(name, service, hints, found);
    sleep(4);
    return EAI_AGAIN;
}
"""


class SlowName(Parley):
    """Whose database may be on a second host, of that name."""

    def __init__(self, options, postgres):
        super().__init__(options, postgres=postgres)
        self.options["database"] = f"host={postgres.folder},pg.slow user=parley_app dbname=parley"
        self.library = os.path.join(self.folder, "slow_name.so")
        subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-x", "c", "-", "-o", self.library], input=SLOW_NAME, text=True, check=True)

    def environment(self):
        return {**super().environment(), "LD_PRELOAD": self.library}


def a_name_that_is_looked_up_for_long():
    """Streams go on meanwhile, what they say is saved in the end, and the program can end in the middle of it."""
    with open(binary(), "rb") as program:
        if b"__asan_init" in program.read():
            pytest.skip("AddressSanitizer lets nothing be loaded before it")
    with Postgres() as postgres, SlowName({**OPTIONS, "drain_seconds": 1}, postgres) as parley, parley.expecting("5xx"):
        user = person(parley)
        turns = [Turn(user, words(350)) for _ in range(2)]
        for turn in turns:
            turn.wait_for_text()
        postgres.stop()
        begun = time.monotonic()
        time.sleep(5)
        postgres.start()
        finished(turns)
        rows = stored(parley, turns)
        assert [(turn.code, turn.seen, rows[turn.session].content) for turn in turns] == [("done", turn.text, turn.text) for turn in turns]
        times = [[event.at for event in turn.events if begun < event.at < begun + 5] for turn in turns]
        gap = max(later - at for of_turn in times for at, later in zip(of_turn, of_turn[1:]))
        assert min(map(len, times)) > 50 and gap < 1, f"{gap:.2f} s without an event"
        turn = Turn(user, words(100))
        turn.wait_for_text()
        postgres.stop()
        time.sleep(1.5)
        begun = time.monotonic()
        assert parley.stop() == 0 and time.monotonic() - begun < 20
        finished([turn])
        assert turn.code == "not_saved"
        print(f"{gap:.2f} s without an event while a name was looked up")


@pytest.fixture(scope="module")
def parts(postgres):
    with ThreadPoolExecutor(5) as pool:
        yield {part.__name__: pool.submit(part, *arguments) for part, *arguments in (
            (leases_that_end, postgres), (an_end_that_cannot_be_saved,), (a_program_that_ends_without_a_database,),
            (a_reader_that_takes_nothing, postgres), (a_name_that_is_looked_up_for_long,))}


def test_turns_of_a_dead_relay_read_as_interrupted_within_half_a_minute(parts):
    parts["leases_that_end"].result()


def test_an_end_that_cannot_be_saved_is_told_as_such(parts):
    parts["an_end_that_cannot_be_saved"].result()


def test_a_program_that_ends_without_its_database_says_what_is_not_saved(parts):
    parts["a_program_that_ends_without_a_database"].result()


def test_a_reader_that_takes_nothing_is_dropped_and_can_come_back(parts):
    parts["a_reader_that_takes_nothing"].result()


def test_streams_do_not_wait_for_the_name_of_the_database(parts):
    parts["a_name_that_is_looked_up_for_long"].result()

"""Turns whose worker dies beside the hand-over, and turns that run when the program ends or is reloaded.

That streams of one relay do not care for the death of another, and that hand-overs outlive their relay, stands in test_turns.py.
"""
import os
import signal
import subprocess
import threading
import time

import pytest

from load import is_alive
from model import Model
from parley import Parley
from people import person, run_sql
from sse import Stream, text_of, watch, words
from turns import Turn, answer_of, expire, finished, quick, stored, until

FREE = {"quota_turns_per_minute": 0, "quota_turns_running": 0, "log_level": "warn", "workers": 2}
LONG = words(900)

# A worker that dies at the hand-over, when the file DIE_AT says "before" or "after" it: once, for the file is gone then.
DYING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t (*real)(int, const struct msghdr *, int) = (ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
    char moment[16] = "";
    FILE *file = message->msg_controllen ? fopen(getenv("DIE_AT"), "r") : NULL;
    if (file) {
        if (!fgets(moment, sizeof(moment), file) || unlink(getenv("DIE_AT")) != 0)
            moment[0] = 0;
        fclose(file);
    }
    if (!strcmp(moment, "before"))
        kill(getpid(), SIGKILL);
    ssize_t sent = real(fd, message, flags);
    if (!strcmp(moment, "after"))
        kill(getpid(), SIGKILL);
    return sent;
}
"""


# Workers that die

class Mortal(Parley):
    """A Parley whose workers can be told to die at the hand-over."""

    def _write_files(self):
        super()._write_files()
        source, self.library = self.folder + "/dying.c", self.folder + "/dying.so"
        with open(source, "w") as file:
            file.write(DYING)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", self.library, source, "-ldl"], check=True)

    def environment(self):
        more = {"LD_PRELOAD": self.library, "DIE_AT": self.folder + "/die-at"} if hasattr(self, "library") else {}
        return {**super().environment(), **more}

    def die(self, moment):
        with open(self.folder + "/die-at.new", "w") as file:
            file.write(moment)
        os.chmod(self.folder + "/die-at.new", 0o666)
        os.rename(self.folder + "/die-at.new", self.folder + "/die-at")


@pytest.fixture
def mortal(postgres):
    with Mortal(FREE, postgres=postgres) as running, running.expecting("died"):
        yield running


def test_a_worker_killed_before_the_hand_over_leaves_a_message_and_a_turn_that_ends(mortal):
    user, workers = person(mortal), mortal.workers()
    mortal.die("before")
    turn, = finished([Turn(user, words(20))])
    assert turn.status == 502 and len(set(workers) & set(mortal.workers())) == 1
    row = stored(mortal, [turn])[turn.session]
    assert (row.question, row.status, row.content) == (turn.text, "streaming", "")
    expire(mortal, [turn])
    assert answer_of(turn)["status"] == "interrupted"
    with watch(user, turn.session, after=0) as viewer:
        assert viewer.rest()[-1].json["code"] == "interrupted"
    again, = finished([Turn(user, "and again", turn.session)])
    assert (again.code, again.seen) == ("done", "and again")


def test_a_worker_killed_after_the_hand_over_costs_nothing(mortal):
    user, workers = person(mortal), mortal.workers()
    mortal.die("after")
    turn, = finished([Turn(user, words(20))])
    assert len(set(workers) & set(mortal.workers())) == 1
    assert (turn.code, turn.seen) == ("done", turn.text)
    row = stored(mortal, [turn])[turn.session]
    assert (row.question, row.status, row.content) == (turn.text, "complete", turn.text)


def count_waiting(parley):
    return run_sql(parley, "select count(*) from pg_stat_activity where usename = 'parley_app' and wait_event_type = 'Lock'")[0][0]


def test_a_worker_killed_in_its_transaction_leaves_nothing(postgres):
    """It waits for a lock on the session when it is killed; its server process notices that nobody is there. The same text can be sent again."""
    with Parley({**FREE, "workers": 1, "database_timeout": 30000}, postgres=postgres) as parley, parley.expecting("died"):
        user = person(parley)
        session = user.session()
        locker = postgres.connect("postgres")
        with locker, locker.cursor() as cursor:
            cursor.execute("select from parley.chat_sessions where session_id = %s for update", (session,))
            turn = Turn(user, words(20), session, {"Idempotency-Key": "only-once"})
            until(lambda: count_waiting(parley) == 1, what="the turn at the lock")
            os.kill(parley.workers()[0], signal.SIGKILL)
            finished([turn])
            until(lambda: count_waiting(parley) == 0, what="the end of its transaction")
        locker.close()
        assert turn.status == 502 and stored(parley, [turn])[session] is None
        again, = finished([Turn(user, turn.text, session, turn.headers)])
        assert (again.code, again.seen) == ("done", turn.text)
        assert run_sql(parley, "select count(*) from parley.chat_messages where session_id = %s", session) == [(2,)]


# The end of the program

@pytest.fixture
def parley(postgres):
    with Parley(FREE, postgres=postgres) as running:
        yield running


def begin(user, count, text=LONG):
    """Turns that run, with some text."""
    turns = [Turn(user, text) for _ in range(count)]
    for turn in turns:
        turn.wait_for_text(20)
    return turns


def check_interrupted(turns, rows):
    """Ended by the program's end: clients were told, and what they have seen is just what is stored."""
    for turn in turns:
        row = rows[turn.session]
        assert (turn.code, row.status, row.error_code) == ("interrupted", "interrupted", "interrupted")
        assert turn.text.startswith(turn.seen) and turn.seen == row.content and turn.how is None


def test_short_turns_are_written_whole_when_the_program_ends(parley):
    user = person(parley)
    turns = begin(user, 6, words(60))
    polite = Turn(user, words(60), headers={"Accept": "application/json"})
    until(lambda: stored(parley, [polite])[polite.session], what="its start")
    time.sleep(0.1)
    begun = time.monotonic()
    assert parley.stop() == 0
    assert time.monotonic() - begun < 15
    for turn in finished(turns):
        assert (turn.code, turn.seen) == ("done", turn.text)
    assert {row.content for row in stored(parley, turns + finished([polite])).values()} == {words(60)}
    assert polite.status == 200 and polite.stream.answer.json["content"] == polite.text


def test_turns_longer_than_drain_seconds_are_saved_and_said_to_be_interrupted(parley):
    parley.configure(drain_seconds=1)
    parley.restart()
    user = person(parley)
    turns = begin(user, 6)
    joined = Stream(user, "GET", f"/api/v1/sessions/{turns[0].session}/stream?after=0")
    begun = time.monotonic()
    assert parley.stop() == 0
    took = time.monotonic() - begun
    assert 0.9 < took < 8, took
    rows = stored(parley, finished(turns))
    check_interrupted(turns, rows)
    joined.rest()
    assert joined.events[-1].json["code"] == "interrupted" and joined.text == rows[turns[0].session].content
    parley.start()
    parley.wait_ready()
    assert {answer_of(turn)["status"] for turn in turns} == {"interrupted"}
    again, = finished([Turn(user, "and again", turns[0].session)])
    assert again.code == "done"
    print(f"ended after {took:.2f} s with {len(turns[0].seen)} bytes of an answer")


def test_a_second_signal_ends_turns_at_once_and_saves_them(parley):
    user = person(parley)
    turns = begin(user, 6)
    relay, = parley.relays()
    parley.master.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert parley.master.poll() is None and is_alive(relay)
    with parley.expecting("died"):
        begun = time.monotonic()
        assert parley.stop() == 0
        assert time.monotonic() - begun < 4
    check_interrupted(finished(turns), stored(parley, turns))
    assert not is_alive(relay)


def test_turns_outlive_their_master(parley):
    """A master that is killed takes its relays along, in peace: short turns are written whole."""
    user = person(parley)
    turns = begin(user, 3, words(60))
    relay, = parley.relays()
    parley.master.kill()
    parley.master.wait()
    parley.master = None
    for turn in finished(turns):
        assert (turn.code, turn.seen) == ("done", turn.text)
    until(lambda: not is_alive(relay), what="the end of the relay")
    assert {row.status for row in stored(parley, turns).values()} == {"complete"}


# Reloading

def test_a_reload_lets_turns_go_on_and_new_ones_begin_elsewhere(parley):
    """The built-in model answers before it, a model server after it."""
    user = person(parley)
    with Model() as model:
        turns = begin(user, 4, words(120))
        old, = parley.relays()
        parley.configure(model_url=model.url)
        parley.reload()
        until(lambda: set(parley.relays()) - {old}, what="the new relay")
        new = finished([Turn(user, "script:reasoning") for _ in range(3)])
        assert {(turn.code, turn.seen) for turn in new} == {("done", "The quick brown fox jumps over the lazy dog.")}
        assert is_alive(old) and all(turn.is_alive() for turn in turns)
        joined = watch(user, turns[0].session, after=0)  # by the new relay, which follows the old one
        assert finished([Turn(user, "too early", turns[1].session)])[0].status == 409
        for turn in finished(turns):
            assert (turn.code, turn.seen) == ("done", turn.text)
        assert text_of(joined.rest()) == turns[0].text and joined.events[-1].type == "done"
        assert {row.status for row in stored(parley, turns).values()} == {"complete"}
        until(lambda: not is_alive(old) and len(parley.relays()) == 1, what="the end of the old relay")


def test_a_stop_reaches_a_turn_of_a_relay_that_is_replaced(parley):
    """The word goes to the new relay, the old one finds it in the database."""
    user = person(parley)
    turn, = begin(user, 1)
    old = parley.relays()
    parley.reload()
    until(lambda: set(parley.relays()) - set(old), what="the new relay")
    begun = time.monotonic()
    assert user.post(f"/api/v1/sessions/{turn.session}/stop").status == 202
    finished([turn])
    assert turn.last["status"] == "stopped" and time.monotonic() - begun < 5
    row = stored(parley, [turn])[turn.session]
    assert (row.status, row.content) == ("stopped", turn.seen)


def test_reloads_all_the_time_lose_no_turn(parley):
    user = person(parley)
    turns, end = [], time.monotonic() + 3
    reloading = threading.Event()

    def reload():
        while not reloading.wait(0.4):
            parley.reload()

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        while time.monotonic() < end:
            turns.append(Turn(user, words(30)))
            time.sleep(0.05)
        finished(turns)
    finally:
        reloading.set()
        thread.join()
    assert {(turn.code, turn.seen) for turn in turns} == {("done", words(30))}
    assert {row.content for row in stored(parley, turns).values()} == {words(30)}
    quick(user)
    until(lambda: len(parley.relays()) == 1, what="the end of the relays before")

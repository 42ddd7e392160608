"""PostgreSQL goes away in every way while answers are written, and comes back: whatever clients were told to be done is stored."""
import os
import random
import signal
import threading
import time

import pytest

from load import is_alive
from model import Model
from parley import Parley
from people import person, run_sql
from postgres import Postgres
from sse import words
from turns import Turn, answer_of, expire, finished, quick, stopped, stored, until

OPTIONS = {"workers": 4, "quota_turns_per_minute": 0, "quota_turns_running": 0, "quota_requests_per_minute": 0, "database_timeout": 2000,
           "log_level": "warn"}


@pytest.fixture(scope="module")
def postgres():
    """A cluster of its own, for it is mistreated."""
    with Postgres(fsync=True) as running:
        yield running


@pytest.fixture(scope="module")
def parley(postgres):
    with Parley(OPTIONS, postgres=postgres) as running:
        yield running


def stop_fast(postgres):
    postgres.stop(signal.SIGINT)


def stop_immediately(postgres):
    postgres.stop(signal.SIGQUIT)


def kill_everything(postgres):
    postgres.kill()


def kill_the_postmaster(postgres):
    """Its children notice by themselves; a new one must not start before they are gone."""
    pids = postgres.processes()
    os.kill(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait(60)
    postgres.process = None
    until(lambda: not any(map(is_alive, pids)), what="the end of the postmaster's children")


def check(parley, turns):
    """No client was told more than is so. Answers how many were told that they are done."""
    rows = stored(parley, turns)
    done = 0
    for turn in turns:
        row = rows[turn.session]
        if turn.status != 200:  # it did not begin, as far as its client knows
            assert turn.status == 503 and turn.stream.answer.problem == "unavailable", (turn.how, turn.stream and turn.stream.answer)
            continue
        assert row and row.question == turn.text, "the user's message is not stored"
        assert turn.text.startswith(row.content) and turn.text.startswith(turn.seen) and turn.how is None
        if turn.code == "done":
            done += 1
            assert (row.status, row.content, turn.seen) == ("complete", turn.text, turn.text), "done, but not stored"
        else:
            assert turn.code == "not_saved", turn.last
    return done


@pytest.mark.parametrize("end", [stop_fast, stop_immediately, kill_everything, kill_the_postmaster])
def test_turns_go_on_without_their_database_and_are_saved_when_it_is_back(parley, postgres, end):
    """Some have just begun, some are in the middle, some end in just this moment."""
    user = person(parley)
    relays = parley.relays()
    with parley.expecting("5xx"):
        turns = [Turn(user, words(120)) for _ in range(4)]
        time.sleep(random.uniform(0.3, 1))
        sessions = [user.session() for _ in range(24)]
        for number, session in enumerate(sessions):
            turns.append(Turn(user, words(2 * number + 1), session))
        time.sleep(random.uniform(0.05, 0.5))
        end(postgres)
        time.sleep(random.uniform(0.3, 1))
        postgres.start()
        begun = time.monotonic()
        finished(turns)
        took = time.monotonic() - begun
        until(lambda: user.get("/readyz").status == 200, what="the service")
    done = check(parley, turns)
    assert all(turn.code == "done" for turn in turns[:4]), [turn.last for turn in turns[:4]]
    assert all(turn.code in ("done", None) for turn in turns)
    assert parley.relays() == relays
    expire(parley, turns)  # what was stored without its worker's knowledge
    assert {answer_of(turn)["status"] for turn in turns if turn.code != "done" and stored(parley, [turn])[turn.session]} <= {"interrupted"}
    quick(user)
    print(f"{end.__name__}: {done} of {len(turns)} turns done, {len(turns) - done} did not begin; the last {took:.1f} s after the return")


def test_connections_that_are_ended_again_and_again_lose_nothing(parley, postgres):
    """pg_terminate_backend at random moments, also between a COMMIT and the news of it."""
    user = person(parley)
    sessions = [user.session() for _ in range(40)]
    over = threading.Event()
    ended = []

    def terminate():
        connection = postgres.connect("postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not over.wait(random.uniform(0, 0.1)):
                cursor.execute("select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity where usename = 'parley_app'")
                ended.append(cursor.fetchone()[0])
        connection.close()

    with parley.expecting("5xx"):
        turns = [Turn(user, words(30 + number), session) for number, session in enumerate(sessions)]
        until(lambda: all(turn.seen or not turn.is_alive() for turn in turns), what="an answer that begins")
        thread = threading.Thread(target=terminate)
        thread.start()
        time.sleep(4)
        over.set()
        thread.join()
        finished(turns)
        until(lambda: user.get("/readyz").status == 200, what="the service")
    assert check(parley, turns) == len(turns)
    rows = run_sql(parley, "select count(*) from parley.turn_events e join parley.turns t using (user_id, turn_id) "
                           "where user_id = %s and e.type = 'done'", user.user_id)
    assert rows == [(len(turns),)]
    used = run_sql(parley, "select (select sum(completion_tokens) from parley.turns where user_id = u.user_id), u.completion_tokens "
                           "from parley.user_usage u where user_id = %s", user.user_id)[0]
    assert used[0] == used[1], "an end was counted twice"
    print(f"{sum(ended)} connections ended under {len(turns)} turns")


def test_a_database_that_stands_still_is_waited_for(parley, postgres):
    """SIGSTOP: nothing is closed, nothing answers. What clients see does not wait for it, but for the end."""
    user = person(parley)
    turns = [Turn(user, words(60)) for _ in range(8)]
    for turn in turns:
        turn.wait_for_text()
    with parley.expecting("5xx"):
        with stopped(*postgres.processes()):
            time.sleep(4.5)
            assert all(turn.seen == turn.text for turn in turns), "the text has waited for the database"
            assert not any(turn.last for turn in turns), "an end that is not stored"
        finished(turns)
        until(lambda: user.get("/readyz").status == 200, what="the service")
    assert check(parley, turns) == len(turns)


def test_an_answer_in_very_many_pieces_is_saved_in_parts_and_holds_nobody_up(postgres):
    """All that comes while the database stands still is more than it takes in one go before its time is over."""
    with Model() as model, Parley({**OPTIONS, "model_url": model.url}, postgres=postgres) as parley:
        user = person(parley)
        turns = [Turn(user, "script:pieces:16000") for _ in range(3)] + [Turn(user, "script:pieces:600000")]
        for turn in turns:
            turn.wait_for_text()
        with stopped(*postgres.processes()):
            time.sleep(6)
        assert quick(user, "and meanwhile").over_at - time.monotonic() < 5
        finished(turns)
        assert [turn.code for turn in turns] == ["done"] * 3 + ["answer_too_long"]
        rows = stored(parley, turns)
        assert all(turn.seen == rows[turn.session].content for turn in turns)
        assert [turn.seen for turn in turns[:3]] == ["b" * 16000] * 3

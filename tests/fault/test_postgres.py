"""PostgreSQL goes away in every way, under load, and comes back."""
import os
import random
import signal
import threading
import time

import pytest

from load import Loads, is_alive, people, until
from parley import Parley
from postgres import Postgres
from wire import Wire

WORKERS = 6


@pytest.fixture(scope="module")
def postgres():
    """A cluster of its own, for it is mistreated."""
    with Postgres(fsync=True) as running:
        yield running


@pytest.fixture(scope="module")
def parley(postgres):
    with Parley({"workers": WORKERS, "database_timeout": 2000}, postgres=postgres) as running:
        until(lambda: len(running.workers()) == WORKERS, what="all workers")
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


@pytest.mark.parametrize("end", [stop_fast, stop_immediately, kill_everything, kill_the_postmaster])
def test_a_server_that_ends_under_load_costs_503_and_nothing_else(parley, postgres, end):
    workers = parley.workers()
    with parley.expecting("5xx"), Loads(parley) as load:
        load.wait_for_everybody()
        time.sleep(0.5)
        end(postgres)
        time.sleep(0.5)
        postgres.start()
        back = load.wait_for_everybody()
        failures = load.failures
        time.sleep(0.5)
    load.verify()
    assert failures and load.failures == failures, "it failed after everybody was served again"
    assert all(failure.answer and failure.answer.is_unavailable for failure in failures), failures
    assert back < 10
    assert parley.workers() == workers
    print(f"{end.__name__}: {load}, back after {back:.2f} s")


def test_a_stopped_server_costs_503_in_time_and_no_worker(parley, postgres):
    """SIGSTOP: nothing is closed, nothing answers."""
    workers = parley.workers()
    person = people(parley, 1)[0]
    waits = []

    def ask(path, token=None):
        begin = time.monotonic()
        answer = Wire(parley.port).ask("GET", path, token)
        waits.append(time.monotonic() - begin)
        return answer

    assert ask("/api/v1/sessions", person.token).status == 200
    with parley.expecting("5xx"):
        stopped = postgres.processes()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            # The second finds no connection and cannot make one.
            for _ in range(2):
                answer = ask("/api/v1/sessions", person.token)
                assert answer.is_unavailable
            assert ask("/healthz").status == 200
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        # 2 s are allowed for a transaction, and as many for a new connection before it.
        assert max(waits) < 7
        until(lambda: ask("/api/v1/sessions", person.token).status == 200, what="the service")
    assert parley.workers() == workers


def test_a_stopped_server_under_load_loses_and_doubles_nothing(parley, postgres):
    """What was under way when the answer was given up may be stored all the same: it must not be stored twice."""
    workers = parley.workers()
    with parley.expecting("5xx"), Loads(parley) as load:
        load.wait_for_everybody()
        stopped = postgres.processes()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(4)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        back = load.wait_for_everybody()
    load.verify()
    assert load.failures and all(failure.answer and failure.answer.is_unavailable for failure in load.failures), load.failures
    assert back < 10
    assert parley.workers() == workers
    print(f"{load}, back after {back:.2f} s")


def terminate(postgres, pick=lambda pids: pids):
    """Ends backends that serve Parley; answers how many."""
    with postgres.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute("select pid from pg_stat_activity where usename = 'parley_app'")
        pids = pick([pid for pid, in cursor.fetchall()])
        cursor.execute("select count(*) filter (where pg_terminate_backend(pid)) from unnest(%s::int[]) pid", (pids,))
        return cursor.fetchone()[0]


def test_idle_connections_that_were_ended_are_replaced_unseen(parley, postgres):
    person = people(parley, 1)[0]
    wire = Wire(parley.port)
    for _ in range(3):
        for _ in range(30):
            assert wire.ask("GET", "/api/v1/sessions", person.token).status == 200
        assert terminate(postgres) > 0
    assert wire.ask("GET", "/api/v1/sessions", person.token).status == 200


def test_connections_ended_in_the_midst_cost_503_at_most(parley, postgres):
    """pg_terminate_backend without a pause: between statements, before and after COMMIT."""
    ended = 0
    with parley.expecting("5xx"), Loads(parley) as load:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            ended += terminate(postgres, lambda pids: random.sample(pids, min(2, len(pids))))
            time.sleep(random.uniform(0, 0.02))
        load.wait_for_everybody()
    load.verify()
    assert ended > 50
    assert all(failure.answer and failure.answer.is_unavailable for failure in load.failures), load.failures
    print(f"{ended} connections ended, {load}")


def test_a_request_that_waits_when_the_server_ends_gets_503(parley, postgres):
    """A lock holds it in the middle of its transaction while the server is stopped fast."""
    person = people(parley, 1)[0]
    path = f"/api/v1/sessions/{person.session}/messages"
    answers = []
    ask = threading.Thread(target=lambda: answers.append(
        Wire(parley.port).ask("POST", path, person.token, b'{"role":"user","content":"once"}')))
    locker = postgres.connect("postgres")
    cursor = locker.cursor()
    cursor.execute("select from parley.chat_sessions where session_id = %s for update", (person.session,))
    with parley.expecting("5xx"):
        ask.start()
        time.sleep(0.3)
        postgres.restart()
        ask.join(30)
        locker.close()
        assert answers and answers[0].is_unavailable
    assert answers[0].json["code"] == "unavailable"
    assert Wire(parley.port).ask("GET", path, person.token).json == []

"""Workers are killed at random moments while people write.

That the crash of young workers is slowed down, and that counters outlive a worker, stands in test_processes.py.
"""
import json
import os
import random
import signal
import threading
import time
import uuid

import pytest

from load import Loads, age, is_alive, people, until
from parley import Parley
from wire import Wire

WORKERS = 24
OLD = 5.2  # a worker that dies older than five seconds is replaced at once


@pytest.fixture(scope="module")
def parley(postgres):
    with Parley({"workers": WORKERS}, postgres=postgres) as running:
        yield running


def kill_some(parley, count):
    """Kills so many workers, one after the other, at random moments: those that are old enough to be replaced at once."""
    killed = []
    while len(killed) < count:
        old = [pid for pid in parley.workers() if pid not in killed and age(pid) > OLD]
        if old:
            killed.append(random.choice(old))
            os.kill(killed[-1], signal.SIGKILL)
        time.sleep(random.uniform(0.02, 0.15))
    return killed


def test_killed_workers_lose_and_double_nothing_and_fail_only_their_own_request(parley):
    master = parley.master.pid
    with parley.expecting("died"), Loads(parley) as load:
        killed = kill_some(parley, WORKERS)
        load.wait_for_everybody()
    load.verify()
    assert len(load.failures) <= len(killed), load.failures
    assert load.answers > 500
    assert all(failure.status in (0, 502) for failure in load.failures), load.failures
    until(lambda: len(parley.workers()) == WORKERS, what="as many workers as before")
    assert parley.master.pid == master and parley.master.poll() is None
    assert not any(map(is_alive, killed))
    print(f"{len(killed)} kills, {load}")


def test_several_workers_killed_at_once_lose_nothing(parley):
    with parley.expecting("died"), Loads(parley) as load:
        killed = 0
        for _ in range(3):
            time.sleep(0.3)
            workers = parley.workers()
            for pid in workers[:WORKERS - 1]:
                os.kill(pid, signal.SIGKILL)
            killed += len(workers[:WORKERS - 1])
        load.wait_for_everybody()
    load.verify()
    assert len(load.failures) <= killed
    until(lambda: len(parley.workers()) == WORKERS, what="as many workers as before")


def test_the_request_of_a_killed_worker_gets_a_problem_and_can_be_sent_again(postgres):
    """The worker is killed when its transaction is open and waits for a lock: in the midst of an append."""
    with Parley({"workers": 1, "database_timeout": 30000}, postgres=postgres) as parley:
        person = people(parley, 1)[0]
        path = f"/api/v1/sessions/{person.session}/messages"
        body = json.dumps({"role": "user", "content": person.mark}).encode()
        key = [("Idempotency-Key", str(uuid.uuid4()))]
        answers = []
        ask = threading.Thread(target=lambda: answers.append(Wire(parley.port).ask("POST", path, person.token, body, key)))
        locker = postgres.connect("postgres")
        with parley.expecting("died"), locker, locker.cursor() as cursor:
            cursor.execute("select from parley.chat_sessions where session_id = %s for update", (person.session,))
            ask.start()
            until(lambda: waits_for_a_lock(postgres), what="the append at the lock")
            os.kill(parley.workers()[0], signal.SIGKILL)
            ask.join(30)
        locker.close()
        assert answers[0].status == 502
        assert answers[0].header("Content-Type") == "application/problem+json" and answers[0].json["status"] == 502
        again = [Wire(parley.port).ask("POST", path, person.token, body, key) for _ in range(2)]
        assert [answer.status for answer in again] == [201, 201]
        assert again[0].json["message_id"] == again[1].json["message_id"]
        messages = Wire(parley.port).ask("GET", path, person.token).json
        assert [message["content"] for message in messages] == [person.mark]


def waits_for_a_lock(postgres):
    with postgres.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_stat_activity where usename = 'parley_app' and wait_event_type = 'Lock'")
        return cursor.fetchone()[0]

"""Restarts while people write: nobody notices.

That a bad configuration changes nothing, that a second signal ends at once, that there is never a second master, and what becomes of workers whose
master is killed, stands in test_processes.py.
"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import fastcgi
from load import Load, is_alive, people, until
from parley import Parley, binary
from postgres import UNPRIVILEGED
from wire import Wire

MEGABYTE = 1 << 20
OPTIONS = {"workers": 4, "max_body_bytes": 2 * MEGABYTE, "max_message_bytes": MEGABYTE}


@pytest.fixture
def parley(postgres):
    with Parley(OPTIONS, postgres=postgres) as running:
        until(lambda: len(running.workers()) == OPTIONS["workers"], what="all workers")
        yield running


@contextlib.contextmanager
def everybody_writes(parley):
    """Small and large messages, and some that come slowly. At the end nothing may have failed."""
    with Load(parley, people(parley, 5)) as small, Load(parley, people(parley, 1), range(900_000, MEGABYTE - 1000)) as large, \
            Load(parley, people(parley, 3), range(1000, 300_000), slow=0.3) as slow:
        loads = (small, large, slow)
        for load in loads:
            load.wait_for_everybody()
        yield small
        for load in loads:
            load.wait_for_everybody()
            load.going = False
    for load in loads:
        load.verify()
        assert not load.failures, load.failures[:5]
    print(f"{small.answers} small, {large.answers} large, {slow.answers} slow; none failed")
    assert small.answers > 500 and large.answers > 5 and slow.answers > 5


def test_reloads_under_load_fail_nothing(parley):
    seen = set(parley.workers())
    with everybody_writes(parley) as load:
        for count in (3, 5, 2, 4, 6, 4):
            before = load.answers
            parley.configure(workers=count)
            parley.reload()
            until(lambda: load.answers > before + 100, what="100 answers more")
            seen.update(parley.workers())
    assert parley.log_text().count("event=reloaded") == 6
    until(lambda: len(parley.workers()) == 4)
    assert len(seen) >= 20


def test_workers_that_are_asked_to_end_fail_nothing(parley):
    """SIGTERM to each in turn, as fast as they are replaced."""
    asked = set()
    with everybody_writes(parley) as load:
        while len(asked) < 30:
            pid = until(lambda: [pid for pid in parley.workers() if pid not in asked])[0]
            before = load.answers
            os.kill(pid, signal.SIGTERM)
            asked.add(pid)
            until(lambda: load.answers > before + 20, what="20 answers more")
    assert not any(map(is_alive, asked))
    assert len(parley.workers()) == 4


def test_workers_that_retire_fail_nothing(postgres):
    with Parley({**OPTIONS, "max_requests": 40}, postgres=postgres) as parley:
        with everybody_writes(parley) as load:
            until(lambda: load.answers > 1500, timeout=60)
        metrics = Wire(parley.port).ask("GET", "/metrics").body.decode()
        assert int(re.search(r"^parley_workers_started_total (\d+)", metrics, re.M)[1]) > 30
        assert "parley_workers_died_total 0" in metrics


class Activated(Parley):
    """Started as a service manager does that holds the listening socket itself."""

    listener = None

    def start(self):
        if not self.listener:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.socket)
            os.chmod(self.socket, 0o666)
            self.listener.listen(4096)
        with open(self.log, "ab") as log:
            self.master = subprocess.Popen(
                [*UNPRIVILEGED, "sh", "-c", 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "sh", binary(), "serve", "-c",
                 self.config], cwd=self.folder, env=self.environment(), stdin=self.listener, stdout=log, stderr=log, start_new_session=True)

    def close(self, check=True):
        super().close(check)
        if self.listener:
            self.listener.close()


def test_a_whole_program_that_is_replaced_fails_nothing(postgres):
    """SIGTERM and start again, five times: connections wait in the socket of the service manager meanwhile."""
    with Activated(OPTIONS, postgres=postgres) as parley:
        masters = {parley.master.pid}
        with everybody_writes(parley) as load:
            for _ in range(5):
                assert parley.stop() == 0
                parley.start()
                masters.add(parley.master.pid)
                before = load.answers
                until(lambda: load.answers > before + 100, what="100 answers more")
        assert len(masters) == 6


@contextlib.contextmanager
def locked(postgres, person):
    """Appends of the person stop in the midst of their transaction."""
    with contextlib.closing(postgres.connect("postgres")) as locker, locker, locker.cursor() as cursor:
        cursor.execute("select from parley.chat_sessions where session_id = %s for update", (person.session,))
        yield


def count_waiting(postgres):
    with contextlib.closing(postgres.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_stat_activity where usename = 'parley_app' and wait_event_type = 'Lock'")
        return cursor.fetchone()[0]


def append_at_once(parley, person, count):
    """So many appends, each on a connection and thread of its own; answers the threads and where their answers go."""
    answers = []
    path = f"/api/v1/sessions/{person.session}/messages"

    def append(number):
        body = json.dumps({"role": "user", "content": f"{number} ".ljust(100_000, "x")}).encode()
        answers.append(Wire(parley.port).ask("POST", path, person.token, body))

    threads = [threading.Thread(target=append, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_the_end_waits_for_transactions_and_for_the_queue(postgres):
    with Parley({**OPTIONS, "database_timeout": 30000}, postgres=postgres) as parley:
        person = people(parley, 1)[0]
        with locked(postgres, person):
            threads, answers = append_at_once(parley, person, 12)
            until(lambda: count_waiting(postgres) == 4, what="four appends at the lock")
            time.sleep(0.3)  # the other eight connect
            parley.master.send_signal(signal.SIGTERM)
            until(lambda: "event=draining" in parley.log_text())
            time.sleep(0.2)
            assert parley.master.poll() is None and not answers
        for thread in threads:
            thread.join(30)
        assert [answer.status for answer in answers] == [201] * 12
        assert parley.master.wait(30) == 0


def test_the_queue_is_answered_at_the_end_though_workers_retire(postgres):
    """Nobody replaces a worker that has served enough while the program ends."""
    with Parley({**OPTIONS, "database_timeout": 30000, "max_requests": 2}, postgres=postgres) as parley:
        person = people(parley, 1)[0]
        with locked(postgres, person):
            threads, answers = append_at_once(parley, person, 24)
            until(lambda: count_waiting(postgres) == 4, what="four appends at the lock")
            time.sleep(0.3)
            parley.master.send_signal(signal.SIGTERM)
            until(lambda: "event=draining" in parley.log_text())
        for thread in threads:
            thread.join(30)
        assert [answer.status for answer in answers] == [201] * 24
        assert parley.master.wait(30) == 0


def test_a_body_that_is_being_read_survives_the_end_of_its_worker(postgres):
    """Half of a body, the signal, the other half: nothing is cut, whatever signal it is."""
    with Parley({**OPTIONS, "workers": 1}, postgres=postgres) as parley:
        person = people(parley, 1)[0]
        for number, stop in enumerate((signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT)):
            content = f"{person.mark} {number} ".ljust(900_000, "x")
            request = fastcgi.Request(parley.socket, "POST", f"/api/v1/sessions/{person.session}/messages",
                                      json.dumps({"role": "user", "content": content}).encode(),
                                      {"Authorization": "Bearer " + person.token})
            worker = parley.workers()[0]
            request.begin()
            for _ in range(5):
                request.send_body(65535)
            time.sleep(0.2)
            os.kill(worker, stop)
            time.sleep(0.1)
            request.end()
            answer = request.read()
            assert answer.status == 201 and json.loads(answer.body)["content"] == content
            if stop in (signal.SIGTERM, signal.SIGUSR1):
                until(lambda: parley.workers() and parley.workers() != [worker], what="the next worker")

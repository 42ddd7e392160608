"""Master and workers: starting, ending, reloading, dying, and who else may start them.

A worker is held in the middle of a request by a FastCGI client that keeps half of the body back.
"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import fastcgi
from parley import Parley, binary
from postgres import UNPRIVILEGED

LOGIN = json.dumps({"email": "nobody@example.com", "password": "a wrong password"}).encode()


@pytest.fixture(scope="module")
def shared():
    with Parley({"workers": 2}) as parley:
        yield parley


@pytest.fixture
def parley(shared):
    """The program with two workers and the options of a bare start, fresh for each test."""
    shared.configure(workers=2, max_requests=None, drain_seconds=None, log_level=None,
                     database=f"host={shared.postgres.folder} user=parley_app dbname=parley", pid_file=shared.folder + "/parley.pid")
    if shared.master and shared.master.poll() is not None:
        shared.master = None
    shared.restart()
    return shared


def until(condition, timeout=10, what="it"):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {timeout} s"
        time.sleep(0.01)


def hold(parley, method="POST", uri="/api/v1/auth/login", body=LOGIN):
    """A request that a worker has begun to read."""
    request = fastcgi.Request(parley.socket, method, uri, body)
    request.begin()
    request.send_body(10)
    time.sleep(0.2)
    return request


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def health(path):
    return fastcgi.request(path, "GET", "/healthz").status


def is_healthy(path):
    """False also while nobody listens yet."""
    try:
        return health(path) == 200
    except OSError:
        return False


def metric(parley, series):
    text = fastcgi.request(parley.socket, "GET", "/metrics").body.decode()
    found = re.search("^" + re.escape(series) + " (.*)$", text, re.M)
    return float(found.group(1)) if found else None


class Load:
    """Threads that ask for /healthz without a pause; answers counts what came, failures what did not."""

    def __init__(self, parley, threads=4):
        self.parley, self.answers, self.failures, self.going = parley, 0, [], True
        self.threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        for thread in self.threads:
            thread.join()

    def _ask(self):
        while self.going:
            try:
                assert health(self.parley.socket) == 200
                self.answers += 1
            except (OSError, AssertionError, fastcgi.Broken) as error:
                self.failures.append(repr(error))


# Starting

def test_titles_and_the_pid_file_tell_who_is_who(parley):
    with open(f"/proc/{parley.master.pid}/cmdline", "rb") as file:
        assert file.read().rstrip(b"\0") == b"parley: master"
    with open(f"/proc/{parley.master.pid}/comm") as file:
        assert file.read() == "parley: master\n"
    assert len(parley.workers()) == 2
    with open(parley.folder + "/parley.pid") as file:
        assert int(file.read()) == parley.master.pid
    assert os.stat(parley.socket).st_mode & 0o777 == 0o660


def test_the_environment_survives_the_title(parley):
    """libpq reads PG* long after the title was written over it."""
    parley.stop()
    parley.configure(database=None)
    kept, parley.environment = parley.environment, lambda: {**kept(), **parley.postgres.env("parley_app")}
    try:
        parley.start()
        parley.wait_ready()
    finally:
        del parley.environment


def test_a_second_master_is_refused(parley):
    second = parley.run("serve", "-c", parley.config)
    assert second.returncode == 1 and f"already running with pid {parley.master.pid}" in second.stderr
    parley.configure(pid_file=parley.folder + "/other.pid")
    third = parley.run("serve", "-c", parley.config)
    assert third.returncode == 1 and "in use by another process" in third.stderr
    assert health(parley.socket) == 200
    assert not os.path.exists(parley.folder + "/other.pid")


def test_a_bad_configuration_is_told_whole_and_ends_with_78(parley):
    parley.configure(workers="many", listen="0.0.0.0:9000")
    done = parley.run("serve", "-c", parley.config)
    parley.configure(workers=2, listen=parley.socket)
    assert done.returncode == 78
    assert "workers = many" in done.stderr and "listen = 0.0.0.0:9000" in done.stderr


def test_a_database_that_does_not_guard_is_refused_with_78(parley):
    parley.stop()
    parley.configure(database=f"host={parley.postgres.folder} user=postgres dbname=parley")
    done = parley.run("serve", "-c", parley.config)
    assert done.returncode == 78 and 'role "postgres" is superuser' in done.stderr.replace('\\"', '"')
    assert not os.path.exists(parley.socket)


# The database away

def test_an_unreachable_database_is_waited_for(parley):
    parley.stop()
    parley.postgres.stop()
    with parley.expecting("5xx"):
        parley.start()
        until(lambda: is_healthy(parley.socket))
        assert fastcgi.request(parley.socket, "GET", "/readyz").status == 503
        assert fastcgi.request(parley.socket, "POST", "/api/v1/auth/login", LOGIN).status == 503
        parley.postgres.start()
        parley.wait_ready()


def test_an_unsafe_database_that_comes_late_ends_the_program_with_78(parley):
    parley.stop()
    parley.postgres.stop()
    with parley.expecting("5xx", "died"):
        parley.configure(database=f"host={parley.postgres.folder} user=postgres dbname=parley")
        parley.start()
        until(lambda: is_healthy(parley.socket))
        assert fastcgi.request(parley.socket, "GET", "/readyz").status == 503
        parley.postgres.start()
        assert parley.master.wait(10) == 78
        parley.master = None


# Ending

@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_end_waits_for_every_request_that_has_connected(parley, how):
    parley.configure(workers=1)
    parley.restart()
    held = hold(parley)
    queued = [fastcgi.Request(parley.socket, "GET", "/healthz") for _ in range(20)]
    for request in queued:
        request.begin()
        request.end()
    if how == signal.SIGINT:
        os.killpg(parley.master.pid, how)  # as a terminal does
    else:
        parley.master.send_signal(how)
    until(lambda: not os.path.exists(parley.socket))
    held.end()
    assert held.read().status == 401
    assert [request.read().status for request in queued] == [200] * 20
    assert parley.master.wait(10) == 0
    assert not os.path.exists(parley.folder + "/parley.pid")


def test_the_end_comes_under_load(parley):
    """A worker that always finds a next connection still hears the signal."""
    with Load(parley, threads=8):
        time.sleep(0.3)
        begin = time.monotonic()
        assert parley.stop() == 0
        assert time.monotonic() - begin < 2


def test_a_request_longer_than_drain_seconds_is_cut(parley):
    parley.configure(drain_seconds=1)
    parley.restart()
    held = hold(parley)
    with parley.expecting("died"):
        begin = time.monotonic()
        assert parley.stop() == 0
        assert 0.9 < time.monotonic() - begin < 3
    held.close()


def test_a_second_signal_ends_at_once(parley):
    held = hold(parley)
    workers = parley.workers()
    with parley.expecting("died"):
        parley.master.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert parley.master.poll() is None
        begin = time.monotonic()
        assert parley.stop() == 0
        assert time.monotonic() - begin < 1
    assert not any(map(is_alive, workers))
    held.close()


# Reloading

def test_a_bad_file_changes_nothing_at_a_reload(parley):
    before = parley.workers()
    parley.configure(workers="none")
    parley.reload()
    until(lambda: "reload_refused" in parley.log_text())
    assert parley.workers() == before and health(parley.socket) == 200
    assert "workers = none" in parley.log_text()


def test_a_reload_to_an_unsafe_database_is_refused(parley):
    before, lines = parley.workers(), parley.log_text().count("reload_refused")
    parley.configure(database=f"host={parley.postgres.folder} user=postgres dbname=parley")
    parley.reload()
    until(lambda: parley.log_text().count("reload_refused") > lines)
    assert parley.workers() == before


def test_a_reload_under_load_refuses_nobody(parley):
    before = parley.workers()
    held = hold(parley)
    with Load(parley) as load:
        for workers in (3, 2, 4):
            parley.configure(workers=workers)
            parley.reload()
            time.sleep(0.5)
        until(lambda: len(parley.workers()) == 5, what="four workers and the one that is held")
    assert not load.failures and load.answers > 500
    assert sum(map(is_alive, before)) == 1
    held.end()
    assert held.read().status == 401
    until(lambda: not any(map(is_alive, before)) and len(parley.workers()) == 4)


# Dying

def test_a_killed_worker_is_replaced_and_its_counts_stay(parley):
    for _ in range(10):
        health(parley.socket)
    series = 'parley_requests_total{method="GET",route="/healthz",status="200"}'
    counted = metric(parley, series)
    with parley.expecting("died"):
        for pid in parley.workers():
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(parley.workers()) == 2 and metric(parley, "parley_workers_died_total") == 2)
    assert counted >= 10 and metric(parley, series) >= counted
    assert metric(parley, "parley_workers") == 2
    # The one that answers. The one that did before may not be quite done.
    until(lambda: metric(parley, "parley_workers_busy") == 1, what="a single busy worker")


def test_workers_that_die_young_come_back_ever_more_slowly(parley):
    deaths, end = 0, time.monotonic() + 3
    with parley.expecting("died"):
        while time.monotonic() < end:
            for pid in parley.workers():
                os.kill(pid, signal.SIGKILL)
                deaths += 1
            time.sleep(0.005)
        assert deaths < 20  # 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s between pairs
        until(lambda: len(parley.workers()) == 2, timeout=8)
    assert health(parley.socket) == 200


def test_workers_retire_under_load_without_a_loss(parley):
    parley.configure(max_requests=50)
    parley.restart()
    with Load(parley) as load:
        until(lambda: load.answers > 1500, timeout=30)
    assert not load.failures
    assert metric(parley, "parley_workers_started_total") > 10
    assert metric(parley, "parley_workers_died_total") == 0


def test_workers_end_with_their_master_and_it_can_start_again(parley):
    held = hold(parley)
    workers = parley.workers()
    parley.master.kill()
    parley.master.wait()
    until(lambda: sum(map(is_alive, workers)) == 1, what="the end of all but the worker at work")
    parley.master = None
    threading.Timer(0.5, held.end).start()
    parley.start()
    parley.wait_ready()
    assert held.read().status == 401
    until(lambda: not any(map(is_alive, workers)))


# Started by others

LAUNCHER = """
import os, socket, sys
listener = socket.socket(getattr(socket, sys.argv[1]))
listener.bind(sys.argv[2] if sys.argv[1] == "AF_UNIX" else ("127.0.0.1", 0))
listener.listen(100)
descriptor = int(sys.argv[3])
os.dup2(listener.fileno(), descriptor)
os.set_inheritable(descriptor, True)
if descriptor == 3:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[4], sys.argv[4:])
"""


@contextlib.contextmanager
def launched(parley, descriptor, family="AF_UNIX", more=None):
    """The program, given a listening socket as that descriptor."""
    path = f"{parley.folder}/launched.sock"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    parley.configure(pid_file="")
    with open(parley.log, "ab") as log:
        process = subprocess.Popen([*UNPRIVILEGED, sys.executable, "-c", LAUNCHER, family, path, str(descriptor), binary(), "serve",
                                    "-c", parley.config], env={**parley.environment(), **(more or {})},
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=parley.folder)
    try:
        if family == "AF_UNIX":
            until(lambda: is_healthy(path))
        yield process, path
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_socket_as_descriptor_0_makes_one_worker_without_a_master(parley):
    parley.stop()
    with launched(parley, 0) as (process, path):
        assert fastcgi.request(path, "GET", "/readyz").status == 200
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:
            assert file.read().rstrip(b"\0") == b"parley: worker"
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as children:
            assert not children.read()
        held = fastcgi.Request(path, "POST", "/api/v1/auth/login", LOGIN)
        held.begin()
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        held.end()
        assert held.read().status == 401
        assert process.wait(5) == 0


def test_a_socket_of_the_service_manager_is_used_and_left_alone(parley):
    parley.stop()
    notify_path = f"{parley.folder}/notify.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(notify_path)
        os.chmod(notify_path, 0o777)
        notify.settimeout(10)
        with launched(parley, 3, more={"NOTIFY_SOCKET": notify_path}) as (process, path):
            assert notify.recv(100) == b"READY=1"
            assert not os.path.exists(parley.socket)
            process.send_signal(signal.SIGHUP)
            assert notify.recv(100).startswith(b"RELOADING=1")
            assert notify.recv(100) == b"READY=1"
            assert health(path) == 200
            process.send_signal(signal.SIGTERM)
            assert notify.recv(100) == b"STOPPING=1"
            assert process.wait(10) == 0
            assert os.path.exists(path)
    os.unlink(notify_path)


def test_a_socket_that_is_not_unix_is_refused(parley):
    parley.stop()
    with launched(parley, 3, "AF_INET") as (process, _):
        assert process.wait(10) == 1
    assert "one listening UNIX socket" in parley.log_text()


# The metrics of the real thing

def test_metrics_can_be_parsed_and_count_by_route(parley):
    fastcgi.request(parley.socket, "GET", "/api/v1/sessions/00000000-0000-0000-0000-000000000000")
    fastcgi.request(parley.socket, "GET", "/no/such/path?secret=x")
    text = fastcgi.request(parley.socket, "GET", "/metrics").body.decode()
    sample = re.compile(r'^[a-z_]+(\{([a-z]+="[^"\\]*",?)+\})? [0-9]+(\.[0-9]+)?$')
    assert all(line.startswith("# ") or sample.match(line) for line in text.splitlines())
    assert 'parley_requests_total{method="any",route="none",status="404"}' in text
    assert re.search(r'parley_requests_total\{method="GET",route="/api/v1/sessions/\{id\}",status="401"\} [1-9]', text)
    assert re.search(r"^parley_database_connects_total [1-9]", text, re.M)


def test_the_access_log_has_a_line_a_request_without_the_query(parley):
    answer = fastcgi.request(parley.socket, "GET", "/no/such/path?secret=abc")
    identifier = answer.headers["x-request-id"]
    until(lambda: identifier in parley.log_text())
    line = [line for line in parley.log_text().splitlines() if identifier in line][-1]
    assert "event=request" in line and "method=GET" in line and "path=/no/such/path " in line and "status=404" in line
    assert "secret" not in line and re.search(r"ms=\d+\.\d{3} bytes=\d+", line)

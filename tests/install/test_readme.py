"""The two commands and the README's lines, in a copy of the sources, with a state folder of their own."""
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UP = os.path.join(ROOT, "conf", "up.sh")
DOWN = os.path.join(ROOT, "conf", "down.sh")

pytestmark = pytest.mark.skipif(os.geteuid() == 0, reason="is about an ordinary user; tests/run.sh starts it as one")


class State:
    """A state folder and the commands on it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="state-")
        self.path = os.path.join(self.folder, "p")

    def run(self, *command, cwd="/", **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PG", "ASAN", "UBSAN"))}
        return subprocess.run(command, cwd=cwd, env={**kept, "PARLEY_STATE": self.path, **environment}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=170)

    def up(self, *options, **environment):
        done = self.run(UP, "--detach", "--no-apt", *options, **environment)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def down(self):
        done = self.run(DOWN)
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def address(self):
        with open(os.path.join(self.path, "port")) as file:
            return "http://127.0.0.1:" + file.read().strip()

    def pid(self, name):
        path = {"postgres": "postgres/postmaster.pid"}.get(name, name + ".pid")
        with open(os.path.join(self.path, path)) as file:
            return int(file.readline())

    def close(self):
        self.run(DOWN)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def state():
    state = State()
    yield state
    state.close()


def status_of(address):
    try:
        return urllib.request.urlopen(address, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def readme_lines():
    with open(os.path.join(ROOT, "README.md")) as file:
        text = file.read()
    return re.search(r"<!-- session -->\n```sh\n(.*?)```\n<!-- end of session -->", text, re.S).group(1)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_up_starts_all_and_says_where(state):
    said = state.up()
    assert f"answers at {state.address}/" in said
    assert f"PARLEY_STATE={state.path} {DOWN}" in said
    assert f"URL={state.address}/api/v1\n" in said
    said = state.up(PARLEY_PORT="9", PARLEY_MODEL_URL="http://127.0.0.1:9/v1")
    assert f"runs already at {state.address}/" in said
    assert "PARLEY_PORT=9 changes nothing" in said and "PARLEY_MODEL_*" in said
    assert status_of(state.address + "/readyz") == 200


def test_the_readmes_lines_work_as_pasted(state):
    state.up()
    lines = readme_lines()
    assert "http://127.0.0.1:8080/" in lines
    script = "set -x\n" + lines.replace("http://127.0.0.1:8080", state.address)
    done = state.run("bash", "-euo", "pipefail", "-c", script, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "urn:parley:problem" not in done.stdout, done.stdout
    assert '"title":"What is a parley?"' in done.stdout
    assert '"title":"On parleys"' in done.stdout
    assert re.search(r"^204$", done.stdout, re.M), done.stdout
    after = done.stdout[done.stdout.rindex("answers at"):]
    assert "What is a parley?" in after and "A talk between two sides." in after, done.stdout


def test_a_second_start_takes_seconds(state):
    state.up()
    state.down()
    begun = time.monotonic()
    said = state.up()
    assert time.monotonic() - begun < 10, said
    assert "building" not in said


def test_down_stops_everything_and_can_be_said_twice(state):
    state.up()
    pids = [state.pid(name) for name in ("parley", "nginx", "postgres")]
    assert "stopped" in state.down()
    assert all(map(is_gone, pids))
    assert status_of(state.address + "/healthz") == 0
    assert "does not run" in state.down()


def test_the_program_is_run_as_the_folders_owner_with_its_configuration(state):
    state.up()
    done = state.run(os.path.join(ROOT, "conf", "parley.sh"), "doctor")
    assert done.returncode == 0 and "failed" not in done.stdout, done.stdout
    assert state.run(os.path.join(ROOT, "conf", "parley.sh"), "migrate").returncode == 0


def test_workers_of_an_nginx_that_was_killed_are_ended(state):
    state.up()
    address = state.address
    for command in (state.up, state.down):
        pid = state.pid("nginx")
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            workers = [int(child) for child in children.read().split()]
        os.kill(pid, signal.SIGKILL)
        while not is_gone(pid):
            time.sleep(0.05)
        command()
        assert workers and all(map(is_gone, workers))
        assert state.address == address


def test_a_wrong_configuration_is_told_before_anything_runs(state):
    """And the caller's proxy, locale and PG* do not matter."""
    state.down()
    path = os.path.join(state.path, "parley.conf")
    with open(path) as file:
        good = file.read()
    try:
        with open(path, "a") as file:
            file.write("werkers = 3\n")
        done = state.run(UP, "--detach", "--no-apt")
        assert done.returncode == 1
        assert "werkers is not an option" in done.stdout and "the configuration is wrong" in done.stdout
        assert not os.path.exists(os.path.join(state.path, "postgres", "postmaster.pid"))
    finally:
        with open(path, "w") as file:
            file.write(good)
    said = state.up(http_proxy="http://127.0.0.1:9", LC_ALL="nowhere", PGHOST="nowhere", TMPDIR="/nonexistent", PARLEY_FROB="1")
    assert "PARLEY_FROB is in the environment" in said


def test_a_wish_that_cannot_be_leaves_the_configuration_as_it_was(state):
    state.down()
    state.up(PARLEY_MODEL_URL="http://127.0.0.1:9/v1", PARLEY_MODEL_KEY="the-key", PARLEY_MODEL_NAME="a-model")
    state.down()
    files = [os.path.join(state.path, name) for name in ("parley.conf", "model.key")]
    before = [open(path).read() for path in files]
    assert "model_url = http://127.0.0.1:9/v1" in before[0] and "the-key" in before[1]
    done = state.run(UP, "--detach", "--no-apt", PARLEY_MODEL_URL="localhost:9", PARLEY_MODEL_KEY="another")
    assert done.returncode == 1 and "model_url is not like" in done.stdout and "stays as it is" in done.stdout, done.stdout
    assert [open(path).read() for path in files] == before
    assert not [name for name in os.listdir(state.path) if ".next" in name]
    state.up()
    state.down()
    state.up(PARLEY_MODEL_URL="")
    assert "model_" not in open(files[0]).read().partition("jwt_secret_file")[2] and not os.path.exists(files[1])


def test_down_lets_answers_come_to_their_ends_and_says_so(state):
    state.up()
    body = json.dumps({"email": f"{os.urandom(6).hex()}@example.org", "password": "correct horse battery"}).encode()
    kind = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(state.address + "/api/v1/auth/signup", body, kind), timeout=10) as answer:
        token = json.load(answer)["access_token"]
    text = " ".join(f"word{number}" for number in range(400))
    chat = urllib.request.Request(state.address + "/api/v1/chat", json.dumps({"text": text}).encode(), {**kind, "Authorization": "Bearer " + token})
    with urllib.request.urlopen(chat, timeout=60) as stream:
        assert stream.readline().startswith(b"id:")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            rest = pool.submit(stream.read)
            said = state.down()
            events = [json.loads(line[6:]) for line in rest.result(60).splitlines() if line.startswith(b"data: ")]
    assert "waiting for the answers that are being written" in said
    assert events[-1]["type"] == "done", events[-1]
    assert "".join(event["content"] for event in events if event["type"] == "token") == text


def test_a_helper_is_set_by_a_file_beside_the_caller(state):
    state.up()
    command = os.path.join(ROOT, "conf", "parley.sh")
    with open(os.path.join(state.folder, "coach.txt"), "w") as file:
        file.write("Be kind.")
    assert state.run(command, "helper", "set", "coach", "--prompt", "coach.txt", cwd=state.folder).returncode == 0
    assert "coach" in state.run(command, "helper", "list").stdout
    with open(os.path.join(state.folder, "coach.txt"), "wb") as file:
        file.write(b"\xff")
    done = state.run(command, "helper", "set", "coach", "--prompt", "coach.txt", cwd=state.folder)
    assert done.returncode == 1 and done.stdout == "parley: The prompt has to be UTF-8 text of at most 262144 bytes.\n"
    assert state.run(command, "helper", "remove", "coach").returncode == 0


def test_two_first_starts_at_once_share_one(state):
    state.down()
    shutil.rmtree(os.path.join(state.path, "src"))
    both = [subprocess.Popen([UP, "--detach", "--no-apt"], env={**os.environ, "PARLEY_STATE": state.path}, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted("runs already" in words for words in said) == [False, True], said


def test_it_starts_after_a_power_cut(state):
    """Everything is killed at once; the numbers in the files left behind are other processes' by now."""
    state.up()
    address = state.address
    pids = [state.pid(name) for name in ("parley", "nginx", "postgres")]
    for pid in pids:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            pids = pids + [int(child) for child in children.read().split()]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while not all(map(is_gone, pids)):
        time.sleep(0.05)
    stranger = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        for name in ("parley.pid", "nginx.pid"):
            with open(os.path.join(state.path, name), "w") as file:
                file.write(f"{stranger.pid}\n")
        pidfile = os.path.join(state.path, "postgres", "postmaster.pid")
        with open(pidfile) as file:
            lines = file.readlines()
        with open(pidfile, "w") as file:
            file.writelines([f"{stranger.pid}\n", *lines[1:]])
        state.up()
        assert state.address == address
        assert status_of(address + "/readyz") == 200
        state.down()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_taken_port_is_named_and_an_unnamed_one_is_left_alone(state):
    state.up()
    state.down()
    port = int(state.address.rsplit(":", 1)[1])
    with socket.create_server(("127.0.0.1", port)):
        done = state.run(UP, "--detach", "--no-apt", PARLEY_PORT=str(port))
        assert done.returncode == 1
        assert f"port {port} is taken" in done.stdout
        assert not os.path.exists(os.path.join(state.path, "parley.pid")) or is_gone(state.pid("parley"))
        state.up()
        assert state.address != f"http://127.0.0.1:{port}"
        state.down()


def test_wrong_ports_paths_and_options_are_refused(state):
    for port in ("0", "65536", "x", "80a", "-1"):
        done = state.run(UP, "--detach", "--no-apt", PARLEY_PORT=port)
        assert done.returncode == 1 and "PARLEY_PORT" in done.stdout, done.stdout
    for folder in ("/nonexistent/x", "/tmp/with space", "/tmp/" + "long" * 30):
        done = state.run(UP, "--detach", "--no-apt", PARLEY_STATE=folder)
        assert done.returncode == 1 and "PARLEY_STATE" in done.stdout, done.stdout
    done = state.run(UP, "--frobnicate")
    assert done.returncode == 2 and "usage" in done.stdout


def test_the_foreground_ends_with_everything(state):
    process = subprocess.Popen([UP, "--no-apt"], env={**os.environ, "PARLEY_STATE": state.path}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        pids = [state.pid(name) for name in ("parley", "nginx", "postgres")]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert all(map(is_gone, pids))
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()


def test_only_the_owner_can_read_the_state(state):
    state.up()
    for name in ("run", "jwt.secret", "parley.conf", "postgres", "log"):
        assert os.stat(os.path.join(state.path, name)).st_mode & 0o077 == 0, name
    assert os.stat(state.path).st_mode & 0o077 == 0


def test_a_backup_holds_every_row_and_can_be_restored(state):
    state.up()
    run = os.path.join(state.path, "run")
    dump = os.path.join(state.folder, "parley.dump")
    count = ["-At", "-c", "select (select count(*) from parley.users), (select count(*) from parley.chat_messages)"]
    for command in (["pg_dump", "-h", run, "-U", "parley_backup", "-Fc", "-f", dump, "parley"],
                    ["createdb", "-h", run, "-U", "postgres", "-O", "parley_owner", "restored"],
                    ["pg_restore", "-h", run, "-U", "postgres", "--exit-on-error", "-d", "restored", dump]):
        done = state.run(*command)
        assert done.returncode == 0, done.stdout
    counts = [state.run("psql", "-h", run, "-U", "postgres", "-d", database, *count).stdout for database in ("parley", "restored")]
    assert counts[0] == counts[1] and not counts[0].startswith("0|"), counts
    state.run("dropdb", "-h", run, "-U", "postgres", "restored")

"""Other ways to start Parley, and other things around it: each does the whole job.

A socket of the service manager, notification, and a bare launcher with the socket as descriptor 0 stand in test_processes.py; a program that is replaced
behind such a socket in test_rolling.py.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from load import Load, people, until
from parley import Parley, binary
from people import person
from postgres import UNPRIVILEGED
from sse import chat, words
from turns import Turn, answer_of, finished
from wanderer import Wanderer, check_rows, gather, prepare
from wire import Wire

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
APACHE_MODULES = "/usr/lib/apache2/modules"


def needed(program, package):
    found = shutil.which(program, path=PATH)
    if not found:
        pytest.skip(f"{program} (package {package}) is not installed")
    return found


def members(session):
    """The living processes of a session, by its leader's pid."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
            state, _, _, leader = stat.read().rpartition(")")[2].split()[:4]
            if int(leader) == session and state != "Z":
                found.append(int(pid))
    return found


def use_everything(parley):
    """A first day: sign-up, sessions, messages, refusals, signing in again and leaving."""
    alice = parley.signup(display_name="Älice")
    assert alice.get("/api/v1/users/me").json["display_name"] == "Älice"
    made = alice.post("/api/v1/sessions", {})
    assert made.status == 201 and made.headers["Location"] == "/api/v1/sessions/" + made.json["session_id"]
    path = made.headers["Location"]
    said = [alice.post(path + "/messages", {"role": role, "content": content}, headers={"Idempotency-Key": f"k{number}"})
            for number, (role, content) in enumerate([("user", "Wie geht's?"), ("assistant", "Gut, und dir?"), ("user", "x" * 100_000)])]
    assert [answer.status for answer in said] == [201] * 3
    again = alice.post(path + "/messages", {"role": "user", "content": "Wie geht's?"}, headers={"Idempotency-Key": "k0"})
    assert again.json["message_id"] == said[0].json["message_id"] and again.headers["Idempotency-Replayed"] == "true"
    page = alice.get(path + "/messages?limit=2")
    assert [row["seq"] for row in page.json] == [2, 3] and page.link("prev")
    listed = alice.get("/api/v1/sessions")
    assert [row["title"] for row in listed.json] == ["Wie geht's?"]
    assert alice.get("/api/v1/sessions", headers={"If-None-Match": listed.headers["ETag"]}).status == 304
    assert alice.request("HEAD", "/api/v1/sessions").status == 200
    assert alice.put(path + "/title", {"title": "Ein Gespräch"}).json["title"] == "Ein Gespräch"

    assert parley.client.get("/api/v1/sessions").problem == "unauthenticated"
    assert alice.get("/api/v1/sessions/%00").status in (400, 404)
    assert alice.get("/api/v1/s%65ssions").status == 200
    refused = alice.post(path + "/messages", raw=b'{"role":', headers={"X-Request-Id": "my-own-request-id"})
    assert refused.problem == "invalid_json" and refused.headers["X-Request-Id"] == "my-own-request-id"
    assert alice.patch(path + "/messages", {}).problem == "method_not_allowed"
    bob = parley.signup()
    assert bob.get(path).status == 404 and bob.get("/api/v1/sessions").json == []

    fresh = parley.client.post("/api/v1/auth/refresh", {"refresh_token": alice.refresh_token})
    assert fresh.status == 200
    assert alice.delete(path).status == 204 and alice.get("/api/v1/sessions").json == []
    assert alice.delete("/api/v1/users/me").status == 204
    assert parley.client.post("/api/v1/auth/login", {"email": alice.email, "password": alice.password}).status == 401


def write_for_a_while(parley, count, messages=300):
    with Load(parley, people(parley, count)) as load:
        until(lambda: load.answers > messages, timeout=60)
    load.verify()
    assert not load.failures, load.failures[:3]


class Spawned(Parley):
    """A single worker that spawn-fcgi gave its socket as descriptor 0."""

    def start(self):
        with open(self.log, "ab") as log:
            self.master = subprocess.Popen(
                [*UNPRIVILEGED, needed("spawn-fcgi", "spawn-fcgi"), "-n", "-s", self.socket, "-M", "0660", "--", binary()],
                cwd=self.folder, env={**self.environment(), "PARLEY_CONFIG": self.config}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)


def test_spawn_fcgi(postgres):
    needed("spawn-fcgi", "spawn-fcgi")
    with Spawned(postgres=postgres) as parley:
        use_everything(parley)
        write_for_a_while(parley, 3)
        leader = parley.master.pid
        assert members(leader) == [leader]
        assert parley.stop() == 0
        assert not members(leader)


def links(pid):
    """What the descriptors of a process are, by their numbers."""
    return {int(number): os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")}


def zombies(parent):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
            state, of = stat.read().rpartition(")")[2].split()[:2]
            if state == "Z" and int(of) == parent:
                found.append(int(pid))
    return found


@pytest.fixture
def single(postgres):
    """One process with nobody beside it, which may have three answers written at once."""
    needed("spawn-fcgi", "spawn-fcgi")
    with Spawned({"workers": 3, "quota_turns_running": 0}, postgres=postgres) as parley:
        yield parley
        leader = parley.master.pid
        assert parley.stop() == 0
        until(lambda: not members(leader), what="the end of all that was started")


def test_a_single_process_answers_while_it_has_answers_written(single):
    user = person(single)
    leader = single.master.pid
    before = len(links(leader))
    turns = [Turn(user, words(150)) for _ in range(2)]
    for turn in turns:
        turn.wait_for_text(20)
    left = Turn(user, words(150), start=False)
    chat(user, left.text, session_id=left.session).close()
    for _ in range(20):
        begun = time.monotonic()
        assert user.get("/api/v1/sessions").status == 200
        assert time.monotonic() - begun < 0.5
    children = [pid for pid in members(leader) if pid != leader]
    assert len(children) == 3 and all("parley: relay" in title(pid) for pid in children)
    parents = {link for link in links(leader).values() if "socket" in link or "epoll" in link}
    for pid in children:
        kept = links(pid)
        assert not parents & {link for link in kept.values() if "socket" in link}, "something of the parent's stayed open"
    with single.expecting("5xx"):
        refused, = finished([Turn(user, "one more")])
        assert refused.status == 503
        assert answer_of(refused)["status"] == "failed"
    assert [(turn.code, turn.seen) for turn in finished(turns)] == [("done", turn.text) for turn in turns]
    until(lambda: answer_of(left)["status"] == "complete", what="the end of what nobody reads")
    assert answer_of(left)["content"] == left.text
    until(lambda: members(leader) == [leader] and not zombies(leader), timeout=5, what="the end of the children")
    assert len(links(leader)) == before


def test_an_answer_outlives_the_single_process_that_began_it(single):
    user = person(single)
    turn = Turn(user, words(150))
    turn.wait_for_text(20)
    leader = single.master.pid
    child, = [pid for pid in members(leader) if pid != leader]
    assert single.stop() == 0 and members(leader) == [child]
    single.start()
    single.wait_ready()
    assert finished([turn])[0].seen == turn.text and turn.code == "done"
    assert answer_of(turn)["status"] == "complete"
    until(lambda: not members(leader), timeout=5, what="the end of the child")


def test_a_single_process_of_one_answer_ends_it_when_that_is_asked(single):
    user = person(single)
    turn = Turn(user, words(900))
    turn.wait_for_text(20)
    child, = [pid for pid in members(single.master.pid) if pid != single.master.pid]
    os.kill(child, signal.SIGTERM)
    assert finished([turn])[0].code == "interrupted"
    answer = answer_of(turn)
    assert answer["status"] == "interrupted" and answer["content"] == turn.seen


def test_a_worker_that_nobody_would_replace_does_not_retire(postgres):
    needed("spawn-fcgi", "spawn-fcgi")
    with Spawned({"max_requests": 20}, postgres=postgres) as parley:
        write_for_a_while(parley, 2, 100)
        assert parley.master.poll() is None


class Apache(Parley):
    """Apache with mod_fcgid, which keeps the processes, in the place of nginx and the master."""

    def _start_nginx(self):
        pass

    def start(self):
        os.makedirs(f"{self.folder}/www", exist_ok=True)
        self.apache_conf = f"{self.folder}/apache.conf"
        with open(self.apache_conf, "w") as conf:
            conf.write(self.conf())
        with open(self.log, "ab") as log:
            if UNPRIVILEGED:  # Apache opens the log by itself
                subprocess.run(["chown", "-R", "nobody:nogroup", self.folder], check=True)
            self.master = subprocess.Popen(
                [*UNPRIVILEGED, needed("apache2", "apache2-bin"), "-DFOREGROUND", "-f", self.apache_conf], cwd=self.folder,
                env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def conf(self):
        modules = "".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so\n" for name in ("mpm_event", "authz_core", "fcgid"))
        environment = "".join(f'FcgidInitialEnv {name} "{value}"\n'
                              for name, value in {"PARLEY_CONFIG": self.config, **self.environment()}.items()
                              if name in ("PARLEY_CONFIG", "PATH", "LC_ALL", "ASAN_OPTIONS", "UBSAN_OPTIONS"))
        return f"""
{modules}
ServerRoot {self.folder}
DefaultRuntimeDir {self.folder}
PidFile {self.folder}/apache.pid
Mutex file:{self.folder} default
ErrorLog {self.log}
ServerName localhost
Listen 127.0.0.1:{self.port}
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot {self.folder}/www
FcgidIPCDir {self.folder}/fcgid
FcgidProcessTableFile {self.folder}/fcgid_shm
FcgidMaxProcesses 4
FcgidMinProcessesPerClass 2
FcgidMaxRequestLen 2097152
{environment}
<Location "/">
    SetHandler fcgid-script
    Options ExecCGI
    FcgidWrapper {binary()} virtual
    CGIPassAuth On
    Require all granted
</Location>
"""


def test_apache_with_mod_fcgid(postgres):
    needed("apache2", "apache2-bin")
    if not os.path.exists(f"{APACHE_MODULES}/mod_fcgid.so"):
        pytest.skip("mod_fcgid (package libapache2-mod-fcgid) is not installed")
    with Apache({"max_requests": 40}, postgres=postgres) as parley:
        use_everything(parley)
        write_for_a_while(parley, 6)
        leader = parley.master.pid
        assert sum("parley: worker" in title(pid) for pid in members(leader)) > 1
        parley.stop()
        until(lambda: not members(leader), what="the end of all that Apache started")


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


@contextlib.contextmanager
def bouncer(postgres):
    """PgBouncer in transaction mode, with fewer connections to the server than clients; answers how to connect."""
    folder = tempfile.mkdtemp(prefix="parley-bouncer-")
    path = os.path.join(folder, "pgbouncer.ini")
    with open(os.path.join(folder, "users.txt"), "w") as users:
        users.write('"parley_app" ""\n')
    with open(path, "w") as conf:
        conf.write(f"[databases]\nparley = host={postgres.folder} dbname=parley\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n"
                   f"unix_socket_dir = {folder}\nauth_type = trust\nauth_file = {folder}/users.txt\npool_mode = transaction\n"
                   f"default_pool_size = 2\nmax_client_conn = 100\nlogfile = {folder}/pgbouncer.log\npidfile = {folder}/pgbouncer.pid\n")
    if UNPRIVILEGED:
        subprocess.run(["chown", "-R", "nobody:nogroup", folder], check=True)
    process = subprocess.Popen([*UNPRIVILEGED, needed("pgbouncer", "pgbouncer"), path], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: os.path.exists(f"{folder}/.s.PGSQL.6432"), what="PgBouncer")
        yield f"host={folder} port=6432 user=parley_app dbname=parley"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def test_pgbouncer_in_transaction_mode(postgres):
    needed("pgbouncer", "pgbouncer")
    with bouncer(postgres) as conninfo, Parley({"workers": 6, "prepared": "off", "database": conninfo}, postgres=postgres) as parley:
        use_everything(parley)
        write_for_a_while(parley, 6)
        with parley.expecting("5xx"):
            found, crowd = wander(parley)
        assert not found["mixed"], found["mixed"][:3]
        assert sum(found["statuses"].values()) >= 200
        check_rows(postgres, crowd, found)
        assert count_servers(postgres) <= 2
        assert Wire(parley.port).ask("GET", "/readyz").status == 200


def wander(parley):
    """Ten people at once through two connections."""
    crowd = people(parley, 10)
    prepare(crowd)
    wanderers = [Wanderer(number, parley, crowd, crowd, 100) for number in range(6)]
    for wanderer in wanderers:
        wanderer.start()
    for wanderer in wanderers:
        wanderer.join()
    return gather(wanderers, crowd), crowd


def count_servers(postgres):
    with contextlib.closing(postgres.connect("postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_stat_activity where usename = 'parley_app'")
        return cursor.fetchone()[0]

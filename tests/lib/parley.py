"""The whole program for tests: a private PostgreSQL, `parley serve`, and nginx with the files of nginx/, in a temporary folder.

    with Parley({"access_token_seconds": 30}) as parley:
        parley.client.signup()

PARLEY_BIN names the program, PARLEY_WEB the folder of the page that nginx shows (none without it). What must stay true:
- Nothing stays: close() ends every process and removes the folders.
- close() fails when the log holds what no test announced: a sanitizer's report, a worker that died, a 5xx answer. A test that provokes one
  says so with `with parley.expecting(...)`.
"""
import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from client import Client
from postgres import ROOT, UNPRIVILEGED, Postgres

REPORT = re.compile(r"(ERROR: (Address|Leak|Undefined\w*)Sanitizer|runtime error: |LeakSanitizer: )")
# What a log may not hold, by the name that `expecting` takes.
FORBIDDEN = {
    "sanitizer": REPORT,
    "died": re.compile(r"event=(worker|relay)_(died|failed|killed)"),
    "5xx": re.compile(r"event=request .*\bstatus=5\d\d"),
    "misused": re.compile(r"event=query_misused"),
}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:handle_abort=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def binary():
    path = os.environ.get("PARLEY_BIN")
    if not path:
        raise RuntimeError("PARLEY_BIN must name the built program")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Parley:
    """A running Parley. options go into its configuration; a Postgres may be given, else it gets one of its own. sign_ins: nginx' limit for
    one address a second, wide unless a test is about it."""

    def __init__(self, options=None, postgres=None, sign_ins=100000):
        self.folder = tempfile.mkdtemp(prefix="parley-")
        os.chmod(self.folder, 0o755)
        self.postgres = postgres or Postgres()
        self._own_postgres = postgres is None
        self.log = os.path.join(self.folder, "parley.log")
        self.socket = os.path.join(self.folder, "parley.sock")
        self.config = os.path.join(self.folder, "parley.conf")
        self.port = free_port()
        self.options = {
            "listen": self.socket,
            "pid_file": os.path.join(self.folder, "parley.pid"),
            "database": f"host={self.postgres.folder} user=parley_app dbname=parley",
            "jwt_secret_file": os.path.join(self.folder, "jwt.secret"),
            "quota_requests_per_minute": 0,
            "quota_sessions_per_minute": 0,
            "models": "*",
            **(options or {}),
        }
        self.sign_ins = sign_ins
        self.master = None
        self.nginx = None
        self._excused = []

    def __enter__(self):
        try:
            if self._own_postgres:
                self.postgres.__enter__()
            self._write_files()
            self.start()
            self._start_nginx()
            self.wait_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind, *_):
        self.close(check=kind is None)

    def close(self, check=True):
        self.stop()
        found = self.complaints() if check else []
        self._end()
        assert not found, "the log holds what no test expected:\n" + "\n".join(found)

    # Its life

    def start(self):
        """Starts the master; wait_ready says when it answers."""
        with open(self.log, "ab") as log:
            self.master = subprocess.Popen([*UNPRIVILEGED, binary(), "serve", "-c", self.config], cwd=self.folder,
                                           env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True)

    def stop(self, how=signal.SIGTERM, timeout=60):
        """Ends the master and its workers; answers its exit status."""
        if not self.master:
            return None
        if self.master.poll() is None:
            self.master.send_signal(how)
        try:
            status = self.master.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.master.pid, signal.SIGKILL)
            raise
        self.master = None
        return status

    def restart(self):
        self.stop()
        self.start()
        self.wait_ready()

    def reload(self):
        self.master.send_signal(signal.SIGHUP)

    def workers(self):
        """The pids of the worker processes."""
        return self._children("parley: worker")

    def relays(self):
        """The pids of the processes that hold streams."""
        return self._children("parley: relay")

    def _children(self, title):
        with open(f"/proc/{self.master.pid}/task/{self.master.pid}/children") as children:
            return [pid for pid in map(int, children.read().split()) if title in _title(pid)]

    def wait_ready(self, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(OSError):
                client = self.client
                if client.get("/readyz").status == 200:
                    client.close()
                    return
            if self.master.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("parley does not get ready:\n" + self.log_tail())
            time.sleep(0.02)

    # Speaking with it

    @property
    def client(self):
        """A new client without a token."""
        return Client(self.port)

    def signup(self, **more):
        return self.client.signup(**more)

    def run(self, *arguments, **more):
        """Another command of the program with this configuration's database."""
        return subprocess.run([*UNPRIVILEGED, binary(), *arguments], env=self.environment(), cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, **more)

    def routes(self):
        """(method, path, access, body limit) of every route."""
        lines = self.run("routes").stdout.splitlines()
        return [(method, path, access, int(limit)) for method, path, access, limit in map(str.split, lines)]

    def row_counts(self):
        """How many rows every table has, as a superuser sees it."""
        with self.postgres.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute("select tablename from pg_tables where schemaname = 'parley' order by 1")
            tables = [name for name, in cursor.fetchall()]
            return {name: _count(cursor, name) for name in tables}

    def contents(self, but=()):
        """Every row of every table, as text, for comparing before with after."""
        with self.postgres.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute("select tablename from pg_tables where schemaname = 'parley' order by 1")
            tables = [name for name, in cursor.fetchall() if name not in but]
            return {name: _rows(cursor, name) for name in tables}

    # Its log

    def log_text(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def log_tail(self, lines=60):
        return "\n".join(self.log_text().splitlines()[-lines:])

    @contextlib.contextmanager
    def expecting(self, *names):
        """What is done inside may leave the named kinds ("5xx", "died", ...) in the log."""
        begin = os.path.getsize(self.log)
        try:
            yield
        finally:
            time.sleep(0.05)
            self._excused.append((begin, os.path.getsize(self.log), names))

    def complaints(self):
        """The lines of the log that nobody expected."""
        found = []
        position = 0
        with open(self.log, "rb") as log:
            for line in log:
                text = line.decode(errors="replace").rstrip()
                found += [text for name, pattern in FORBIDDEN.items()
                          if pattern.search(text) and not self._is_excused(position, name)]
                position += len(line)
        if any(REPORT.search(line) for line in found):
            found.append(self.log_tail(200))
        return found

    def _is_excused(self, position, name):
        return any(begin <= position < end and name in names for begin, end, names in self._excused)

    # Files and processes

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "PARLEY_"))}
        return {**kept, **SANITIZERS, "LC_ALL": "C.UTF-8"}

    def configure(self, **options):
        """Changes options in the file; reload or restart makes them count. None takes one out."""
        self.options = {name: value for name, value in {**self.options, **options}.items() if value is not None}
        with open(self.config, "w") as config:
            config.writelines(f"{name} = {value}\n" for name, value in self.options.items())

    def write_secret(self, name):
        """A new secret in a file that the program alone can read; answers its path."""
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(os.urandom(32).hex())
        os.chmod(path, 0o600)
        subprocess.run(["chown", "--reference", self.config, path], check=True)
        return path

    def _write_files(self):
        secret = os.path.join(self.folder, "jwt.secret")
        if not os.path.exists(secret):
            with open(secret, "w") as file:
                file.write(os.urandom(32).hex())
        os.chmod(secret, 0o600)
        self.configure()
        os.mkdir(os.path.join(self.folder, "nginx"))
        for path in glob.glob(os.path.join(ROOT, "nginx", "*")):
            self._copy_nginx(path)
        with open(os.path.join(self.folder, "nginx.conf"), "w") as conf:
            conf.write(self._nginx_conf())
        os.rename(os.path.join(self.folder, "nginx"), os.path.join(self.folder, "parley"))
        if UNPRIVILEGED:
            subprocess.run(["chown", "-R", "nobody:nogroup", self.folder], check=True)

    def _copy_nginx(self, path):
        with open(path) as file:
            text = file.read()
        text = text.replace("listen 127.0.0.1:8080;", f"listen 127.0.0.1:{self.port} backlog=4096;")
        text = text.replace("unix:/run/parley/parley.sock", f"unix:{self.socket}")
        text = text.replace("/usr/local/share/parley/web;", os.environ.get("PARLEY_WEB", f"{self.folder}/no-page") + ";")
        text = text.replace("rate=10r/s", f"rate={self.sign_ins}r/s")
        with open(os.path.join(self.folder, "nginx", os.path.basename(path)), "w") as file:
            file.write(text)

    def _nginx_conf(self):
        temps = "".join(f"{kind}_temp_path {self.folder}/nginx-{kind};" for kind in
                        ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        return (f"daemon off; worker_processes 2; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.log notice;\n"
                "events { worker_connections 16384; }\n"
                "http { access_log off; " + temps + " include parley/parley.conf; }\n")

    def _start_nginx(self):
        command = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or "nginx"
        self.nginx = subprocess.Popen([*UNPRIVILEGED, command, "-p", self.folder, "-e", f"{self.folder}/nginx.log",
                                       "-c", f"{self.folder}/nginx.conf"], stdin=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, start_new_session=True)

    def _end(self):
        for process in (self.nginx, self.master):
            if process and process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        self.nginx = self.master = None
        if self._own_postgres:
            self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _count(cursor, table):
    cursor.execute(f'select count(*) from parley."{table}"')
    return cursor.fetchone()[0]


def _rows(cursor, table):
    cursor.execute(f'select t::text from parley."{table}" t order by 1')
    return [text for text, in cursor.fetchall()]

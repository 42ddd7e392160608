"""A private PostgreSQL for tests.

    with Postgres() as postgres:                  # a cluster in a temporary folder, the roles, a migrated database "parley"
        connection = postgres.connect("parley_app")
        subprocess.run([...], env=postgres.env("parley_app"))

What must stay true:
- It is reached by a UNIX socket in a folder of mode 0700 alone; there is no TCP port. Whoever may enter the folder is trusted.
- It never runs as root: a root caller starts it as nobody.
- Nothing stays: stop() ends every process, close() removes the folder too. An exit of the test program does both.

The roles are those of sql/roles.sql, and "postgres" is the superuser. The schema is loaded by `parley migrate` when PARLEY_BIN
names the program, else by applying the files of sql/ as it would.
"""
import atexit
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SQL = os.path.join(ROOT, "sql")
SCHEMA = ("schema_migrations.sql", "migrations/*.sql", "functions/*.sql", "policies/*.sql", "views/*.sql")
UNPRIVILEGED = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()


def program(name):
    """The path of one of PostgreSQL's own programs, of the newest version here."""
    found = glob.glob("/usr/lib/postgresql/*/bin/" + name)
    if found:
        return max(found, key=lambda path: int(path.split("/")[4]))
    return shutil.which(name) or name


class Postgres:
    """A cluster. fsync=True where a test kills it and looks at what is left; settings are further lines of postgresql.conf."""

    def __init__(self, fsync=False, settings=None):
        self.folder = tempfile.mkdtemp(prefix="parley-pg-")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "postgres.log")
        self.process = None
        atexit.register(self.close)
        if UNPRIVILEGED:
            shutil.chown(self.folder, "nobody", "nogroup")
        self._run(program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._configure({"listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "on" if fsync else "off",
                         "timezone": "UTC", "log_line_prefix": "%m [%p] %u ", **(settings or {})})

    def __enter__(self):
        self.start()
        self.make_roles()
        self.create_database("parley")
        self.migrate("parley")
        return self

    def __exit__(self, *_):
        self.close()

    # The cluster's life

    def start(self):
        """Starts it and returns when it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*UNPRIVILEGED, program("postgres"), "-D", self.data], cwd=self.folder,
                                            env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.connect("postgres", "postgres").close()
            except psycopg2.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("PostgreSQL does not start:\n" + open(self.log).read()[-4000:]) from None
                time.sleep(0.02)

    def stop(self, how=signal.SIGINT):
        """Ends it: SIGTERM waits for clients, SIGINT cuts them off, SIGQUIT leaves a recovery to do."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def kill(self):
        """kill -9 for all of its processes at once, as when the machine dies. start() recovers."""
        pids = self.processes()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(60)
        self.process = None
        while any(_running(pid) for pid in pids):
            time.sleep(0.01)

    def processes(self):
        """The pids of the postmaster and then of its children."""
        if not self.process or self.process.poll() is not None:
            return []
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return [self.process.pid, *map(int, children.read().split())]

    def close(self):
        atexit.unregister(self.close)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What is in it

    def make_roles(self):
        self.psql("-f", os.path.join(SQL, "roles.sql"), database="postgres")

    def create_database(self, name, template="template1", owner="parley_owner"):
        """An empty database, or a copy of one that nobody is connected to."""
        self.psql("-c", f'create database "{name}" owner "{owner}" template "{template}"', database="postgres")

    def drop_database(self, name):
        self.psql("-c", f'drop database if exists "{name}" with (force)', database="postgres")

    def migrate(self, database, owner="parley_owner", app="parley_app"):
        """Brings the database to the schema of this tree."""
        if os.environ.get("PARLEY_BIN"):
            self._run(os.environ["PARLEY_BIN"], "migrate",
                      env={**self.env(owner, database), "PARLEY_APP_ROLE": app})
            return
        files = [path for pattern in SCHEMA for path in sorted(glob.glob(os.path.join(SQL, pattern)))]
        self.psql("-v", "app=" + app, *[word for path in files for word in ("-f", path)], "--single-transaction",
                  "-c", "insert into parley.schema_migrations (number, name, sha256) values "
                  + ", ".join(f"({int(os.path.basename(path)[:4])}, '{os.path.basename(path)[:-4]}', 'by hand')"
                              for path in files if "/migrations/" in path),
                  role=owner, database=database)

    def psql(self, *arguments, role="postgres", database="parley"):
        """Runs psql and answers what it wrote; an error is an exception with the text of it."""
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *arguments, unprivileged=False,
                         env={**self.env(role, database), "PGOPTIONS": "-c client_min_messages=warning"})

    def connect(self, role="parley_app", database="parley", **more):
        return psycopg2.connect(host=self.folder, user=role, dbname=database, **more)

    def env(self, role="parley_app", database="parley"):
        """The environment by which a program's libpq comes here."""
        return self._environment(PGHOST=self.folder, PGUSER=role, PGDATABASE=database)

    def _environment(self, **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "PARLEY_"))}
        return {**kept, "LC_ALL": "C.UTF-8", **more}

    def _configure(self, settings):
        path = os.path.join(self.data, "postgresql.auto.conf")
        with open(path, "a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _run(self, *command, env=None, unprivileged=True):
        prefix = UNPRIVILEGED if unprivileged else ()
        done = subprocess.run([*prefix, *command], env=env or self._environment(), cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr}")
        return done.stdout


def _running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

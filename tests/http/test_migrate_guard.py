"""What is not safe is not served, and a schema is only ever changed forwards."""
import concurrent.futures
import http.server
import itertools
import os
import socket
import subprocess
import threading
import time

import pytest

import rootly
from parley import Parley
from people import person, run_sql

EX_CONFIG = 78
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def postgres(parley):
    """The cluster, and a migrated database to copy: nobody is connected to it."""
    cluster = parley.postgres
    cluster.create_database("pristine")
    cluster.migrate("pristine")
    return cluster


@pytest.fixture
def database(postgres):
    """A migrated database of this test alone; it ends with the cluster."""
    name = f"copy_{next(_numbers)}"
    postgres.create_database(name, template="pristine")
    return name


@pytest.fixture
def empty(postgres):
    name = f"empty_{next(_numbers)}"
    postgres.create_database(name)
    return name


def connection(parley, database, role="parley_app"):
    return f"host={parley.postgres.folder} dbname={database} user={role}"


def migrate(parley, database, role="parley_owner", **options):
    """Runs `parley migrate`; options are those of the configuration."""
    path = write_config(parley, database=connection(parley, database, role), **options)
    return parley.run("migrate", "-c", path)


def serve(parley, database, role="parley_app", **options):
    """Runs `parley serve` where it should not start; answers (status, what it said)."""
    path = write_config(parley, **{**parley.options, "database": connection(parley, database, role),
                                   "listen": os.path.join(parley.folder, f"unsafe{next(_numbers)}.sock"), "pid_file": "", **options})
    done = parley.run("serve", "-c", path)
    return done.returncode, (done.stdout + done.stderr).replace('\\"', '"')


def write_config(parley, **options):
    path = os.path.join(parley.folder, f"other{next(_numbers)}.conf")
    with open(path, "w") as file:
        file.writelines(f"{name} = {value}\n" for name, value in options.items())
    return path


def psql(postgres, database, *statements, role="postgres"):
    for statement in statements:
        postgres.psql("-c", statement, role=role, database=database)


# Migrating


def test_migrating_again_changes_nothing(parley, database):
    before = schema(parley, database)
    done = migrate(parley, database)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("up to date: schema ")
    assert schema(parley, database) == before


def schema(parley, database):
    return parley.postgres.psql("-c", "select number, name, sha256, applied_at from parley.schema_migrations order by 1", database=database)


def test_an_empty_database_gets_all_of_it_step_by_step(parley, empty):
    done = migrate(parley, empty)
    assert done.returncode == 0, done.stderr
    files = sorted(os.listdir(os.path.join(os.path.dirname(__file__), "..", "..", "sql", "migrations")))
    assert [line for line in done.stdout.splitlines() if line.endswith(": applied")] == [name[:-4] + ": applied" for name in files]
    with Parley({"database": connection(parley, empty)}, postgres=parley.postgres) as running:
        assert person(running).post("/api/v1/sessions", {}).status == 201


def test_a_migration_that_was_changed_afterwards_stops_everything(parley, postgres, database):
    psql(postgres, database, "update parley.schema_migrations set sha256 = repeat('a', 64) where number = 2",
         "drop view parley.dossier")
    before = schema(parley, database)
    done = migrate(parley, database)
    assert done.returncode == 1
    assert "0002_projects_helpers: it was changed after it had been applied" in done.stderr
    assert schema(parley, database) == before
    assert postgres.psql("-c", "select to_regclass('parley.dossier') is null", database=database).strip() == "t"


def test_a_database_that_is_newer_than_the_program_is_refused(parley, postgres, database):
    psql(postgres, database, "insert into parley.schema_migrations (number, name, sha256) values (9999, 'later', repeat('0', 64))")
    done = migrate(parley, database)
    assert done.returncode == 1
    assert "newer than this program" in done.stderr


def test_two_migrations_at_once_do_each_step_once(parley, empty):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: migrate(parley, empty), range(3)))
    assert [(run.returncode, run.stderr) for run in runs] == 3 * [(0, "")]
    applied = [line for run in runs for line in run.stdout.splitlines() if "applied" in line or "replaced" in line]
    assert len(applied) == len(set(applied)) > 1
    assert sum(run.stdout.startswith("up to date") for run in runs) == 2


def test_a_step_that_fails_leaves_the_steps_before_it_whole(parley, postgres, empty):
    """What is in the way is removed, and the next run goes on from there."""
    psql(postgres, empty, "create schema parley", "create table parley.projects ()", "alter schema parley owner to parley_owner")
    done = migrate(parley, empty)
    assert done.returncode == 1
    assert "0002_projects_helpers" in done.stderr and "already exists" in done.stderr
    kept = postgres.psql("-c", "select number from parley.schema_migrations", database=empty)
    assert kept.split() == ["1"]
    psql(postgres, empty, "drop table parley.projects")
    done = migrate(parley, empty)
    assert done.returncode == 0, done.stderr
    assert "0001_users: applied" not in done.stdout and "0002_projects_helpers: applied" in done.stdout


def test_who_may_not_migrate_is_told(parley, empty):
    done = migrate(parley, empty, role="parley_app")
    assert done.returncode == 1 and "permission denied" in done.stderr
    done = migrate(parley, empty, app_role="nobody_such")
    assert done.returncode == 1 and "nobody_such: there is no such role" in done.stderr
    done = parley.run("migrate", "-c", write_config(parley, database="host=/nonexistent dbname=parley"))
    assert done.returncode == 1 and "no connection" in done.stderr


# Refusing to serve


def test_a_database_that_is_not_migrated_is_not_served(parley, empty):
    status, said = serve(parley, empty)
    assert status == EX_CONFIG, said
    assert "run `parley migrate`" in said


def test_an_older_schema_than_the_programs_is_not_served(parley, postgres, database):
    psql(postgres, database, "delete from parley.schema_migrations where number = (select max(number) from parley.schema_migrations)")
    status, said = serve(parley, database)
    assert status == EX_CONFIG, said
    assert "run `parley migrate`" in said


@pytest.fixture(scope="module")
def roles(postgres):
    """Roles that must not serve; each may do all that parley_app may."""
    psql(postgres, "postgres", "create role unsafe_bypass login bypassrls in role parley_app",
         "create role unsafe_owner login in role parley_owner, parley_app", "create role unsafe_truncate login in role parley_app")


@pytest.mark.parametrize("role, words", [
    ("postgres", 'role "postgres" is superuser'),
    ("unsafe_bypass", 'role "unsafe_bypass" has BYPASSRLS'),
    ("parley_backup", 'role "parley_backup" has BYPASSRLS'),
    ("parley_owner", 'role "parley_owner" owns schema parley'),
    ("unsafe_owner", 'role "unsafe_owner" owns'),
])
def test_a_role_that_no_policy_holds_is_not_served(parley, roles, database, role, words):
    status, said = serve(parley, database, role)
    assert status == EX_CONFIG, said
    assert words in said and "connect as parley_app" in said


@pytest.mark.parametrize("change, words", [
    ("alter table parley.chat_messages no force row level security", "table parley.chat_messages has no forced row level security"),
    ("alter table parley.user_emails disable row level security", "table parley.user_emails has no row level security"),
    ("create table parley.notes (user_id uuid)", "table parley.notes has no row level security"),
    ("create table parley.notes (user_id uuid); alter table parley.notes enable row level security; "
     "alter table parley.notes force row level security", "table parley.notes has no policy"),
    ("alter view parley.dossier reset (security_invoker)", "view parley.dossier is not security_invoker"),
    ("alter view parley.dossier set (security_invoker = off)", "view parley.dossier is not security_invoker"),
    ("create materialized view parley.fast as select 1 as one", "materialized view parley.fast"),
    ("grant truncate on parley.chat_sessions to parley_app", 'role "parley_app" may truncate parley.chat_sessions'),
    ("alter table parley.chat_sessions owner to parley_app", 'role "parley_app" owns parley.chat_sessions'),
    ("alter function parley.user_delete(uuid) owner to parley_app", 'role "parley_app" owns parley.user_delete()'),
], ids=lambda value: value[:60])
def test_what_would_pass_by_a_policy_is_not_served(parley, postgres, database, change, words):
    psql(postgres, database, change)
    status, said = serve(parley, database)
    assert status == EX_CONFIG, said
    assert words in said, said


@pytest.mark.parametrize("change", [
    "alter table parley.chat_messages no force row level security", "alter table parley.user_emails disable row level security",
    "alter view parley.dossier reset (security_invoker)",
])
def test_migrate_restores_a_guard(parley, postgres, database, change):
    psql(postgres, database, change)
    done = migrate(parley, database)
    assert done.returncode == 0, done.stderr
    with Parley({"database": connection(parley, database)}, postgres=postgres) as running:
        assert person(running).get("/api/v1/users/me").status == 200


def test_doctor_finds_what_serving_would_refuse(parley, postgres, database):
    path = write_config(parley, **{**parley.options, "database": connection(parley, database)})
    done = parley.run("doctor", "-c", path)
    assert done.returncode == 0, done
    psql(postgres, database, "alter table parley.turns no force row level security")
    done = parley.run("doctor", "-c", path)
    assert done.returncode == 1
    assert "failed  guard: table parley.turns has no forced row level security" in done.stdout


def test_doctor_says_what_is_wrong_with_the_model_server(parley, postgres, database):
    class Listing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers.get("Authorization") == "Bearer the-key"
            self.send_response(404 if self.path != "/v1/models" else 200 if known else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    def doctor(**options):
        done = parley.run("doctor", "-c", write_config(parley, **{**parley.options, "database": connection(parley, database), **options}))
        line, = [line for line in done.stdout.splitlines() if "model server" in line]
        assert "the-key" not in done.stdout + done.stderr
        return done.returncode, line

    key = parley.write_secret("doctor.key")
    with open(key, "w") as file:
        file.write("the-key\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listing) as server, socket.create_server(("127.0.0.1", 0)) as mute:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert doctor(model_url=f"{url}/v1", model_key_file=key) == (0, "ok      model server: answers (HTTP status 200)")
        assert doctor(model_url=f"{url}/v1/chat/completions", model_key_file=key)[0] == 0
        status, line = doctor(model_url=f"{url}/v1")
        assert status == 1 and "failed" in line and "refuses the key" in line and "401" in line
        status, line = doctor(model_url=url, model_key_file=key)
        assert status == 0 and line.startswith("note") and "is /v1 missing" in line
        status, line = doctor(model_url=f"{url}/v1", model_key_file="/nowhere")
        assert status == 1 and "cannot be read" in line
        begun = time.monotonic()
        status, line = doctor(model_url=f"http://127.0.0.1:{mute.getsockname()[1]}/v1")
        assert status == 1 and "cannot be reached" in line and 4 < time.monotonic() - begun < 15
        server.shutdown()
    status, line = doctor(model_url=f"{url}/v1")
    assert status == 1 and "cannot be reached" in line
    assert doctor() == (0, "ok      model server: none is configured: the built-in echo model answers")


# Other arrangements


def isolated(running, alice, bob):
    """Two people who write and cannot see one another."""
    session = alice.session(title="mine")
    alice.say(session, "for nobody else")
    bob.say(bob.session(), "bob's")
    assert alice.get(f"/api/v1/sessions/{session}/messages").json[0]["content"] == "for nobody else"
    for answer in (bob.get(f"/api/v1/sessions/{session}"), bob.get(f"/api/v1/sessions/{session}/messages"),
                   bob.delete(f"/api/v1/sessions/{session}"), bob.patch(f"/api/v1/sessions/{session}", {"title": "his"})):
        assert (answer.status, answer.problem) == (404, "session_not_found")
    assert len(bob.get("/api/v1/sessions").json) == 1
    refreshed = running.client.post("/api/v1/auth/refresh", {"refresh_token": bob.refresh_token})
    assert refreshed.status == 200
    assert running.client.post("/api/v1/auth/login", {"email": alice.email, "password": alice.password}).status == 200


@pytest.fixture(scope="module")
def single(parley, postgres):
    """A database whose one role owns everything and serves."""
    psql(postgres, "postgres", "create role lonely login nosuperuser nobypassrls", "create database alone owner lonely")
    done = migrate(parley, "alone", role="lonely", roles="single")
    assert done.returncode == 0, done.stderr
    with Parley({"database": connection(parley, "alone", "lonely"), "roles": "single"}, postgres=postgres) as running:
        yield running


def test_one_role_alone_keeps_people_apart(single):
    alice, bob = single.signup(), single.signup()
    isolated(single, alice, bob)
    assert alice.delete("/api/v1/users/me").status == 204
    assert alice.get("/api/v1/users/me").status == 401
    assert bob.get("/api/v1/users/me").status == 200


def test_one_role_alone_sees_nothing_without_a_claim(single, postgres):
    person(single).session()
    with postgres.connect("lonely", "alone") as link, link.cursor() as cursor:
        for table in ("users", "user_emails", "chat_sessions", "refresh_tokens"):
            cursor.execute(f"select count(*) from parley.{table}")
            assert cursor.fetchone() == (0,)
    link.close()
    assert run_sql(single, "select count(*) from parley.users")[0][0] > 0


def test_one_role_alone_still_refuses_what_no_policy_holds(parley, single, postgres):
    status, said = serve(parley, "alone", "postgres", roles="single")
    assert status == EX_CONFIG and 'role "postgres" is superuser' in said
    status, said = serve(parley, "alone", "lonely", roles="normal")
    assert status == EX_CONFIG and 'role "lonely" owns schema parley' in said
    psql(postgres, "alone", "create table parley.notes ()")
    try:
        status, said = serve(parley, "alone", "lonely", roles="single")
        assert status == EX_CONFIG and "table parley.notes has no row level security" in said
    finally:
        psql(postgres, "alone", "drop table parley.notes")


def test_without_prepared_statements_everything_works(parley):
    with Parley({"prepared": "off"}, postgres=parley.postgres) as running:
        alice = running.signup()
        isolated(running, alice, person(running))
        for _ in range(20):
            assert alice.get("/api/v1/sessions").status == 200
        assert alice.post("/api/v1/sessions", {}, headers={"Idempotency-Key": "key"}).status == 201


def test_root_does_not_serve(parley):
    done = subprocess.run([os.environ["PARLEY_BIN"], "serve", "-c", parley.config], capture_output=True, text=True, timeout=20,
                          env={**parley.environment(), **rootly.environment()})
    assert done.returncode == 1 and "does not serve as root" in done.stderr

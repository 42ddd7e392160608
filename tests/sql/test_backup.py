"""A dump by parley_backup holds every row, though row level security is forced, and comes back whole."""
import os
import subprocess
import uuid

from postgres import program

COUNTS = """
    select string_agg(format('%s=%s', relname, (xpath('/row/n/text()',
        query_to_xml(format('select count(*) as n from parley.%I', relname), false, true, '')))[1]), ' ' order by relname)
    from pg_class where relnamespace = 'parley'::regnamespace and relkind = 'r'"""


def test_a_dump_comes_back_whole(postgres):
    connection = postgres.connect()
    for user in (str(uuid.uuid4()) for _ in range(2)):
        with connection, connection.cursor() as cursor:
            cursor.execute("set local parley.user_id = %s", [user])
            cursor.execute("select parley.user_create(%s, %s, 'h', null, null)", [user, user + "@example.org"])
            cursor.execute("select parley.session_create(%s, gen_random_uuid(), null, null, null, 0, 0)", [user])
    connection.close()
    dump = os.path.join(postgres.folder, "dump")
    for command, role, database in ((["pg_dump", "-Fc", "-f", dump], "parley_backup", "parley"),
                                    (["pg_restore", "--exit-on-error", "-d", "restored", dump], "postgres", "restored")):
        if command[0] == "pg_restore":
            postgres.create_database("restored")
        done = subprocess.run([program(command[0]), *command[1:]], env=postgres.env(role, database), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert postgres.psql("-c", COUNTS, database="restored") == postgres.psql("-c", COUNTS)
    catalogue = "select polname, polqual::text = '' from pg_policy order by 1"
    assert postgres.psql("-c", catalogue, database="restored") == postgres.psql("-c", catalogue)
    postgres.drop_database("restored")


def test_the_owner_cannot_dump_rows_unseen(postgres):
    """FORCE holds for the owner: pg_dump refuses rather than leave rows out."""
    done = subprocess.run([program("pg_dump"), "-f", os.devnull], env=postgres.env("parley_owner"), capture_output=True, text=True)
    assert done.returncode != 0 and "row-level security" in done.stderr

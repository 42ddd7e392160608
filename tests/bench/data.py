"""The data set: people, sessions and messages with every column as Parley itself would have written it.

Ids are numbers, so that pgbench can make them: user u is identifier(u), his session s is identifier(u * 1000 + s). Messages lie on the disk
as they come in: WRITERS people write at a time.
"""
import hashlib
import os
import shutil
import subprocess
import time

from postgres import UNPRIVILEGED, Postgres

SESSIONS = 30  # a person; more than a list shows
EACH = 60      # messages a session; more than a page shows
WRITERS = 10
SAMPLE = 1000  # of the people, so many are asked for

# Settings while it is loaded; and while it is measured: those that are PostgreSQL's own defaults, but for the first.
LOADING = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "8GB",
           "autovacuum": "off", "maintenance_work_mem": "512MB"}
MEASURING = {"fsync": "on", "full_page_writes": "on", "wal_level": "replica", "max_wal_senders": "10", "max_wal_size": "1GB",
             "autovacuum": "on", "maintenance_work_mem": "64MB"}

PROSE = """The pump runs for ten minutes and then trips the breaker. I have checked the fuse, "twice", and the cable looks fine to me.
Could it be the float switch? — It could: a switch that sticks lets the motor run dry, and a dry motor draws far more than it should.
Take the cover off first, naïve as it sounds, and look for lime.\n\n1. Switch the power off at the board.\n2. Lift the float by hand and
listen for the click.\n3. Measure across the terminals: `R < 1 Ω` is closed.\n\nIf you hear nothing, the switch is gone; they cost about 20 €
and one screw. Otherwise the winding itself may leak to earth when it is warm, which a cold measurement will not show. Let me know what you
find, and at what time of day it happens: "only in the evening" would point to the supply, not to the pump. """

SQL_LOAD = """
set session_replication_role = replica;
create function pg_temp.id(n bigint) returns uuid language sql immutable
    return ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid;

insert into parley.users (user_id, display_name, created_at, updated_at)
    select pg_temp.id(u), 'Person ' || u, now() - interval '366 days', now() - interval '366 days'
    from generate_series(1, %(users)s) u;
insert into parley.user_usage (user_id, session_count)
    select pg_temp.id(u), %(sessions)s from generate_series(1, %(users)s) u;

insert into parley.chat_messages (user_id, session_id, seq, message_id, parent_id, role, content, created_at)
    select pg_temp.id(u), pg_temp.id(u * 1000 + s), m, pg_temp.id((u * 1000 + s) * 1000 + m),
        case when m > 1 then pg_temp.id((u * 1000 + s) * 1000 + m - 1) end,
        case when m %% 2 = 1 then 'user' else 'assistant' end,
        substr(%(prose)s, (1 + hash %% %(prose_length)s)::int,
            case when m %% 2 = 1 then 50 + hash %% 150 else 150 + hash %% 450 end::int),
        now() - interval '365 days' * (1 - i::float8 / %(messages)s)
    from (
        select i, hashint8(i) & 2147483647 as hash,
            i / (%(users)s * %(each)s) + 1 as s,
            i / %(writers)s %% %(each)s + 1 as m,
            i %% (%(users)s * %(each)s) / (%(writers)s * %(each)s) * %(writers)s + i %% %(writers)s + 1 as u
        from generate_series(0::bigint, %(messages)s - 1) i
    ) numbers;

insert into parley.chat_sessions (user_id, session_id, title, preview, message_count, last_seq, active_leaf, created_at, updated_at,
        last_message_at)
    select first.user_id, first.session_id, left(first.content, 50), left(last.content, 60), %(each)s, %(each)s,
        last.message_id, first.created_at, last.created_at, last.created_at
    from parley.chat_messages first
    join parley.chat_messages last on last.user_id = first.user_id and last.session_id = first.session_id and last.seq = %(each)s
    where first.seq = 1
    order by first.created_at;
"""


def identifier(number):
    return f"00000000-0000-7000-8000-{number:012d}"


class Data:
    """How many there are of what."""

    def __init__(self, messages):
        users = max(1, round(messages / (SESSIONS * EACH)))
        self.writers = min(users, WRITERS)
        self.users = -(-users // self.writers) * self.writers
        self.messages = self.users * SESSIONS * EACH
        step = max(1, self.users // SAMPLE)
        self.sample = range(1, self.users + 1, step)[:SAMPLE]

    def __str__(self):
        return f"{self.messages:,} messages ({self.users:,} users x {SESSIONS} sessions x {EACH})"

    def load(self, postgres):
        with postgres.connect("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(SQL_LOAD, {"users": self.users, "sessions": SESSIONS, "each": EACH, "writers": self.writers,
                                      "messages": self.messages, "prose": PROSE * 2, "prose_length": len(PROSE)})
        connection.close()
        postgres.psql("-c", "vacuum (freeze, analyze)")


class DataPostgres(Postgres):
    """A cluster that holds a data set: loaded, or copied from the folder where it is kept."""

    def __init__(self, data, keep, buffers, say):
        super().__init__(fsync=True, settings={"shared_buffers": buffers})
        self.data_set = data
        self._buffers = buffers
        self._keep = os.path.join(keep, f"{data.messages}-{_own_hash()}") if keep else None
        self._say = say

    def __enter__(self):
        begun = time.monotonic()
        if self._keep and os.path.exists(self._keep):
            shutil.rmtree(self.data)
            self._copy(self._keep, self.data)
            self._say(f"copied {self.data_set} in {time.monotonic() - begun:.0f} s")
        else:
            self._load()
            self._say(f"loaded {self.data_set} in {time.monotonic() - begun:.0f} s")
        self._configure({**MEASURING, "shared_buffers": self._buffers, "unix_socket_directories": self.folder})
        os.sync()
        self.start()
        self.make_roles()
        self.migrate("parley")
        self.psql("-c", "create extension if not exists pg_prewarm",
                  "-c", "select pg_prewarm(c.oid) from pg_class c where relnamespace = 'parley'::regnamespace and relkind in ('r', 'i')")
        return self

    def _load(self):
        self._configure(LOADING)
        super().__enter__()
        self.data_set.load(self)
        self.stop()
        if self._keep:
            os.makedirs(os.path.dirname(self._keep), exist_ok=True)
            self._copy(self.data, self._keep + ".new")
            os.rename(self._keep + ".new", self._keep)

    def _copy(self, source, target):
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)
        if UNPRIVILEGED:
            subprocess.run(["chown", "-R", "nobody:nogroup", target], check=True)


def _own_hash():
    """Data that is kept belongs to this program; migrating it brings it to the schema of this tree."""
    with open(os.path.abspath(__file__), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]

"""Runs a command with PG* of a private PostgreSQL: with_postgres.py COMMAND... It ends with the command's status."""
import subprocess
import sys

from postgres import Postgres

with Postgres() as postgres:
    status = subprocess.run(sys.argv[1:], env=postgres.env("parley_owner")).returncode
sys.exit(status)

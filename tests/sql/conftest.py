"""The cluster of this tier: database "parley", in which tests may leave rows, and "tap" with pgTAP and setup.sql, in which
each test rolls back."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))

from postgres import Postgres  # noqa: E402


@pytest.fixture(scope="session")
def postgres():
    with Postgres() as cluster:
        cluster.create_database("tap", template="parley")
        cluster.psql("-f", os.path.join(HERE, "setup.sql"), database="tap")
        yield cluster

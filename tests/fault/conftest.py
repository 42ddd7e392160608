"""What the fault tests share: a cluster that writes to disk as in earnest."""
import pytest

from postgres import Postgres


@pytest.fixture(scope="session")
def postgres():
    """A cluster with fsync for all Parleys that do not hurt it."""
    with Postgres(fsync=True, settings={"max_connections": "150"}) as running:
        yield running

"""What all tests in Python share: the folder of helpers, and a running program."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))

from parley import Parley  # noqa: E402
from people import person  # noqa: E402


@pytest.fixture(scope="session")
def parley():
    """One Parley with the usual options for all tests that need no other."""
    with Parley() as running:
        yield running


@pytest.fixture
def client(parley):
    """A client without a token."""
    return parley.client


@pytest.fixture
def alice(parley):
    """A new person."""
    return person(parley)


@pytest.fixture
def bob(parley):
    """Another new person."""
    return person(parley)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The end of the program's log stands beside a failure."""
    outcome = yield
    report = outcome.get_result()
    running = getattr(item, "funcargs", {}).get("parley")
    if report.failed and running is not None and os.path.exists(running.log):
        report.sections.append(("parley's log", running.log_tail(30)))

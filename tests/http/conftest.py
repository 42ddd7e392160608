"""Every answer in these tests is compared with conf/openapi.yaml."""
import pytest

import client as clients
from openapi import Witness


@pytest.fixture(scope="session", autouse=True)
def witness():
    """The description as a witness of all that the program says."""
    clients.witness = Witness()
    yield clients.witness
    clients.witness = None

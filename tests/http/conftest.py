"""Every answer in these tests is compared with conf/openapi.yaml."""
import pytest

import client as clients
import dialects
from openapi import Witness


@pytest.fixture(scope="session", autouse=True)
def witness():
    """The description as a witness of all that the program says."""
    clients.witness = Witness()
    yield clients.witness
    clients.witness = None


@pytest.fixture(scope="session")
def filled(parley):
    """A database in which people of every dialect have been."""
    dialects.fill(parley)


@pytest.fixture(autouse=True)
def no_dialect_is_alone(request):
    if request.module.__name__.startswith(("test_contract_", "test_import_")):
        request.getfixturevalue("filled")

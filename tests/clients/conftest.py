"""What the tests of foreign clients share: Node, and the packages of package-lock.json (npm ci), here or in a folder above."""
import os
import pathlib
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "fault"))


@pytest.fixture(scope="session")
def packages():
    """The folder of the packages."""
    for folder in pathlib.Path(HERE).resolve(), *pathlib.Path(HERE).resolve().parents:
        if (folder / "node_modules" / "eventsource").is_dir():
            return folder / "node_modules"
    return pytest.skip("the packages of tests/clients are not installed (npm ci)")


@pytest.fixture(scope="session")
def node(packages):  # pylint: disable=unused-argument
    """The command of Node, when there is something for it to run."""
    found = shutil.which(os.environ.get("NODE", "node"))
    return found or pytest.skip("node (package nodejs) is not installed")

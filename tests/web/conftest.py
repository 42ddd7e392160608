"""What the tests of the page share: Node, Chromium, the packages of package-lock.json (npm ci), and a Parley that shows the page."""
import os
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from model import Model  # noqa: E402
from parley import Parley  # noqa: E402

OPTIONS = {"quota_turns_per_minute": 0, "quota_turns_running": 0}


@pytest.fixture(scope="session")
def node():
    """The command of Node, when everything that a browser's test needs is there."""
    modules = os.environ.get("WEB_TEST_MODULES", os.path.join(HERE, "node_modules"))
    if not os.path.isdir(os.path.join(modules, "playwright-core")):
        pytest.skip("the packages of tests/web are not installed (npm ci)")
    if not shutil.which(os.environ.get("CHROMIUM", "chromium")):
        pytest.skip("chromium is not installed")
    if not os.path.exists(os.path.join(os.environ.get("PARLEY_WEB", "/nowhere"), "index.html")):
        pytest.skip("the page is not built (PARLEY_WEB names its folder)")
    return shutil.which(os.environ.get("NODE", "node")) or pytest.skip("node is not installed")


@pytest.fixture(scope="session")
def model():
    """A model server that does what the message says (tests/lib/model.py), and says back all else."""
    with Model() as running:
        yield running


@pytest.fixture(scope="session")
def shown(node, model):  # pylint: disable=unused-argument
    """The Parley behind the page."""
    with Parley({**OPTIONS, "model_url": model.url}) as running:
        yield running

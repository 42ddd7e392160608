"""The front end that the API of a single thread documents, run as it stands."""
import json
import os
import shutil
import subprocess

import pytest

from parley import Parley
from people import person
from sse import words

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def parley():
    with Parley({"single_thread": "on"}) as running:
        yield running


def test_the_documented_front_end_works(parley):
    node = shutil.which(os.environ.get("NODE", "node")) or pytest.skip("node (package nodejs) is not installed")
    user = person(parley)
    order = {"url": f"http://127.0.0.1:{parley.port}/", "token": user.token, "messages": ["My PS5 broke", words(50) + " Grüße ☕\nend"]}
    out = subprocess.run([node, os.path.join(HERE, "single-thread.mjs"), json.dumps(order)], capture_output=True, text=True, timeout=60,
                         check=False)
    assert out.returncode == 0, out.stderr
    told = [json.loads(line) for line in out.stdout.splitlines()]
    thread = ["Thread:", "user-" + user.user_id]
    assert told[-1] == {"log": [["My PS5 broke"], thread, thread], "tokens": order["messages"][1]}
    lists = [line["messages"] for line in told if "messages" in line]
    assert [(message["role"], message["content"]) for message in lists[0]] == [
        (role, text) for text in order["messages"] for role in ("user", "assistant")]
    assert lists[1:] == [[], []]

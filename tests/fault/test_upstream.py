"""Asking a model server that has every fault: the C program that does so, against lib/model.py."""
import os
import re
import subprocess

import pytest

from model import Model

PROGRAM = os.path.join(os.path.dirname(os.environ.get("PARLEY_BIN", "")), "upstream_test")


@pytest.fixture(scope="module")
def output():
    """The program's whole run: its result lines by name of test."""
    with Model() as model:
        run = subprocess.run([PROGRAM], env={**os.environ, "MODEL_URL": model.url}, capture_output=True, text=True, timeout=170)
    return run


def names():
    """The tests of the program, from its source."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "upstream_test.c")
    with open(source, encoding="utf-8") as file:
        return re.findall(r"^    TEST\((\w+)\);$", file.read(), re.MULTILINE)


@pytest.mark.parametrize("name", names())
def test_upstream(output, name):
    parts = re.split(r"^  Test: (\w+) \.\.\.", output.stdout, flags=re.MULTILINE)
    outcome = dict(zip(parts[1::2], parts[2::2])).get(name)
    assert outcome is not None, f"it did not run; status {output.returncode}\n{output.stdout[-2000:]}{output.stderr[-2000:]}"
    assert "FAILED" not in outcome, outcome


def test_the_program_ends_well(output):
    assert output.returncode == 0, output.stdout[-3000:] + output.stderr[-3000:]

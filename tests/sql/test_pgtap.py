"""Runs each pgTAP file of this folder as one test."""
import glob
import os
import re

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(HERE, "*.sql")) if "finish()" in open(path).read())


@pytest.mark.parametrize("name", FILES)
def test_pgtap(postgres, name):
    lines = postgres.psql("-f", os.path.join(HERE, name), database="tap").splitlines()
    results = [line for line in lines if re.match(r"(not )?ok \d+", line)]
    failed = [line for line in lines if line.startswith(("not ok", "#"))]
    assert not any(line.startswith("not ok") for line in results), "\n".join(failed)
    plans = [int(line[3:]) for line in lines if re.fullmatch(r"1\.\.\d+", line)]
    assert plans == [len(results)] and results, f"{name} planned {plans}, ran {len(results)}"

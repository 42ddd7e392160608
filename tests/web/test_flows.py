"""Every flow of flows/*.mjs: a person, or several, with a real browser."""
import os
import re

import pytest

from services import Services, run_flow

FLOWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flows")


def flows():
    for file in sorted(os.listdir(FLOWS)):
        with open(os.path.join(FLOWS, file)) as source:
            for name in re.findall(r"^export async function (\w+)", source.read(), re.M):
                yield pytest.param(file, name, id=f"{file[:-4]}-{name}")


@pytest.mark.parametrize("file, name", list(flows()))
def test_flow(node, shown, model, file, name):
    failure = run_flow(node, file, name, Services(shown, model))
    assert failure is None, failure

"""A pytest plugin: writes how each test ended, and where the code that it tested came from.

A fault that breaks an import or a fixture makes every test fail and shows nothing. So only assertions count as
failures, and only those of the tests' own bodies.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "PLANTS_REPORT"  # the file to write
PACKAGES = ("benchmarks", "methods", "datasets")
ENDS: dict[str, str] = {}


def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[Any]") -> None:
    if call.excinfo is None:
        if call.when == "call":
            ENDS[item.nodeid] = "passed"
    elif call.excinfo.errisinstance(pytest.skip.Exception):
        ENDS[item.nodeid] = "skipped"
    elif call.when == "call" and is_assertion(call.excinfo.value):
        ENDS[item.nodeid] = "failed"
    else:
        ENDS[item.nodeid] = f"error in {call.when}: {call.excinfo.exconly()}"


def is_assertion(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):  # hypothesis found several
        return all(map(is_assertion, error.exceptions))
    return isinstance(error, (AssertionError, pytest.fail.Exception))


def pytest_sessionfinish() -> None:
    sources = {name: getattr(sys.modules.get(name), "__file__", None) for name in PACKAGES}
    Path(os.environ[VARIABLE]).write_text(json.dumps({"ends": ENDS, "sources": sources}))

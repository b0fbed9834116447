"""The planted faults still fit the code, and their tests exist. ``python -m tests.plants`` plants them."""

import ast
from functools import cache

import pytest

from tests.plants import ROOT, Plant, load_plants
from tests.plants.__main__ import verdict
from tests.plants.witness import is_assertion

PLANTS = load_plants()


@cache
def parametrised_in(file: str) -> dict[str, bool]:
    """Names of a file's functions, and whether each has parameters of pytest."""
    functions = [node for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    return {f.name: any("parametrize" in ast.unparse(mark) for mark in f.decorator_list) for f in functions}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_plant_fits_the_code_and_its_test_exists(plant: Plant) -> None:
    planted = plant.planted(ROOT)
    assert planted != (ROOT / plant.file).read_text()
    ast.parse(planted)
    file, _, test = plant.test.partition("::")
    name, bracket, _ = test.partition("[")
    assert name in parametrised_in(file)
    assert parametrised_in(file)[name] or not bracket


def test_names_are_unique() -> None:
    assert len({plant.name for plant in PLANTS}) == len(PLANTS)


def test_a_plant_whose_text_has_gone_is_told_of() -> None:
    gone = Plant("gone", "", "methods/dann.py", "no such text", "", "")
    twice = Plant("twice", "", "methods/dann.py", "import", "", "")
    for plant, count in ((gone, "0 times"), (twice, "times, not once")):
        with pytest.raises(ValueError, match=f"{plant.name}: methods/dann.py has this text .*{count}"):
            plant.planted(ROOT)


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ({"a": "passed", "b": "failed"}, "red"),
        ({"a": "passed", "b": "skipped"}, "GREEN"),
        ({"a": "failed", "b": "error in setup: ImportError: no"}, "ERROR (error in setup: ImportError: no)"),
    ],
)
def test_only_a_failed_assertion_is_red(ends: dict[str, str], found: str) -> None:
    assert verdict(ends) == found


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (AssertionError(), True),
        (pytest.fail.Exception("DID NOT RAISE"), True),
        (ExceptionGroup("two", [AssertionError(), AssertionError()]), True),
        (ExceptionGroup("two", [AssertionError(), SyntaxError()]), False),
        (ImportError(), False),
        (KeyError(), False),
    ],
    ids=repr,
)
def test_what_breaks_for_another_reason_is_no_assertion(error: Exception, counts: bool) -> None:
    assert is_assertion(error) == counts

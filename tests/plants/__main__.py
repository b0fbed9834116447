"""Plant each fault in a copy of the tree and see its test go red: ``python -m tests.plants [NAME ...]``."""

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.plants import ROOT, Plant, load_plants
from tests.plants.witness import VARIABLE

IGNORED = shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info", "__pycache__")
LONGEST = 600  # seconds that pytest may take: a fault can make a test hang
# Imported once, before the forks that test: none of it is ours, and it takes longer than most tests.
SLOW_IMPORTS = [
    *("pytest", "hypothesis", "pandas", "pydantic", "scipy.stats", "torch"),
    *("sklearn.datasets", "sklearn.ensemble", "sklearn.pipeline", "sklearn.svm"),
    "torch._dynamo",  # by the first step of any optimiser
]

Ends = dict[str, str]  # how tests ended, as tests.plants.witness says it


def main() -> int:
    plants = load_plants()
    parser = argparse.ArgumentParser("python -m tests.plants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults to plant; default: all")
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time, each in a copy of its own")
    parser.add_argument("--list", action="store_true", help="say what there is, and plant nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {plant.name for plant in plants}:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; --list names all")
    plants = [plant for plant in plants if not arguments.names or plant.name in arguments.names]
    if arguments.list:
        print("\n".join(f"{plant.name}: {plant.what} ({plant.file}; {plant.test})" for plant in plants))
        return 0
    start = time.perf_counter()
    for name in SLOW_IMPORTS:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder).resolve() / f"copy{number}" for number in range(max(1, arguments.jobs))]
        for copy in copies:
            shutil.copytree(ROOT, copy, ignore=IGNORED)
        if problem := not_green(copies, list(dict.fromkeys(plant.test for plant in plants))):
            print(f"Without any fault the tests must pass, and they do not:\n{problem}")
            return 2
        survivors = plant_all(copies, plants)
    red, seconds = len(plants) - len(survivors), time.perf_counter() - start
    print(f"{len(plants)} faults, {red} red, in {seconds:.0f} s." + " Not red: " * bool(survivors), end="")
    print(", ".join(survivors))
    return 1 if survivors else 0


def not_green(copies: Sequence[Path], tests: Sequence[str]) -> str:
    """What is wrong with the tests before any fault is planted; empty if nothing is."""
    shares = [tests[number :: len(copies)] for number in range(len(copies))]
    ends = {
        name: end
        for _, found in in_forks(copies, ((share, None) for share in shares))
        for name, end in found.items()
    }
    problems = [f"{test}: {end}" for test, end in ends.items() if end not in ("passed", "skipped")]
    for test in tests:
        own = [end for name, end in ends.items() if name == test or name.startswith(f"{test}[")]
        if "passed" not in own and not problems:
            problems.append(f"{test}: {'skipped' if own else 'not found'}")
    return "\n".join(problems)


def plant_all(copies: Sequence[Path], plants: Sequence[Plant]) -> list[str]:
    """Print what each fault came to as soon as it is known; returns the names of those that are not red."""
    survivors = []
    for number, (plant, ends) in enumerate(in_forks(copies, (([plant.test], plant) for plant in plants)), 1):
        assert plant is not None
        found = verdict(ends)
        print(f"{number:3}/{len(plants)} {found:5} {plant.name}: {plant.what}", flush=True)
        if found != "red":
            survivors.append(plant.name)
    return survivors


def verdict(ends: Ends) -> str:
    """Red: an assertion of the test failed. GREEN: none did. Anything else that went wrong is an ERROR."""
    if problems := [end for end in ends.values() if end.startswith("error")]:
        return f"ERROR ({problems[0]})"
    return "red" if "failed" in ends.values() else "GREEN"


def in_forks(
    copies: Sequence[Path], jobs: Iterable[tuple[Sequence[str], Plant | None]]
) -> Iterator[tuple[Plant | None, Ends]]:
    """Run tests, each job in a fork of this process and in a copy of the tree, with its fault planted meanwhile.

    Yields each job's fault and how its tests ended, as they end.
    """
    free, waiting = list(copies), iter(jobs)
    running: dict[int, tuple[Path, Path, Sequence[str], Plant | None]] = {}
    while True:
        while free and (job := next(waiting, None)):
            tests, plant = job
            copy, folder = free.pop(), Path(tempfile.mkdtemp(dir=copies[0].parent))
            if plant:
                planted = plant.planted(copy)
                (copy / plant.file).rename(folder / "whole")
                (copy / plant.file).write_text(planted, encoding="utf-8")
            if not (child := os.fork()):
                run_pytest(copy, folder, tests)
            running[child] = copy, folder, tests, plant
        if not running:
            return
        child, status = os.wait()
        copy, folder, tests, plant = running.pop(child)
        if plant:
            (folder / "whole").replace(copy / plant.file)
        free.append(copy)
        yield plant, ends_of(copy, folder, tests, os.waitstatus_to_exitcode(status))


def run_pytest(copy: Path, folder: Path, tests: Sequence[str]) -> None:
    """In a fork: what pytest says goes to ``folder``, and the process ends with its exit code."""
    code = 3
    try:
        signal.alarm(LONGEST)
        with (folder / "said.txt").open("w") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        os.chdir(copy)
        # The caches are new: nothing that a fault made outlives it.
        caches = {"BENCHMARKS_CACHE": f"{folder}/cache", "BENCHMARKS_STORE": f"{folder}/store"}
        os.environ.update(caches, PYTHONPATH=str(copy), **{VARIABLE: f"{folder}/report.json"})
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]
        sys.path[:] = [str(copy), *(path for path in sys.path if Path(path).resolve() != ROOT)]
        sys.dont_write_bytecode = True  # bytecode goes by seconds and size, which a fault may leave alone
        importlib.invalidate_caches()
        import pytest

        options = ["-p", "tests.plants.witness", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", ""]
        code = int(pytest.main([*options, *tests]))
    finally:
        os._exit(code)


def ends_of(copy: Path, folder: Path, tests: Sequence[str], code: int) -> Ends:
    """How each test of a fork ended; an error if pytest did not come so far, or tested other code."""
    report = folder / "report.json"
    if code not in (0, 1) or not report.exists():
        said = (folder / "said.txt").read_text()[-2000:]
        return dict.fromkeys(tests, f"error: pytest ended with {code}: {said}")
    found = json.loads(report.read_text())
    for name, source in found["sources"].items():
        if source and not Path(source).is_relative_to(copy):
            return dict.fromkeys(tests, f"error: {name} was imported from {source}, not from the copy")
    return dict(found["ends"])


if __name__ == "__main__":
    sys.exit(main())

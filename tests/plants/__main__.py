"""Plant each fault in a copy of the tree and see its test go red: ``python -m tests.plants [NAME ...]``."""

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.plants import ROOT, Plant, load_plants
from tests.plants.witness import VARIABLE

IGNORED = shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info", "__pycache__")
LONGEST = 900  # seconds that pytest may take: a fault can make a test hang


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
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder).resolve() / f"copy{number}" for number in range(max(1, arguments.jobs))]
        for copy in copies:
            shutil.copytree(ROOT, copy, ignore=IGNORED)
        if problem := not_green(copies[0], plants):
            print(f"Without any fault the tests must pass, and they do not:\n{problem}")
            return 2
        survivors = plant_all(copies, plants)
    red, seconds = len(plants) - len(survivors), time.perf_counter() - start
    print(f"{len(plants)} faults, {red} red, in {seconds:.0f} s. " + "Not red: " * bool(survivors), end="")
    print(", ".join(survivors))
    return 1 if survivors else 0


def not_green(copy: Path, plants: Sequence[Plant]) -> str:
    """What is wrong with the tests before any fault is planted; empty if nothing is."""
    tests = list(dict.fromkeys(plant.test for plant in plants))
    ends = ends_of(copy, tests)
    problems = [f"{test}: {end}" for test, end in ends.items() if end not in ("passed", "skipped")]
    for test in tests:
        own = [end for name, end in ends.items() if name.partition("[")[0] == test or name == test]
        if "passed" not in own:
            problems.append(f"{test}: {'skipped' if own else 'not found'}")
    return "\n".join(problems)


def plant_all(copies: Sequence[Path], plants: Sequence[Plant]) -> list[str]:
    """Print what each fault came to as soon as it is known; returns the names of those that are not red."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(plant: Plant) -> str:
        copy = free.get()
        try:
            return verdict(copy, plant)
        finally:
            free.put(copy)

    survivors = []
    with ThreadPoolExecutor(len(copies)) as pool:
        for number, (plant, found) in enumerate(zip(plants, pool.map(one, plants), strict=True), 1):
            print(f"{number:3}/{len(plants)} {found:5} {plant.name}: {plant.what}", flush=True)
            if found != "red":
                survivors.append(plant.name)
    return survivors


def verdict(copy: Path, plant: Plant) -> str:
    """Red: an assertion of the test failed. GREEN: none did. Anything else that went wrong is an ERROR."""
    file = copy / plant.file
    whole = file.read_text(encoding="utf-8")
    file.write_text(plant.planted(copy), encoding="utf-8")
    try:
        ends = list(ends_of(copy, [plant.test]).values())
    finally:
        file.write_text(whole, encoding="utf-8")
    if problems := [end for end in ends if end.startswith("error")]:
        return f"ERROR ({problems[0]})"
    return "red" if "failed" in ends else "GREEN"


def ends_of(copy: Path, tests: Sequence[str]) -> dict[str, str]:
    """How each test ended that pytest ran in a copy of the tree, as :mod:`tests.plants.witness` says it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",  # it goes by seconds and size, which a fault may leave alone
            "BENCHMARKS_CACHE": f"{folder}/cache",  # nothing that a fault made outlives it
            "BENCHMARKS_STORE": f"{folder}/store",
            VARIABLE: str(report),
        }
        options = ["-p", "tests.plants.witness", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        try:
            done = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            return dict.fromkeys(tests, f"error: longer than {LONGEST} s")
        if done.returncode not in (0, 1) or not report.exists():
            return dict.fromkeys(tests, f"error: pytest ended with {done.returncode}: {done.stdout[-2000:]}")
        said = json.loads(report.read_text())
    for name, source in said["sources"].items():
        if source and not Path(source).is_relative_to(copy):
            return dict.fromkeys(tests, f"error: {name} was imported from {source}, not from the copy")
    return dict(said["ends"])


if __name__ == "__main__":
    sys.exit(main())

"""The door from the command line. Before anything else it makes sure that it is this project's code that runs."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGES = ("datasets", "methods", "results")
MARK = "domain-adaptation-benchmarks"  # in the docstring of each: another of that name may lie in the same folder
HOME = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """What :func:`benchmarks.commands.parser.main` does, or one line that says whose package stands in the way."""
    for name in PACKAGES:
        if problem := foreign(name):
            print(f"error: {problem}", file=sys.stderr)
            return 2
    from benchmarks.commands.parser import main as run

    return run(arguments)


def foreign(name: str) -> str | None:
    """What is wrong if ``import NAME`` would not get this project's package; None if it would. Imports nothing."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return f"this project's package {name!r} is not beside {str(HOME / 'benchmarks')!r}; install it again"
    found = Path(spec.origin).resolve()
    if found == HOME / name / "__init__.py" and MARK in found.read_text(encoding="utf-8", errors="replace"):
        return None
    return (
        f"{str(found)!r} is not this project's package {name!r} but another of that name: run from another "
        "folder if it lies in the one you are in, else install this project into a virtual environment of its own"
    )


if __name__ == "__main__":
    raise SystemExit(main())

"""Settings as a user writes them behind ``--set`` and ``--grid``."""

from collections.abc import Sequence

from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError, split
from benchmarks.plan.search import Search


def parse_overrides(assignments: Sequence[str], flag: str = "--set") -> dict[str, dict[str, str]]:
    """``dann.gamma=5`` and ``protocol.steps=100`` to values by owner."""
    overrides: dict[str, dict[str, str]] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        owner, dot, key = path.partition(".")
        if not (equals and dot and key and value):
            raise UserError(f"{flag} {text!r}: expected method.name=value or protocol.name=value")
        if owner != "protocol":
            METHODS.check(owner)
        if key in overrides.setdefault(owner, {}):
            raise UserError(f"{flag} {path} is given twice")
        overrides[owner][key] = value
    return overrides


def parse_sweep(text: str) -> tuple[str, list[str]]:
    """``shots=1,3`` to a dial and its values."""
    dial, _, listed = text.partition("=")
    values = split(listed)
    if not dial or not values:
        raise UserError(f"--sweep {text!r}: expected DIAL=VALUE,VALUE, as shots=1,3,10")
    return dial, values


def parse_search(size: int | None, assignments: Sequence[str]) -> Search:
    """``--search 4``, or ``--grid dann.gamma=1,5``; not both."""
    if size and assignments:
        raise UserError("--search and --grid: give one of them")
    overrides = parse_overrides(assignments, "--grid")
    values = {owner: {key: split(text) for key, text in keys.items()} for owner, keys in overrides.items()}
    for owner, keys in values.items():
        for key, several in keys.items():
            if not several:
                raise UserError(f"--grid {owner}.{key}={overrides[owner][key]}: no value is given")
    return Search(size or 1, values)

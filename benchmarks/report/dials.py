"""Tasks that differ in the value of one dial alone, and the places of its values on an axis."""

from collections.abc import Sequence
from typing import Literal

from benchmarks.core.settings import format_query, parse_query
from datasets.base import Options

DECADE = 10
LEFT_OUT = "as it is"


def sweeps(tasks: Sequence[str]) -> dict[tuple[str, str], dict[str, str]]:
    """By a task without a dial, and the dial: its tasks by the dial's value, where there are several."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for task in tasks:
        path, options = parse_query(task)
        for dial in (name for name in Options.model_fields if name != "split"):
            rest = format_query(path, {name: value for name, value in options.items() if name != dial})
            found.setdefault((rest, dial), {})[options.get(dial) or _default(dial)] = task
    return {key: by_value for key, by_value in found.items() if len(by_value) > 1}


def _default(dial: str) -> str:
    default = Options.model_fields[dial].default
    return str(default) if isinstance(default, int | float) else LEFT_OUT


def numbers(values: Sequence[str]) -> list[float] | None:
    """Values of a dial as places on an axis; None where one is no number: they are in their order."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


def scale(places: Sequence[float]) -> Literal["log", "linear"]:
    """That of an axis: values that span more than a decade, all above 0, are logarithmic."""
    return "log" if min(places) > 0 and max(places) >= DECADE * min(places) else "linear"

"""The headline against a dial: tasks of a grid that differ in the value of one dial alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.core.settings import format_query, parse_query
from benchmarks.report.cells import ACCURACY, Cells
from benchmarks.report.listings import Entry, Listing
from benchmarks.report.means import mean
from datasets.base import Options

DECADE = 10
PRINTED = 4  # classes whose shares fit a cell
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


def listings_of(cells: Cells) -> list[Listing]:
    """A table a sweep."""
    return [_listing(cells, *key, by_value) for key, by_value in sweeps(cells.scored).items()]


def _listing(cells: Cells, task: str, dial: str, by_value: Mapping[str, str]) -> Listing:
    """Of each method, the headline at each value of the dial, and below it the classes that it predicts."""
    objectives = [cells.objectives[of] for of in by_value.values()]
    headings = " or ".join(dict.fromkeys(objective.heading for objective in objectives))
    rows: list[dict[str, Entry]] = []
    for variant in cells.variants:
        found = {value: mean(cells, ACCURACY, variant, [of]) for value, of in by_value.items()}
        rows.append({"method": variant, **{value: each and each.summary for value, each in found.items()}})
        shares = {value: _shares(cells, variant, of) for value, of in by_value.items()}
        if any(shares.values()):
            rows.append({"method": f"{variant}: shares", **shares})
    title = (
        f"{headings} of {task} against {dial}; shares: of predicted classes (%), with more than "
        f"{PRINTED} classes how far they are from the true ones (points)"
    )
    return Listing(f"sweep-{dial}-{task}", title, rows, dict.fromkeys(by_value, objectives[0].form))


def lines(cells: Cells, by_value: Mapping[str, str]) -> pd.DataFrame:
    """What is drawn of a sweep: a row for each method and value of the dial.

    Columns: method, value, mean, low and high as tables print them, seeds, and ``off``: how far the shares of
    predicted classes are from the true ones, in points; NaN without a confusion matrix.
    """
    rows = []
    for variant in cells.variants:
        for value, task in by_value.items():
            if found := mean(cells, ACCURACY, variant, [task]):
                scale, summary = cells.objectives[task].scale, found.summary
                numbers = {name: round(scale * getattr(summary, name), 3) for name in ("mean", "low", "high")}
                off = _off(counts) if (counts := _counts(cells, variant, task)) is not None else math.nan
                more = {"seeds": summary.n, "off": round(off, 1)}
                rows.append({"method": variant, "value": value, **numbers, **more})
    return pd.DataFrame(rows)


def numbers(values: Sequence[str]) -> list[float] | None:
    """Values of a dial as places on an axis; None where one is no number: they are in their order."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


def scale(places: Sequence[float]) -> Literal["log", "linear"]:
    """That of an axis: values that span more than a decade, all above 0, are logarithmic."""
    return "log" if min(places) > 0 and max(places) >= DECADE * min(places) else "linear"


def _counts(cells: Cells, variant: str, task: str) -> np.ndarray | None:
    """(classes, classes) target test samples by true and predicted class, over all seeds."""
    matrices = [row["confusion"] for row in cells.rows(variant, task).values() if row.get("confusion")]
    return np.sum(matrices, axis=0) if matrices else None


def _off(counts: np.ndarray) -> float:
    """Half the sum of differences between shares of predicted and of true classes, in points."""
    true, predicted = (counts.sum(axis=axis) / counts.sum() for axis in (1, 0))
    return float(100 * abs(true - predicted).sum() / 2)


def _shares(cells: Cells, variant: str, task: str) -> str:
    """Of what is predicted of the target's test samples, over all seeds; empty without a confusion matrix."""
    counts = _counts(cells, variant, task)
    if counts is None:
        return ""
    if len(counts) > PRINTED:
        return f"{_off(counts):.0f} off"
    return ":".join(f"{100 * share:.0f}" for share in counts.sum(axis=0) / counts.sum())

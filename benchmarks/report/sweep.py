"""The headline against a dial: tasks of a grid that differ in the value of one dial alone."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import ACCURACY, Cells, without_split
from benchmarks.report.listings import Entry, Listing, choices_by
from benchmarks.report.means import mean

PRINTED = 4  # classes whose shares fit a cell


def listings_of(cells: Cells, validator: str | None) -> Iterator[Listing]:
    """For each sweep, the headline, gains, and what choosing costs, if a validator chose."""
    for key, by_value in cells.sweeps.items():
        yield _listing(cells, *key, by_value)
        yield _gains(cells, *key, by_value)
        if validator:
            yield _choices(cells, *key, by_value, validator)


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
    title = f"{headings} of {without_split(task, cells.tasks)} against {dial}"
    if len(rows) > len(cells.variants):
        title += (
            f"; shares: of predicted classes (%), with more than {PRINTED} classes how far they are from the true "
            "ones (points)"
        )
    return Listing(f"sweep-{dial}-{task}", title, rows, dict.fromkeys(by_value, objectives[0].form))


def _gains(cells: Cells, task: str, dial: str, by_value: Mapping[str, str]) -> Listing:
    """Of each method, the gain over the baseline at each value of the dial, where both have runs."""
    rows: list[dict[str, Entry]] = []
    for variant in cells.candidates:
        found = {value: mean(cells, ACCURACY, variant, [of], BASELINE) for value, of in by_value.items()}
        if variant != BASELINE and any(found.values()):
            rows.append({"method": variant, **{value: each and each.summary for value, each in found.items()}})
    objective = cells.objectives[next(iter(by_value.values()))]
    where = f"{without_split(task, cells.tasks)} against {dial}"
    title = f"Gain over {BASELINE} on {where}, paired by seed ({objective.gains_in})"
    return Listing(f"sweep-gain-{dial}-{task}", title, rows, dict.fromkeys(by_value, objective.gain_form))


def _choices(cells: Cells, task: str, dial: str, by_value: Mapping[str, str], validator: str) -> Listing:
    """Of each method, the headline at each value of the dial by how its checkpoint was chosen."""
    rows: list[dict[str, Entry]] = []
    for variant in cells.candidates:
        for how, metric in choices_by(validator).items():
            found = {value: mean(cells, metric, variant, [of]) for value, of in by_value.items()}
            summaries = {value: each and each.summary for value, each in found.items()}
            rows.append({"method": variant, "chosen": how, **summaries})
    heading, objective = cells.heading([*by_value.values()]), cells.objectives[next(iter(by_value.values()))]
    title = (
        f"Choosing without target labels: {heading[0].lower()}{heading[1:]}, "
        f"{without_split(task, cells.tasks)} against {dial}"
    )
    return Listing(f"sweep-choices-{dial}-{task}", title, rows, dict.fromkeys(by_value, objective.form))


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

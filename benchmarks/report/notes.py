"""What a report says below its tables: what is missing, and what to doubt."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.core.registry import METHODS
from benchmarks.evaluation.proxy_a_distance import SATURATED
from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.spec import RunSpec
from benchmarks.report.cells import ACCURACY, Cells, is_reference
from benchmarks.report.statistics import ENOUGH, paired

LOST = 0.1  # of source accuracy, below source_only: more is no price of adapting


def general(cells: Cells) -> list[str]:
    """What holds for any table of these cells."""
    notes = [_about_seeds(len(cells.seeds))]
    if cells.unscored:
        notes.append(f"Not scored: no target sample of {', '.join(cells.unscored)} has a label.")
    if not cells.grid.ranked:
        notes.append("A paper's own settings: to be compared with that paper (`compare`), not ranked.")
    common = cells.common_tasks(ACCURACY)
    if 0 < len(common) < len(cells.tasks):
        plural = "s" * (len(common) > 1)
        notes.append(f"mean: over the {len(common)} task{plural} that all shown methods have.")
    notes += [f"n/a: {variant} on {task}: {reason}." for (variant, task), reason in cells.reasons.items()]
    notes += _failures(cells)
    rows = [cells.records[spec.run_id] for spec in cells.grid.specs if spec.run_id in cells.records]
    notes += _warnings(rows) + _lost_sources(cells)
    if any(row.get("proxy_a_distance", 0.0) >= SATURATED for row in rows):
        notes.append(f"A proxy A-distance above {SATURATED} is saturated: larger shifts look the same.")
    if len(_versions(rows)) > 1:
        notes.append("Proxy A-distances of two versions, which may differ by 0.03: `run --fresh` makes them one.")
    return notes


def _versions(rows: Sequence[Mapping[str, Any]]) -> set[float]:
    """Of the proxy A-distances; records of the first version do not say it."""
    known = [row.get("proxy_a_distance_version") for row in rows if pd.notna(row.get("proxy_a_distance"))]
    return set(pd.Series(known, dtype=float).fillna(1.0))


def _failures(cells: Cells) -> list[str]:
    """A line for each error, whatever the number of runs that it ended."""
    alike: dict[str, list[RunSpec]] = {}
    for spec in cells.grid.specs:
        if spec.run_id in cells.failures:
            alike.setdefault(cells.failures[spec.run_id], []).append(spec)
    return [
        f"failed: {first}" + f" and {len(others)} more" * bool(others) + f": {error}"
        for error, (first, *others) in alike.items()
    ]


def _warnings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each method and warning, whatever the numbers in it."""
    alike: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["warnings"]:
            alike.setdefault((row["method"], re.sub(r"\d", "", row["warnings"])), []).append(row)
    notes = []
    for (method, _), same in alike.items():
        tasks = dict.fromkeys(row["task"] for row in same)
        where = next(iter(tasks)) + f" and {len(tasks) - 1} more" * (len(tasks) > 1)
        text = same[0]["warnings"].removeprefix(f"{method}: ")
        notes.append(f"warned: {len(same)} run{'s' * (len(same) > 1)} of {method} on {where}; the first: {text}.")
    return notes


def _lost_sources(cells: Cells) -> list[str]:
    """A line for each method that forgot, or never learnt, the source that it was trained on.

    It needs no target label. Whether a shift hurts is another question than whether a training failed.
    """
    notes = []
    for variant in cells.candidates:
        if METHODS.info(variant.partition("?")[0]).family == "shallow":
            continue
        gains = {task: _source_gains(cells, variant, task) for task in cells.tasks}
        losses = {task: -gain.mean() for task, gain in gains.items() if len(gain) and gain.mean() < -LOST}
        if losses:
            task, loss = max(losses.items(), key=lambda item: item[1])
            others = f" and {len(losses) - 1} more" * (len(losses) > 1)
            notes.append(
                f"lost the source: {variant} on {task}{others}: {100 * loss:.1f} points below {BASELINE} on the "
                "source's test samples. Training failed, or adaptation is too strong."
            )
    return notes


def _source_gains(cells: Cells, variant: str, task: str) -> np.ndarray:
    own, baseline = (cells.numbers("source_test_accuracy", name, task) for name in (variant, BASELINE))
    return paired(own, baseline)


def _about_seeds(n: int) -> str:
    if n < ENOUGH:
        return (
            f"Provisional: {n} seed{'s' * (n != 1)}, too few for intervals, tests or marks; "
            "brackets hold the range."
        )
    return (
        f"n = {n} seeds; ± is half of a 95% t-interval over seeds, given the data split. "
        "▼: worse than source_only (unadjusted 95% interval of the paired gain below zero)."
    )


def about_budget(grid: Grid, select: str) -> list[str]:
    """How many candidates a choice had, and whether every method had as many."""
    tries = Counter((spec.variant, spec.task, spec.seed) for spec in grid.specs)
    sizes = {variant: count for (variant, *_), count in tries.items() if not is_reference(variant)}
    protocol = grid.specs[0].protocol
    steps = len(protocol.checkpoint_steps(protocol.steps))
    notes = [
        f"selected: by {select}, without target labels, within each (method, task, seed), from "
        f"{max(sizes.values())} configurations x {steps} checkpoints. The oracle and the random candidate (mean "
        "of all) have the same candidates."
    ]
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{variant} {count}" for variant, count in sizes.items())
        notes.append(f"UNEQUAL BUDGETS ({counts} configurations): selected numbers of methods do not compare.")
    return notes

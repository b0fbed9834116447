"""What a report says below its tables: what is missing, and what to doubt."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.core.registry import METHODS
from benchmarks.evaluation.proxy_a_distance import SATURATED
from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.spec import RunSpec
from benchmarks.report.cells import ACCURACY, SKEWED, Cell, Cells, draws_by_seed, is_reference
from benchmarks.report.statistics import ENOUGH, SEEDS, paired

LOST = 0.1  # of source accuracy, or of R², below source_only: more is no price of adapting


def general(cells: Cells) -> list[str]:
    """What is missing from any table of these cells, and what to doubt."""
    notes = _about_splits(cells)
    objectives = {task: cells.objectives[task] for task in cells.unscored}
    of_both = [task for task, objective in objectives.items() if objective.n_labels > objective.n_classes]
    if rest := [task for task in cells.unscored if task not in of_both]:
        notes.append(f"Not scored: no target sample of {', '.join(rest)} has a label.")
    if of_both:
        kinds = "some of shared classes and some that are unknown"
        notes.append(f"Not scored: {', '.join(of_both)} must have labelled target samples of both kinds, {kinds}.")
    if cells.skewed:
        notes.append(
            f"Skewed: in {', '.join(cells.skewed)} the most frequent class has at least {SKEWED} times an equal "
            "share of the scored samples. majority always says it; balanced accuracy is the mean over classes."
        )
    if not cells.grid.ranked:
        notes.append("A paper's own settings: to be compared with that paper (`compare`), not ranked.")
    for family, tasks in cells.alike(cells.tasks).items():
        common = cells.common_tasks(ACCURACY, tasks)
        if 0 < len(common) < len(tasks):
            plural = "s" * (len(common) > 1)
            notes.append(f"mean of {family}: over the {len(common)} task{plural} that all shown methods have.")
    notes += [f"n/a: {variant} on {task}: {reason}." for (variant, task), reason in cells.reasons.items()]
    if cells.grid.budget:
        notes.append(f"Missing runs: {cells.grid.budget}.")
    notes += _failures(cells)
    records = [cells.records[spec.run_id] for spec in cells.grid.specs if spec.run_id in cells.records]
    notes += _warnings(records) + _lost_sources(cells)
    if any(row.get("proxy_a_distance", 0.0) >= SATURATED for row in records):
        notes.append(f"A proxy A-distance above {SATURATED} is saturated: larger shifts look the same.")
    if len(_versions(records)) > 1:
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
    score = f"source_test_{cells.objectives[task].known_by}"
    own, baseline = (cells.numbers(score, name, task) for name in (variant, BASELINE))
    return paired(own, baseline)


def about_seeds(n: int, *, tested: bool) -> list[str]:
    """How many there are, and what they allow: a sentence on intervals, and one on marks where there are any."""
    if n < ENOUGH:
        few = "too few for intervals, tests or marks; brackets hold the range"
        return [f"Provisional: {n} seed{'s' * (n != 1)}, {few}."]
    if not tested:
        return [f"n = {n} seeds; ± is half of a 95% interval over seeds."]
    return [
        f"n = {n} seeds; ± is half of a 95% interval.",
        f"▲ and ▼: better and worse than {BASELINE} (paired test, p < 0.05 after Holm's adjustment over the "
        "methods of the column).",
    ]


def about_intervals(rows: Iterable[Mapping[str, Cell]]) -> list[str]:
    """What the intervals of accuracies are of, columns of the same kind together.

    Args:
        rows: of headlines: cells by column.
    """
    columns: dict[str, dict[str, None]] = {}
    for row in rows:
        for column, cell in row.items():
            if cell.summary and cell.summary.interval == "t95":
                columns.setdefault(cell.summary.covers, {})[column] = None
    about = "; ".join(covers + f" ({', '.join(own)})" * (len(columns) > 1) for covers, own in columns.items())
    if set(columns) <= {SEEDS}:
        return ["Intervals and tests cover seeds alone."] if columns else []
    return [f"Intervals and tests of accuracy cover {about}; intervals of other numbers cover seeds."]


def _about_splits(cells: Cells) -> list[str]:
    tasks = [task for task in cells.tasks if draws_by_seed(task)]
    which = "Each seed" if len(tasks) == len(cells.tasks) else f"Of {', '.join(cells.families(tasks))}, each seed"
    return [f"{which} draws its own split where the data have none (split=seed)."] if tasks else []


def about_budget(grid: Grid, select: str, *, scored: bool) -> list[str]:
    """How many candidates a choice had, and whether every method had as many.

    Args:
        scored: whether a target label exists, and so an oracle.
    """
    tries = Counter((spec.variant, spec.task, spec.seed) for spec in grid.specs)
    sizes = {variant: count for (variant, *_), count in tries.items() if not is_reference(variant)}
    protocol = grid.specs[0].protocol
    steps = len(protocol.checkpoint_steps(protocol.steps))
    notes = [
        f"selected: by {select}, without target labels, within each (method, task, seed), from "
        f"{max(sizes.values())} configuration(s) x {steps} checkpoint(s)."
        + " The oracle and the random candidate (mean of all) have the same candidates."
        * scored
    ]
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{variant} {count}" for variant, count in sizes.items())
        notes.append(f"UNEQUAL BUDGETS ({counts} configurations): selected numbers of methods do not compare.")
    return notes

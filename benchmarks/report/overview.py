"""What can be known of a task without target labels: a row a method, a column a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.core.objective import Objective
from benchmarks.evaluation.agreement import agreement, class_shares, mean_agreement
from benchmarks.evaluation.validators import WITHOUT_LABELS
from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import Cell, Cells, is_reference
from benchmarks.report.listings import POINTS, Entry, Listing
from benchmarks.report.means import mean
from benchmarks.report.statistics import Summary, summarise
from datasets.base import class_names

RAW = "(raw inputs)"
SHORT = 10  # characters of a class's name


@dataclass(frozen=True)
class Column:
    """How a number is written. Intervals are in all numbers, and shown where they could decide something."""

    heading: str
    scale: float = 1.0
    digits: str = ".2f"
    interval: bool = False


CHANGE, AGREEMENT, SEEDS = "source_change", f"agreement_with_{BASELINE}", "agreement_between_seeds"
SHARES, DISTANCE, WARNED = "share_difference", "proxy_a_distance", "warned_runs"
OF_CLASSES = {
    **{name: Column(name) for name in WITHOUT_LABELS},
    AGREEMENT: Column("agreement", 100.0, ".1f"),
    SEEDS: Column("seeds", 100.0, ".1f"),
    SHARES: Column("shares", 100.0, "+.1f"),
}
OF_ALL = {DISTANCE: Column("distance"), WARNED: Column("warned", digits=".0f")}
ABOUT_CLASSES = (
    "im: information maximisation, of which more is better. warned: runs with a warning.",
    f"agreement: share of (up to 500 of) the target's training samples that get the class that {BASELINE} gives "
    "them with the same seed (%); seeds: the same between seeds of the method.",
    "shares: the class whose share of these predictions is furthest from its share of the source (points); "
    "`--show shares` lists all. distance: proxy A-distance of features (0 alike, 2 told apart).",
)
ABOUT_NUMBERS = ("distance: proxy A-distance of features (0 alike, 2 told apart). warned: runs with a warning.",)


@dataclass(frozen=True)
class Overview:
    """A table of one task; ``rows`` are cells by method, then by name in ``columns``."""

    task: str
    title: str
    rows: dict[str, dict[str, Cell]]
    references: frozenset[str]
    objective: Objective

    @property
    def columns(self) -> dict[str, Column]:
        return columns(self.objective)

    @property
    def legend(self) -> tuple[str, ...]:
        """What its columns are."""
        score, gain = f"{self.objective.on_source} on the source's test samples", self.objective.gains_in
        source = f"source: {self.objective.in_unit(score)}; change: beside {BASELINE}'s, paired by seed ({gain})."
        return (source, *(ABOUT_CLASSES if self.objective.of_classes else ABOUT_NUMBERS))

    @property
    def name(self) -> str:
        return f"known-{self.task}"


def columns(objective: Objective) -> dict[str, Column]:
    """What is known of a task, by name in records."""
    return {
        objective.source_score("test"): Column("source", *objective.form),
        CHANGE: Column("change", *objective.gain_form, interval=True),
        **(OF_CLASSES if objective.of_classes else {}),
        **OF_ALL,
    }


def overview(cells: Cells, task: str, how: str) -> Overview:
    """All that is known of a task that has no target label.

    Args:
        how: which step is shown.
    """
    inputs = list(cells.values("proxy_a_distance_inputs", BASELINE, task).values())[:1]
    raw = Cell(summarise([value.number for value in inputs]), tuple(value.run_id for value in inputs))
    rows = {variant: _row(cells, variant, task) for variant in cells.variants}
    references = frozenset(filter(is_reference, rows))
    title = f"What is known of {task} without target labels, {how}"
    return Overview(task, title, {RAW: {DISTANCE: raw}} | rows, references, cells.objectives[task])


def _row(cells: Cells, variant: str, task: str) -> dict[str, Cell]:
    source = cells.objectives[task].source_score("test")
    found = {metric: _mean(cells, metric, variant, task) for metric in (source, *WITHOUT_LABELS, DISTANCE)}
    found[source] = replace(found[source], missing=cells.missing(variant, task))
    if variant != BASELINE:
        found[CHANGE] = _mean(cells, source, variant, task, BASELINE)
    rows = cells.rows(variant, task)
    if rows:
        found[WARNED] = _one(sum(bool(row["warnings"]) for row in rows.values()), rows)
    known = _with_outputs(cells, variant, task)
    if rows and not known:
        found |= dict.fromkeys((AGREEMENT, SEEDS, SHARES), Cell(None, missing="no outputs"))
    if known:
        found[SHARES] = _share_difference(known, task)
        if variant != BASELINE:
            found[AGREEMENT] = _with_baseline(known, _with_outputs(cells, BASELINE, task))
        if len(known) > 1 and not cells.different_targets(task):
            found[SEEDS] = _one(mean_agreement([row["predicted"] for row in known.values()]), known)
    return {metric: found.get(metric, Cell(None)) for metric in columns(cells.objectives[task])}


def _mean(cells: Cells, metric: str, variant: str, task: str, baseline: str = "") -> Cell:
    found = mean(cells, metric, variant, [task], baseline)
    return Cell(found.summary, found.runs) if found else Cell(None)


Rows = Mapping[int, Mapping[str, Any]]  # records by seed


def _cell(values: Sequence[float], rows: Rows, note: str = "") -> Cell:
    """Of a value a seed."""
    return Cell(summarise(values), _ids(rows), note=note)


def _one(value: float, rows: Rows) -> Cell:
    """Of a value that all seeds make together."""
    return Cell(Summary(value, value, value, len(rows), "none"), _ids(rows))


def _ids(rows: Rows) -> tuple[str, ...]:
    return tuple(row["run_id"] for row in rows.values())


def _with_outputs(cells: Cells, variant: str, task: str) -> Rows:
    rows = cells.rows(variant, task)
    return {seed: row for seed, row in rows.items() if isinstance(row.get("predicted"), np.ndarray)}


def _with_baseline(rows: Rows, baseline: Rows) -> Cell:
    paired = {seed: row for seed, row in rows.items() if seed in baseline}
    return _cell(
        [agreement(row["predicted"], baseline[seed]["predicted"]) for seed, row in paired.items()], paired
    )


def _share_difference(rows: Rows, task: str) -> Cell:
    """Of the class of which it is the largest, with its name."""
    differences = np.array([_shares(row) - row["source_shares"] for row in rows.values()])
    number = int(np.abs(differences.mean(axis=0)).argmax())
    return _cell(differences[:, number].tolist(), rows, class_names(task)[number])


def _shares(row: Mapping[str, Any]) -> np.ndarray:
    return class_shares(row["predicted"], len(row["source_shares"]))


def shares(cells: Cells, task: str) -> Listing:
    """Each class's share of the source and of each method's predictions on the target, means over seeds."""
    columns: dict[str, np.ndarray] = {}
    for variant in cells.variants:
        if rows := _with_outputs(cells, variant, task).values():
            columns.setdefault("source", np.mean([row["source_shares"] for row in rows], axis=0))
            columns[variant] = np.mean([_shares(row) for row in rows], axis=0)
    rows_of: list[dict[str, Entry]] = [
        {"class": name, **{column: float(values[number]) for column, values in columns.items()}}
        for number, name in enumerate(class_names(task) if columns else ())
    ]
    title = f"Shares of classes (%), in the source and predicted of the target: {task}"
    return Listing(f"shares-{task}", title, rows_of, dict.fromkeys(columns, POINTS))

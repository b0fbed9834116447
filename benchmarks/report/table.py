"""What a table says: which cells there are, their numbers, and what is missing and why."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmarks.evaluation.proxy_a_distance import SATURATED
from benchmarks.grid import BASELINE, Grid, RunSpec
from benchmarks.registry import METHODS
from benchmarks.report.statistics import ENOUGH, Summary, holm, hurts, paired, paired_p, summarise

ACCURACY = "target_test_accuracy"
MEAN = "mean"
PERCENT = 100.0


@dataclass(frozen=True)
class Cell:
    """One number with what stands behind it; without a summary, ``missing`` says why there is none."""

    summary: Summary | None
    runs: tuple[str, ...] = ()
    missing: str = ""
    best: bool = False
    hurts: bool = False


@dataclass(frozen=True)
class Block:
    """A table of cells: a row a method, a column a task."""

    metric: str
    title: str
    columns: list[str]
    rows: dict[str, dict[str, Cell]]
    scale: float = 1.0
    references: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Gain:
    """A member of the primary family: a method's gain over the baseline, averaged over tasks within a seed."""

    method: str
    summary: Summary
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class Report:
    """Everything a table prints, in no format yet."""

    suite: str
    protocol: str
    blocks: list[Block]
    gains: list[Gain]
    notes: list[str] = field(default_factory=list)


class _Cells:
    """What there is of a grid: its runs by cell, and their records."""

    def __init__(self, grid: Grid, records: pd.DataFrame, failures: Mapping[str, str]) -> None:
        self.grid, self.failures = grid, failures
        self.records: dict[str, dict[str, Any]] = {row["run_id"]: row for row in records.to_dict("records")}
        self.specs: dict[tuple[str, str], dict[int, RunSpec]] = {}
        for spec in grid.specs:
            self.specs.setdefault((spec.variant, spec.task), {})[spec.seed] = spec
        self.reasons = {(cell.variant, cell.task): cell.reason for cell in grid.not_applicable}
        keys = [*self.specs, *self.reasons]
        self.variants = list(dict.fromkeys(variant for variant, _ in keys))
        self.tasks = list(dict.fromkeys(task for _, task in keys))
        self.seeds = sorted({spec.seed for spec in grid.specs})

    def values(self, metric: str, variant: str, task: str) -> dict[int, float]:
        """Seed to value, of the runs that have one."""
        found = {}
        for seed, spec in self.specs.get((variant, task), {}).items():
            value = self.records.get(spec.run_id, {}).get(metric)
            if value is not None and not math.isnan(value):
                found[seed] = float(value)
        return found

    def runs(self, variant: str, task: str, seeds: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.specs[variant, task][seed].run_id for seed in seeds)

    def missing(self, variant: str, task: str) -> str:
        """Why a cell has fewer runs than planned; empty if it has all."""
        if (variant, task) in self.reasons:
            return "n/a"
        ids = [spec.run_id for spec in self.specs.get((variant, task), {}).values()]
        failed = sum(run in self.failures for run in ids)
        absent = sum(run not in self.records for run in ids) - failed
        parts = [f"{failed} failed"] * bool(failed) + [f"{absent} missing"] * bool(absent)
        return f"{', '.join(parts)} of {len(ids)}" if parts else ""

    def is_reference(self, variant: str) -> bool:
        return METHODS.info(variant.partition("?")[0]).reference


def build_report(
    grid: Grid, records: pd.DataFrame, failures: Mapping[str, str], extra: tuple[str, ...] = ()
) -> Report:
    """The report of a grid from whatever records of it there are.

    Args:
        failures: run ids that failed, with their errors.
        extra: further metrics to show, each a block: columns of the records.
    """
    cells = _Cells(grid, records, failures)
    blocks = [
        _block(cells, ACCURACY, "Target test accuracy (%), last step", PERCENT, compare=True),
        _distances(cells),
    ]
    for metric in extra:
        percent = metric.endswith("accuracy")
        title = metric.replace("_", " ").capitalize() + (" (%)" if percent else "")
        blocks.append(_block(cells, metric, title, PERCENT if percent else 1.0))
    protocols = {spec.protocol.scoring for spec in grid.specs}
    return Report(grid.suite, ", ".join(sorted(protocols)), blocks, _gains(cells), _notes(cells))


def _block(cells: _Cells, metric: str, title: str, scale: float, *, compare: bool = False) -> Block:
    rows: dict[str, dict[str, Cell]] = {}
    for variant in cells.variants:
        rows[variant] = {task: _cell(cells, metric, variant, task, compare) for task in cells.tasks}
        if len(cells.tasks) > 1:
            rows[variant][MEAN] = _mean_cell(cells, metric, variant)
    columns = [*cells.tasks, *([MEAN] if len(cells.tasks) > 1 else [])]
    references = frozenset(variant for variant in cells.variants if cells.is_reference(variant))
    if compare:
        _mark_best(rows, columns, references)
    return Block(metric, title, columns, rows, scale, references)


def _cell(cells: _Cells, metric: str, variant: str, task: str, compare: bool) -> Cell:
    values = cells.values(metric, variant, task)
    runs = cells.runs(variant, task, values)
    compare = compare and not cells.is_reference(variant)
    worse = compare and hurts(paired(values, cells.values(metric, BASELINE, task)))
    return Cell(summarise(list(values.values())), runs, cells.missing(variant, task), hurts=worse)


def _mean_cell(cells: _Cells, metric: str, variant: str) -> Cell:
    values, runs = _task_means(cells, metric, variant)
    return Cell(summarise(list(values.values())), runs)


def _common_tasks(cells: _Cells, metric: str) -> list[str]:
    """Tasks for which every shown method has a value."""
    return [t for t in cells.tasks if all(cells.values(metric, v, t) for v in cells.variants)]


def _task_means(cells: _Cells, metric: str, variant: str) -> tuple[dict[int, float], tuple[str, ...]]:
    """Seed to mean over the common tasks, of seeds that have all of them; and the runs behind it."""
    tasks = _common_tasks(cells, metric)
    by_task = [cells.values(metric, variant, task) for task in tasks]
    seeds = sorted(set.intersection(*(set(values) for values in by_task))) if by_task else []
    runs = tuple(run for task in tasks for run in cells.runs(variant, task, seeds))
    return {seed: sum(values[seed] for values in by_task) / len(by_task) for seed in seeds}, runs


def _mark_best(rows: dict[str, dict[str, Cell]], columns: list[str], references: frozenset[str]) -> None:
    for column in columns:
        means = {
            variant: round(cell.summary.mean, 6)
            for variant, row in rows.items()
            if variant not in references and (cell := row[column]).summary is not None
        }
        for variant, mean in means.items():
            if mean == max(means.values()) and len(means) > 1:
                cell = rows[variant][column]
                rows[variant][column] = Cell(cell.summary, cell.runs, cell.missing, True, cell.hurts)


def _distances(cells: _Cells) -> Block:
    """Proxy A-distances of the learned features, below that of the raw inputs, which every run carries."""
    block = _block(cells, "proxy_a_distance", "Proxy A-distance of features (0 alike, 2 told apart)", 1.0)
    raw: dict[str, Cell] = {}
    for task in cells.tasks:
        values = cells.values("proxy_a_distance_inputs", BASELINE, task)
        raw[task] = Cell(summarise(list(values.values())[:1]), cells.runs(BASELINE, task, list(values)[:1]))
    known = [cell.summary.mean for cell in raw.values() if cell.summary]
    if MEAN in block.columns and len(known) == len(cells.tasks):
        raw[MEAN] = Cell(summarise([sum(known) / len(known)]))
    # A reference is trained on the target alone: it has no distance between two domains.
    rows = {name: row for name, row in block.rows.items() if name not in block.references}
    return Block(block.metric, block.title, block.columns, {"(raw inputs)": raw} | rows)


def _gains(cells: _Cells) -> list[Gain]:
    """The primary family, Holm-adjusted over its methods."""
    baseline, _ = _task_means(cells, ACCURACY, BASELINE)
    found = []
    for variant in cells.variants:
        if variant == BASELINE or cells.is_reference(variant):
            continue
        gains = paired(_task_means(cells, ACCURACY, variant)[0], baseline)
        summary = summarise(list(gains))
        if summary is not None:
            found.append((variant, summary, paired_p(gains)))
    tested = [p for _, _, p in found if p is not None]
    adjusted = iter(holm(tested))
    return [Gain(variant, summary, p, next(adjusted) if p is not None else None) for variant, summary, p in found]


def _notes(cells: _Cells) -> list[str]:
    notes = [_about_seeds(len(cells.seeds))]
    common = _common_tasks(cells, ACCURACY)
    if len(common) < len(cells.tasks):
        notes.append(f"mean: over the {len(common)} tasks that all shown methods have.")
    notes += [f"n/a: {variant} on {task}: {reason}." for (variant, task), reason in cells.reasons.items()]
    failed = [spec for spec in cells.grid.specs if spec.run_id in cells.failures]
    notes += [f"failed: {spec}: {cells.failures[spec.run_id]}" for spec in failed]
    rows = [cells.records[spec.run_id] for spec in cells.grid.specs if spec.run_id in cells.records]
    warned = Counter((row["method"], row["task"]) for row in rows if row["warnings"])
    notes += [
        f"warned: {method} on {task}, {count} runs; their provenance.json says of what."
        for (method, task), count in warned.items()
    ]
    if any(row.get("proxy_a_distance", 0.0) >= SATURATED for row in rows):
        notes.append(f"A proxy A-distance above {SATURATED} is saturated: larger shifts look the same.")
    return notes


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

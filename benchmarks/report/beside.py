"""Ours beside published numbers: which runs a published number is compared with, and the table of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from benchmarks.plan.grid import Grid
from benchmarks.report import selection
from benchmarks.report.cells import ACCURACY, Cells, Value, Values, without_split
from benchmarks.report.listings import Entry, Listing
from benchmarks.report.published import (
    MEAN,
    METRICS,
    PROTOCOLS,
    Comparison,
    Published,
    judge,
    selection_of,
)
from benchmarks.report.statistics import summarise
from benchmarks.report.table import Report

ACCURACIES = (ACCURACY, "target_class_mean_accuracy")  # what a heading calls so


def compare(
    rows: Sequence[Published],
    cells: Cells,
    suite: str,
    judged_by: str,
    select: str | None,
    explained: Mapping[tuple[str, str, str], str],
) -> list[Comparison]:
    """Every published number beside ours, those that ours is judged by before the others.

    Args:
        judged_by: see :func:`judge`.
        select: the validator that chose ours among candidates, if any.
    """
    ordered = sorted(rows, key=partial(_order, suite))
    return [_compare(row, cells, judged_by, select, explained) for row in ordered]


def chosen_cells(planned: Grid, records: pd.DataFrame, failures: Mapping[str, str], select: str | None) -> Cells:
    """Our numbers, with what a validator chose among whole sets of candidates."""
    choices = selection.choices(selection.candidates(_whole(planned, records), records), select) if select else {}
    return Cells(planned, records, failures, choices)


def _whole(planned: Grid, records: pd.DataFrame) -> Grid:
    """The grid without choices that lack a run: the best of some candidates is not what was asked for."""
    known = set(records["run_id"]) if len(records) else set()
    runs = planned.runs
    lacking = {(spec.variant, spec.task, spec.seed) for spec in runs if spec.run_id not in known}
    whole = [spec for spec in planned.specs if (spec.variant, spec.task, spec.seed) not in lacking]
    return replace(planned, specs=whole)


def _compare(
    row: Published,
    cells: Cells,
    judged_by: str,
    select: str | None,
    explained: Mapping[tuple[str, str, str], str],
) -> Comparison:
    """A published number beside ours: the same method and task, the seeds that have it."""
    variant = next((each for each in cells.variants if each.partition("?")[0] == row.ours), "")
    specs = [spec for (name, _), by_seed in cells.specs.items() if name == variant for spec in by_seed.values()]
    tasks = [task for task in cells.tasks if row.task in (MEAN, without_split(task, cells.tasks))]
    values = _values(row, cells, variant, tasks, select)
    numbers = [row.read_as.scale * sum(value.number for value in each) / len(each) for each in values.values()]
    return judge(
        row,
        summarise(numbers),
        judged_by,
        selection_of(select, specs[0].protocol.stopping.name if specs else "last"),
        explained.get((row.protocol_id, row.task, row.method), ""),
        tuple(value.run_id for each in values.values() for value in each),
        planned=bool(tasks),
    )


def _values(
    row: Published, cells: Cells, variant: str, tasks: Sequence[str], select: str | None
) -> dict[int, list[Value]]:
    """Ours by seed, one value a task, of the seeds that have all tasks."""
    if select and any(row.metric != cells.objectives[task].headline for task in tasks):
        return {}  # what a choice gave is known by the headline only
    by_task: list[Values] = [
        cells.values(selection.SELECTED, variant, task) if select else cells.recorded(row.metric, variant, task)
        for task in tasks
    ]
    seeds = sorted(set.intersection(*(set(values) for values in by_task))) if by_task else []
    return {seed: [values[seed] for values in by_task] for seed in seeds}


def _order(suite: str, row: Published) -> tuple[Any, ...]:
    """By method, ours first; by task, the mean last; then the rows that ours is judged by before the others."""
    method, task = (not row.ours, row.ours or row.method), (row.task == MEAN, row.task, row.metric)
    return *method, *task, row.protocol_id != suite, row.citation


def report_of(suite: str, comparisons: Sequence[Comparison]) -> Report:
    """One listing, a row a published number; where it was published is in numbered notes."""
    sources: dict[str, int] = {}
    numbers = [sources.setdefault(_source(each.published), len(sources) + 1) for each in comparisons]
    named = (each.published.task for each in comparisons if each.published.task != MEAN)
    family = next(named, "").partition("/")[0]
    rows = [_entries(each, family, number) for each, number in zip(comparisons, numbers, strict=True)]
    digits = ".4g" if _other_units(comparisons) else ".1f"
    formats = {"ours": (1.0, digits), "gap": (1.0, f"+{digits}"), "limit": (1.0, digits)}
    listing = Listing("compare", f"{_heading(comparisons)} beside published numbers", rows, formats)
    chosen = ", ".join(sorted({each.selection for each in comparisons if each.ours})) or "not run"
    legend = [
        "gap: ours − published, in points. limit: the published spread, or 1 point if that is more (2 on "
        "SVHN→MNIST, 5 on MNIST-M). inside: the gap is at most that.",
        _judged(suite, comparisons),
        *_reversed(comparisons),
        "ours: mean of n seeds, ± half of a 95% t-interval over seeds alone from 5 of them on, else the range.",
    ]
    explained = {
        f"† {each.published.method} on {each.published.task}: results/notes/{each.explained}.md": None
        for each in comparisons
        if each.explained
    }
    notes = [*legend, *explained, *(f"[{number}] {text}" for text, number in sources.items())]
    return Report(suite, f"ours chosen by: {chosen}", [], [listing], notes, legend=legend)


def _heading(comparisons: Sequence[Comparison]) -> str:
    """What the numbers are, with their unit where they share it."""
    metrics = dict.fromkeys(each.published.metric for each in comparisons)
    what = "accuracy" if {*metrics} <= {*ACCURACIES} else "scores"
    return f"Target {what}" + " (%)" * (not _other_units(comparisons))


def _other_units(comparisons: Sequence[Comparison]) -> bool:
    return not all(each.published.read_as.is_share for each in comparisons)


def _reversed(comparisons: Sequence[Comparison]) -> list[str]:
    """Of which scores less is better, and so how their gaps are read."""
    names = dict.fromkeys(
        each.published.read_as.name for each in comparisons if not each.published.read_as.higher_is_better
    )
    return [f"gap of {' and '.join(names)}: published − ours, so that above is better there too."] * bool(names)


def _judged(suite: str, comparisons: Sequence[Comparison]) -> str:
    """Which rows are judged; where none can be, that and why."""
    protocols = {each.published.protocol_id for each in comparisons}
    if suite in protocols:
        return (
            f"Judged are rows of protocol {suite} that were chosen in the same way as ours, if ours has the "
            "suite's settings; others are only shown."
        )
    tasks = "" if any(each.planned for each in comparisons) else ", and has none of their tasks"
    return f"None is judged: suite {suite} follows no protocol of theirs ({', '.join(sorted(protocols))}){tasks}."


def _entries(each: Comparison, family: str, number: int) -> dict[str, Entry]:
    row = each.published
    task = row.task.removeprefix(f"{family}/") + (f" ({METRICS[row.metric]})" if row.metric != ACCURACY else "")
    return {
        "method": row.ours or "-",
        "published as": row.method,
        f"{family}/" if family else "task": task,
        "ours": each.ours,
        "n": str(each.ours.n) if each.ours else "-",
        "published": f"{row.accuracy:g}" + (f" ± {row.spread:g}" if row.spread is not None else ""),
        "gap": each.difference,
        "limit": each.tolerance,
        "verdict": (each.verdict or ("shown" if each.ours else "-")) + "†" * bool(each.explained),
        "from": f"[{number}]",
    }


def _source(row: Published) -> str:
    """Where a number is from, and under which conditions it was made."""
    parts = [
        f"{row.citation}; {row.kind}, read in {row.where_read}",
        f"Protocol {row.protocol_id} ({PROTOCOLS[row.protocol_id]}), selection {row.selection}"
        + (f", spread: {row.spread_kind}" if row.spread_kind else ""),
        row.protocol_note,
    ]
    return ". ".join(part for part in parts if part)


def as_json(suite: str, comparisons: Sequence[Comparison]) -> str:
    return json.dumps({"suite": suite, "rows": [_object(each) for each in comparisons]}, indent=1)


def _object(each: Comparison) -> dict[str, Any]:
    """All that is known of a row, for a program."""
    row, ours = each.published, each.ours
    return {
        **row.model_dump(mode="json"),
        "unit": row.read_as.unit,
        "mean": ours.mean if ours else None,
        "low": ours.low if ours else None,
        "high": ours.high if ours else None,
        "n": ours.n if ours else 0,
        "interval": ours.interval if ours else "none",
        "our_selection": each.selection,
        "difference": each.difference,
        "tolerance": each.tolerance,
        "judged": each.judged,
        "verdict": each.verdict or None,
        "reason": each.reason,
        "explained": each.explained or None,
        "runs": list(each.runs),
    }

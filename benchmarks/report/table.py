"""What a report says: blocks of cells, listings, and notes on what is missing and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.report import listings, notes, selection
from benchmarks.report.cells import ACCURACY, Cell, Cells, is_reference
from benchmarks.report.listings import Complete, Listing
from benchmarks.report.options import PARTS
from benchmarks.report.statistics import binomial_error, hurts, paired, summarise

MEAN = "mean"
PERCENT = 100.0
SHARES = ("accuracy", "rate", "calibration_error", "_f1", "_auc")


@dataclass(frozen=True)
class Block:
    """A table of cells: a row a method, a column a task; ``footer`` says more of each column."""

    metric: str
    title: str
    columns: list[str]
    rows: dict[str, dict[str, Cell]]
    scale: float = 1.0
    references: frozenset[str] = frozenset()
    footer: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Everything a table prints, in no format yet. ``complete`` is what a ranking over tasks rests on."""

    suite: str
    protocol: str
    blocks: list[Block]
    listings: list[Listing]
    notes: list[str]
    complete: Complete | None = None

    @property
    def family(self) -> str:
        """Of all tasks, with its slash; empty where there are several."""
        tasks = {column for block in self.blocks for column in block.columns if column != MEAN}
        families = {task.partition("/")[0] for task in tasks}
        return f"{families.pop()}/" if len(families) == 1 else ""


def build_report(
    grid: Grid,
    records: pd.DataFrame,
    failures: Mapping[str, str],
    show: Sequence[str] = (),
    select: str | None = None,
) -> Report:
    """The report of a grid from whatever records of it there are.

    Args:
        failures: run ids that failed, with their errors.
        show: more to show: columns of the records, and any of ``PARTS``.
        select: the validator that chooses among candidates, if any.
    """
    frame = selection.candidates(grid, records) if select or "validators" in show else pd.DataFrame()
    cells = Cells(grid, records, failures, selection.choices(frame, select) if select else {})
    complete = Complete.of(cells) if grid.ranked else None
    kept = ", ".join(sorted({spec.protocol.stopping.kept for spec in grid.specs}))
    blocks = []
    if cells.scored:
        blocks.append(_accuracy(cells, ACCURACY, f"Target test accuracy (%), {kept}"))
        if select:
            blocks.append(_accuracy(cells, selection.SELECTED, f"Target test accuracy (%), selected by {select}"))
    if cells.unscored:
        title = "Source test accuracy (%)"
        blocks.append(_block(cells, selection.SOURCE, f"{title}, {kept}", PERCENT, cells.unscored))
        if select:
            by = f"{title}, selected by {select}"
            blocks.append(_block(cells, selection.SELECTED_SOURCE, by, PERCENT, cells.unscored))
    blocks.append(_distances(cells))
    for metric in show:
        if metric not in (*PARTS, *(block.metric for block in blocks)):
            share = metric.endswith(SHARES)
            title = metric.replace("_", " ").capitalize() + " (%)" * share
            blocks.append(_block(cells, metric, title, PERCENT if share else 1.0))
    scoring = ", ".join(sorted({spec.protocol.scoring for spec in grid.specs}))
    said = notes.general(cells) + (notes.about_budget(grid, select) if select else [])
    return Report(grid.suite, scoring, blocks, _listings(cells, frame, show, select, complete), said, complete)


def _listings(
    cells: Cells, frame: pd.DataFrame, show: Sequence[str], select: str | None, complete: Complete | None
) -> list[Listing]:
    title = "Gain over source_only, mean over tasks, paired by seed (points)"
    found = [listings.gains(cells, ACCURACY, title)]
    if select and cells.scored:
        found.append(listings.gains(cells, selection.SELECTED, f"{title}: selected by {select}"))
        found.append(listings.side_by_side(cells, select))
    if len(scored := selection.scored(frame)):
        found.append(listings.validators(scored))
    if "statistics" in show and complete:
        found += listings.statistics(complete)
    if "bound" in show:
        found.append(listings.bound(cells))
    if "confusion" in show:
        found += listings.confusion(cells)
    return [listing for listing in found if listing.rows]


def _accuracy(cells: Cells, metric: str, title: str) -> Block:
    """A block whose methods are compared with the baseline; with the size of each test set."""
    block = _block(cells, metric, title, PERCENT, cells.scored)
    rows = {
        variant: {
            column: replace(cell, hurts=_worse(cells, metric, variant, column)) for column, cell in row.items()
        }
        for variant, row in block.rows.items()
    }
    if cells.grid.ranked:
        _mark_best(rows, block.columns, block.references)
    sizes = _test_sets(cells)
    return replace(block, rows=rows, footer={"(test samples; their standard error)": sizes} if sizes else {})


def _worse(cells: Cells, metric: str, variant: str, column: str) -> bool:
    if column == MEAN or is_reference(variant):
        return False
    return hurts(paired(cells.numbers(metric, variant, column), cells.numbers(metric, BASELINE, column)))


def _test_sets(cells: Cells) -> dict[str, str]:
    """Size of each test set, and the binomial standard error of the baseline's accuracy on it, in points."""
    found = {}
    for task in cells.tasks:
        sizes = cells.numbers("target_test_n", BASELINE, task).values()
        baseline = summarise(list(cells.numbers(ACCURACY, BASELINE, task).values()))
        if sizes and baseline:
            n = int(next(iter(sizes)))
            found[task] = f"{n}; {PERCENT * binomial_error(baseline.mean, n):.1f}"
    return found


def _block(cells: Cells, metric: str, title: str, scale: float, tasks: Sequence[str] = ()) -> Block:
    """A block of these tasks, or of all."""
    tasks = tasks or cells.tasks
    several = len(tasks) > 1
    shown = cells.candidates if metric in cells.chosen else cells.variants
    rows: dict[str, dict[str, Cell]] = {}
    for variant in shown:
        rows[variant] = {task: cells.cell(metric, variant, task) for task in tasks}
        if several:
            values, runs = cells.task_means(metric, variant)
            rows[variant][MEAN] = Cell(summarise(list(values.values())), runs)
    references = frozenset(variant for variant in shown if is_reference(variant))
    return Block(metric, title, [*tasks, *[MEAN] * several], rows, scale, references)


def _mark_best(rows: dict[str, dict[str, Cell]], columns: list[str], references: frozenset[str]) -> None:
    for column in columns:
        means = {
            variant: round(cell.summary.mean, 6)
            for variant, row in rows.items()
            if variant not in references and (cell := row[column]).summary is not None
        }
        for variant, mean in means.items():
            if mean == max(means.values()) and len(means) > 1:
                rows[variant][column] = replace(rows[variant][column], best=True)


def _distances(cells: Cells) -> Block:
    """Proxy A-distances of the learned features, below that of the raw inputs, which every run carries."""
    block = _block(cells, "proxy_a_distance", "Proxy A-distance of features (0 alike, 2 told apart)", 1.0)
    raw: dict[str, Cell] = {}
    for task in cells.tasks:
        values = list(cells.values("proxy_a_distance_inputs", BASELINE, task).values())[:1]
        raw[task] = Cell(summarise([value.number for value in values]), tuple(value.run_id for value in values))
    known = [cell.summary.mean for cell in raw.values() if cell.summary]
    if MEAN in block.columns and len(known) == len(cells.tasks):
        raw[MEAN] = Cell(summarise([sum(known) / len(known)]))
    # References are bounds of accuracy; what their features look like is no method's doing.
    rows = {name: row for name, row in block.rows.items() if name not in block.references}
    return replace(block, rows={"(raw inputs)": raw} | rows)

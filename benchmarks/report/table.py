"""What a report says: blocks of cells, listings, and notes on what is missing and why."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import pandas as pd

from benchmarks.core.headline import Form
from benchmarks.core.objective import Objective
from benchmarks.core.settings import UserError, nearest
from benchmarks.evaluation.targets import BY_DOMAIN
from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.suite import task_names
from benchmarks.records.plausible import kind_of
from benchmarks.report import listings, notes, overview, selection, sweep, targets
from benchmarks.report.cells import ACCURACY, Cell, Cells, is_reference, without_split
from benchmarks.report.listings import Complete, Listing
from benchmarks.report.means import mean
from benchmarks.report.options import PARTS
from benchmarks.report.overview import DISTANCE, Overview
from benchmarks.report.statistics import LEVEL, Summary, binomial_error, holm, summarise

PERCENT: Form = (100.0, ".1f")
NUMBER: Form = (1.0, ".2f")
BALANCED = "target_class_mean_accuracy"
MAJORITY = "majority"
NAMES = {ACCURACY: "accuracy", DISTANCE: "distance"}  # of blocks; of another, its metric


@dataclass(frozen=True)
class Block:
    """A table of cells: a row a method, a column a task or a mean; ``footer`` says more of each column.

    Attributes:
        form: how its numbers are written, but those of columns that have an objective.
        means: by the name of a column that is a mean, the tasks of one family that it is over.
        objectives: by column, whose headline it has, as it is or as a choice gave it; none of other numbers.
    """

    metric: str
    title: str
    columns: list[str]
    rows: dict[str, dict[str, Cell]]
    form: Form = NUMBER
    references: frozenset[str] = frozenset()
    footer: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    means: Mapping[str, Sequence[str]] = field(default_factory=dict)
    objectives: Mapping[str, Objective] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What asks for it and files call it; what is no share says so: ``accuracy-rmse``."""
        others = dict.fromkeys(each.name.lower() for each in self.objectives.values() if not each.is_share)
        return "-".join([NAMES.get(self.metric, self.metric), *others])

    def form_of(self, column: str) -> Form:
        """How the numbers of a column are written."""
        return self.objectives[column].form if column in self.objectives else self.form

    def metric_of(self, column: str) -> str:
        """What records call the numbers of a column."""
        own = self.metric == ACCURACY and column in self.objectives
        return self.objectives[column].headline if own else self.metric

    @property
    def tasks(self) -> list[str]:
        return [column for column in self.columns if column not in self.means]


@dataclass(frozen=True)
class Report:
    """Everything a table prints, in no format yet.

    Attributes:
        complete: what rankings rest on, by family.
        legend: those of the notes that say how numbers are read.
    """

    suite: str
    protocol: str
    blocks: list[Block]
    listings: list[Listing]
    notes: list[str]
    complete: Sequence[Complete] = ()
    overviews: Sequence[Overview] = ()
    legend: Sequence[str] = ()

    def only(self, names: Sequence[str]) -> "Report":
        """With the tables of these names alone; ``gain`` is all whose names begin so: ``gain-toys``.

        Raises:
            UserError: there is no such table.
        """
        every: Sequence[Block | Overview | Listing] = [*self.blocks, *self.overviews, *self.listings]
        known = [each.name for each in every]
        for name in names:
            if not any(_called(each, [name]) for each in known):
                raise UserError(f"--only: no table {nearest(name, known)}")
        return replace(
            self,
            blocks=[each for each in self.blocks if _called(each.name, names)],
            overviews=[each for each in self.overviews if _called(each.name, names)],
            listings=[each for each in self.listings if _called(each.name, names)],
        )

    @cached_property
    def tasks(self) -> list[str]:
        scored = [task for block in self.blocks for task in block.tasks]
        return list(dict.fromkeys([*scored, *(each.task for each in self.overviews)]))

    @property
    def settings(self) -> str:
        """Whose they are, in words: a suite's own table, or other tasks with its settings, as one's own data."""
        ours = {*self.tasks} <= {*task_names(self.suite)}
        return f"Suite {self.suite}" if ours else f"Settings of suite {self.suite}"

    @cached_property
    def family(self) -> str:
        """Of all tasks, with its slash; empty where there are several."""
        families = {task.partition("/")[0] for task in self.tasks}
        return f"{families.pop()}/" if len(families) == 1 else ""

    def heading(self, column: str) -> str:
        """What is above a column: what all tasks share is said once, elsewhere."""
        return self.shown(column).removeprefix(self.family)

    def shown(self, text: str) -> str:
        """A text with its tasks as people read them: a note says once that splits follow the seed."""
        pattern, names = self._names
        return pattern.sub(lambda task: names[task[0]], text) if names else text

    @cached_property
    def _names(self) -> tuple[re.Pattern[str], dict[str, str]]:
        tasks = sorted(self.tasks, key=len, reverse=True)  # one may begin with another
        return re.compile("|".join(map(re.escape, tasks))), {task: without_split(task, tasks) for task in tasks}


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
        select: the validator that chooses among candidates; none: blocks have the last step alone.
    """
    return report_on(cells_of(grid, records, failures, show, select), show, select)


class Chosen(NamedTuple):
    """The cells of a grid, the candidates that its choices are made among, and the validator that chose."""

    cells: Cells
    candidates: pd.DataFrame
    by: str | None


def cells_of(
    grid: Grid, records: pd.DataFrame, failures: Mapping[str, str], show: Sequence[str], select: str | None
) -> Chosen:
    """What a report is made from; see :func:`build_report`."""
    rule = selection.rule(grid, select)
    frame = selection.candidates(grid, records) if rule or "validators" in show else pd.DataFrame()
    cells = Cells(grid, records, failures, selection.choices(frame, rule) if rule else {})
    return Chosen(cells, frame, rule if select or selection.several(frame) else None)


def report_on(chosen: Chosen, show: Sequence[str], select: str | None) -> Report:
    """What there is to say of these cells; see :func:`build_report`."""
    cells, frame, chosen_by = chosen
    grid = cells.grid
    complete = Complete.by_family(cells) if grid.ranked else []
    kept = ", ".join(sorted({spec.protocol.stopping.kept for spec in grid.specs}))
    blocks = []
    if cells.scored:
        for tasks in _by_unit(cells, cells.scored):
            title = cells.heading(tasks)
            blocks.append(accuracy_block(cells, ACCURACY, f"{title}, {kept}", tasks))
            if select:
                by = f"{title}, selected by {select}"
                blocks.append(accuracy_block(cells, selection.SELECTED, by, tasks))
        if cells.skewed and BALANCED not in show:
            blocks.append(
                block_of(cells, BALANCED, f"Balanced target accuracy (%), {kept}", PERCENT, cells.skewed)
            )
        distances = _distances(cells)
        if any(cell.summary for row in distances.rows.values() for cell in row.values()):  # of samples enough
            blocks.append(distances)
    if cells.unscored and select:
        blocks += [_sources(cells, select, tasks) for tasks in _by_unit(cells, cells.unscored)]
    for metric in show:
        if metric not in (*PARTS, *(block.metric for block in blocks)):
            share = kind_of(metric) == "share"
            title = metric.replace("_", " ").capitalize() + " (%)" * share
            blocks.append(block_of(cells, metric, title, PERCENT if share else NUMBER))
    scoring = ", ".join(sorted({spec.protocol.scoring for spec in grid.specs}))
    unlabelled = [overview.overview(cells, task, kept) for task in cells.unscored]
    seeds = notes.about_seeds(len(cells.seeds), tested=bool(cells.scored))
    intervals = notes.about_intervals(
        row for block in blocks if block.metric == ACCURACY for row in block.rows.values()
    )
    legend = dict.fromkeys(line for each in unlabelled for line in each.legend)
    said = [" ".join(seeds), *intervals, *notes.general(cells), *legend]
    if chosen_by and (cells.scored or select):
        said += notes.about_budget(grid, chosen_by, scored=bool(cells.scored))
    found = _listings(cells, frame, show, select, chosen_by, complete)
    return Report(grid.suite, scoring, blocks, found, said, complete, unlabelled, [*seeds, *intervals])


def _listings(
    cells: Cells,
    frame: pd.DataFrame,
    show: Sequence[str],
    select: str | None,
    chosen_by: str | None,
    complete: Sequence[Complete],
) -> list[Listing]:
    found = []
    for tasks in cells.summed_up(cells.scored).values():
        found.append(listings.gains(cells, ACCURACY, tasks))
        if select:
            found.append(listings.gains(cells, selection.SELECTED, tasks, f": selected by {select}"))
        if chosen_by:
            found.append(listings.side_by_side(cells, chosen_by, tasks))
        own = selection.scored(frame) if select or "validators" in show else pd.DataFrame()
        if len(own) and (own := own[own["task"].isin(tasks)]).size:
            found.append(listings.validators(cells, own, tasks))
    if "statistics" in show:
        for each in complete:
            found += listings.statistics(cells, each)
    found += sweep.listings_of(cells, chosen_by)
    if "bound" in show:
        found.append(listings.bound(cells))
    if "shares" in show:
        found += [overview.shares(cells, task) for task in cells.tasks]
    if BY_DOMAIN in show:
        found += [targets.by_domain(cells, task) for task in cells.scored]
    if "confusion" in show:
        found += listings.confusion(cells)
    return [listing for listing in found if listing.rows]


def _sources(cells: Cells, select: str, tasks: Sequence[str]) -> Block:
    """Of tasks without target labels, what their source's samples say of the choice."""
    objective = cells.objectives[tasks[0]]
    title = objective.in_unit(f"Source test {objective.on_source}")
    return block_of(cells, selection.SELECTED_SOURCE, f"{title}, selected by {select}", objective.form, tasks)


def _by_unit(cells: Cells, tasks: Sequence[str]) -> list[list[str]]:
    """Tasks whose headlines can be in one table."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        found.setdefault(cells.objectives[task].unit, []).append(task)
    return [*found.values()]


def accuracy_block(cells: Cells, metric: str, title: str, tasks: Sequence[str] = ()) -> Block:
    """A block whose methods are compared with the baseline; with the size of each test set.

    Args:
        tasks: none: all that are scored.
    """
    block = headlines_of(cells, metric, title, tasks or cells.scored)
    rows = block.rows
    for column in block.columns:
        rows = _mark_gains(cells, metric, rows, column, block.means.get(column, [column]))
    if cells.grid.ranked:
        _mark_best(rows, block.objectives, block.references)
    sizes = {task: size for task, size in _test_sets(cells).items() if task in block.columns}
    footer = {"(test samples; their standard error)": sizes} if sizes else {}
    block = replace(block, rows=rows, footer=footer)
    return _with_majority(cells, block) if metric == ACCURACY else block


def headlines_of(cells: Cells, metric: str, title: str, tasks: Sequence[str]) -> Block:
    """A block of headlines, or of what a choice gave of them, without any comparison."""
    block = block_of(cells, metric, title, NUMBER, tasks)
    objectives: dict[str, Objective] = {}
    for column, last in pairwise(["", *block.columns]):  # a mean follows its tasks
        objectives[last] = cells.objectives[last] if last in cells.objectives else objectives[column]
    return replace(block, objectives=objectives)


def _with_majority(cells: Cells, block: Block) -> Block:
    """With what the reference `majority` would have where a target is skewed, unless its runs are there."""
    own = (task for task in cells.skewed if task in block.columns)
    skewed = [task for task in own if cells.objectives[task].headline == ACCURACY]
    if not skewed or MAJORITY in block.rows:
        return block
    row = {task: Cell(summarise([cells.majority_rate(task)]), note="share of the class") for task in skewed}
    return replace(block, rows=block.rows | {MAJORITY: row}, references=block.references | {MAJORITY})


def _mark_gains(
    cells: Cells, metric: str, rows: dict[str, dict[str, Cell]], column: str, tasks: Sequence[str]
) -> dict[str, dict[str, Cell]]:
    """Rows with a mark at what differs from the baseline, Holm-adjusted over the candidates of the column."""
    tested = [variant for variant in cells.candidates if variant != BASELINE]
    found = [mean(cells, metric, variant, tasks, BASELINE) for variant in tested]
    adjusted = holm([each and each.p for each in found])
    marked = {
        variant: replace(rows[variant][column], gain=each.summary, p=p, mark=_mark(each.summary, p))
        for variant, each, p in zip(tested, found, adjusted, strict=True)
        if each
    }
    return {
        variant: row | ({column: marked[variant]} if variant in marked else {}) for variant, row in rows.items()
    }


def _mark(gain: Summary, p: float | None) -> Literal["", "▲", "▼"]:
    if p is None or p >= 1 - LEVEL:
        return ""
    return "▲" if gain.mean > 0 else "▼"


def _test_sets(cells: Cells) -> dict[str, str]:
    """Size of each test set, and the binomial standard error of the baseline's accuracy on it, in points."""
    found = {}
    for task in cells.tasks:
        sizes = cells.numbers("target_test_n", BASELINE, task).values()
        baseline = summarise(list(cells.numbers(ACCURACY, BASELINE, task).values()))
        if sizes and baseline:
            n = int(next(iter(sizes)))
            of_samples = cells.objectives[task].headline == ACCURACY  # and so a share of them
            error = f"{100 * binomial_error(baseline.mean, n):.1f}" if of_samples else "-"
            found[task] = f"{n}; {error}"
    return found


def block_of(cells: Cells, metric: str, title: str, form: Form, tasks: Sequence[str] = ()) -> Block:
    """A block of these tasks, or of all, with a mean of each family that has several."""
    columns: list[str] = []
    means: dict[str, list[str]] = {}
    for family, own in cells.alike(tasks or cells.tasks).items():
        columns += own
        if len(own) > 1:
            columns.append(f"mean of {family}")
            means[columns[-1]] = cells.common_tasks(metric, own)
    shown = cells.candidates if metric in cells.chosen else cells.variants
    rows: dict[str, dict[str, Cell]] = {}
    for variant in shown:
        found = {column: mean(cells, metric, variant, means.get(column, [column])) for column in columns}
        missing = {column: "" if column in means else cells.missing(variant, column) for column in columns}
        rows[variant] = {
            column: Cell(each.summary if each else None, each.runs if each else (), missing[column])
            for column, each in found.items()
        }
    references = frozenset(variant for variant in shown if is_reference(variant))
    return Block(metric, title, columns, rows, form, references, means=means)


def _called(name: str, asked: Sequence[str]) -> bool:
    return any(name == each or name.startswith(f"{each}-") for each in asked)


def _mark_best(
    rows: dict[str, dict[str, Cell]], objectives: Mapping[str, Objective], references: frozenset[str]
) -> None:
    """And the second, of columns where several methods have a number."""
    for column, objective in objectives.items():
        means = {
            variant: round(cell.summary.mean, 6)
            for variant, row in rows.items()
            if variant not in references and (cell := row[column]).summary is not None
        }
        best, second, *_ = [*sorted(set(means.values()), reverse=objective.higher_is_better), None, None]
        for variant, value in means.items() if len(means) > 1 else ():
            rows[variant][column] = replace(rows[variant][column], best=value == best, second=value == second)


def _distances(cells: Cells) -> Block:
    """Proxy A-distances of the learned features, below that of the raw inputs, which every run carries."""
    title = "Proxy A-distance of features (0 alike, 2 told apart)"
    block = block_of(cells, DISTANCE, title, NUMBER, cells.scored)
    raw: dict[str, Cell] = {}
    for task in cells.scored:
        values = list(cells.values("proxy_a_distance_inputs", BASELINE, task).values())[:1]
        raw[task] = Cell(summarise([value.number for value in values]), tuple(value.run_id for value in values))
    for column, tasks in block.means.items():
        known = [summary.mean for task in tasks if (summary := raw[task].summary)]
        if known and len(known) == len(tasks):
            raw[column] = Cell(summarise([sum(known) / len(known)]))
    # References are bounds of accuracy; what their features look like is no method's doing.
    rows = {name: row for name, row in block.rows.items() if name not in block.references}
    # Photographs have too many pixels to be told apart as they are.
    first = {"(raw inputs)": raw} if any(cell.summary for cell in raw.values()) else {}
    return replace(block, rows=first | rows)

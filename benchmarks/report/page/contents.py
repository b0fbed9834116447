"""What a page is made from: what the table prints, the cells behind it, and what else the records hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.plan.suite import TOYS
from benchmarks.report import selection
from benchmarks.report.cells import ACCURACY, Cells
from benchmarks.report.published import Comparison
from benchmarks.report.table import (
    NUMBER,
    Block,
    Chosen,
    Report,
    accuracy_block,
    block_of,
    headlines_of,
    report_on,
)

LAST = "last step"
COSTS = {"training_seconds": "Seconds of training", "peak_memory_mb": "Peak memory (MB)"}
SHOWN = ("statistics", "bound")


@dataclass(frozen=True)
class Contents:
    """All that sections are made of.

    Attributes:
        report: what the table prints.
        accuracies: headlines, mostly accuracies, by how their checkpoint was chosen; none without target labels.
        headline: which of these the answer is about.
        costs: seconds and memory, by metric.
        curves: by run id, the signals of its training, where a store has them.
        advice: paragraphs, by task without target labels.
        comparisons: published numbers beside ours.
        commands: what makes the runs, and this page, again.
    """

    report: Report
    cells: Cells
    accuracies: Mapping[str, Block]
    headline: str
    costs: Mapping[str, Block]
    curves: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    advice: Mapping[str, Sequence[str]] = field(default_factory=dict)
    comparisons: Sequence[Comparison] = ()
    commands: Sequence[str] = ()

    @property
    def block(self) -> Block | None:
        """The accuracies that the answer is about."""
        return self.accuracies.get(self.headline)

    def columns(self) -> dict[str, list[str]]:
        """By what tasks are summed up, the mean of those that share all but domains or the task; toys last."""
        scored = self.block.tasks if self.block else []
        families = sorted(self.cells.summed_up(scored).items(), key=lambda each: each[1][0].startswith(f"{TOYS}/"))
        return {f"mean of {family}" if len(tasks) > 1 else tasks[0]: tasks for family, tasks in families}


def contents_of(chosen: Chosen, show: Sequence[str], select: str | None, **more: Any) -> Contents:
    """The contents of a page on these cells.

    Args:
        show: see :func:`benchmarks.report.table.build_report`.
        select: the validator that chose the numbers shown; none: they are of the last step.
        more: fields of :class:`Contents` that cells do not give.
    """
    cells = chosen.cells
    accuracies, costs = {}, {}
    report = report_on(chosen, show, select)
    if cells.scored:
        first, *others = [block for block in report.blocks if block.metric == ACCURACY]
        heading = cells.heading(cells.scored)
        # Printed tables have a unit each, and the page's has a column for every task.
        accuracies[LAST] = accuracy_block(cells, ACCURACY, f"{heading}, {LAST}") if others else first
        if chosen.by:
            by = f"selected by {chosen.by}"
            accuracies[by] = accuracy_block(cells, selection.SELECTED, f"{heading}, {by}")
            title = f"{heading}, the best checkpoint by target labels: no choice, a bound"
            accuracies["oracle"] = headlines_of(cells, selection.ORACLE, title, cells.scored)
        costs = {metric: block_of(cells, metric, title, NUMBER, cells.scored) for metric, title in COSTS.items()}
    headline = f"selected by {chosen.by}" if select else LAST
    return Contents(report, cells, accuracies, headline, costs, **more)

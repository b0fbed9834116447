"""A picture of a report: a panel a task, a row a method."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.core.escape import shown
from benchmarks.core.objective import Objective
from benchmarks.core.settings import UserError
from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import ACCURACY, Cell, display_name
from benchmarks.report.options import Width
from benchmarks.report.paper import BLACK, BLUE, GREY, INCHES, LETTERS, RED, lines_of, save_picture, wrapped
from benchmarks.report.statistics import ENOUGH, Summary
from benchmarks.report.table import Block, Report

MOST: dict[Width, int] = {"column": 2, "page": 4}  # panels beside each other
ROW = 0.16  # inches
ROOM = 0.08  # of what a panel shows, left free at each side
MARKS = {"▲": ("^", BLUE), "▼": ("v", RED), "": ("o", BLACK)}


def save_figure(report: Report, path: Path, width: Width = "page") -> None:
    """Headlines with their intervals, as wide as a column or a page of a paper.

    Each panel shows the range of its methods. A reference outside it is a number at the edge.
    """
    block = _together([block for block in report.blocks if block.metric == ACCURACY])
    tasks = block.tasks
    if not tasks:
        raise UserError("--figure: it shows what target labels say, and no target sample has a label")
    methods = sorted(block.rows, key=lambda name: name in block.references)
    rows = -(-len(tasks) // MOST[width])
    columns = -(-len(tasks) // rows)  # as even as it can be
    caption = wrapped(_caption(report, block), INCHES[width])
    titles = {task: wrapped(shown(_title(report, block, task)), INCHES[width] / (columns + 1)) for task in tasks}
    panel = ROW * len(methods) + 0.3 + max(map(lines_of, titles.values()))
    size = (INCHES[width], rows * panel + lines_of(caption) + 0.1)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for task, axes in zip(tasks, panels.flat, strict=False):
        _panel(axes, block, methods, task)
        axes.set_title(titles[task], fontsize=LETTERS, parse_math=False)
    for spare in panels.flat[len(tasks) :]:
        spare.set_axis_off()
    labels = [shown(_label(block, name)) for name in methods]
    panels[0, 0].set_yticks(range(len(methods)), labels, parse_math=False)
    panels[0, 0].set_ylim(len(methods) - 0.5, -0.5)
    figure.supxlabel(caption, fontsize=LETTERS, parse_math=False)
    description = f"{_caption(report, block)} Panels: {', '.join(tasks)}. Rows: {', '.join(labels)}."
    save_picture(figure, path, shown(description))


def _together(blocks: Sequence[Block]) -> Block:
    """Blocks of the same methods, whose headlines have different units, as one."""
    names = dict.fromkeys(name for block in blocks for name in block.rows)
    return Block(
        metric=ACCURACY,
        title="",
        columns=[task for block in blocks for task in block.tasks],
        rows={name: {k: v for block in blocks for k, v in block.rows.get(name, {}).items()} for name in names},
        references=frozenset[str]().union(*(block.references for block in blocks)),
        objectives={task: block.objectives[task] for block in blocks for task in block.tasks},
    )


def _headings(block: Block) -> list[str]:
    return list(dict.fromkeys(objective.heading for objective in block.objectives.values()))


def _title(report: Report, block: Block, task: str) -> str:
    """The task, with what its numbers are where panels differ in that."""
    heading = f": {block.objectives[task].heading}" * (len(_headings(block)) > 1)
    return report.heading(task) + heading


def _caption(report: Report, block: Block) -> str:
    cells = [cell for row in block.rows.values() for cell in row.values()]
    n = max((cell.summary.n for cell in cells if cell.summary), default=0)
    interval = "95% interval" if n >= ENOUGH else "range"
    where = f" on {report.family.rstrip('/')}" if report.family else ""
    said = [f"dashed: {display_name(BASELINE)}"]
    said += ["▲ and ▼: better and worse than it"] * any(cell.mark for cell in cells)
    said += ["hollow: references, as numbers at the edge where they are beyond it"] * bool(block.references)
    return f"{' or '.join(_headings(block))}{where}, mean and {interval} over {n} seeds; {'; '.join(said)}."


def _panel(axes: Axes, block: Block, methods: list[str], task: str) -> None:
    cells = {name: block.rows[name].get(task, Cell(None)) for name in methods}
    objective = block.objectives[task]
    axes.set_xlim(
        *_range(objective, [cell.summary for name, cell in cells.items() if name not in block.references])
    )
    if baseline := cells[BASELINE].summary:
        axes.axvline(objective.scale * baseline.mean, color=GREY, linestyle="--", linewidth=0.7)
    for row, (name, cell) in enumerate(cells.items()):
        _point(axes, row, cell, objective, reference=name in block.references)
    axes.tick_params(labelsize=LETTERS - 1, length=2)
    axes.tick_params(axis="y", length=0, labelsize=LETTERS)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.5)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _range(objective: Objective, summaries: Sequence[Summary | None]) -> tuple[float, float]:
    """What a panel shows, as it is printed: all intervals of its methods, and some room."""
    known = [summary for summary in summaries if summary]
    low, high = min((each.low for each in known), default=0.0), max((each.high for each in known), default=1.0)
    room = max(ROOM * (high - low), objective.least(high) / 2)
    return tuple(objective.scale * np.clip([low - room, high + room], *objective.limits))


def _point(axes: Axes, row: int, cell: Cell, objective: Objective, *, reference: bool) -> None:
    """A mean with its interval; in words, at an edge, what has none here."""
    left, right = axes.get_xlim()
    scale, digits = objective.form
    mean = scale * cell.summary.mean if cell.summary else math.nan
    text = format(mean, digits)
    words = f"◂ {text}" if mean < left else f"{text} ▸" if mean > right else cell.missing
    if words and not left <= mean <= right:
        edge, align = (right, "right") if mean > right else (left, "left")
        axes.text(edge, row, words, ha=align, va="center", color=GREY, fontsize=LETTERS - 1, parse_math=False)
    elif cell.summary:
        marker, color = ("D", GREY) if reference else MARKS[cell.mark]
        interval = scale * np.clip([cell.summary.low, cell.summary.high], *objective.limits)
        axes.plot(interval, [row, row], color=color, linewidth=1.2)
        face = "white" if reference else color
        axes.plot(mean, row, marker, color=color, markersize=3.5, mfc=face, mew=0.8, clip_on=False)


def _label(block: Block, name: str) -> str:
    return f"{display_name(name)} (ref.)" if name in block.references else display_name(name)

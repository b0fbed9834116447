"""A picture of a report: a panel a task, a row a method."""

import io
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.core.escape import shown
from benchmarks.core.outfiles import NAME, writing
from benchmarks.core.settings import UserError
from benchmarks.plan.methods import BASELINE
from benchmarks.report.cells import ACCURACY
from benchmarks.report.statistics import ENOUGH
from benchmarks.report.table import Block, Report

ACROSS = 6  # panels in a row
# Where a format keeps a caption and the name of the program, as text.
ABOUT = {
    ".png": ("Description", "Software"),
    ".svg": ("Description", "Creator"),
    ".pdf": ("Subject", "Creator"),
}
BLUE, GREY, RED = "#1f5fa8", "#8a8a8a", "#b3402a"


def save_figure(report: Report, path: Path) -> None:
    """Target accuracy with its intervals; the dashed line is the baseline, and red is worse than it."""
    block = next((block for block in report.blocks if block.metric == ACCURACY), None)
    if block is None:
        raise UserError("--figure: it shows accuracies, and no target sample has a label")
    tasks = block.tasks
    methods = sorted(block.rows, key=lambda name: name in block.references)
    columns = min(len(tasks), ACROSS)
    rows = -(-len(tasks) // columns)
    figure = Figure(figsize=(1.2 + 1.9 * columns, rows * (0.9 + 0.26 * len(methods))), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for task, axes in zip(tasks, panels.flat, strict=False):
        _panel(axes, block, methods, task)
        axes.set_title(shown(report.heading(task)), fontsize=8, parse_math=False)
    for spare in panels.flat[len(tasks) :]:
        spare.set_axis_off()
    panels[0, 0].set_yticks(range(len(methods)), [_label(block, name) for name in methods], parse_math=False)
    panels[0, 0].invert_yaxis()
    caption = _caption(report, block)
    figure.supxlabel(caption, fontsize=8, parse_math=False)
    names = ", ".join(_label(block, name) for name in methods)
    save_picture(figure, path, shown(f"{caption}. Panels: {', '.join(tasks)}. Rows: {names}."))


def save_picture(figure: Figure, path: Path, description: str, **options: Any) -> None:
    """Write a picture, with a description and this program's name as text that other programs can read."""
    about = ABOUT[path.suffix.lower()]
    buffer = io.BytesIO()
    metadata = dict(zip(about, (description, NAME), strict=True))
    figure.savefig(buffer, format=path.suffix[1:].lower(), dpi=150, metadata=metadata, **options)
    with writing(path) as file:
        file.write(buffer.getvalue())


def _caption(report: Report, block: Block) -> str:
    n = max((cell.summary.n for row in block.rows.values() for cell in row.values() if cell.summary), default=0)
    interval = "95% interval" if n >= ENOUGH else "range"
    where = f"{report.family.rstrip('/')}: " if report.family else ""
    hurts = "; red: worse" if any(cell.mark == "▼" for row in block.rows.values() for cell in row.values()) else ""
    return f"{where}target test accuracy (%), mean and {interval} over {n} seeds; dashed: {BASELINE}{hurts}"


def _panel(axes: Axes, block: Block, methods: list[str], task: str) -> None:
    baseline = block.rows[BASELINE][task].summary
    if baseline:
        axes.axvline(100 * baseline.mean, color=GREY, linestyle="--", linewidth=0.8)
    for row, name in enumerate(methods):
        cell = block.rows[name].get(task)
        if cell is None or cell.summary is None:
            continue
        s = cell.summary
        color = GREY if name in block.references or name == BASELINE else RED if cell.mark == "▼" else BLUE
        axes.plot([100 * s.low, 100 * s.high], [row, row], color=color, linewidth=1.6)
        axes.plot(
            100 * s.mean, row, "o", color=color, markersize=4.5, mfc="white" if name in block.references else color
        )
    axes.tick_params(labelsize=7, length=2)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _label(block: Block, name: str) -> str:
    return f"{name} (ref.)" if name in block.references else name

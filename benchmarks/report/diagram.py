"""A critical-difference diagram: which methods differ in mean rank."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.core.escape import shown
from benchmarks.report.cells import display_name
from benchmarks.report.comparison import Friedman
from benchmarks.report.options import Width
from benchmarks.report.paper import ACROSS, BLACK, GREY, INCHES, LETTERS, lines_of, save_picture, wrapped

SIDES: dict[Width, int] = {"column": 1, "page": 2}  # where names stand: at the left, or at the right too
WIDEST = 0.5  # of the picture, for all names
TICK = 0.22  # inches between ticks, at least
ABOVE = 3  # rows above the axis, for its numbers and the critical difference
GAP = 0.1  # inches between names and the axis


def save_diagram(
    names: Sequence[str], ranks: np.ndarray, friedman: Friedman, path: Path, width: Width = "page"
) -> None:
    """Mean ranks, best at the left; a bar joins methods that do not differ (Demsar, JMLR 2006, section 3.2.2).

    Args:
        ranks: mean ranks, shape (methods,), those ``friedman`` was made of.
        path: the picture; its ending is its format.
        width: of a paper, that it takes.
    """
    labels = [f"{shown(display_name(name))} {rank:.2f}" for name, rank in zip(names, ranks, strict=True)]
    caption = (
        f"Mean rank over {friedman.tasks} clusters of tasks, 1 is best; Friedman test p = {friedman.p:.2g}. A bar "
        "joins methods closer than the critical difference CD (Nemenyi, 5%)."
    )
    below = wrapped(caption, INCHES[width])
    side = min(max(map(len, labels)) / ACROSS, WIDEST * INCHES[width] / SIDES[width])
    labels = [wrapped(label, side) for label in labels]
    row = max(map(lines_of, labels))
    at_left = -(-len(names) // SIDES[width])
    rows = 1 + len(friedman.cliques) + at_left
    height = row * (ABOVE + rows) + lines_of(below) + GAP
    figure = Figure(figsize=(INCHES[width], height))
    across = INCHES[width] - SIDES[width] * side - 3 * GAP
    left, bottom = (side + 1.5 * GAP) / INCHES[width], (lines_of(below) + GAP) / height
    axes = figure.add_axes((left, bottom, across / INCHES[width], row * (ABOVE + rows) / height))
    # One row of the picture is one unit of y, and y counts rows below the axis.
    axes.set(xlim=(1, len(names)), ylim=(rows, -ABOVE))
    axes.set_xticks(range(1, len(names) + 1, math.ceil(TICK * len(names) / across)))
    _rank_axis(axes, friedman.critical_difference)
    for place, clique in enumerate(friedman.cliques, start=1):
        first, last, over = ranks[clique[0]], ranks[clique[-1]], 0.008 * (len(names) - 1)
        axes.plot([first - over, last + over], [place, place], color=BLACK, linewidth=3, clip_on=False)
    order = np.argsort(ranks, kind="stable").tolist()
    best, worst = order[:at_left], order[: at_left - 1 : -1]
    for methods, end, align in ((best, 1, "right"), (worst, len(names), "left")):
        stems = [(ranks[method], labels[method]) for method in methods]
        _stems(axes, stems, 1 + len(friedman.cliques), end, align)
    figure.text(0.5, GAP / 2 / height, below, ha="center", va="bottom", fontsize=LETTERS)
    save_picture(figure, path, caption)


def _rank_axis(axes: Axes, difference: float) -> None:
    axes.spines[["left", "right", "bottom"]].set_visible(False)
    axes.spines["top"].set_position(("data", 0))
    axes.xaxis.tick_top()
    axes.tick_params(labelsize=LETTERS - 1, length=3)
    axes.set_yticks([])
    axes.errorbar(
        1 + difference / 2, -1.8, xerr=difference / 2, color=BLACK, capsize=3, linewidth=1.2, clip_on=False
    )
    axes.text(1, -2, f"CD = {difference:.2f}", ha="left", va="bottom", fontsize=LETTERS)


def _stems(axes: Axes, stems: Sequence[tuple[float, str]], first_row: int, end: float, align: str) -> None:
    """From each mean rank down, and out to its label at an end of the axis."""
    for row, (rank, label) in enumerate(stems, start=first_row):
        axes.plot([rank, rank, end], [0, row, row], color=GREY, linewidth=0.8, clip_on=False, zorder=1)
        axes.annotate(
            label,
            (end, row),
            xytext=(-3 if align == "right" else 3, 0),
            textcoords="offset points",
            ha=align,
            va="center",
            fontsize=LETTERS,
            annotation_clip=False,
            parse_math=False,
        )

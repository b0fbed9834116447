"""A critical-difference diagram: which methods differ in mean rank."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.report.comparison import Friedman
from benchmarks.report.figure import save_picture

ROW = 0.22  # inches
BLACK, GREY = "#222222", "#8a8a8a"


def save_diagram(names: Sequence[str], ranks: np.ndarray, friedman: Friedman, path: Path) -> None:
    """Mean ranks, best at the left; a bar joins methods that do not differ (Demsar, JMLR 2006, section 3.2.2).

    Args:
        ranks: mean ranks, shape (methods,), those ``friedman`` was made of.
        path: the picture; its ending is its format.
    """
    methods, bars = len(names), len(friedman.cliques)
    rows = 1 + bars + (methods + 1) // 2
    figure = Figure(figsize=(6, ROW * (rows + 1)))
    axes = figure.add_axes((0, 0, 1, 1))
    # One row of the picture is one unit of y, and y counts rows below the axis.
    axes.set(xlim=(1, methods), ylim=(rows, -1))
    _rank_axis(axes, methods, friedman.critical_difference)
    for row, clique in enumerate(friedman.cliques, start=1):
        best, worst, over = ranks[clique[0]], ranks[clique[-1]], 0.008 * (methods - 1)
        axes.plot([best - over, worst + over], [row, row], color=BLACK, linewidth=4, clip_on=False)
    _stems(axes, names, ranks, 1 + bars)
    caption = (
        f"mean rank over {friedman.tasks} clusters of tasks, 1 is best; Friedman test p = {friedman.p:.2g}\n"
        "a bar joins methods closer than the critical difference CD (Nemenyi, 5%)"
    )
    axes.text((1 + methods) / 2, rows + 0.4, caption, ha="center", va="top", fontsize=8)
    save_picture(figure, path, caption, bbox_inches="tight")


def _rank_axis(axes: Axes, methods: int, difference: float) -> None:
    axes.spines[["left", "right", "bottom"]].set_visible(False)
    axes.spines["top"].set_position(("data", 0))
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, methods + 1))
    axes.tick_params(labelsize=8, length=4)
    axes.set_yticks([])
    axes.errorbar(
        1 + difference / 2, -2, xerr=difference / 2, color=BLACK, capsize=4, linewidth=1.2, clip_on=False
    )
    axes.text(1 + difference / 2, -2.3, f"CD = {difference:.2f}", ha="center", va="bottom", fontsize=8)


def _stems(axes: Axes, names: Sequence[str], ranks: np.ndarray, first_row: int) -> None:
    """From a mean rank down, and out to the name: the better half to the left, the worse to the right."""
    methods = len(names)
    order = np.argsort(ranks, kind="stable").tolist()
    margin = 0.03 * (methods - 1)
    left, right = order[: (methods + 1) // 2], order[: (methods + 1) // 2 - 1 : -1]
    for side, end, align in ((left, 1 - margin, "right"), (right, methods + margin, "left")):
        for row, method in enumerate(side, start=first_row):
            rank = ranks[method]
            axes.plot([rank, rank, end], [0, row, row], color=GREY, linewidth=0.9, clip_on=False, zorder=1)
            axes.annotate(
                f"{names[method]}  {rank:.2f}" if align == "right" else f"{rank:.2f}  {names[method]}",
                (end, row),
                xytext=(-4 if align == "right" else 4, 0),
                textcoords="offset points",
                ha=align,
                va="center",
                fontsize=8,
                annotation_clip=False,
                parse_math=False,
            )

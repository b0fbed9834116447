"""A picture of headlines against a dial: a panel for each task and dial, a line for each method."""

from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.core.escape import shown
from benchmarks.core.settings import UserError
from benchmarks.report import dials, sweep
from benchmarks.report.cells import Cells, display_name, is_reference, without_split
from benchmarks.report.options import Width
from benchmarks.report.paper import GREY, INCHES, LETTERS, save_picture, wrapped

BESIDE: dict[Width, int] = {"column": 1, "page": 2}  # panels in a row
HEIGHT = 2.0  # inches of a panel
# Okabe and Ito's colours; with the marks, nine times eight lines differ without colour too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#222222", "#757575")
MARKS = "osD^v<>PX"


def save_sweeps(cells: Cells, path: Path, width: Width = "page") -> None:
    """Draw each sweep among the tasks that have target labels, with the intervals of its means.

    Raises:
        UserError: no two tasks differ in one dial alone.
    """
    found = cells.sweeps
    if not found:
        raise UserError("--sweep-figure: no two tasks differ in one dial alone; `--sweep` names such tasks")
    rows = -(-len(found) // BESIDE[width])
    figure = Figure(figsize=(INCHES[width], rows * HEIGHT + 0.6), layout="constrained")
    panels = figure.subplots(rows, min(BESIDE[width], len(found)), squeeze=False).ravel()
    for axes, ((task, dial), by_value) in zip(panels, found.items(), strict=False):
        _panel(axes, cells, dial, by_value)
        objective = cells.objectives[next(iter(by_value.values()))]
        title = f"{without_split(task, cells.tasks)}: {objective.directed_heading}"
        axes.set_title(wrapped(shown(title), INCHES[width] / len(panels)), fontsize=LETTERS, parse_math=False)
    for spare in panels[len(found) :]:
        spare.set_axis_off()
    lines = {line.get_label(): line for axes in panels for line in axes.get_legend_handles_labels()[0]}
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=4, fontsize=LETTERS - 1, frameon=False)
    said = "; ".join(f"{task} against {dial}: {', '.join(of)}" for (task, dial), of in found.items())
    save_picture(figure, path, shown(f"Mean and interval over seeds of each method. {said}."))


def _panel(axes: Axes, cells: Cells, dial: str, by_value: dict[str, str]) -> None:
    frame = sweep.lines(cells, by_value)
    at = dials.numbers([*by_value])
    places = dict(zip(by_value, at or range(len(by_value)), strict=True))
    styles = zip(cells.variants, cycle(COLOURS), cycle(MARKS), strict=False)
    for variant, colour, mark in styles:
        own = frame[frame["method"] == variant]
        own = own.assign(at=own["value"].map(places)).sort_values("at")
        reference = is_reference(variant)
        bars = axes.errorbar(
            own["at"], own["mean"], [own["mean"] - own["low"], own["high"] - own["mean"]],
            color=GREY if reference else colour, marker=mark, linestyle="--" if reference else "-",
            markersize=3, linewidth=1, elinewidth=0.7, capsize=1.5,
        )  # fmt: skip
        bars.set_label(shown(display_name(variant)) + " (ref.)" * reference)
    if at:
        axes.set_xscale(dials.scale(at))
    axes.set_xticks([*places.values()], [shown(value) for value in places], parse_math=False)
    axes.minorticks_off()
    axes.set_xlabel(dial, fontsize=LETTERS)
    axes.tick_params(labelsize=LETTERS - 1, length=2)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

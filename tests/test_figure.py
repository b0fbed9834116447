"""Pictures for a paper: as wide as was asked, nothing cut off, and the differences between methods visible."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.plan.grid import plan
from benchmarks.report import diagram, figure
from benchmarks.report.comparison import friedman, mean_ranks
from benchmarks.report.options import Width
from benchmarks.report.paper import INCHES
from benchmarks.report.table import Report, build_report
from tests.test_report import records_of

ACCURACY = {"source_only": 0.6, "dann": 0.7, "coral": 0.5, "target_only": 0.95, "majority": 0.1}
TASKS = ["toys/blobs", "digits/mnist5k-optdigits", "digits/optdigits-mnist5k_m"]


def report_on(tasks: Sequence[str], accuracy: dict[str, float] = ACCURACY, seeds: int = 5) -> Report:
    grid = plan("quick", list(accuracy), tasks, range(seeds))
    return build_report(grid, records_of(grid, accuracy), {})


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What would have been written, laid out."""
    found: list[Figure] = []

    def keep(picture: Figure, path: Path, description: str) -> None:
        FigureCanvasAgg(picture).draw()
        found.append(picture)

    monkeypatch.setattr(figure, "save_picture", keep)
    monkeypatch.setattr(diagram, "save_picture", keep)
    return found


def cut_off(picture: Figure) -> list[str]:
    """Texts that are not whole within the picture; a pixel is for rounding."""
    width, height = picture.canvas.get_width_height()
    texts = list(picture.texts)
    for axes in picture.axes:
        texts += [axes.title, *axes.texts, *axes.get_yticklabels()]
    boxes = {text.get_text(): text.get_window_extent() for text in texts if text.get_text()}
    assert boxes
    return [
        text
        for text, box in boxes.items()
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("tasks", [TASKS[1:2], TASKS, [f"har/{i}-{i + 1}" for i in range(1, 13)]], ids=len)
def test_a_figure_has_its_width_and_no_text_is_cut_off(
    tasks: list[str], width: Width, drawn: list[Figure]
) -> None:
    figure.save_figure(report_on(tasks), Path("a.png"), width)
    assert drawn[0].get_figwidth() == INCHES[width]
    assert cut_off(drawn[0]) == []


def test_a_reference_far_away_is_a_number_at_the_edge_and_leaves_the_axis_to_the_methods(
    drawn: list[Figure],
) -> None:
    figure.save_figure(report_on(TASKS[:1]), Path("a.png"))
    (axes,) = drawn[0].axes
    low, high = axes.get_xlim()
    assert 45 < low < 50 < 70 < high < 75
    assert [text.get_text() for text in axes.texts] == ["95.2 ▸", "◂ 10.2"]


def test_better_and_worse_differ_by_their_markers_and_not_by_colour_alone(drawn: list[Figure]) -> None:
    figure.save_figure(report_on(TASKS[:1]), Path("a.png"))
    markers = {
        line.get_ydata()[0]: line.get_marker() for line in drawn[0].axes[0].lines if line.get_marker() != "None"
    }
    assert markers == {0: "o", 1: "^", 2: "v"}
    assert "▲ and ▼" in drawn[0].get_supxlabel()


def test_no_interval_leaves_what_an_accuracy_can_be(drawn: list[Figure]) -> None:
    report = report_on(TASKS[:1])
    block = report.blocks[0]
    cell = block.rows["dann"]["toys/blobs"]
    assert cell.summary
    wide = replace(cell, summary=replace(cell.summary, mean=0.99, low=-0.2, high=1.3))
    rows = block.rows | {"dann": {"toys/blobs": wide}}
    figure.save_figure(replace(report, blocks=[replace(block, rows=rows)]), Path("a.png"))
    (axes,) = drawn[0].axes
    assert axes.get_xlim() == (0, 100)
    drawn_to = [value for line in axes.lines if line.get_linestyle() != "--" for value in line.get_xdata()]
    assert (min(drawn_to), max(drawn_to)) == (0, 100)


def test_a_hole_says_why_it_is_one(drawn: list[Figure]) -> None:
    grid = plan("quick", ["source_only", "dann"], TASKS[:1], range(5))
    figure.save_figure(build_report(grid, records_of(grid, {"source_only": 0.6}), {}), Path("a.png"))
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["5 missing of 5"]


@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("methods", [4, 31])
def test_a_diagram_has_its_width_and_no_text_is_cut_off(methods: int, width: Width, drawn: list[Figure]) -> None:
    names = ["entropy_minimisation", "source_only", "cdan_e", "subspace_alignment", *["dann"] * 27][:methods]
    accuracy = np.random.default_rng(0).normal(0.5, 0.05, (methods, 12, 5))
    accuracy += 0.02 * np.arange(methods)[:, None, None]
    found = friedman(accuracy)
    assert found
    diagram.save_diagram(names, mean_ranks(accuracy), found, Path("a.png"), width)
    assert drawn[0].get_figwidth() == INCHES[width]
    assert cut_off(drawn[0]) == []
    ticks = [tick for tick in drawn[0].axes[0].get_xticklabels() if tick.get_text()]
    boxes = [tick.get_window_extent() for tick in ticks]
    assert all(math.ceil(left.x1) < right.x0 for left, right in pairwise(boxes))

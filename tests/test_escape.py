"""Text from data changes nothing around it, in whatever form a table is printed."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.core import escape
from benchmarks.plan.grid import NotApplicable, plan
from benchmarks.report.figure import save_figure
from benchmarks.report.listings import Listing
from benchmarks.report.render import render
from benchmarks.report.table import Report, build_report
from datasets.base import objective_of_task

HOSTILE = [
    "a | b || c",
    "**best** _x_ `code` \\",
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](http://e.org/x.png)",
    "line\nbreak\r\n# heading",
    "\x1b[31mred\x1b[0m\x07 \u202egnitrow",
    "\\input{secret} \\\\ $x^2_1$ & % # ~ { }",
    "[1em] at the start of a row",
    '=HYPERLINK("http://e.org")',
    "+1",
    "@SUM(A1)",
    "no UTF-8: \udce9",
    "é 漢字 naïve",
]


def report_of(text: str) -> Report:
    """A report that has a text from outside as a task, a class, a reason and an error."""
    grid = plan("quick", ["source_only", "dann"], ["toys/moons"], range(1))
    first, second = grid.specs
    grid = replace(grid, not_applicable=[NotApplicable(f"own/{text}", f"dann?name={text}", text)])
    row = {"run_id": first.run_id, "method": first.method, "task": first.task, "seed": 0, "warnings": text}
    step = {"step": 1, "source_accuracy": 1.0, "target_test_accuracy": 0.5}
    records = pd.DataFrame([{**row, "target_test_accuracy": 0.5, "proxy_a_distance": 1.0, "checkpoints": [step]}])
    with pytest.MonkeyPatch.context() as patch:  # no file says what a task of this name is
        patch.setattr("benchmarks.report.cells.objective_of_task", lambda _: objective_of_task("toys/moons"))
        report = build_report(grid, records, {second.run_id: text})
    listing = Listing(text, text, [{"true class": text, "n": 3.0, text: "x"}], {})
    return replace(report, listings=[*report.listings, listing])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_gets_printable_lines_alone(text: str) -> None:
    for form in ("text", "markdown", "latex"):
        assert all(line.isprintable() for line in render(report_of(text), form).split("\n"))
        assert len(render(report_of(text), form).split("\n")) == len(render(report_of("plain"), form).split("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_has_the_cells_that_it_should_and_no_html_link_or_emphasis(text: str) -> None:
    lines = render(report_of(text), "markdown").splitlines()
    plain = render(report_of("plain"), "markdown").splitlines()
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")] == [
        line.count("|") for line in plain if line.startswith("|")
    ]
    whole = "\n".join(lines)
    assert "<" not in whole
    assert not re.search(r"\]\(", whole)
    assert not re.search(r"(?<!\\)\*\*b", whole)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_spreadsheet_computes_nothing(text: str) -> None:
    for row in csv.reader(io.StringIO(render(report_of(text), "csv"))):
        assert not any(
            cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) and not cell[1:].isdigit() for cell in row
        )
    assert json.loads(render(report_of(text), "json"))


@given(st.text())
def test_latex_has_no_command_or_special_character_of_the_text(text: str) -> None:
    rest = escape.latex(text)
    for known in sorted(escape.LATEX.values(), key=len, reverse=True):
        rest = rest.replace(known, "")
    assert not set(rest) & set("\\{}$&#%_^~[\n")


@given(st.text())
def test_printable_is_one_line_and_leaves_what_can_be_shown(text: str) -> None:
    shown = escape.shown(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize("text", ["$x^$", "a_b $", "\\frac"])
def test_pictures_draw_names_as_they_are(text: str, tmp_path: Path) -> None:
    report = report_of("plain")
    block = report.blocks[0]
    rows = {name: {**row, text: next(iter(row.values()))} for name, row in block.rows.items()}
    objectives = {text: next(iter(block.objectives.values()))}
    block = replace(block, columns=[text], rows={**rows, text: rows["dann"]}, objectives=objectives)
    save_figure(replace(report, blocks=[block]), tmp_path / "picture.png")

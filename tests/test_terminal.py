"""The table in a terminal fits its window, whatever the numbers of methods and tasks, and says what marks mean."""

import re
import sys
from functools import cache

import pytest
from rich.cells import cell_len

from benchmarks.commands.parser import main
from benchmarks.plan.grid import plan
from benchmarks.report.render import render
from benchmarks.report.table import Report, build_report
from tests.test_report import records_of, report_of

FEW = ["source_only", "cdan_e", "dann", "target_only"]
MANY = [*FEW, "coral", "dan", "adda", "reweighting", "entropy_minimisation", "joint", "majority"]


@cache
def report_on(tasks: int, methods: int) -> Report:
    """With accuracies that differ between tasks."""
    names = [f"har/{2 * i + 1}-{2 * i + 2}" for i in range(tasks)] if tasks > 1 else ["digits/mnist5k-optdigits"]
    grid = plan("quick", MANY[:methods], names, range(5))
    records = records_of(grid, {name: 0.6 + 0.01 * place for place, name in enumerate(MANY)})
    records["target_test_accuracy"] += records["task"].map(
        {task: 0.001 * place for place, task in enumerate(names)}
    )
    return build_report(grid, records, {})


def cells_of(text: str) -> list[str]:
    return re.findall(r"\d+\.\d ± \d+\.\d", text)


@pytest.mark.parametrize("window", [60, 80, 120, 200])
@pytest.mark.parametrize("methods", [len(FEW), len(MANY)])
@pytest.mark.parametrize("tasks", [1, 3, 12, 15])
def test_lines_fit_the_window_and_no_number_is_lost(window: int, methods: int, tasks: int) -> None:
    report = report_on(tasks, methods)
    folded = render(report, "text", window=window)
    assert max(map(cell_len, folded.splitlines())) <= window
    assert sorted(cells_of(folded)) == sorted(cells_of(render(report, "text")))


def test_tasks_become_rows_where_they_are_more_than_the_methods() -> None:
    lines = render(report_on(12, 4).only(["accuracy"]), "text", window=80).splitlines()
    assert lines[4].split() == ["task", "source_only", "cdan_e", "dann", "target_only"]
    assert [line.split()[0] for line in lines[7:19]] == [f"{2 * i + 1}-{2 * i + 2}" for i in range(12)]
    few = render(report_on(3, 11).only(["accuracy"]), "text", window=60).splitlines()
    assert few[4].split()[0] == "method"


def test_every_piece_of_a_folded_table_has_the_names_of_its_rows() -> None:
    text = render(report_on(3, 11).only(["accuracy"]), "text", window=60)
    assert text.count("\nmethod ") == 2
    assert text.count("\ncdan_e ") == 2


def test_what_is_read_by_a_program_is_not_folded() -> None:
    report = report_on(15, 11).only(["accuracy"])
    assert render(report, "text").splitlines()[4].count("-") == 15  # headings of all tasks


def test_the_window_is_that_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "table",
        "--suite",
        "quick",
        "--records",
        "results/records/quick.csv",
        "--only",
        "accuracy,choices",
    ]
    monkeypatch.setenv("COLUMNS", "72")
    assert main(arguments) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) > 150
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(arguments) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 72


@pytest.mark.parametrize("seeds", [3, 5])
def test_asterisks_are_explained_where_there_are_any(seeds: int) -> None:
    report = report_of(seeds)
    assert "Between asterisks" in render(report, "text")
    assert "Between asterisks" not in render(report.only(["gain"]), "text")
    assert "▲ and ▼: better and worse than source_only" in render(report_of(5), "text")

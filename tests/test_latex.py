"""LaTeX: a whole environment a table, numbers aligned and marked, and a document that compiles."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.commands.parser import main
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import plan
from benchmarks.report.cells import display_name
from benchmarks.report.render import render
from benchmarks.report.table import Report, build_report
from tests import test_escape
from tests.test_report import ACCURACY, TASKS, grid_of, records_of, report_of
from tests.test_report import METHODS as COMPARED

RECORDS = ["table", "--suite", "quick", "--records", "results/records/quick.csv", "--format", "latex"]


def has_tex() -> bool:
    needed = ("booktabs.sty", "graphicx.sty", "siunitx.sty")
    return (
        bool(shutil.which("pdflatex"))
        and not subprocess.run(["kpsewhich", *needed], capture_output=True).returncode
    )


needs_tex = pytest.mark.skipif(not has_tex(), reason="pdflatex with booktabs and siunitx is not installed")


def labels_of(text: str) -> list[str]:
    return re.findall(r"\\label{tab:(.*?)}", text)


def rows_of(text: str) -> list[list[str]]:
    """Cells of the rows of the first table, headings first."""
    body = text[: text.index(r"\bottomrule")]
    return [line.removesuffix(r" \\").split(" & ") for line in body.splitlines() if line.endswith(r"\\")]


def test_each_table_is_an_environment_with_its_caption_and_a_label_of_its_own() -> None:
    text = render(report_of(5), "latex")
    for command in (r"\begin{table*}", r"\end{table*}", r"\caption{", r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(command) == 3  # accuracy, distances, gains
    assert re.findall(r"\\label{(.*?)}", text) == [
        "tab:quick-accuracy",
        "tab:quick-distance",
        "tab:quick-gain-toys",
    ]


def test_a_table_of_one_column_of_the_paper_has_the_environment_for_it() -> None:
    text = render(report_of(5), "latex", width="column")
    assert r"\begin{table}" in text
    assert "table*" not in text


def test_methods_are_called_as_papers_call_them() -> None:
    assert [display_name(name) for name in ("cdan_e", "source_only", "dann?gamma=5&trade_off=2")] == [
        "CDAN+E",
        "source only",
        "DANN (gamma=5, trade_off=2)",
    ]
    assert [row[0] for row in rows_of(render(report_of(5), "latex"))] == [
        "method",
        "source only",
        "DANN",
        "CORAL",
        "target only (reference)",
        "joint (reference)",
        "(test samples; their standard error)",
    ]


@pytest.mark.parametrize("name", METHODS.names())
def test_no_acronym_is_left_as_the_name_of_its_file(name: str) -> None:
    """Nor is what a paper writes another name than its file's: ``cdan_e`` is CDAN+E."""
    display = display_name(name)
    assert re.sub("[-+ ]", "_", display.lower()) == name
    assert display != name or len(name) > 4, "MethodInfo(display=...)"


def test_numbers_are_aligned_the_best_is_bold_the_second_underlined_and_no_reference_is_either() -> None:
    rows = {row[0]: row[1:] for row in rows_of(render(report_of(5), "latex"))}
    assert rows["DANN"][:2] == [r"\bfseries 90.2", r"{\scriptsize $\pm$ 0.2} $\uparrow$"]
    assert rows["source only"][:2] == [r"\rlap{\underline{\phantom{60.2}}}60.2", r"{\scriptsize $\pm$ 0.2}"]
    assert rows["CORAL"][:2] == ["50.2", r"{\scriptsize $\pm$ 0.2} $\downarrow$"]
    assert rows["target only (reference)"][0] == "95.2"
    assert r"S[table-format=2.1]@{\,}l" in render(report_of(5), "latex")


def test_of_equals_both_are_second() -> None:
    accuracy = {"source_only": 0.6, "dann": 0.9, "coral": 0.6}
    cells = {name: row["toys/blobs"] for name, row in report_of(5, accuracy).blocks[0].rows.items()}
    assert [name for name, cell in cells.items() if cell.second] == ["source_only", "coral"]


def test_a_caption_explains_the_marks_that_its_table_has() -> None:
    accuracy, distance, gain = re.findall(r"\\caption{(.*)}", render(report_of(5), "latex"))
    assert accuracy.startswith(
        r"Target test accuracy (\%), last step. Suite quick, inductive, tasks of toys. n = 5"
    )
    assert r"$\uparrow$ and $\downarrow$: better and worse than source only" in accuracy
    assert "Bold: the best mean of a column; underlined: the second." in accuracy
    for caption in (distance, gain):
        assert r"$\uparrow$" not in caption
        assert "Bold" not in caption
        assert r"$\pm$ is half of a 95\% interval" in caption


def test_other_notes_are_comments() -> None:
    grid = grid_of(5)
    records = records_of(grid, ACCURACY).assign(warnings="dann: weak")
    text = render(build_report(grid, records, {}), "latex")
    assert "\n% warned: 10 runs of source\\_only" in text
    assert "% n = 5" not in text


def test_losses_have_minus_signs_and_not_hyphens() -> None:
    gains = render(report_of(5).only(["gain"]), "latex")
    assert "S[table-format=+2.1]" in gains
    assert "CORAL & -10.0" in gains  # a column of siunitx sets a minus
    ranges = render(report_of(3).only(["gain"]), "latex")
    assert r"{\scriptsize {[}$-$10.0, $-$10.0]}" in ranges


def test_tasks_of_several_families_are_below_their_names() -> None:
    tasks = [*TASKS, "digits/mnist5k-optdigits"]
    grid = plan("quick", COMPARED, tasks, range(5))
    text = render(build_report(grid, records_of(grid, ACCURACY), {}), "latex")
    families, headings, *_ = rows_of(text)
    assert families == [r"\multicolumn{1}{c}{}", r"\multicolumn{6}{c}{toys}", r"\multicolumn{2}{c}{digits}"]
    assert [re.sub(r".*{(.*)}", r"\1", heading) for heading in headings] == [
        "method",
        "blobs",
        "moons",
        "mean",
        "mnist5k-optdigits",
    ]
    assert r"\cmidrule(lr){2-7} \cmidrule(lr){8-9}" in text


def test_one_table_is_chosen_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RECORDS, "--only", "gain-digits,accuracy"]) == 0
    assert re.findall(r"\\label{(.*?)}", capsys.readouterr().out) == [
        "tab:quick-accuracy",
        "tab:quick-gain-digits",
    ]
    assert main([*RECORDS, "--only", "gain"]) == 0
    assert re.findall(r"\\label{(.*?)}", capsys.readouterr().out) == [
        "tab:quick-gain-toys",
        "tab:quick-gain-digits",
    ]
    assert main([*RECORDS, "--only", "acuracy"]) == 2
    assert "--only: no table 'acuracy'; did you mean 'accuracy'?" in capsys.readouterr().err


def test_only_leaves_notes_and_cells_as_they_are() -> None:
    report = report_of(5)
    chosen = report.only(["accuracy"])
    assert chosen == replace(report, blocks=report.blocks[:1], listings=[])
    with pytest.raises(UserError, match="no table 'gai'"):
        report.only(["gai"])


@pytest.mark.thorough
@needs_tex
@pytest.mark.parametrize("body", ["whole", "empty", "range", "many", "hostile"])
@pytest.mark.parametrize("width", ["column", "page"])
def test_it_compiles_and_is_not_wider_than_the_paper(body: str, width: str, tmp_path: Path) -> None:
    grid = plan("har", COMPARED[:3], [f"har/{2 * i + 1}-{2 * i + 2}" for i in range(12)], range(5))
    reports: dict[str, list[Report]] = {
        "whole": [report_of(5, show=["statistics", "bound", "confusion"])],
        "empty": [build_report(grid_of(3), pd.DataFrame(), {})],
        "range": [report_of(3)],
        "many": [build_report(grid, records_of(grid, ACCURACY), {})],
        "hostile": [test_escape.report_of(text) for text in test_escape.HOSTILE if text.isascii()],
    }
    texts = "\n".join(render(report, "latex", width=width) for report in reports[body])
    preamble = r"\documentclass[twocolumn]{article}\usepackage{booktabs,graphicx,siunitx}"

    document = f"{preamble}\\begin{{document}}\n{texts}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:]
    assert r"Overfull \hbox" not in result.stdout

"""Tables: every kind of hole, what is compared with what, and LaTeX that compiles."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.grid import Grid, NotApplicable, plan
from benchmarks.report.render import FORMATS, render
from benchmarks.report.table import MEAN, Report, build_report

TASKS = ["toys/blobs", "toys/moons"]
METHODS = ["source_only", "dann", "coral", "target_only"]


def grid_of(seeds: int) -> Grid:
    return plan("quick", METHODS, TASKS, range(seeds))


def records_of(grid: Grid, accuracy: dict[str, float]) -> pd.DataFrame:
    """A record for each run of the methods named, with an accuracy a little different in each seed."""
    rows: list[dict[str, Any]] = []
    for spec in grid.specs:
        if spec.method in accuracy:
            value = accuracy[spec.method] + 0.001 * spec.seed
            row = {"run_id": spec.run_id, "method": spec.method, "task": spec.task, "seed": spec.seed}
            scores = {"target_test_accuracy": value, "proxy_a_distance": 1.0, "proxy_a_distance_inputs": 1.5}
            rows.append({**row, **scores, "warnings": ""})
    return pd.DataFrame(rows)


ACCURACY = {"source_only": 0.6, "dann": 0.9, "coral": 0.5, "target_only": 0.95}


def report_of(seeds: int, accuracy: dict[str, float] = ACCURACY, **more: Any) -> Report:
    grid = grid_of(seeds)
    return build_report(grid, records_of(grid, accuracy), more.get("failures", {}))


def test_the_best_is_marked_but_never_a_reference() -> None:
    rows = report_of(5).blocks[0].rows
    assert rows["dann"]["toys/blobs"].best
    assert not rows["target_only"]["toys/blobs"].best
    assert "(reference)" in render(report_of(5), "text")


def test_harm_is_marked_from_five_seeds_on() -> None:
    assert report_of(5).blocks[0].rows["coral"]["toys/moons"].hurts
    assert not report_of(3).blocks[0].rows["coral"]["toys/moons"].hurts
    assert "▼" in render(report_of(5), "markdown")


def test_a_table_of_three_seeds_says_provisional_and_has_no_plus_minus() -> None:
    text = render(report_of(3), "text")
    assert "Provisional: 3 seeds" in text
    assert "±" not in text
    assert all(gain.p is None for gain in report_of(3).gains)


def test_the_primary_family_leaves_out_baseline_and_references() -> None:
    gains = report_of(5).gains
    assert [gain.method for gain in gains] == ["dann", "coral"]
    assert gains[0].summary.mean == pytest.approx(0.3)


def test_missing_failed_and_not_applicable_are_three_things() -> None:
    grid = grid_of(5)
    records = records_of(grid, {"source_only": 0.6, "dann": 0.9})
    dann = [spec for spec in grid.specs if spec.method == "dann" and spec.task == "toys/blobs"]
    coral = [spec for spec in grid.specs if spec.method == "coral" and spec.task == "toys/blobs"]
    records = records[records["run_id"] != dann[0].run_id]
    specs = [spec for spec in grid.specs if spec.method != "target_only"]
    reason = NotApplicable("toys/blobs", "target_only", "it needs more")
    whole = Grid("quick", specs, [reason])
    report = build_report(whole, records, {coral[0].run_id: "the loss is nan at step 3"})
    rows = report.blocks[0].rows
    assert rows["dann"]["toys/blobs"].missing == "1 missing of 5"
    assert rows["dann"]["toys/blobs"].summary.n == 4
    assert rows["coral"]["toys/blobs"].missing == "1 failed, 4 missing of 5"
    assert rows["target_only"]["toys/blobs"].missing == "n/a"
    text = render(report, "text")
    assert "n/a: target_only on toys/blobs: it needs more" in text
    assert "the loss is nan at step 3" in text


def test_the_mean_is_over_tasks_that_all_shown_methods_have() -> None:
    grid = grid_of(5)
    records = records_of(grid, ACCURACY)
    lost = [s.run_id for s in grid.specs if s.method == "coral" and s.task == "toys/moons"]
    records.loc[records["task"] == "toys/moons", "target_test_accuracy"] = 0.1
    report = build_report(grid, records[~records["run_id"].isin(lost)], {})
    assert report.blocks[0].rows["dann"][MEAN].summary.mean == pytest.approx(0.902)
    assert "over the 1 tasks" in " ".join(report.notes)


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_grid_renders(form: str) -> None:
    assert render(build_report(grid_of(3), pd.DataFrame(), {}), form)


def test_latex_has_booktabs_rules_and_escapes() -> None:
    text = render(report_of(5), "latex")
    for word in (r"\toprule", r"\midrule", r"\bottomrule", r"source\_only", r"$\pm$", r"\textbf{"):
        assert word in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in body} == {len(TASKS) + 1}


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_latex_compiles(tmp_path: Path) -> None:
    body = render(report_of(5), "latex")
    document = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:]

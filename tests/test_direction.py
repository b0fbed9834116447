"""A headline of which less is better: gains, marks, ranks, choices, regressions and pictures follow it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.advice.advise import advised, diagnosed
from benchmarks.commands.parser import main
from benchmarks.core.objective import ClassesWithUnknown, RealNumbers
from benchmarks.core.registry import DATASETS, DatasetInfo
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.spec import RunSpec
from benchmarks.records.store import Store
from benchmarks.report import selection
from benchmarks.report.check import compare
from benchmarks.report.figure import save_figure
from benchmarks.report.page import curves, dials
from benchmarks.report.page.answer import section
from benchmarks.report.page.contents import LAST, Contents, contents_of
from benchmarks.report.page.index import index
from benchmarks.report.page.runs import listed
from benchmarks.report.page.section import Chart
from benchmarks.report.published import Published, judge
from benchmarks.report.render import render
from benchmarks.report.statistics import summarise
from benchmarks.report.sweep_figure import save_sweeps
from benchmarks.report.table import Report, build_report, cells_of
from tests.conftest import EngineHere
from tests.test_compare import ROW
from tests.test_dials import Slopes

REAL, TOY, OPEN = "slopes/low-high", "toys/blobs", "toys/corners?source_classes=0-2"
METHODS = ["source_only", "coral", "dare_gram", "rsd"]
RMSE = {"source_only": 0.8, "coral": 0.5, "dare_gram": 1.25, "rsd": 0.8001}
SHOW = ["statistics", "bound", "validators"]


def test_an_error_against_a_dial_says_that_less_is_better_and_tells_of_no_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr("benchmarks.report.sweep_figure.wrapped", lambda text, inches: titles.append(text) or text)
    tasks = [f"{REAL}?target_size={size}" for size in (20, 60)]
    grid = plan("quick", METHODS, tasks, range(5))
    rows = [{**row_of(replace(spec, task=REAL)), "run_id": spec.run_id, "task": spec.task} for spec in grid.specs]
    report = cells_of(grid, pd.DataFrame(rows), {}, SHOW, None)
    save_sweeps(report.cells, tmp_path / "sweep.svg")
    assert titles == [f"{REAL}: Target root mean squared error, lower is better"]
    listed = dials.section(contents_of(report, SHOW, None))
    assert listed
    (chart,) = (part for part in listed.body if isinstance(part, Chart))
    assert chart.alt.startswith("Target root mean squared error, lower is better, slopes/low-high")
    assert "shares" not in str(listed.body)


def test_what_lost_the_source_is_said_by_the_variance_that_it_explains() -> None:
    grid, records = records_of(REAL)
    records["source_test_r2"] = np.where(records["method"] == "dare_gram", 0.3, 0.9)
    notes = [note.partition(" on the")[0] for note in build_report(grid, records, {}).notes if "lost the" in note]
    assert notes == [f"lost the source: dare_gram on {REAL}: 60.0 points below source_only"]


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    DATASETS.register(Slopes.name, DatasetInfo(version=1, summary="-", licence="-"))(Slopes)
    yield
    DATASETS.remove(Slopes.name)


def row_of(spec: RunSpec) -> dict[str, Any]:
    """A run whose headline was worse at its first checkpoint; its source says which one is better."""
    noise = 0.001 * spec.seed
    if spec.task == REAL:
        last = {"target_rmse": RMSE[spec.method] + noise, "source_val_rmse": 0.3, "source_test_rmse": 0.35}
        first = {"target_rmse": 2.5, "source_val_rmse": 0.9, "source_test_rmse": 0.95}
    else:
        name = "target_h_score" if spec.task == OPEN else "target_test_accuracy"
        last = {name: 0.9 - RMSE[spec.method] / 2 + noise, "source_val_accuracy": 0.9, "source_test_accuracy": 0.9}
        first = {name: 0.05, "source_val_accuracy": 0.5, "source_test_accuracy": 0.5}
    own = {"run_id": spec.run_id, "task": spec.task, "method": spec.method, "seed": spec.seed, "warnings": ""}
    steps = [{"step": 10, **first}, {"step": 20, **last}]
    costs = {"training_seconds": 2.0, "proxy_a_distance": 1.0, "target_test_n": 120}
    return {**own, **last, **costs, "device": "cpu", "spec": {}, "checkpoints": steps}


def records_of(*tasks: str, seeds: int = 5) -> tuple[Grid, pd.DataFrame]:
    grid = plan("quick", METHODS, tasks, range(seeds))
    return grid, pd.DataFrame([row_of(spec) for spec in grid.specs])


def report_of(*tasks: str) -> Report:
    return build_report(*records_of(*tasks), {}, SHOW)


def page_of(*tasks: str, seeds: int = 5) -> Contents:
    return contents_of(cells_of(*records_of(*tasks, seeds=seeds), {}, SHOW, None), SHOW, None)


def listing(report: Report, name: str) -> dict[str, dict[str, Any]]:
    found = next(each for each in report.listings if each.name == name)
    return {str(next(iter(row.values()))): dict(row) for row in found.rows}


def test_a_gain_is_an_improvement_and_marks_and_best_follow_it() -> None:
    report = report_of(REAL)
    cells = {name: row[REAL] for name, row in report.blocks[0].rows.items()}
    assert {name: cell.mark for name, cell in cells.items()} == {
        "source_only": "", "coral": "▲", "dare_gram": "▼", "rsd": "▼",
    }  # fmt: skip
    assert [name for name, cell in cells.items() if cell.best] == ["coral"]
    assert [name for name, cell in cells.items() if cell.second] == ["source_only"]
    gains = listing(report, "gain-slopes")
    assert {name: round(row["gain"].mean, 6) for name, row in gains.items()} == {
        "coral": 0.3, "dare_gram": -0.45, "rsd": -0.0001,
    }  # fmt: skip
    assert gains["coral"]["gain"].low <= gains["coral"]["gain"].high
    text = render(report, "text")
    assert "Gain over source_only, on slopes/low-high, paired by seed (RMSE reduction)" in text
    assert "0.502 ± 0.00196" in text


def test_ranks_and_probabilities_are_of_the_lower_number() -> None:
    ranks = listing(report_of(REAL), "ranks-slopes")
    assert [ranks[name]["mean rank"] for name in METHODS] == [2, 1, 4, 3]
    assert ranks["coral"]["P(better than source_only)"].value == 1
    assert ranks["dare_gram"]["interquartile mean"].value == pytest.approx(1.252)


def test_oracle_validators_and_regret_are_of_the_lower_number() -> None:
    grid, records = records_of(REAL)
    frame = selection.candidates(grid, records)
    choices = selection.choices(frame, "source_accuracy")
    for choice in (selection.ORACLE, selection.SELECTED):
        assert {value.step for values in choices[choice].values() for value in values.values()} == {20}
    regrets = selection.regrets(frame)
    assert (regrets.loc["source_accuracy"] == 0).all()
    assert (regrets.loc[selection.RANDOM] > 0).all()
    assert (selection.rank_correlations(frame).loc["source_accuracy"] > 0).all()


def test_long_forms_and_names_say_whose_numbers_they_are() -> None:
    report = report_of(REAL, TOY, OPEN)
    cells = json.loads(render(report, "json"))["cells"]
    known = {cell["task"]: cell["metric"] for cell in cells if cell["metric"] != "proxy_a_distance"}
    assert known[REAL] == "target_rmse"
    assert known[TOY] == "target_test_accuracy"
    assert known[OPEN] == "target_h_score"
    assert [block.name for block in report.blocks[:2]] == ["accuracy-rmse", "accuracy"]
    assert "\\label{tab:quick-accuracy-rmse}" in render(report, "latex")


def frame(**headlines: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"method": method, "task": REAL, "seed": seed, "target_rmse": value, "source_test_rmse": 0.1 * seed}
            for method, values in headlines.items()
            for seed, value in enumerate(values)
        ]
    )


BEFORE = {"source_only": [0.80, 0.81, 0.82], "coral": [0.50, 0.52, 0.51]}


@pytest.mark.parametrize(
    ("coral", "verdict", "said"),
    [
        ([0.60, 0.62, 0.61], "worse", "WORSE by 0.1 RMSE (allowed "),
        ([0.40, 0.42, 0.41], "better", "better by 0.1 RMSE"),
        ([0.502, 0.522, 0.512], "same", "same (-0.002 RMSE reduction, allowed -0.00"),
        ([0.80, 0.81, 0.82], "dead", "DEAD: it equals source_only in every seed (-0.3 RMSE reduction)"),
        ([0.799, 0.812, 0.82], "worse", "WORSE by 0.3 RMSE"),
    ],
)
def test_check_reads_the_headline_and_its_direction(coral: list[float], verdict: str, said: str) -> None:
    found = {each.method: each for each in compare(frame(**BEFORE), frame(**{**BEFORE, "coral": coral}))}
    assert found["coral"].verdict == verdict
    assert said in str(found["coral"])
    assert found["source_only"].verdict == "same"


def test_a_baseline_of_real_numbers_is_made_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    settings = 'kind = "fair"\nseeds = 1\nprotocol = { backbone = "mlp", steps = 20, checkpoints = 1 }\n'
    Path("small.toml").write_text(settings + f'task = [{{ name = "{REAL}" }}]\n')
    check = ["check", "--baseline", "small.csv", "--suite", "small.toml"]
    assert main([*check, "--update", "--methods", "coral", "--store", "store"]) == 0
    assert "source RMSE " in capsys.readouterr().err
    assert main([*check, "--from", "store"]) == 0
    assert "coral on slopes/low-high: same (" in capsys.readouterr().out
    assert main(["table", "--store", "store", "--suite", "small.toml", "--figure", "real.png"]) == 0


def test_published_errors_are_beaten_from_below() -> None:
    row = Published.parse(
        {**ROW, "metric": "target_rmse", "accuracy": 0.5, "spread": 0.01, "spread_kind": "std"}, "row"
    )
    found = [judge(row, summarise([mean]), "mnist-m", "last") for mean in (0.4, 0.505, 0.6)]
    assert [each.verdict for each in found] == ["above", "inside", "below"]
    assert [each.difference for each in found] == pytest.approx([0.1, -0.005, -0.1])


def test_the_page_has_every_unit_and_its_answer_is_what_lowers_the_error() -> None:
    contents = page_of(REAL, TOY)
    assert contents.accuracies[LAST].columns == [REAL, TOY]
    lead = section(contents).lead
    assert "`coral` leads with 0.502 ± 0.00196: +0.3 ± " in lead
    assert "RMSE reduction over `source_only` (0.802 ± 0.00196)" in lead
    assert "`coral` leads with 65.2 ± 0.2%: +15.0 ± " in lead
    few = section(page_of(REAL, seeds=2)).lead
    assert "The smallest mean is that of `coral`, 0.5 " in few
    assert "Below `source_only` in each seed: `coral`" in few
    rows = str(index({"quick": contents}))
    assert rows.index('<th scope="row">coral</th><td>0.502') < rows.index(
        '<th scope="row">source_only</th><td>0.8'
    )


@pytest.mark.parametrize(
    ("task", "title", "values", "columns"),
    [
        (REAL, "target RMSE (for display alone)", [2.5, 0.802], ["target RMSE", "source RMSE"]),
        (OPEN, "target H-score (%; for display alone)", [5, 50.2], ["target H-score (%)", "source accuracy (%)"]),
    ],
)
def test_curves_and_the_dialog_draw_the_headline(
    task: str, title: str, values: list[float], columns: list[str]
) -> None:
    contents = page_of(task)
    drawn = curves.section(contents)
    assert drawn is not None
    first, *_ = (part for part in drawn.body if isinstance(part, Chart))
    assert first.spec["title"] == title
    (rows,) = first.spec["datasets"].values()
    (line,) = (each for each in rows if each["method"] == "source_only")
    assert line["value"] == pytest.approx(values)
    run_id = next(iter(contents.cells.records))
    digits = contents.cells.objectives[task].form[1]
    found = listed(contents, {run_id: 0})
    (scores,) = found["scores"]
    assert [scores["target"], scores["source"]] == columns
    (run,) = found["runs"]
    assert "–" not in run["last"]
    assert run["last"] == [f"{value:{digits}}" for value in run["steps"][-1][1:]]
    assert run["steps"][-1][1] == pytest.approx(values[-1], abs=0.3)


def test_a_figure_has_panels_of_every_unit(tmp_path: Path) -> None:
    save_figure(report_of(REAL, TOY), tmp_path / "both.svg")
    text = (tmp_path / "both.svg").read_text()
    assert "Target root mean squared error or Target test accuracy (%), mean" in text
    assert "Panels: slopes/low-high, toys/blobs." in text


def test_what_a_gain_is_counted_in_is_said_once() -> None:
    error, h = RealNumbers(1), ClassesWithUnknown(3)
    assert (error.sign, error.gains_in, error.printed(0.5321)) == (-1, "RMSE reduction", "0.532")
    assert (h.sign, h.gains_in, h.printed(0.5321)) == (1, "points", "53.2%")
    assert (error.least(-2.0), h.least(-2.0)) == (0.02, 0.01)


def test_advice_on_real_numbers_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    grid = plan("quick", METHODS, [REAL], range(2))
    for ask in (lambda: diagnosed(grid), lambda: advised(grid, Store(tmp_path))):
        with pytest.raises((UserError, TypeError)) as refused:
            ask()
        assert "the labels of slopes/low-high are real numbers" in str(refused.value)


def test_what_is_known_without_target_labels_is_the_sources_error() -> None:
    grid, records = records_of(REAL)
    rows = records.drop(columns="target_rmse").to_dict("records")
    for row in rows:
        row["checkpoints"] = [{k: v for k, v in step.items() if k != "target_rmse"} for step in row["checkpoints"]]
        row["source_test_rmse"] = RMSE[row["method"]]
    text = render(build_report(grid, pd.DataFrame(rows), {}), "text")
    assert "source: RMSE on the source's test samples; change: beside source_only's" in text
    assert "+0.3" in text
    assert "agreement" not in text

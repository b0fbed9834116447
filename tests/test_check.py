"""Accuracy regression: what turns red, and that planted faults do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from benchmarks.commands.parser import main
from benchmarks.report.check import as_json, as_junit, compare
from tests.conftest import EngineHere

ROOT = Path(__file__).parents[1]
SUITE = """
kind = "fair"
seeds = 2
protocol = { backbone = "mlp", discriminator_layers = [64], steps = 50, checkpoints = 1 }
task = [{ name = "toys/blobs" }, { name = "toys/scale" }]
"""


def frame(cells: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    rows = [
        {"method": method, "task": task, "seed": seed, "target_test_accuracy": value}
        for (method, task), values in cells.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


T = "toys/moons"
BASE = {("source_only", T): [0.60, 0.61, 0.62], ("dann", T): [0.80, 0.82, 0.81], ("dan", T): [0.7, 0.7, 0.7]}


def verdicts(now: dict[tuple[str, str], list[float]]) -> dict[str, str]:
    return {finding.method: finding.verdict for finding in compare(frame(BASE), frame(now))}


def test_the_same_numbers_pass() -> None:
    assert set(verdicts(BASE).values()) == {"same"}


def test_a_loss_beyond_a_point_is_worse_and_within_it_is_not() -> None:
    assert verdicts({**BASE, ("dann", T): [0.78, 0.80, 0.79]})["dann"] == "worse"
    assert verdicts({**BASE, ("dann", T): [0.795, 0.815, 0.805]})["dann"] == "same"


def test_the_spread_of_toys_excuses_no_loss_on_real_data() -> None:
    steady, wild = [0.600, 0.601, 0.602], [0.5, 0.9, 0.7]
    before = {
        (f"m{i}", task): values for i in range(4) for task, values in (("har/2-11", steady), ("toys/blobs", wild))
    }
    now = (
        before
        | {(f"m{i}", "toys/blobs"): wild[::-1] for i in range(4)}
        | {("m0", "har/2-11"): [0.57, 0.571, 0.572]}
    )
    assert [(f.method, f.task) for f in compare(frame(before), frame(now)) if f.failed] == [("m0", "har/2-11")]


def test_better_is_reported_and_passes() -> None:
    findings = compare(frame(BASE), frame({**BASE, ("dan", T): [0.9, 0.9, 0.9]}))
    assert {f.method: f.verdict for f in findings}["dan"] == "better"
    assert not any(finding.failed for finding in findings)


def test_a_missing_cell_or_seed_fails() -> None:
    assert verdicts({**BASE, ("dann", T): [0.8, 0.82]})["dann"] == "missing"
    assert verdicts({k: v for k, v in BASE.items() if k[0] != "dann"})["dann"] == "missing"


def test_a_method_that_no_longer_differs_from_source_only_is_dead() -> None:
    """Even where noise of other cells would forgive the loss, or source_only rose to meet it."""
    now = {**BASE, ("source_only", T): BASE["dann", T]}
    assert verdicts(now)["dann"] == "dead"


def test_a_method_that_equals_source_only_is_dead_whatever_its_accuracy() -> None:
    """Its baseline was below source_only, so that dying made it better."""
    base = {**BASE, ("coral", T): [0.50, 0.52, 0.51]}
    now = {**base, ("coral", T): BASE["source_only", T]}
    (finding,) = [each for each in compare(frame(base), frame(now)) if each.method == "coral"]
    assert finding.failed
    assert str(finding) == "coral on toys/moons: DEAD: it equals source_only in every seed (+10.0 points)"


def test_equal_means_or_a_single_equal_seed_are_not_dead() -> None:
    base = {**BASE, ("coral", T): [0.59, 0.60, 0.64]}
    assert {each.verdict for each in compare(frame(base), frame({**base, ("coral", T): [0.62, 0.61, 0.60]}))} == {
        "same"
    }


def test_equal_accuracies_with_other_scores_are_not_dead() -> None:
    """As on a task that every method solves."""
    solved = {("source_only", T): [1.0] * 3, ("dann", T): [1.0] * 3}
    before, now = frame({**solved, ("dann", T): [0.998, 1.0, 1.0]}), frame(solved)
    assert {each.method: each.verdict for each in compare(before, now)}["dann"] == "dead"
    now["proxy_a_distance"] = [1.9, 1.8, 1.9, 1.1, 1.2, 1.0]
    assert {each.method: each.verdict for each in compare(before, now)}["dann"] == "same"


def test_what_equalled_source_only_in_the_baseline_is_not_dead() -> None:
    base = {**BASE, ("coral", T): BASE["source_only", T]}
    assert {each.method: each.verdict for each in compare(frame(base), frame(base))}["coral"] == "same"


def test_an_alignment_without_gradient_is_dead_even_where_the_method_differs() -> None:
    now = frame(BASE).assign(largest_gradient_ratio=[float("nan")] * 3 + [0.0] * 3 + [0.0, 0.0, 1e-9])
    findings = {each.method: each for each in compare(frame(BASE), now)}
    assert {name: each.verdict for name, each in findings.items()} == {
        "source_only": "same",
        "dann": "dead",
        "dan": "same",
    }
    assert "no gradient at any checkpoint" in str(findings["dann"])


def test_changes_are_in_points() -> None:
    (worse,) = [f for f in compare(frame(BASE), frame({**BASE, ("dann", T): [0.7, 0.72, 0.71]})) if f.failed]
    assert str(worse).startswith("dann on toys/moons: WORSE by 10.0 points (allowed ")
    assert "%" not in str(worse)


def test_findings_as_json_and_junit() -> None:
    findings = compare(frame(BASE), frame({**BASE, ("dann", T): [0.7, 0.72]}))
    told = json.loads(as_json(findings))
    assert told["failed"] == 1
    assert {cell["unit"] for cell in told["cells"]} == {"points"}
    assert {cell["method"]: (cell["verdict"], cell["change"]) for cell in told["cells"]}["dann"] == (
        "missing",
        None,
    )
    suite = ElementTree.fromstring(as_junit(findings))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "dann on toys/moons: MISSING: a run of the baseline has no counterpart"


def test_noise_alone_raises_no_alarm() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        cells = {(f"m{i}", T): list(0.7 + 0.02 * rng.normal(size=3)) for i in range(10)}
        now = {cell: list(np.array(values) + 0.02 * rng.normal(size=3)) for cell, values in cells.items()}
        alarms += any(finding.failed for finding in compare(frame(cells), frame(now)))
    assert alarms / 300 < 0.03


SCRIPT = """
from benchmarks.commands.parser import main
from benchmarks.engines import local
from tests.conftest import EngineHere

local.LocalEngine = EngineHere
check = ["check", "--baseline", "small.csv", "--suite", "small.toml"]
assert main([*check, "--from", "store"]) == 2
raise SystemExit(main([*check, "--junit", "junit.xml"]))
"""


def check_in(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Both command lines in one process, which takes as long to start as they do; with the tests of this one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(ROOT)])}
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, env=environment, check=False)


def patch(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small suite, its runs and its baseline."""
    root = tmp_path_factory.mktemp("baseline")
    (root / "small.toml").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
        assert main([*CHECK, "--update", "--methods", "dann,coral", "--store", "store"]) == 0
    return root


CHECK = ["check", "--baseline", "small.csv", "--suite", "small.toml"]


def test_unchanged_code_passes_to_the_bit(
    baseline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(baseline)
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    assert main([*CHECK, "--from", "store"]) == 0
    assert "all 6 cells pass" in capsys.readouterr().out
    assert main([*CHECK, "--methods", "coral", "--tasks", "toys/blobs"]) == 0
    assert capsys.readouterr().out.count("same (+0.0 points") == 2


def test_planted_faults_turn_red_naming_the_method(baseline: Path, tmp_path: Path) -> None:
    """In a copy of the packages: its process has other code than this one."""
    broken = tmp_path / "broken"
    shutil.copytree(baseline, broken)
    for package in ("benchmarks", "methods", "datasets", "results"):
        shutil.copytree(ROOT / package, broken / package)
    layers, coral = broken / "methods/networks/layers.py", broken / "methods/coral.py"
    patch(layers, "self.net(features).squeeze(1)", "self.net(features).softmax(1).squeeze(1)")
    patch(coral, "self.params.trade_off *", "0.0 *")
    result = check_in(broken)
    assert result.returncode == 1, result.stderr
    assert "made by different code" in result.stderr
    assert len(list(ElementTree.parse(broken / "junit.xml").iter("failure"))) == 4
    assert "dann on toys/blobs: DEAD: it equals source_only in every seed" in result.stdout
    assert "coral on toys/scale: DEAD: it equals source_only in every seed" in result.stdout
    assert "coral on toys/blobs: DEAD: it equals source_only in every seed" in result.stdout
    assert "source_only on toys/blobs: same" in result.stdout


def test_a_baseline_is_not_replaced_by_fewer_seeds(
    baseline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(baseline)
    assert main([*CHECK, "--update", "--seeds", "1"]) == 2
    assert "may not have fewer" in capsys.readouterr().err


def test_a_changed_suite_asks_for_a_new_baseline(
    baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "small.toml"
    changed.write_text(SUITE.replace("steps = 50", "steps = 51"))
    assert main(["check", "--baseline", str(baseline / "small.csv"), "--suite", str(changed)]) == 2
    assert "--update" in capsys.readouterr().err

"""Tasks with several targets: the score of each, and the mean over them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.commands.parser import main
from benchmarks.core.registry import DATASETS, DatasetInfo
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.targets import by_domain
from benchmarks.plan.grid import plan
from benchmarks.records.frame import load_records, record_row
from benchmarks.records.record import Record, read_part
from benchmarks.training.run import execute
from datasets.base import DomainFamily, Oracle, Samples, load_task, objective_of_task
from tests.conftest import CPU, TINY

BOTH = "towns/a-b+c"
SIZES = {"a": 100, "b": 60, "c": 160}


class Towns(DomainFamily):
    """Two classes that another town has shifted further."""

    name = "towns"
    domains = ("a", "b", "c")

    def classes(self, task: str) -> tuple[str, ...]:
        return ("low", "high")

    def protocol(self, task: str) -> dict[str, Any]:
        return {"backbone": "mlp"}

    def read_domain(self, domain: str) -> Samples:
        y = np.arange(SIZES[domain]) % 2
        x = np.random.default_rng(len(y)).normal(size=(len(y), 2)) + 2 * y[:, None] + self.domains.index(domain)
        return Samples(x.astype(np.float32), y)


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    DATASETS.register("towns", DatasetInfo(version=1, summary="-", licence="-"))(Towns)
    yield
    DATASETS.remove("towns")


def recorded(folder: Path, task: str, scoring: str = "inductive") -> Path:
    settings = {**TINY, "scoring": scoring}
    (spec,) = plan("quick", ["source_only"], [task], [0], {"protocol": settings}).specs
    folder.mkdir()
    execute(spec, folder, CPU)
    return folder


@pytest.mark.parametrize("scoring", ["inductive", "transductive"])
def test_a_record_has_the_score_of_each_target_and_their_mean(tmp_path: Path, scoring: str) -> None:
    """The accuracy over all samples is of the larger target for the most part; the mean is not."""
    folder = recorded(tmp_path / "record", BOTH, scoring)
    row = record_row(Record(folder), [])
    sizes = [SIZES[name] * (1.0 if scoring == "transductive" else 0.3) for name in "bc"]
    each = [row["target_by_domain_1"], row["target_by_domain_2"]]
    assert row["target_by_domain_mean"] == pytest.approx(np.mean(each))
    assert row["target_test_accuracy"] == pytest.approx(np.average(each, weights=sizes))
    domain = load_task(BOTH, transductive=scoring == "transductive").oracle().target_test_domain
    assert np.bincount(domain).tolist() == pytest.approx(sizes)
    last = Outputs.load(folder / "outputs/000020.npz")["target_test.logits"].argmax(1)
    y = np.load(folder / "oracle.npz")["target_test_y"]
    assert each == [pytest.approx((last == y)[domain == number].mean()) for number in (0, 1)]


def test_the_record_of_one_target_has_nothing_more(tmp_path: Path) -> None:
    last = read_part(recorded(tmp_path / "record", "towns/a-b"), "oracle.json")["last"]
    assert not [name for name in last if name.startswith("target_by_domain")]


def test_a_target_without_labels_has_no_score_and_leaves_no_mean() -> None:
    outputs = Outputs({"target_test.logits": np.eye(2)[[0, 1, 1, 0]], "source_val.logits": np.eye(2)})
    y, domain = np.array([0, 0, -1, -1]), np.array([0, 0, 1, 1])
    oracle = Oracle(y, y, np.arange(4), domain, objective_of_task(BOTH))
    assert by_domain(outputs, oracle) == {"target_by_domain_1": 0.5}


def test_the_table_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (spec,) = plan("quick", ["source_only"], [BOTH], [0], {"protocol": TINY}).specs
    folder = Path("runs/towns_a-b+c/source_only") / f"seed0-{spec.run_id}"
    folder.parent.mkdir(parents=True)
    recorded(folder, BOTH)
    settings = [word for key, value in TINY.items() for word in ("--set", f"protocol.{key}={value}")]
    flags = ["--tasks", BOTH, "--methods", "source_only", *settings]
    assert main(["table", *flags, "--show", "target_by_domain"]) == 0
    out = capsys.readouterr().out
    row = load_records([folder]).iloc[0]
    each = [f"{100 * row[f'target_by_domain_{which}']:.1f}" for which in (1, 2, "mean")]
    (_, shown) = out.split(f"of each target: {BOTH}")
    header, _, line = [line.split() for line in shown.splitlines() if line.strip()][:3]
    assert header == ["method", "b", "c", "mean", "of", "targets"]
    assert line == ["source_only", *each]

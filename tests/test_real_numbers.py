"""Every method on a task whose labels are real numbers: it trains, or is not applicable and says why."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from benchmarks.core.registry import DATASETS, METHODS, DatasetInfo
from benchmarks.plan.grid import Grid, plan
from benchmarks.records.record import read_part
from benchmarks.training.run import execute
from datasets.base import DomainFamily, Samples
from tests.conftest import CPU, TINY


class Heights(DomainFamily):
    """A height is the sum of two inputs, of which one has another mean and deviation in each domain."""

    name = "heights"
    domains = ("low", "middle", "high")

    def objective(self, task: str) -> str:
        return "real"

    def classes(self, task: str) -> tuple[str, ...]:
        return ("height",)

    def protocol(self, task: str) -> dict[str, Any]:
        return {"backbone": "mlp"}

    def read_domain(self, domain: str) -> Samples:
        number = self.domains.index(domain)
        x = np.random.default_rng(number).normal(0, 1, (120, 2)) * [1 + number, 1] + [number, 0]
        return Samples(x.astype(np.float32), (x.sum(axis=1) - 1).astype(np.float32))


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    DATASETS.register(Heights.name, DatasetInfo(version=1, summary="-", licence="-"))(Heights)
    yield
    DATASETS.remove(Heights.name)


def planned(method: str) -> Grid:
    several = "several_sources" in METHODS.info(method).needs
    task = "heights/low+middle-high" if several else "heights/low-high"
    return plan("quick", [method], [task], [0], {"protocol": {**TINY, "checkpoints": 1}})


@cache
def error_of(method: str) -> float:
    """On the target, after the last step."""
    (spec,) = planned(method).specs
    with TemporaryDirectory() as folder:
        execute(spec, Path(folder), CPU)
        return read_part(Path(folder), "oracle.json")["checkpoints"][-1]["target_rmse"]


@pytest.mark.parametrize("method", METHODS.names())
def test_a_method_predicts_real_numbers_or_says_why_it_cannot(method: str) -> None:
    """None runs without doing anything, as a loss on the probability of one class would."""
    if missing := planned(method).not_applicable:
        (cell,) = missing
        assert cell.reason
        assert len(cell.reason.splitlines()) == 1
        return
    assert np.isfinite(error_of(method))
    assert method == "source_only" or error_of(method) != error_of("source_only")


@pytest.mark.parametrize(("known", "warned"), [(1, False), (0, True)])
def test_a_source_whose_numbers_are_not_learnt_warns(
    known: int, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = METHODS.get("coral")
    predict = cls.predict
    monkeypatch.setattr(
        cls, "predict", lambda self, x, side: (predict(self, x, side)[0], known * predict(self, x, side)[1])
    )
    (spec,) = plan("quick", ["coral"], ["heights/low-high"], [0], {"protocol": {**TINY, "steps": 200}}).specs
    execute(spec, tmp_path, CPU)
    said = read_part(tmp_path, "provenance.json")["warnings"]
    assert any("R² ends at chance" in text for text in said) == warned


@pytest.mark.parametrize("method", ["cdan", "mcd", "mcc", "bnm", "shot", "jan", "svm", "majority", "deepjdot"])
def test_what_learns_from_classes_is_not_applicable(method: str) -> None:
    reasons = [cell.reason for cell in planned(method).not_applicable]
    assert reasons == ["it learns from classes, and the labels here are real numbers"]


def test_what_aligns_features_alone_runs() -> None:
    ready = {method for method in METHODS.names() if planned(method).specs}
    assert {"source_only", "dann", "coral", "dan", "dare_gram", "rsd", "mdan", "kmm", "target_only"} <= ready

"""Each method on the toy that it is built for, over 5 seeds; and one toy where aligning must hurt."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.plan.grid import plan
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from benchmarks.report.statistics import t_half_width
from tests.conftest import EngineHere

RUNS = {
    "toys/blobs": ["source_only", "dann", "dan", "cdan"],
    "toys/scale": ["source_only", "coral"],
    "toys/covariate": ["source_only", "reweighting", "kmm"],
    "toys/flipped": ["source_only", "dan"],
}


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    store = Store(Path(tmp_path_factory.mktemp("use")))
    once = {"protocol": {"checkpoints": "1", "steps": "200"}}  # more of either would only take time
    grids = [plan("toys", methods, [task], range(5), once) for task, methods in RUNS.items()]
    specs = [spec for grid in grids for spec in grid.specs]
    for event in EngineHere(store, ["cpu"]).run(specs):
        assert event.kind != "failed", event.error
    return load_records(store.root)


def accuracy(records: pd.DataFrame, method: str, task: str) -> np.ndarray:
    cell = records[(records["method"] == method) & (records["task"] == task)].sort_values("seed")
    return cell["target_test_accuracy"].to_numpy()


def gain_interval(records: pd.DataFrame, method: str, task: str) -> tuple[float, float]:
    gains = accuracy(records, method, task) - accuracy(records, "source_only", task)
    assert len(gains) == 5
    half = t_half_width(gains)
    return gains.mean() - half, gains.mean() + half


def test_blobs_fool_a_source_model_and_alignment_mends_it(records: pd.DataFrame) -> None:
    assert accuracy(records, "source_only", "toys/blobs").mean() <= 0.65
    for method in ("dann", "dan", "cdan"):
        assert accuracy(records, method, "toys/blobs").mean() >= 0.95, method


@pytest.mark.parametrize(
    ("method", "task"), [("coral", "toys/scale"), ("reweighting", "toys/covariate"), ("kmm", "toys/covariate")]
)
def test_a_method_gains_on_the_shift_it_is_built_for(records: pd.DataFrame, method: str, task: str) -> None:
    assert gain_interval(records, method, task)[0] > 0


def test_aligning_marginals_hurts_where_class_priors_are_reversed(records: pd.DataFrame) -> None:
    assert gain_interval(records, "dan", "toys/flipped")[1] < 0

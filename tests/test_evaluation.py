"""Scores of saved outputs, and the files they are kept in."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.proxy_a_distance import SMALLEST, proxy_a_distance
from benchmarks.evaluation.scores import accuracy
from benchmarks.run import execute
from benchmarks.settings import UserError
from tests.conftest import CPU, spec_of


def normal(shift: float, n: int = 300, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, size=(n, d))


def test_accuracy_counts_the_largest_logit() -> None:
    assert accuracy(np.array([[1, 2], [3, 1], [0, 1]]), np.array([1, 0, 0])) == pytest.approx(2 / 3)


def test_alike_domains_are_near_zero_and_distant_ones_at_two() -> None:
    alike = proxy_a_distance(normal(0), normal(0, seed=1))
    distant = proxy_a_distance(normal(0), normal(9, seed=1))
    assert alike is not None
    assert distant is not None
    assert 0 <= alike.value < 0.3
    assert distant.value == 2
    assert distant.spread == 0


def test_it_grows_with_the_shift_and_meets_the_bayes_error() -> None:
    """For N(0, 1) and N(s, 1), the best classifier's error is the normal tail beyond s / 2."""
    from scipy.stats import norm

    values = []
    for shift in (0.5, 1.0, 2.0):
        distance = proxy_a_distance(normal(0, 1000, 1), normal(shift, 1000, 1, seed=1))
        assert distance is not None
        values.append(distance.value)
        assert distance.value == pytest.approx(2 * (1 - 2 * norm.sf(shift / 2)), abs=0.15)
    assert values == sorted(values)


def test_it_uses_equal_numbers_says_how_many_and_refuses_too_few() -> None:
    distance = proxy_a_distance(normal(0, 90, 4), normal(0, 2000, 4))
    assert distance is not None
    assert (distance.n, distance.size) == (90, 4)
    assert proxy_a_distance(normal(0, SMALLEST - 1), normal(0, 2000)) is None


def test_outputs_hold_no_target_label_and_come_back_as_saved(tmp_path: Path) -> None:
    execute(spec_of("dann"), tmp_path, CPU)
    paths = sorted((tmp_path / "outputs").iterdir())
    assert [path.name for path in paths] == ["000010.npz", "000020.npz"]
    outputs = Outputs.load(paths[-1])
    assert {name for name in outputs.arrays if name.endswith(".y")} == {
        "source_train.y",
        "source_val.y",
        "source_test.y",
    }
    outputs.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == paths[-1].read_bytes()


def test_scores_come_again_from_the_saved_outputs(tmp_path: Path) -> None:
    """The record's scores are functions of its files: nothing was measured elsewhere."""
    import json

    from benchmarks.evaluation.scores import evaluate, evaluate_last

    execute(spec_of("coral"), tmp_path, CPU)
    scores = json.loads((tmp_path / "scores.json").read_text())
    outputs = Outputs.load(tmp_path / "outputs" / "000020.npz")
    assert scores["checkpoints"][-1] == {"step": 20, **evaluate(outputs)}
    assert scores["last"] == evaluate_last(outputs)
    labels = np.load(tmp_path / "oracle.npz")["target_test_y"]
    oracle = json.loads((tmp_path / "oracle.json").read_text())
    assert oracle["checkpoints"][-1]["target_test_accuracy"] == accuracy(outputs["target_test.logits"], labels)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 truncated", pickle.dumps([1])])
def test_a_broken_outputs_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "000020.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"000020\.npz cannot be read"):
        Outputs.load(tmp_path / "000020.npz")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="cannot be read"):
        Outputs.load(tmp_path / "x.npz")

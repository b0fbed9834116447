"""Scores of saved outputs, and the files they are kept in."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from benchmarks.core.objective import Classes
from benchmarks.core.settings import UserError
from benchmarks.evaluation import agreement
from benchmarks.evaluation.oracle import calibration_error
from benchmarks.evaluation.oracle import evaluate_last as evaluate_oracle_last
from benchmarks.evaluation.outcomes import packed_units, unpacked_units
from benchmarks.evaluation.outputs import Outputs, evaluation_inputs
from benchmarks.evaluation.proxy_a_distance import SMALLEST, STRENGTHS, _fit, proxy_a_distance
from benchmarks.evaluation.scores import accuracy
from benchmarks.training.recorder import model_outputs
from benchmarks.training.run import execute
from datasets.base import Domains, Oracle, forget_tasks, load_task
from datasets.toys import Toys
from tests.conftest import CPU, spec_of, trained


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


def test_a_distance_of_alike_domains_is_small_in_many_dimensions() -> None:
    """100 samples in 200 dimensions can always be parted; held-out ones cannot."""
    alike = proxy_a_distance(normal(0, 100, 200), normal(0, 100, 200, seed=1))
    assert alike is not None
    assert alike.value < 0.4


def test_the_distance_of_inputs_is_of_the_data_as_they_were_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def distance(folder: Path) -> float:
        folder.mkdir()
        execute(spec_of("source_only"), folder, CPU)
        return float(json.loads((folder / "scores.json").read_text())["task"]["proxy_a_distance_inputs"])

    before, read = distance(tmp_path / "before"), Toys.read
    forget_tasks()
    monkeypatch.setattr(Toys, "read", lambda *asked: shifted(read(*asked)))
    assert before < distance(tmp_path / "after") == 2


def shifted(domains: Domains) -> Domains:
    """The target is far from the source."""
    return replace(domains, targets=[replace(each, x=each.x + 99) for each in domains.targets])


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


@pytest.mark.parametrize("strength", STRENGTHS)
def test_its_classifier_is_a_logistic_regression(strength: float) -> None:
    rows = np.concatenate([normal(0, 200, 8), normal(0.4, 200, 8, seed=1)])
    exact = LogisticRegression(C=strength, tol=1e-10).fit(rows, np.repeat([0, 1], 200))
    found = _fit(rows, strength, np.ones(9))
    np.testing.assert_allclose(found, [*exact.coef_[0], exact.intercept_[0]], atol=0.02)


def test_rounding_noise_in_a_feature_that_hardly_varies_is_not_heard() -> None:
    """Two domains alike but for a feature whose values, below float16's precision, tell them apart."""
    source, target = (np.hstack([normal(0, 400, 3, seed=seed), np.full((400, 1), 0.0)]) for seed in (0, 1))
    quiet = proxy_a_distance(source, target)
    source[:, -1] += 1e-5
    assert proxy_a_distance(source, target) == quiet


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
    from benchmarks.evaluation.scores import evaluate, evaluate_last

    execute(spec_of("coral"), tmp_path, CPU)
    scores = json.loads((tmp_path / "scores.json").read_text())
    outputs = Outputs.load(tmp_path / "outputs" / "000020.npz")
    assert scores["checkpoints"][-1] == {"step": 20, **evaluate(outputs)}
    assert scores["last"] == evaluate_last(outputs)
    labels = np.load(tmp_path / "oracle.npz")["target_test_y"]
    oracle = json.loads((tmp_path / "oracle.json").read_text())
    assert oracle["checkpoints"][-1]["target_test_accuracy"] == accuracy(outputs["target_test.logits"], labels)


def test_mixvals_probes_are_55_parts_of_a_sample_and_45_of_its_partner() -> None:
    """Hu et al., NeurIPS 2023, by their code: the larger part gives the label; partners are in reverse order."""
    spec = spec_of("dann", "toys/blobs")
    trainer, task = trained(spec), load_task(spec.task)
    inputs = evaluation_inputs(task.train_view(), task.evaluation_view())
    x = torch.from_numpy(np.array(inputs["target_train"][0]))
    probes = torch.stack([0.55 * x[i] + 0.45 * x[len(x) - 1 - i] for i in range(len(x))])
    wanted = trainer.outputs(probes, "target")[1].numpy()
    found = model_outputs(trainer, inputs, last=False)["target_mixed.logits"]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["majority", "target_only"])
def test_references_learn_the_targets_labels_where_the_sources_mislead(tmp_path: Path, method: str) -> None:
    """Of the source 15% are of class 1, of the target 85%."""
    execute(spec_of(method, "toys/flipped", lr_backbone=0.01, lr_new=0.01), tmp_path, CPU)
    oracle = json.loads((tmp_path / "oracle.json").read_text())
    accuracy = oracle["checkpoints"][-1]["target_test_accuracy"]
    assert accuracy > 0.8
    if method == "majority":
        assert accuracy == oracle["last"]["target_majority_rate"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 truncated", pickle.dumps([1])])
def test_a_broken_outputs_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "000020.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"000020\.npz' cannot be read"):
        Outputs.load(tmp_path / "000020.npz")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="cannot be read"):
        Outputs.load(tmp_path / "x.npz")


def oracle_scores(logits: list[list[float]], y: list[int]) -> dict[str, Any]:
    said = np.array(logits, dtype=float)
    labels = Oracle(
        np.array(y), np.array([0, 2]), np.arange(len(y)), np.zeros(len(y), int), Classes(said.shape[1])
    )
    outputs = Outputs({"target_test.logits": said, "source_val.logits": said})
    return evaluate_oracle_last(outputs, np.array([0, 1]), labels)


def test_class_mean_accuracy_and_majority_rate_tell_what_accuracy_hides() -> None:
    """9 of 10 right by saying the most frequent class; a third class that is absent does not count."""
    scores = oracle_scores([[5, 0, 0]] * 10, [0] * 9 + [1])
    assert scores["target_class_mean_accuracy"] == 0.5
    assert scores["target_macro_f1"] == pytest.approx(np.mean([2 * 0.9 / 1.9, 0.0]))
    assert scores["target_majority_rate"] == 0.9
    assert scores["target_test_n"] == 10
    assert (scores["target_train_accuracy"], scores["target_train_n"]) == (0.5, 2)
    assert scores["confusion"] == [[9, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    """Of a sample of class 1 and one of class 0, how often the first is said to be more of class 1."""
    logits, y = [[0.0, 3.0], [1.0, 0.0], [0.0, 1.0], [2.0, 1.0]], [1, 0, 0, 1]
    assert oracle_scores(logits, y)["target_auc"] == 2.5 / 4  # margins 3, -1, 1 and -1: 3 > -1, 3 > 1, -1 = -1
    assert "target_auc" not in oracle_scores([[5, 0, 0]] * 2, [0, 1])


@pytest.mark.parametrize("classes", [100, 101, 20_000])
def test_a_record_of_many_classes_has_all_scores_and_no_matrix_of_their_square(classes: int) -> None:
    """That of 20,000 classes would take 3.2 GB before it is written."""
    logits = np.zeros((4, classes), np.float32)
    logits[[0, 1, 2, 3], [0, 1, classes - 1, classes - 1]] = 9
    found = oracle_scores(logits.tolist(), [0, 1, 2, classes - 1])
    assert found["target_class_mean_accuracy"] == 0.75
    assert found["target_majority_rate"] == 0.25
    assert found["target_macro_f1"] == pytest.approx((1 + 1 + 0 + 2 / 3) / 4)
    assert ("confusion" in found) == (classes <= 100)


def test_calibration_error_is_the_gap_of_confidence_and_accuracy_by_bin() -> None:
    rng = np.random.default_rng(0)
    logits, y = rng.normal(0, 2, size=(500, 3)), rng.integers(3, size=500)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    confidence, right = p.max(1), p.argmax(1) == y
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert calibration_error(logits, y) == pytest.approx(expected)


def test_a_calibrated_model_has_next_to_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, size=(20000, 3))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = (p.cumsum(1) > rng.uniform(size=(20000, 1))).argmax(1)
    assert calibration_error(logits, y) < 0.02
    assert calibration_error(3 * logits, y) > 0.1


def test_what_a_run_costs_is_in_its_record(tmp_path: Path) -> None:
    """A step of DANN is one joint forward of the encoder and one backward; ADDA's second stage has more."""
    passes = {}
    for method in ("dann", "adda"):
        folder = tmp_path / method
        folder.mkdir()
        execute(spec_of(method), folder, CPU)
        cost = json.loads((folder / "scores.json").read_text())["cost"]
        passes[method] = (cost["forward_passes"], cost["backward_passes"])
        assert cost["parameters"] > 0
        assert json.loads((folder / "cost.json").read_text())["peak_memory_mb"] > 1
    assert passes == {"dann": (20, 20), "adda": (20 + 3 * 20, 20 + 2 * 20)}


@given(st.lists(st.integers(0, 10_000), max_size=50))
def test_ids_of_test_samples_come_back_from_their_text(units: list[int]) -> None:
    assert unpacked_units(packed_units(np.array(units, np.int64))).tolist() == units


def test_ids_that_rise_one_by_one_take_little_room() -> None:
    assert len(packed_units(np.arange(5000, 15_000))) < 100


def test_agreement_and_shares_count_what_is_predicted() -> None:
    a, b = np.array([0, 1, 2, agreement.NOTHING]), np.array([0, 1, 1, agreement.NOTHING])
    assert agreement.agreement(a, b) == 0.5  # what is no class agrees with nothing
    assert agreement.mean_agreement([a[:3], b[:3], a[:3]]) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert agreement.class_shares(a, 4).tolist() == [0.25, 0.25, 0.25, 0]
    logits = np.array([[0, 1.0], [np.nan, 1], [2, 1]])
    outputs = Outputs({"target_train.logits": logits, "source_train.y": np.array([0, 0, 1, 0])})
    assert agreement.predicted(outputs).tolist() == [1, agreement.NOTHING, 0]
    assert agreement.source_shares(outputs).tolist() == [0.75, 0.25]

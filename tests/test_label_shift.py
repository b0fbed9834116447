"""Estimates of class shares, against other formulas and where the truth is known."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from benchmarks.advice.label_shift import estimate, lines, unlike
from benchmarks.core.label_shift import bbse, calibrate, calibrated, em

CLASSES = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.advice.label_shift.DRAWS", 40)


def drawn(
    shares: tuple[float, ...], seed: int = 0, n: int = 300, apart: float = 1.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overconfident and biased logits of a source of equal shares, its classes, and logits of a target."""
    rng = np.random.default_rng(seed)
    k = len(shares)
    y, z = rng.integers(k, size=n), rng.choice(k, size=n, p=shares)
    logits = [3 * (apart * (rng.normal(size=(n, k)) + apart * np.eye(k)[of]) + np.eye(k)[0]) for of in (y, z)]
    return logits[0], y, logits[1]


def test_bbse_is_the_papers_where_no_share_is_negative() -> None:
    """w = C^-1 mu with the joint C, Lipton et al., section 3."""
    source, y, target = drawn((0.5, 0.3, 0.2))
    joint = np.zeros((3, 3))
    for predicted, true in zip(source.argmax(1), y, strict=True):
        joint[predicted, true] += 1 / len(y)
    mu = np.bincount(target.argmax(1), minlength=3) / len(target)
    expected = np.linalg.inv(joint) @ mu * joint.sum(0)
    assert (expected > 0).all()
    np.testing.assert_allclose(bbse(joint / joint.sum(0), mu), expected, atol=1e-10)
    found = estimate(source, y, target, CLASSES)
    assert found is not None
    np.testing.assert_allclose(found.bbse.value, expected, atol=1e-10)
    assert found.condition == pytest.approx(np.linalg.cond(joint / joint.sum(0)))


def test_bbse_never_gives_a_negative_share() -> None:
    shares = bbse(np.array([[0.6, 0.4], [0.4, 0.6]]), np.array([0.9, 0.1]))
    np.testing.assert_allclose(shares, [1, 0])


def test_em_finds_the_most_likely_shares() -> None:
    rng = np.random.default_rng(0)
    posterior, prior = rng.dirichlet((0.5, 0.5, 0.5), 200), np.array([0.5, 0.2, 0.3])

    def loss(free: np.ndarray) -> float:
        shares = np.exp(np.append(free, 0))
        return -float(np.log(posterior @ (shares / shares.sum() / prior)).sum())

    best = np.exp(np.append(minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-7}).x, 0))
    np.testing.assert_allclose(em(posterior, prior), best / best.sum(), atol=1e-4)


def test_calibration_of_two_classes_is_a_logistic_regression() -> None:
    source, y, _ = drawn((0.5, 0.5), apart=1)
    fitted = calibrate(source, y)
    model = LogisticRegression(C=1e9, tol=1e-9).fit((source[:, 1] - source[:, 0])[:, None], y)
    assert np.exp(-fitted[0]) == pytest.approx(model.coef_[0, 0], rel=0.01)
    assert fitted[2] - fitted[1] == pytest.approx(model.intercept_[0], abs=0.01)
    assert calibrated(source, fitted).mean(0) == pytest.approx(np.bincount(y) / len(y), abs=1e-3)


def test_without_errors_to_calibrate_on_all_stays_finite() -> None:
    y = np.arange(60) % 3
    logits = 30 * np.eye(3)[y]
    found = estimate(logits, y, logits[:40], CLASSES)
    assert found is not None
    assert found.condition == pytest.approx(1)
    for shares in (found.bbse, found.em):
        np.testing.assert_allclose(shares.value, np.bincount(y[:40]) / 40, atol=1e-6)


def test_known_shares_are_in_the_intervals() -> None:
    """In 60 draws of three classes the intervals of 95% held 92% of BBSE's shares, and 93% of EM's."""
    inside = []
    for seed in range(16):
        found = estimate(*drawn((0.8, 0.2), seed, n=200), CLASSES[:2])
        assert found is not None
        assert found.agree
        assert not found.contradicted
        inside += [shares.low[0] <= 0.8 <= shares.high[0] for shares in (found.bbse, found.em)]
    assert np.mean(inside) > 0.85


def test_what_seems_absent_or_frequent_is_told_only_where_it_is() -> None:
    equal = estimate(*drawn((0.34, 0.33, 0.33), n=600), CLASSES)
    shifted = estimate(*drawn((0.8, 0.2, 0.0), n=600, apart=3), CLASSES)
    assert equal is not None
    assert shifted is not None
    assert unlike(equal) == []
    assert equal.skew < 1.2
    absent, frequent = unlike(shifted)
    assert absent == "'c' seems rare or absent"
    assert frequent.startswith("'a' seems to have over 2.")
    assert 2.2 < shifted.skew < 2.7


def test_classes_that_are_not_told_apart_are_told_of() -> None:
    """All of c is predicted as b."""
    source, y, target = drawn((0.34, 0.33, 0.33))
    for logits in (source, target):
        logits[:, 1] = logits[:, 1:].max(1)
        logits[:, 2] = logits[:, 1] - 1
    found = estimate(source, y, target, CLASSES)
    assert found is not None
    assert found.condition is None
    assert not found.well_conditioned
    assert any("condition number is infinite" in line and "BBSE is worth little" in line for line in lines(found))
    json.dumps(asdict(found), allow_nan=False)


def test_a_class_without_validation_samples_is_left_out_and_told_of() -> None:
    source, y, target = drawn((0.5, 0.3, 0.2))
    kept = (y != 1) & ((y != 2) | (np.cumsum(y == 2) <= 3))
    found = estimate(source[kept], y[kept], target, CLASSES)
    assert found is not None
    assert (found.classes, found.missing, found.few) == (("a", "c"), ("b",), ("c",))
    for shares in (found.bbse, found.em):
        assert sum(shares.value) == pytest.approx(1)
    assert "Of 'b' nothing is known: no validation sample is of it." in lines(found)
    assert "Intervals are too narrow for 'c': fewer than 5 validation samples." in lines(found)
    assert not any("'c'" in clause for clause in unlike(found))


def test_a_target_of_a_single_predicted_class_is_one_estimate() -> None:
    """EM's shares end a hair above 0, and BBSE's interval is 0 alone."""
    source, y, target = drawn((0.5, 0.3, 0.2), apart=3)
    found = estimate(source, y, target + np.array([90, 0, 0]), CLASSES)
    assert found is not None
    assert found.bbse.high[1:] == (0, 0)
    assert found.agree


def test_estimates_that_disagree_are_not_recommended() -> None:
    """p(x|y) has changed: the model is as right as before, and much less sure."""
    source, y, target = drawn((0.8, 0.1, 0.1), apart=3)
    found = estimate(source, y, target * 0.02 + np.array([0, 0, 0.5]), CLASSES)
    assert found is not None
    assert not found.agree
    assert any("disagree" in line and "Do not rely on either" in line for line in lines(found))


def test_a_model_that_is_less_sure_contradicts_the_assumption() -> None:
    source, y, target = drawn((0.8, 0.2, 0.0), n=600, apart=3)
    kept, changed = (estimate(source, y, logits, CLASSES) for logits in (target, target * 0.2))
    assert kept is not None
    assert changed is not None
    np.testing.assert_allclose(kept.bbse.value, changed.bbse.value)
    assert not kept.contradicted
    assert "How sure source_only is does not contradict it, which is no proof." in lines(kept)[1]
    assert changed.contradicted
    assert changed.confidence - changed.surprise.value == pytest.approx(kept.confidence, abs=0.02)
    assert "That is contradicted" in lines(changed)[1]
    assert unlike(changed) == []


def test_it_is_the_same_each_time_short_and_json() -> None:
    shares = tuple(np.ones(20) / 20)
    found = [estimate(*drawn(shares, n=200), tuple(map(str, range(20)))) for _ in range(2)]
    assert found[0] is not None
    assert found[0] == found[1]
    assert len(lines(found[0])) <= 14
    assert "the 8 that change most" in lines(found[0])[0]
    json.dumps(asdict(found[0]), allow_nan=False)


def test_nothing_is_estimated_from_a_diverged_model_or_a_single_class() -> None:
    source, y, target = drawn((0.5, 0.3, 0.2))
    assert estimate(np.where(source > 9, np.nan, source), y, target, CLASSES) is None
    assert estimate(source, np.zeros_like(y), target, CLASSES) is None

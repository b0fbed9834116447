"""Intervals of gains: scipy's where seeds alone are known, else simulated for what they say they cover."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.report.intervals import Estimate, Outcomes, estimate
from datasets.base.splits import draw

SEEDS, GAIN = 5, 0.1


def outcomes(values: np.ndarray, units: np.ndarray | None = None) -> list[Outcomes]:
    """Of values (seeds, samples)."""
    return [Outcomes.of(row, np.arange(len(row)) if units is None else units) for row in values]


def coverage(found: list[Estimate]) -> float:
    return float(np.mean([abs(each.mean - GAIN) <= each.half_width for each in found]))


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=20))
def test_seeds_alone_are_scipys_paired_t_test(gains: list[float]) -> None:
    found = estimate(np.array(gains))
    if np.std(gains) > 1e-9:
        test = stats.ttest_1samp(gains, 0.0)
        low, high = test.confidence_interval()
        assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high))
        assert found.p == pytest.approx(test.pvalue)


def test_what_never_varies_is_certain() -> None:
    zero, one = estimate(np.zeros(5)), estimate(np.full(5, 0.125))
    assert (zero.p, zero.half_width, one.p, one.half_width) == (1.0, 0.0, 0.0, 0.0)


def test_two_crossed_effects_are_their_analysis_of_variance() -> None:
    """Mean squares of a table of seeds and samples without replication, in any textbook."""
    values = np.random.default_rng(0).normal(size=(5, 40)) + np.random.default_rng(1).normal(size=40)
    n, m = values.shape
    rows, columns = values.mean(1), values.mean(0)
    rest = ((values - rows[:, None] - columns + values.mean()) ** 2).sum() / ((n - 1) * (m - 1))
    parts = np.array([rows.var(ddof=1) / n, columns.var(ddof=1) / m, rest / (n * m)])
    found = estimate(rows, [outcomes(values)])
    variance = parts @ [1, 1, -1]
    assert found.variance == pytest.approx(variance)
    freedom = np.array([n - 1, m - 1, (n - 1) * (m - 1)])
    assert found.freedom == pytest.approx(variance**2 / (parts**2 / freedom).sum())


def test_a_variance_is_never_less_than_that_of_seeds_or_of_samples_alone() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(size=(5, 8))  # no effect at all: half of the differences would be below
        found = estimate(values.mean(1), [outcomes(values)])
        alone = max(values.mean(1).var(ddof=1) / 5, values.mean(0).var(ddof=1) / 8)
        assert found.variance >= alone * (1 - 1e-9)


@pytest.mark.parametrize(
    ("seed", "sample", "both", "seeds_alone"),
    [(0.0, 0.5, 0.2, 0.5), (0.02, 0.5, 0.3, 0.65), (0.03, 0.5, 0.3, 0.75), (0.1, 0.3, 0.2, 0.96)],
)
def test_an_interval_covers_other_seeds_and_other_test_samples(
    seed: float, sample: float, both: float, seeds_alone: float
) -> None:
    """Standard deviations of a seed's effect, a sample's, and what is of both; 200 test samples."""
    rng = np.random.default_rng(0)
    crossed, alone = [], []
    for _ in range(800):
        values = GAIN + seed * rng.normal(size=(SEEDS, 1)) + sample * rng.normal(size=200)
        values = values + both * rng.normal(size=(SEEDS, 200))
        crossed.append(estimate(values.mean(1), [outcomes(values)]))
        alone.append(estimate(values.mean(1)))
    assert 0.92 <= coverage(crossed) <= 0.98
    assert coverage(alone) <= seeds_alone


def test_an_interval_covers_gains_of_right_and_wrong() -> None:
    """A sample is right by chance of its own; the method is right on 10% more, other ones in each seed."""
    rng = np.random.default_rng(0)
    crossed, alone = [], []
    for _ in range(800):
        easy = rng.beta(0.3, 0.3, size=200) * 0.8
        shift = GAIN + 0.02 * rng.normal(size=(SEEDS, 1)) + 0.3 * rng.choice([-1, 1], size=200) * easy * (1 - easy)
        baseline, method = (rng.random((SEEDS, 200)) < p for p in (easy + 0 * shift, easy + shift))
        values = method.astype(float) - baseline
        crossed.append(estimate(values.mean(1), [outcomes(values)]))
        alone.append(estimate(values.mean(1)))
    assert 0.92 <= coverage(crossed) <= 0.99
    assert coverage(alone) < coverage(crossed)


def test_samples_of_a_group_count_as_one() -> None:
    """30 groups of 2 to 12 samples that share what they have; as single samples they would seem 210."""
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(30), 2 + np.arange(30) % 11)
    grouped, single = [], []
    for _ in range(500):
        values = GAIN + 0.5 * rng.normal(size=30)[units] + 0.1 * rng.normal(size=(SEEDS, len(units)))
        grouped.append(estimate(values.mean(1), [outcomes(values, units)]))
        single.append(estimate(values.mean(1), [outcomes(values)]))
    assert 0.92 <= coverage(grouped) <= 0.98
    assert coverage(single) < 0.75


def test_a_mean_over_tasks_covers_the_test_samples_that_they_share() -> None:
    """Three tasks with one target: as three targets they would seem to have three times the samples."""
    rng = np.random.default_rng(0)
    shared, apart = [], []
    for _ in range(400):
        sample, seed = 0.5 * rng.normal(size=150), 0.01 * rng.normal(size=(SEEDS, 1))
        tasks = [GAIN + seed + sample + 0.1 * rng.normal(size=(SEEDS, 150)) for _ in range(3)]
        mean = np.mean(tasks, axis=0)
        shared.append(estimate(mean.mean(1), [outcomes(mean)]))
        parts = [[replace(each, right=each.right / 3) for each in outcomes(task)] for task in tasks]
        apart.append(estimate(mean.mean(1), parts))
    assert 0.92 <= coverage(shared) <= 0.98
    assert coverage(apart) < 0.8


@pytest.mark.parametrize(("spread", "uncorrected"), [(0.0, 0.85), (0.05, 0.88)])
def test_the_correction_covers_where_splits_of_a_finite_sample_overlap(spread: float, uncorrected: float) -> None:
    """Each seed tests on another draw of 30% of the same 200 samples; seeds themselves differ by ``spread``."""
    rng = np.random.default_rng(0)
    corrected, alone = [], []
    for _ in range(600):
        samples = GAIN + rng.normal(size=200)
        gains = np.array([samples[draw(200, None, 0.3, rng)].mean() for _ in range(SEEDS)])
        gains = gains + spread * rng.normal(size=SEEDS)
        corrected.append(estimate(gains, (), gains * np.sqrt(0.3 / 0.7)))
        alone.append(estimate(gains))
    assert 0.92 <= coverage(corrected) <= 0.98
    assert coverage(alone) <= uncorrected


def test_the_correction_covers_where_each_split_trains_and_tests() -> None:
    """A threshold, fitted on a draw of 70%, against a fixed one, on the rest; the truth is by fresh samples."""
    rng = np.random.default_rng(0)

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.random(n) < 0.5
        return rng.normal(size=n) + 1.5 * y, y

    def right(x: np.ndarray, y: np.ndarray, threshold: float) -> np.ndarray:
        return (x > threshold) == y

    fresh, gains, truths = sample(20_000), [], []
    for _ in range(600):
        x, y = sample(150)
        own, true = [], []
        for _ in range(SEEDS):
            test = draw(150, None, 0.3, rng)
            fitted = (x[~test & y].mean() + x[~test & ~y].mean()) / 2
            own.append(right(x[test], y[test], fitted).mean() - right(x[test], y[test], 0.2).mean())
            true.append(right(*fresh, fitted).mean() - right(*fresh, 0.2).mean())
        gains.append(np.array(own))
        truths.append(np.mean(true))
    for ratio, low, high in ((0.3 / 0.7, 0.92, 0.98), (0.0, 0.0, 0.88)):
        found = [estimate(each, (), each * np.sqrt(ratio)) for each in gains]
        covered = np.mean([abs(each.mean - np.mean(truths)) <= each.half_width for each in found])
        assert low <= covered <= high

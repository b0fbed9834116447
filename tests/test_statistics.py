"""Intervals and tests against scipy and by simulation, and what n does not allow."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.report.statistics import binomial_error, holm, paired, summarise


def test_n_decides_what_is_said() -> None:
    assert summarise([]) is None
    one, three, five = (summarise([0.5, 0.7, 0.6, 0.8, 0.4][:n]) for n in (1, 3, 5))
    assert one is not None
    assert three is not None
    assert five is not None
    assert (one.interval, three.interval, five.interval) == ("none", "range", "t95")
    assert (three.low, three.high) == (0.5, 0.7)


@given(st.lists(st.floats(0, 1), min_size=5, max_size=20))
def test_the_interval_is_scipys(values: list[float]) -> None:
    summary = summarise(values)
    assert summary is not None
    scale = stats.sem(values)
    if scale > 1e-12:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), scale)
        assert (summary.low, summary.high) == pytest.approx((low, high))


def test_the_interval_covers_in_95_of_100() -> None:
    rng = np.random.default_rng(0)
    summaries = [summarise(list(rng.normal(3, 2, size=5))) for _ in range(2000)]
    covered = np.mean([s.low <= 3 <= s.high for s in summaries if s])
    assert covered == pytest.approx(0.95, abs=0.015)


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 1)), st.dictionaries(st.integers(0, 9), st.floats(0, 1)))
def test_gains_are_paired_by_seed_in_whatever_order_seeds_come(
    values: dict[int, float], baseline: dict[int, float]
) -> None:
    both = [seed for seed in range(10) if seed in values and seed in baseline]
    assert paired(values, baseline).tolist() == [values[seed] - baseline[seed] for seed in both]


def test_a_gain_that_every_seed_shares_is_certain_however_seeds_differ() -> None:
    baseline = {3: 0.3, 0: 0.9, 4: 0.5, 1: 0.1, 2: 0.7, 9: 0.4}
    gains = paired({seed: baseline[seed] + 0.125 for seed in range(5)}, baseline)
    assert gains == pytest.approx([0.125] * 5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """A hypothesis falls with every set of hypotheses that it is in, each tested by Bonferroni's rule."""
    sets = [each for size in range(1, len(p) + 1) for each in combinations(range(len(p)), size)]
    for i, adjusted in enumerate(holm(p)):
        worst = max(len(each) * min(p[j] for j in each) for each in sets if i in each)
        assert adjusted == pytest.approx(min(worst, 1.0))


def test_holm_never_ranks_a_larger_p_as_the_surer() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_holm_counts_only_the_tests_that_were_made() -> None:
    assert holm([None, 0.01, None, 0.03]) == [None, 0.02, None, 0.03]
    assert holm([None]) == [None]


def test_holm_keeps_the_family_wise_error() -> None:
    rng = np.random.default_rng(0)
    false_alarms = 0
    for _ in range(500):
        p = stats.ttest_1samp(rng.normal(size=(6, 5)), 0.0, axis=1).pvalue.tolist()
        false_alarms += min(value for value in holm(p) if value is not None) < 0.05
    assert false_alarms / 500 < 0.07


def test_a_binomial_error_is_the_spread_of_accuracies_on_fresh_test_samples() -> None:
    accuracies = np.random.default_rng(0).binomial(200, 0.7, size=20_000) / 200
    assert binomial_error(0.7, 200) == pytest.approx(accuracies.std(), rel=0.02)
    assert binomial_error(1.0, 200) == 0.0

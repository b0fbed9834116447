"""Intervals and tests against scipy and by simulation, and what n does not allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.report.statistics import binomial_error, holm, hurts, paired, paired_p, summarise


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


def test_a_paired_t_test_is_scipys_and_needs_five() -> None:
    a, b = {s: 0.5 + 0.01 * s**2 for s in range(6)}, {s: 0.5 + 0.02 * s for s in range(1, 7)}
    gains = paired(a, b)
    assert len(gains) == 5  # the seeds that both have
    expected = stats.ttest_rel([a[s] for s in range(1, 6)], [b[s] for s in range(1, 6)]).pvalue
    assert paired_p(gains) == pytest.approx(expected)
    assert paired_p(gains[:4]) is None
    assert paired_p(np.zeros(5)) == 1.0


def test_harm_needs_five_seeds_and_an_interval_below_zero() -> None:
    assert hurts(np.array([-0.10, -0.11, -0.12, -0.10, -0.11]))
    assert not hurts(np.array([-0.10, -0.11, -0.12, -0.10]))
    assert not hurts(np.array([-0.10, 0.11, -0.12, 0.10, -0.11]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_its_definition(p: list[float]) -> None:
    adjusted = holm(p)
    for i, value in enumerate(p):
        smaller = [q for q in p if q <= value]
        ranks = sorted(p)
        expected = max(min(1.0, q * (len(p) - ranks.index(q))) for q in smaller)
        assert adjusted[i] >= value or adjusted[i] == 1.0
        assert adjusted[i] <= expected + 1e-12


def test_holm_keeps_the_family_wise_error() -> None:
    rng = np.random.default_rng(0)
    false_alarms = 0
    for _ in range(500):
        p = [paired_p(rng.normal(size=5)) for _ in range(6)]
        false_alarms += min(holm([value for value in p if value is not None])) < 0.05
    assert false_alarms / 500 < 0.07


def test_a_binomial_error_is_the_spread_of_accuracies_on_fresh_test_samples() -> None:
    accuracies = np.random.default_rng(0).binomial(200, 0.7, size=20_000) / 200
    assert binomial_error(0.7, 200) == pytest.approx(accuracies.std(), rel=0.02)
    assert binomial_error(1.0, 200) == 0.0

"""Comparisons of methods: against scipy, their definition by loops, known values and simulation."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchmarks.plan.grid import plan
from benchmarks.report.cells import ACCURACY
from benchmarks.report.comparison import (
    Interval,
    clusters,
    friedman,
    interquartile_mean,
    mean_ranks,
    probability_of_improvement,
)
from benchmarks.report.diagram import save_diagram
from benchmarks.report.table import build_report

APART = range(5)  # clusters of one task each
COARSE = st.integers(0, 4).map(lambda k: k / 4)  # few values: ties are common
TASKS = np.array([0.99, 0.90, 0.69, 0.58, 0.62])[:, None]  # means and spreads like those of a suite
SPREAD = np.array([0.002, 0.07, 0.015, 0.01, 0.008])[:, None]


def scores(shape: tuple[int, int, int]) -> st.SearchStrategy[np.ndarray]:
    return arrays(float, shape, elements=COARSE)


def best_last(methods: int, tasks: int) -> np.ndarray:
    """On every task the last method is the best and the first the worst."""
    return np.broadcast_to(np.arange(methods)[:, None, None] / methods, (methods, tasks, 5))


def ranked(ranks: list[list[int]]) -> np.ndarray:
    """Accuracies of five seeds that have these ranks: a row a task."""
    return np.repeat(1 - np.array(ranks).T[:, :, None] / 10, 5, axis=2)


def coverage(truth: float, draw: Callable[[], Interval | None]) -> float:
    intervals = [draw() for _ in range(300)]
    return float(np.mean([i.low <= truth <= i.high for i in intervals if i]))


def test_a_gain_that_every_seed_shares_has_no_width_in_a_table_however_seeds_differ() -> None:
    """Of 7 seeds of the baseline the method lacks one on one task: pairs are by seed, not by place."""
    grid = plan("quick", ["source_only", "dann"], ["toys/blobs", "toys/moons"], range(7))
    of_seed = [8 / 16, 2 / 16, 14 / 16, 5 / 16, 11 / 16, 3 / 16, 10 / 16]
    rows = [
        {"run_id": spec.run_id, ACCURACY: of_seed[spec.seed] + (spec.method == "dann") / 16}
        for spec in grid.specs
        if (spec.method, spec.task, spec.seed) != ("dann", "toys/moons", 2)
    ]
    records = (
        pd.DataFrame(rows)
        .assign(warnings="", checkpoints=[[{"step": 1, "source_accuracy": 1.0, ACCURACY: 1.0}]] * len(rows))
        .iloc[::-1]
    )
    report = build_report(grid, records, {})
    (gain,) = next(each.rows for each in report.listings if each.title.startswith("Gain"))
    assert (gain["gain"].low, gain["gain"].high, gain["gain"].n, gain["p"]) == (1 / 16, 1 / 16, 6, 0.0)


def test_tasks_that_share_a_domain_are_one_cluster_also_through_others() -> None:
    chain = [{"a", "b"}, {"x", "y"}, {"b", "c"}, {"c", "d"}, {"y", "z"}, {"e", "f"}]
    found = clusters(chain)
    assert len({found[i] for i in (0, 2, 3)}) == len({found[i] for i in (1, 4)}) == 1
    assert len(set(found)) == 3


@settings(max_examples=40)
@given(scores((4, 3, 5)))
def test_ranks_are_their_definition(accuracy: np.ndarray) -> None:
    means = accuracy.mean(axis=2).round(9)
    for method, rank in enumerate(mean_ranks(accuracy)):
        better = (means > means[method]).sum(axis=0)
        equal = (means == means[method]).sum(axis=0)
        assert rank == pytest.approx((better + (equal + 1) / 2).mean())


@settings(max_examples=40)
@given(scores((4, 3, 5)), st.permutations(range(4)))
def test_ranks_do_not_depend_on_the_order_of_methods(accuracy: np.ndarray, order: list[int]) -> None:
    assert mean_ranks(accuracy[order]).tolist() == mean_ranks(accuracy)[order].tolist()


def test_the_same_accuracies_on_other_seeds_are_a_tie() -> None:
    seeds = np.array([0.1, 0.2, 0.3])
    assert seeds.mean() != seeds[::-1].mean()  # by rounding alone
    assert mean_ranks(np.stack([seeds, seeds[::-1]])[:, None]).tolist() == [1.5, 1.5]


def test_friedman_is_scipys_over_tasks() -> None:
    accuracy = np.random.default_rng(0).normal(size=(4, 12, 3)) + np.arange(4)[:, None, None] / 2
    found = friedman(accuracy)
    assert found is not None
    assert found.p == pytest.approx(stats.friedmanchisquare(*accuracy.mean(axis=2)).pvalue)
    assert found.tasks == 12


@pytest.mark.parametrize(("methods", "tasks", "expected"), [(4, 14, 1.25), (5, 30, 1.11)])
def test_the_critical_difference_is_demsars(methods: int, tasks: int, expected: float) -> None:
    """His examples: section 3.2.3, and q = 2.728 of his Table 5 for five methods."""
    found = friedman(best_last(methods, tasks))
    assert found is not None
    assert found.critical_difference == pytest.approx(expected, abs=0.005)


def test_friedman_needs_ten_tasks_and_three_methods() -> None:
    assert friedman(best_last(3, 10)) is not None
    assert friedman(best_last(3, 9)) is None
    assert friedman(best_last(2, 10)) is None


def test_where_all_is_tied_nothing_differs() -> None:
    found = friedman(np.full((4, 12, 5), 0.5))
    assert found is not None
    assert (found.p, found.cliques) == (1.0, ((0, 1, 2, 3),))


def test_cliques_are_the_maximal_groups_within_the_critical_difference() -> None:
    # Ten tasks, four methods: the difference is 1.48, and the mean ranks are 4, 1, 2 and 3.
    chain = friedman(ranked([[4, 1, 2, 3]] * 10))
    # The last method is the best, the first two share the next rank, the third is the worst: 2.5, 2.5, 4, 1.
    split = friedman(ranked([[2, 3, 4, 1], [3, 2, 4, 1]] * 15))
    assert chain is not None
    assert split is not None
    assert chain.cliques == ((1, 2), (2, 3), (3, 0))
    assert split.cliques == ((0, 1),)


@settings(max_examples=40)
@given(scores((5, 10, 5)))
def test_cliques_join_what_does_not_differ_and_only_that(accuracy: np.ndarray) -> None:
    found, ranks = friedman(accuracy), mean_ranks(accuracy)
    assert found is not None
    for i, j in combinations(range(5), 2):
        joined = any({i, j} <= set(clique) for clique in found.cliques)
        assert joined == (abs(ranks[i] - ranks[j]) < found.critical_difference)
    for a, b in combinations(found.cliques, 2):
        assert not set(a) <= set(b)
        assert not set(b) <= set(a)
    assert all(sorted(ranks[list(clique)]) == list(ranks[list(clique)]) for clique in found.cliques)


def test_an_interquartile_mean_leaves_out_a_quarter_of_runs_at_each_end() -> None:
    runs = np.random.default_rng(0).uniform(0.3, 0.7, size=(4, 5))
    found = interquartile_mean(runs, APART[:4])
    assert found is not None
    assert found.value == pytest.approx(np.sort(runs, axis=None)[5:15].mean())
    assert found.low < found.value < found.high
    assert interquartile_mean(runs, APART[:4]) == found  # to the bit
    assert interquartile_mean(runs[:, :4], APART[:4]) is None


def test_without_spread_within_tasks_an_interquartile_mean_is_certain() -> None:
    found = interquartile_mean(np.repeat(TASKS, 5, axis=1), APART)
    assert found is not None
    assert found.high - found.low < 1e-12


def test_seeds_are_resampled_within_each_task_on_its_own() -> None:
    seeds = np.random.default_rng(0).normal(0, 0.1, size=5)
    same, mirrored = (
        interquartile_mean(0.5 + np.outer(signs, seeds), APART[:4]) for signs in ([1, 1, 1, 1], [1, -1, 1, -1])
    )
    assert same is not None
    assert mirrored is not None
    assert mirrored.high - mirrored.low == pytest.approx(same.high - same.low, rel=0.4)


@pytest.mark.parametrize("spread", [SPREAD, np.full((5, 1), 0.03)], ids=["of one task", "of all tasks"])
def test_the_interval_of_an_interquartile_mean_covers(spread: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    truth = float(stats.trim_mean(rng.normal(TASKS, spread, size=(5, 200_000)), 0.25, axis=None))
    covered = coverage(truth, lambda: interquartile_mean(rng.normal(TASKS, spread, size=(5, 5)), APART))
    assert 0.93 <= covered <= 0.995


@settings(max_examples=40)
@given(scores((2, 3, 5)))
def test_a_probability_of_improvement_is_its_definition(pair: np.ndarray) -> None:
    a, b = pair
    found, reverse = (probability_of_improvement(*pair, APART[:3]) for pair in ((a, b), (b, a)))
    assert found is not None
    assert reverse is not None
    tasks = [np.mean([(x > y) + (x == y) / 2 for x in a[task] for y in b[task]]) for task in range(3)]
    assert found.value == pytest.approx(np.mean(tasks))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert (1 - reverse.value, 1 - reverse.high, 1 - reverse.low) == pytest.approx(
        (found.value, found.low, found.high)
    )
    u = [stats.mannwhitneyu(a[task], b[task]).statistic / 25 for task in range(3)]
    assert found.value == pytest.approx(np.mean(u))


def test_a_probability_of_improvement_needs_five_seeds_and_is_not_certain_when_all_win() -> None:
    a, b = np.ones((5, 5)), np.zeros((5, 5))
    found = probability_of_improvement(a, b, APART)
    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)
    reverse = probability_of_improvement(b, a, APART)
    assert reverse is not None
    assert (reverse.value, reverse.low) == (0.0, 0.0)
    assert found.low == pytest.approx(0.025 ** (1 / 25), abs=0.01)  # the exact bound after 25 wins in 25
    assert probability_of_improvement(a[:, :4], b[:, :4], APART) is None


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0, np.linspace(-2, 6, 5)[:, None]], ids=["0", "1", "3", "mixed"])
@pytest.mark.parametrize("shared", [0.0, 0.7], ids=["independent", "paired"])
def test_the_interval_of_a_probability_of_improvement_covers(shift: float | np.ndarray, shared: float) -> None:
    rng = np.random.default_rng(0)
    truth = float(stats.norm.cdf(shift / np.sqrt(2)).mean())

    def draw() -> Interval | None:
        seed, own = rng.normal(size=(5, 5)), rng.normal(size=(2, 5, 5))
        a, b = np.sqrt(shared) * seed + np.sqrt(1 - shared) * own
        return probability_of_improvement(a + shift, b, APART)

    assert coverage(truth, draw) >= 0.94


@pytest.mark.parametrize("rule", ["interquartile mean", "P(better)"])
def test_tasks_of_a_cluster_say_what_one_of_them_says(rule: str) -> None:
    """Five copies of one task's runs are no surer than the one, if they are known to be a cluster."""
    a, b = np.random.default_rng(0).normal(0.5, 0.1, size=(2, 1, 5))

    def width(tasks: int, own: Sequence[int]) -> float:
        runs = [each.repeat(tasks, axis=0) for each in (a, b)]
        found = interquartile_mean(runs[0], own) if rule != "P(better)" else probability_of_improvement(*runs, own)
        assert found is not None
        return found.high - found.low

    assert width(5, [0] * 5) == pytest.approx(width(1, [0]), rel=0.15)
    assert width(5, APART) < 0.8 * width(1, [0])


def test_a_diagram_is_drawn_for_ties_and_for_an_odd_number_of_methods(tmp_path: Path) -> None:
    for accuracy in (np.full((3, 10, 5), 0.5), best_last(7, 12)):
        found = friedman(accuracy)
        assert found is not None
        path = tmp_path / "new" / f"{len(accuracy)}.svg"
        save_diagram([f"method_{i}" for i in range(len(accuracy))], mean_ranks(accuracy), found, path)
        assert all(f"method_{i}" in path.read_text() for i in range(len(accuracy)))
        assert f"CD = {found.critical_difference:.2f}" in path.read_text()

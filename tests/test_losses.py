"""Losses against independent formulas, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from benchmarks.core.objective import Classes
from methods.losses.adversarial import domain_accuracy, domain_loss, ramp
from methods.losses.coral import coral
from methods.losses.mmd import mk_mmd

WIDTHS = (1 / 4, 1 / 2, 1, 2, 4)  # of the kernels, as multiples of the mean squared distance
values = st.floats(-5, 5, allow_subnormal=False)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n, m, d = draw(st.integers(3, 8)), draw(st.integers(3, 8)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.normal(size=(n, d)), rng.normal(draw(values), draw(st.floats(0.1, 5)), size=(m, d))


def numpy_mmd(x: np.ndarray, y: np.ndarray, *, biased: bool = False) -> float:
    """The estimate over distinct pairs; biased: over all, with the diagonal."""
    joined = np.concatenate([x, y])
    distances = cdist(joined, joined, "sqeuclidean")
    width = distances[~np.eye(len(joined), dtype=bool)].mean()

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.mean([np.exp(-cdist(a, b, "sqeuclidean") / (width * w)) for w in WIDTHS], axis=0)

    within = [k(z, z)[~np.eye(len(z), dtype=bool) | biased].mean() for z in (x, y)]
    return within[0] + within[1] - 2 * k(x, y).mean()


@given(pairs())
def test_mmd_matches_numpy(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    assert float(mk_mmd(torch.tensor(x), torch.tensor(y))) == pytest.approx(numpy_mmd(x, y), abs=1e-5)


@given(pairs())
def test_coral_matches_numpy_with_its_scale(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    d = x.shape[1]
    difference = np.atleast_2d(np.cov(x.T)) - np.atleast_2d(np.cov(y.T))
    expected = np.linalg.norm(difference, "fro") ** 2 / (4 * d**2)
    assert float(coral(torch.tensor(x), torch.tensor(y))) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@given(arrays(np.float64, (6, 3), elements=values))
def test_coral_of_identical_arrays_is_zero(x: np.ndarray) -> None:
    assert float(coral(torch.tensor(x), torch.tensor(x))) == 0


def test_mmd_of_identical_arrays_has_its_closed_form() -> None:
    """With x = y, the cross term holds the diagonal: 2 (A - n)/(n(n-1)) - 2 A/n², A the kernel's sum."""
    x = np.random.default_rng(0).normal(size=(7, 3))
    joined = np.concatenate([x, x])
    width = cdist(joined, joined, "sqeuclidean").sum() / (14 * 13)
    total = np.mean([np.exp(-cdist(x, x, "sqeuclidean") / (width * w)) for w in WIDTHS], axis=0).sum()
    expected = 2 * (total - 7) / 42 - 2 * total / 49
    assert float(mk_mmd(torch.tensor(x), torch.tensor(x))) == pytest.approx(expected, abs=1e-8)


def standard_errors_from_zero(estimate: Callable[[np.ndarray, np.ndarray], float]) -> float:
    """Of an estimate's mean over 400 pairs of samples from one distribution."""
    rng = np.random.default_rng(0)
    draws = [estimate(*rng.normal(size=(2, 32, 4))) for _ in range(400)]
    return abs(np.mean(draws)) / (np.std(draws) / np.sqrt(len(draws)))


def test_mmd_averages_to_zero_over_draws_of_one_distribution() -> None:
    assert standard_errors_from_zero(lambda x, y: float(mk_mmd(torch.tensor(x), torch.tensor(y)))) < 4


def test_a_biased_mmd_would_be_noticed() -> None:
    assert standard_errors_from_zero(lambda x, y: numpy_mmd(x, y, biased=True)) > 4


def test_no_gradient_flows_through_the_bandwidth() -> None:
    x = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    y = torch.randn(6, 2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(mk_mmd(x, y), x)
    joined = torch.cat([x.detach(), y]).numpy()
    width = cdist(joined, joined, "sqeuclidean").sum() / (12 * 11)

    def with_fixed_width(z: torch.Tensor) -> torch.Tensor:
        def k(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            squares = (a[:, None] - b[None]).square().sum(2)
            return torch.stack([torch.exp(-squares / (width * w)) for w in WIDTHS]).mean(0)

        return (k(z, z).sum() - 6) / 30 - 2 * k(z, y).mean()

    (expected,) = torch.autograd.grad(with_fixed_width(x), x)
    assert torch.allclose(gradient, expected, atol=1e-8)


@given(arrays(np.float64, 5, elements=values), arrays(np.float64, 4, elements=values))
def test_domain_loss_matches_numpy(s: np.ndarray, t: np.ndarray) -> None:
    expected = np.log1p(np.exp(-s)).mean() + np.log1p(np.exp(t)).mean()
    assert float(domain_loss(torch.tensor(s), torch.tensor(t))) == pytest.approx(expected, abs=1e-8)
    weighted = domain_loss(torch.tensor(s), torch.tensor(t), torch.full((5,), 2.0), torch.full((4,), 2.0))
    assert float(weighted) == pytest.approx(2 * expected, abs=1e-8)


def test_domain_accuracy_counts_each_domain_alike() -> None:
    assert float(domain_accuracy(torch.tensor([1.0, 1.0, 1.0, -1.0]), torch.tensor([-1.0]))) == 0.875


@given(st.floats(0, 1), st.floats(0.1, 20), st.floats(0, 0.9))
@settings(max_examples=50)
def test_the_ramp_rises_from_zero_after_its_warmup(p: float, gamma: float, warmup: float) -> None:
    value = float(ramp(torch.tensor(p, dtype=torch.float64), gamma, warmup))
    assert 0 <= value <= 1
    if p <= warmup:
        assert value == 0
    else:
        assert value == pytest.approx(np.tanh(gamma * (p - warmup) / (1 - warmup) / 2), abs=1e-9)


def test_the_objective_of_classes_is_cross_entropy_scored_by_accuracy() -> None:
    rng = np.random.default_rng(0)
    logits, y, objective = rng.normal(size=(50, 4)), rng.integers(4, size=50), Classes(4)
    losses = objective.loss(torch.from_numpy(logits), torch.from_numpy(y))
    np.testing.assert_allclose(losses, logsumexp(logits, axis=1) - logits[np.arange(50), y])
    assert objective.scores(logits, y, logits) == {objective.headline: (logits.argmax(1) == y).mean()}
    assert objective.outputs == 4

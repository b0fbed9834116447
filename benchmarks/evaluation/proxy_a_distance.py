"""Proxy A-distance (Ben-David et al., NeurIPS 2006): how well a linear classifier tells two domains apart."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from benchmarks.core.randomness import generator

VERSION = 2  # of its numbers: 1 fitted each from zero, to a gradient of 1e-4 (rank correlation 0.999)
LARGEST, SMALLEST = 1000, 50  # samples of each domain
NOISE = float(np.finfo(np.float16).eps)  # of the largest spread of a feature: below what records keep
SPLITS = 5
SATURATED = 1.98  # at and above it larger shifts look the same
STRENGTHS = (1e-4, 1e-2, 1.0)  # inverse regularisation, chosen on an inner split
TOLERANCE = 3e-4  # largest entry of the mean loss's gradient at which a fit ends


@dataclass(frozen=True)
class ProxyADistance:
    """Mean over splits of 2 (1 - 2 error), each clipped to [0, 2].

    Attributes:
        spread: standard deviation over the splits; says nothing of seeds.
        n: samples of each domain.
        size: of their features.
        version: of the numbers; tables say where two are mixed.
    """

    value: float
    spread: float
    n: int
    size: int
    version: int = VERSION


def proxy_a_distance(source: np.ndarray, target: np.ndarray) -> ProxyADistance | None:
    """The distance between two samples (n, d) and (m, d); None with fewer than 50 of either.

    Equal numbers of each are drawn; half of them train, half test, in 5 random splits. Features are standardised
    on the training half, without those that hardly vary there, and the logistic regression's strength is chosen by
    an inner split of it.
    """
    n = min(len(source), len(target), LARGEST)
    if n < SMALLEST:
        return None
    rng = generator(0, "evaluation/proxy_a_distance")
    pairs = np.stack([rng.permutation(len(source))[:n], rng.permutation(len(target))[:n]])
    x = np.stack([source[pairs[0]], target[pairs[1]]]).reshape(2, n, -1).astype(np.float64)
    scores = [_one_split(x[:, rng.permutation(n)]) for _ in range(SPLITS)]
    return ProxyADistance(float(np.mean(scores)), float(np.std(scores, ddof=1)), n, x.shape[2])


def _one_split(x: np.ndarray) -> float:
    """``x`` is (2, n, d), shuffled: its first half trains, of which the last third chooses the strength."""
    half, third = x.shape[1] // 2, x.shape[1] // 3
    train, test = _scaled(x[:, :third], x[:, third:half])
    path = [np.zeros(x.shape[2] + 1)]
    for strength in STRENGTHS:  # each fit starts at the one before
        path.append(_fit(train, strength, path[-1]))
    errors = [_error(test, model) for model in path[1:]]
    best = int(np.argmin(errors))
    train, test = _scaled(x[:, :half], x[:, half:])
    return float(np.clip(2 * (1 - 2 * _error(test, _fit(train, STRENGTHS[best], path[best + 1]))), 0, 2))


def _scaled(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both (2, n, d) as rows, first those of one domain, then those of the other."""
    train, test = np.concatenate(train), np.concatenate(test)
    mean, spread = train.mean(0), train.std(0)
    # What hardly varies, as a word that no training sample has, is noise: scaling would make it loud.
    spread[spread <= NOISE * spread.max()] = np.inf
    for rows in (train, test):
        rows -= mean
        rows /= spread
    return train, test


def _fit(rows: np.ndarray, strength: float, start: np.ndarray) -> np.ndarray:
    """Weights (d,) and intercept of a logistic regression, as :class:`sklearn.linear_model.LogisticRegression`."""
    signs = np.where(_domains(rows), 1.0, -1.0)
    decay = 1 / (strength * len(rows))

    def loss(model: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean loss with its penalty, and their gradient."""
        weights = model[:-1]
        losses = np.logaddexp(0, -signs * (rows @ weights + model[-1]))
        slopes = signs * np.expm1(-losses) / len(rows)  # expm1(-loss) = minus the probability of the other domain
        value = losses.mean() + decay / 2 * weights @ weights
        return value, np.append(slopes @ rows + decay * weights, slopes.sum())

    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options={"gtol": TOLERANCE}).x)


def _error(rows: np.ndarray, model: np.ndarray) -> float:
    return float(((rows @ model[:-1] + model[-1] > 0) != _domains(rows)).mean())


def _domains(rows: np.ndarray) -> np.ndarray:
    return np.arange(len(rows)) >= len(rows) // 2

"""Proxy A-distance (Ben-David et al., NeurIPS 2006): how well a linear classifier tells two domains apart."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.core.randomness import generator

LARGEST, SMALLEST = 1000, 50  # samples of each domain
NOISE = float(np.finfo(np.float16).eps)  # of the largest spread of a feature: below what records keep
SPLITS = 5
SATURATED = 1.98  # at and above it larger shifts look the same
STRENGTHS = (1e-4, 1e-2, 1.0)  # inverse regularisation, chosen on an inner split


@dataclass(frozen=True)
class ProxyADistance:
    """Mean over splits of 2 (1 - 2 error), each clipped to [0, 2].

    Attributes:
        spread: standard deviation over the splits; says nothing of seeds.
        n: samples of each domain.
        size: of their features.
    """

    value: float
    spread: float
    n: int
    size: int


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
    inner, outer = _scaled(x[:, :third], x[:, third:half]), _scaled(x[:, :half], x[:, half:])
    best = min(STRENGTHS, key=lambda strength: _error(*inner, strength))
    return float(np.clip(2 * (1 - 2 * _error(*outer, best)), 0, 2))


def _scaled(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both (2, n, d) as rows, first those of one domain, then those of the other."""
    spreads = np.concatenate(train).std(0)
    # What hardly varies, as a word that no training sample has, is noise: scaling would make it loud.
    varies = spreads >= NOISE * spreads.max()
    train, test = train[..., varies], test[..., varies]
    scaler = StandardScaler().fit(np.concatenate(train))
    return scaler.transform(np.concatenate(train)), scaler.transform(np.concatenate(test))


def _error(train: np.ndarray, test: np.ndarray, strength: float) -> float:
    model = LogisticRegression(C=strength, max_iter=100)
    with warnings.catch_warnings():
        # Features that separate perfectly never converge, and need not: the error is 0 already.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train, _domains(train))
    return 1 - float((model.predict(test) == _domains(test)).mean())  # model.score takes half the time of a fit


def _domains(rows: np.ndarray) -> np.ndarray:
    return np.repeat([0, 1], len(rows) // 2)

"""Scores of a pool's options without a target label: an array (options,) each, higher is better."""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from benchmarks.advice.pool import Pool
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.validators import VALIDATORS, Evidence

Criterion = Callable[[Pool], np.ndarray]


def _by_option(name: str, score: Callable[[np.ndarray], float]) -> Criterion:
    """The mean over seeds of a score of one model's probabilities (n, classes), computed once for an option."""

    def criterion(pool: Pool) -> np.ndarray:
        for option in pool.options:
            if name not in option.scores:
                option.scores[name] = float(np.mean([score(p) for p in option.probabilities]))
        return np.array([option.scores[name] for option in pool.options])

    return criterion


def _validator(name: str) -> Criterion:
    """The validator of that name, of these probabilities."""
    score = VALIDATORS[name]
    return _by_option(name, lambda p: score(Evidence(Outputs({"target_train.logits": np.log(p)}))))


def class_correlation(p: np.ndarray) -> float:
    """Cosine of the class correlation p'p with the identity (Corr-C: Tu et al., Assessing Model
    Out-of-distribution Generalization with Softmax Prediction Probability Baselines and A Correlation Method).
    """
    correlation = p.T @ p
    return float(np.trace(correlation) / (np.linalg.norm(correlation) * np.sqrt(len(correlation))))


def agreement_with_average(pool: Pool) -> np.ndarray:
    """Share of samples on which an option predicts what the pool's average does, methods weighted equally.

    EnsV (Hu et al., NeurIPS Datasets and Benchmarks 2024): no single candidate can lead far from the others.
    """
    of: dict[str, list[int]] = {}
    for number, option in enumerate(pool.options):
        of.setdefault(option.method, []).append(number)
    p, scores = pool.probabilities, np.zeros(len(pool.options))
    for seed in range(len(p[0])):
        by_method = [np.mean([p[number][seed] for number in numbers], axis=0) for numbers in of.values()]
        average = np.mean(by_method, axis=0).argmax(1)
        scores += [(each[seed].argmax(1) == average).mean() for each in p]
    return scores / len(p[0])


def agreement_of_seeds(pool: Pool) -> np.ndarray:
    """Mean share of samples on which two seeds predict alike (Jiang et al., ICLR 2022); NaN if draws differ."""
    if not pool.one_draw or len(pool.options[0].seeds) < 2:
        return np.full(len(pool.options), np.nan)
    return np.array(
        [
            np.mean([(a.predicted == b.predicted).mean() for a, b in combinations(option.seeds, 2)])
            for option in pool.options
        ]
    )


def source_accuracy(pool: Pool) -> np.ndarray:
    """Accuracy on source validation samples (Gulrajani and Lopez-Paz, ICLR 2021)."""
    return np.array([np.mean([each.source_right.mean() for each in option.seeds]) for option in pool.options])


CRITERIA: dict[str, Criterion] = {
    "im": _validator("im"),
    "bnm": _validator("bnm"),
    "corr_c": _by_option("corr_c", class_correlation),
    "entropy": _validator("entropy"),
    "ensv": agreement_with_average,
    "seeds": agreement_of_seeds,
    "source_accuracy": source_accuracy,
}

"""Estimates of target accuracy without a target label. None is good: each is shown with the error it has had."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import ot

from benchmarks.advice.pool import Pool
from benchmarks.evaluation.candidates import Candidate, probability

Estimate = Callable[[Pool, Sequence[int]], float]


def _of_members(estimate: Callable[[Candidate], float]) -> Estimate:
    """The mean over all that is deployed together."""

    def estimated(pool: Pool, members: Sequence[int]) -> float:
        return float(np.mean([estimate(each) for member in members for each in pool.options[member].seeds]))

    return estimated


def average_thresholded_confidence(candidate: Candidate) -> float:
    """Share of target samples above a threshold (ATC: Garg et al., ICLR 2022, equation 1), below which as large a
    share of source validation samples lies as is wrong.
    """
    threshold = np.quantile(candidate.source_confidence, 1 - candidate.source_right.mean())
    return float((candidate.confidence >= threshold).mean())


def difference_of_confidences(candidate: Candidate) -> float:
    """Source accuracy, less what confidence lost on the target (DoC: Guillory et al., ICCV 2021)."""
    lost = probability(candidate.source_confidence).mean() - probability(candidate.confidence).mean()
    return float(np.clip(candidate.source_right.mean() - lost, 0, 1))


def source_accuracy(candidate: Candidate) -> float:
    """As if the target were the source."""
    return float(candidate.source_right.mean())


def agreement(pool: Pool, members: Sequence[int]) -> float:
    """Mean share of samples on which two deployed models predict alike (Jiang et al., ICLR 2022): on the source,
    two seeds agree as often as one is right. NaN of a single one.
    """
    models = [(seed, member) for member in members for seed in range(len(pool.options[member].seeds))]
    pairs = [(a, b) for a, b in combinations(models, 2) if pool.one_draw or a[0] == b[0]]
    predicted = {(seed, member): pool.options[member].seeds[seed].predicted for seed, member in models}
    return float(np.mean([(predicted[a] == predicted[b]).mean() for a, b in pairs])) if pairs else np.nan


def optimal_transport(pool: Pool, members: Sequence[int]) -> float:
    """One minus the cost of moving target probabilities to source labels (COT: Lu et al., NeurIPS 2023).

    The cost between probabilities p and class y is the largest difference of p and y's vertex, 1 - p_y.
    """
    found = []
    for draw, p in enumerate(pool.averaged(members)):
        y = pool.options[members[0]].seeds[draw].source_y
        shares = np.bincount(y, minlength=p.shape[1]) / len(y)
        found.append(1 - ot.emd2(np.full(len(p), 1 / len(p)), shares, 1 - p))
    return float(np.mean(found))


ESTIMATES: dict[str, Estimate] = {
    "atc": _of_members(average_thresholded_confidence),
    "doc": _of_members(difference_of_confidences),
    "agreement": agreement,
    "cot": optimal_transport,
    "source_accuracy": _of_members(source_accuracy),
}

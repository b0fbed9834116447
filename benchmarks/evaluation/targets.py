"""Scores of each target of a task that has several: what papers report, with the mean over the targets.

Nothing here opens labels: an oracle does.
"""

import numpy as np

from benchmarks.evaluation.outputs import Outputs
from datasets.base import Oracle

BY_DOMAIN = "target_by_domain"


def by_domain(outputs: Outputs, oracle: Oracle) -> dict[str, float]:
    """The headline of each of several targets, numbered from 1, and their mean, each target with equal weight.

    A target without labels has no score, and then there is no mean.
    """
    objective, domain, source_val = oracle.objective, oracle.target_test_domain, outputs["source_val.logits"]
    logits, y = outputs["target_test.logits"], oracle.target_test_y
    if not domain.any():
        return {}
    scores = {}
    for number in range(domain.max() + 1):
        own = (domain == number) & objective.labelled(y)
        found = objective.scores(logits[own], y[own], source_val) if own.any() else {}
        if objective.headline in found:
            scores[f"{BY_DOMAIN}_{number + 1}"] = found[objective.headline]
    whole = len(scores) == domain.max() + 1
    return scores | ({f"{BY_DOMAIN}_mean": float(np.mean([*scores.values()]))} if whole else {})

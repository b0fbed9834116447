"""Importance weighting by a domain classifier (Shimodaira 2000; Bickel, Brückner and Scheffer, JMLR 2009)."""

import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveFloat
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import UserError, param
from methods import base
from methods.networks.build import Build

FOLDS = 5
COLLAPSE = 0.1  # of the source, as effective sample size: below it a warning says so


class Params(base.Params):
    classifier: Literal["logistic", "forest"] = param("logistic", "the domain classifier", source="JMLR 2009")
    inputs: Literal["raw", "features"] = param(
        "raw", "what it reads: raw inputs, or features of a model trained on the source", source="JMLR 2009"
    )
    clip: PositiveFloat = param(
        10.0, "largest weight before normalisation", low=2, high=100, log=True, source="this suite"
    )


@METHODS.register(
    "reweighting",
    MethodInfo(
        "weighting", 2009, "JMLR", "Bickel et al., Discriminative Learning under Covariate Shift", core=True
    ),
)
class Reweighting(base.Deep):
    """Source samples that look like the target's weigh more: w = (n_s / n_t) p / (1 - p), p = P(target | x).

    Its known drawback: a classifier that tells the domains apart too well leaves no overlap, and few samples
    carry all the weight. The effective sample size (Σw)² / Σw² shows it.
    """

    settings = Params
    params: Params
    weight: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("weight", torch.ones(build.facts.source_size))

    def stages(self) -> Sequence[base.Stage]:
        source = base.Stage("source", [base.Update(self.loss)], sees="source")
        weighted = base.Stage("weighted", [base.Update(self.weighted_loss)], begin=self.estimate)
        return [weighted] if self.params.inputs == "raw" else [source, weighted]

    def estimate(self, data: base.StageData) -> None:
        """Set the weights: clipped, then normalised to mean 1 over the whole source."""
        assert data.source is not None
        assert data.target is not None
        if self.params.inputs == "raw":
            source, target = data.source.x.flatten(1), data.target.x.flatten(1)
        else:
            source, target = data.embed("source")[0], data.embed("target")[0]
        odds = domain_odds(source.cpu().numpy(), target.cpu().numpy(), self.params.classifier, data.seed)
        clipped = np.minimum(odds * len(source) / len(target), self.params.clip)
        self.weight.copy_(torch.from_numpy(clipped / clipped.mean()))
        effective = float(self.weight.sum() ** 2 / self.weight.square().sum() / len(self.weight))
        if effective < COLLAPSE:
            warnings.warn(
                f"reweighting: the effective sample size is {effective:.1%} of the source; the domain "
                "classifier leaves too little overlap for the weights to mean much",
                base.MethodWarning,
                stacklevel=2,
            )

    def weighted_loss(self, batch: base.Batch, progress: Tensor) -> base.Loss:
        return self.loss(base.Batch(batch.source, None), progress)

    def source_weight(self, source: base.Labelled) -> Tensor:
        size = self.weight.sum() ** 2 / self.weight.square().sum() / len(self.weight)
        self.log(effective_sample_size=size)
        return self.weight[source.index]


def domain_odds(source: np.ndarray, target: np.ndarray, classifier: str, seed: int) -> np.ndarray:
    """P(target | x) / P(source | x) of each source sample (n,), cross-fitted over 5 folds and calibrated.

    With fewer than 5 samples of a domain there are as many folds.

    Each sample is scored by a classifier that has not seen it; a logistic curve fitted to such scores, again
    across folds, turns them into probabilities (Platt scaling).

    Args:
        source, target: (n, d) and (m, d).

    Raises:
        UserError: a domain has one sample only.
    """
    folds = min(FOLDS, len(source), len(target))
    if folds < 2:
        raise UserError(
            f"reweighting: its domain classifier needs 2 training samples of each domain; there are {len(source)} "
            f"of the source and {len(target)} of the target"
        )
    model = (
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-2))
        if classifier == "logistic"
        else RandomForestClassifier(n_estimators=100, min_samples_leaf=5, random_state=seed % 2**32)
    )
    x = np.concatenate([source, target]).astype(np.float64)
    domain = np.repeat([0, 1], [len(source), len(target)])
    split = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
    p = cross_val_predict(model, x, domain, cv=split, method="predict_proba")[:, 1].clip(1e-6, 1 - 1e-6)
    score = np.log(p / (1 - p))[:, None]
    p = cross_val_predict(LogisticRegression(), score, domain, cv=split, method="predict_proba")[:, 1]
    return (p / (1 - p))[: len(source)]

"""Importance weighting by a domain classifier (Shimodaira 2000; Bickel, Brückner and Scheffer, JMLR 2009)."""

import warnings
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base, weighting
from methods.networks.build import Build
from methods.shallow.domain_classifier import Classifier, domain_scores

ALPHA = 0.5  # of the relative density ratio: weights are at most 1 / ALPHA
FAR = 10.0  # a mean ratio so many times too large or too small is told


class Params(weighting.Params):
    classifier: Classifier = param("logistic", "the domain classifier", source="JMLR 2009")
    effective: Annotated[float, Field(gt=0, le=1)] = param(
        0.5,
        "least effective sample size, as a share of the source: weights are flattened until they have it",
        low=0.2,
        high=0.8,
        source="a convention of this suite",
    )


@METHODS.register(
    "reweighting",
    MethodInfo(
        "weighting",
        2009,
        "JMLR",
        "Bickel et al., Discriminative Learning under Covariate Shift",
        core=True,
        uses=("backbone", "new"),
        version=2,
        keeps_source=False,
    ),
)
class Reweighting(weighting.Weighting):
    """Source samples that look like the target's weigh more: r = (n_s / n_t) p / (1 - p), p = P(target | x).

    A classifier that tells the domains apart too well leaves few samples all the weight. So the density is taken
    relative to that of both domains mixed, r / (α r + 1 - α) (Yamada et al., NIPS 2011, with their α of 1/2), and
    that to the power γ (Shimodaira 2000): the largest up to 1 with which the effective sample size is still large
    enough. At γ = 0 all weights are 1. The mean of r over the source, 1 where the estimate is right, is logged.
    """

    settings = Params
    params: Params
    ratio_mean: Tensor
    gamma: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        for name in ("ratio_mean", "gamma"):
            self.register_buffer(name, torch.ones(()))

    def weigh(self, source: np.ndarray, target: np.ndarray, seed: int) -> np.ndarray:
        ratio = domain_odds(source, target, self.params.classifier, seed) * len(source) / len(target)
        relative = ratio / (ALPHA * ratio + 1 - ALPHA)
        weighting.check_overlap("reweighting", relative)
        gamma = flattening(relative, self.params.effective)
        self.ratio_mean.fill_(ratio.mean())
        self.gamma.fill_(gamma)
        if not 1 / FAR <= ratio.mean() <= FAR:
            warnings.warn(
                f"reweighting: the mean of the density ratio over the source is {ratio.mean():.3g}, where 1 is "
                "right; its estimate is wrong",
                base.MethodWarning,
                stacklevel=2,
            )
        return relative**gamma

    def source_weight(self, source: base.Labelled) -> Tensor:
        self.log(ratio_mean=self.ratio_mean, gamma=self.gamma)
        return super().source_weight(source)


def flattening(weight: np.ndarray, least: float) -> float:
    """The largest power up to 1 of positive weights (n,) with an effective sample size of ``least`` times n.

    From 0 on, where that size is n, it falls as the power rises.
    """

    def excess(power: float) -> float:
        return float(weighting.effective_size(torch.from_numpy(weight**power))) - least

    return 1.0 if excess(1.0) >= 0 else brentq(excess, 0.0, 1.0)


def domain_odds(source: np.ndarray, target: np.ndarray, classifier: Classifier, seed: int) -> np.ndarray:
    """P(target | x) / P(source | x) of each source sample (n,), cross-fitted over folds and calibrated.

    A logistic curve fitted to scores, again across folds, turns them into probabilities (Platt scaling).

    Args:
        source, target: (n, d) and (m, d).

    Raises:
        UserError: a domain has one sample only.
    """
    score, domain, split = domain_scores("reweighting", source, target, classifier, seed)
    odds = cross_val_predict(LogisticRegression(), score[:, None], domain, cv=split, method="decision_function")
    return np.exp(odds[: len(source)])

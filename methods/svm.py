"""A linear support vector machine on source inputs (Cortes and Vapnik, Machine Learning 1995): no adaptation.

The shallow baseline of JMLR 2016, table 1: hinge loss, C from ten values between 1e-5 and 1. There reverse
validation chooses C, as in the suite ``amazon-jmlr``; without ``c``, cross-validation on the source's training
samples does.
"""

import warnings
from typing import Any

import numpy as np
import torch
from pydantic import PositiveFloat
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import LinearSVC
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import NEVER, MethodWarning, Shallow, StageData
from methods.networks.build import Build

STRENGTHS = np.logspace(-5, 0, 10)  # of C: Ganin et al., JMLR 2016, section 5.1.2
FOLDS = 3
CHOOSING = 2000  # samples that C is chosen on, at most
UNCHOSEN = 1.0  # C where the source has too few samples to choose it
PASSES = 200  # over the source, at most


class Params(base.Params):
    c: PositiveFloat | None = param(
        None, "C; none: chosen on the source", low=1e-5, high=1, log=True, source="JMLR 2016, 5.1.2", before=None
    )


@METHODS.register(
    "svm",
    MethodInfo(
        "shallow",
        1995,
        "Machine Learning",
        "Cortes and Vapnik, Support-Vector Networks",
        uses=(),
        display="SVM",
        classes_only=True,
    ),
)
class SVM(Shallow):
    """One linear classifier for each class against the others. Logits are decision values."""

    settings = Params
    params: Params
    weight: Tensor
    bias: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("weight", torch.zeros(self.n_classes, self.n_features))
        self.register_buffer("bias", torch.zeros(self.n_classes))

    def fit(self, data: StageData) -> None:
        assert data.source is not None
        x, y = data.embed("source")[0].cpu().numpy(), data.source.y.cpu().numpy()
        weight, bias = linear_svm(x, y, self.n_classes, self.params.c, data.seed % 2**32)
        self.weight.copy_(torch.from_numpy(weight))
        self.bias.copy_(torch.from_numpy(bias))

    def logits(self, features: Tensor) -> Tensor:
        return features @ self.weight.T + self.bias


def linear_svm(
    x: np.ndarray, y: np.ndarray, n_classes: int, c: float | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n_classes, d) and biases (n_classes,); without ``c``, the smallest of the best over the folds."""
    weight, bias = np.zeros((n_classes, x.shape[1])), np.full(n_classes, NEVER)
    present = np.unique(y)
    if len(present) == 1:
        bias[present] = 0
        return weight, bias
    axes = None
    if np.count_nonzero(x) > len(x) ** 2:  # fewer numbers say the same in coordinates of the samples' span
        axes, x = np.linalg.qr(x.T)
        x = x.T
    machine = LinearSVC(C=c or _best_strength(x, y, seed), **_machine(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told below
        machine.fit(x, y)
    if machine.n_iter_ >= PASSES:
        problem = f"the SVM has not converged after {PASSES} passes over the source"
        warnings.warn(problem, MethodWarning, stacklevel=2)
    found = machine.coef_ if axes is None else machine.coef_ @ axes.T
    sign = np.array([[-1], [1]]) if len(present) == 2 else 1  # scikit-learn fits one machine for two classes
    weight[present], bias[present] = sign * found, np.ravel(sign * machine.intercept_)
    return weight, bias


def _machine(seed: int) -> dict[str, Any]:
    return {"loss": "hinge", "max_iter": PASSES, "random_state": seed}


def _best_strength(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """C by cross-validation, on the classes that have a sample for each fold."""
    _, one_of_each = np.unique(y, return_index=True)
    some = np.union1d(one_of_each, np.random.default_rng(seed).permutation(len(x))[:CHOOSING])
    common = some[np.bincount(y[some])[y[some]] >= FOLDS]
    if len(np.unique(y[common])) < 2:
        problem = f"svm: C is {UNCHOSEN:g}, as choosing it takes {FOLDS} source samples of each of two classes"
        warnings.warn(problem, MethodWarning, stacklevel=3)
        return UNCHOSEN
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    search = GridSearchCV(LinearSVC(**_machine(seed)), {"C": STRENGTHS}, cv=folds, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(search.fit(x[common], y[common]).best_params_["C"])

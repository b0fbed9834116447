"""Correlation alignment before a linear SVM (Sun, Feng and Saenko, AAAI 2016, algorithm 1)."""

import warnings
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.registry import METHODS, MethodInfo
from methods.base import MethodWarning, Side, View
from methods.networks.build import Build
from methods.svm import SVM, Params

INERT = 0.01  # relative change of the source below which the method says that it does nothing


@METHODS.register(
    "coral_svm",
    MethodInfo("shallow", 2016, "AAAI", "Sun et al., Return of Frustratingly Easy Domain Adaptation"),
)
class CORALSVM(SVM):
    """The source is whitened by its covariance and coloured by the target's: x (C_s + I)^-1/2 (C_t + I)^1/2.

    Means stay, as in the paper, which standardises its inputs before. ``coral`` is the loss made of the same idea.
    """

    sees: ClassVar[Literal["both", "source"]] = "both"
    colour: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("colour", torch.eye(self.n_features))

    def fit(self, view: View) -> None:
        source, target = (view.embed(side)[0].cpu().numpy() for side in ("source", "target"))
        whiten = covariance_power(source, -0.5, np.eye(self.n_features, dtype=source.dtype))
        colour = covariance_power(target, 0.5, whiten)
        change = np.linalg.norm(source @ colour - source) / np.linalg.norm(source)
        if change < INERT:
            warnings.warn(
                f"coral_svm: it changes the source by {change:.2%}, and so does nothing: covariances are small "
                "beside the identity that is added to them; standardise the inputs",
                MethodWarning,
                stacklevel=2,
            )
        self.colour.copy_(torch.from_numpy(colour))
        super().fit(view)

    def features(self, x: Tensor, side: Side) -> Tensor:
        features = super().features(x, side)
        return features @ self.colour if side == "source" else features


def covariance_power(x: np.ndarray, power: float, before: np.ndarray) -> np.ndarray:
    """``before`` (d, d) times (C + I)^power, for the covariance C of samples x (n, d).

    With Z = centred x / sqrt(n - 1), (C + I)^p = I + Z' g(Z Z') Z, g(e) = ((1 + e)^p - 1) / e: where samples are
    fewer than dimensions, the smaller matrix is decomposed.
    """
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    wide = len(x) < x.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values = values.clip(1e-6)  # of which g is continuous, and where rounding may leave a negative one
    change = np.expm1(power * np.log1p(values)) / (values if wide else 1)
    axes = vectors.T @ centred if wide else vectors.T
    return before + (before @ axes.T * change) @ axes

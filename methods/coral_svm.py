"""Correlation alignment before a linear SVM (Sun, Feng and Saenko, AAAI 2016, algorithm 1)."""

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from methods.base import MethodWarning, Side, StageData
from methods.networks.build import Build
from methods.svm import SVM, Params

BUFFERS = ("whiten_axes", "whiten_change", "colour_axes", "colour_change")
INERT = 0.01  # relative change of the source below which the method says that it does nothing


@METHODS.register(
    "coral_svm",
    MethodInfo(
        "shallow",
        2016,
        "AAAI",
        "Sun et al., Return of Frustratingly Easy Domain Adaptation",
        uses=(),
        display="CORAL+SVM",
        classes_only=True,
    ),
)
class CORALSVM(SVM):
    """The source is whitened by its covariance and coloured by the target's: x (C_s + I)^-1/2 (C_t + I)^1/2.

    Means stay, as in the paper, which standardises its inputs before. ``coral`` is the loss made of the same idea.
    """

    sees: ClassVar[Literal["both", "source"]] = "both"
    whiten_axes: Tensor
    whiten_change: Tensor
    colour_axes: Tensor
    colour_change: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        for name in BUFFERS:  # of sizes that depend on the numbers of samples
            self.register_buffer(
                name, torch.zeros(0, self.n_features) if name.endswith("axes") else torch.zeros(0)
            )

    def fit(self, data: StageData) -> None:
        source, target = (data.embed(side)[0].cpu().numpy() for side in ("source", "target"))
        powers = (*covariance_power(source, -0.5), *covariance_power(target, 0.5))
        for name, values in zip(BUFFERS, powers, strict=True):
            self._resize(name, torch.from_numpy(values).to(self.weight))
        moved = self._coloured(data.embed("source")[0]).cpu().numpy() - source
        change = np.linalg.norm(moved) / max(np.linalg.norm(source), np.finfo(np.float32).tiny)
        if change < INERT:
            warnings.warn(
                f"coral_svm: it changes the source by {change:.2%}, and so does nothing: covariances are small "
                "beside the identity that is added to them; standardise the inputs",
                MethodWarning,
                stacklevel=2,
            )
        super().fit(data)

    def features(self, x: Tensor, side: Side) -> Tensor:
        features = super().features(x, side)
        return self._coloured(features) if side == "source" else features

    def _coloured(self, x: Tensor) -> Tensor:
        whitened = x + (x @ self.whiten_axes.T * self.whiten_change) @ self.whiten_axes
        return whitened + (whitened @ self.colour_axes.T * self.colour_change) @ self.colour_axes

    def _resize(self, name: str, like: Tensor) -> None:
        setattr(self, name, like.to(self.weight.device))

    def _load_from_state_dict(self, state: Mapping[str, Tensor], prefix: str, *rest: Any) -> None:
        for name in BUFFERS:
            if prefix + name in state:
                self._resize(name, torch.zeros_like(state[prefix + name]))
        super()._load_from_state_dict(state, prefix, *rest)


def covariance_power(x: np.ndarray, power: float) -> tuple[np.ndarray, np.ndarray]:
    """(C + I)^power, for the covariance C of samples x (n, d), as I + A' diag(c) A: A (k, d) and c (k,).

    With Z = centred x / sqrt(n - 1), (C + I)^p = I + Z' g(Z Z') Z, g(e) = ((1 + e)^p - 1) / e: the smaller matrix
    is decomposed, k = min(n, d), and none of (d, d) is made where samples are fewer than dimensions.
    """
    centred = (x - x.mean(0)) / np.sqrt(max(1, len(x) - 1))
    wide = len(x) < x.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values = values.clip(1e-6)  # of which g is continuous, and where rounding may leave a negative one
    change = np.expm1(power * np.log1p(values)) / (values if wide else 1)
    return vectors.T @ centred if wide else vectors.T.copy(), change

"""Adversarial spectral kernel matching (Liu and Xue, IJCAI 2021)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Batch, Loss, Stage, Update
from methods.losses.mmd import mk_mmd
from methods.networks.build import Build

COSINE, RELU = 128, 64  # widths of the two branches in AdaTime (Ragab et al. 2023)


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        1.0,
        "weight of the MMD",
        low=0.1,
        high=10,
        log=True,
        source="none; AdaTime's weights are those of a loss without gradients",
    )


@METHODS.register(
    "advskm",
    MethodInfo(
        "adversarial",
        2021,
        "IJCAI",
        "Liu and Xue, Adversarial Spectral Kernel Matching for Unsupervised Time Series DA",
        uses=ADVERSARIAL,
        display="AdvSKM",
    ),
)
class AdvSKM(base.Deep):
    """The MMD of what a network makes of the features; it learns to enlarge the MMD, the encoder to reduce it.

    The network is AdaTime's, and sees the domains apart. In AdaTime's own code nothing is adapted: the MMD is
    computed without gradients.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.kernel = build.network(lambda: SpectralKernel(self.n_features), "kernel", "adversary")

    def stages(self) -> Sequence[Stage]:
        enlarge = Update(self.enlarge, trains=("kernel.",))
        return [Stage("joint", [enlarge, Update(self.loss, trains=("encoder.", "head."))])]

    def enlarge(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.source is not None
        assert batch.target is not None
        with torch.no_grad():
            features = self.features(batch.source.x, batch.target.x)
        return Loss(None, {"kernel": -mk_mmd(*(self.kernel(side) for side in features))})

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        return {"mmd": self.params.trade_off * mk_mmd(self.kernel(source.features), self.kernel(target.features))}


class SpectralKernel(nn.Module):
    """Features (n, d) to (n, 96): a branch of cosines, as of a Fourier transform, beside one of ReLUs."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.cosine = _branch(n_features, COSINE, Cosine())
        self.relu = _branch(n_features, RELU, nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.cosine(features), self.relu(features)], dim=1)


class Cosine(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.cos()


def _branch(n_features: int, width: int, activation: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in ((n_features, width), (width, width // 2)):
        layers += [nn.Linear(inputs, outputs), nn.Linear(outputs, outputs), nn.BatchNorm1d(outputs), activation]
    return nn.Sequential(*layers)

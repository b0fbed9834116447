"""Adaptive feature norm, stepwise (Xu et al., ICCV 2019)."""

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base


class Params(base.Params):
    trade_off: NonNegativeFloat = param(0.05, "weight λ", low=0.005, high=0.5, log=True, source="section 4.2")
    step: NonNegativeFloat = param(1.0, "Δr, by which norms are to grow", low=0.1, high=2, source="section 4.2")


@METHODS.register(
    "afn",
    MethodInfo(
        "certainty",
        2019,
        "ICCV",
        "Xu et al., Larger Norm More Transferable: An Adaptive Feature Norm Approach",
        display="AFN",
    ),
)
class AFN(base.Deep):
    """The features of both domains are to have larger norms at each step (equation 5).

    The authors' features pass a batch norm. In a network that has none, nothing bounds the norms, and they may
    grow until the classes are lost: LeNet's do, from 5 to a million in the 350 steps of ``quick``.
    """

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        norms = [side.features.norm(dim=1) for side in (source, target)]
        self.log(source_norm=norms[0].detach().mean(), target_norm=norms[1].detach().mean())
        growth = torch.stack([stepwise(norm, self.params.step) for norm in norms]).sum()
        return {"norm": self.params.trade_off * growth}


def stepwise(norms: Tensor, step: float) -> Tensor:
    """Mean squared distance of norms (n,) to what they are now plus a step, which takes no gradient."""
    return (norms - (norms.detach() + step)).square().mean()

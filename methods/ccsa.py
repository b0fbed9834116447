"""Classification and contrastive semantic alignment (Motiian et al., ICCV 2017)."""

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.contrastive import contrastive


class Params(base.Params):
    trade_off: Annotated[float, Field(ge=0, le=1)] = param(
        0.25,
        "α, the weight of the alignment; the class loss has 1 - α",
        low=0.05,
        high=0.8,
        source="the authors' code",
    )


@METHODS.register(
    "ccsa",
    MethodInfo(
        "few_labels",
        2017,
        "ICCV",
        "Motiian et al., Unified Deep Supervised Domain Adaptation and Generalization",
        needs=("few",),
        display="CCSA",
        classes_only=True,
    ),
)
class CCSA(base.Deep):
    """Source samples come near to labelled target samples of their class, and stay away from those of others.

    It does not use unlabelled target samples. The class loss is the sum of the means over both domains; the
    authors' code takes turns with them, and aligns in each, so that its α weighs twice as much.
    """

    settings = Params
    params: Params

    def loss(self, batch: base.Batch, progress: Tensor) -> base.Loss:
        source, _, few = self.embed(replace(batch, target=None))
        assert few is not None
        labelled = source, few
        errors = [self.objective.loss(side.logits, side.samples.y).mean() for side in labelled]
        self.log(source_accuracy=(source.logits.detach().argmax(1) == source.samples.y).double().mean())
        alpha, features, y = (
            self.params.trade_off,
            *zip(*((s.features, s.samples.y) for s in labelled), strict=True),
        )
        task = (1 - alpha) * torch.stack(errors).sum()
        return base.Loss(task, {"contrastive": alpha * contrastive(*features, *y)})

"""Maximum classifier discrepancy (Saito et al., CVPR 2018)."""

from collections.abc import Sequence

import torch
from pydantic import PositiveInt
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Batch, Loss, Side, Stage, Update
from methods.losses.discrepancy import discrepancy
from methods.networks.build import Build


class Params(base.Params):
    generator_steps: PositiveInt = param(
        4, "updates of the encoder alone on each batch", source="section 3.3; 4: the authors' code"
    )


@METHODS.register(
    "mcd",
    MethodInfo(
        "adversarial",
        2018,
        "CVPR",
        "Saito et al., Maximum Classifier Discrepancy for Unsupervised Domain Adaptation",
        display="MCD",
        classes_only=True,
    ),
)
class MCD(base.Deep):
    """Two heads learn to disagree on the target, the encoder to make them agree; their mean predicts.

    The heads' logits are averaged, the authors' code adds them: the classes are the same.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.second_head = build.head(self.n_features, "second_head")

    def stages(self) -> Sequence[Stage]:
        """Steps A, B and C of section 3.3, all on one batch."""
        disagree = Update(self.disagree, trains=("head.", "second_head."))
        agree = Update(self.agree, trains=("encoder.",), repeat=self.params.generator_steps)
        return [Stage("joint", [Update(self.classify), disagree, agree])]

    def classify(self, batch: Batch, progress: Tensor) -> Loss:
        return Loss(self.error_and_logits(batch)[0])

    def disagree(self, batch: Batch, progress: Tensor) -> Loss:
        error, logits = self.error_and_logits(batch)
        return Loss(error, {"discrepancy": -self.discrepancy(*logits)})

    def agree(self, batch: Batch, progress: Tensor) -> Loss:
        return Loss(None, {"discrepancy": self.discrepancy(*self.error_and_logits(batch)[1])})

    def discrepancy(self, first: Tensor, second: Tensor) -> Tensor:
        """How far the heads are apart on the target, from the logits (n, classes) of both: a scalar."""
        return discrepancy(first, second)

    def error_and_logits(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """The sum of the heads' errors on what has labels, a scalar; both logits (n, classes) on the target."""
        assert batch.source is not None
        assert batch.target is not None
        few = [batch.few] if batch.few else []
        source, target, *features = self.features(batch.source.x, batch.target.x, *(side.x for side in few))
        heads = (self.head, self.second_head)
        logits = torch.stack([head(source) for head in heads])
        errors = [self.objective.loss(each, batch.source.y).mean() for each in logits]
        for side, x in zip(few, features, strict=True):
            errors += [self.objective.loss(head(x), side.y).mean() for head in heads]
        right = logits.detach().mean(0).argmax(1) == batch.source.y
        self.log(source_accuracy=right.double().mean())
        return torch.stack(errors).sum(), [head(target) for head in heads]

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        features, first = super().predict(x, side)
        return features, (first + self.second_head(features)) / 2

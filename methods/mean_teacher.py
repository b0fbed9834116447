"""Self-ensembling with a mean teacher (French et al., ICLR 2018; Tarvainen and Valpola, NIPS 2017)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from benchmarks.core.registry import ALIGNING, METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import base
from methods.base import Side, Stage, Update
from methods.networks.build import Build


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        3.0, "weight of the consistency", low=0.3, high=30, log=True, source="appendix, and the authors' code"
    )
    threshold: Share = param(
        0.968, "confidence of the teacher from which it is followed", low=0.8, high=0.99, source="section 3.2"
    )
    memory: Share = param(
        0.99, "share α of the teacher that a step leaves", low=0.9, high=0.999, source="section 3"
    )


@METHODS.register(
    "mean_teacher",
    MethodInfo(
        "certainty",
        2018,
        "ICLR",
        "French et al., Self-ensembling for Visual Domain Adaptation",
        uses=(*ALIGNING, "views"),
        classes_only=True,
    ),
)
class MeanTeacher(base.Deep):
    """The student is to say of a weak view of the target what its teacher, an average of it, says of the sample.

    The teacher is deployed. The paper shows it a second random view, and balances classes by a further loss.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.teacher = nn.Sequential(build.encoder(), build.head(self.n_features)).requires_grad_(False)

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss, after=self.average)], views=("weak",))]

    @torch.no_grad()
    def average(self) -> None:
        student = [*self.encoder.parameters(), *self.head.parameters()]
        for mean, latest in zip(self.teacher.parameters(), student, strict=True):
            mean.lerp_(latest, 1 - self.params.memory)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        (features,) = self.features(target.samples.views["weak"])
        said, taught = self.head(features).softmax(1), self.teacher(target.samples.x).softmax(1)
        sure = (taught.max(1).values > self.params.threshold).to(taught.dtype)
        self.log(confident=sure.mean())
        return {"consistency": self.params.trade_off * (sure * (said - taught).square().mean(1)).mean()}

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        encoder, head = self.teacher
        features = encoder(x)
        return features, head(features)

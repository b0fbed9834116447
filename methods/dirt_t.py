"""DIRT-T: decision-boundary iterative refinement training with a teacher (Shu et al., ICLR 2018)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import vada
from methods.base import Batch, Loss, Stage, StageData, Update
from methods.losses.virtual_adversarial import soft_cross_entropy
from methods.networks.build import Build


class Params(vada.Params):
    teacher: NonNegativeFloat = param(
        0.01,
        "weight β of staying near the teacher's predictions",
        low=1e-3,
        high=0.1,
        log=True,
        source="the authors' code",
    )
    interval: PositiveInt = param(
        5000, "steps after which the network of that time is the teacher", source="the authors' code"
    )


@METHODS.register(
    "dirt_t",
    MethodInfo(
        "adversarial",
        2018,
        "ICLR",
        "Shu et al., A DIRT-T Approach to Unsupervised Domain Adaptation",
        uses=(*ADVERSARIAL, "finetune"),
        version=2,
        keeps_source=False,
        optimises=("entropy", "im"),
        display="DIRT-T",
        classes_only=True,
    ),
)
class DIRTT(vada.VADA):
    """VADA first; then, without the source, sure and smooth predictions on the target, near those of a teacher.

    The first teacher is VADA's network. After every ``interval`` steps, at the next pass over the target, the
    network of that time is the teacher. A new one at each pass, which takes few steps where data are few, would
    hold nothing: the classes drift away. The cross-entropy with its predictions differs from the paper's
    divergence by a constant.
    """

    settings = Params
    params: Params
    taught: Tensor
    age: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("taught", torch.zeros(build.facts.target_size, self.n_classes))
        self.register_buffer("age", torch.tensor(params.interval))  # of the teacher, in steps

    def stages(self) -> Sequence[Stage]:
        own = ("encoder.", "head.")
        refine = Update(self.refine, trains=own)
        return [
            *super().stages(),
            Stage("refine", [refine], sees="target", finetune=own, each_epoch=self.teach),
        ]

    def teach(self, data: StageData) -> None:
        if self.age >= self.params.interval:
            self.taught.copy_(data.embed("target")[1])
            self.age.zero_()

    def refine(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.target is not None
        x = batch.target.x
        self.age += 1
        logits = self.head(self.encoder(x))
        return Loss(
            None,
            {
                "entropy": self.params.target * soft_cross_entropy(logits, logits),
                "target_smooth": self.params.target * self.roughness(x, logits),
                "teacher": self.params.teacher * soft_cross_entropy(logits, self.taught[batch.target.index]),
            },
        )

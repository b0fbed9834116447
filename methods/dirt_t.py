"""DIRT-T: decision-boundary iterative refinement training with a teacher (Shu et al., ICLR 2018)."""

from collections.abc import Sequence

import torch
from pydantic import NonNegativeFloat
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


@METHODS.register(
    "dirt_t",
    MethodInfo(
        "adversarial",
        2018,
        "ICLR",
        "Shu et al., A DIRT-T Approach to Unsupervised Domain Adaptation",
        uses=(*ADVERSARIAL, "finetune"),
        keeps_source=False,
        optimises=("entropy", "im"),
        display="DIRT-T",
        classes_only=True,
    ),
)
class DIRTT(vada.VADA):
    """VADA first; then, without the source, sure and smooth predictions on the target, near those of a teacher.

    The teacher is the network itself as it was when the present pass over the target began; the authors renew it
    every 5,000 steps. Their cross-entropy with its predictions differs from the paper's divergence by a constant.
    """

    settings = Params
    params: Params
    taught: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.register_buffer("taught", torch.zeros(build.facts.target_size, self.n_classes))

    def stages(self) -> Sequence[Stage]:
        own = ("encoder.", "head.")
        refine = Update(self.refine, trains=own)
        return [
            *super().stages(),
            Stage("refine", [refine], sees="target", finetune=own, each_epoch=self.teach),
        ]

    def teach(self, data: StageData) -> None:
        self.taught.copy_(data.embed("target")[1])

    def refine(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.target is not None
        x = batch.target.x
        logits = self.head(self.encoder(x))
        return Loss(
            None,
            {
                "entropy": self.params.target * soft_cross_entropy(logits, logits),
                "target_smooth": self.params.target * self.roughness(x, logits),
                "teacher": self.params.teacher * soft_cross_entropy(logits, self.taught[batch.target.index]),
            },
        )

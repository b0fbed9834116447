"""The baseline for few target labels: train on the source, then on these labels alone."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from benchmarks.core.registry import ALIGNING, METHODS, MethodInfo
from methods.base import Batch, Deep, Loss, Stage, Update


@METHODS.register(
    "fine_tune",
    MethodInfo(
        "few_labels",
        2014,
        "NIPS",
        "Yosinski et al., How transferable are features in deep neural networks?",
        uses=(*ALIGNING, "finetune"),
        needs=("few",),
        keeps_source=False,
    ),
)
class FineTune(Deep):
    """All layers learn on, at the protocol's `lr_finetune`, from target samples whose labels are granted."""

    def stages(self) -> Sequence[Stage]:
        few = Stage("few", [Update(self.few_loss)], sees="target", finetune=("*",))
        return [Stage("source", [Update(self.loss)], sees="source"), few]

    def loss(self, batch: Batch, progress: Tensor) -> Loss:
        return super().loss(replace(batch, few=None), progress)

    def few_loss(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.few is not None
        return Loss(self.objective.loss(self.head(self.encoder(batch.few.x)), batch.few.y).mean())

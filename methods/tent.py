"""Tent: test-time adaptation by entropy minimisation (Wang et al., ICLR 2021)."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.core.registry import METHODS, MethodInfo
from methods.adabn import AdaBN
from methods.base import Batch, Loss, Stage, StageData, Update
from methods.losses.certainty import entropy


@METHODS.register(
    "tent",
    MethodInfo(
        "source_free",
        2021,
        "ICLR",
        "Wang et al., Tent: Fully Test-Time Adaptation by Entropy Minimization",
        uses=("backbone", "new", "target", "finetune"),
        keeps_source=False,
        optimises=("entropy", "im"),
        display="Tent",
        classes_only=True,
    ),
)
class Tent(AdaBN):
    """After `adabn`, without the source, scales and shifts of batch norms learn to be sure of the target.

    The paper adapts to each batch as it comes, and predicts it with its own statistics. Here the target's training
    samples are seen as often as in other methods, and new ones are predicted with running averages.
    """

    def stages(self) -> Sequence[Stage]:
        source, _ = super().stages()
        norms = tuple(
            f"target_encoder.{name}."
            for name, layer in self.target_encoder.named_modules()
            if isinstance(layer, _BatchNorm)
        )
        adapt = Update(self.adapt, trains=norms)
        return [source, Stage("adapt", [adapt], sees="target", finetune=norms, begin=self.start)]

    def start(self, data: StageData) -> None:
        self.measure(data)
        for layer, original in zip(self.target_encoder.modules(), self.encoder.modules(), strict=True):
            if isinstance(layer, _BatchNorm) and isinstance(original, _BatchNorm):
                layer.momentum = original.momentum  # which counting batches has changed

    def adapt(self, batch: Batch, progress: Tensor) -> Loss:
        assert batch.target is not None
        logits = self.head(self.target_encoder(batch.target.x))
        return Loss(None, {"entropy": entropy(logits).mean()})

"""Pseudo-labels (Lee, ICML workshops 2013)."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import base


class Params(base.Params):
    # The paper's weight rises between epochs 100 and 600. They are taken for parts of 1,000, since it does not say
    # how many there are.
    trade_off: NonNegativeFloat = param(
        3.0, "weight α of the target at the end", low=0.3, high=3, log=True, source="section 2.4"
    )
    warmup: Share = param(0.1, "share of steps with α = 0", low=0, high=0.5, source="section 2.4: 100 epochs")
    rise: Annotated[float, Field(gt=0, le=1)] = param(
        0.5, "share of steps over which α then rises, in a line", low=0.1, high=1, source="section 2.4: 500 epochs"
    )


@METHODS.register(
    "pseudo_labels",
    MethodInfo(
        "certainty",
        2013,
        "ICML workshops",
        "Lee, Pseudo-Label: The Simple and Efficient Semi-Supervised Method",
        classes_only=True,
    ),
)
class PseudoLabels(base.Deep):
    """The class that is likeliest for a target sample, as predicted at that step, is taken for its label."""

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        risen = ((progress - self.params.warmup) / self.params.rise).clamp(0, 1)
        weight = self.params.trade_off * risen
        self.log(strength=weight)
        error = F.cross_entropy(target.logits, target.logits.argmax(1))
        return {"pseudo": (weight * error).to(error.dtype)}

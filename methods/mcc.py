"""Minimum class confusion (Jin et al., ECCV 2020)."""

from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.certainty import class_confusion


class Params(base.Params):
    trade_off: NonNegativeFloat = param(1.0, "weight μ", low=0.1, high=10, log=True, source="section 4.1")
    temperature: PositiveFloat = param(
        2.5, "temperature T of the target's predictions", low=1, high=5, source="section 4.1, by label-free search"
    )


@METHODS.register(
    "mcc",
    MethodInfo(
        "certainty",
        2020,
        "ECCV",
        "Jin et al., Minimum Class Confusion for Versatile Domain Adaptation",
        display="MCC",
        optimises=("corr_c",),
        classes_only=True,
    ),
)
class MCC(base.Deep):
    """The classes are to be told apart on the target, whatever its distribution."""

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        return {"confusion": self.params.trade_off * class_confusion(target.logits, self.params.temperature)}

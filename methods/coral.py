"""Deep CORAL (Sun and Saenko, ECCV workshops 2016)."""

from typing import Literal

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.coral import coral


class Params(base.Params):
    # The paper's rule needs no target label: the weight at which both losses end alike. On toys/waves with the
    # `cnn` backbone they are 0.072 and 0.069 after 200 steps.
    trade_off: NonNegativeFloat = param(
        1.0, "weight", low=0.01, high=100, log=True, source="section 4.1, on toys/waves"
    )
    layer: Literal["logits", "features"] = param("logits", "whose covariance is matched", source="section 3.2")


@METHODS.register(
    "coral",
    MethodInfo("moments", 2016, "ECCV workshops", "Sun and Saenko, Deep CORAL", core=True, display="CORAL"),
)
class CORAL(base.Deep):
    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        layer = self.params.layer
        return {"coral": self.params.trade_off * coral(getattr(source, layer), getattr(target, layer))}

"""Entropy minimisation (Grandvalet and Bengio, NIPS 2004)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.certainty import entropy


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        0.1,
        "weight λ",
        low=0.01,
        high=1,
        log=True,
        source="ENT in Saito et al., ICCV 2019; the paper chooses it with labels",
    )


@METHODS.register(
    "entropy_minimisation",
    MethodInfo(
        "certainty",
        2004,
        "NIPS",
        "Grandvalet and Bengio, Semi-supervised Learning by Entropy Minimization",
        optimises=("entropy", "im"),
        classes_only=True,
    ),
)
class EntropyMinimisation(base.Deep):
    """The target is to be predicted surely (equation 6)."""

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        return {"entropy": self.params.trade_off * entropy(target.logits).mean()}

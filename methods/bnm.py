"""Batch nuclear-norm maximisation (Cui et al., CVPR 2020)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.certainty import nuclear_norm


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        1.0, "weight λ", low=0.1, high=10, log=True, source="the authors' code for domain adaptation"
    )


@METHODS.register(
    "bnm",
    MethodInfo(
        "certainty",
        2020,
        "CVPR",
        "Cui et al., Towards Discriminability and Diversity: Batch Nuclear-norm Maximization",
        display="BNM",
        optimises=("bnm",),
        classes_only=True,
    ),
)
class BNM(base.Deep):
    """Predictions of a batch of the target are to be sure and diverse: of a large nuclear norm.

    The norm is divided by the size of the batch (equation 10); the authors' code divides by the number of singular
    values.
    """

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        return {"nuclear_norm": -self.params.trade_off * nuclear_norm(target.logits)}

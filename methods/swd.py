"""Sliced Wasserstein discrepancy (Lee et al., CVPR 2019)."""

from pydantic import PositiveInt
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import mcd
from methods.losses.sliced import sliced_discrepancy


class Params(mcd.Params):
    generator_steps: PositiveInt = param(
        1, "updates of the encoder alone on each batch", source="the authors' code, for moons"
    )


@METHODS.register(
    "swd",
    MethodInfo(
        "adversarial",
        2019,
        "CVPR",
        "Lee et al., Sliced Wasserstein Discrepancy for Unsupervised DA",
        display="SWD",
        classes_only=True,
    ),
)
class SWD(mcd.MCD):
    """MCD whose two heads are compared as distributions over the batch, not sample by sample."""

    settings = Params
    params: Params

    def discrepancy(self, first: Tensor, second: Tensor) -> Tensor:
        return sliced_discrepancy(first, second)

"""Terms that papers add to adversarial methods, each with a weight of 0 unless it is set."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.settings import param
from methods import mcc
from methods.base import Embedded, Labelled, Unlabelled
from methods.losses.certainty import class_confusion, nuclear_norm
from methods.losses.spectral import largest_singular_values
from methods.networks import ramp

TEMPERATURE: float = mcc.Params().temperature


class Params(ramp.Params):
    """Without ranges: a search would else spend its draws on combinations that nobody asked for."""

    spectral: NonNegativeFloat = param(
        0.0,
        "weight of batch spectral penalisation (BSP); 0: none",
        source="none in its paper; BSP: Chen et al., ICML 2019, whose code has 0.0001",
        before=0.0,
    )
    nuclear_norm: NonNegativeFloat = param(
        0.0,
        "weight of batch nuclear-norm maximisation on the target (BNM); 0: none",
        source="none in its paper; BNM: Cui et al., CVPR 2020; see `bnm`",
        before=0.0,
    )
    confusion: NonNegativeFloat = param(
        0.0,
        "weight of minimum class confusion on the target (MCC); 0: none",
        source="none in its paper; MCC: Jin et al., ECCV 2020; see `mcc`",
        before=0.0,
    )

    def added_terms(self, source: Embedded[Labelled], target: Embedded[Unlabelled]) -> dict[str, Tensor]:
        """Those whose weights are not 0, weighted."""
        terms = {
            "spectral": (self.spectral, lambda: largest_singular_values(source.features, target.features)),
            "nuclear_norm": (self.nuclear_norm, lambda: -nuclear_norm(target.logits)),
            "confusion": (self.confusion, lambda: class_confusion(target.logits, TEMPERATURE)),
        }
        return {name: weight * term() for name, (weight, term) in terms.items() if weight}

"""FixMatch (Sohn et al., NeurIPS 2020), the target as its unlabelled data."""

from collections.abc import Sequence

from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import ALIGNING, METHODS, MethodInfo
from benchmarks.core.settings import Share, param
from methods import base
from methods.base import Stage, Update


class Params(base.Params):
    trade_off: NonNegativeFloat = param(1.0, "weight λ_u", low=0.1, high=10, log=True, source="section 4")
    threshold: Share = param(
        0.95, "confidence τ from which a prediction is a label", low=0.7, high=0.99, source="section 4"
    )


@METHODS.register(
    "fixmatch",
    MethodInfo(
        "certainty",
        2020,
        "NeurIPS",
        "Sohn et al., FixMatch: Simplifying Semi-supervised Learning with Consistency and Confidence",
        uses=(*ALIGNING, "views"),
        display="FixMatch",
        classes_only=True,
    ),
)
class FixMatch(base.Deep):
    """What is predicted surely of a weak view is the label of a strong one (equation 4).

    The model is deployed as it is; the paper deploys a running average of its weights. The source has the views
    that `protocol.augmentation` gives it: compare with a `source_only` of the same.
    """

    settings = Params
    params: Params

    def stages(self) -> Sequence[Stage]:
        return [Stage("joint", [Update(self.loss)], views=("weak", "strong"))]

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        views = target.samples.views
        weak, strong = (self.head(features) for features in self.features(views["weak"], views["strong"]))
        confidence, label = weak.detach().softmax(1).max(1)
        sure = (confidence >= self.params.threshold).to(confidence.dtype)
        self.log(confident=sure.mean())
        errors = F.cross_entropy(strong, label, reduction="none")
        return {"consistency": self.params.trade_off * (sure * errors).mean()}

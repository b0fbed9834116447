"""DARE-GRAM: regression by aligned inverse Gram matrices (Nejjar et al., CVPR 2023)."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.regression import inverse_gram


class Params(base.Params):
    angle: NonNegativeFloat = param(
        0.05, "weight of the angles", low=0.005, high=1, log=True, source="the authors' code for dSprites"
    )
    scale: NonNegativeFloat = param(
        0.001, "weight of the scales", low=1e-4, high=0.1, log=True, source="the authors' code for dSprites"
    )
    kept: Annotated[float, Field(gt=0, lt=1)] = param(
        0.9, "share of the spectrum that is inverted", low=0.8, high=0.999, source="the authors' code for dSprites"
    )


@METHODS.register(
    "dare_gram",
    MethodInfo(
        "moments",
        2023,
        "CVPR",
        "Nejjar et al., DARE-GRAM: Unsupervised Domain Adaptation Regression by Aligning Inverse Gram Matrices",
        display="DARE-GRAM",
    ),
)
class DAREGRAM(base.Deep):
    """What least squares would make of features, (ZᵀZ)⁻¹, is alike in both domains."""

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        own = self.params
        return {"gram": inverse_gram(source.features, target.features, own.kept, own.angle, own.scale)}

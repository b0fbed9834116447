"""Open set domain adaptation by backpropagation (Saito et al., ECCV 2018)."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(base.Params):
    boundary: Annotated[float, Field(gt=0, lt=1)] = param(
        0.5,
        "t, the probability of unknown that the head learns for the target",
        low=0.2,
        high=0.8,
        source="the paper",
    )


@METHODS.register(
    "osbp",
    MethodInfo(
        "adversarial",
        2018,
        "ECCV",
        "Saito et al., Open Set Domain Adaptation by Backpropagation",
        needs=("open",),
        display="OSBP",
        classes_only=True,
    ),
)
class OSBP(base.Deep):
    """The head has a class more, unknown. It learns to give it t on the target; the encoder, to be far from t.

    So the encoder decides for each target sample whether to be like the source or unlike it.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        self.head = build.head(self.n_features, outputs=self.n_classes + 1)

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        reversed_features = reverse(target.features, target.features.new_ones(()))
        log_p = self.head(reversed_features).log_softmax(1)
        known, unknown = log_p[:, :-1].logsumexp(1), log_p[:, -1]
        t = self.params.boundary
        self.log(unknown_share=(unknown.detach() > known.detach()).double().mean())
        return {"unknown": -(t * unknown + (1 - t) * known).mean()}

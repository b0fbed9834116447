"""Minimax entropy (Saito et al., ICCV 2019)."""

from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.certainty import entropy
from methods.networks.build import Build
from methods.networks.grl import reverse


class Params(base.Params):
    entropy: NonNegativeFloat = param(
        0.1, "weight λ of the entropy", low=0.01, high=1, log=True, source="the authors' code"
    )
    temperature: PositiveFloat = param(
        0.05, "T of the head", low=0.02, high=0.2, log=True, source="the authors' code"
    )


@METHODS.register(
    "mme",
    MethodInfo(
        "few_labels",
        2019,
        "ICCV",
        "Saito et al., Semi-supervised Domain Adaptation via Minimax Entropy",
        needs=("few",),
        display="MME",
        classes_only=True,
    ),
)
class MME(base.Deep):
    """On the unlabelled target the head makes entropy larger, and the encoder makes it smaller.

    The head's weights are thereby drawn towards the target, and its features then towards them. The class loss is
    the sum of the means over the source and the few, the authors' the mean over both: λ beside it is half theirs.
    """

    settings = Params
    params: Params

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        outputs = build.objective.outputs
        self.head = build.network(lambda: Cosine(self.n_features, outputs, params.temperature), "head")

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        reversed_features = reverse(target.features, target.features.new_ones(()))
        return {"entropy": -self.params.entropy * entropy(self.head(reversed_features)).mean()}


class Cosine(nn.Module):
    """Wᵀ f / (||f|| T): features (n, d) to logits (n, classes). The protocol's `head_layers` do not count."""

    def __init__(self, n_features: int, outputs: int, temperature: float) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, outputs, bias=False)
        self.temperature = temperature

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(F.normalize(features)) / self.temperature

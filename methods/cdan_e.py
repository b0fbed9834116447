"""CDAN+E: CDAN with entropy conditioning (Long et al., NeurIPS 2018, section 3.2)."""

from typing import Literal

import torch
from torch import Tensor

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import cdan
from methods.networks.grl import reverse


class Params(cdan.Params):
    entropy_gradient: Literal["reversed", "detached"] = param(
        "reversed",
        "whether the encoder learns through the weights; reversed: towards lower entropy",
        source="the authors' code; detached: TLlib",
        before="detached",
    )


@METHODS.register(
    "cdan_e",
    MethodInfo(
        "adversarial",
        2018,
        "NeurIPS",
        "Long et al., Conditional Adversarial Domain Adaptation",
        core=True,
        uses=ADVERSARIAL,
        display="CDAN+E",
        classes_only=True,
    ),
)
class CDANE(cdan.CDAN):
    """Samples that are easy to classify weigh more in the domain loss: 1 + exp(-H), normalised to mean 1."""

    settings = Params
    params: Params

    def sample_weight(self, logits: Tensor, strength: Tensor) -> Tensor:
        learns = self.params.entropy_gradient == "reversed"
        logits = reverse(logits, strength) if learns else logits.detach()
        entropy = torch.distributions.Categorical(logits=logits).entropy()
        weight = 1 + torch.exp(-entropy)
        return weight / weight.detach().mean()

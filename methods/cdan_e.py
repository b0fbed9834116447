"""CDAN+E: CDAN with entropy conditioning (Long et al., NeurIPS 2018, section 3.2)."""

import torch
from torch import Tensor

from benchmarks.registry import METHODS, MethodInfo
from methods.cdan import CDAN


@METHODS.register(
    "cdan_e",
    MethodInfo("adversarial", 2018, "NeurIPS", "Long et al., Conditional Adversarial Domain Adaptation"),
)
class CDANE(CDAN):
    """Samples that are easy to classify weigh more in the domain loss: 1 + exp(-H), normalised to mean 1."""

    def sample_weight(self, logits: Tensor) -> Tensor:
        entropy = torch.distributions.Categorical(logits=logits).entropy()
        weight = 1 + torch.exp(-entropy)
        return weight / weight.mean()

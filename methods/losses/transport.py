"""The joint cost of features and labels, and plans of its transport (Damodaran et al., ECCV 2018, section 3)."""

import math
from typing import Literal

import ot
import torch
from torch import Tensor

Plan = Literal["exact", "entropic", "unbalanced"]

# Fatras et al. (ICML 2021; their code, digits) have ε = 0.1 and τ = 1 with a cost of a tenth of this one.
EPSILON, TAU = 1.0, 10.0
ITERATIONS = 100


def joint_cost(source: Tensor, target: Tensor, labels: Tensor, logits: Tensor, alpha: float) -> Tensor:
    """α times the squared distance of features, plus the cross-entropy of the target's with the source's label.

    Args:
        source, target: features (n, d) and (m, d).
        labels: (n,) int64, of the source.
        logits: (m, c), of the target.

    Returns:
        (n, m)
    """
    distances = source.square().sum(1)[:, None] + target.square().sum(1) - 2 * source @ target.T
    return alpha * distances.clamp(min=0) - logits.log_softmax(1)[:, labels].T


def transport_plan(cost: Tensor, plan: Plan) -> Tensor:
    """The plan (n, m) between uniform weights that has the least cost (n, m); no gradient flows through it.

    ``entropic`` adds ε times the plan's divergence from the product of its marginals; ``unbalanced`` besides lets
    the marginals go, for τ times their divergence from the uniform ones.
    """
    cost = cost.detach()
    if plan == "exact":
        return torch.from_numpy(ot.emd([], [], cost.double().cpu().numpy())).to(cost)
    return sinkhorn(cost.double(), 1.0 if plan == "entropic" else TAU / (TAU + EPSILON)).to(cost)


def sinkhorn(cost: Tensor, damping: float) -> Tensor:
    """Sinkhorn's iterations on logarithms: costs of any size are safe, where POT's unbalanced ones divide by zero.

    Args:
        cost: (n, m).
        damping: τ / (τ + ε) (Chizat et al., Mathematics of Computation 2018); 1 for marginals that are kept.
    """
    n, m = cost.shape
    log_kernel = -cost / EPSILON - math.log(n * m)
    of_target = cost.new_zeros(m)
    for _ in range(ITERATIONS):
        of_source = -damping * ((log_kernel + of_target).logsumexp(1) + math.log(n))
        of_target = -damping * ((log_kernel.T + of_source).logsumexp(1) + math.log(m))
    return (log_kernel + of_source[:, None] + of_target).exp()

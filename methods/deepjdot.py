"""Deep joint distribution optimal transport (Damodaran et al., ECCV 2018)."""

from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.transport import Plan, joint_cost, transport_plan


class Params(base.Params):
    # The paper's own, 0.0001 and 10, are for batches of 500 and a network that is trained on the source before.
    trade_off: NonNegativeFloat = param(
        0.1,
        "weight of the transport",
        low=0.01,
        high=1,
        log=True,
        source="Fatras et al. 2021's code, digits",
    )
    alpha: NonNegativeFloat = param(
        1.0, "weight of the features' distance beside it", low=0.1, high=10, log=True, source="as the trade-off"
    )
    plan: Plan = param(
        "exact",
        "what goes where: the cheapest plan, one blurred by entropy, or one that may leave samples behind",
        source="section 3; unbalanced: Fatras et al., ICML 2021",
    )


@METHODS.register(
    "deepjdot",
    MethodInfo(
        "transport",
        2018,
        "ECCV",
        "Damodaran et al., DeepJDOT: Deep Joint Distribution Optimal Transport",
        display="DeepJDOT",
        classes_only=True,
    ),
)
class DeepJDOT(base.Deep):
    """Target samples take the labels of those of the source that they are transported to, and come near them.

    The plan's cost is that of the loss, as in the paper; the authors' code plans with squared errors of
    probabilities in the place of the cross-entropy.
    """

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        y, alpha = source.samples.y, self.params.alpha
        cost = joint_cost(source.features, target.features, y, target.logits, alpha)
        return {"transport": self.params.trade_off * (transport_plan(cost, self.params.plan) * cost).sum()}

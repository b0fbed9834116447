"""Optimal transport of the source onto the target (Courty, Flamary, Tuia and Rakotomamonjy, IEEE TPAMI 2017)."""

import numpy as np
import ot
import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.base import Side, StageData
from methods.networks.build import Build
from methods.shallow.mapped import MappedNeighbour, some

ANCHORS = 1000  # samples of each domain that the plan is made of, at most
ROUNDS = 10  # of majorisation and minimisation: POT's default
SINKHORN = 100  # of its steps in each; POT has 200, and starts each anew
PRECISE = 1e-6  # error of the marginals at which Sinkhorn ends, of masses that sum to 1
SMALLEST = 1e-3  # added to a class's mass before its root is derived: POT's constant


class Params(base.Params):
    entropy: PositiveFloat = param(
        0.02,
        "λ of the entropy, where the largest cost is 1",
        low=0.01,
        high=1,
        log=True,
        source="this suite: the paper validates it by labels of the target",
    )
    classes: NonNegativeFloat = param(
        0.1, "η of the classes' groups", low=1e-3, high=1, log=True, source="POT's default"
    )


@METHODS.register(
    "ot",
    MethodInfo(
        "shallow",
        2017,
        "IEEE TPAMI",
        "Courty et al., Optimal Transport for DA",
        uses=(),
        display="OT",
        classes_only=True,
    ),
)
class OT(MappedNeighbour):
    """The source is moved onto the target by an entropic plan in which a target sample gets mass of few classes.

    A sample of the plan goes to the barycentre of where its mass goes, and any other moves as the nearest of the
    plan does (Ferradans et al., as in POT). The target stays.
    """

    settings = Params
    params: Params
    anchors: Tensor
    moves: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        d = int(np.prod(build.facts.input_shape))
        super().__init__(params, build, d)
        for name in ("anchors", "moves"):
            self.register_buffer(name, torch.zeros(min(build.facts.source_size, ANCHORS), d))

    def learn(self, source: np.ndarray, target: np.ndarray, data: StageData) -> None:
        assert data.source is not None
        rng = np.random.default_rng(data.seed)
        taken = some("ot", source, ANCHORS, "source", rng)
        source, y = source[taken].astype(np.float64), data.source.y.cpu().numpy()[taken]
        target = target[some("ot", target, ANCHORS, "target", rng)].astype(np.float64)
        plan = class_plan(source, y, target, self.params.entropy, self.params.classes)
        self.anchors.copy_(torch.from_numpy(source))
        self.moves.copy_(torch.from_numpy(plan @ target / plan.sum(1, keepdims=True) - source))

    def features(self, x: Tensor, side: Side) -> Tensor:
        x = x.flatten(1)
        return x + self.moves[torch.cdist(x, self.anchors).argmin(1)] if side == "source" else x


def class_plan(
    source: np.ndarray, y: np.ndarray, target: np.ndarray, entropy: float, classes: float
) -> np.ndarray:
    """γ (n, m), uniform on both sides, that minimises <γ, C> + λ Σ γ log γ + η Σ_j Σ_c (Σ_{i of c} γ_ij)^1/2.

    C are squared distances over the largest. The last term, a group lasso, is majorised in turns by its tangent,
    whose slopes are added to the costs, and each Sinkhorn starts where the last ended. POT's ``sinkhorn_lpl1_mm``
    starts each anew, and makes (n, m, classes).
    """
    cost = ot.dist(source, target)
    cost /= cost.max() or 1.0
    uniform = [np.full(size, 1 / size) for size in cost.shape]
    member = (np.unique(y)[:, None] == y).astype(np.float64)
    group = member.argmax(0)
    slope, start = np.zeros_like(cost), None
    options = {"numItermax": SINKHORN, "stopThr": PRECISE, "warn": False, "log": True}
    for _ in range(ROUNDS):
        relative = cost + classes * slope
        relative -= relative.min(0)  # what a row or a column has in common changes no plan, but may underflow
        relative -= relative.min(1, keepdims=True)
        plan, last = ot.sinkhorn(*uniform, relative, entropy, warmstart=start, **options)
        start = np.log(last["u"]), np.log(last["v"])
        slope = 0.5 / np.sqrt(member @ plan + SMALLEST)[group]
    return plan

"""Moment matching for several sources (Peng et al., ICCV 2019)."""

import torch
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import param
from methods import base
from methods.losses.moments import moment_distance


class Params(base.Params):
    trade_off: NonNegativeFloat = param(
        0.0005,
        "weight λ of the moment distance",
        low=5e-5,
        high=0.05,
        log=True,
        source="the authors' code for digits; the paper has none",
    )


@METHODS.register(
    "m3sda",
    MethodInfo(
        "moments",
        2019,
        "ICCV",
        "Peng et al., Moment Matching for Multi-Source Domain Adaptation",
        needs=("several_sources",),
        version=2,
        display="M3SDA",
    ),
)
class M3SDA(base.Deep):
    """The first two moments of each source agree with the target's, and with those of the other sources.

    Moments grow with the features, and agree soonest where these vanish: at a weight of 0.5, which Dassl's code
    has beside means and variances, LeNet ends at chance on digits. All sources share a head, as in the authors'
    code for digits, which goes on to moments of the fifth order. The paper also has a head for each source, whose
    predictions are averaged, and in M3SDA-β a pair of heads that disagree on the target (see `mcd`).
    """

    settings = Params
    params: Params

    def alignment(
        self, source: base.Embedded[base.Labelled], target: base.Embedded[base.Unlabelled], progress: Tensor
    ) -> dict[str, Tensor]:
        n_sources, features = self.facts.n_sources, torch.cat([source.features, target.features])
        last = torch.full_like(target.samples.domain, n_sources)
        domain = F.one_hot(torch.cat([source.samples.domain, last]), n_sources + 1).to(features.dtype)
        return {"moments": self.params.trade_off * moment_distance(features, domain.T)}

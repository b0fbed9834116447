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
        0.5,
        "weight λ of the moment distance",
        low=0.05,
        high=5,
        log=True,
        source="Dassl's code; the paper has none",
    )


@METHODS.register(
    "m3sda",
    MethodInfo(
        "moments",
        2019,
        "ICCV",
        "Peng et al., Moment Matching for Multi-Source Domain Adaptation",
        needs=("several_sources",),
        display="M3SDA",
    ),
)
class M3SDA(base.Deep):
    """The first two moments of each source agree with the target's, and with those of the other sources.

    All sources share a head, as in the authors' code for digits. The paper also has a head for each source, whose
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

"""CoDATS (Wilson, Doppa and Cook, KDD 2020), with one source: DANN for time series."""

from dataclasses import replace

from benchmarks.core.registry import ADVERSARIAL, METHODS, MethodInfo
from methods import dann
from methods.networks.build import Build

HEAD = (500, 500)  # hidden sizes of AdaTime's (Ragab et al. 2023); the protocol's `head_layers` do not count


@METHODS.register(
    "codats",
    MethodInfo(
        "adversarial",
        2020,
        "KDD",
        "Wilson et al., Multi-Source Deep DA with Weak Supervision for Time-Series Sensor Data",
        uses=ADVERSARIAL,
        display="CoDATS",
    ),
)
class CoDATS(dann.DANN):
    """DANN with a head of two hidden layers, those of AdaTime's classifier.

    What it gains over source_only is in part the head's: ``--set protocol.head_layers=500,500`` gives it to all.
    """

    def __init__(self, params: dann.Params, build: Build) -> None:
        super().__init__(params, replace(build, head_layers=HEAD))

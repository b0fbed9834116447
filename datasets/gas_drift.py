"""Six gases and sixteen sensors that drift over 36 months (Vergara et al., Sensors and Actuators B 166, 2012).

A sample is an exposure to one gas at one concentration: eight features of each sensor's response. Each batch, of
one to several months, is a domain. Batches 7 and 10 are missing, as no public snapshot has them raw. Batches 3, 4
and 5 have no toluene: as targets of the others they make a task partial, as sources an open-set one, which is
refused.

Exposures at one concentration of a gas resemble each other, so they are one group. Whole groups of the source are
held out, of each gas its share; a gas that has fewer than five groups there is divided by single exposures, or
training would lack it. A target has as few as seven groups, so the suites train on all of it without labels and
score it whole, as papers do; its groups are the units of intervals.

``normalised=l2`` is how Liu et al. (MCSP-SSS, IEEE Sensors Journal 21, 2021) prepare the data: each feature is
divided by its L2 norm over a domain. That adapts, without a label, whatever method follows. As there, all of the
source trains: its samples for validating and testing are the same again.
"""

from dataclasses import replace
from functools import lru_cache
from itertools import permutations
from typing import Literal

import numpy as np

from benchmarks.core.facts import Facts
from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from benchmarks.core.settings import UserError, setting
from datasets import files
from datasets.base import DomainFamily, Domains, Options, Samples, held_out, parse_domains, unvalidated
from datasets.readers.standardise import by_sources

READINGS = DataFile(
    "GasSensorDrift/gas_sensor_drift.npz", "022e554bd6226b54eb0f4e5745827d4e6fafbede8e210c174c4919dcdb66c152"
)
GASES = ("ethanol", "ethylene", "ammonia", "acetaldehyde", "acetone", "toluene")
WITHOUT_TOLUENE = {"3", "4", "5"}


class Normalised(Options):
    normalised: Literal["source", "l2"] = setting(
        "source", "by what features are divided: the source's deviations, or their L2 norms over each domain"
    )


class Batches(DomainFamily):
    """Batches of which some have no toluene; it is the last class."""

    def classes(self, task: str) -> tuple[str, ...]:
        """The gases of the sources."""
        return GASES[:-1] if set(parse_domains(task)[0]) <= WITHOUT_TOLUENE else GASES

    def tasks(self) -> list[str]:
        """Every ordered pair but those that :meth:`check` refuses."""
        return [f"{a}-{b}" for a, b in permutations(self.domains, 2) if not _lacks_toluene([a], [b])]

    def check(self, task: str) -> None:
        super().check(task)
        if _lacks_toluene(*parse_domains(task)):
            raise UserError(
                f"{self.name}/{task}: the target has toluene and no source has it (batches 3, 4 and 5 do not); "
                "no method could predict it, so add another source or take another pair"
            )

    def facts(self, task: str, options: Options | None = None) -> Facts:
        known, (_, targets) = super().facts(task, options), parse_domains(task)
        partial = len(self.classes(task)) == len(GASES) and set(targets) <= WITHOUT_TOLUENE
        partial = partial and "partial" not in known.traits  # by a dial
        return replace(known, traits=("partial", *known.traits)) if partial else known

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "mlp", "discriminator_layers": "64", "scoring": "transductive"}


def _lacks_toluene(sources: list[str], targets: list[str]) -> bool:
    """Whether the targets have it and the sources do not."""
    return set(sources) <= WITHOUT_TOLUENE and not set(targets) <= WITHOUT_TOLUENE


@DATASETS.register(
    "gas_drift",
    DatasetInfo(
        version=1,
        summary="six gases, 128 features of sensors that drift from batch to batch over 36 months",
        licence="CC BY 4.0 (UCI)",
        files=(READINGS,),
        get="UCI's 'Gas Sensor Array Drift at Different Concentrations': batches 1 to 6, 8 and 9 as one .npz",
        embeddable=("*",),
    ),
)
class GasDrift(Batches):
    name = "gas_drift"
    domains = ("1", "2", "3", "4", "5", "6", "8", "9")

    def options(self, task: str) -> type[Options]:
        return Normalised

    def read(self, task: str, options: Options) -> Domains:
        assert isinstance(options, Normalised)
        domains = super().read(task, options)
        targets = list(map(unvalidated, domains.targets))
        if options.normalised == "l2":
            return Domains(list(map(_repeated, map(_l2, domains.sources))), list(map(_l2, targets)))
        sources = [held_out(source, options.draw) for source in domains.sources]
        return by_sources(Domains(sources, targets), options.draw)

    def read_domain(self, domain: str) -> Samples:
        archive = _archive()
        own = archive["batch"] == int(domain)
        y, concentrations = archive["y"][own], archive["concentration_ppmv"][own]
        _, groups = np.unique(np.stack([y, concentrations]), axis=1, return_inverse=True)
        return Samples(archive["X"][own], y.astype(np.int64), groups=groups.ravel())


@lru_cache(maxsize=1)
def _archive() -> dict[str, np.ndarray]:
    return files.arrays(READINGS)


def _l2(domain: Samples) -> Samples:
    x = np.asarray(domain.x, np.float64)
    return replace(domain, x=(x / np.linalg.norm(x, axis=0)).astype(np.float32))


def _repeated(source: Samples) -> Samples:
    """All samples for training, and again for validating and for testing."""
    part = np.repeat(np.arange(3), len(source.y))
    return Samples(np.tile(source.x, (3, 1)), np.tile(source.y, 3), test=part == 2, val=part == 1)

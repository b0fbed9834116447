"""Six gases and sixteen sensors that drift over 36 months (Vergara et al., Sensors and Actuators B 166, 2012).

A sample is an exposure to one gas at one concentration: eight features of each sensor's response. Each batch, of
one to several months, is a domain. Batches 7 and 10 are missing, as no public snapshot has them raw. Batches 3, 4
and 5 have no toluene: as targets of the others they make a task partial, as sources an open-set one.

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
from typing import Literal

import numpy as np

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from benchmarks.core.settings import setting
from datasets import files
from datasets.base import ClassSets, DomainFamily, Domains, Options, Samples, held_out, parse_domains, unvalidated
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
        return GASES

    def class_sets(self, task: str, options: Options) -> ClassSets:
        """Without toluene on a side whose batches do not have it."""
        sets = super().class_sets(task, options)
        source, target = (
            numbers[:-1] if set(domains) <= WITHOUT_TOLUENE and GASES[numbers[-1]] == "toluene" else numbers
            for numbers, domains in zip((sets.source, sets.target), parse_domains(task), strict=True)
        )
        return replace(sets, source=source, target=target)

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "mlp", "discriminator_layers": "64", "scoring": "transductive"}


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

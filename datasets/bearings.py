"""Which part of a bearing is damaged? Vibration of two machines (CWRU Bearing Data Center; MFPT Society).

``0`` to ``3``
    CWRU's motor under loads of 0 to 3 hp, drive end: balls, inner and outer race (at 6 o'clock), each damaged by
    7, 14 and 21 mil. There is one record of each class and load. Its windows are divided along time into blocks
    for training, validating and testing, with a window left out at each cut; all three are of the **same
    bearing**, so accuracy within a domain is inflated. The usual tenth class, undamaged, is here for load 0 only
    and left out: published 10-class numbers do not compare.
``drive_end``, ``fan_end``
    All records of damage at either end, each by the accelerometer there: balls, inner and outer race.
``cwru``, ``mfpt``
    Damaged races: those of ``drive_end``, and 14 records of MFPT's test rig, resampled to CWRU's 12 kHz.

Of the last four, whole records of a source are held out (the loads of a bearing are several). A target, which is
as few as 14 records, is trained on without labels and scored whole. A record is the unit of intervals throughout.

Inputs are windows of 1,024 values that share none, each scaled to mean 0 and deviation 1, since sensors and their
places differ in gain: log spectra (512,), or with ``inputs=raw`` the windows (1, 1024) themselves for the backbone
``cnn1d``, whose steps take hundreds of times as long.
"""

import json
import re
from dataclasses import replace
from functools import lru_cache
from itertools import permutations
from typing import Any, Literal

import numpy as np

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from benchmarks.core.settings import UserError, setting
from datasets import files
from datasets.base import DomainFamily, Domains, Options, Samples, held_out, parse_domains, unvalidated
from datasets.har import LEFT_OUT, TEST, VAL, Standardised, parts
from datasets.readers.standardise import by_sources, each_by_itself

CWRU = DataFile("CWRU12k/cwru_12k.npz", "62d646ee9d84c3f37b3f1d5bc9f4db3a3e65db9af74e42edd961d2e46efe4ef9")
CWRU_INDEX = DataFile("CWRU12k/index.json", "aebcbd698146e5daa6f6b79b85f4c63dc4acaacecb401918ec7e463ed145b14c")
MFPT = DataFile("MFPT/mfpt_vload.npz", "36b6dc96ae430eaa95f45e6afb423eedcc6fee043d1451d65d72f2f8cf5e53ab")
LOADS = ("0", "1", "2", "3")
ENDS = {"drive_end": "12k_DE", "fan_end": "12k_FE"}
MACHINES = ("cwru", "mfpt")
KINDS = (LOADS, tuple(ENDS), MACHINES)  # pairs are of two domains of one kind
PARTS = {"B": "ball", "IR": "inner", "OR": "outer"}  # as CWRU's records name them
SIZES = ("007", "014", "021")
WINDOW = 1024
RATES = 1000, 4069  # 12,000 Hz from 48,828 Hz
FAINTEST = 1e-6  # of an amplitude, so that its logarithm exists


class Inputs(Standardised):
    inputs: Literal["spectrum", "raw"] = setting(
        "spectrum", "of a window: its log spectrum, or itself (for cnn1d)"
    )


@DATASETS.register(
    "bearings",
    DatasetInfo(
        version=1,
        summary="damaged bearings: across loads of a motor (same bearings), its two ends, and two machines",
        licence="CWRU: public download, no explicit licence; MFPT: CC BY-NC-SA 4.0",
        files=(CWRU, CWRU_INDEX, MFPT),
        get="the 12 kHz records of the CWRU Bearing Data Center, and those of MFPT's faults under several loads "
        "(GitHub's mathworks/RollingElementBearingFaultDiagnosis-Data), each as arrays in an .npz",
    ),
)
class Bearings(DomainFamily):
    name = "bearings"
    domains = (*LOADS, *ENDS, *MACHINES)

    def classes(self, task: str) -> tuple[str, ...]:
        kind = _kind(task)
        if kind == LOADS:
            return tuple(f"{part}_{size}" for part in PARTS.values() for size in SIZES)
        return tuple(PARTS.values())[kind == MACHINES :]

    def tasks(self) -> list[str]:
        return [f"{source}-{target}" for kind in KINDS for source, target in permutations(kind, 2)]

    def check(self, task: str) -> None:
        super().check(task)
        if _kind(task) is None:
            kinds = "; ".join(", ".join(kind) for kind in KINDS)
            raise UserError(f"{self.name}/{task}: domains of a task are all of one kind: {kinds}")

    def files(self, task: str) -> tuple[DataFile, ...]:
        return (CWRU, CWRU_INDEX, *((MFPT,) if _kind(task) == MACHINES else ()))

    def options(self, task: str) -> type[Options]:
        return Inputs

    def protocol(self, task: str) -> dict[str, str]:
        scoring = {} if _kind(task) == LOADS else {"scoring": "transductive"}
        return {"backbone": "mlp", "discriminator_layers": "64", **scoring}

    def read(self, task: str, options: Options) -> Domains:
        assert isinstance(options, Inputs)
        domains = super().read(task, options)
        if _kind(task) != LOADS:
            sources = [held_out(source, options.draw) for source in domains.sources]
            domains = Domains(sources, list(map(unvalidated, domains.targets)))
        if options.inputs == "spectrum":
            domains = Domains(list(map(_spectra, domains.sources)), list(map(_spectra, domains.targets)))
        standardise = by_sources if options.standardised == "source" else each_by_itself
        return standardise(domains, options.draw)

    def read_domain(self, domain: str) -> Samples:
        """Windows (n, 1, 1024); a group is a record."""
        if domain == "mfpt":
            return _windows([(_resampled(x), name.startswith("Outer")) for name, x in files.arrays(MFPT).items()])
        return _cwru(domain)


def _kind(task: str) -> tuple[str, ...] | None:
    """The kind that all domains of a task are of."""
    named = {name for side in parse_domains(task) for name in side}
    return next((kind for kind in KINDS if named <= set(kind)), None)


def _cwru(domain: str) -> Samples:
    archive, index = _archive()
    folder, found = ENDS.get(domain, "12k_DE"), []
    for record in index:
        name = re.fullmatch(r"(B|IR|OR)(\d{3})(?:@(\d+))?_(\d)", record["name"])
        if record["folder"] != folder or name is None:
            continue
        part, size, clock, load = name.groups()
        label = list(PARTS).index(part)
        if domain in LOADS:
            if load != domain or size not in SIZES or clock not in (None, "6"):
                continue
            label = label * len(SIZES) + SIZES.index(size)
        if domain == "cwru":
            label -= 1  # there are no damaged balls at MFPT
        if label >= 0:
            found.append((archive[record["key"]] * record["step"], label))
    return _windows(found, divided=domain in LOADS)


@lru_cache(maxsize=1)
def _archive() -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Records of whole numbers by key; and of each record its key, folder, name and the step in g."""
    return files.arrays(CWRU), json.loads(files.checked(CWRU_INDEX).read_text())


def _resampled(signal: np.ndarray) -> np.ndarray:
    from scipy.signal import resample_poly

    return resample_poly(signal.astype(np.float64), *RATES)


def _windows(records: list[tuple[np.ndarray, int]], divided: bool = False) -> Samples:
    """Scaled windows of records with their labels.

    Args:
        divided: each record along time, into what is for training, validating and testing.
    """
    numbers = [len(signal) // WINDOW for signal, _ in records]
    x = np.concatenate(
        [signal[: n * WINDOW].reshape(n, 1, WINDOW) for (signal, _), n in zip(records, numbers, strict=True)]
    )
    x = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    y = np.repeat([int(label) for _, label in records], numbers)
    windows = Samples(x.astype(np.float32), y, groups=np.repeat(np.arange(len(records)), numbers))
    if not divided:
        return windows
    part = np.concatenate(list(map(parts, numbers)))
    kept = part != LEFT_OUT
    assert windows.groups is not None
    part = part[kept]
    return Samples(windows.x[kept], y[kept], test=part == TEST, groups=windows.groups[kept], val=part == VAL)


def _spectra(domain: Samples) -> Samples:
    """Log amplitudes (n, 512) of all frequencies but 0."""
    amplitudes = np.abs(np.fft.rfft(np.asarray(domain.x)[:, 0]))[:, 1:]
    return replace(domain, x=np.log(amplitudes + FAINTEST).astype(np.float32))

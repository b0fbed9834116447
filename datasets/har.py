"""Human activity from a phone at the waist (Anguita et al., ESANN 2013): each of 30 subjects is a domain.

Windows of 128 samples at 50 Hz of nine signals: acceleration of the body, rotation, total acceleration. The tasks
listed are the ten pairs of AdaTime (Ragab et al., TKDD 2023); any other two subjects can be named.

Consecutive windows overlap by half, so the usual random split of a subject leaks: 85% of AdaTime's test windows
share half of their samples with a training window. Here each bout, a chain of windows that overlap, is cut along
time into a beginning for training, a piece for validation and an end for testing, whatever its label; the two
windows at the cuts, which would be on both sides, are left out. Whole bouts on one side would be stricter, but a
subject has four or five of each activity, and validation would lack most activities.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from benchmarks.core.settings import setting
from datasets import files
from datasets.base import TEST_SHARE, VAL_SHARE, DomainFamily, Domains, Options, Samples, split

WINDOWS = DataFile("UCIHAR/ucihar.npz", "82ef850c27fd4805f16a0928db188d2ee49babb569de4ffde678542494b3379a")
TRAIN, VAL, TEST, LEFT_OUT = range(4)
SHORTEST = 5  # windows of a bout that is cut: one for each part, and two that are left out


class Standardised(Options):
    """With statistics of each domain's own, standardising adapts, and ``source_only`` with it. So AdaTime does."""

    standardised: Literal["source", "each"] = setting(
        "source",
        "whose training windows give a signal's mean and deviation: the source's, or its own",
        before="source",
    )


@DATASETS.register(
    "har",
    DatasetInfo(
        version=1,
        summary="activities of 30 people, 9 x 128 windows of a phone's sensors",
        licence="CC BY 4.0 (UCI page); its own README forbids commercial use",
        files=(WINDOWS,),
        get="UCI's 'Human Activity Recognition Using Smartphones', inertial signals; overlapping halves kept once",
    ),
)
class HAR(DomainFamily):
    name = "har"
    domains = tuple(str(subject) for subject in range(1, 31))

    def classes(self, task: str) -> tuple[str, ...]:
        return ("walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "laying")

    def tasks(self) -> list[str]:
        return ["2-11", "6-23", "7-13", "9-18", "12-16", "18-27", "20-5", "24-8", "28-27", "30-20"]

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "cnn1d"}

    def options(self, task: str) -> type[Options]:
        return Standardised

    def read(self, task: str, options: Options) -> Domains:
        assert isinstance(options, Standardised)
        domains = super().read(task, options)
        training = [source.x[split(source)[0]] for source in domains.sources]
        if options.standardised == "each":
            of_targets = [target.x[np.union1d(*split(target)[:2])] for target in domains.targets]
        else:
            training = [np.concatenate(training)] * len(domains.sources)
            of_targets = training[:1] * len(domains.targets)
        return Domains(
            list(map(_standardised, domains.sources, training)),
            list(map(_standardised, domains.targets, of_targets)),
        )

    def read_domain(self, domain: str) -> Samples:
        archive = _archive()
        own = np.flatnonzero(archive["subject"] == int(domain))
        chains = bouts(archive["index"][own])
        part, bout = np.full(len(own), LEFT_OUT), np.zeros(len(own), int)
        for number, chain in enumerate(chains):
            part[chain], bout[chain] = parts(len(chain)), number
        kept = part != LEFT_OUT
        first, second = archive["index"][own[kept]].T
        x = np.concatenate([archive["halves"][first], archive["halves"][second]], axis=-1)
        y = archive["y"][own[kept]].astype(np.int64)
        return Samples(x, y, test=part[kept] == TEST, val=part[kept] == VAL, groups=bout[kept])


def _standardised(domain: Samples, training: Any) -> Samples:
    mean, deviation = (f(training, axis=(0, 2), keepdims=True) for f in (np.mean, np.std))
    return replace(domain, x=(domain.x - mean) / deviation)


@lru_cache(maxsize=1)
def _archive() -> dict[str, np.ndarray]:
    return files.arrays(WINDOWS)


def bouts(index: np.ndarray) -> list[np.ndarray]:
    """Chains of windows, each in the order of time; a window begins with the half that the one before ends with.

    Args:
        index: (n, 2) the first and second half of each window.
    """
    starting = {half: window for window, half in enumerate(index[:, 0].tolist())}
    chains = []
    for window in np.flatnonzero(~np.isin(index[:, 0], index[:, 1])).tolist():
        chain = [window]
        while (following := starting.get(index[chain[-1], 1])) is not None:
            chain.append(following)
        chains.append(np.array(chain))
    return chains


def parts(length: int) -> np.ndarray:
    """The part (length,) of each window of a bout, with one left out at each cut; short bouts are for training."""
    if length < SHORTEST:
        return np.full(length, TRAIN)
    kept = length - 2
    test = max(1, round(TEST_SHARE * kept))
    val = max(1, round(VAL_SHARE * (kept - test)))
    return np.repeat([TRAIN, LEFT_OUT, VAL, LEFT_OUT, TEST], [kept - test - val, 1, val, 1, test])

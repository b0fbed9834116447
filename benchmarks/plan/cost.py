"""What runs cost: which count as alike, and how long a grid of them takes, from what is known of some."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import METHODS
from benchmarks.plan.search import with_dropout
from benchmarks.plan.spec import RunSpec

Cell = tuple[str, Protocol]  # a family and a protocol: its tasks count as alike, as their steps are
Kind = tuple[Cell, str]  # of run: a method in a cell


def kind(spec: RunSpec) -> Kind:
    return (spec.family, alike(spec.protocol)), spec.method


@cache
def alike(protocol: Protocol) -> Protocol:
    """A protocol without what a search draws: none of it changes how long a step takes."""
    usual = Protocol()
    drawn = ("lr_backbone", "lr_new", "lr_adversary", "lr_gan", "weight_decay")
    changes = {name: getattr(usual, name) for name in drawn}
    return protocol.replace({**changes, "backbone": with_dropout(protocol.backbone, 0.0)}, "protocol")


def samples(kind: Kind) -> int:
    """That pass through the networks in a training; 0 of a method that builds none."""
    (_, protocol), method = kind
    uses = METHODS.info(method).uses
    return protocol.steps * (protocol.source_batch + protocol.target_batch * ("target" in uses)) * bool(uses)


@dataclass
class Estimate:
    """How long runs take.

    Attributes:
        counts: runs of each kind.
        training: known seconds of a run's training, by kind.
        evaluation: known seconds of all else in a run, by cell.
        recorded: the kinds that are known from finished runs; the others were timed for a few steps.
        failed: kinds whose first steps fail, with their errors.
    """

    counts: Mapping[Kind, int]
    training: dict[Kind, float] = field(default_factory=dict)
    evaluation: dict[Cell, float] = field(default_factory=dict)
    recorded: set[Kind] = field(default_factory=set)
    failed: dict[Kind, str] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether anything is known at all."""
        return bool(self.training)

    def of(self, kind: Kind) -> float:
        """Seconds of a run. What is not known of it is guessed from others, those of its cell where it has any."""
        evaluation = self.evaluation.get(kind[0], _mean(list(self.evaluation.values())))
        return evaluation + (self.training[kind] if kind in self.training else self._guess(kind))

    def _guess(self, kind: Kind) -> float:
        """As long a training as others need for as many samples."""
        own = samples(kind)
        similar = [other for other in self.training if bool(samples(other)) == bool(own)]
        known = similar or [*self.training]
        near = [other for other in known if other[0] == kind[0]] or known
        ratios = {other: own / samples(other) if similar and own else 1.0 for other in near}
        return _mean([self.training[other] * ratio for other, ratio in ratios.items()])

    def seconds(self, runs: Iterable[RunSpec]) -> dict[str, float]:
        """Of each run, by id."""
        by_kind = {kind: self.of(kind) for kind in self.counts}
        return {spec.run_id: by_kind[kind(spec)] for spec in runs}

    def __str__(self) -> str:
        """How far to trust it; empty if all kinds were timed."""
        recorded, kinds = len(self.recorded), len(self.counts)
        timed = len(self.training) - recorded
        parts = {"recorded": recorded, "timed": timed, "guessed": kinds - recorded - timed}
        if timed == kinds:
            return ""
        told = ", ".join(f"{number} {how}" for how, number in parts.items() if number)
        return "rough: " * bool(parts["guessed"]) + f"of {kinds} kinds of run, {told}"


def wall_time(total: float, longest: float, workers: int) -> float:
    """The most that workers need for runs of so many seconds, if none idles while one waits (Graham, 1969)."""
    return total / workers + longest * (1 - 1 / workers)


def in_words(seconds: Sequence[float], workers: int, device: str) -> str:
    """The time that runs take on so many workers, and what it costs."""
    if not seconds:
        return "no time"
    wall, hours = wall_time(sum(seconds), max(seconds), workers), sum(seconds) / 3600
    unit = "core" if device == "cpu" else "GPU"
    time = f"{wall:.0f} s" if wall < 60 else f"{wall / 60:.1f} min"
    cost = f"{hours:{'.1f' if hours >= 1 else '.1g'}} {unit}-hours"
    return f"about {time} on {workers} {unit}{'s' * (workers > 1)}: {cost}"


def _mean(seconds: Sequence[float]) -> float:
    return sum(seconds) / max(1, len(seconds))

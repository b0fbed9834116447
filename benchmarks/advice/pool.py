"""What can be chosen on one task, and what each choice said of the target's training samples."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from benchmarks.evaluation.candidates import Candidate, probability
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.spec import RunSpec

SMALLEST = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Option:
    """A method in one configuration at one step.

    Attributes:
        specs: its runs, by seed in order.
        seeds: what each of them said.
        n_classes: of the task.
    """

    specs: tuple[RunSpec, ...]
    step: int
    seeds: tuple[Candidate, ...]
    n_classes: int

    @property
    def method(self) -> str:
        """The method with the settings that the user gave it, as tables name it."""
        return self.specs[0].variant

    @property
    def configuration(self) -> int:
        return self.specs[0].configuration

    @cached_property
    def probabilities(self) -> list[np.ndarray]:
        """Of each seed (n, classes): the confidence for the predicted class, the rest spread evenly.

        That is exact for two classes; of several, the kept outputs have no more. A choice is a function of these
        probabilities, here as where choices are measured.
        """
        return [_spread(each, self.n_classes) for each in self.seeds]

    @cached_property
    def scores(self) -> dict[str, float]:
        """By name, what it scores, computed once: pools share their options."""
        return {}


@dataclass(frozen=True)
class Pool:
    """The options of one task, all with the same seeds.

    Attributes:
        one_draw: whether all seeds have the same target samples, so that their predictions can be averaged.
        incomplete: what did not end in every seed, or not with finite outputs.
    """

    options: tuple[Option, ...]
    one_draw: bool
    incomplete: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        return self.options[0].n_classes

    @property
    def probabilities(self) -> list[list[np.ndarray]]:
        """Of each option and seed (n, classes)."""
        return [option.probabilities for option in self.options]

    @cached_property
    def baseline(self) -> int:
        """The option of source_only that comes last: what no one has adapted."""
        return max(number for number, each in enumerate(self.options) if each.method == BASELINE)

    def averaged(self, members: Sequence[int]) -> list[np.ndarray]:
        """Mean probabilities (n, classes) of some options and their seeds, for each draw of target samples."""
        by_seed = zip(*(self.probabilities[member] for member in members), strict=True)
        means = [np.mean(several, axis=0) for several in by_seed]
        return [np.mean(means, axis=0)] if self.one_draw else means

    def only(self, kept: Iterable[int]) -> "Pool":
        """With some of the options alone."""
        return replace(self, options=tuple(self.options[number] for number in kept))


def _spread(candidate: Candidate, n_classes: int) -> np.ndarray:
    sure = probability(candidate.confidence)
    p = np.repeat((1 - sure)[:, None] / max(1, n_classes - 1), n_classes, axis=1)
    p[np.arange(len(p)), candidate.predicted] = sure
    return p.clip(SMALLEST)


def pools(specs: Iterable[RunSpec], candidates: Iterable[Candidate]) -> dict[str, Pool]:
    """By task, what its runs offer, in the seeds that source_only has; a task without any is left out.

    Args:
        specs: of the runs that may be chosen; references are not among them.
        candidates: what they said, at each checkpoint.
    """
    said: dict[str, dict[int, Candidate]] = {}
    for each in candidates:
        said.setdefault(each.run_id, {})[each.step] = each
    runs: dict[str, dict[tuple[str, int], dict[int, RunSpec]]] = {}
    for spec in specs:
        own = runs.setdefault(spec.task, {}).setdefault((spec.variant, spec.configuration), {})
        own[spec.seed] = spec
    found = {}
    for task, by_configuration in runs.items():
        usual = by_configuration.get((BASELINE, 0), {})
        seeds = sorted(seed for seed, spec in usual.items() if said.get(spec.run_id))
        if seeds:
            found[task] = _pool(by_configuration, said, seeds)
    return found


def _pool(
    runs: Mapping[tuple[str, int], Mapping[int, RunSpec]],
    said: Mapping[str, Mapping[int, Candidate]],
    seeds: Sequence[int],
) -> Pool:
    options, incomplete = [], []
    every = [each for own in runs.values() for spec in own.values() for each in said.get(spec.run_id, {}).values()]
    n_classes = 1 + max(int(max(each.source_y.max(), each.predicted.max(initial=0))) for each in every)
    for (variant, configuration), own in runs.items():
        specs = tuple(own[seed] for seed in seeds if seed in own)
        spoken = [said.get(spec.run_id, {}) for spec in specs]
        whole = set.intersection(*map(set, spoken)) if len(spoken) == len(seeds) else set()
        options += [Option(specs, step, tuple(each[step] for each in spoken), n_classes) for step in sorted(whole)]
        if not whole or max(whole) < max(step for each in spoken for step in each):
            incomplete.append(f"{variant}, configuration {configuration}" if configuration else variant)
    return Pool(tuple(options), _one_draw(options), tuple(incomplete))


def _one_draw(options: Sequence[Option]) -> bool:
    """Whether no task of these draws its splits by seed: its name says so."""
    return not any(spec.task.endswith("split=seed") for option in options for spec in option.specs)


def last_steps(pool: Pool) -> Pool:
    """Each method as it is without a choice: its own configuration, at its last step."""
    last: dict[str, int] = {}
    for number, option in enumerate(pool.options):
        if option.configuration == 0:
            last[option.method] = number
    return pool.only(last.values())


def without_samples(pool: Pool, kept: Mapping[int, np.ndarray]) -> Pool:
    """The pool as if its target had fewer samples: of seed number s, those of ``kept[s]``."""
    options = tuple(
        replace(
            option,
            seeds=tuple(
                replace(each, predicted=each.predicted[kept[seed]], confidence=each.confidence[kept[seed]])
                for seed, each in enumerate(option.seeds)
            ),
        )
        for option in pool.options
    )
    return replace(pool, options=options)

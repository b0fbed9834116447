"""The rule of the advice: from what a pool's options said, without a target label, to those that are deployed.

First a guard leaves out what has collapsed, diverged or lost the source; the rest is ranked by the mean rank of a
few criteria; the first options of different methods are deployed together, their probabilities averaged over
methods and seeds. If source_only comes first, it is kept alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import entr
from scipy.stats import norm, rankdata

from benchmarks.advice.criteria import CRITERIA
from benchmarks.advice.pool import Option, Pool
from benchmarks.core.registry import METHODS
from benchmarks.plan.methods import BASELINE

CONFIDENCE = 0.95  # one-sided, of the bound of the source accuracy that was lost
ANY_LOSS = 1.0  # the tolerance that bears any
COLLAPSED = 0.5  # of source_only's effective number of predicted classes


@dataclass(frozen=True)
class Rule:
    """How it is chosen.

    Attributes:
        tolerance: class-balanced source accuracy that an option may have lost; what is shown to have lost more is
            left out.
        criteria: whose mean rank decides; of a method that optimises all of them, it decides nothing.
        methods: how many are averaged at most.
    """

    tolerance: float
    criteria: tuple[str, ...]
    methods: int


# What `advise` applies: fitted on all families of the record; `advise --evaluate` fits it again.
RULE = Rule(0.02, ("ensv", "im", "bnm"), 3)


@dataclass(frozen=True)
class Decision:
    """What a rule says of a pool.

    Attributes:
        members: numbers of the options that are deployed together, best first.
        left_out: by the number of an option, why the guard left it out.
        ranks: of each option, the mean rank, 1 is best; NaN of those left out, and of those not ranked by these.
    """

    members: tuple[int, ...]
    left_out: dict[int, str]
    ranks: np.ndarray


@dataclass(frozen=True)
class Guarded:
    """What a guard leaves of a pool, and its scores, each computed once."""

    pool: Pool
    tolerance: float

    @cached_property
    def left_out(self) -> dict[int, str]:
        return guard(self.pool, self.tolerance)

    @cached_property
    def allowed(self) -> list[int]:
        return [number for number in range(len(self.pool.options)) if number not in self.left_out]

    @cached_property
    def _within(self) -> Pool:
        return self.pool.only(self.allowed)

    @cached_property
    def _ranks(self) -> dict[str, np.ndarray]:
        return {}

    def ranks(self, criterion: str) -> np.ndarray:
        """Of the allowed options, 1 is best; equal ones share theirs."""
        if criterion not in self._ranks:
            self._ranks[criterion] = np.asarray(rankdata(-CRITERIA[criterion](self._within)))
        return self._ranks[criterion]

    def ranked_by(self, criteria: Collection[str]) -> list[int]:
        """The allowed options but for those of methods that optimise all of these criteria."""
        optimised = [METHODS.info(option.specs[0].method).optimises for option in self.pool.options]
        return [number for number in self.allowed if not {*criteria} <= {*optimised[number]}]

    def decide(self, rule: Rule) -> Decision:
        """What a rule of this tolerance says."""
        means = np.full(len(self.pool.options), np.nan)
        means[self.allowed] = np.mean([self.ranks(name) for name in rule.criteria], axis=0)
        ranks, ranked = np.full_like(means, np.nan), self.ranked_by(rule.criteria)
        ranks[ranked] = means[ranked]
        return Decision(_first(self.pool.options, ranks, rule.methods), self.left_out, ranks)


def decide(pool: Pool, rule: Rule) -> Decision:
    """Apply a rule; a pure function of label-free outputs."""
    return Guarded(pool, rule.tolerance).decide(rule)


def _first(options: Sequence[Option], ranks: np.ndarray, count: int) -> tuple[int, ...]:
    """The best option of each of the best methods; source_only alone, if it is the best. Of equals, the first."""
    order = [int(number) for number in np.argsort(ranks, kind="stable") if not np.isnan(ranks[number])]
    best: dict[str, int] = {}
    for number in order:
        best.setdefault(options[number].method, number)
    if options[order[0]].method == BASELINE:
        return (order[0],)
    return tuple(best.values())[:count]


def guard(pool: Pool, tolerance: float) -> dict[int, str]:
    """By option that must not be chosen, why. Never an option of source_only.

    Whether the source is lost is not asked of methods whose deployed network need not predict all of it.
    """
    baseline = pool.options[pool.baseline]
    usual = np.mean([effective_classes(each.predicted) for each in baseline.seeds])
    left_out = {}
    for number, option in enumerate(pool.options):
        if option.method == BASELINE:
            continue
        classes = min(effective_classes(each.predicted) for each in option.seeds)
        if classes < COLLAPSED * usual:
            left_out[number] = f"predicts {classes:.1f} classes where source_only predicts {usual:.1f}"
        elif tolerance < ANY_LOSS and METHODS.info(option.specs[0].method).keeps_source:
            if "source_lost" not in option.scores:
                option.scores["source_lost"] = source_lost(option, baseline)
            if (lost := option.scores["source_lost"]) > tolerance:
                left_out[number] = f"has lost at least {100 * lost:.1f} points of source accuracy"
    return left_out


def effective_classes(predicted: np.ndarray) -> float:
    """The exponential of the entropy of the predicted classes' shares: 1 if all samples get one class."""
    shares = np.bincount(predicted) / len(predicted)
    return float(np.exp(entr(shares).sum()))


def source_lost(option: Option, baseline: Option) -> float:
    """The lower one-sided 95% bound of the class-balanced source accuracy lost against source_only.

    Paired by seed and validation sample. Its variance is the larger of that of seeds and that of samples.
    """
    losses, variances = [], []
    for own, usual in zip(option.seeds, baseline.seeds, strict=True):
        lost = usual.source_right.astype(float) - own.source_right
        by_class = [lost[own.source_y == label] for label in np.unique(own.source_y)]
        losses.append(np.mean([each.mean() for each in by_class]))
        variances.append(sum(each.var() / len(each) for each in by_class) / len(by_class) ** 2)
    of_seeds = np.var(losses, ddof=1) / len(losses) if len(losses) > 1 else 0.0
    return float(np.mean(losses) - norm.ppf(CONFIDENCE) * np.sqrt(max(of_seeds, np.mean(variances))))

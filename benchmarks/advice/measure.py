"""How often the advice was right where labels are known: what `advise` does, scored on committed outputs.

A rule is fitted on all families of data but one, and scored on that one; toys are no family. Beside it stand the
rule fitted on all, rules fitted without the methods of one idea and given all, always the same method (also fitted
on the others), each criterion alone, a random method, and the best.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from benchmarks.advice.criteria import CRITERIA
from benchmarks.advice.estimates import ESTIMATES
from benchmarks.advice.pool import Pool, without_samples
from benchmarks.advice.rule import ANY_LOSS, Guarded, Rule
from benchmarks.core.objective import Classes, Objective
from benchmarks.core.randomness import generator
from benchmarks.core.registry import METHODS
from benchmarks.evaluation import HEADLINE
from benchmarks.plan.methods import BASELINE

TOLERANCES = (0.01, 0.02, 0.05, ANY_LOSS)
# EnsV is in all: no method optimises it, so that no criterion which a method may optimise ranks alone.
RULES = tuple(
    Rule(tolerance, ("ensv", *others), methods)
    for count in range(4)
    for others in combinations(("im", "bnm", "corr_c"), count)
    for tolerance in TOLERANCES
    for methods in (1, 3, 100)
)
ADVICE, IN_SAMPLE, SINGLE = "advice", "advice, in sample", "always one method"
BEST = "best method (saw labels)"
AS_IT_IS = "as it is"
THINNED = 0.2  # of a class's target samples, where the prior is changed
LEAST = 5  # samples of a class that stay
SAME_DATA = {"office_caltech_surf": "office_caltech"}  # other features of the same photographs: one family


@dataclass(frozen=True)
class Case:
    """A task whose target labels are known, which only the score reads.

    Attributes:
        labels: of each seed, those (n,) of the samples that its outputs are of; -1 where there is none.
        recorded: by validator, the score (options,) that the records have of each option, the mean over seeds. It
            is of the whole target, and reads more than outputs hold: no rule uses it.
        balanced: whether an accuracy is the mean of the classes'.
        objective: whose headline is the score, called accuracy here whatever it is.
    """

    task: str
    pool: Pool
    labels: tuple[np.ndarray, ...]
    recorded: Mapping[str, np.ndarray] = field(default_factory=dict)
    balanced: bool = False
    objective: type[Objective] = Classes

    @property
    def family(self) -> str:
        name = self.task.partition("/")[0]
        return SAME_DATA.get(name, name)

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(option.method for option in self.pool.options))

    @cached_property
    def _guarded(self) -> dict[tuple[float, str], Guarded]:
        return {}

    def guarded(self, tolerance: float, without: str = "") -> Guarded:
        """What rules of this tolerance share, computed once; as if no method of an idea had been run."""
        key = tolerance, without
        if key not in self._guarded:
            self._guarded[key] = Guarded(self.pool.only(self._but(without)), tolerance)
        return self._guarded[key]

    def advised(self, rule: Rule, without: str = "") -> tuple[int, ...]:
        """What a rule deploys; as if no method of an idea had been run."""
        kept = self._but(without)
        return tuple(kept[number] for number in self.guarded(rule.tolerance, without).decide(rule).members)

    def _but(self, idea: str) -> list[int]:
        """The numbers of the options but for those of an idea."""
        methods = [option.specs[0].method for option in self.pool.options]
        return [number for number, method in enumerate(methods) if METHODS.info(method).family != idea]

    def best_recorded(self, validator: str) -> tuple[int, ...]:
        """What a recorded score alone deploys, by the rule's guard; nothing if no option has one."""
        scores = self.recorded[validator]
        ranked = [
            number for number in self.guarded(ANY_LOSS).ranked_by([validator]) if not np.isnan(scores[number])
        ]
        return (max(ranked, key=lambda number: scores[number]),) if ranked else ()

    @cached_property
    def _deployed(self) -> dict[tuple[int, ...], np.ndarray]:
        return {}

    def score(self, draw: int, probabilities: np.ndarray, predicted: np.ndarray) -> float:
        """The headline, of what a model says (n, classes) and predicts (n,) of a draw's samples.

        An accuracy reads predictions alone. It is made of counts: two that are equal are equal on any processor.
        """
        known = self.labels[draw] >= 0
        y, right = self.labels[draw][known], (predicted == self.labels[draw])[known]
        if self.objective.headline != HEADLINE:
            logits = np.log(probabilities[known])
            return self.objective(probabilities.shape[1]).scores(logits, y, logits)[self.objective.headline]
        if not self.balanced:
            return float(right.mean())
        return float(np.mean([right[y == label].mean() for label in np.unique(y)]))

    def weights(self, draw: int) -> np.ndarray:
        """What a sample (n,) counts, 1 in all: nothing without a label."""
        y = self.labels[draw]
        counts = np.bincount(y[y >= 0])
        if not self.balanced:
            return np.where(y >= 0, 1 / counts.sum(), 0.0)
        return np.where(y >= 0, 1 / ((counts > 0).sum() * counts[y].clip(1)), 0.0)

    def accuracy(self, members: tuple[int, ...]) -> float:
        """Of what is deployed; the mean over draws."""
        return float(self.deployed(members).mean())

    def deployed(self, members: Sequence[int]) -> np.ndarray:
        """Accuracy (draws,) of options together, computed once."""
        key = tuple(sorted(members))
        if key not in self._deployed:
            averaged = enumerate(self.pool.averaged(key))
            self._deployed[key] = np.array([self.score(draw, p, p.argmax(1)) for draw, p in averaged])
        return self._deployed[key]

    @cached_property
    def singles(self) -> np.ndarray:
        """Accuracy (options, seeds) of each model alone."""
        return np.array(
            [
                [
                    self.score(seed, p, each.predicted)
                    for seed, (p, each) in enumerate(zip(option.probabilities, option.seeds, strict=True))
                ]
                for option in self.pool.options
            ]
        )

    @property
    def usual(self) -> float:
        """Accuracy of one model of source_only, the mean over seeds: what someone has without adaptation."""
        return float(self.singles[self.pool.baseline].mean())

    @cached_property
    def last(self) -> dict[str, int]:
        """Of each method, the option that nobody chooses: its own configuration's last step."""
        own = enumerate(self.pool.options)
        return {option.method: number for number, option in own if option.configuration == 0}

    def regret(self, accuracy: float) -> tuple[float, float]:
        """What was lost against the best method, chosen on other seeds; and against the largest, noisy mean."""
        accuracies = self.singles[list(self.last.values())]
        seeds = range(accuracies.shape[1])
        noisy = float(accuracies.mean(1).max() - accuracy)
        if len(seeds) == 1:
            return np.nan, noisy
        best = [np.delete(accuracies, seed, axis=1).mean(1).argmax() for seed in seeds]
        return float(accuracies[best, seeds].mean() - accuracy), noisy

    def error(self, members: Sequence[int]) -> float:
        """Standard error of the gain: of draws where there are several, else of the target's samples.

        NaN of one draw of a score that is no mean over samples.
        """
        scores = self.deployed(members)
        if len(scores) > 1:
            gains = scores - self.singles[self.pool.baseline]
            return float(np.std(gains, ddof=1) / np.sqrt(len(gains)))
        if self.objective.headline != HEADLINE:
            return np.nan
        usual = self.pool.options[self.pool.baseline].seeds
        alone = [each.predicted == y for each, y in zip(usual, self.labels, strict=True)]
        right = self.pool.averaged(members)[0].argmax(1) == self.labels[0]
        of_samples, weights = right - np.mean(alone, axis=0), self.weights(0)
        return float(np.sqrt(weights**2 @ (of_samples - of_samples @ weights) ** 2))


Choice = Callable[[Case], tuple[int, ...]]


def measure(cases: Sequence[Case]) -> pd.DataFrame:
    """A row a strategy and task: what was deployed, its gain over source_only with its error, and its regret."""
    gains = _gains(cases, _BY_RULE)
    without = {idea: _gains(cases, [_by_rule(rule, idea) for rule in RULES]) for idea in _ideas(cases)}
    methods = [name for name in cases[0].methods if all(name in case.last for case in cases)]
    of_methods = _gains(cases, [_always(name) for name in methods])
    families = np.array([case.family for case in cases])
    rows = []
    for case in cases:
        others = families != case.family
        choices: dict[str, Choice] = {
            ADVICE: _BY_RULE[_best(gains, families, others)],
            IN_SAMPLE: _BY_RULE[_best(gains, families, families != "")],
            SINGLE: _always(methods[_best(of_methods, families, others)]),
            "source_only, seeds averaged": _always(BASELINE),
            "all methods averaged": lambda case: tuple(case.last.values()),
            **{f"{name} alone": _by_rule(Rule(ANY_LOSS, (name,), 1)) for name in _defined(case)},
        }
        as_it_is: dict[str, Choice] = {
            **{
                f"advice, fitted without {idea} methods": _BY_RULE[_best(theirs, families, others)]
                for idea, theirs in without.items()
            },
            **{f"{name} alone": _by_record(name) for name in case.recorded if case.best_recorded(name)},
        }
        for version, changed in versions(case).items():
            made = {**choices, **(as_it_is if version == AS_IT_IS else {}), BEST: _best_method}
            rows += [{"target": version, **_row(changed, name, choice)} for name, choice in made.items()]
            rows.append({"target": version, **_random(changed)})
    return pd.DataFrame(rows)


def _ideas(cases: Sequence[Case]) -> list[str]:
    """Those of the methods of the tasks, but for source_only's."""
    used = (option.specs[0].method for case in cases for option in case.pool.options)
    return list(dict.fromkeys(METHODS.info(method).family for method in used if method != BASELINE))


def versions(case: Case) -> dict[str, Case]:
    """The task as it is; with half of the classes thinned to a fifth; and with a third of the classes absent.

    Samples are dropped from what was said of the target: training saw them all. The score is balanced there.
    """
    rng = generator(0, f"advice/versions/{case.task}")
    order = rng.permutation(case.pool.n_classes)
    half, third = order[: len(order) // 2], order[: len(order) // 3]
    found = {AS_IT_IS: case, "prior": _dropped(case, half, THINNED)}
    return found | ({"absent classes": _dropped(case, third, 0)} if len(third) else {})


def _dropped(case: Case, classes: np.ndarray, share: float) -> Case:
    kept = {}
    for seed, y in enumerate(case.labels):
        stays = ~np.isin(y, classes)
        for label in classes if share else ():
            place = np.flatnonzero(y == label)
            stays[place[: max(LEAST, int(share * len(place)))]] = True
        kept[seed] = np.flatnonzero(stays)
    labels = tuple(y[kept[seed]] for seed, y in enumerate(case.labels))
    return replace(case, pool=without_samples(case.pool, kept), labels=labels, recorded={}, balanced=True)


def evaluated(cases: Sequence[Case]) -> pd.DataFrame:
    """The record: what :func:`measure` gives, and in the rows of the advice what each estimate was off by."""
    measured, by_task = measure(cases), {case.task: case for case in cases}
    for place, row in measured.iterrows():
        if (row["strategy"], row["target"]) == (ADVICE, AS_IT_IS):
            for name, estimate in ESTIMATES.items():
                value = estimate(by_task[row["task"]].pool, row["members"])
                measured.loc[place, name] = value - row["accuracy"]
    return measured.drop(columns="members")


def fitted(cases: Sequence[Case]) -> Rule:
    """The rule with the largest gain, in the mean of families; of equals, the first."""
    gains = _gains(cases, _BY_RULE)
    families = np.array([case.family for case in cases])
    return RULES[_best(gains, families, families != "")]


def _by_rule(rule: Rule, without: str = "") -> Choice:
    return lambda case: case.advised(rule, without)


_BY_RULE = [_by_rule(rule) for rule in RULES]


def _by_record(validator: str) -> Choice:
    return lambda case: case.best_recorded(validator)


def _defined(case: Case) -> list[str]:
    """Criteria that score all of a pool: seeds cannot agree on samples that they do not share."""
    return [name for name, criterion in CRITERIA.items() if not np.isnan(criterion(case.pool)).any()]


def _best_method(case: Case) -> tuple[int, ...]:
    return (max(case.last.values(), key=lambda each: case.accuracy((each,))),)


def _always(method: str) -> Choice:
    return lambda case: (case.last[method],)


def _gains(cases: Sequence[Case], choices: Sequence[Choice]) -> np.ndarray:
    """Gain (choices, cases) over source_only."""
    return np.array([[case.accuracy(choice(case)) - case.usual for case in cases] for choice in choices])


def _best(gains: np.ndarray, families: np.ndarray, among: np.ndarray) -> int:
    """The number of the row of gains that is largest in the mean of families, of some cases."""
    names = dict.fromkeys(families[among])
    return int(np.argmax(np.mean([gains[:, among & (families == name)].mean(1) for name in names], axis=0)))


def _row(case: Case, strategy: str, choice: Choice) -> dict[str, object]:
    members = choice(case)
    accuracy = case.accuracy(members)
    fitted, noisy = case.regret(accuracy)
    deployed = " + ".join(f"{case.pool.options[each].method}@{case.pool.options[each].step}" for each in members)
    return {
        "family": case.family,
        "task": case.task,
        "strategy": strategy,
        "deployed": deployed,
        "members": members,
        "accuracy": accuracy,
        "gain": _exact(accuracy - case.usual),
        "error": _exact(case.error(members)),
        "regret": _exact(fitted),
        "noisy_regret": _exact(noisy),
    }


def _exact(number: float) -> float:
    """Without what rounding leaves of zero: its sign depends on the processor, and would count as harm."""
    return float(np.round(number, 12)) + 0.0


def _random(case: Case) -> dict[str, object]:
    """One method, each as likely: the mean of what each deploys."""
    rows = [_row(case, "random method", _always(method)) for method in case.last]
    means = {
        name: np.mean([row[name] for row in rows])
        for name in ("accuracy", "gain", "error", "regret", "noisy_regret")
    }
    return {**rows[0], "deployed": "", "members": (), **means}

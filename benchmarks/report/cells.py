"""What there is of a grid: numbers by cell (method, task) and seed, the runs behind them, and the holes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError, format_query, parse_query
from benchmarks.evaluation import HEADLINE
from benchmarks.evaluation.outcomes import unpacked_right, unpacked_units
from benchmarks.plan.grid import Grid
from benchmarks.plan.methods import BASELINE
from benchmarks.plan.spec import RunSpec
from benchmarks.report.dials import sweeps
from benchmarks.report.intervals import Outcomes
from benchmarks.report.statistics import Summary, summarise
from datasets.base import class_names, objective_of_task

ACCURACY = HEADLINE  # of any task, its objective's headline
SELECTED = "selected"  # a choice among candidates, without target labels
SKEWED = 1.5  # times the share that a class would have if all were equal: then the most frequent one is shown


@dataclass(frozen=True)
class Cell:
    """One number with what stands behind it; without a summary, ``missing`` says why there is none.

    Attributes:
        best: whether it is the best mean of its column, references aside; ``second`` follows it.
        mark: what a test says of ``gain``: better or worse than the baseline, or no difference is shown.
        note: what the number is of, where its column does not say.
        gain: over the baseline, paired by seed, where the number is a candidate's headline: above 0 is better.
        p: of the gain, adjusted for the number of methods; none below 5 seeds.
    """

    summary: Summary | None
    runs: tuple[str, ...] = ()
    missing: str = ""
    best: bool = False
    second: bool = False
    mark: Literal["", "▲", "▼"] = ""
    note: str = ""
    gain: Summary | None = None
    p: float | None = None


@dataclass(frozen=True)
class Value:
    """A number of one seed, and the run it is of; the step, where that is not the last."""

    number: float
    run_id: str
    step: int | None = None


Values = dict[int, Value]  # by seed


class Cells:
    """The records of a grid by variant, task and seed.

    Args:
        failures: run ids that failed, with their errors.
        chosen: values that a choice among candidates gave, by name of the choice, then (variant, task).
    """

    def __init__(
        self,
        grid: Grid,
        records: pd.DataFrame,
        failures: Mapping[str, str],
        chosen: Mapping[str, Mapping[tuple[str, str], Values]],
    ) -> None:
        self.grid, self.failures, self.chosen = grid, failures, chosen
        self.records: dict[str, dict[str, Any]] = {row["run_id"]: row for row in records.to_dict("records")}
        self.specs: dict[tuple[str, str], dict[int, RunSpec]] = {}
        for spec in grid.specs:
            if spec.configuration == 0:
                self.specs.setdefault((spec.variant, spec.task), {})[spec.seed] = spec
        self.reasons = {(cell.variant, cell.task): cell.reason for cell in grid.not_applicable}
        keys = [*self.specs, *self.reasons]
        self.variants = list(dict.fromkeys(variant for variant, _ in keys))
        self.tasks = list(dict.fromkeys(task for _, task in keys))
        self.seeds = sorted({spec.seed for spec in grid.specs})
        self.objectives = {task: objective_of_task(task) for task in self.tasks}
        self.unscored = [task for task in self.tasks if self._is_unscored(task)]
        self.scored = [task for task in self.tasks if task not in self.unscored]
        self.skewed = [task for task in self.scored if self._is_skewed(task)]
        self._outcomes: dict[tuple[str, int | None], Outcomes | None] = {}
        self._first: dict[str, Outcomes] = {}  # by the samples that they are on

    @property
    def candidates(self) -> list[str]:
        """Variants that are no references."""
        return [variant for variant in self.variants if not is_reference(variant)]

    def _is_unscored(self, task: str) -> bool:
        """Whether there are records, and none has the headline: no target sample has a label."""
        specs = [spec for (_, of), by_seed in self.specs.items() if of == task for spec in by_seed.values()]
        rows = [self.records[spec.run_id] for spec in specs if spec.run_id in self.records]
        return bool(rows) and all(pd.isna(row.get(self.objectives[task].headline)) for row in rows)

    def majority_rate(self, task: str) -> float:
        """Share of the most frequent class among scored samples, mean over seeds; NaN if no record has it."""
        rates = self.numbers("target_majority_rate", BASELINE, task).values()
        return sum(rates) / len(rates) if rates else math.nan

    def _is_skewed(self, task: str) -> bool:
        """Whether accuracy hides how classes fare. For display alone: target labels say it."""
        rate = self.majority_rate(task)
        return rate >= SKEWED / len(class_names(task)) if rate == rate else False

    def rows(self, variant: str, task: str) -> dict[int, dict[str, Any]]:
        """Records of the method's own configuration, by seed."""
        specs = self.specs.get((variant, task), {}).items()
        return {seed: self.records[spec.run_id] for seed, spec in specs if spec.run_id in self.records}

    def different_targets(self, task: str) -> bool:
        """Whether each seed trains on target samples of its own."""
        protocols = [spec.protocol for spec in self.grid.specs if spec.task == task]
        return draws_by_seed(task) and any(protocol.scoring != "transductive" for protocol in protocols)

    def values(self, metric: str, variant: str, task: str) -> Values:
        """What a metric, or a choice, gave in each seed that has it."""
        if metric in self.chosen:
            return self.chosen[metric].get((variant, task), {})
        return self.recorded(self.objectives[task].headline if metric == ACCURACY else metric, variant, task)

    def recorded(self, score: str, variant: str, task: str) -> Values:
        """What records say under this name in each seed that has it."""
        found = {}
        for seed, spec in self.specs.get((variant, task), {}).items():
            number = self.records.get(spec.run_id, {}).get(score)
            if number is not None and not math.isnan(number):
                found[seed] = Value(float(number), spec.run_id)
        return found

    def sign(self, metric: str, task: str) -> int:
        """By which differences of a metric, or of what a choice gave, are multiplied to be gains."""
        objective = self.objectives[task]
        return objective.sign if metric in (ACCURACY, objective.source_score("test"), *self.chosen) else 1

    def numbers(self, metric: str, variant: str, task: str) -> dict[int, float]:
        return {seed: value.number for seed, value in self.values(metric, variant, task).items()}

    def best_first(self, variants: Iterable[str], task: str) -> list[str]:
        """Methods by the mean of what was chosen of each without target labels, or else of its last step."""
        sign = self.objectives[task].sign
        found = {
            name: self.numbers(SELECTED, name, task) or self.numbers(ACCURACY, name, task) for name in variants
        }
        return sorted(found, key=lambda name: -sign * np.mean([*found[name].values()]) if found[name] else np.inf)

    def missing(self, variant: str, task: str) -> str:
        """Why a cell has fewer runs than planned; empty if it has all."""
        if (variant, task) in self.reasons:
            return "n/a"
        ids = [spec.run_id for spec in self.specs.get((variant, task), {}).values()]
        failed = sum(run in self.failures for run in ids)
        absent = sum(run not in self.records for run in ids) - failed
        parts = [f"{failed} failed"] * bool(failed) + [f"{absent} missing"] * bool(absent)
        return f"{', '.join(parts)} of {len(ids)}" if parts else ""

    def families(self, tasks: Sequence[str]) -> dict[str, list[str]]:
        """Tasks by family: no mean is over several."""
        found: dict[str, list[str]] = {}
        for task in tasks:
            found.setdefault(task.partition("/")[0], []).append(task)
        return found

    def alike(self, tasks: Sequence[str]) -> dict[str, list[str]]:
        """Tasks by what they share, see :meth:`shared_by`: what a mean may be over.

        Tasks that differ in a dial alone are one shift: a mean over 1, 3 and 10 labelled samples would be of no
        number of samples, and weigh that shift three times.
        """
        found: dict[str, list[str]] = {}
        for task in tasks:
            found.setdefault(self.shared_by(task), []).append(task)
        return found

    def summed_up(self, tasks: Sequence[str]) -> dict[str, list[str]]:
        """As :meth:`alike`, but for a task alone that belongs to a sweep: that is read against its dial."""
        swept = {task for by_value in self.sweeps.values() for task in by_value.values()}
        return {name: own for name, own in self.alike(tasks).items() if len(own) > 1 or own[0] not in swept}

    @cached_property
    def sweeps(self) -> dict[tuple[str, str], dict[str, str]]:
        """By a task without a dial, and the dial: scored tasks by its value, where there are several."""
        return sweeps(self.scored)

    def shared_by(self, task: str) -> str:
        """Its family; with its dials and its headline, where those of the family's tasks differ."""
        family, dials, headline = self._kinds[task]
        related = [kind for kind in self._kinds.values() if kind[0] == family]
        by_dials, by_headline = (len({kind[part] for kind in related}) > 1 for part in (1, 2))
        return family + dials * by_dials + f" by {headline}" * by_headline

    @cached_property
    def _kinds(self) -> dict[str, tuple[str, str, str]]:
        """Of each task its family, its dials as they are written, and its headline."""
        found = {}
        for task in self.tasks:
            path, options = parse_query(task)
            dials = format_query("", {name: value for name, value in options.items() if name != "split"})
            found[task] = path.partition("/")[0], dials, self.objectives[task].headline
        return found

    def heading(self, tasks: Sequence[str]) -> str:
        """What the headlines of tasks are, with their unit."""
        return " or ".join(dict.fromkeys(self.objectives[task].heading for task in tasks))

    def name(self, tasks: Sequence[str]) -> str:
        """What a sentence calls the headlines of tasks."""
        return " or ".join(dict.fromkeys(self.objectives[task].name for task in tasks))

    def common_tasks(self, metric: str, tasks: Sequence[str]) -> list[str]:
        """What a mean is over: all tasks, if the baseline has them; else those that every shown method has."""
        if all(self.values(metric, BASELINE, task) for task in tasks):
            return list(tasks)
        shown = self.candidates if metric in self.chosen else self.variants
        return [task for task in tasks if all(self.values(metric, variant, task) for variant in shown)]

    def outcomes(self, value: Value) -> Outcomes | None:
        """What the run behind an accuracy got right; None of a record of an older version."""
        key = value.run_id, value.step
        if key not in self._outcomes:
            row = self.records.get(value.run_id, {})
            right, units = row.get("right") or {}, unpacked_units(row.get("test_units") or "")
            step = str(value.step) if value.step is not None else max(right, key=int, default="")
            if step not in right or not len(units):
                self._outcomes[key] = None
                return None
            found = Outcomes.of(unpacked_right(right[step])[: len(units)], units)
            self._outcomes[key] = found.on(self._first.setdefault(row["test_units"], found))
        return self._outcomes[key]


def require_labels(command: str, records: pd.DataFrame) -> None:
    """Refuse ordinary runs without the headline of their task.

    Raises:
        UserError: no target sample of a task has a label.
    """
    for row in records.to_dict("records"):
        if not row.get("reverse_of") and pd.isna(row.get(objective_of_task(row["task"]).headline)):
            raise UserError(f"{command} needs target labels: no target sample of {row['task']} has one")


def is_reference(variant: str) -> bool:
    """Whether it is a bound (trained on target labels) and no candidate."""
    return bool(METHODS.info(variant.partition("?")[0]).reference)


def display_name(variant: str) -> str:
    """As a paper writes it: ``CDAN+E``, ``source only``, ``DANN (gamma=5)``; what is no method, as it is."""
    name, _, options = variant.partition("?")
    if name not in METHODS.names():
        return variant
    display = METHODS.info(name).display or name.replace("_", " ")
    return display + f" ({options.replace('&', ', ')})" * bool(options)


def summary_of(values: Iterable[Value]) -> Summary | None:
    return summarise([value.number for value in values])


def draws_by_seed(task: str) -> bool:
    return parse_query(task)[1].get("split") == "seed"


def without_split(task: str, others: Sequence[str]) -> str:
    """The name of a task in a heading, without ``split=seed``, unless another is called so."""
    path, options = parse_query(task)
    short = format_query(path, {key: value for key, value in options.items() if (key, value) != ("split", "seed")})
    return task if short in others else short

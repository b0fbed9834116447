"""The committed outputs on which the advice is measured, and the records of the same runs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.advice.criteria import CRITERIA
from benchmarks.advice.measure import Case
from benchmarks.advice.pool import Pool, last_steps, pools
from benchmarks.core.protocol import StepsScale
from benchmarks.core.settings import UserError
from benchmarks.evaluation.candidates import load_outputs
from benchmarks.evaluation.oracle import load_labels
from benchmarks.evaluation.validators import PARTS, SELECTABLE
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import TOYS
from benchmarks.records.frame import load_records
from benchmarks.report.selection import candidates, label_free, validator_scores
from datasets.base import objective_of_task

METHODS = "core"  # what the record is of: a fixed set, with defaults, at the last step
MOST_SEEDS = 5
SUITES = (
    "quick", "amazon", "har", "sentiment", "office-caltech", "office-caltech-surf", "digits-short", "gas-drift",
    "gas-drift-pairs", "bearings", "bearings-machines", "pairs", "eeg",
)  # fmt: skip
SCALES = {"digits-short": ("digits", "compress:0.2")}  # files whose suite was run with fewer steps
COMPARED = [name for name in SELECTABLE if name not in CRITERIA]
"""Validators of which a choice is compared with the rule's, where records have them."""


def cases(methods: str = METHODS, folder: Path | None = None) -> list[Case]:
    """Every task that all methods of `core` have outputs of; toys are none.

    Args:
        methods: names and groups. Of those that are not in `core`, a task has the ones that have outputs of it.
        folder: of results: `outputs/SUITE.npz` and `outputs/SUITE-labels.npz`; and, if they are there,
            `SUITE-methods.npz` and its labels, of methods beside the core, and `records/SUITE.csv`; default:
            the committed ones.

    Raises:
        UserError: no file is there, or one is broken.
    """
    folder = folder or Path(str(files("results")))
    names = method_names(f"{METHODS},{methods}")
    known = [suite for suite in SUITES if (folder / "outputs" / f"{suite}.npz").exists()]
    if found := [case for suite in known for case in _of_suite(folder, suite, names)]:
        return found
    outputs = str(folder / "outputs")
    raise UserError(f"{outputs!r} has no outputs of `core` on a suite; `table --save-outputs` writes them")


def of_methods(cases: Sequence[Case]) -> str:
    """Which methods the tasks have, in a paragraph: those that all have, and the others with their families."""
    have = {case.task: {*case.methods} for case in cases}
    shared = [name for name in cases[0].methods if all(name in methods for methods in have.values())]
    lines = [f"Methods on all {len(cases)} tasks: {', '.join(shared)}."]
    others: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(name for case in cases for name in case.methods if name not in shared):
        tasks = [case for case in cases if name in have[case.task]]
        families = dict.fromkeys(case.family for case in tasks)
        others[f"On {len(tasks)} task{'s'[: len(tasks) > 1]} of {', '.join(families)} alone"].append(name)
    lines += [f"{where}: {', '.join(names)}." for where, names in others.items()]
    return "\n".join(lines)


def _of_suite(folder: Path, suite: str, methods: Sequence[str]) -> Iterator[Case]:
    place = folder / "outputs"
    # Of a run that both have, what the suite's own file says counts: the last one.
    names = [name for name in (f"{suite}-methods", suite) if (place / f"{name}.npz").exists()]
    outputs = [candidate for name in names for candidate in load_outputs(place / f"{name}.npz")]
    labels = {run: y for name in names for run, y in load_labels(place / f"{name}-labels.npz").items()}
    grid = _grid(suite, methods)
    specs = [spec for spec in grid.specs if spec.run_id in labels and spec.family != TOYS]
    scores = _scores(grid, folder / "records" / f"{suite}.csv")
    for task, pool in pools(_whole_seeds(specs), outputs).items():
        runs, pool = pool.options[0].specs, last_steps(pool)
        if not pool.incomplete:
            yield Case(
                task,
                pool,
                tuple(labels[spec.run_id] for spec in runs),
                recorded_scores(pool, scores),
                objective=type(objective_of_task(task)),
            )


def _whole_seeds(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Of the tasks that all of `core` have runs of, those of the seeds that all methods of the task have."""
    methods: dict[str, set[str]] = defaultdict(set)
    of_seed: dict[tuple[str, int], set[str]] = defaultdict(set)
    for spec in specs:
        methods[spec.task].add(spec.method)
        of_seed[spec.task, spec.seed].add(spec.method)
    core = {*method_names(METHODS)}
    return [spec for spec in specs if core <= methods[spec.task] == of_seed[spec.task, spec.seed]]


def _grid(suite: str, methods: Sequence[str]) -> Grid:
    name, scale = SCALES.get(suite, (suite, ""))
    parsed = StepsScale.parse(scale) if scale else None
    return plan(name, methods, (), range(MOST_SEEDS), scale=parsed)


def _scores(grid: Grid, records: Path) -> pd.DataFrame:
    """What the records have of validators, by run and step; columns that they lack are NaN."""
    found = candidates(grid, load_records(records)) if records.exists() else pd.DataFrame()
    if not len(found):
        found = pd.DataFrame(columns=["run_id", "step"])
    return label_free(found.set_index(["run_id", "step"])).reindex(columns=[*SELECTABLE, *PARTS])


def recorded_scores(pool: Pool, scores: pd.DataFrame) -> dict[str, np.ndarray]:
    """By validator, the score (options,) of each option, the mean over seeds; NaN where a seed has none.

    Nothing if a run has no record: a choice among the others is not comparable.
    """
    ends = [
        [(option.specs[seed].run_id, option.step) for option in pool.options]
        for seed in range(len(pool.options[0].seeds))
    ]
    if not all(end in scores.index for of_seed in ends for end in of_seed):
        return {}
    by_seed = [scores.loc[of_seed] for of_seed in ends]
    return {
        name: np.mean([validator_scores(own, name).to_numpy(float) for own in by_seed], axis=0)
        for name in COMPARED
    }

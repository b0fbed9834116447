"""Choosing a candidate without target labels, and what that costs.

A candidate is a configuration of a method at a checkpoint. The choice is made within a (method, task, seed), by a
pure function of scores that no target label has touched.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.core.settings import UserError
from benchmarks.evaluation.validators import PARTS, RECORDED, SELECTABLE
from benchmarks.plan.grid import Grid
from benchmarks.plan.suite import A_PRIORI
from benchmarks.report.cells import ACCURACY, Value, Values, is_reference

LAST, SELECTED, ORACLE, RANDOM = "last step", "selected", "oracle", "random candidate"
SELECTED_SOURCE, SOURCE = "selected, on the source", "source_test_accuracy"  # of a task without target labels
GROUP = ["variant", "task", "seed"]

Choice = dict[tuple[str, str], Values]


def rule(grid: Grid, select: str | None) -> str | None:
    """What chooses: the validator asked for, else that fixed a priori; None for a paper: its last step counts."""
    return select or (A_PRIORI if grid.ranked else None)


def candidates(grid: Grid, records: pd.DataFrame) -> pd.DataFrame:
    """A row a candidate: variant, task, seed, run_id, configuration, step, label-free scores, target accuracy.

    In the order in which ties are resolved: the method's own configuration first, later steps first. References
    are none. Reverse validation judges a configuration at its last step.
    """
    if not len(records):
        return pd.DataFrame()
    rows = {row["run_id"]: row for row in records.to_dict("records")}
    judges = {row["reverse_of"]: row["checkpoints"][-1] for row in rows.values() if row.get("reverse_of")}
    found = []
    for spec in sorted(grid.specs, key=lambda spec: spec.configuration):
        if spec.run_id not in rows or is_reference(spec.variant):
            continue
        own = {"variant": spec.variant, "task": spec.task, "seed": spec.seed, "run_id": spec.run_id}
        steps = rows[spec.run_id]["checkpoints"][::-1]
        found += [{**own, "configuration": spec.configuration, **_recorded(scores), **scores} for scores in steps]
        found[-len(steps)]["reverse_validation"] = judges.get(spec.run_id, {}).get(ACCURACY)
    return pd.DataFrame(found).astype({"reverse_validation": float}) if found else pd.DataFrame()


def _recorded(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Validators that a checkpoint's own scores hold under another name."""
    return {name: scores[score] for name, score in RECORDED.items() if score in scores}


def validator_scores(scores: pd.DataFrame, validator: str) -> pd.Series:
    """By what a validator ranks candidates (one a row): higher is better, NaN is never chosen.

    That is its column; MixVal's is the mean of the ranks that its two parts give among these candidates
    (Hu et al., NeurIPS 2023).
    """
    if validator == "mixval":
        return scores[PARTS].rank().mean(axis=1, skipna=False)
    return scores[validator]


def select(scores: pd.DataFrame, validator: str) -> Hashable | None:
    """The label of the best row, the first of equals, or the only one; None if no row of several has a score.

    Args:
        scores: the candidates of one (method, task, seed), label-free columns only.
    """
    if len(scores) == 1:
        return scores.index[0]
    ranked = validator_scores(scores, validator).dropna()
    return ranked.idxmax() if len(ranked) else None


def label_free(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that a choice may read."""
    return frame[[name for name in frame.columns if name in SELECTABLE or name in PARTS]]


def choices(frame: pd.DataFrame, validator: str) -> dict[str, Choice]:
    """What is shown side by side: the validator's choice, the oracle's, and a random candidate.

    Of a task without target labels it is the validator's choice alone, and its accuracy on the source.

    The oracle takes the best of the same candidates by target test accuracy. The random candidate is an
    expectation: the mean accuracy of all.
    """
    pick: dict[str, Callable[[pd.DataFrame], tuple[Any, ...] | None]] = {
        SELECTED: lambda group: _at(group, select(label_free(group), validator), ACCURACY),
        ORACLE: lambda group: _at(group, group[ACCURACY].idxmax(), ACCURACY),
        RANDOM: lambda group: (float(group[ACCURACY].mean()), " ".join(group["run_id"].unique())),
    }
    if len(frame) and not _columns(validator) <= set(frame):
        raise UserError(
            f"--select {validator}: these records are of an older version without its scores; run again"
        )
    unscored = {SELECTED_SOURCE: lambda group: _at(group, select(label_free(group), validator), SOURCE)}
    found: dict[str, Choice] = {name: {} for name in (*pick, *unscored)}
    for (variant, task, seed), group in frame.groupby(GROUP, sort=False) if len(frame) else ():
        for name, rule in (pick if len(scored(group)) else unscored).items():
            if (value := rule(group)) is not None:
                found[name].setdefault((variant, task), {})[seed] = Value(*value)
    return found


def several(frame: pd.DataFrame) -> bool:
    """Whether a method has more than one candidate, so that there is something to choose."""
    return len(frame) > 0 and bool(frame.duplicated(GROUP).any())


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """The candidates whose task has target labels."""
    return frame[frame[ACCURACY].notna()] if ACCURACY in frame else frame.iloc[:0]


def chosen_steps(frame: pd.DataFrame, validator: str) -> dict[str, int]:
    """By run id, the step of each candidate that a validator chooses."""
    groups = [group for _, group in frame.groupby(GROUP, sort=False)] if len(frame) else []
    labels = [select(label_free(group), validator) for group in groups]
    rows = [group.loc[label] for group, label in zip(groups, labels, strict=True) if label is not None]
    return {str(row["run_id"]): int(row["step"]) for row in rows}


def _at(group: pd.DataFrame, label: Hashable | None, metric: str) -> tuple[float, str, int] | None:
    if label is None:
        return None
    row = group.loc[label]
    return float(row[metric]), str(row["run_id"]), int(row["step"])


def regrets(frame: pd.DataFrame) -> pd.DataFrame:
    """What each choice loses against the oracle: a row a rule, a column a seed, mean over methods and tasks.

    Rules are the validators that score any candidate, the last step of the method's own configuration, and a
    random candidate. In target test accuracy (0.01 is one point). NaN where a rule had no choice somewhere: a mean
    over fewer cells would not compare.
    """
    names = _known(frame)
    rows = []
    for (*_, seed), group in frame.groupby(GROUP, sort=False):
        best, accuracy = group[ACCURACY].max(), group[ACCURACY]
        scores = label_free(group)
        own = {name: best - _chosen(accuracy, select(scores, name)) for name in names}
        rows.append({"seed": seed, **own, LAST: best - accuracy.iloc[0], RANDOM: best - accuracy.mean()})
    return _seed_means(rows)


def rank_correlations(frame: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of score and target test accuracy over all methods' candidates of a task.

    A row a validator, a column a seed, mean over tasks. Equal scores correlate with nothing: 0. NaN where a task
    has no scores.
    """
    rows = []
    for (_, seed), group in frame.groupby(["task", "seed"], sort=False):
        scores = label_free(group)
        own = {}
        for name in _known(frame):
            ranked = validator_scores(scores, name).dropna()
            correlation = ranked.rank().corr(group.loc[ranked.index, ACCURACY].rank())
            own[name] = 0.0 if len(ranked) and np.isnan(correlation) else correlation
        rows.append({"seed": seed, **own})
    return _seed_means(rows)


def _seed_means(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows).groupby("seed").agg(lambda column: column.mean(skipna=False)).T


def _known(frame: pd.DataFrame) -> list[str]:
    """Validators that have scored a candidate."""
    scores = label_free(frame)
    return [
        name
        for name in SELECTABLE
        if _columns(name) <= set(scores) and validator_scores(scores, name).notna().any()
    ]


def _columns(validator: str) -> set[str]:
    return set(PARTS) if validator == "mixval" else {validator}


def _chosen(accuracy: pd.Series, label: Hashable | None) -> float:
    return np.nan if label is None else float(accuracy[label])

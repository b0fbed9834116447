"""Choosing a candidate without target labels, and what that costs.

A candidate is a configuration of a method at a checkpoint. The choice is made within a (method, task, seed), by a
pure function of scores that no target label has touched.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.core.objective import Objective
from benchmarks.core.settings import UserError
from benchmarks.evaluation.validators import PARTS, SELECTABLE, SOURCE_ACCURACY
from benchmarks.plan.grid import Grid
from benchmarks.plan.suite import A_PRIORI
from benchmarks.report.cells import ACCURACY, SELECTED, Value, Values, is_reference
from datasets.base import objective_of_task

LAST, ORACLE, RANDOM = "last step", "oracle", "random candidate"
SELECTED_SOURCE = "selected, on the source"  # of a task without target labels
SOURCE, GOODNESS = "source_score", "goodness"  # of a candidate: on the source's test samples; see `candidates`
GROUP = ["variant", "task", "seed"]

Choice = dict[tuple[str, str], Values]


def rule(grid: Grid, select: str | None) -> str | None:
    """What chooses: the validator asked for, else that fixed a priori; None for a paper: its last step counts."""
    return select or (A_PRIORI if grid.ranked else None)


def candidates(grid: Grid, records: pd.DataFrame) -> pd.DataFrame:
    """A row a candidate: variant, task, seed, run_id, configuration, step, label-free scores, and the headline.

    ``goodness`` is the headline with the sign that makes more the better. In the order in which ties are resolved:
    the method's own configuration first, later steps first. References are none. Reverse validation judges a
    configuration at its last step.
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
        own |= {"configuration": spec.configuration}
        objective = objective_of_task(spec.task)
        found += [{**own, **row, **_recorded(row, objective), **_headline(row, objective)} for row in steps]
        found[-len(steps)]["reverse_validation"] = _reversed(judges.get(spec.run_id, {}), objective)
    return pd.DataFrame(found).astype({"reverse_validation": float}) if found else pd.DataFrame()


def _recorded(row: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """What a checkpoint's own scores hold under another name: a validator, and the score of the source.

    Of real numbers the validator is minus the error: more is better.
    """
    source = row.get(objective.source_score("test"))
    name = objective.source_score("val")
    return {SOURCE: source} | ({SOURCE_ACCURACY: objective.sign * row[name]} if name in row else {})


def _headline(row: Mapping[str, Any], objective: Objective) -> dict[str, Any]:
    """Of a checkpoint, under names that are the same whatever is learnt."""
    headline = row.get(objective.headline)
    return {ACCURACY: headline, GOODNESS: None if headline is None else objective.sign * headline}


def _reversed(row: Mapping[str, Any], objective: Objective) -> float | None:
    """What a reverse run says, which knows no class but the source's: more is better."""
    score = row.get(ACCURACY if objective.of_classes else objective.headline)
    return None if score is None else objective.sign * score


def validator_scores(scores: pd.DataFrame, validator: str, groups: pd.Series | None = None) -> pd.Series:
    """By what a validator ranks the candidates of a group (one a row): higher is better, NaN is never chosen.

    That is its column; MixVal's is the mean of the ranks that its two parts give within the group
    (Hu et al., NeurIPS 2023).

    Args:
        groups: of each row, the group of candidates that it is in; None: all are of one.
    """
    if validator == "mixval":
        parts = scores[PARTS] if groups is None else scores[PARTS].groupby(groups)
        return parts.rank().mean(axis=1, skipna=False)
    return scores[validator]


def select(scores: pd.DataFrame, validator: str, groups: pd.Series) -> pd.Series:
    """By group, the label of the best row, the first of equals, or of the only one; none if no row has a score.

    Args:
        scores: label-free columns only.
        groups: of each row, the group of candidates that one is chosen of.
    """
    ranked = validator_scores(scores, validator, groups)
    return _best(ranked.where(groups.duplicated(keep=False), 0.0), groups)


def _best(scores: pd.Series, groups: pd.Series) -> pd.Series:
    """By group, the label of the highest score, the first of equals; none without a score."""
    return scores.dropna().groupby(groups, sort=False).idxmax()


def _groups(frame: pd.DataFrame) -> pd.Series:
    """Of each candidate, the number of its (method, task, seed)."""
    return frame.groupby(GROUP, sort=False).ngroup()


def label_free(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that a choice may read."""
    return frame[[name for name in frame.columns if name in SELECTABLE or name in PARTS]]


def choices(frame: pd.DataFrame, validator: str) -> dict[str, Choice]:
    """What is shown side by side: the validator's choice, the oracle's, and a random candidate.

    Of a task without target labels it is the validator's choice alone, and its accuracy on the source.

    The oracle takes the best of the same candidates by the target's headline. The random candidate is an
    expectation: the mean of all.
    """
    found: dict[str, Choice] = {name: {} for name in (SELECTED, ORACLE, RANDOM, SELECTED_SOURCE)}
    if not len(frame):
        return found
    if not _columns(validator) <= set(frame):
        raise UserError(
            f"--select {validator}: these records are of an older version without its scores; run again"
        )
    groups = _groups(frame)
    chosen = frame.loc[select(label_free(frame), validator, groups)]
    known = scored(frame)
    if len(known):
        found[SELECTED] = _values(scored(chosen), ACCURACY)
        found[ORACLE] = _values(frame.loc[_best(known[GOODNESS], groups)], ACCURACY)
        runs = frame.drop_duplicates("run_id").groupby(GROUP)["run_id"].agg(" ".join)
        means = known.groupby(GROUP, sort=False)[ACCURACY].mean()
        found[RANDOM] = _values(pd.concat([means, runs], axis=1, join="inner").reset_index(), ACCURACY)
    if len(known) < len(frame):
        found[SELECTED_SOURCE] = _values(chosen.drop(scored(chosen).index), SOURCE)
    return found


def _values(rows: pd.DataFrame, metric: str) -> Choice:
    """What was chosen, a row each."""
    found: Choice = {}
    for row in rows.to_dict("records"):
        value = Value(row[metric], row["run_id"], row.get("step"))
        found.setdefault((row["variant"], row["task"]), {})[row["seed"]] = value
    return found


def several(frame: pd.DataFrame) -> bool:
    """Whether a method has more than one candidate, so that there is something to choose."""
    return len(frame) > 0 and bool(frame.duplicated(GROUP).any())


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """The candidates whose task has target labels."""
    return frame[frame[ACCURACY].notna()] if ACCURACY in frame else frame.iloc[:0]


def chosen_steps(frame: pd.DataFrame, validator: str) -> dict[str, int]:
    """By run id, the step of each candidate that a validator chooses."""
    if not len(frame):
        return {}
    chosen = frame.loc[select(label_free(frame), validator, _groups(frame))]
    return dict(zip(chosen["run_id"], chosen["step"].tolist(), strict=True))


def regrets(frame: pd.DataFrame) -> pd.DataFrame:
    """What each choice loses against the oracle: a row a rule, a column a seed, mean over methods and tasks.

    Rules are the validators that score any candidate, the last step of the method's own configuration, and a
    random candidate. In the headline (of accuracy, 0.01 is one point). NaN where a rule had no choice somewhere: a
    mean over fewer cells would not compare.
    """
    groups, scores = _groups(frame), label_free(frame)
    goodness = frame[GOODNESS].groupby(groups)
    chosen = {name: select(scores, name, groups).map(frame[GOODNESS]) for name in _known(frame)}
    own = pd.DataFrame({**chosen, LAST: goodness.first(), RANDOM: goodness.mean()})
    own = own.rsub(goodness.max(), axis=0)
    return _seed_means(own.assign(seed=frame["seed"].groupby(groups).first()))


def rank_correlations(frame: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of score and goodness on the target over all methods' candidates of a task.

    A row a validator, a column a seed, mean over tasks. Equal scores correlate with nothing: 0. NaN where a task
    has no scores.
    """
    groups = frame.groupby(["task", "seed"], sort=False).ngroup()
    scores = label_free(frame)
    own = pd.DataFrame({"seed": frame["seed"].groupby(groups).first()})
    for name in _known(frame):
        ranked = validator_scores(scores, name, groups).dropna()
        own[name] = _correlations(ranked, frame.loc[ranked.index, GOODNESS], groups[ranked.index])
    return _seed_means(own)


def _correlations(a: pd.Series, b: pd.Series, groups: pd.Series) -> pd.Series:
    """By group, Spearman's rank correlation; 0 where one of both does not vary."""
    ranks = pd.DataFrame({"a": a, "b": b}).groupby(groups).rank()
    ranks -= ranks.groupby(groups).transform("mean")
    squares = (ranks**2).groupby(groups).sum()
    products = (ranks["a"] * ranks["b"]).groupby(groups).sum()
    return (products / np.sqrt(squares["a"] * squares["b"])).fillna(0.0)


def _seed_means(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.groupby("seed").agg(lambda column: column.mean(skipna=False)).T


def _known(frame: pd.DataFrame) -> list[str]:
    """Validators that have scored a candidate."""
    scores = label_free(frame)
    return [
        name
        for name in SELECTABLE
        if (columns := _columns(name)) <= set(scores) and scores[[*columns]].notna().all(axis=1).any()
    ]


def _columns(validator: str) -> set[str]:
    return set(PARTS) if validator == "mixval" else {validator}

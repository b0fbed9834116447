"""Scores of predictions corrected for changed class shares, of the records of a store."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from benchmarks.core.label_shift import Estimate
from benchmarks.core.objective import Classes
from benchmarks.core.settings import UserError
from benchmarks.evaluation.correction import ILL, Correction, corrected
from benchmarks.evaluation.oracle import score_correction
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import Record
from benchmarks.records.rescoring import LABELS
from benchmarks.records.store import Store
from datasets.base import objective_of_task

METRICS = ("corrected_accuracy", "corrected_class_mean_accuracy", "class_share_error")
INFINITE = 1e6  # condition numbers above it
ASSUMES = "p(x|y) did not change: samples of a class look alike in both domains"
CONDITIONS = {
    "em": f"Priors are corrected by EM. It assumes that {ASSUMES}, and that calibrated probabilities are right.",
    "bbse": f"Priors are corrected by BBSE. It assumes that {ASSUMES}, and that the classes are told apart.",
}


class Corrected(NamedTuple):
    """Records with the columns of :data:`METRICS`, and what to say of the conditions."""

    records: pd.DataFrame
    notes: list[str]


def with_corrections(
    records: pd.DataFrame, specs: Sequence[RunSpec], stores: Sequence[Store], how: Estimate
) -> Corrected:
    """Correct what each run said after its last step, and score that where there are target labels.

    Raises:
        UserError: a task is not about classes that both domains have; no store has any of the runs; or a record is
            broken.
    """
    for task in dict.fromkeys(spec.task for spec in specs):
        if not isinstance(objective_of_task(task), Classes):
            raise UserError(f"--correct: {task} is not about classes that the source has; choose other --tasks")
    known = {*records.get("run_id", ())}
    scores: dict[str, Mapping[str, float]] = {}
    of_task: dict[str, list[Correction]] = {}
    for spec in specs:
        store = next((store for store in stores if store.finished(spec)), None)
        if store is None or spec.run_id not in known:
            continue
        record = Record(store.folder(spec))
        found = corrected(Outputs.load(record.check(record.outputs()[-1])), how)
        if found:
            of_task.setdefault(spec.task, []).append(found)
            scores[spec.run_id] = score_correction(found, record.check(LABELS))
    if not scores:
        raise UserError("--correct: only a store has outputs that can be corrected; name it with --store")
    columns = pd.DataFrame.from_dict(scores, orient="index", columns=METRICS)
    said = [CONDITIONS[how], *(_condition(task, found) for task, found in of_task.items())]
    return Corrected(records.join(columns, on="run_id"), said)


def _condition(task: str, found: Sequence[Correction]) -> str:
    """What the outputs of a task say of the conditions."""
    condition = max(each.condition for each in found)
    surprise = max((each.surprise for each in found), key=abs)
    said = "infinite" if condition > INFINITE else f"up to {condition:.1f}"
    ill = f" (past {ILL:.0f} it enlarges small errors too much)" if condition > ILL else ""
    surer = "surer" if surprise > 0 else "less sure"
    return (
        f"{task}: the confusion matrix's condition number is {said}{ill}; models are up to "
        f"{100 * abs(surprise):.1f} points {surer} of the target than the estimated shares explain."
    )

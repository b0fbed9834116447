"""From a grid that has been run to the advice on its one task."""

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.advice import diagnosis, label_shift
from benchmarks.advice.pool import Pool, last_steps, pools
from benchmarks.advice.record import load_record
from benchmarks.advice.rule import RULE, decide
from benchmarks.advice.sentence import said, unlike
from benchmarks.core.settings import UserError
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.grid import Grid
from benchmarks.plan.spec import RunSpec
from benchmarks.records.candidates import candidates_of
from benchmarks.records.record import Record
from benchmarks.records.store import Store
from datasets.base import load_task, objective_of_task, preprocessing_of

Member = tuple[RunSpec, int]
"""A run, and the step after which its model is used."""


@dataclass(frozen=True)
class Advised:
    """What is said of a task, and the runs that it is of.

    Attributes:
        name: of the task, as a file can be called.
        paragraphs: the advice in words.
        label_shift: an estimate of the target's class shares, in words; none where nothing can be said.
        members: what is deployed together.
        baseline: the same of source_only.
    """

    name: str
    paragraphs: list[str]
    label_shift: list[str]
    members: list[Member]
    baseline: list[Member]

    def rows(self) -> list[dict[str, str | int]]:
        """The members, for people and files."""
        return [
            {
                "run": spec.run_id,
                "method": spec.variant,
                "configuration": spec.configuration,
                "seed": spec.seed,
                "step": step,
            }
            for spec, step in self.members
        ]

    def to_json(self) -> str:
        kept = {"advice": self.paragraphs, "label_shift": self.label_shift, "members": self.rows()}
        return json.dumps(kept, indent=1, ensure_ascii=False)


def diagnosed(grid: Grid) -> list[str]:
    """What the data of a grid's one task say before anything is trained, in sentences.

    Raises:
        UserError: its labels are no classes, which all of the advice is about.
    """
    spec = grid.specs[0]
    _require_classes(spec.task)
    task = load_task(spec.task, transductive=spec.protocol.scoring == "transductive", seed=spec.seed)
    preprocessing = preprocessing_of(spec.task, spec.seed)
    return diagnosis.lines(diagnosis.diagnose(task, preprocessing.columns if preprocessing else ()))


def advised(grid: Grid, store: Store) -> Advised:
    """Apply the rule to the runs of one task that are done; reads no target label.

    Raises:
        UserError: no run of source_only ended well, or labels are no classes.
    """
    _require_classes(grid.specs[0].task)
    done = {spec.run_id: Record(store.folder(spec)) for spec in grid.specs if store.finished(spec)}
    found = pools((spec for spec in grid.specs if spec.run_id in done), candidates_of(done))
    if not found:
        raise UserError("no run of source_only ended well, and so there is nothing to compare with")
    ((task, pool),) = found.items()
    pool = last_steps(pool)
    decision = decide(pool, RULE)
    shift = _shift(pool, done, load_task(task).classes)
    reasons = [*unlike(pool, decision), *(label_shift.unlike(shift) if shift else ())]
    return Advised(
        name=task.replace("/", "_"),
        paragraphs=said(pool, decision, RULE, load_record(), reasons),
        label_shift=label_shift.lines(shift) if shift else [],
        members=_members(pool, decision.members),
        baseline=_members(pool, (pool.baseline,)),
    )


def _require_classes(task: str) -> None:
    if not objective_of_task(task).of_classes:
        raise UserError(f"advice is on classes, and the labels of {task} are real numbers; `run` compares methods")


def _members(pool: Pool, numbers: tuple[int, ...]) -> list[Member]:
    return [(spec, pool.options[number].step) for number in numbers for spec in pool.options[number].specs]


def _shift(pool: Pool, done: dict[str, Record], classes: tuple[str, ...]) -> label_shift.LabelShift | None:
    """Of the target's class shares, by source_only's first seed."""
    option = pool.options[pool.baseline]
    record = done[option.specs[0].run_id]
    (name,) = (name for name in record.outputs() if int(Path(name).stem) == option.step)
    outputs = Outputs.load(record.check(name))
    return label_shift.estimate(
        outputs["source_val.logits"], outputs["source_val.y"], outputs["target_train.logits"], classes
    )

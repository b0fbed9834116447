"""Scores from target labels: written with a record, and made again from its outputs where the labels have changed.

The user's own data are known by their inputs and the source's labels. So target labels may be added or corrected
after a run, and nothing needs to be trained again for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.reading import parse_json, read_bytes
from benchmarks.core.registry import DATASETS, METHODS
from benchmarks.core.settings import UserError
from benchmarks.evaluation import oracle, targets
from benchmarks.evaluation.outputs import Outputs, read_arrays
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import DIGESTS, Record, digests, write_json
from benchmarks.records.store import PREDICTIONS, Store
from datasets.base import Oracle, facts_of_task, labels_define, load_task, seed_that_matters

SCORES, LABELS = "oracle.json", "oracle.npz"


def write(
    folder: Path,
    checkpoints: Sequence[Mapping[str, Any]],
    last: Mapping[str, Any],
    right: Mapping[int, str],
    labels: Oracle,
) -> None:
    """The part of a record that target labels have made, and those labels.

    Args:
        right: what :func:`oracle.right` gives, by step.
    """
    units, last = oracle.test_units(labels), {**last, **_by_domain(folder, labels)}
    write_json(folder / SCORES, {"checkpoints": checkpoints, "last": last, "right": right, "test_units": units})
    oracle.save_oracle(labels, folder / LABELS)


def _by_domain(folder: Path, labels: Oracle) -> dict[str, float]:
    """Scores of each target after the last step; none of a task with one target, or of a derived run."""
    spec = parse_json(read_bytes(folder / "spec.json"))
    if spec.get("reverse_of") or facts_of_task(spec["task"]).n_targets == 1:
        return {}
    transductive = spec["protocol"]["scoring"] == "transductive"
    task = load_task(spec["task"], transductive=transductive, seed=seed_that_matters(spec["task"], spec["seed"]))
    last = Outputs.load(max((folder / "outputs").glob("*.npz"), key=lambda path: int(path.stem)))
    return targets.by_domain(last, labels, targets.domains_of_test(task))


def shown_labels(record: Record) -> np.ndarray:
    """(n,) labels of the scored target samples of a record, -1 without one: for pictures, and for nothing else."""
    return read_arrays(record.check(LABELS))["target_test_y"]


def rescore(store: Store, specs: Iterable[RunSpec], tell: Callable[[UserError], object]) -> None:
    """Bring finished records up to today's target labels, where those are no part of a task's identity.

    Args:
        tell: told why a record keeps the scores that it has.
    """
    for spec in specs:
        if spec.reverse_of or not DATASETS.get(spec.family).labels_may_change:
            continue
        try:
            transductive = spec.protocol.scoring == "transductive"
            labels = oracle.open_oracle(load_task(spec.task, transductive=transductive, seed=spec.seed))
            record = Record(store.folder(spec))
            if _kept(record, labels):
                continue
            if METHODS.info(spec.method).reference or labels_define(spec.task):
                raise UserError(f"{spec}: the target labels that it was trained on have changed; run it --fresh")
            _rescore(record, labels)
        except UserError as error:
            tell(error)
        except OSError as error:
            tell(store.unwritable(error))


def _kept(record: Record, labels: Oracle) -> bool:
    """Whether the scores are whole, and of these labels."""
    try:
        record.check(SCORES)
        kept = read_arrays(record.check(LABELS))
    except UserError:  # a process was killed between the two
        return False
    return all(np.array_equal(y, getattr(labels, name)) for name, y in kept.items())


def _rescore(record: Record, labels: Oracle) -> None:
    outputs = {int(Path(name).stem): Outputs.load(record.check(name)) for name in record.outputs()}
    predictions = read_arrays(record.check(PREDICTIONS))["target_train"]
    rows = [{"step": step, **oracle.evaluate_oracle(each, labels)} for step, each in outputs.items()]
    last = oracle.evaluate_last(outputs[max(outputs)], predictions, labels)
    right = {step: bits for step, each in outputs.items() if (bits := oracle.right(each, labels))}
    write(record.folder, rows, last, right, labels)
    if record.digests is not None:
        new = digests(record.folder)
        write_json(record.folder / DIGESTS, {**record.digests, **{name: new[name] for name in (SCORES, LABELS)}})

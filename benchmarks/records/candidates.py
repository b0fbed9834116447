"""From the records of stores to a file of what each candidate said, and one of labels beside it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.evaluation.candidates import Candidate, candidate, save_outputs
from benchmarks.evaluation.oracle import candidates_labels, save_labels
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import Record
from benchmarks.records.rescoring import LABELS
from benchmarks.records.store import Store


def candidates_of(records: Mapping[str, Record]) -> list[Candidate]:
    """What runs said at each checkpoint whose outputs are finite.

    Raises:
        UserError: an output is missing or broken.
    """
    found = (
        candidate(run, int(Path(name).stem), Outputs.load(record.check(name)))
        for run, record in records.items()
        for name in record.outputs()
    )
    return [each for each in found if each]


def save_candidates(specs: Iterable[RunSpec], stores: Sequence[Store], path: Path, labels: Path) -> None:
    """Write what the runs said of the target's training samples, and those samples' labels to another file.

    Not of references, which have learnt the labels.

    Raises:
        UserError: no store has any of the runs, or a record is broken.
    """
    records: dict[str, Record] = {}
    for spec in specs:
        if not METHODS.info(spec.method).reference:
            for store in stores:
                if store.finished(spec):
                    records.setdefault(spec.run_id, Record(store.folder(spec)))
    if not records:
        raise UserError("--save-outputs: only a store has outputs; name it with --store")
    save_outputs(candidates_of(records), path)
    save_labels({run: candidates_labels(record.check(LABELS)) for run, record in records.items()}, labels)

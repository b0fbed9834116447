"""Records as a DataFrame, a row a run: from folders, from a store, or from a .csv."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.core.objective import of_classes
from benchmarks.core.settings import UserError
from benchmarks.evaluation import HEADLINES
from benchmarks.evaluation.agreement import predicted, source_shares
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.validators import WITHOUT_LABELS
from benchmarks.plan.spec import run_id_of
from benchmarks.records import compact
from benchmarks.records.plausible import check_row
from benchmarks.records.record import FILES, IMPOSSIBLE, Record, said
from benchmarks.records.store import Store
from benchmarks.records.validation import validator_scores

PREDICTED = "predicted"


def load_records(
    source: Path | str | Iterable[Path | str],
    broken: Callable[[UserError], object] | None = None,
    validators: Collection[str] = (),
) -> pd.DataFrame:
    """Records as a frame, a row a run.

    Columns: run_id, task, method, seed, reverse_of (empty: an ordinary run), spec (a dict), code, the scores of
    the last step by name, ``checkpoints`` (a list of dicts, with the scores of ``validators``), cost, and
    ``right``: by step, which target test samples are classified rightly, packed bits in base64; a .csv has the
    last step and the chosen one. ``test_units`` says which group or sample each bit is of
    (``evaluation/outcomes.py``). Scores from target labels are among them: reports may show those, and nothing
    else may use them. A store's record without any has instead the scores ``WITHOUT_LABELS``, ``predicted`` and
    ``source_shares`` (``evaluation/agreement.py``).

    Args:
        source: a store's folder, a .csv file written by :func:`save_records`, or folders of single records.
        broken: told of each record that cannot be read, or that is not as it was written, which is then left out.
        validators: whose scores ``checkpoints`` shall have: made from a record's outputs where they are not beside
            it. A .csv has those that it was written with. With ``PREDICTED`` among them, a store's records have
            what those without labels have in any case.

    Raises:
        UserError: a store or file that does not exist; a record that is broken, where ``broken`` is not given.
    """
    if not isinstance(source, str | Path):
        return _load(map(Path, source), lambda folder: record_row(Record(folder), validators), broken)
    path = Path(source)
    if is_compact(path):
        return compact.load_compact(path, broken)
    store = Store(path).require()
    for problem in store.misplaced():
        if broken is None:
            raise problem
        broken(problem)
    return _load(store.record_folders(), lambda folder: row_in(store, folder, validators), broken)


def is_compact(path: Path) -> bool:
    """Whether a path names a file of records, and not a store."""
    return path.suffix.lower() == ".csv"


def _load(
    folders: Iterable[Path],
    read: Callable[[Path], dict[str, Any]],
    broken: Callable[[UserError], object] | None,
) -> pd.DataFrame:
    rows = []
    for folder in folders:
        try:
            rows.append(read(folder))
        except UserError as error:
            if broken is None:
                raise
            broken(error)
    return pd.DataFrame(rows)


def row_in(store: Store, folder: Path, validators: Collection[str] = ()) -> dict[str, Any]:
    """One of a store's records, as a row of :func:`load_records`.

    Raises:
        UserError: it is broken, or in the place of another.
    """
    row = record_row(Record(folder), validators)
    place = store.place(row["task"], row["method"], row["seed"], row["run_id"])
    if folder != place:
        raise UserError(f"the record {str(folder)!r} belongs at {str(place)!r}; move it there or remove it")
    return row


def record_row(record: Record, validators: Collection[str]) -> dict[str, Any]:
    """A record as a row of :func:`load_records`."""
    parts = {name.removesuffix(".json"): record.json(name) for name in FILES if name != "provenance.json"}
    spec = record.spec
    try:
        known = PREDICTED in validators or not HEADLINES.keys() & parts["oracle"]["checkpoints"][-1].keys()
        names = dict.fromkeys([*validators, *WITHOUT_LABELS * known])
        row = _row(record, spec, parts, [name for name in names if name != PREDICTED])
        check_row(row)
    except IMPOSSIBLE as error:
        raise record.broken(f"it is not complete, or holds what no run writes ({said(error)})") from None
    if known:
        row |= {name: row["checkpoints"][-1][name] for name in WITHOUT_LABELS} | _predictions(record)
    return row


def _predictions(record: Record) -> dict[str, np.ndarray]:
    """What the model said of the target after its last step, and what to compare that with."""
    outputs = Outputs.load(record.check(record.outputs()[-1]))
    if not of_classes(outputs["source_val.y"]):
        return {}
    return {PREDICTED: predicted(outputs), "source_shares": source_shares(outputs)}


def _row(
    record: Record, spec: dict[str, Any], parts: Mapping[str, Any], validators: Collection[str]
) -> dict[str, Any]:
    scores, oracle = parts["scores"], parts["oracle"]
    provenance = record.provenance or record.json("provenance.json")
    rows = [scores["checkpoints"], oracle["checkpoints"]]
    last = {key: value for row in rows for key, value in row[-1].items() if key != "step"}
    if validators:
        rows.append(validator_scores(record, validators))
    together = list(zip(*rows, strict=True))
    if any(row["step"] != same[0]["step"] for same in together for row in same):
        raise ValueError("its files are of different steps")
    return {
        "run_id": run_id_of(spec),
        "task": spec["task"],
        "method": spec["method"],
        "seed": spec["seed"],
        "reverse_of": spec.get("reverse_of", ""),
        **last,
        **scores["last"],
        **scores["task"],
        **scores["cost"],
        **{"confusion": [], **oracle.get("last", {})},
        **parts["cost"],
        "code": provenance["code"],
        "device": provenance["device"],
        "versions": " ".join(f"{name} {text}" for name, text in provenance["packages"].items()),
        "warnings": "; ".join(provenance["warnings"]),
        "spec": spec,
        # Of parts that hold the same name, the first counts.
        "checkpoints": [reduce(or_, reversed(same)) for same in together],
        "right": oracle.get("right", {}),
        "test_units": oracle.get("test_units", ""),
    }

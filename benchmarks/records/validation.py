"""Validator scores of a record: made from its saved outputs, and kept beside them.

So a validator can be added or fixed without training again, and no record's other numbers depend on it.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.core.reading import digest_of, parse_json, read_bytes
from benchmarks.evaluation import proxy_a_distance, validators
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.validators import score_outputs
from benchmarks.records.plausible import is_possible
from benchmarks.records.record import VALIDATORS, Record, write_json

NONE: dict[str, Any] = {"code": "", "checkpoints": []}


def validator_scores(record: Record) -> list[dict[str, Any]]:
    """Step and scores of each checkpoint, in order; NaN where undefined.

    Scores that other code made, or that are not as they were written, are made again if the outputs are there.

    Raises:
        UserError: an output is missing, or not as the run wrote it.
    """
    kept = _kept(record)
    if kept["code"] != _code() and any((record.folder / name).exists() for name in record.outputs()):
        for name in record.outputs():
            record.check(name)
        kept = write_scores(record.folder, record.outputs())
    return [
        {key: value if key == "step" else _rounded(value) for key, value in row.items()}
        for row in kept["checkpoints"]
    ]


def write_scores(folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """Score the outputs of those names, in the order of their steps, and keep the scores beside them."""
    files = {name: folder / name for name in names}
    kept: dict[str, Any] = {
        "code": _code(),
        "outputs": _digest({name: digest_of(file) for name, file in files.items()}),
        "checkpoints": [_scores(file) for file in files.values()],
    }
    with suppress(OSError):  # a store that cannot be written: the scores are made again next time
        write_json(folder / VALIDATORS, {**kept, "digest": _digest(kept)})
    return kept


def _kept(record: Record) -> dict[str, Any]:
    """The scores beside a record; none if they are not as they were written: they can be made again.

    Those of an older version have no digest.
    """
    try:
        kept = parse_json(read_bytes(f"{record.folder}/{VALIDATORS}"))
        digest = kept.pop("digest", None)
    except (OSError, ValueError, TypeError, AttributeError):
        return NONE
    known = record.digests
    if known is None:
        whole = digest == _digest(kept) if digest else is_possible(kept)
    else:
        of = _digest({name: known[name] for name in record.outputs()})
        whole = digest == _digest(kept) and kept.get("outputs") == of
    return kept if whole and kept.keys() >= NONE.keys() else NONE


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _rounded(value: float | None) -> float:
    """To 6 digits, as committed records have them: both lead to the same choice."""
    return math.nan if value is None else float(f"{value:.6g}")


def _scores(file: Path) -> dict[str, Any]:
    with threadpool_limits(1):  # small matrices: more threads only get in each other's way
        scores = score_outputs(Outputs.load(file))
    return {"step": int(file.stem), **{name: None if math.isnan(s) else s for name, s in scores.items()}}


@cache
def _code() -> str:
    files = (Path(str(module.__file__)) for module in (validators, proxy_a_distance))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]

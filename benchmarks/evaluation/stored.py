"""Validator scores of a record: made from its saved outputs, and kept beside them.

So a validator can be added or mended without training again, and no record's other numbers depend on it.
"""

import hashlib
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.evaluation import proxy_a_distance, validators
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.validators import score_outputs

FILE = "validators.json"


def validator_scores(record: Path) -> list[dict[str, Any]]:
    """Step and scores of each checkpoint, in order; NaN where undefined.

    Scores that other code made are made again if the outputs are still there.
    """
    path = record / FILE
    kept = _kept(path)
    if kept["code"] != _code() and (outputs := sorted((record / "outputs").glob("*.npz"))):
        kept = {"code": _code(), "checkpoints": [_scores(file) for file in outputs]}
        _keep(path, kept)
    return [
        {key: value if key == "step" else _rounded(value) for key, value in row.items()}
        for row in kept["checkpoints"]
    ]


def _kept(path: Path) -> dict[str, Any]:
    """The scores beside a record; none if that file cannot be read: they can be made again."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {"code": "", "checkpoints": []}


def _rounded(value: float | None) -> float:
    """To 6 digits, as committed records have them: both lead to the same choice."""
    return math.nan if value is None else float(f"{value:.6g}")


def _scores(file: Path) -> dict[str, Any]:
    with threadpool_limits(1):  # small matrices: more threads only get in each other's way
        scores = score_outputs(Outputs.load(file))
    return {"step": int(file.stem), **{name: None if math.isnan(s) else s for name, s in scores.items()}}


def _keep(path: Path, kept: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n")
        partial.replace(path)
    except OSError:
        return  # a store that cannot be written: the scores are made again next time


@cache
def _code() -> str:
    files = (Path(str(module.__file__)) for module in (validators, proxy_a_distance))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]

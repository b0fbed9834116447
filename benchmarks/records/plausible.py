"""What values a record can have: all that can be checked of one without digests."""

import re
from collections.abc import Mapping
from functools import lru_cache
from reprlib import repr as short
from typing import Any, Literal

from benchmarks.evaluation.outcomes import unpacked_right, unpacked_units

Kind = Literal[
    "spec", "right", "units", "checkpoints", "confusion", "text", "share", "count", "amount", "distance", "free"
]
KINDS: dict[Kind, str] = {
    "spec": "spec|data|params|protocol",
    "right": "right",
    "units": "test_units",
    "checkpoints": "checkpoints",
    "confusion": "confusion",
    "text": "run_id|task|method|reverse_of|code|device|versions|warnings",
    "share": r".*(accuracy|_f1|_auc|_majority_rate|_calibration_error|reverse_validation|mixval_int(ra|er))|"
    "target_(h_score|os|os_star|absent_share)",
    "count": "seed|step|parameters|harness|.*(_n|_size|_passes|_step|version)",
    "amount": ".*(_spread|_seconds|_mb|_rmse)",
    "distance": "proxy_a_distance(_inputs)?",  # negative as a validator
}


def check_row(row: Mapping[str, Any]) -> None:
    """Refuse values that no run gives: text for a number, an accuracy of 49.7, checkpoints out of order.

    Raises:
        ValueError: says which.
    """
    for name, value in row.items():
        check_value(name, value)


def is_possible(row: Mapping[str, Any]) -> bool:
    """Whether :func:`check_row` finds nothing."""
    try:
        check_row(row)
    except ValueError:
        return False
    return True


def check_value(name: str, value: Any) -> None:
    """Refuse one value of a row; raises ValueError as :func:`check_row` does."""
    kind = kind_of(name)
    if kind == "checkpoints":
        _check_checkpoints(value)
    elif kind == "confusion":
        _check_confusion(value)
    elif kind in ("spec", "right"):
        if not isinstance(value, dict):
            raise ValueError(f"{name} is {short(value)}, which is no object")
        for outcomes in value.values() if kind == "right" else ():
            _check_text(name, outcomes)
            unpacked_right(outcomes)
    elif kind == "units":
        _check_text(name, value)
        unpacked_units(value)
    elif kind == "text" or (kind == "free" and isinstance(value, str)):
        _check_text(name, value)
    else:
        _check_number(name, value)


@lru_cache(maxsize=1000)
def kind_of(name: str) -> Kind:
    """What values of a name are in all records; ``free``: those of a plugin, which are numbers or texts."""
    return next((kind for kind, pattern in KINDS.items() if re.fullmatch(pattern, name)), "free")


def _check_number(name: str, value: Any) -> None:
    """None and NaN stand for a number that a run does not have."""
    if value is None or value != value:
        return
    if type(value) not in (int, float):
        raise ValueError(f"{name} is {short(value)}, which is no number")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name} is {short(value)}, which is too large")
    kind = kind_of(name)
    if kind == "share" and not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, which is no share from 0 to 1")
    if kind == "count" and (value < 0 or value != int(value)):
        raise ValueError(f"{name} is {value}, which is no count")
    if name == "target_test_n" and value < 1:
        raise ValueError(f"{name} is {value}, and nothing was tested")
    if kind == "amount" and value < 0:
        raise ValueError(f"{name} is {value}, which is below 0")


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {short(value)}, which is no text")
    value.encode()  # half a surrogate pair could not be printed
    if name in ("task", "method") and not value:
        raise ValueError(f"{name} is empty")
    if name in ("run_id", "reverse_of") and not re.fullmatch(
        "[0-9a-f]{12}", value or "0" * 12 * (name != "run_id")
    ):
        raise ValueError(f"{name} is {short(value)}, which is no run id")


def _check_checkpoints(checkpoints: Any) -> None:
    if not (isinstance(checkpoints, list) and checkpoints and all(isinstance(row, dict) for row in checkpoints)):
        raise ValueError(f"checkpoints are {short(checkpoints)}, which is no list of scores")
    for row in checkpoints:
        for name, value in row.items():
            _check_number(name, value)
    steps = [row.get("step") for row in checkpoints]
    if not all(isinstance(step, int) for step in steps) or sorted(set(steps)) != steps:
        raise ValueError(f"the steps of its checkpoints are {short(steps)}, which are not in order")


def _check_confusion(confusion: Any) -> None:
    """(classes, classes) counts; none of a reverse run."""
    rows: list[Any] = confusion if isinstance(confusion, list) else [None]
    square = all(isinstance(row, list) and len(row) == len(rows) for row in rows)
    if not square or any(type(n) is not int or not 0 <= n < 2**63 for row in rows for n in row):
        raise ValueError(f"confusion is {short(confusion)}, which is no square of counts")

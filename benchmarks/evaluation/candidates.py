"""What advice needs of each candidate (a run at a checkpoint), a few hundred bytes each: a file to commit.

No target label is in it; those that exist are in a file of their own, which
:mod:`benchmarks.evaluation.oracle` makes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit, logsumexp

from benchmarks.core.objective import of_classes
from benchmarks.core.outfiles import NAME, writing
from benchmarks.core.settings import UserError
from benchmarks.evaluation.outputs import Outputs, read_arrays, write_arrays

LOWEST, LEVELS = -4.0, 16  # of confidences: log-odds of -4 to 11.9 in steps of 1/16, as 0 to 255
RUN_ID = re.compile("[0-9a-f]{12}")
ADVICE = "`table --save-outputs` writes one"


@dataclass(frozen=True)
class Candidate:
    """A run at a checkpoint.

    Attributes:
        predicted: (n,) class of each of up to 500 target training samples, the same ones for all runs of a task
            and draw.
        confidence: (n,) uint8, of these classes; :func:`probability` gives it as one.
        source_confidence: (m,) uint8, of the class that is predicted for each source validation sample.
        source_right: (m,) whether that class is right.
        source_y: (m,) their classes.
    """

    run_id: str
    step: int
    predicted: np.ndarray
    confidence: np.ndarray
    source_confidence: np.ndarray
    source_right: np.ndarray
    source_y: np.ndarray


def candidate(run_id: str, step: int, outputs: Outputs) -> Candidate | None:
    """What is kept of a checkpoint's outputs; None if they are not finite, since nobody chooses such a model.

    Nor is there anything to keep where labels are real numbers.
    """
    target, source = outputs["target_train.logits"], outputs["source_val.logits"]
    if not (np.isfinite(target).all() and np.isfinite(source).all()):
        return None
    y = outputs["source_val.y"]
    if not of_classes(y):
        return None
    return Candidate(run_id, step, target.argmax(1), _level(target), _level(source), source.argmax(1) == y, y)


def _level(logits: np.ndarray) -> np.ndarray:
    """Log-odds of the largest class, quantised: probabilities near 1 stay apart, which thresholds need."""
    ordered = np.sort(logits.astype(np.float64), axis=1)
    odds = ordered[:, -1] - logsumexp(ordered[:, :-1], axis=1)
    return np.rint((odds - LOWEST) * LEVELS).clip(0, 255).astype(np.uint8)


def probability(level: np.ndarray) -> np.ndarray:
    """The probability of a confidence, to 0.008 or better between 0.02 and 0.99999."""
    return np.asarray(expit(level / LEVELS + LOWEST))


def save_outputs(candidates: Sequence[Candidate], path: Path) -> None:
    """Write the candidates; the same are the same bytes."""
    predicted = np.concatenate([each.predicted for each in candidates])
    classes, number = distinct([each.source_y for each in candidates])
    arrays = {
        "run_id": np.array([each.run_id for each in candidates], "S12"),
        "step": np.array([each.step for each in candidates], np.uint32),
        "target_size": np.array([len(each.predicted) for each in candidates], np.uint16),
        "source_size": np.array([len(y) for y in classes], np.uint32),
        "source_number": np.array(number, np.uint32),
        "predicted": predicted.astype(np.min_scalar_type(predicted.max(initial=0))),
        "confidence": np.concatenate([each.confidence for each in candidates]),
        "source_confidence": np.concatenate([each.source_confidence for each in candidates]),
        "source_right": np.packbits(np.concatenate([each.source_right for each in candidates])),
        "source_y": np.concatenate(classes).astype(np.int32),
    }
    with writing(path) as file:
        write_arrays(file, arrays, level=9, comment=NAME.encode())


def load_outputs(path: Path) -> list[Candidate]:
    """Read a file of :func:`save_outputs`.

    Raises:
        UserError: it is missing, truncated or not such a file.
    """
    arrays = read_arrays(path, ADVICE)
    try:
        return _candidates(**arrays)
    except (TypeError, ValueError, IndexError) as error:
        raise UserError(f"{str(path)!r} is no file of outputs ({error}); {ADVICE}") from None


def _candidates(
    run_id: np.ndarray,
    step: np.ndarray,
    target_size: np.ndarray,
    source_size: np.ndarray,
    source_number: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    source_confidence: np.ndarray,
    source_right: np.ndarray,
    source_y: np.ndarray,
) -> list[Candidate]:
    names = texts(run_id)
    if not len(names) == len(step) == len(target_size) == len(source_number):
        raise ValueError("its columns differ in length")
    classes = pieces("source_y", source_y, np.cumsum(counts(source_size)))
    own = [classes[number] for number in counts(source_number)]
    targets, sources = np.cumsum(counts(target_size)), np.cumsum([len(y) for y in own])
    right = np.unpackbits(source_right)[: len(source_confidence)].astype(bool)
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "predicted": (predicted, targets),
        "confidence": (confidence, targets),
        "source_confidence": (source_confidence, sources),
        "source_right": (right, sources),
    }
    cut: dict[str, list[np.ndarray]] = {}
    for name, (values, where) in parts.items():
        cut[name] = pieces(name, values, where)
    rows: list[dict[str, Any]] = [
        dict(zip(cut, values, strict=True)) for values in zip(*cut.values(), strict=True)
    ]
    every = zip(names, counts(step), rows, own, strict=True)
    return [Candidate(run, int(at), **row, source_y=y) for run, at, row, y in every]


def distinct(arrays: Iterable[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """The different ones among arrays, and the number of each among these: many runs share their samples."""
    numbers: dict[bytes, int] = {}
    known: list[np.ndarray] = []
    places = []
    for array in arrays:
        if (key := array.tobytes()) not in numbers:
            numbers[key] = len(known)
            known.append(array)
        places.append(numbers[key])
    return known, places


def texts(run_ids: np.ndarray) -> list[str]:
    """Run ids of a file; raises ValueError."""
    if run_ids.ndim != 1 or run_ids.dtype != "S12":
        raise ValueError("its run_id holds no run ids")
    found = [bytes(each).decode(errors="replace") for each in run_ids]
    if not all(map(RUN_ID.fullmatch, found)):
        raise ValueError("its run_id holds no run ids")
    return found


def counts(numbers: np.ndarray) -> np.ndarray:
    """Numbers of a file that count something; raises ValueError."""
    if numbers.ndim != 1 or numbers.dtype.kind != "u":
        raise ValueError("its numbers are no counts")
    return numbers.astype(np.int64)


def pieces(name: str, values: np.ndarray, where: np.ndarray) -> list[np.ndarray]:
    """The parts of an array that end there; raises ValueError if it has not as many values."""
    if values.ndim != 1 or values.dtype.kind not in "iub" or len(values) != (where[-1] if len(where) else 0):
        raise ValueError(f"its {name} are not as many values as its sizes say")
    return np.split(values, where[:-1])

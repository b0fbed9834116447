"""A few labels of the target: which samples to label, and what their labels say. They score, and never train.

Two designs, each a simple random sample without replacement, in random order:

- ``random``, of all samples of the target: estimates accuracies, and the gain of one candidate on another;
- ``disagreement``, of the samples for which two candidates predict different classes: estimates their gain alone,
  with fewer labels, since they are right or wrong together on all other samples.

Labels that chose a candidate never score one: they would flatter it.
"""

import csv
import io
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from benchmarks.core import atomic
from benchmarks.core.escape import quoted, reason, shown, spreadsheet
from benchmarks.core.outfiles import writing
from benchmarks.core.randomness import generator
from benchmarks.core.reading import parse_json, read_bytes
from benchmarks.core.settings import UserError, nearest
from benchmarks.records.store import Store
from datasets.files.images import content_of
from datasets.readers.text import class_name

HEADER = ("sample", "label", "weight", "design")

Design = Literal["random", "disagreement"]
Use = Literal["score", "choose"]


@dataclass
class Labels:
    """What a filled file says.

    Attributes:
        index: (m,) places of the labelled samples among the target's.
        y: (m,) their classes.
        weight: samples that each line stands for: those drawn from, over the lines.
        size: samples of the target.
        skipped: lines without a label above one that has one.
        used: what they have been used for: to score or to choose, never both.
    """

    path: Path
    design: Design
    index: np.ndarray
    y: np.ndarray
    weight: float
    lines: int
    size: int
    skipped: int
    used: Use | None = None

    def use(self, use: Use) -> None:
        """Mark what they are used for.

        Raises:
            UserError: they have been used for the other.
        """
        if self.used not in (None, use):
            raise UserError(
                f"{shown(self.path)}: labels that choose a candidate cannot also score one, which they would "
                "flatter; label other samples for one of the two"
            )
        self.used = use


def to_label(
    path: Path, samples: Sequence[object], n: int, pair: tuple[np.ndarray, np.ndarray] | None = None, seed: int = 0
) -> int:
    """Write a file of up to n samples to label; returns how many there are.

    Whoever labels goes from the top and may stop at any line: the lines before are a random sample too.

    Args:
        samples: names of the target's samples, as ``predict`` writes them.
        pair: predicted classes (N,) of two candidates, for the disagreement design; None: the random design.

    Raises:
        UserError: the two never disagree, or the file cannot be written.
    """
    design, drawn_from = "random", np.arange(len(samples))
    if pair is not None:
        design, drawn_from = "disagreement", np.flatnonzero(pair[0] != pair[1])
        if not len(drawn_from):
            raise UserError("the two candidates predict the same classes throughout; no label tells them apart")
    chosen = generator(seed, f"advice/labels/{design}").permutation(drawn_from)[:n]
    weight = f"{len(drawn_from) / len(chosen):.10g}"
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerows([HEADER, *((spreadsheet(shown(samples[i])), "", weight, design) for i in chosen)])
    try:
        with writing(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be written: {reason(error)}") from None
    return len(chosen)


def check_labels(path: Path) -> None:
    """Raise a UserError if it is missing, or no file of :func:`to_label`: known before anything is trained."""
    _rows(path)


def read_labels(path: Path, samples: Sequence[object], classes: Sequence[str]) -> Labels:
    """Read a file of :func:`to_label` that has been filled in; lines without a label are left out.

    Raises:
        UserError: it cannot be read, has no label, or a line is wrong: its number, column and cell are named.
    """
    rows = _rows(path)
    places = {spreadsheet(shown(sample)): place for place, sample in enumerate(samples)}
    numbers = {class_name(name): number for number, name in enumerate(classes)}
    seen: set[str] = set()
    for line, row in rows:
        if problem := _problem(row, rows[0][1], places, seen, numbers):
            column, what = problem
            raise UserError(f"{shown(path)}: line {line}, column {column!r}: {what}")
        seen.add(row[0])
    labelled = [(number, row) for number, (_, row) in enumerate(rows) if row[1].strip()]
    if not labelled:
        raise UserError(f"{shown(path)}: no line has a label; fill in the column 'label'")
    _, _, weight, design = rows[0][1]
    labels = Labels(
        path=path,
        design="random" if design == "random" else "disagreement",
        index=np.array([places[row[0]] for _, row in labelled]),
        y=np.array([numbers[class_name(row[1])] for _, row in labelled]),
        weight=float(weight),
        lines=len(rows),
        size=len(samples),
        skipped=labelled[-1][0] + 1 - len(labelled),
    )
    if design == "random":
        check_population(labels, labels.size, "the target has")
    return labels


def keep_chosen(store: Store, name: str, samples: Collection[str]) -> None:
    """Remember, beside the advice of that name, the samples whose labels chose: no command lets them score."""
    place = _chosen(store, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(place, json.dumps(sorted({*_kept(place), *samples})))


def refuse_chosen(store: Store, name: str, samples: Collection[str], path: Path) -> None:
    """Raise a UserError if labels that would score have chosen before, by :func:`keep_chosen`."""
    if both := sorted({*samples} & _kept(_chosen(store, name))):
        raise UserError(
            f"{shown(path)}: {len(both)} of its labels have chosen (sample {shown(both[0])} is one), and would "
            "flatter what they chose; label other samples to score it"
        )


def _chosen(store: Store, name: str) -> Path:
    return store.root / "advice" / f"{name}-chosen.json"


def _kept(place: Path) -> set[str]:
    try:
        return set(map(str, parse_json(read_bytes(str(place))))) if place.exists() else set()
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{shown(place)} cannot be read ({reason(error)}): it lists samples whose labels chose"
        ) from None


def check_population(labels: Labels, size: int, what: str) -> None:
    """Raise a UserError unless the weights are those of a draw from so many samples."""
    drawn_from = labels.weight * labels.lines
    if abs(drawn_from - size) >= 0.5:
        raise UserError(
            f"{shown(labels.path)}: its {labels.lines} lines were drawn from {drawn_from:,.0f} samples by their "
            f"weight, and {what} {size:,}; keep all lines, also those without a label, or write a new file"
        )


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The lines below the header, with their numbers; those of empty cells are none."""
    try:
        reader = csv.reader(io.StringIO(content_of(path).decode("utf-8-sig"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{shown(path)}: it is no .csv in UTF-8 with commas ({reason(error)}); save it as one"
        ) from None
    if not rows or tuple(rows[0][1]) != HEADER:
        found = quoted(",".join(rows[0][1]) if rows else "")
        raise UserError(f"{shown(path)}: line 1 is {found}, and must be {','.join(HEADER)!r}, as it was written")
    for line, row in rows[1:]:
        if len(row) != len(HEADER):
            raise UserError(
                f"{shown(path)}: line {line} has {len(row)} cells, and the header has {len(HEADER)}; a cell that "
                "holds a comma must be in double quotes"
            )
    if len(rows) == 1:
        raise UserError(f"{shown(path)}: it has no samples")
    return rows[1:]


def _problem(
    row: Sequence[str],
    first: Sequence[str],
    places: Mapping[str, int],
    seen: Collection[str],
    numbers: Mapping[str, int],
) -> tuple[str, str] | None:
    """What is wrong with a line: the column, and what to say of it. ``first`` is the first line."""
    sample, label, weight, design = row
    if sample not in places:
        return "sample", f"the target has no sample {quoted(sample)}"
    if sample in seen:
        return "sample", f"{quoted(sample)} is in an earlier line too"
    if design not in get_args(Design) or design != first[3]:
        return "design", f"{quoted(design)}; a file has one design, {' or '.join(get_args(Design))}"
    if not _is_weight(weight) or weight != first[2]:
        return "weight", f"{quoted(weight)}; all lines have the same number, from 1 on, as they were written"
    try:
        if label.strip() and class_name(label) not in numbers:
            return "label", f"no class {nearest(class_name(label), numbers)}"
    except ValueError as error:
        return "label", f"{quoted(label)} {error}"
    return None


def _is_weight(text: str) -> bool:
    try:
        return 1 <= float(text) < math.inf
    except ValueError:
        return False

"""What a path of the user's holds: an ``.npz`` with arrays ``x`` and ``y``, a ``.csv``, or a folder of images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.escape import quoted, reason, shown
from benchmarks.core.settings import UserError
from datasets.files.images import ImageFiles
from datasets.readers.folders import read_folder
from datasets.readers.npz import read_arrays
from datasets.readers.tables import read_table
from datasets.readers.text import class_name

NO_LABEL = ("", "-1")  # -1 as in scikit-learn's semi-supervised learning, unless a class is called so


@dataclass(frozen=True)
class Domain:
    """What a path holds.

    Attributes:
        x: inputs (n, ...): images of bytes, or numbers of any other type; or texts (n,), as objects.
        labels: (n,) names of classes; any of ``NO_LABEL`` where a sample has none.
        place: says where the label of a sample is, or would be.
        columns: names of a table's features.
        notes: what a user should know of it, a line each.
    """

    path: Path
    x: Any
    labels: np.ndarray
    place: Callable[[int], str]
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def numbers(self, classes: Sequence[str]) -> np.ndarray:
        """Labels (n,) int64 as places in ``classes``; -1 where a sample has none.

        Any other label has the last place: :func:`datasets.readers.classes.check_target` lets pass none unless
        that is ``unknown``.
        """
        order = dict.fromkeys(NO_LABEL, -1) | {name: number for number, name in enumerate(classes)}
        return np.array([order.get(label, len(classes) - 1) for label in self.labels.tolist()])

    def labelled(self, classes: Sequence[str]) -> np.ndarray:
        """Whether each sample (n,) has a label."""
        return ~np.isin(self.labels, [text for text in NO_LABEL if text not in classes])

    @property
    def names(self) -> Sequence[object]:
        """(n,) file names in a folder, row numbers elsewhere."""
        if not isinstance(self.x, ImageFiles):
            return range(len(self.x))
        (squares,) = self.x.sets
        return [str(file).removeprefix(f"{self.path}/") for file in squares.paths]

    @property
    def features(self) -> Sequence[str]:
        """What to call each feature or channel."""
        return [f"column {quoted(name)}" for name in self.columns] or [
            f"x[:, {number}]" for number in range(self.x.shape[1])
        ]


def read_domain(path: Path, label: str, text: str = "") -> Domain:
    """What a path holds; labels may be missing.

    Args:
        text: the column of a .csv whose texts are the inputs; empty: they are numbers or images.

    Raises:
        UserError: it cannot be read, is empty, or holds what cannot be trained on.
    """
    try:
        domain = _read(path, label, text)
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read: {reason(error)}") from None
    if not len(domain.x):
        why = "".join(f" ({note.removeprefix(f'{shown(path)}: ')})" for note in domain.notes)
        raise UserError(f"{shown(path)}: it has no samples{why}")
    return domain


def _read(path: Path, label: str, text: str) -> Domain:
    if text and path.suffix.lower() != ".csv":
        raise UserError(f"{shown(path)}: --text names a column of a .csv, and this is none")
    if path.is_dir():
        found = read_folder(path)
        images = ImageFiles(found.paths, name="own")
        return Domain(path, images, np.array(found.labels, str), lambda i: found.paths[i].name, notes=found.notes)
    if not path.is_file():
        what = "it is a pipe or a device" if path.exists() else "no such file or folder"
        raise UserError(f"{shown(path)}: {what}; expected an .npz, a .csv or a folder class/image")
    if path.suffix.lower() == ".npz":
        return _npz(path)
    if path.suffix.lower() == ".csv":
        return _csv(path, label, text)
    raise UserError(f"{shown(path)}: expected an .npz, a .csv or a folder class/image")


def _npz(path: Path) -> Domain:
    x, y, masked = read_arrays(path)
    if x.dtype == np.uint8 and x.ndim > 2:
        x = x[:, None] if x.ndim == 3 else x
        if x.shape[1] not in (1, 3):
            raise UserError(
                f"{shown(path)}: images must be (n, 1 or 3 channels, height, width), not {x.shape}; transpose x"
            )
    elif not np.isfinite(x).all():
        first = np.argwhere(~np.isfinite(x))[0][0]
        raise UserError(f"{shown(path)}: x[{first}] has NaN, infinity or nothing; fix it or leave it out")

    def place(i: int) -> str:
        return f"y[{i}]"

    texts = [""] * len(x)
    if y is not None:
        y[masked] = np.zeros((), y.dtype)  # what is there may be no label at all
        texts = ["" if no else text for text, no in zip(_label_texts(path, y), masked, strict=True)]
    labels, notes = _class_names(path, texts, place)
    return Domain(path, x, labels, place, notes=notes)


def _label_texts(path: Path, y: np.ndarray) -> list[str]:
    """Texts, whole numbers or booleans as texts (n,); empty for NaN."""
    if y.dtype.kind == "S":
        try:
            return np.strings.decode(y, "utf-8").tolist()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{shown(path)}: y holds bytes that are no UTF-8 ({reason(error)}); save it as texts"
            ) from None
    if y.dtype.kind in "Ub":
        try:
            return [str(value) for value in y.tolist()]
        except (SystemError, ValueError) as error:  # code points that are none
            raise UserError(f"{shown(path)}: y holds what is not text ({reason(error)})") from None
    missing = np.isnan(y)
    fractions = np.flatnonzero(~missing & (~np.isfinite(y) | (y != np.rint(y))))
    if len(fractions):
        i = fractions[0]
        raise UserError(f"{shown(path)}: y[{i}] is {y[i]}; labels are whole numbers or texts, not {y.dtype}")
    return ["" if absent else str(int(value)) for value, absent in zip(y, missing, strict=True)]


def _csv(path: Path, label: str, text: str) -> Domain:
    table = read_table(path, label, text)

    def place(i: int) -> str:
        return f"line {table.lines[i]}, column {quoted(label)}"

    texts = [""] * len(table.x) if table.labels is None else table.labels
    values = {text: _value(text) for text in texts if text.strip()}
    fractions = [text for text, value in values.items() if value is not None and not value.is_integer()]
    if fractions and None not in values.values():
        where = place(texts.index(fractions[0]))
        raise UserError(
            f"{shown(path)}: {where}: {quoted(fractions[0])} is no class; labels are whole numbers or texts"
        )
    labels, notes = _class_names(path, texts, place)
    return Domain(path, table.x, labels, place, table.columns, notes)


def _value(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _class_names(path: Path, texts: list[str], place: Callable[[int], str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (n,) as names of classes, blank where there is none; and a note on classes spelt in several ways."""
    names: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        try:
            names[text] = class_name(text) if text.strip() else ""
        except ValueError as error:
            where = f"{shown(path)}: {place(texts.index(text))}"
            raise UserError(f"{where}: the label {quoted(text)} {error}") from None
    spelt: dict[str, list[str]] = {}
    for text, name in names.items():
        if name:
            spelt.setdefault(name, []).append(text)
    notes = tuple(
        f"{shown(path)}: the labels {', '.join(ascii(text[:60]) for text in several[:5])} are one class, {name!r}"
        for name, several in spelt.items()
        if len(several) > 1
    )
    return np.array([names[text] for text in texts], str), notes

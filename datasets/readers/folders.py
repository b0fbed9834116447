"""Domains of image files: ``domain/class/image`` folders, on disk or in a zip, and the authors' list files.

A list has a line ``path label`` for each image, the path from the data set's folder. It counts before the folders,
and lies in ``image_list`` or in the data set's folder: ``DOMAIN.txt``, or ``DOMAIN_train.txt`` and
``DOMAIN_test.txt`` for a domain with test samples of its own.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from benchmarks.core.escape import quoted, shown
from benchmarks.core.registry import DataFile
from benchmarks.core.settings import UserError
from datasets import files
from datasets.base import DomainFamily, Samples
from datasets.files.images import SIDE, File, ImageFiles, content_of, is_image
from datasets.readers.text import class_name

TRAINING = {"source_batch": 32, "target_batch": 32, "augmentation": "standard"}  # as TLlib's scripts


class ImageFamily(DomainFamily):
    """A data set of images in a folder of the data directory.

    Attributes:
        folder: where it is.
        labels: names of the classes and of their folders, in the order of the authors' numbers, by spaces.
        folders: a domain's folder, if it is not called as the domain; capitals and punctuation do not count.
    """

    folder: ClassVar[DataFile]
    labels: ClassVar[str]
    folders: ClassVar[Mapping[str, str]] = {}

    def classes(self, task: str) -> tuple[str, ...]:
        return tuple(self.labels.split())

    def protocol(self, task: str) -> dict[str, Any]:
        return {"backbone": "resnet50?weights=imagenet", **TRAINING}

    def input_shape(self, task: str) -> tuple[int, ...]:
        return (3, SIDE, SIDE)

    def root(self) -> File:
        """The folder that holds the domains' folders."""
        return files.checked(self.folder)

    def read_domain(self, domain: str) -> Samples:
        return _read_domain(type(self), domain, files.directory())


@lru_cache(maxsize=8)
def _read_domain(kind: type[ImageFamily], domain: str, data: Path | None) -> Samples:
    """Once for each data directory: a grid whose splits follow its seeds reads domains for each run."""
    family = kind()
    root, classes = family.root(), tuple(family.labels.split())
    folder = family.folders.get(domain, domain)
    lists = [found for part in ("", "_train", "_test") if (found := _list_of(root, f"{folder}{part}"))]
    if lists:
        parts = [read_list(path, root, classes) for path in lists]
        test = np.repeat([path.name.endswith("_test.txt") for path in lists], [len(y) for _, y in parts])
    else:
        parts, test = [_numbered(_folder_of(root, folder), classes)], None
    paths = [path for some, _ in parts for path in some]
    y = np.concatenate([labels for _, labels in parts])
    _all_classes(f"{family.name}: {domain}", y, classes)
    test = test if test is not None and test.any() else None
    x = ImageFiles(paths, name=f"{family.name}-{domain}")
    return Samples(x, y, test, groups=x.copies())


@dataclass(frozen=True)
class ImageFolder:
    """What a folder holds: images in ``class/image`` folders, images that nobody has sorted, or both.

    Attributes:
        paths: of the images.
        labels: (n,) names of their classes; empty for images beside the classes' folders.
        notes: what a user should know of it, a line each.
    """

    paths: list[File]
    labels: list[str]
    notes: tuple[str, ...]


def read_folder(folder: File) -> ImageFolder:
    """The images of ``class/image`` folders, and those in the folder itself, which have no label.

    Raises:
        UserError: a folder whose name can be no class.
    """
    left: Counter[str] = Counter()
    beside = _images(folder, left, "folders without an image")
    by_class: dict[str, list[tuple[str, File]]] = {}
    for child in sorted(_folders(folder), key=str):
        if images := _images(child, left, "folders within a class"):
            left["folders without an image"] -= 1
            by_class.setdefault(_class_of(child), []).extend((child.name, path) for path in images)
    notes = _notes(folder, left)
    if by_class and beside:
        notes += (f"{shown(folder)}: {len(beside)} images beside the classes' folders have no label",)
    for name, several in by_class.items():
        if len(spelt := sorted({child for child, _ in several})) > 1:
            notes += (f"{shown(folder)}: the folders {', '.join(map(ascii, spelt))} are one class, {name!r}",)
    found = [(path, "") for path in beside]
    found += [(path, name) for name, several in by_class.items() for _, path in several]
    found.sort(key=lambda item: (item[0].name, str(item[0])))
    paths, labels = _blind_to_labels([path for path, _ in found], [name for _, name in found])
    return ImageFolder(paths, labels, notes)


def _blind_to_labels(paths: list[File], labels: list[str]) -> tuple[list[File], list[str]]:
    """Images by name and content, not by class: training draws its batches by place, and may see no target label.

    Args:
        paths: sorted by name.
    """
    ordered: list[int] = []
    for _, same in groupby(range(len(paths)), key=lambda i: paths[i].name):
        group = list(same)
        if len(group) > 1:  # as 0.png of each class; equal copies may stand in any order
            group.sort(key=lambda i: hashlib.sha256(content_of(paths[i])).digest())
        ordered += group
    return [paths[i] for i in ordered], [labels[i] for i in ordered]


def _images(folder: File, left: Counter[str], folders: str) -> list[File]:
    """The images in a folder, by name; counts what else it holds.

    Args:
        folders: what to call the folders within.
    """
    found = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            left["hidden"] += 1
        elif path.is_dir():
            left[folders] += 1
        elif not path.is_file():
            left["pipes, devices or broken links"] += 1
        elif is_image(path):
            found.append(path)
        else:
            left[shown(PurePosixPath(path.name).suffix.lower()[:20]) or "without an ending"] += 1
    return sorted(found, key=str)


def _folders(folder: File) -> list[File]:
    """The folders in a folder; hidden ones do not count."""
    return [child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")]


def _class_of(folder: File) -> str:
    try:
        return class_name(folder.name)
    except ValueError as error:
        raise UserError(f"{shown(folder)}: the folder's name is its class's, and {error}") from None


def _notes(folder: File, left: Counter[str]) -> tuple[str, ...]:
    """A line on what is left out of a folder, if anything is."""
    counts = [(count, what) for what, count in left.most_common() if count > 0]
    if not counts:
        return ()
    kinds = [f"{what} ({count})" for count, what in counts[:10]]
    if more := sum(count for count, _ in counts[10:]):
        kinds.append(f"others ({more})")
    total = sum(count for count, _ in counts)
    why = "only images that Pillow can open are read, from one folder for each class"
    return (f"{shown(folder)}: {total} left out: {', '.join(kinds)}; {why}",)


def _numbered(folder: File, classes: Sequence[str]) -> tuple[list[File], np.ndarray]:
    """The images of known classes, and their labels (n,) int64.

    Raises:
        UserError: images of another class, or none at all.
    """
    found = read_folder(folder)
    images = [(path, name) for path, name in zip(found.paths, found.labels, strict=True) if name]
    if not images:
        raise UserError(f"{shown(folder)}: no images; expected folders class/image")
    for _, name in images:
        if name not in classes:
            raise UserError(f"{shown(folder)}: the folder {quoted(name)} is none of the {len(classes)} classes")
    for note in found.notes:
        files.tell(note)
    numbers = {name: number for number, name in enumerate(classes)}
    return [path for path, _ in images], np.array([numbers[name] for _, name in images])


def read_list(path: File, root: File, classes: Sequence[str]) -> tuple[list[File], np.ndarray]:
    """The images that a list names, and their labels (n,) int64.

    Raises:
        UserError: a line that is no path and label, a label outside the range, or one that is not the class whose
            folder the image is in; or no line at all.
    """
    try:
        lines = content_of(path).decode().split("\n")  # names may have other characters that end a line
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)} is not UTF-8; it must have a line 'path label' for each image") from None
    listing = shown(path)
    paths, labels = [], []
    for number, line in enumerate(lines, 1):
        where = f"{listing}, line {number}"
        name, _, label = line.strip().rpartition(" ")  # a path may have spaces
        if not line.strip():
            continue
        if not (name and label.isascii() and label.isdigit()):
            raise UserError(f"{where}: expected 'path label', got {quoted(line)}")
        if len(label) > 9 or int(label) >= len(classes):
            raise UserError(f"{where}: label {label[:20]} is outside 0..{len(classes) - 1}")
        image = root / name
        other = PurePosixPath(name).parent.name
        if other in classes and other != classes[int(label)]:
            raise UserError(
                f"{where}: label {label} is {classes[int(label)]!r}, but the image is in the folder "
                f"{other!r}; remove the list, and the folders are read"
            )
        paths.append(image)
        labels.append(int(label))
    if not paths:
        raise UserError(f"{shown(path)}: it lists no image")
    return paths, np.array(labels)


def _all_classes(name: str, y: np.ndarray, classes: Sequence[str]) -> None:
    present = set(y.tolist())
    missing = [label for number, label in enumerate(classes) if number not in present]
    if missing:
        raise UserError(f"{name} has no image of {len(missing)} of {len(classes)} classes, such as {missing[0]!r}")


def _list_of(root: File, stem: str) -> File | None:
    for folder in (root / "image_list", root):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name.endswith(".txt") and _plain(path.name[:-4]) == _plain(stem):
                return path
    return None


def _folder_of(root: File, name: str) -> File:
    for folder in root.iterdir():
        if folder.is_dir() and _plain(folder.name) == _plain(name):
            inner = folder / "images"  # as in Office-31
            return inner if inner.is_dir() else folder
    raise UserError(f"{shown(root)}: no folder {name!r}; it should hold a folder for each class, with images")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()

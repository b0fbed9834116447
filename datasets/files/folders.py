"""Domains of image files: ``domain/class/image`` folders, on disk or in a zip, and the authors' list files.

A list has a line ``path label`` for each image, the path from the data set's folder. It counts before the folders,
and lies in ``image_list`` or in the data set's folder: ``DOMAIN.txt``, or ``DOMAIN_train.txt`` and
``DOMAIN_test.txt`` for a domain with test samples of its own.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np

from benchmarks.registry import DataFile
from benchmarks.settings import UserError
from datasets import files
from datasets.base import DomainFamily, Samples
from datasets.files.images import File, ImageFiles, content_of

TRAINING = {"source_batch": 32, "target_batch": 32, "augmentation": "standard"}  # as TLlib's scripts
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


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

    def root(self) -> File:
        """The folder that holds the domains' folders."""
        return files.checked(self.folder)

    def read_domain(self, domain: str) -> Samples:
        root, classes = self.root(), tuple(self.labels.split())
        folder = self.folders.get(domain, domain)
        lists = [found for part in ("", "_train", "_test") if (found := _list_of(root, f"{folder}{part}"))]
        if lists:
            parts = [read_list(path, root, classes) for path in lists]
            test = np.repeat([path.name.endswith("_test.txt") for path in lists], [len(y) for _, y in parts])
        else:
            parts, test = [read_folder(_folder_of(root, folder), classes)], None
        paths = [path for some, _ in parts for path in some]
        y = np.concatenate([labels for _, labels in parts])
        _all_classes(f"{self.name}: {domain}", y, classes)
        test = test if test is not None and test.any() else None
        x = ImageFiles(paths, name=f"{self.name}-{domain}")
        return Samples(x, y, test, groups=x.copies())


def read_folder(folder: File, classes: Sequence[str]) -> tuple[list[File], np.ndarray]:
    """The images of ``class/image`` folders, and their labels (n,) int64.

    Raises:
        UserError: a folder that is no class, or none with an image.
    """
    unknown = set(class_names(folder)) - set(classes)
    if unknown:
        raise UserError(f"{folder}: the folder {min(unknown)!r} is none of the {len(classes)} classes")
    by_class = [images_in(folder / name) for name in classes]
    paths = [path for some in by_class for path in some]
    if not paths:
        raise UserError(f"{folder}: no images; expected folders class/image ({', '.join(SUFFIXES)})")
    return paths, np.repeat(np.arange(len(classes)), [len(some) for some in by_class])


def class_names(folder: File) -> list[str]:
    """Names of the folders in a folder, in order; hidden ones do not count."""
    return sorted(child.name for child in folder.iterdir() if child.is_dir() and child.name[0] not in "._")


def read_list(path: File, root: File, classes: Sequence[str]) -> tuple[list[File], np.ndarray]:
    """The images that a list names, and their labels (n,) int64.

    Raises:
        UserError: a line that is no path and label, a label outside the range, or one that is not the class whose
            folder the image is in; or no line at all.
    """
    paths, labels = [], []
    for number, line in enumerate(content_of(path).decode().splitlines(), 1):
        name, _, label = line.strip().rpartition(" ")  # a path may have spaces
        if not line.strip():
            continue
        if not (name and label.isdigit()):
            raise UserError(f"{path}, line {number}: expected 'path label', got {line!r}")
        if int(label) >= len(classes):
            raise UserError(f"{path}, line {number}: label {label} is outside 0..{len(classes) - 1}")
        image = root / name
        other = PurePosixPath(name).parent.name
        if other in classes and other != classes[int(label)]:
            raise UserError(
                f"{path}, line {number}: label {label} is {classes[int(label)]!r}, but the image is in the folder "
                f"{other!r}; remove the list, and the folders are read"
            )
        paths.append(image)
        labels.append(int(label))
    if not paths:
        raise UserError(f"{path}: it lists no image")
    return paths, np.array(labels)


def images_in(folder: File) -> list[File]:
    """The image files in a folder, by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES) and path.name[0] != "."]
    return sorted(found, key=str)


def _all_classes(name: str, y: np.ndarray, classes: Sequence[str]) -> None:
    missing = [label for number, label in enumerate(classes) if number not in set(y.tolist())]
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
    raise UserError(f"{root}: no folder {name!r}; it should hold a folder for each class, with images")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()

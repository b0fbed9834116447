"""The user's own data, named by two paths: ``run --source PATH --target PATH``.

A path is an ``.npz`` with arrays ``x`` and ``y``, a folder ``class/image``, or a ``.csv`` with a column of labels
and columns of numbers. The task's name ends in a digest of both domains: changed data are another task, and moved
data are the same. Where they are is kept in the cache folder, for the processes that train and for later commands.

Features are standardised, each by its mean and deviation over the source's training samples; sequences and images
of real numbers by channel. Images of bytes are left as they are.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import DATASETS, DatasetInfo
from benchmarks.settings import Settings, UserError, nearest
from datasets import files
from datasets.base import Family, Samples, split
from datasets.files.folders import TRAINING, class_names, images_in, read_folder
from datasets.files.images import ImageFiles, content_of

BACKBONES = {2: "mlp", 3: "cnn1d", 4: "cnn"}  # by the dimensions of x
IMAGE_FILES = "resnet18?weights=imagenet"
LABELS = "the labels are needed to score, and no training sees those of the target"


@DATASETS.register(
    "own",
    DatasetInfo(
        version=1,
        summary="your own data: an .npz, a folder class/image or a .csv for each domain",
        licence="yours",
        get="run --source PATH --target PATH",
    ),
)
class Own(Family):
    name = "own"

    def tasks(self) -> list[str]:
        return []

    def check(self, task: str) -> None:
        _pair(task)

    def classes(self, task: str) -> tuple[str, ...]:
        return _pair(task).classes

    def protocol(self, task: str) -> dict[str, Any]:
        backbone = _pair(task).backbone
        return {"backbone": backbone, **(TRAINING if backbone == IMAGE_FILES else {})}

    def read(self, task: str, options: Settings) -> tuple[list[Samples], Samples]:
        pair = _pair(task)
        source, target = pair.read()
        inputs = _standardised(source.x, [source.x, target.x])
        labels = [domain.numbers(pair.classes) for domain in (source, target)]
        groups = [domain.x.copies() if isinstance(domain.x, ImageFiles) else None for domain in (source, target)]
        first, last = (Samples(*parts) for parts in zip(inputs, labels, [None, None], groups, strict=True))
        return [first], last


@dataclass(frozen=True)
class Domain:
    """What a path holds: inputs (n, ...), labels (n,) as text if there are any, names of a table's columns."""

    path: Path
    x: Any
    labels: np.ndarray | None
    columns: tuple[str, ...] = ()

    def numbers(self, classes: Sequence[str]) -> np.ndarray:
        """Labels (n,) int64 as places in ``classes``."""
        assert self.labels is not None
        order = {name: number for number, name in enumerate(classes)}
        return np.array([order[label] for label in self.labels.tolist()])


@dataclass(frozen=True)
class Pair:
    """Where the domains of a task are, and what must be known of them without reading them."""

    source: str
    target: str
    label: str
    digest: str
    classes: tuple[str, ...]
    backbone: str

    def read(self) -> tuple[Domain, Domain]:
        source, target = (read_domain(Path(path), self.label) for path in (self.source, self.target))
        if self.digest not in ("", _digest(source, target, self.label)):
            raise UserError(f"{source.path} or {target.path} has changed; give --source and --target again")
        return source, _in_order(target, source)


def enter(source: Path, target: Path, label: str) -> str:
    """Read and check two domains, and keep where they are; returns the task's name.

    Raises:
        UserError: a path that cannot be read, or domains that do not fit together.
    """
    if source.resolve() == target.resolve():
        raise UserError(f"{source}: source and target are the same")
    paths = (str(source.absolute()), str(target.absolute()))
    domains = Pair(*paths, label, digest="", classes=(), backbone="").read()
    classes, digest, backbone = _shared_classes(*domains), _digest(*domains, label), BACKBONES[domains[0].x.ndim]
    for domain in domains:
        if isinstance(domain.x, ImageFiles):
            backbone = IMAGE_FILES
            domain.x.open()  # an image that does not decode is told of now
    pair = Pair(*paths, label, digest, classes, backbone)
    name = "-".join(re.sub(r"[^\w.]+", "_", path.stem)[:40] for path in (source, target)) + f"-{digest[:12]}"
    path = _description(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(pair)))
    partial.replace(path)
    return f"own/{name}"


def read_like(task: str, path: Path) -> tuple[Any, np.ndarray | None]:
    """Further data for a model that was trained on ``own/task``.

    Returns:
        Inputs (n, ...) as that training saw them, columns in order and standardised alike; and labels (n,) int64,
        if there are any.
    """
    pair = _pair(task)
    source, _ = pair.read()
    domain = _in_order(read_domain(path, pair.label), source)
    (x,) = _standardised(source.x, [domain.x])
    if domain.labels is None:
        return x, None
    _known(domain, pair.classes)
    return x, domain.numbers(pair.classes)


def read_domain(path: Path, label: str) -> Domain:
    """What a path holds; labels may be missing.

    Raises:
        UserError: it cannot be read, is empty, or holds what cannot be trained on.
    """
    if path.is_dir():
        domain = _images(path)
    elif not path.is_file():
        raise UserError(f"{path}: there is no such file or folder")
    elif path.suffix in READERS:
        domain = READERS[path.suffix](path, label)
    else:
        raise UserError(f"{path}: expected an .npz, a .csv or a folder class/image")
    if not len(domain.x):
        raise UserError(f"{path}: it has no samples")
    if isinstance(domain.x, np.ndarray) and not np.isfinite(domain.x).all():
        place = np.argwhere(~np.isfinite(domain.x))[0]
        where = f"line {place[0] + 2}, column {domain.columns[place[1]]!r}" if domain.columns else f"x[{place[0]}]"
        raise UserError(f"{path}: {where} has NaN, infinity or nothing; mend it or leave it out")
    return domain


def _images(folder: Path) -> Domain:
    classes = class_names(folder)
    if not classes:
        return Domain(folder, ImageFiles(images_in(folder), name="own"), None)
    paths, y = read_folder(folder, classes)
    return Domain(folder, ImageFiles(paths, name="own"), np.array(classes)[y])


def _npz(path: Path, label: str) -> Domain:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: it is no .npz that can be read")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise UserError(f"{path}: it holds pickled objects, which could run code; save plain arrays") from None
        raise UserError(f"{path}: it is no .npz that can be read ({error})") from None
    if "x" not in arrays:
        raise UserError(f"{path}: it has no array x; it has {', '.join(arrays) or 'none'}")
    x = _inputs(path, arrays["x"])
    y = _label_texts(path, arrays["y"], len(x)) if "y" in arrays else None
    return Domain(path, x, y)


def _inputs(path: Path, x: np.ndarray) -> np.ndarray:
    """Images of bytes as (n, channels, height, width) uint8, everything else as float32."""
    if x.dtype.kind not in "fiub" or not 2 <= x.ndim <= 4:
        raise UserError(
            f"{path}: x is {x.dtype} of shape {x.shape}; it must be numbers (n, features), (n, channels, length) "
            "or (n, channels, height, width)"
        )
    if x.dtype != np.uint8 or x.ndim == 2:
        return x.astype(np.float32)
    if x.ndim == 4 and x.shape[1] not in (1, 3):
        raise UserError(f"{path}: images must be (n, 1 or 3 channels, height, width), not {x.shape}; transpose x")
    return x[:, None] if x.ndim == 3 else x


def _label_texts(path: Path, y: np.ndarray, size: int) -> np.ndarray:
    """Whole numbers from 0 on, or texts, as texts (n,)."""
    if y.shape != (size,):
        raise UserError(f"{path}: y has shape {y.shape}; it must be one label for each of the {size} samples")
    if y.dtype.kind in "US":
        return y.astype(str)
    if y.dtype.kind not in "fiub" or not (np.isfinite(y).all() and (y == y.astype(np.int64)).all()):
        raise UserError(f"{path}: labels must be whole numbers or texts; y is {y.dtype}")
    if size and y.min() < 0:
        raise UserError(
            f"{path}: label {y.min():g} is outside the range; labels are whole numbers from 0 on, or texts"
        )
    return y.astype(np.int64).astype(str)


def _csv(path: Path, label: str) -> Domain:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={label: str})
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: it is no .csv that can be read ({error})") from None
    labels = table.pop(label) if label in table else None
    if labels is not None and labels.isna().any():
        raise UserError(
            f"{path}: line {labels.isna().argmax() + 2} has no label in the column {label!r}; {LABELS}"
        )
    for name in table.columns:
        if len(table) and table[name].dtype.kind not in "fiub":
            hint = f"; if it is the label, say --label {name}" if labels is None else ""
            raise UserError(f"{path}: column {name!r} is not of numbers; encode it or leave it out{hint}")
    if table.shape[1] == 0:
        raise UserError(f"{path}: it has no column besides {label!r}")
    columns = tuple(map(str, table.columns))
    texts = None if labels is None else labels.to_numpy(str)
    return Domain(path, table.to_numpy(np.float32), texts, columns)


READERS = {".npz": _npz, ".csv": _csv}


def _in_order(domain: Domain, source: Domain) -> Domain:
    """A table's columns in the order of the source's.

    Raises:
        UserError: the domains have other columns, or inputs of another shape.
    """
    if source.columns and domain.columns:
        different = set(source.columns) ^ set(domain.columns)
        if different:
            names = ", ".join(map(repr, sorted(different)[:5]))
            raise UserError(
                f"{source.path} and {domain.path} do not have the same columns: {names} is in one only"
            )
        order = [domain.columns.index(name) for name in source.columns]
        domain = Domain(domain.path, domain.x[:, order], domain.labels, source.columns)
    if domain.x.shape[1:] != source.x.shape[1:] or domain.x.dtype != source.x.dtype:
        shapes = " and ".join(f"{one.x.dtype} {one.x.shape[1:]}" for one in (source, domain))
        raise UserError(f"{source.path} and {domain.path} have inputs of different size: {shapes}")
    return domain


def _shared_classes(source: Domain, target: Domain) -> tuple[str, ...]:
    """The classes, numbers in their order.

    Raises:
        UserError: no labels, a single class, or a class that only one of the domains has.
    """
    for domain in (source, target):
        if domain.labels is None:
            columns = f"; it has the columns {', '.join(domain.columns[:10])}" if domain.columns else ""
            how = (
                "name the column with --label" if domain.path.suffix == ".csv" else "add y, or folders class/image"
            )
            raise UserError(f"{domain.path}: it has no labels{columns}; {how}; {LABELS}")
    assert source.labels is not None
    found = set(source.labels.tolist())
    classes = sorted(found, key=int) if all(map(str.isdigit, found)) else sorted(found)
    _known(target, classes)
    assert target.labels is not None
    if missing := found - set(target.labels.tolist()):
        raise UserError(f"{target.path}: no sample of the class {min(missing)!r}, which {source.path} has")
    if len(classes) < 2:
        raise UserError(f"{source.path}: all samples are of the class {classes[0]!r}; it takes two")
    return tuple(classes)


def _known(domain: Domain, classes: Sequence[str]) -> None:
    assert domain.labels is not None
    if unknown := set(domain.labels.tolist()) - set(classes):
        known = nearest(min(unknown), classes)
        raise UserError(f"{domain.path}: the source has no class {known}")


def _standardised(source: Any, inputs: Sequence[Any]) -> list[Any]:
    """Inputs over mean and deviation of the source's training samples; images of bytes as they are."""
    if source.dtype == np.uint8:
        return list(inputs)
    train, _, _ = split(Samples(source, np.zeros(len(source), np.int64)))  # blind to labels
    axes = (0, *range(2, source.ndim))
    mean = source[train].mean(axes, keepdims=True, dtype=np.float64)
    deviation = source[train].std(axes, keepdims=True, dtype=np.float64)
    deviation[deviation == 0] = 1
    return [((x - mean) / deviation).astype(np.float32) for x in inputs]


def _digest(source: Domain, target: Domain, label: str) -> str:
    """Of the contents of both domains and, for tables, of the label's column; not of where they are."""
    digest = hashlib.sha256(label.encode() if source.columns else b"")
    for domain in (source, target):
        if isinstance(domain.x, ImageFiles):
            (squares,) = domain.x.sets
            for path, content in zip(squares.paths, squares.digests, strict=True):
                digest.update(f"\0{str(path).removeprefix(str(domain.path))}\0".encode() + content)
        else:
            digest.update(hashlib.sha256(content_of(domain.path)).digest())
    return digest.hexdigest()


def _description(name: str) -> Path:
    return files.cache() / "own" / f"{name}.json"


def _pair(task: str) -> Pair:
    """Where the domains of a task are.

    Raises:
        UserError: nobody has entered it here.
    """
    try:
        values = json.loads(_description(task).read_text())
    except (OSError, ValueError):
        raise UserError(f"own/{task}: not known here; give its --source and --target again") from None
    return Pair(**{**values, "classes": tuple(values["classes"])})

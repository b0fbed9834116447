"""Sets of image files that stand in for arrays: decoded when they are asked for, a batch at a time.

An image passes two steps, as in TLlib and CDAN: it is resized to a square of 256/224 of the side that networks
see, whatever its proportions (their ``ResizeImage(256)``), and a crop is taken of that square. The squares of a
set of up to ``CACHE_LIMIT`` bytes are kept in the cache folder, so that a second start decodes no file; larger
sets are decoded from their files each time. Both give the same bits.

A JPEG of twice the square's side or more is decoded at a half, a quarter or an eighth of its size, the smallest
that still holds the square: its format offers that, and it takes a third of the time. Pixels differ a little from
those of a full decode, and so this is a rule for every set, cached or not: a model sees in one new image what it
saw in training.

Networks see what a viewer shows: upright, the first picture of several, what is transparent on white, and 16 bits
a channel as 8. Colour profiles are not applied.
"""

import hashlib
import io
import os
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from benchmarks.core.escape import reason, shown
from benchmarks.core.randomness import generator
from benchmarks.core.settings import UserError
from datasets import files

if TYPE_CHECKING:
    from PIL import Image

SIDE = 224  # of images as networks see them, in pixels
CACHE_LIMIT = 2 * 10**9  # bytes of one set's squares: 10,172 images at side 224
SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # of torchvision's RandomResizedCrop
ATTEMPTS = 10  # at a crop that fits, before it takes the middle
DECODER = 4  # raise it when :func:`open_image` gives other pixels: what is cached was decoded by one of them
LARGEST = 2**30  # bytes of an image's file
# Pillow opens these by running a program, or only names them.
UNREAD = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
# By what their files begin with, they are not taken for anything else. Not TIFF: a camera's raw file is one, of
# which Pillow reads a thumbnail.
UNMISTAKABLE = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "WEBP")

File = Path | zipfile.Path  # one image file, on disk or in a zip

# What cannot be read is an error of ours; of an odd but readable file nobody need hear.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageFiles:
    """Images as ``Samples.x``: shape (n, 3, side, side), uint8, RGB. Indexing gives a subset and decodes nothing.

    Args:
        paths: of the images.
        side: of the images that networks see, in pixels.
        name: of the cached squares; shows in the cache folder.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, paths: Sequence[File], side: int = SIDE, name: str = "images") -> None:
        self.sets: tuple[SquareImages, ...] = (SquareImages(paths, round(side * 256 / 224), name),)
        self.which = np.zeros(len(paths), np.int64)  # the set that each image is of,
        self.position = np.arange(len(paths))  # and its place there
        self.side = side

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self), 3, self.side, self.side)

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, part: "np.ndarray | slice") -> "ImageFiles":
        return self._with(self.sets, self.which[part], self.position[part])

    def __iter__(self) -> Iterator[np.ndarray]:
        """Images (3, side, side) one by one, in the evaluation form."""
        for start in range(0, len(self), 256):
            yield from self.decode(np.arange(start, min(start + 256, len(self))))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of it in memory, in the evaluation form: for small sets."""
        return self.decode(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def copies(self) -> np.ndarray | None:
        """(n,) ids, equal for files of equal bytes: ``Samples.groups``, for a set as it was made.

        None where the set is too large for the cache: all of it would have to be read first.
        """
        (squares,) = self.sets
        return np.unique(squares.digests, return_inverse=True)[1] if squares.small else None

    @classmethod
    def concatenate(cls, parts: Iterable["ImageFiles"]) -> "ImageFiles":
        parts = list(parts)
        offsets = np.cumsum([0, *(len(part.sets) for part in parts)])
        which = [part.which + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
        sets = tuple(squares for part in parts for squares in part.sets)
        return parts[0]._with(sets, np.concatenate(which), np.concatenate([part.position for part in parts]))

    def whole_sets(self) -> "list[ImageFiles]":
        """Of each of ``sets``, all of its images in their order."""
        sizes = [len(squares.paths) for squares in self.sets]
        return [
            self._with((squares,), np.zeros(size, np.int64), np.arange(size))
            for squares, size in zip(self.sets, sizes, strict=True)
        ]

    def open(self) -> None:
        """Make or open the cached squares, of sets that are small enough for it."""
        for number in np.unique(self.which):
            self.sets[number].open()

    def decode(self, positions: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Images (k, 3, side, side) uint8 at some positions, over all cores.

        Args:
            seed: None for the evaluation form, the middle of the square. Otherwise training's: a random crop of 8
                to 100% of the square, resized, and mirrored half of the time (torchvision's RandomResizedCrop and
                RandomHorizontalFlip), a function of the seed and of the place in ``positions`` alone.

        Raises:
            UserError: a file that is no image.
        """

        for number in np.unique(self.which[positions]):
            self.sets[number].open()

        def one(place: int) -> np.ndarray:
            i = positions[place]
            square = self.sets[self.which[i]][self.position[i]]
            if seed is None:
                return _middle(square, self.side)
            return _augmented(square, self.side, generator(seed, "augmentation", place))

        made = np.empty((len(positions), 3, self.side, self.side), np.uint8)
        for place, image in enumerate(_pool().map(one, range(len(positions)))):
            made[place] = image.transpose(2, 0, 1)
        return made

    def _with(self, sets: "tuple[SquareImages, ...]", which: np.ndarray, position: np.ndarray) -> "ImageFiles":
        other = object.__new__(type(self))
        other.sets, other.which, other.position, other.side = sets, which, position, self.side
        return other


@overload
def concatenate(parts: Sequence[np.ndarray]) -> np.ndarray: ...
@overload
def concatenate(parts: Sequence[ImageFiles]) -> ImageFiles: ...
@overload
def concatenate(parts: Sequence[np.ndarray | ImageFiles]) -> np.ndarray | ImageFiles: ...
def concatenate(parts: Sequence[Any]) -> Any:
    """Arrays, or image files, one after the other."""
    return ImageFiles.concatenate(parts) if isinstance(parts[0], ImageFiles) else np.concatenate(parts)


class SquareImages:
    """The images of one set, each resized to a square (size, size, 3) uint8; from the cache where it may be."""

    def __init__(self, paths: Sequence[File], size: int, name: str) -> None:
        self.paths, self.size, self.name = list(paths), size, name
        self._lock = Lock()
        self._cached: np.ndarray | None = None

    @property
    def small(self) -> bool:
        """Whether the squares may be cached."""
        return len(self.paths) * self.size**2 * 3 <= CACHE_LIMIT

    @cached_property
    def digests(self) -> list[bytes]:
        """sha256 of each file."""
        return list(_pool().map(lambda path: hashlib.sha256(content_of(path)).digest(), self.paths))

    def open(self) -> None:
        """Make or open the cached squares, unless they are too many. Not in the pool's threads."""
        with self._lock:
            if self._cached is None and self.small:
                self._cached = self._from_cache()

    def __getitem__(self, i: int) -> np.ndarray:
        return self._decoded(i) if self._cached is None else self._cached[i]

    def _decoded(self, i: int) -> np.ndarray:
        return np.asarray(open_image(self.paths[i], self.size))

    def _from_cache(self) -> np.ndarray:
        """All squares (n, size, size, 3), memory-mapped."""
        shape = (len(self.paths), self.size, self.size, 3)
        return files.kept(f"{self.name}-{self.digest()}", shape, np.dtype(np.uint8), self._all)

    def _all(self) -> Iterator[np.ndarray]:
        # A chunk at a time: a pool's results would pile up in memory.
        for start in range(0, len(self.paths), 256):
            yield from _pool().map(self._decoded, range(start, min(start + 256, len(self.paths))))

    def digest(self) -> str:
        """16 hex digits over what the squares are made from: the files' bytes, their order, size and decoder."""
        import PIL

        digest = hashlib.sha256(f"{self.size} {PIL.__version__} {DECODER}".encode())
        digest.update(b"".join(self.digests))
        return digest.hexdigest()[:16]


def content_of(path: File) -> bytes:
    """A file's bytes, or a UserError that names it."""
    try:
        if not path.is_file():  # a pipe or a device would never end
            raise UserError(f"{shown(path)} is missing, or is no file")
        if isinstance(path, Path) and path.stat().st_size > LARGEST:
            raise UserError(f"{shown(path)} is larger than {LARGEST >> 30} GiB; an image or a list is not")
        return path.read_bytes()
    except UserError:
        raise
    except Exception as error:  # of the system, and of whatever a zip holds
        raise UserError(f"{shown(path)} cannot be read: {reason(error)}") from None


def open_image(path: File, square: int | None = None) -> "Image.Image":
    """An image file as a viewer shows it, in RGB.

    Args:
        square: the side of the square that it is resized to; None: it is as large as it is.

    Raises:
        UserError: it cannot be read, or is no image of a kind that can.
    """
    from PIL import Image, UnidentifiedImageError

    content = content_of(path)
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            reduced = square is not None and _reduced(image, square)
            image.load()
            upright = _on_white(_eight_bits(_upright(image)))
        if square is None:
            return upright
        # Of what came reduced, less than half is left to do: a filter of half the width is enough for that.
        kernel = Image.Resampling.HAMMING if reduced else Image.Resampling.BICUBIC
        return upright.resize((square, square), kernel)
    except Exception as error:  # Pillow's decoders raise whatever their parsers do
        why = f" ({reason(error)})" if not isinstance(error, UnidentifiedImageError) else ""
        raise UserError(f"{shown(path)} is no image that can be read{why}; fix or remove it") from None


def decoded(path: File, shape: tuple[int, ...]) -> np.ndarray:
    """One image as it is, (channels, height, width) uint8, grey or in colour as the shape says.

    Raises:
        UserError: no image, or one of another size.
    """
    channels, height, width = shape
    pixels = np.asarray(open_image(path).convert("RGB" if channels == 3 else "L"))
    if pixels.shape[:2] != (height, width):
        found = "x".join(map(str, pixels.shape[:2]))
        raise UserError(f"{shown(path)} is {found}, and must be {height}x{width}; resize it as the others were")
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


def is_image(path: File) -> bool:
    """Whether a file is taken for an image: by its ending, or by what it begins with."""
    from PIL import Image

    if PurePosixPath(path.name).suffix.lower() in _endings():
        return True
    try:
        with path.open("rb") as file, Image.open(file, formats=UNMISTAKABLE):
            return True
    except Exception:  # as above
        return False


@cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(sorted(set(Image.OPEN) - UNREAD))


@cache
def _endings() -> frozenset[str]:
    from PIL import Image

    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in _formats())


def _reduced(image: "Image.Image", square: int) -> bool:
    """Have a JPEG decoded at the smallest scale that holds a square; whether it is smaller than its size."""
    size = image.size
    image.draft(None, (square, square))
    return image.size != size


def _upright(image: "Image.Image") -> "Image.Image":
    """As its camera was held."""
    from PIL import ExifTags
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:  # not ImageOps.exif_transpose, which does not turn an image of which some other entry is broken
        turn = turns.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # viewers show an image whose EXIF is broken as it is
        turn = None
    return image if turn is None else image.transpose(turn)


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """Grey of 16 bits as 8, which Pillow would clip."""
    from PIL import Image

    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if values.dtype.kind == "f" or values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("more than 16 bits a channel; save it with 8")
        # A file of 32 bits does not say how many of them count.
        deep = image.mode != "I" or values.max() > 0xFF
        return Image.fromarray((values >> 8 if deep else values).astype(np.uint8))
    return image


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _middle(square: np.ndarray, side: int) -> np.ndarray:
    start = (len(square) - side) // 2
    return square[start : start + side, start : start + side]


def _augmented(square: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    from PIL import Image

    left, top, width, height = _random_crop(len(square), rng)
    crop = Image.fromarray(square[top : top + height, left : left + width])
    image = np.asarray(crop.resize((side, side), Image.Resampling.BILINEAR))
    return image[:, ::-1] if rng.random() < 0.5 else image


def _random_crop(size: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, width and height of a crop of a square, as torchvision's ``RandomResizedCrop.get_params``."""
    for _ in range(ATTEMPTS):
        area = size**2 * rng.uniform(*SCALE)
        ratio = np.exp(rng.uniform(*np.log(RATIO)))
        width, height = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < width <= size and 0 < height <= size:
            left, top = rng.integers(size - width + 1), rng.integers(size - height + 1)
            return int(left), int(top), width, height
    return 0, 0, size, size


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that decode; Pillow lets go of the interpreter's lock meanwhile."""
    return ThreadPoolExecutor(min(16, os.cpu_count() or 1), "decode")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a copy of this process has the pool, but not its threads

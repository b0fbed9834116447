"""The batches of a training: from the device's memory, or from files that a thread decodes ahead."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.core.protocol import Protocol
from benchmarks.core.randomness import BatchStream, key
from benchmarks.core.settings import UserError
from datasets import augment
from datasets.files.images import ImageFiles
from methods.base import Batch, Labelled, Sees, Side, Unlabelled

Stored = Tensor | ImageFiles
Part = Side | Literal["few"]  # of what training sees, with batches of its own
AHEAD = 100  # steps whose batches are drawn at once: each copy to a GPU waits for it


class Batches:
    """Source and target batches, pure functions of seed and step.

    Args:
        source, target, few: all that training sees, as tensors on the device or as files.

    Raises:
        UserError: an augmentation is asked for, and the inputs are no files.
    """

    def __init__(
        self,
        source: Labelled,
        target: Unlabelled,
        few: Labelled | None,
        protocol: Protocol,
        seed: int,
        device: torch.device,
    ) -> None:
        if protocol.augmentation != "none" and (isinstance(source.x, Tensor) or isinstance(target.x, Tensor)):
            raise UserError("protocol.augmentation is for images that are read from files; set it to none")
        self.source, self.target, self.few = source, target, few
        self.protocol, self.seed, self.device = protocol, seed, device
        self._streams: dict[tuple[Part, str], BatchStream] = {}
        self._drawn: dict[tuple[Part, str], tuple[int, Tensor]] = {}
        self._decoded: dict[tuple[Part, str, str], DecodedAhead] = {}

    def at(self, step: int, sees: Sees = "both", fresh: str = "", views: tuple[str, ...] = ("plain",)) -> Batch:
        """The batch of a step of the run, for a stage that sees one domain or both.

        Args:
            fresh: names a stream of its own, for an update that takes further samples in the same step.
            views: of the target's samples.
        """
        source = target = None
        if sees != "target":
            source = self._labelled("source", self.source, fresh, step)
        if sees != "source":
            i = self._indices("target", fresh, step)
            x = self._taken("target", fresh, step, i)
            seen = {name: x if name == "plain" else self._view(name, x, fresh, step) for name in views}
            target = Unlabelled(x, i, self.target.domain[i], seen)
        return Batch(source, target, self.few and self._labelled("few", self.few, fresh, step))

    def stream(self, part: Part, fresh: str = "") -> BatchStream:
        """Positions of a part's samples, step by step."""
        if (part, fresh) not in self._streams:
            self._streams[part, fresh] = self._new_stream(part, fresh)
        return self._streams[part, fresh]

    def inputs(self, x: Tensor) -> Tensor:
        """Stored inputs as networks take them: uint8 images scaled to [-1, 1]."""
        x = x.to(self.device)
        x = x.to(dtype(self.protocol)) / 127.5 - 1 if x.dtype == torch.uint8 else x.to(dtype(self.protocol))
        return x.to(memory_format=torch.channels_last) if x.ndim == 4 else x

    def _labelled(self, part: Part, samples: Labelled, fresh: str, step: int) -> Labelled:
        i = self._indices(part, fresh, step)
        return Labelled(self._taken(part, fresh, step, i), samples.y[i], i, samples.domain[i])

    def _view(self, name: str, plain: Tensor, fresh: str, step: int) -> Tensor:
        """Another view of the target samples whose plain one is given; files are cropped anew for it."""
        if isinstance(self.target.x, Tensor):
            x = augment.weak(plain, key(self.seed, f"views/{name}/weak{fresh}", step))
        else:
            x = self._read("target", self.target.x, fresh, step, f"views/{name}/crop{fresh}")
        distortion = key(self.seed, f"views/{name}/distortion{fresh}", step)
        return augment.distorted(x, distortion) if name == "strong" else x

    def _new_stream(self, part: Part, fresh: str) -> BatchStream:
        """For one reader: a stream keeps what it drew."""
        size = len(self._stored(part))
        # Of the few as well, since the id of a run without target batches does not hold their size.
        batch = self.protocol.target_batch if part == "target" else self.protocol.source_batch
        return BatchStream(self.seed, f"batches/{part}{fresh}", size, min(batch, size) if part == "few" else batch)

    def _stored(self, part: Part) -> Stored:
        return getattr(self, part).x

    def _indices(self, part: Part, fresh: str, step: int) -> Tensor:
        """Positions (batch,) of a step's samples, on the device."""
        block, place = divmod(step, AHEAD)
        if self._drawn.get((part, fresh), (None,))[0] != block:
            stream = self.stream(part, fresh)
            drawn = np.stack([stream[block * AHEAD + ahead] for ahead in range(AHEAD)])
            self._drawn[part, fresh] = block, torch.from_numpy(drawn).to(self.device)
        return self._drawn[part, fresh][1][place]

    def _taken(self, part: Part, fresh: str, step: int, index: Tensor) -> Tensor:
        x = self._stored(part)
        if isinstance(x, Tensor):
            return self.inputs(x.index_select(0, index))  # the bits of x[index], in less than half the time
        crops = "" if self.protocol.augmentation == "none" else f"augmentation/{part}{fresh}"
        return self._read(part, x, fresh, step, crops)

    def _read(self, part: Part, images: ImageFiles, fresh: str, step: int, crops: str) -> Tensor:
        """A step's images from their files: cropped at random, from the stream ``crops``, if it has a name."""
        if (part, fresh, crops) not in self._decoded:
            seed = partial(key, self.seed, crops) if crops else None
            self._decoded[part, fresh, crops] = DecodedAhead(images, self._new_stream(part, fresh), seed)
        return self.inputs(self._decoded[part, fresh, crops][step])


class DecodedAhead:
    """Batches (batch, 3, side, side) uint8 of image files, in the order of a stream, each decoded a step early.

    Args:
        seed: step to the seed of its augmentation; None: as for evaluation.
    """

    def __init__(self, images: ImageFiles, stream: BatchStream, seed: Callable[[int], int] | None) -> None:
        self.images, self.stream, self.seed = images, stream, seed
        self._thread = ThreadPoolExecutor(1, "decode-ahead")
        self._next: tuple[int, Future[np.ndarray]] | None = None

    def __getitem__(self, step: int) -> Tensor:
        ahead = self._next if self._next and self._next[0] == step else (step, self._decode(step))
        self._next = (step + 1, self._decode(step + 1))
        return torch.from_numpy(ahead[1].result())

    def _decode(self, step: int) -> "Future[np.ndarray]":
        # Here, not in the thread: a stream is for one reader.
        positions = self.stream[step]
        return self._thread.submit(self.images.decode, positions, self.seed and self.seed(step))


def dtype(protocol: Protocol) -> torch.dtype:
    """Of inputs and parameters."""
    return torch.float64 if protocol.precision == "float64" else torch.float32

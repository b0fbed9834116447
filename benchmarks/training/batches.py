"""The batches of a training: from the device's memory, or from files that a thread decodes ahead."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.core.protocol import Protocol
from benchmarks.core.randomness import BatchStream, key
from benchmarks.core.settings import UserError
from datasets.files.images import ImageFiles
from methods.base import Batch, Labelled, Sees, Side, Unlabelled

Stored = Tensor | ImageFiles
AHEAD = 100  # steps whose batches are drawn at once: each copy to a GPU waits for it


class Batches:
    """Source and target batches, pure functions of seed and step.

    Args:
        source, target: all that training sees, as tensors on the device or as files.

    Raises:
        UserError: an augmentation is asked for, and the inputs are no files.
    """

    def __init__(
        self, source: Labelled, target: Unlabelled, protocol: Protocol, seed: int, device: torch.device
    ) -> None:
        if protocol.augmentation != "none" and (isinstance(source.x, Tensor) or isinstance(target.x, Tensor)):
            raise UserError("protocol.augmentation is for images that are read from files; set it to none")
        self.source, self.target = source, target
        self.protocol, self.seed, self.device = protocol, seed, device
        self._streams: dict[tuple[Side, str], BatchStream] = {}
        self._drawn: dict[tuple[Side, str], tuple[int, Tensor]] = {}
        self._decoded: dict[tuple[Side, str], DecodedAhead] = {}

    def at(self, step: int, sees: Sees = "both", fresh: str = "") -> Batch:
        """The batch of a step of the run, for a stage that sees one domain or both.

        Args:
            fresh: names a stream of its own, for an update that takes further samples in the same step.
        """
        source = target = None
        if sees != "target":
            i = self._indices("source", fresh, step)
            source = Labelled(self._taken("source", fresh, step, i), self.source.y[i], i, self.source.domain[i])
        if sees != "source":
            i = self._indices("target", fresh, step)
            target = Unlabelled(self._taken("target", fresh, step, i), i, self.target.domain[i])
        return Batch(source, target)

    def stream(self, side: Side, fresh: str = "") -> BatchStream:
        """Positions of a domain's samples, step by step."""
        if (side, fresh) not in self._streams:
            self._streams[side, fresh] = self._new_stream(side, fresh)
        return self._streams[side, fresh]

    def inputs(self, x: Tensor) -> Tensor:
        """Stored inputs as networks take them: uint8 images scaled to [-1, 1]."""
        x = x.to(self.device)
        x = x.to(dtype(self.protocol)) / 127.5 - 1 if x.dtype == torch.uint8 else x.to(dtype(self.protocol))
        return x.to(memory_format=torch.channels_last) if x.ndim == 4 else x

    def _new_stream(self, side: Side, fresh: str) -> BatchStream:
        """For one reader: a stream keeps what it drew."""
        size = len(self.source.y if side == "source" else self.target.x)
        batch = self.protocol.source_batch if side == "source" else self.protocol.target_batch
        return BatchStream(self.seed, f"batches/{side}{fresh}", size, batch)

    def _indices(self, side: Side, fresh: str, step: int) -> Tensor:
        """Positions (batch,) of a step's samples, on the device."""
        block, place = divmod(step, AHEAD)
        if self._drawn.get((side, fresh), (None,))[0] != block:
            stream = self.stream(side, fresh)
            drawn = np.stack([stream[block * AHEAD + ahead] for ahead in range(AHEAD)])
            self._drawn[side, fresh] = block, torch.from_numpy(drawn).to(self.device)
        return self._drawn[side, fresh][1][place]

    def _taken(self, side: Side, fresh: str, step: int, index: Tensor) -> Tensor:
        x = self.source.x if side == "source" else self.target.x
        if isinstance(x, Tensor):
            return self.inputs(x.index_select(0, index))  # the bits of x[index], in less than half the time
        if (side, fresh) not in self._decoded:
            augmented = self.protocol.augmentation != "none"
            seed = partial(key, self.seed, f"augmentation/{side}{fresh}") if augmented else None
            self._decoded[side, fresh] = DecodedAhead(x, self._new_stream(side, fresh), seed)
        return self.inputs(self._decoded[side, fresh][step])


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

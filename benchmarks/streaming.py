"""Inputs as a training takes them: from the device's memory, or from files that a thread decodes ahead."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from benchmarks.randomness import BatchStream
from datasets.files.images import ImageFiles


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
        # Here, not in the thread: a stream keeps what it drew, and is not made for two readers.
        positions = self.stream[step]
        return self._thread.submit(self.images.decode, positions, self.seed and self.seed(step))

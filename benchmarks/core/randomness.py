"""Randomness as a pure function: every stream is found from the seed, its name and its counters alone.

Methods of one seed share initialisation and batch order, so their differences are paired; a new stream
shifts no other; and resuming needs no generator state.
"""

import hashlib

import numpy as np


def key(seed: int, stream: str, *counters: int) -> int:
    """A 63-bit seed for one use of one stream, independent of every other."""
    text = "/".join([str(seed), stream, *map(str, counters)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, stream: str, *counters: int) -> np.random.Generator:
    """A NumPy generator at :func:`key`."""
    return np.random.Generator(np.random.PCG64(key(seed, stream, *counters)))


class BatchStream:
    """Indices of batches: without end, each sample once per epoch, a pure function of the step.

    Args:
        seed, stream: where the order comes from; source and target never share a stream.
        size: number of samples.
        batch: samples a step; a batch may span two epochs.
    """

    def __init__(self, seed: int, stream: str, size: int, batch: int) -> None:
        self.seed, self.stream, self.size, self.batch = seed, stream, size, batch
        self._orders: dict[int, np.ndarray] = {}

    def epoch(self, step: int) -> int:
        """The epoch in which the batch of ``step`` begins."""
        return step * self.batch // self.size

    def __getitem__(self, step: int) -> np.ndarray:
        """Indices (batch,) int64 of a step."""
        position = np.arange(step * self.batch, (step + 1) * self.batch)
        epochs, places = position // self.size, position % self.size
        first = epochs[0]
        self._orders = {epoch: order for epoch, order in self._orders.items() if epoch >= first}
        return np.concatenate(
            [self._order(int(epoch))[places[epochs == epoch]] for epoch in range(first, epochs[-1] + 1)]
        )

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._orders:
            self._orders[epoch] = generator(self.seed, self.stream, epoch).permutation(self.size)
        return self._orders[epoch]

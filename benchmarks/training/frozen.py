"""Features of a frozen backbone, made once of each image and kept in the cache folder; the task that a run sees.

What is kept is named by what it is made from: the network and its weights, the data, how they reach the network,
the kind of device and PyTorch's version. So other weights or a changed image are never mistaken for it.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property, partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.core.settings import format_query, parse_query
from benchmarks.plan.spec import RunSpec
from datasets import files
from datasets.base import Inputs, Task, load_task
from datasets.files.images import ImageFiles
from methods.networks.backbones import ERRORS, build_trunk, unfit

CHUNK = 16  # inputs that are forwarded at once: with another number, last bits may differ
AT_ONCE = 4  # chunks in memory, at most
VERSION = 1  # raise it when the same network and data give other features


class FrozenBackbone:
    """The trunk of a pretrained backbone: inputs to features.

    Args:
        text: the backbone, as ``name?key=value``.
        device: where it is forwarded, by kind: cpu or cuda.

    Raises:
        UserError: it has no trained weights, or they are not on this machine.
    """

    def __init__(self, text: str, device: str) -> None:
        self.text, self.device = text, torch.device(device)
        self.net = build_trunk(text).to(self.device)

    def __call__(self, x: Inputs) -> np.ndarray:
        """Features (n, d) float32 of inputs (n, channels, height, width), from the cache folder where it has them.

        Raises:
            UserError: the network does not take such inputs, or the cache cannot be written.
        """
        if not isinstance(x, ImageFiles):
            digest = hashlib.sha256(f"{x.dtype.str} {x.shape}".encode())
            digest.update(np.ascontiguousarray(x).data)
            return self._kept(x, digest.hexdigest())
        sets = [self._kept(whole, f"{whole.sets[0].digest()} {whole.side}") for whole in x.whole_sets()]
        made = np.empty((len(x), sets[0].shape[1]), np.float32)
        for number, features in enumerate(sets):
            made[x.which == number] = features[x.position[x.which == number]]
        return made

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Features (n, d) of inputs as they are stored; grey images become images in colour."""
        x = x.to(self.device)
        x = x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x.float()
        if x.ndim == 4:
            x = (x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x).to(memory_format=torch.channels_last)
        try:
            return self.net.pooled(x)  # type: ignore[operator]
        except ERRORS as error:
            raise unfit(self.text, tuple(x.shape[1:]), error) from None

    @cached_property
    def digest(self) -> str:
        """64 hex digits over the network and its weights, wherever these are kept."""
        name, options = parse_query(self.text)
        kind = {key: value for key, value in options.items() if key not in ("weights", "width")}
        digest = hashlib.sha256(format_query(name, kind).encode())
        for key, value in self.net.state_dict().items():
            if not key.startswith("bottleneck."):
                digest.update(key.encode())
                digest.update(value.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def _kept(self, x: Inputs, data: str) -> np.ndarray:
        """Features of all of one set, whose digest is ``data``."""
        made_from = f"{VERSION} {CHUNK} {self.digest} {data} {self.device.type} {torch.__version__}"
        name = f"features-{hashlib.sha256(made_from.encode()).hexdigest()[:24]}"
        size = self.forward(torch.zeros(1, *x.shape[1:])).shape[1]
        return files.kept(name, (len(x), size), np.dtype(np.float32), partial(self._all, x))

    def _all(self, x: Inputs) -> Iterator[np.ndarray]:
        """Features (k, d), chunk after chunk. Each has one thread, and so the same bits on any number of cores."""
        threads = torch.get_num_threads()
        workers = min(AT_ONCE, os.cpu_count() or 1) if self.device.type == "cpu" else 1
        try:
            with ThreadPoolExecutor(workers, "features", partial(torch.set_num_threads, 1)) as pool:
                for start in range(0, len(x), CHUNK * workers):
                    starts = range(start, min(start + CHUNK * workers, len(x)), CHUNK)
                    yield from pool.map(partial(self._chunk, x), starts)
        finally:
            torch.set_num_threads(threads)

    def _chunk(self, x: Inputs, start: int) -> np.ndarray:
        part = np.array(x[start : start + CHUNK])
        return self.forward(torch.from_numpy(part)).cpu().numpy()


@cache
def frozen_backbone(text: str, device: str) -> FrozenBackbone:
    """One a process, since loading weights takes longer than a step."""
    return FrozenBackbone(text, device)


def task_for(spec: RunSpec, device: torch.device) -> Task:
    """The task of a spec as its method sees it: inputs, or what the frozen backbone makes of them."""
    protocol = spec.protocol
    return load_task(
        spec.task,
        transductive=protocol.scoring == "transductive",
        seed=spec.seed,
        through=frozen_backbone(protocol.backbone, device.type) if protocol.frozen else None,
    )

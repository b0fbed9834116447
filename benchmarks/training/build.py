"""A method with its networks built, as a spec and what training sees ask for them."""

import numpy as np
import torch

from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.training.loop import Trainer, to_device
from datasets.base import Task, TrainView
from datasets.files.images import ImageFiles
from methods.networks.build import Build


def new_trainer(spec: RunSpec, task: Task, view: TrainView, device: torch.device) -> Trainer:
    """The method of a spec with its networks built, ready to train on what it may see of a task."""
    protocol = spec.protocol
    build = Build(
        seed=spec.seed,
        input_shape=task.input_shape,
        n_classes=len(task.classes),
        source_size=len(view.source.y),
        backbone=protocol.backbone,
        head_layers=protocol.head_layers,
        discriminator_layers=protocol.discriminator_layers,
        discriminator_dropout=protocol.discriminator_dropout,
        initial_weights=protocol.initial_weights,
        channel_means=None if protocol.normalisation == "range" else _channel_means(view, protocol.normalisation),
        joint_forward=protocol.forward == "joint",
        autocast=protocol.precision == "bfloat16",
        compile=protocol.compile,
    )
    cls = METHODS.get(spec.method)
    method = cls(cls.settings.of_identity(spec.params, spec.method), build)
    return Trainer(to_device(method, device, protocol), view, protocol, spec.seed, device)


def _channel_means(view: TrainView, normalisation: str) -> tuple[float, ...]:
    """What is subtracted from images in [0, 1]: nothing, or the mean over all images that training sees."""
    total, pixels = np.zeros(view.source.x.shape[1]), 0
    for x in (view.source.x, view.target.x):
        if isinstance(x, ImageFiles) or x.dtype != np.uint8 or x.ndim != 4:
            what = "images in an array of uint8"
            raise UserError(f"protocol.normalisation={normalisation} is for {what}; set it to range")
        total += x.sum((0, 2, 3), dtype=np.float64)
        pixels += x[:, 0].size
    return tuple(total / pixels / 255) if normalisation == "channel_mean" else (0.0,) * len(total)

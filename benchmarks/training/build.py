"""A method with its networks built, as a spec and what training sees ask for them."""

import numpy as np
import torch

from benchmarks.core.facts import Facts, TrainFacts, counted_traits
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.training.loop import Trainer, to_device
from datasets.base import TrainView
from datasets.files.images import ImageFiles
from methods.base import Method
from methods.networks.build import Build


def facts_of(view: TrainView, known: Facts) -> TrainFacts:
    """The facts of what a run trains on, which for a reference is not what its task has for methods.

    Args:
        known: of the task: its classes and its objective. A reference on labels of target samples that are unknown
            has a class more.
    """
    unknown = bool((view.source.y == known.n_classes).any())
    n_sources, n_targets = (int(side.domain.max()) + 1 for side in (view.source, view.target))
    return TrainFacts(
        input_shape=view.source.x.shape[1:],
        n_classes=known.n_classes + unknown,
        objective=known.objective,
        n_sources=n_sources,
        n_targets=n_targets,
        traits=counted_traits(n_sources, n_targets, 0 if view.few is None else len(view.few.y)),
        source_size=len(view.source.y),
        target_size=len(view.target.x),
    )


def new_trainer(spec: RunSpec, facts: TrainFacts, view: TrainView, device: torch.device) -> Trainer:
    """The method of a spec, ready to train on a view and on nothing else."""
    normalisation = spec.protocol.normalisation
    means = None if normalisation == "range" else _channel_means(view, normalisation)
    if view.few and METHODS.get(spec.method).pools_few:
        view = view.pooled()
        facts = facts_of(view, facts)
    return Trainer(new_method(spec, facts, means, device), view, spec.protocol, spec.seed, device)


def new_method(
    spec: RunSpec, facts: TrainFacts, channel_means: tuple[float, ...] | None, device: torch.device
) -> Method:
    """The method of a spec with its networks built."""
    protocol = spec.protocol
    build = Build(
        seed=spec.seed,
        facts=facts,
        backbone=protocol.backbone,
        head_layers=protocol.head_layers,
        discriminator_layers=protocol.discriminator_layers,
        discriminator_dropout=protocol.discriminator_dropout,
        initial_weights=protocol.initial_weights,
        channel_means=channel_means,
        frozen=protocol.frozen,
        joint_forward=protocol.forward == "joint",
        autocast=protocol.precision == "bfloat16",
        compile=protocol.compile,
    )
    cls = METHODS.get(spec.method)
    method = cls(cls.settings.of_identity(spec.params, spec.method), build)
    return to_device(method, device, protocol)


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

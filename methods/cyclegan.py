"""A classifier on source images that CycleGAN (Zhu et al., ICCV 2017) has given the target's style."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from benchmarks.core.facts import Facts
from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import ALIGNING, METHODS, MethodInfo
from benchmarks.core.settings import UserError, param
from methods import base
from methods.base import Batch, Loss, Side, Stage, StageData, Update
from methods.losses.translation import cycle_loss, passing_loss, telling_loss
from methods.networks.build import Build
from methods.networks.translation import Generator, PatchDiscriminator, obstacle


class Params(base.Params):
    cycle: NonNegativeFloat = param(
        10.0, "weight λ of coming back to the image", low=1, high=100, log=True, source="section 4"
    )


@METHODS.register(
    "cyclegan",
    MethodInfo(
        "adversarial",
        2017,
        "ICCV",
        "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
        uses=(*ALIGNING, "gan"),
        display="CycleGAN",
    ),
)
class CycleGAN(base.Deep):
    """Generators to either style first; then the classifier learns source images, translated, by their labels.

    The discriminators see a batch a step; the paper's see one image, from a history of 50.
    """

    settings = Params
    params: Params
    translating: Tensor

    def __init__(self, params: Params, build: Build) -> None:
        super().__init__(params, build)
        if reason := obstacle(build.facts.input_shape):
            raise UserError(reason)
        generator, judge = (partial(net, build.facts.input_shape[0]) for net in (Generator, PatchDiscriminator))
        self.to_target = build.network(generator, "to_target", "gan")
        self.to_source = build.network(generator, "to_source", "gan")
        self.target_judge = build.network(judge, "target_judge", "gan")
        self.source_judge = build.network(judge, "source_judge", "gan")
        self.register_buffer("translating", torch.tensor(False))

    @classmethod
    def unsupported(cls, facts: Facts, protocol: Protocol) -> str | None:
        return "it takes images: set protocol.frozen=false" if protocol.frozen else obstacle(facts.input_shape)

    def stages(self) -> Sequence[Stage]:
        classify = [Update(self.classify, trains=("encoder.", "head."))]
        return [self.translation(), Stage("classify", classify, sees="source", begin=self.start_translating)]

    def translation(self) -> Stage:
        judge = Update(self.judge, trains=("target_judge.", "source_judge."))
        updates = [Update(self.generate, trains=("to_",)), judge]
        return Stage("translate", updates, begin=self.start)

    def start(self, data: StageData) -> None:
        """Before the first translation: raises a UserError for real numbers, which need not be in [-1, 1]."""
        if data.source and data.source.x.dtype != torch.uint8:
            raise UserError("it translates images of bytes, and these are real numbers: give them as uint8")

    def generate(self, batch: Batch, progress: Tensor) -> Loss:
        """Translations that pass for real images, and from which the way leads back (equation 3)."""
        source, target, as_target, as_source = self.both_ways(batch)
        passing = passing_loss(self.target_judge(as_target)) + passing_loss(self.source_judge(as_source))
        back = cycle_loss(self.to_source(as_target), source) + cycle_loss(self.to_target(as_source), target)
        terms = {"pass": passing, "cycle": self.params.cycle * back}
        return Loss(None, terms | self.consistency([(source, as_target), (target, as_source)]))

    def both_ways(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        assert batch.source is not None
        assert batch.target is not None
        source, target = batch.source.x, batch.target.x
        return source, target, self.to_target(source), self.to_source(target)

    def consistency(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """What else generators learn, from images with their translations."""
        return {}

    def judge(self, batch: Batch, progress: Tensor) -> Loss:
        """Both discriminators learn to tell real images from translations, through which no gradient goes."""
        with torch.no_grad():
            source, target, as_target, as_source = self.both_ways(batch)
        of_target = telling_loss(self.target_judge(target), self.target_judge(as_target))
        of_source = telling_loss(self.source_judge(source), self.source_judge(as_source))
        return Loss(None, {"judge": of_target + of_source})

    def start_translating(self, data: StageData) -> None:
        self.translating.fill_(True)

    def classify(self, batch: Batch, progress: Tensor) -> Loss:
        """The usual loss, the source's images being translated and keeping their labels."""
        assert batch.source is not None
        source = replace(batch.source, x=self.translated(batch.source.x))
        return self.loss(replace(batch, source=source), progress)

    @torch.no_grad()
    def translated(self, x: Tensor) -> Tensor:
        return self.to_target(x)

    def predict(self, x: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        if side == "source" and bool(self.translating):
            x = self.translated(x)
        return super().predict(x, side)

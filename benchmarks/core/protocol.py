"""The budget and conditions that every method of a table shares."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from benchmarks.core.settings import Settings, UserError, setting

# What no run needs more of: without limits a slip of the pen takes all memory, or a year, before it is noticed.
LARGEST_BATCH = 65_536
MOST_STEPS = 10**8
LARGEST_FACTOR = 1000.0  # of the steps

Layers = Annotated[tuple[Annotated[int, Field(gt=0, le=16_384)], ...], Field(max_length=32)]


@dataclass(frozen=True)
class StepsScale:
    """``truncate:0.3``: how many steps more or fewer, and what becomes of the schedules."""

    schedules: Literal["truncate", "compress"]
    factor: float

    @classmethod
    def parse(cls, text: str) -> "StepsScale":
        schedules, _, number = text.partition(":")
        try:
            factor = float(number)
        except ValueError:
            factor = 0.0
        if schedules not in ("truncate", "compress") or not 0 < factor <= LARGEST_FACTOR:
            raise UserError(
                f"--steps-scale {text!r}: expected truncate:FACTOR or compress:FACTOR, as truncate:0.3, "
                f"with a factor of at most {LARGEST_FACTOR:g}"
            )
        return cls(schedules, factor)  # type: ignore[arg-type]


class Protocol(Settings):
    """All of it is part of a run's identity. Stdlib and pydantic only."""

    backbone: str = setting("mlp", "name?key=value; see `list backbones`")
    head_layers: Layers = setting((), "hidden sizes of the classifier head")
    discriminator_layers: Layers = setting((500, 500), "hidden sizes of discriminators")
    discriminator_dropout: float = setting(0.0, "between the layers of discriminators", before=0.0, ge=0, lt=1)
    initial_weights: Literal["pytorch", "glorot", "truncated_normal"] = setting(
        "pytorch",
        "of convolutions and linear layers; pytorch: as the network has them; glorot: uniform, biases "
        "0 (Keras, TF-Slim); truncated_normal: deviation 0.1, cut off at 0.2, biases 0.1 (TensorFlow's tutorials)",
        before="pytorch",
    )
    optimizer: Literal["adam", "sgd", "adagrad"] = setting("adam", "the rule of a step")
    momentum: float = setting(0.9, "of sgd, by Nesterov's rule", before=0.9, ge=0, lt=1)
    lr_backbone: float = setting(1e-3, "learning rate of encoders", gt=0)
    lr_new: float = setting(1e-3, "learning rate of heads", gt=0)
    lr_adversary: float = setting(1e-3, "learning rate of discriminators and critics", gt=0)
    lr_finetune: float = setting(0.1, "factor for stages that start from a trained encoder", gt=0)
    beta1_finetune: float = setting(0.9, "of adam in those stages; 0.9 in all others", before=0.9, ge=0, lt=1)
    weight_decay: float = setting(5e-4, "of all trained weights", ge=0)
    schedule: Literal["constant", "inverse", "steps"] = setting(
        "inverse",
        "inverse: lr / (1 + 10 p)^0.75, p the stage's progress (JMLR 2016, section 5.2.2); "
        "steps: times `decay` every `decay_steps`",
    )
    decay: float = setting(0.5, "factor of the schedule `steps`", before=0.5, gt=0, le=1)
    decay_steps: int = setting(1000, "steps of a stage between two decays", before=1000, ge=1, le=MOST_STEPS)
    decay_adversary: bool = setting(True, "the schedule holds for discriminators and critics too", before=True)
    steps: int = setting(500, "drawn pairs of batches; stages share them", ge=1, le=MOST_STEPS)
    horizon: int | None = setting(
        None,
        "steps over which progress, and so λ and `inverse`, go from 0 to 1; default: steps",
        before=None,
        ge=1,
        le=MOST_STEPS,
    )
    stopping: Literal["last", "source_val", "source_val_latest"] = setting(
        "last",
        "the model kept: of the last step, or of the last stage's epoch with the best accuracy on "
        "the source's validation samples, the first or (JMLR 2016's code) the latest of equals",
        before="last",
    )
    patience: int | None = setting(
        None,
        "if early: epochs after which training ends, or half as many again as the best took, "
        "if that is more (JMLR 2016's code); default: it goes on to the last step",
        before=None,
        ge=1,
        le=MOST_STEPS,
    )
    source_batch: int = setting(64, "labelled samples of a step", ge=1, le=LARGEST_BATCH)
    target_batch: int = setting(64, "unlabelled samples of a step", ge=1, le=LARGEST_BATCH)
    forward: Literal["joint", "separate"] = setting("joint", "the two domains through the encoder")
    scoring: Literal["inductive", "transductive"] = setting(
        "inductive", "target samples scored: unseen ones, or those used unlabelled in training"
    )
    augmentation: Literal["none", "standard"] = setting(
        "none",
        "of images read from files; standard: random resized crop and horizontal flip",
        before="none",
    )
    normalisation: Literal["range", "unit", "channel_mean"] = setting(
        "range",
        "of images in an array; range: [-1, 1]; unit: [0, 1]; channel_mean: that less the mean of "
        "each channel over the training images of both domains",
        before="range",
    )
    checkpoints: int = setting(10, "evenly spaced; the last is the last step", ge=1, le=1000)
    precision: Literal["float32", "float64", "bfloat16"] = setting(
        "float32",
        "of networks and losses; bfloat16: autocast around encoders and heads, all else float32",
    )
    threads: int = setting(1, "CPU threads of one run", ge=1, le=1024)
    compile: bool = setting(False, "torch.compile the networks", before=False)
    deterministic: bool = setting(True, "only kernels that repeat to the bit, where they exist", before=True)

    def scaled(self, scale: StepsScale) -> "Protocol":
        """With another number of steps: schedules as they were and cut short, or squeezed with them.

        Raises:
            UserError: more steps than any run may have.
        """
        steps = max(1, round(self.steps * scale.factor))
        if scale.schedules == "truncate":
            return self.replace({"steps": steps, "horizon": self.horizon or self.steps}, "--steps-scale: protocol")
        horizon = self.horizon and max(1, round(self.horizon * scale.factor))
        decay_steps = max(1, round(self.decay_steps * scale.factor))
        scaled = {"steps": steps, "horizon": horizon, "decay_steps": decay_steps}
        return self.replace(scaled, "--steps-scale: protocol")

    def checkpoint_steps(self) -> list[int]:
        """Numbers of finished steps at which outputs are saved."""
        count = min(self.checkpoints, self.steps)
        return [round((i + 1) * self.steps / count) for i in range(count)]

    def smaller_batches(self) -> str:
        """What to try where memory is short."""
        source, target = max(2, self.source_batch // 2), max(2, self.target_batch // 2)
        sizes = f"--set protocol.source_batch={source} --set protocol.target_batch={target}"
        return f"try {sizes}, or fewer runs at a time"

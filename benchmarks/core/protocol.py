"""The budget and conditions that every method of a table shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from benchmarks.core.settings import Settings, UserError

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

    later: ClassVar[Mapping[str, Any]] = {
        "compile": False,
        "deterministic": True,
        "discriminator_dropout": 0.0,
        "momentum": 0.9,
        "decay": 0.5,
        "decay_steps": 1000,
        "decay_adversary": True,
        "horizon": None,
        "stopping": "last",
        "patience": None,
        "augmentation": "none",
        "normalisation": "range",
        "beta1_finetune": 0.9,
        "initial_weights": "pytorch",
    }
    backbone: str = Field("mlp", description="name?key=value; see `list backbones`")
    head_layers: Layers = Field((), description="hidden sizes of the classifier head")
    discriminator_layers: Layers = Field((500, 500), description="hidden sizes of discriminators")
    discriminator_dropout: float = Field(0.0, ge=0, lt=1, description="between the layers of discriminators")
    initial_weights: Literal["pytorch", "glorot", "truncated_normal"] = Field(
        "pytorch",
        description="of convolutions and linear layers; pytorch: as the network has them; glorot: uniform, biases "
        "0 (Keras, TF-Slim); truncated_normal: deviation 0.1, cut off at 0.2, biases 0.1 (TensorFlow's tutorials)",
    )
    optimizer: Literal["adam", "sgd", "adagrad"] = "adam"
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd, by Nesterov's rule")
    lr_backbone: float = Field(1e-3, gt=0, description="learning rate of encoders")
    lr_new: float = Field(1e-3, gt=0, description="learning rate of heads")
    lr_adversary: float = Field(1e-3, gt=0, description="learning rate of discriminators and critics")
    lr_finetune: float = Field(0.1, gt=0, description="factor for stages that start from a trained encoder")
    beta1_finetune: float = Field(0.9, ge=0, lt=1, description="of adam in those stages; 0.9 in all others")
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Literal["constant", "inverse", "steps"] = Field(
        "inverse",
        description="inverse: lr / (1 + 10 p)^0.75, p the stage's progress (JMLR 2016, section 5.2.2); "
        "steps: times `decay` every `decay_steps`",
    )
    decay: float = Field(0.5, gt=0, le=1, description="factor of the schedule `steps`")
    decay_steps: int = Field(1000, ge=1, le=MOST_STEPS, description="steps of a stage between two decays")
    decay_adversary: bool = Field(True, description="the schedule holds for discriminators and critics too")
    steps: int = Field(500, ge=1, le=MOST_STEPS, description="drawn pairs of batches; stages share them")
    horizon: int | None = Field(
        None,
        ge=1,
        le=MOST_STEPS,
        description="steps over which progress, and so λ and `inverse`, go from 0 to 1; default: steps",
    )
    stopping: Literal["last", "source_val", "source_val_latest"] = Field(
        "last",
        description="the model kept: of the last step, or of the last stage's epoch with the best accuracy on "
        "the source's validation samples, the first or (JMLR 2016's code) the latest of equals",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=MOST_STEPS,
        description="if early: epochs after which training ends, or half as many again as the best took, "
        "if that is more (JMLR 2016's code); default: it goes on to the last step",
    )
    source_batch: int = Field(64, ge=1, le=LARGEST_BATCH)
    target_batch: int = Field(64, ge=1, le=LARGEST_BATCH)
    forward: Literal["joint", "separate"] = Field("joint", description="the two domains through the encoder")
    scoring: Literal["inductive", "transductive"] = Field(
        "inductive", description="target samples scored: unseen ones, or those used unlabelled in training"
    )
    augmentation: Literal["none", "standard"] = Field(
        "none", description="of images read from files; standard: random resized crop and horizontal flip"
    )
    normalisation: Literal["range", "unit", "channel_mean"] = Field(
        "range",
        description="of images in an array; range: [-1, 1]; unit: [0, 1]; channel_mean: that less the mean of "
        "each channel over the training images of both domains",
    )
    checkpoints: int = Field(10, ge=1, le=1000, description="evenly spaced; the last is the last step")
    precision: Literal["float32", "float64", "bfloat16"] = Field(
        "float32",
        description="of networks and losses; bfloat16: autocast around encoders and heads, all else float32",
    )
    threads: int = Field(1, ge=1, le=1024, description="CPU threads of one run")
    compile: bool = Field(False, description="torch.compile the networks")
    deterministic: bool = Field(True, description="only kernels that repeat to the bit, where there are such")

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

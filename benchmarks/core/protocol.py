"""The budget and conditions that every method of a table shares."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator

from benchmarks.core.settings import Choice, OneOf, Settings, UserError, number, setting

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
        schedules, _, written = text.partition(":")
        factor = number(written) or 0.0
        if schedules not in ("truncate", "compress") or not 0 < factor <= LARGEST_FACTOR:
            raise UserError(
                f"--steps-scale {text!r}: expected truncate:FACTOR or compress:FACTOR, as truncate:0.3, "
                f"with a factor of at most {LARGEST_FACTOR:g}"
            )
        return cls(schedules, factor)  # type: ignore[arg-type]


# Parts that settings are about, by the names of ``MethodInfo.uses``: a setting counts where any of them is used.
NETWORKS = ("backbone", "new", "adversary", "gan")


class Adam(Choice):
    name = "adam"
    beta1_finetune: float = setting(
        0.9, "in stages that finetune; 0.9 in all others", ge=0, lt=1, of=("finetune",)
    )
    beta1_gan: float = setting(
        0.5, "of image translators and their discriminators, as in CycleGAN", ge=0, lt=1, of=("gan",)
    )

    def betas(self, role: str, *, finetunes: bool) -> tuple[float, float]:
        """Of networks of a role, in a stage that finetunes or in another."""
        return (self.beta1_gan if role == "gan" else self.beta1_finetune if finetunes else 0.9), 0.999


class SGD(Choice):
    name = "sgd"
    momentum: float = setting(0.9, "by Nesterov's rule", ge=0, lt=1)


class Adagrad(Choice):
    name = "adagrad"


class Constant(Choice):
    """Learning rates that stay."""

    name = "constant"

    def decays(self, role: str) -> bool:
        """Whether the schedule holds for networks of a role."""
        return False

    def squeezed(self, factor: float) -> Self:
        """For so many times as many steps."""
        return self


class Inverse(Constant):
    """lr / (1 + 10 p)^0.75, p the stage's progress (JMLR 2016, section 5.2.2)."""

    name = "inverse"
    adversary: bool = setting(True, "it holds for discriminators and critics too", of=("adversary",))

    def decays(self, role: str) -> bool:
        return role != "adversary" or self.adversary


class Steps(Inverse):
    name = "steps"
    factor: float = setting(0.5, "of the learning rates at each decay", gt=0, le=1)
    every: int = setting(1000, "steps of a stage between two decays", ge=1, le=MOST_STEPS)

    def squeezed(self, factor: float) -> Self:
        return self.replace({"every": max(1, round(self.every * factor))}, "--steps-scale: schedule")


class Last(Choice):
    """The model of the last step is kept."""

    name = "last"
    kept: ClassVar[str] = "last step"


class SourceVal(Choice):
    """Kept is the model of the last stage's epoch with the best accuracy on the source's validation samples."""

    name = "source_val"
    patience: int | None = setting(
        None,
        "epochs after which training ends, or half as many again as the best took, if that is more "
        "(JMLR 2016's code); default: it goes on to the last step",
        ge=1,
        le=MOST_STEPS,
    )
    ties: Literal["first", "latest"] = setting("first", "which of equals; latest: as in JMLR 2016's code")

    @property
    def kept(self) -> str:
        return f"{'last' if self.ties == 'latest' else 'first'} epoch with the best source validation accuracy"


class Protocol(Settings):
    """What it says of the parts that a method uses is part of its runs' identity. Stdlib and pydantic only."""

    backbone: str = setting("mlp", "name?key=value; see `list backbones`", of=("backbone",))
    frozen: bool = setting(
        False,
        "the pretrained backbone sees each image once, and its features are kept in the cache folder; what trains "
        "is a bottleneck (linear, batch norm, ReLU) and the head",
        before=False,
    )
    head_layers: Layers = setting((), "hidden sizes of the classifier head", of=("new",))
    discriminator_layers: Layers = setting((500, 500), "hidden sizes of discriminators", of=("adversary",))
    discriminator_dropout: float = setting(
        0.0, "between the layers of discriminators", before=0.0, ge=0, lt=1, of=("adversary",)
    )
    initial_weights: Literal["pytorch", "glorot", "truncated_normal"] = setting(
        "pytorch",
        "of convolutions and linear layers; pytorch: as the network has them; glorot: uniform, biases "
        "0 (Keras, TF-Slim); truncated_normal: deviation 0.1, cut off at 0.2, biases 0.1 (TensorFlow's tutorials)",
        before="pytorch",
        of=NETWORKS,
    )
    optimizer: OneOf[Adam | SGD | Adagrad] = setting(
        Adam(), "adam?beta1_finetune=&beta1_gan=, sgd?momentum=, or adagrad", of=NETWORKS
    )
    lr_backbone: float = setting(1e-3, "learning rate of encoders", gt=0, of=("backbone",))
    lr_new: float = setting(1e-3, "learning rate of heads", gt=0, of=("new",))
    lr_adversary: float = setting(1e-3, "learning rate of discriminators and critics", gt=0, of=("adversary",))
    lr_gan: float = setting(
        1e-3,
        "learning rate of image translators and their discriminators; CycleGAN's 2e-4 takes some 100,000 steps",
        gt=0,
        of=("gan",),
    )
    lr_finetune: float = setting(
        0.1, "factor for networks that an earlier stage has trained", gt=0, of=("finetune",)
    )
    weight_decay: float = setting(5e-4, "of all trained weights", ge=0, of=NETWORKS)
    schedule: OneOf[Constant | Inverse | Steps] = setting(
        Inverse(),
        "of learning rates: constant, inverse?adversary=, or steps?factor=&every=&adversary=",
        of=NETWORKS,
    )
    steps: int = setting(500, "drawn pairs of batches of a stage", ge=1, le=MOST_STEPS)
    horizon: int | None = setting(
        None,
        "steps over which progress, and so λ and `inverse`, go from 0 to 1; default: steps",
        before=None,
        ge=1,
        le=MOST_STEPS,
        of=NETWORKS,
    )
    stopping: OneOf[Last | SourceVal] = setting(
        Last(), "which model is kept: last, or source_val?patience=&ties=first or latest"
    )
    source_batch: int = setting(
        64,
        "labelled samples of a step, and of shots",
        ge=1,
        le=LARGEST_BATCH,
        of=NETWORKS,
    )
    target_batch: int = setting(64, "unlabelled samples of a step", ge=1, le=LARGEST_BATCH, of=("target",))
    forward: Literal["joint", "separate"] = setting("joint", "the two domains through the encoder", of=("target",))
    scoring: Literal["inductive", "transductive"] = setting(
        "inductive", "target samples scored: unseen ones, or those used unlabelled in training"
    )
    augmentation: Literal["none", "standard"] = setting(
        "none",
        "of images read from files; standard: random resized crop and horizontal flip",
        before="none",
        of=NETWORKS,
    )
    normalisation: Literal["range", "unit", "channel_mean"] = setting(
        "range",
        "of images in an array; range: [-1, 1]; unit: [0, 1]; channel_mean: that less the mean of "
        "each channel over the training images of both domains",
        before="range",
        of=("backbone",),
    )
    checkpoints: int = setting(10, "evenly spaced over all stages; the last is the last step", ge=1, le=1000)
    precision: Literal["float32", "float64", "bfloat16"] = setting(
        "float32",
        "of networks and losses; bfloat16: autocast around encoders and heads, all else float32",
    )
    threads: int = setting(1, "CPU threads of one run", ge=1, le=1024)
    compile: bool = setting(False, "torch.compile the networks", before=False, of=NETWORKS)
    deterministic: bool = setting(True, "only kernels that repeat to the bit, where they exist", before=True)

    @field_validator("horizon")
    @classmethod
    def _none_if_it_is_the_training(cls, horizon: int | None, info: ValidationInfo) -> int | None:
        """One value for one meaning."""
        return None if horizon == info.data.get("steps") else horizon

    def identity(self, uses: Collection[str] | None = None) -> dict[str, Any]:
        """As of all settings; a frozen backbone counts for every method, since its features are the inputs."""
        return super().identity(uses) | ({"backbone": self.backbone} if self.frozen else {})

    def scaled(self, scale: StepsScale) -> "Protocol":
        """With another number of steps: schedules as they were and cut short, or squeezed with them.

        Raises:
            UserError: more steps than any run may have.
        """
        steps = max(1, round(self.steps * scale.factor))
        if scale.schedules == "truncate":
            return self.replace({"steps": steps, "horizon": self.horizon or self.steps}, "--steps-scale: protocol")
        horizon = self.horizon and max(1, round(self.horizon * scale.factor))
        scaled = {"steps": steps, "horizon": horizon, "schedule": self.schedule.squeezed(scale.factor)}
        return self.replace(scaled, "--steps-scale: protocol")

    def checkpoint_steps(self, total: int) -> list[int]:
        """Numbers of finished steps at which outputs are saved, of a run that takes ``total`` in all stages."""
        count = min(self.checkpoints, self.steps, total)
        return [round((i + 1) * total / count) for i in range(count)]

    def smaller_batches(self) -> str:
        """What to try where memory is short."""
        source, target = max(2, self.source_batch // 2), max(2, self.target_batch // 2)
        sizes = f"--set protocol.source_batch={source} --set protocol.target_batch={target}"
        return f"try {sizes}, or fewer runs at a time"

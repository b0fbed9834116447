"""The budget and conditions that every method of a table shares."""

from typing import Any, Literal

from pydantic import Field

from benchmarks.settings import Settings


class Protocol(Settings):
    """All of it is part of a run's identity. Stdlib and pydantic only."""

    backbone: str = Field("mlp", description="name?key=value; see `list backbones`")
    head_layers: tuple[int, ...] = Field((), description="hidden sizes of the classifier head")
    discriminator_layers: tuple[int, ...] = Field((500, 500), description="hidden sizes of discriminators")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="sgd has Nesterov momentum 0.9")
    lr_backbone: float = Field(1e-3, gt=0, description="learning rate of encoders")
    lr_new: float = Field(1e-3, gt=0, description="learning rate of heads")
    lr_adversary: float = Field(1e-3, gt=0, description="learning rate of discriminators and critics")
    lr_finetune: float = Field(0.1, gt=0, description="factor for stages that start from a trained encoder")
    weight_decay: float = Field(5e-4, ge=0)
    schedule: Literal["constant", "inverse"] = Field(
        "inverse",
        description="inverse: lr / (1 + 10 p)^0.75, p the stage's progress (JMLR 2016, section 5.2.2)",
    )
    steps: int = Field(500, ge=1, description="drawn pairs of batches; stages share them")
    source_batch: int = Field(64, ge=2)
    target_batch: int = Field(64, ge=2)
    forward: Literal["joint", "separate"] = Field("joint", description="the two domains through the encoder")
    scoring: Literal["inductive", "transductive"] = Field(
        "inductive", description="target samples scored: unseen ones, or those used unlabelled in training"
    )
    checkpoints: int = Field(10, ge=1, description="evenly spaced; the last is the last step")
    precision: Literal["float32", "float64", "bfloat16"] = Field(
        "float32",
        description="of networks and losses; bfloat16: autocast around encoders and heads, all else float32",
    )
    threads: int = Field(1, ge=1, description="CPU threads of one run")
    compile: bool = Field(False, description="torch.compile the networks")
    deterministic: bool = Field(True, description="only kernels that repeat to the bit, where there are such")

    def identity(self) -> dict[str, Any]:
        """What a run's id hashes. Fields that came after the first records count only where they are set."""
        values = self.model_dump(mode="json")
        later = {name: Protocol.model_fields[name].default for name in ("compile", "deterministic")}
        return {name: value for name, value in values.items() if name not in later or value != later[name]}

    def checkpoint_steps(self) -> list[int]:
        """Numbers of finished steps at which outputs are saved."""
        count = min(self.checkpoints, self.steps)
        return [round((i + 1) * self.steps / count) for i in range(count)]

    def smaller_batches(self) -> str:
        """What to try where memory is short."""
        source, target = max(2, self.source_batch // 2), max(2, self.target_batch // 2)
        sizes = f"--set protocol.source_batch={source} --set protocol.target_batch={target}"
        return f"try {sizes}, or fewer runs at a time"

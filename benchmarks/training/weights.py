"""The file of a run's trained weights, kept with its record where that is asked for."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from benchmarks.core import atomic
from benchmarks.core.facts import TrainFacts
from benchmarks.core.objective import OBJECTIVES, Objective
from benchmarks.core.reading import parse_json
from benchmarks.core.settings import Settings, UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import WEIGHTS, Record
from benchmarks.training.frozen import frozen_backbone
from benchmarks.training.loop import Trainer, on_device
from datasets.base import Inputs, Preprocessing, Task, load_task, preprocessing_of
from datasets.files.images import ImageFiles

SOURCE_VAL = "source_val.logits"  # a tensor beside the weights
AGAIN = "delete it and run again with --save-weights"
InputKind = Literal["float32", "uint8", "files"]


def input_kind(x: Inputs) -> InputKind:
    """What a model is trained on, as its signature has it."""
    if isinstance(x, ImageFiles):
        return "files"
    return "uint8" if x.dtype == np.uint8 else "float32"


class Trunk(Settings):
    """A frozen backbone's: its weights are not kept with each model, but known again.

    Attributes:
        digest: of the network and its weights.
        input_shape: of one sample, before features are made of it.
    """

    digest: str
    input_shape: tuple[int, ...]


class Signature(Settings):
    """What networks are built for, besides what a spec says: with both, they can be built without the data.

    Attributes:
        facts: of the samples that it was trained on.
        classes: their names, in the order of the logits.
        inputs: float32; uint8 for images in an array; files for images that are resized when they are read.
        preprocessing: what new data must pass before the model takes them; None: nothing.
        trunk: of a model on a frozen backbone, what comes before it.
    """

    facts: TrainFacts
    classes: tuple[str, ...]
    inputs: InputKind
    preprocessing: Preprocessing | None
    trunk: Trunk | None = None

    @property
    def objective(self) -> Objective:
        """What is learnt of the task's classes."""
        return OBJECTIVES[self.facts.objective](len(self.classes))

    @property
    def open(self) -> bool:
        """Whether a sample may be unknown."""
        return self.objective.n_labels > len(self.classes)


def write(folder: Path, trainer: Trainer, spec: RunSpec, task: Task) -> None:
    """Keep the model as it was evaluated, and what is needed to build it again without the data."""
    # Clones: the format refuses tensors that share memory, or that are not laid out row by row.
    tensors = {
        name: tensor.cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in trainer.method.state_dict().items()
    }
    x, trunk = task.train_view().target.x, None
    if spec.protocol.frozen:
        x = load_task(spec.task, seed=spec.seed).train_view().target.x
        frozen = frozen_backbone(spec.protocol.backbone, trainer.device.type)
        trunk = Trunk(digest=frozen.digest, input_shape=x.shape[1:])
    signature = Signature(
        facts=trainer.method.facts,
        classes=task.classes,
        inputs=input_kind(x),
        preprocessing=preprocessing_of(spec.task, spec.seed),
        trunk=trunk,
    )
    if signature.open:  # by how sure it is of these it finds others unknown
        source_val = on_device(task.evaluation_view().source_val.x, torch.device("cpu"))
        tensors[SOURCE_VAL] = trainer.outputs(source_val, "source")[1].float().cpu().contiguous()
    with atomic.writing(folder / WEIGHTS) as file:
        file.write(save(tensors, {"model": signature.model_dump_json()}))


def read(folder: Path) -> tuple[Signature, dict[str, Tensor]]:
    """The weights of a record.

    Raises:
        UserError: it has none, or the file is truncated, or is not as the run wrote it.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(f"the record {folder} has no weights; do its run again with --save-weights")
    Record(folder).check(WEIGHTS)
    try:
        with safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})["model"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        return Signature.model_validate(about), state
    except ValidationError:
        raise UserError(f"{path} is of another version of this program; {AGAIN}") from None
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as error:
        raise UserError(f"{path} is truncated, or no file of weights ({error}); {AGAIN}") from None

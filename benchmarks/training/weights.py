"""The file of a run's trained weights, kept with its record where that is asked for."""

import json
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from benchmarks.core import atomic
from benchmarks.core.reading import parse_json
from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import Settings, UserError
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import WEIGHTS, Record
from benchmarks.training.loop import Trainer
from datasets.base import Preprocessing, Task, resolve
from datasets.files.images import ImageFiles


class Signature(Settings):
    """What networks are built for, besides what a spec says: with both, they can be built without the data.

    Attributes:
        preprocessing: what new data must pass before the model takes them; None: nothing, or an older record.
        inputs: float32; uint8 for images in an array; files for images that are resized when they are read; None
            where a record does not say.
    """

    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    source_size: int
    inputs: Literal["float32", "uint8", "files"] | None = None
    preprocessing: Preprocessing | None = None


def write(folder: Path, trainer: Trainer, spec: RunSpec, task: Task) -> None:
    """Keep the model as it was evaluated, and what is needed to build it again without the data."""
    # Clones: the format refuses tensors that share memory, or that are not laid out row by row.
    tensors = {
        name: tensor.cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in trainer.method.state_dict().items()
    }
    x, known = task.train_view().target.x, resolve(spec.task)
    family = DATASETS.get(known.family)()
    options = family.options(known.task).of_identity(known.options, known.name)
    preprocessing = family.preprocessing(known.task, options)
    about = {
        "input_shape": task.input_shape,
        "classes": task.classes,
        "source_size": len(trainer.source.y),
        "inputs": "files" if isinstance(x, ImageFiles) else str(x.dtype),
        "preprocessing": preprocessing and preprocessing.model_dump(mode="json"),
    }
    with atomic.writing(folder / WEIGHTS) as file:
        file.write(save(tensors, {"model": json.dumps(about)}))


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
        return Signature.parse(about, "model"), state
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError, UserError) as error:
        raise UserError(
            f"{path} is truncated, or no file of weights ({error}); delete it and run again with --save-weights"
        ) from None

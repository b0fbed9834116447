"""The `predict` command: a trained model on new data of its target domain."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from benchmarks.commands.common import devices, store_of
from benchmarks.model import TrainedModel, load
from benchmarks.settings import UserError, nearest
from benchmarks.store import read_part
from datasets import own
from datasets.files.domains import Domain, decoded, read_domain
from datasets.files.images import ImageFiles


def main(options: argparse.Namespace) -> int:
    folder = store_of(options).find(options.run)
    model = load(folder, torch.device(devices(options.device)[0]))
    family, _, task = read_part(folder, "spec.json")["task"].partition("/")
    domain = _read(options.input, options.label, task if family == "own" else None)
    x = _fitting(domain, model)
    truth = None if domain.labels is None else _numbers(domain.labels, model.classes, options.input)
    logits = model.logits(x)
    _write(options.out, domain.names, softmax(logits, axis=1), model.classes)
    print(f"predictions of {folder} on {len(logits)} samples written to {options.out}", file=sys.stderr)
    if truth is not None:
        print(f"accuracy {(logits.argmax(1) == truth).mean():.1%} of {len(truth)} labelled samples")
    return 0


def _read(path: Path, label: str | None, own_task: str | None) -> Domain:
    """What a path holds; for a model of the user's own data, as that training saw it.

    Raises:
        UserError: it cannot be read, or has no such column of labels.
    """
    if label and path.suffix != ".csv":
        raise UserError(f"--label names a column of a .csv; {str(path)!r} is none")
    domain = own.read_like(own_task, path, label) if own_task else read_domain(path, label or "label")
    if label and domain.labels is None:
        raise UserError(f"{path}: no column {nearest(label, domain.columns)}")
    return domain


def _fitting(domain: Domain, model: TrainedModel) -> np.ndarray | ImageFiles:
    """The inputs as the model takes them.

    Raises:
        UserError: they are of another shape or type.
    """
    x, path, shape, images = domain.x, domain.path, model.input_shape, model.inputs in ("uint8", "files")
    if isinstance(x, ImageFiles):
        if len(shape) != 3:
            raise UserError(f"{path} is a folder of images; the model takes inputs of shape {shape}")
        (squares,) = x.sets
        if model.inputs == "files":  # resized and cropped as for training
            return ImageFiles(squares.paths, shape[1], "predict")
        x = np.stack([decoded(file, shape) for file in squares.paths])
    if x.shape[1:] != shape:
        raise UserError(f"{path}: inputs have shape {x.shape[1:]}; the model was trained on {shape}")
    if model.inputs and images != (x.dtype == np.uint8):
        trained = "images in uint8, 0 to 255" if images else "float32"
        raise UserError(f"{path}: inputs are {x.dtype}; the model was trained on {trained}")
    return x


def _numbers(labels: np.ndarray, classes: tuple[str, ...], path: Path) -> np.ndarray:
    """Class numbers (n,): labels are names of classes, or whole numbers where these are no names."""
    texts = labels.tolist()
    numbers = {name: number for number, name in enumerate(classes)}
    if all(map(str.isdigit, texts)) and not set(texts) <= numbers.keys():
        numbers = {str(number): number for number in range(len(classes))}
    for text in texts:
        if text not in numbers:
            raise UserError(f"{path}: no class {nearest(text, numbers)}")
    return np.array([numbers[text] for text in texts])


def _write(path: Path, samples: Sequence[object], probability: np.ndarray, classes: tuple[str, ...]) -> None:
    """A line a sample: its row number or file name, predicted class, its probability, and that of each class."""
    table = pd.DataFrame(
        {
            "sample": samples,
            "predicted": np.array(classes)[probability.argmax(1)],
            "probability": probability.max(1),
            **{f"p({name})": probability[:, number] for number, name in enumerate(classes)},
        }
    )
    try:
        table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    except OSError as error:
        raise UserError(f"--out {str(path)!r} cannot be written: {error}") from None

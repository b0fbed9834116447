"""The `predict` command: a trained model on new data of its target domain."""

import argparse
import sys
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
from datasets.files.inputs import Inputs, read_inputs


def main(options: argparse.Namespace) -> int:
    folder = store_of(options).find(options.run)
    model = load(folder, torch.device(devices(options.device)[0]))
    family, _, task = read_part(folder, "spec.json")["task"].partition("/")
    if family == "own":
        inputs = own.read_like(task, options.input, options.label)
    else:
        inputs = read_inputs(options.input, model.input_shape, options.label, resize=model.inputs == "files")
    inputs = _fitting(inputs, model, options.input)
    truth = None if inputs.labels is None else _numbers(inputs.labels, model.classes, options.input)
    logits = model.logits(inputs.x)
    _write(options.out, inputs, softmax(logits, axis=1), model.classes)
    print(f"predictions of {folder} on {len(logits)} samples written to {options.out}", file=sys.stderr)
    if truth is not None:
        print(f"accuracy {(logits.argmax(1) == truth).mean():.1%} of {len(truth)} labelled samples")
    return 0


def _fitting(inputs: Inputs, model: TrainedModel, path: Path) -> Inputs:
    """The inputs as the model takes them.

    Raises:
        UserError: another shape or type, none at all, NaN or infinity.
    """
    x, images = inputs.x, model.inputs in ("uint8", "files")
    if x.shape[1:] != model.input_shape:
        raise UserError(f"{path}: inputs have shape {x.shape[1:]}; the model was trained on {model.input_shape}")
    if not len(x):
        raise UserError(f"{path}: there is no sample in it")
    if model.inputs and images != (x.dtype == np.uint8):
        trained = "images in uint8, 0 to 255" if images else "float32"
        raise UserError(f"{path}: inputs are {x.dtype}; the model was trained on {trained}")
    if isinstance(x, np.ndarray) and x.dtype != np.uint8:
        with np.errstate(over="ignore"):
            x = x.astype(np.float32)
        wrong = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
        if len(wrong):
            raise UserError(f"{path}: {len(wrong)} samples have NaN or infinity, the first is number {wrong[0]}")
    return Inputs(x, inputs.names, inputs.labels)


def _numbers(labels: np.ndarray, classes: tuple[str, ...], path: Path) -> np.ndarray:
    """Class numbers (n,): labels are names of classes, or whole numbers where these are no names."""
    texts = labels.astype(str).tolist()
    numbers = {name: number for number, name in enumerate(classes)}
    if labels.dtype.kind in "iu" and not set(texts) <= numbers.keys():
        numbers = {str(number): number for number in range(len(classes))}
    for text in texts:
        if text not in numbers:
            raise UserError(f"{path}: no class {nearest(text, numbers)}")
    return np.array([numbers[text] for text in texts])


def _write(path: Path, inputs: Inputs, probability: np.ndarray, classes: tuple[str, ...]) -> None:
    """A line a sample: its row number or file name, predicted class, its probability, and that of each class."""
    table = pd.DataFrame(
        {
            "sample": inputs.names,
            "predicted": np.array(classes)[probability.argmax(1)],
            "probability": probability.max(1),
            **{f"p({name})": probability[:, number] for number, name in enumerate(classes)},
        }
    )
    try:
        table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    except OSError as error:
        raise UserError(f"--out {str(path)!r} cannot be written: {error}") from None

"""The `predict` command: a trained model on new data of its target domain."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from benchmarks.commands.common import store_of
from benchmarks.core.escape import quoted, reason, shown, spreadsheet
from benchmarks.core.outfiles import prepare_output, writing
from benchmarks.core.settings import UserError, nearest
from benchmarks.engines.devices import devices
from benchmarks.training.model import TrainedModel, load
from datasets import own
from datasets.base import Preprocessing
from datasets.files import tell
from datasets.files.images import ImageFiles, decoded
from datasets.readers.domains import Domain, read_domain
from datasets.readers.text import class_name, is_whole


def main(options: argparse.Namespace) -> int:
    folder = store_of(options).find(options.run)
    prepare_output(options.out, [options.input, folder], force=options.force)
    model = load(folder, torch.device(devices(options.device)[0]))
    domain = _read(options.input, options.label, model.preprocessing)
    x = _fitting(domain, model)
    truth = None if domain.labels is None else _numbers(domain.labels, model.classes, options.input)
    logits = model.logits(x)
    if not np.isfinite(logits).all():
        place = domain.names[int(np.argwhere(~np.isfinite(logits))[0][0])]
        raise UserError(f"{shown(options.input)}: sample {shown(place)} has values too large for the model")
    _write(options.out, domain.names, softmax(logits, axis=1), model.classes)
    print(
        f"predictions of {shown(folder)} on {len(logits)} samples written to {shown(options.out)}", file=sys.stderr
    )
    if truth is not None:
        print(f"accuracy {(logits.argmax(1) == truth).mean():.1%} of {len(truth)} labelled samples")
    return 0


def _read(path: Path, label: str | None, preprocessing: Preprocessing | None) -> Domain:
    """What a path holds, as training saw its target.

    Raises:
        UserError: it cannot be read, or has no such column of labels.
    """
    if label and path.suffix.lower() != ".csv":
        raise UserError(f"--label names a column of a .csv; {quoted(str(path), 500)} is none")
    domain = read_domain(path, label or (preprocessing.label if preprocessing else "label"))
    if label and domain.labels is None:
        raise UserError(f"{shown(path)}: no column {nearest(shown(label), map(shown, domain.columns))}")
    for note in domain.notes:
        tell(note)
    return own.preprocessed(domain, preprocessing) if preprocessing else domain


def _fitting(domain: Domain, model: TrainedModel) -> np.ndarray | ImageFiles:
    """The inputs as the model takes them.

    Raises:
        UserError: they are of another shape or type.
    """
    x, path, shape, images = (
        domain.x,
        shown(domain.path),
        model.input_shape,
        model.inputs in ("uint8", "files"),
    )
    if isinstance(x, ImageFiles):
        if len(shape) != 3:
            raise UserError(f"{path} is a folder of images; the model takes inputs of shape {shape}")
        (squares,) = x.sets
        if model.inputs == "files":  # resized and cropped as for training
            return ImageFiles(squares.paths, shape[1], "predict")
        x = np.stack([decoded(file, shape) for file in squares.paths])
    if images and x.dtype == np.uint8 and x.ndim == 4 and x.shape[1] == 1 and shape[0] == 3:
        x = np.repeat(x, 3, axis=1)  # grey, as beside a domain in colour
    if x.shape[1:] != shape:
        raise UserError(f"{path}: inputs have shape {x.shape[1:]}; the model was trained on {shape}")
    if images != (x.dtype == np.uint8):
        trained = "images in uint8, 0 to 255" if images else "float32"
        raise UserError(f"{path}: inputs are {x.dtype}; the model was trained on {trained}")
    return x if x.dtype == np.uint8 else _float32(x, path)


def _float32(x: np.ndarray, path: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise UserError(f"{path}: x[{np.argwhere(~np.isfinite(x))[0][0]}] is too large for numbers of 32 bits")
    return x


def _numbers(labels: np.ndarray, classes: tuple[str, ...], path: Path) -> np.ndarray:
    """Class numbers (n,): labels are names of classes, or whole numbers where these are no names."""
    texts = labels.tolist()
    numbers = {class_name(name): number for number, name in enumerate(classes)}
    if all(map(is_whole, texts)) and not any(map(is_whole, numbers)):
        numbers = {str(number): number for number in range(len(classes))}
    for text in texts:
        if text not in numbers:
            raise UserError(f"{shown(path)}: no class {nearest(text, numbers)}")
    return np.array([numbers[text] for text in texts])


def _write(path: Path, samples: Sequence[object], probability: np.ndarray, classes: tuple[str, ...]) -> None:
    """A line a sample: its row number or file name, predicted class, its probability, and that of each class."""
    table = pd.DataFrame(
        {
            "sample": [spreadsheet(shown(sample)) for sample in samples],
            "predicted": np.array([spreadsheet(name) for name in classes])[probability.argmax(1)],
            "probability": probability.max(1),
            **{f"p({name})": probability[:, number] for number, name in enumerate(classes)},
        }
    )
    try:
        with writing(path) as file:
            table.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    except OSError as error:
        raise UserError(f"--out {quoted(str(path), 500)} cannot be written: {reason(error)}") from None

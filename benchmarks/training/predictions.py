"""A trained model, or the average of several, on new data of its target domain."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from benchmarks.core.escape import quoted, reason, shown, spreadsheet
from benchmarks.core.outfiles import writing
from benchmarks.core.settings import UserError, nearest
from benchmarks.training.model import TrainedModel
from datasets import own
from datasets.base import Preprocessing
from datasets.files import tell
from datasets.files.images import ImageFiles, decoded
from datasets.readers.domains import Domain, read_domain
from datasets.readers.text import class_name, is_whole


@dataclass(frozen=True)
class Predictions:
    """What a model says of new samples.

    Attributes:
        samples: their row numbers or file names.
        probability: (n, k) of each class.
        truth: (n,) numbers of the true classes; -1 where they are not known.
        disagree: (n,) of an average, the share of models whose own class is another; None of a single model.
    """

    samples: Sequence[object]
    classes: tuple[str, ...]
    probability: np.ndarray
    truth: np.ndarray
    disagree: np.ndarray | None

    @property
    def accuracy(self) -> float | None:
        """Of the labelled samples; None without any."""
        known = self.truth >= 0
        return float((self.probability.argmax(1) == self.truth)[known].mean()) if known.any() else None


def predict(models: Sequence[TrainedModel], path: Path, label: str | None) -> Predictions:
    """Apply a model, or the average of several of one task, to what a path holds.

    Args:
        label: the column of a .csv with true classes; None: as in training.

    Raises:
        UserError: data that cannot be read or do not fit the model.
    """
    classes = models[0].classes
    domain = _read(path, label, models[0].preprocessing)
    labelled = domain.labelled(classes)
    truth = np.full(len(labelled), -1)
    truth[labelled] = class_numbers(domain.labels[labelled], classes, path)
    probability, disagree = average(models, domain)
    return Predictions(domain.names, classes, probability, truth, disagree if len(models) > 1 else None)


def average(models: Sequence[TrainedModel], domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """The mean over models, each with equal weight, of their probabilities (n, k), and how far they disagree (n,).

    Raises:
        UserError: inputs that do not fit a model.
    """
    each = np.stack([_probabilities(model, domain) for model in models])
    mean = each.mean(axis=0)
    return mean, (each.argmax(axis=2) != mean.argmax(axis=1)).mean(axis=0)


def _probabilities(model: TrainedModel, domain: Domain) -> np.ndarray:
    """Of each class (n, k), for inputs as they were read; each model has its own way to standardise them."""
    if not model.of_classes:
        raise UserError("predictions are of classes, and this model gives real numbers")
    domain = own.preprocessed(domain, model.preprocessing) if model.preprocessing else domain
    logits = model.logits(_fitting(domain, model))
    if not np.isfinite(logits).all():
        place = domain.names[int(np.argwhere(~np.isfinite(logits))[0][0])]
        raise UserError(f"{shown(domain.path)}: sample {shown(place)} has values too large for the model")
    return softmax(logits, axis=1)


def _read(path: Path, label: str | None, preprocessing: Preprocessing | None) -> Domain:
    """What a path holds.

    Raises:
        UserError: it cannot be read, or has no such column of labels.
    """
    if label and path.suffix.lower() != ".csv":
        raise UserError(f"--label names a column of a .csv; {quoted(str(path), 500)} is none")
    column, text = (preprocessing.label, preprocessing.text) if preprocessing else ("label", "")
    domain = read_domain(path, label or column, text)
    if label and not (domain.labels != "").any():
        known = nearest(shown(label), map(shown, domain.columns))
        raise UserError(f"{shown(path)}: no labels in a column {known}")
    for note in domain.notes:
        tell(note)
    return domain


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


def class_numbers(labels: np.ndarray, classes: tuple[str, ...], path: Path) -> np.ndarray:
    """Class numbers (n,): labels are names of classes, or whole numbers where these are no names."""
    texts = labels.tolist()
    numbers = {class_name(name): number for number, name in enumerate(classes)}
    if all(map(is_whole, texts)) and not any(map(is_whole, numbers)):
        numbers = {str(number): number for number in range(len(classes))}
    for text in texts:
        if text not in numbers:
            raise UserError(f"{shown(path)}: no class {nearest(text, numbers)}")
    return np.array([numbers[text] for text in texts])


def write_predictions(predictions: Predictions, path: Path) -> None:
    """A line a sample: its row number or file name, predicted class, its probability, and that of each class.

    Of an average also ``disagree``, the share of its models that predict another class.
    """
    probability, classes = predictions.probability, predictions.classes
    disagree = {} if predictions.disagree is None else {"disagree": predictions.disagree}
    table = pd.DataFrame(
        {
            "sample": [spreadsheet(shown(sample)) for sample in predictions.samples],
            "predicted": np.array([spreadsheet(name) for name in classes])[probability.argmax(1)],
            "probability": probability.max(1),
            **disagree,
            **{f"p({name})": probability[:, number] for number, name in enumerate(classes)},
        }
    )
    try:
        with writing(path) as file:
            table.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    except OSError as error:
        raise UserError(f"--out {quoted(str(path), 500)} cannot be written: {reason(error)}") from None

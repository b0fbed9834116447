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
from datasets.base.loading import UNKNOWN
from datasets.files import tell
from datasets.files.images import ImageFiles, decoded
from datasets.readers.domains import Domain, read_domain
from datasets.readers.text import class_name, is_whole


@dataclass(frozen=True)
class Predictions:
    """What a model says of new samples.

    Attributes:
        samples: their row numbers or file names.
        said: (n,) numbers of the predicted classes; k: it is unknown, of none that the source has.
        probability: (n, k) of each class of the source, if the sample is of one of them.
        truth: (n,) numbers of the true classes, as in ``said``; -1 where they are not known.
        disagree: (n,) of an average, the share of models whose own class is another; None of a single model.
    """

    samples: Sequence[object]
    classes: tuple[str, ...]
    said: np.ndarray
    probability: np.ndarray
    truth: np.ndarray
    disagree: np.ndarray | None

    @property
    def accuracy(self) -> float | None:
        """Of the labelled samples; None without any."""
        known = self.truth >= 0
        return float((self.said == self.truth)[known].mean()) if known.any() else None


@dataclass(frozen=True)
class Average:
    """What several models say together, each with equal weight; as :class:`Predictions` has it."""

    said: np.ndarray
    probability: np.ndarray
    disagree: np.ndarray


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
    truth[labelled] = class_numbers(domain.labels[labelled], classes, path, others=models[0].open)
    found = average(models, domain)
    disagree = found.disagree if len(models) > 1 else None
    return Predictions(domain.names, classes, found.said, found.probability, truth, disagree)


def average(models: Sequence[TrainedModel], domain: Domain) -> Average:
    """Mean probabilities of models of one task; a sample is unknown if most of them say so.

    Raises:
        UserError: inputs that do not fit a model.
    """
    k = len(models[0].classes)
    logits = [_logits(model, domain) for model in models]
    each = np.stack([model.predicted(of) for model, of in zip(models, logits, strict=True)])
    probability = np.mean([softmax(of[:, :k], axis=1) for of in logits], axis=0)
    said = np.where((each == k).mean(axis=0) > 0.5, k, probability.argmax(axis=1))
    return Average(said, probability, (each != said).mean(axis=0))


def _logits(model: TrainedModel, domain: Domain) -> np.ndarray:
    """(n, outputs) for inputs as they were read; each model has its own way to standardise them."""
    if not model.objective.of_classes:
        raise UserError("predictions are of classes, and this model gives real numbers")
    domain = own.preprocessed(domain, model.preprocessing) if model.preprocessing else domain
    logits = model.logits(_fitting(domain, model))
    if not np.isfinite(logits).all():
        place = domain.names[int(np.argwhere(~np.isfinite(logits))[0][0])]
        raise UserError(f"{shown(domain.path)}: sample {shown(place)} has values too large for the model")
    return logits


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


def class_numbers(labels: np.ndarray, classes: tuple[str, ...], path: Path, *, others: bool = False) -> np.ndarray:
    """Class numbers (n,): labels are names of classes, or whole numbers where these are no names.

    Args:
        others: any other label is that of an unknown sample, whose number is after the last class's.

    Raises:
        UserError: another label, where there may be none.
    """
    texts = labels.tolist()
    numbers = {class_name(name): number for number, name in enumerate(classes)}
    if all(map(is_whole, texts)) and not any(map(is_whole, numbers)):
        numbers = {str(number): number for number in range(len(classes))}
    for text in texts:
        if text not in numbers and not others:
            raise UserError(f"{shown(path)}: no class {nearest(text, numbers)}")
    return np.array([numbers.get(text, len(classes)) for text in texts])


def write_predictions(predictions: Predictions, path: Path) -> None:
    """A line a sample: its row number or file name, predicted class, its probability, and that of each class.

    What is unknown has no probability of its own; those of the classes are as if it were of one of them.
    Of an average also ``disagree``, the share of its models that predict another class.
    """
    probability, classes, said = predictions.probability, predictions.classes, predictions.said
    disagree = {} if predictions.disagree is None else {"disagree": predictions.disagree}
    table = pd.DataFrame(
        {
            "sample": [spreadsheet(shown(sample)) for sample in predictions.samples],
            "predicted": np.array([spreadsheet(name) for name in (*classes, UNKNOWN)])[said],
            "probability": np.where(said < len(classes), probability.max(1), np.nan),
            **disagree,
            **{f"p({name})": probability[:, number] for number, name in enumerate(classes)},
        }
    )
    try:
        with writing(path) as file:
            table.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    except OSError as error:
        raise UserError(f"--out {quoted(str(path), 500)} cannot be written: {reason(error)}") from None

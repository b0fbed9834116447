"""Published numbers (``results/published/*.csv``), and how ours are judged beside them.

Light to import: the command line asks here which suites have any.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from benchmarks.core.headline import Headline
from benchmarks.core.settings import Settings, UserError, nearest
from benchmarks.evaluation import HEADLINE, HEADLINES

if TYPE_CHECKING:  # it imports SciPy
    from benchmarks.report.statistics import Summary

EXPLAINED = "explained.csv"
MEAN = "mean"  # as a task: the average over the suite's tasks
PROTOCOLS = {
    "amazon-jmlr": "JMLR 2016, section 5.1: one sigmoid hidden layer on 5,000 counts",
    "amazon-cmd": "the CMD paper: 50 sigmoid units, Adagrad",
    "digits-cdan": "CDAN's: full sets, LeNet (SVHN: DTN), SGD",
    "digits-alda": "ALDA's own network and optimiser, full sets",
    "digits-mcd-full": "MCD's network, full sets",
    "digits-shot": "SHOT's: LeNet with a bottleneck, USPS of 7,438 and 1,860 images",
    "digits-2000": "2,000 MNIST and 1,800 USPS images",
    "digits-quoted": "quoted in a table that mixes protocols",
    "mnist-m": "JMLR 2016, section 5.2: full sets, lambda ramped over the training",
    "mnist-m-reruns": "other code, networks and budgets on MNIST-M",
    "office-caltech-surf-full": "SURF features, all source samples to train on, transductive",
    "few-traditional": "k labelled target images of each class; the target's test images also validate",
    "few-rectified": "200 source and k target images of each class, apart from those that validate and test",
    "open-osbp": "OSBP's: digits 0 to 4 are known, the others unknown; 4 convolutions and 3 layers",
    "gas-drift-1nn": "each feature divided by its L2 norm over a batch, whole batches, 1-NN",
    "har-adatime": "AdaTime's: averages over its scenarios, metric not labelled",
    "har-uda4tsc": "the UDA-4-TSC benchmark's: InceptionTime or the authors' nets, a single run a cell",
    "office31-tllib": "TLlib's, ResNet-50",
    "office31-shot": "SHOT's, ResNet-50",
    "office31-deepda": "DeepDA's, ResNet-50",
    "office31-quoted": "original papers as others quote them, ResNet-50",
    "office-home-tllib": "TLlib's, ResNet-50",
    "office-home-shot": "SHOT's, ResNet-50",
    "office-home-deepda": "DeepDA's, ResNet-50",
    "office-home-quoted": "original papers as others quote them, ResNet-50",
    "visda-tllib": "TLlib's, ResNet-101",
    "visda-shot": "SHOT's, ResNet-101",
    "visda-quoted": "original papers as others quote them, ResNet-101",
}
"""What a ``protocol_id`` stands for. A suite is judged by the rows whose id is its name; others are only shown."""
SOURCE_VALIDATION = ("source_accuracy", "reverse_validation")  # validators that papers mean by source-val
METRICS = {
    HEADLINE: "accuracy",
    "target_class_mean_accuracy": "mean of classes",
    "target_h_score": "H",
    "target_os_star": "OS*",
    "target_unknown_accuracy": "unknown",
    "target_os": "OS",
    "target_overall_accuracy": "all samples",
    "target_auc": "AUC",
    "target_rmse": "RMSE",
}
"""Our scores that a number may be of, as a table calls them."""
SMALLEST_TOLERANCE = 1.0  # points
WIDER_TOLERANCES = {"digits/svhn-mnist": 2.0, "digits/mnist-mnist_m": 5.0}  # where re-implementations differ more


class Published(Settings):
    """One published number. ``accuracy``, whatever it is of, and ``spread`` are in the unit of ``metric``.

    The fields up to ``protocol_note`` are copied from where the number was read; the rest is ours.
    """

    benchmark: str
    source: str
    target: str
    method: str
    accuracy: float = Field(ge=0)
    spread: float | None = Field(ge=0)
    backbone: str
    who_reports: str
    citation: str = Field(min_length=1)
    where_read: str = Field(min_length=1)
    kind: Literal["paper", "paper-quoted", "rerun-repo", "rerun-paper"]
    protocol_note: str
    protocol_id: str
    selection: Literal["last", "source-val", "target-peek", "unknown"] = Field(
        description="how checkpoint and hyper-parameters were chosen"
    )
    spread_kind: Literal["", "std", "se", "unknown"]
    metric: str = Field(description="one of METRICS")
    task: str = Field(min_length=1, description="ours, or mean: over all tasks of the suite")
    ours: str = Field(description="our method's name; empty: we have none")

    @property
    def read_as(self) -> Headline:
        """How it is read: scores that are no headline are shares of which more is better, as accuracy is."""
        return HEADLINES.get(self.metric, HEADLINES[HEADLINE])


class Explanation(Settings):
    """Which page of results/notes says why ours is not inside."""

    protocol_id: str
    task: str
    method: str = Field(description="as published")
    note: str = Field(min_length=1)


@dataclass(frozen=True)
class Comparison:
    """A published number beside ours; all numbers in the unit of its metric, mostly %.

    Attributes:
        selection: how ours was chosen.
        verdict: inside, above (better) or below, where it is judged.
        reason: why it is not judged.
        planned: whether ours has its task.
        explained: a page of results/notes that says why.
        runs: ids of the runs behind ours.
    """

    published: Published
    ours: "Summary | None"
    selection: str
    tolerance: float
    verdict: Literal["inside", "above", "below", ""]
    reason: str
    explained: str = ""
    runs: tuple[str, ...] = ()
    planned: bool = True

    @property
    def judged(self) -> bool:
        return bool(self.verdict)

    @property
    def difference(self) -> float | None:
        """What ours gains on it: ours minus published, or the reverse where less is better."""
        return None if self.ours is None else gap(self.published, self.ours)


def has_published(suite: str) -> bool:
    """Whether there is a number of a suite's protocol, or a file of its name."""
    return Path(suite).stem in PROTOCOLS or (_folder() / f"{Path(suite).stem}.csv").is_file()


def published_for(suite: str) -> list[Published]:
    """What belongs beside a suite: the file of its name, else the rows of any file whose protocol it is.

    Raises:
        UserError: there is nothing; or as :func:`load_published`.
    """
    name = Path(suite).stem
    paths = {path.stem: path for path in sorted(_folder().glob("*.csv")) if path.name != EXPLAINED}
    if name in paths:
        return load_published(paths[name])
    rows = [row for path in paths.values() for row in load_published(path)]
    found = [row for row in rows if row.protocol_id == name]
    if not found:
        known = {*paths, *(row.protocol_id for row in rows)}
        raise UserError(f"--suite: no published numbers for {nearest(name, known)}")
    return found


def load_published(path: Path) -> list[Published]:
    """The rows of one file.

    Raises:
        UserError: a file, column or value that is not as it must be; names the line.
    """
    rows = []
    for where, values in _lines(path, Published):
        row = Published.parse({**values, "spread": values["spread"] or None}, where)
        if row.protocol_id not in PROTOCOLS:
            raise UserError(f"{where}: unknown protocol_id {nearest(row.protocol_id, PROTOCOLS)}")
        if row.metric not in METRICS:
            raise UserError(f"{where}: unknown metric {nearest(row.metric, METRICS)}")
        if row.read_as.is_share and row.accuracy > 100:
            raise UserError(f"{where}.accuracy = {values['accuracy']!r}: a share in % is at most 100")
        if (row.spread is None) != (row.spread_kind == ""):
            raise UserError(f"{where}: a spread needs a spread_kind, and only a spread has one")
        rows.append(row)
    return rows


def load_explanations() -> dict[tuple[str, str, str], str]:
    """Anchors by (protocol_id, task, published method).

    Raises:
        UserError: as :func:`load_published`.
    """
    lines = _lines(_folder() / EXPLAINED, Explanation)
    parsed = [Explanation.parse(values, where) for where, values in lines]
    return {(each.protocol_id, each.task, each.method): each.note for each in parsed}


def _lines(path: Path, form: type[Settings]) -> list[tuple[str, dict[str, str]]]:
    """Each line's place, for messages, and its values by column."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval=None, strict=True)
            columns = reader.fieldnames or []
            for name in columns:
                if name not in form.model_fields:
                    raise UserError(f"{path.name}: unknown column {nearest(name, form.model_fields)}")
            if missing := [name for name in form.model_fields if name not in columns]:
                raise UserError(f"{path.name}: no column {', '.join(missing)}")
            lines = [(f"{path.name} line {reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{str(path)!r} is not a file of published numbers: {error}") from None
    for where, row in lines:
        if "" in row or None in row.values():
            raise UserError(f"{where}: it has more or fewer values than the {len(columns)} columns")
    return lines


def selection_of(select: str | None, stopping: str) -> str:
    """How ours was chosen, in the words of :class:`Published` where they have one; else the validator's name.

    Args:
        select: the validator that chose among candidates, if any.
        stopping: the name of the protocol's.
    """
    if select in SOURCE_VALIDATION or (select is None and stopping != "last"):
        return "source-val"
    return select or "last"


def tolerance(row: Published) -> float:
    """The published spread; of a share, what re-implementations differ by if that is more."""
    if not row.read_as.is_share:
        return row.spread or 0.0
    least = WIDER_TOLERANCES.get(row.task.partition("?")[0], SMALLEST_TOLERANCE)
    return max(row.spread or 0.0, least)


def gap(row: Published, ours: "Summary") -> float:
    """What ours gains, without the last digits of binary fractions: 2.14 is 1 point from 1.14."""
    return round(row.read_as.sign * (ours.mean - row.accuracy), 9)


def judge(
    row: Published,
    ours: "Summary | None",
    suite: str,
    selection: str,
    explained: str = "",
    runs: tuple[str, ...] = (),
    *,
    planned: bool = True,
) -> Comparison:
    """Judged where protocol and selection are the same; else shown only, with the reason.

    Args:
        ours: in the row's unit; None: not run.
        suite: name of the suite that ours is of; empty: not as the suite has it.
        selection: how ours was chosen, see :func:`selection_of`.
        planned: whether ours has its task.
    """
    allowed = tolerance(row)
    reason = _unlike(row, ours, suite, selection) if planned else "no task of ours"
    verdict: Literal["inside", "above", "below", ""] = ""
    if not reason and ours is not None:
        gained = gap(row, ours)
        verdict = "inside" if abs(gained) <= allowed else "above" if gained > 0 else "below"
    return Comparison(row, ours, selection, allowed, verdict, reason, explained, runs, planned)


def _unlike(row: Published, ours: "Summary | None", suite: str, selection: str) -> str:
    """Why ours cannot be judged by a row; empty if it can."""
    if not row.ours:
        return "no method of ours"
    if row.protocol_id != suite:
        return f"another protocol: {row.protocol_id}"
    if row.selection != selection:
        return f"selection: ours {selection}, published {row.selection}"
    return "" if ours else "not run"


def _folder() -> Path:
    return Path(str(files("results"))) / "published"

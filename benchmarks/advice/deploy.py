"""The choice as a model that can be used: its members trained again to their step, kept, and averaged.

The members of an advised model are runs at checkpoints. Runs keep no weights, so that a search stores no
gigabytes; the few that were chosen are trained again, to the same bits, and theirs are kept. Probabilities are
averaged over members with equal weight: methods count by their number of seeds, which is the same for all.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.core.escape import shown
from benchmarks.core.reading import digest_of
from benchmarks.core.settings import UserError
from benchmarks.engines.events import Event
from benchmarks.engines.local import LocalEngine
from benchmarks.plan.spec import RunSpec
from benchmarks.records.advised import Advice, Member, Members, alone, checkpoints, read_advice, write_advice
from benchmarks.records.record import Record
from benchmarks.records.store import ADVISED, Store, file_name
from benchmarks.training.again import train_again
from benchmarks.training.model import TrainedModel, load_model
from benchmarks.training.predictions import Average, Predictions, average, predict
from datasets.base.loading import UNKNOWN
from datasets.files.given import path_of
from datasets.readers.domains import Domain

Choice = Sequence[tuple[RunSpec, int]]
Watch = Callable[[Iterable[Event], Sequence[RunSpec]], Sequence[Event]]


def failures(events: Iterable[Event], todo: Sequence[RunSpec]) -> list[Event]:
    """Watch an engine in silence."""
    return [event for event in events if event.kind == "failed"]


def deploy(
    members: Choice,
    store: Store,
    name: str,
    said: str,
    devices: Sequence[str] = ("cpu",),
    *,
    watch: Watch = failures,
    tell: Callable[[str], object] = warnings.warn,
) -> Path:
    """Keep the weights of finished runs of one task after some of their checkpoints, as an advised model.

    What an interrupted call has finished is kept, and the next goes on from there. A call waits for another that
    makes the same model.

    Args:
        members: different runs that have a record in ``store``, each with the step of a checkpoint.
        name: of the advised model; an earlier one of that name is replaced.
        said: the advice, which is kept with the model; `predict` tells its first line.
        devices: one for each worker.
        watch: follows the events of an engine, given the runs that it does, and returns those that failed.
        tell: is called where a model, trained again, does not say what its run said, to the bit.

    Returns:
        The folder of the advised model, ``STORE/advised/NAME``.

    Raises:
        UserError: a run has no such checkpoint, or cannot be trained again, as where its data have changed.
    """
    root = store.root / ADVISED / file_name(name)
    Store(root).create()
    with alone(root):
        kept = _keep(members, store, root, devices, watch)
        for member in kept:
            if not member.agreement.exact:
                tell(_difference(member))
        write_advice(root, said, kept)
    return root


@dataclass(frozen=True)
class AdvisedModel:
    """The average of an advised model's members.

    Attributes:
        advice: what was said, and of which runs they are.
        models: in the order of the advice's members.
    """

    advice: Advice
    models: Sequence[TrainedModel]

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of the probabilities."""
        return self.models[0].classes

    def predict(self, x: Any) -> np.ndarray:
        """Names of classes (n,) or ``unknown``, for inputs as :meth:`predict_proba` takes them."""
        return np.array([*self.classes, UNKNOWN])[self._average(x).said]

    def predict_proba(self, x: Any) -> np.ndarray:
        """Probabilities (n, classes) of inputs of the target, before they are standardised.

        Where a sample may be unknown, they are as if it were of one of the classes.

        Args:
            x: an array (n, *input_shape), or a path or a DataFrame as the model was trained on.

        Raises:
            UserError: they are of another shape or type than the model was trained on.
        """
        return self._average(x).probability

    def _average(self, x: Any) -> Average | Predictions:
        if isinstance(x, str | os.PathLike | pd.DataFrame):
            return predict(self.models, path_of(x, "x", "label"), None)
        x = np.asarray(x)
        return average(self.models, Domain(Path("x"), x, np.full(len(x), ""), place=str))


def load_advised(folder: Path, device: torch.device) -> AdvisedModel:
    """The advised model of a folder.

    Raises:
        UserError: it is not as it was kept.
    """
    advice = read_advice(folder)
    models = [load_model(folder / member.folder, device) for member in advice.members]
    if len({model.classes for model in models}) > 1:
        raise UserError(f"{shown(folder)}: its members have different classes; run `advise` again")
    return AdvisedModel(advice, models)


def predict_advised(folder: Path, path: Path, label: str | None, device: torch.device) -> Predictions:
    """Apply the advised model of a folder to what a path holds; raises as :func:`predict` does.

    Args:
        label: the column of a .csv with true classes; None: as in training.
    """
    return predict(load_advised(folder, device).models, path, label)


def _keep(choice: Choice, store: Store, root: Path, devices: Sequence[str], watch: Watch) -> list[Member]:
    """Train again what is not kept yet."""
    specs = [spec for spec, _ in choice]
    members = Members(
        root,
        {spec.run_id: step for spec, step in choice},
        {spec.run_id: _digest_of_outputs(store, spec, step) for spec, step in choice},
    )
    todo = [spec for spec in specs if not members.finished(spec)]
    engine = LocalEngine(members, devices, execute=partial(train_again, members=members, records=store))
    if todo and (failed := watch(engine.run(todo), todo)):
        spec, error = failed[0].spec, failed[0].error
        raise UserError(f"{spec} cannot be trained again to step {members.steps[spec.run_id]}: {error}")
    return [members.member(spec) for spec in specs]


def _digest_of_outputs(store: Store, spec: RunSpec, step: int) -> str:
    record = Record(store.folder(spec))
    known = checkpoints(record)
    if step not in known:
        raise UserError(f"{spec} has no checkpoint at step {step}; it has {', '.join(map(str, known))}")
    return digest_of(record.check(known[step]))


def _difference(member: Member) -> str:
    agreement = member.agreement
    target, source = (
        f"{agreement.different[split]} of {agreement.of[split]}" for split in ("target_train", "source_val")
    )
    return (
        f"{member}, trained again, does not say to the bit what its run said, on which the advice rests: {target} "
        f"predictions differ on the target, and {source} on the source (another machine, or other versions?)"
    )

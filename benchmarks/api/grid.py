"""A grid's records as a DataFrame, and a trained model as a module."""

import inspect
import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.core.settings import UserError, nearest, split
from benchmarks.engines.devices import devices
from benchmarks.engines.local import LocalEngine
from benchmarks.engines.pace import Pace
from benchmarks.engines.progress import follow
from benchmarks.engines.work import train
from benchmarks.evaluation.validators import SELECTABLE, needed
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.search import Search
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import load_suite, suite_search
from benchmarks.records.frame import load_records
from benchmarks.records.provenance import made_by_other_code
from benchmarks.records.rescoring import rescore
from benchmarks.records.store import Store
from benchmarks.report.selection import candidates, chosen_steps
from benchmarks.training import model
from benchmarks.training.model import TrainedModel
from datasets import files, own
from datasets.files.given import path_of


def run_grid(
    methods: str | Sequence[str] = (),
    suite: str = "quick",
    tasks: str | Sequence[str] = (),
    seeds: int | Sequence[int] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    source: Any = None,
    target: Any = None,
    label: str = "label",
    target_classes: str = "",
    search: int | None = None,
    select: str | None = None,
    store: Path | str | None = None,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    save_weights: bool = False,
    progress: bool = False,
) -> pd.DataFrame:
    """Do a grid's runs that have no record, as the `run` command does, and return all its records.

    Your own data are a ``source`` and a ``target``: each a path (an .npz, a .csv or a folder class/image), an
    array of inputs (n, ...), a pair of inputs and labels (n,), or a DataFrame with a column of labels. Target
    labels are for scoring alone, and may be missing: leave them out, or have None, NaN or "" among them.

    What is no path is written to the cache, as ``source`` and ``target`` (.npz or .csv) in folders named by a
    digest of the content; messages name these files. The task is then ``own/source-target-DIGEST``. A task is
    named after its files, so that files of other names are other runs, though the digest is the same.

    Args:
        methods: names and groups, such as ``["dann", "coral"]`` or ``"core"``; ``source_only`` is always added.
            None of them: the suite's.
        suite: a suite's name or the path of its .toml file.
        tasks: these instead of the suite's.
        seeds: how many, or which; default: as many as the suite says, and at least 5 of your own data.
        overrides: settings by owner: ``{"dann": {"gamma": 5}, "protocol": {"steps": 100}}``.
        source, target: your own data, instead of the suite's tasks or beside ``tasks``.
        label: the column of labels in a .csv or a DataFrame.
        target_classes: that the target has, if not the source's: ``"all:unknown"`` where it has others too,
            ``"cat:dog"`` where it lacks some.
        search: configurations of each method: its own, and others drawn from the ranges that it declares.
        select: the validator that chooses configuration and checkpoint without target labels; default: the
            suite's, or ``source_accuracy`` in a search.
        store: folder of records; default $BENCHMARKS_STORE or ``runs``.
        data_dir: folder of data sets; default $BENCHMARKS_DATA.
        jobs: runs at a time; default: one a core, or one a GPU.
        device: auto, cpu, cuda, or cuda:0,1.
        save_weights: keep trained weights, for :func:`load_model`.
        progress: show on stderr how far the grid is.

    Returns:
        A row a run, with the columns of :func:`benchmarks.records.frame.load_records`, which also gives the scores
        of validators; here are those of ``select``. Where a validator chooses, ``chosen_step`` is the step that it
        chose, and missing in runs that it did not choose. A run that failed, a record that is broken, or a method
        that a task does not admit, is told of by a warning and has no row.

    Raises:
        UserError: anything that does not exist or does not fit.
    """
    if select and select not in SELECTABLE:
        raise UserError(f"select: unknown validator {nearest(select, SELECTABLE)}")
    settings = load_suite(suite)
    validator = settings.validator(select, search is not None)
    records = Store(Path(store) if store else None, weights=save_weights)
    engine = LocalEngine(records, devices(device, jobs), execute=partial(train, save_weights=save_weights))
    with data_folder(data_dir):
        wanted = [*several(tasks), *own_task(source, target, label, target_classes)]
        planned = grid_of(methods or settings.default_methods, suite, wanted, seeds, overrides, search, validator)
        frame = finished_records(planned, records, engine, needed(validator), progress=progress)
        return _with_choice(planned, frame, validator) if validator and len(frame) else frame


def own_task(source: Any, target: Any, label: str, target_classes: str) -> list[str]:
    """The task of data given as :func:`run_grid` says; none without any.

    Raises:
        UserError: one of two, or data that no file can hold.
    """
    if (source is None) != (target is None):
        raise UserError("source and target: give both")
    if source is None:
        return []
    paths = path_of(source, "source", label), path_of(target, "target", label)
    return [own.make_task(*paths, label, has=target_classes)]


def grid_of(
    methods: str | Sequence[str],
    suite: str,
    tasks: Sequence[str],
    seeds: int | Sequence[int] | None,
    overrides: Mapping[str, Mapping[str, Any]] | None,
    search: int | None,
    validator: str | None = None,
) -> Grid:
    """The runs of arguments as :func:`run_grid` takes them.

    Raises:
        UserError: anything that does not exist or does not fit.
    """
    if search is not None and search < 1:
        raise UserError(f"search={search}: it must be at least 1")
    names = method_names(",".join(several(methods)))
    return plan(
        suite,
        names,
        tasks,
        range(seeds) if isinstance(seeds, int) else seeds,
        overrides,
        suite_search(suite, names) if search is None else Search(search),
        reverse=validator == "reverse_validation",
    )


def finished_records(
    planned: Grid, store: Store, engine: LocalEngine, validators: Collection[str], *, progress: bool
) -> pd.DataFrame:
    """Do what has no record, and read all records; what cannot be had is told of by warnings."""
    for specs in (planned.specs, planned.reverse):
        _execute(specs, store, engine, progress)
    for cell in planned.not_applicable:
        warn(f"n/a: {cell.task} {cell.variant}: {cell.reason}")
    done = [spec for spec in planned.runs if store.finished(spec)]
    rescore(store, done, tell=warn)
    if other := made_by_other_code({spec.run_id: store.code(spec) for spec in done}, done):
        warn(other)
    return load_records(map(store.folder, done), broken=warn, validators=validators)


@contextmanager
def data_folder(folder: Path | str | None) -> Iterator[None]:
    """Readers look there, in this process and in those that train."""
    before = os.environ.get(files.VARIABLE)
    try:
        if folder is not None:
            os.environ[files.VARIABLE] = str(Path(folder).absolute())
        yield
    finally:
        os.environ.pop(files.VARIABLE, None)
        if before is not None:
            os.environ[files.VARIABLE] = before


def _execute(specs: Sequence[RunSpec], store: Store, engine: LocalEngine, progress: bool) -> None:
    """Do what is not done, and warn of what fails."""
    ready = [spec for spec in specs if not spec.reverse_of or store.predictions(spec).exists()]
    todo = [spec for spec in ready if not store.finished(spec)]
    if not todo:
        return
    events = engine.run(todo)
    shown = follow(events, Pace(todo, workers=len(engine.devices)), store) if progress else events
    failures = [event for event in shown if event.kind == "failed"]
    for event in failures:
        warn(f"failed: {event.spec}: {event.error}")


def _with_choice(planned: Grid, records: pd.DataFrame, validator: str) -> pd.DataFrame:
    """Records with the steps that a validator chooses."""
    steps = chosen_steps(candidates(planned, records), validator)
    return records.assign(chosen_step=pd.array([steps.get(run) for run in records["run_id"]], "Int64"))


def warn(problem: object) -> None:
    """A warning at the line by which this package was called."""
    names = (str(info.frame.f_globals["__name__"]) for info in inspect.stack(0))
    depth = sum(1 for _ in takewhile(lambda name: name.startswith("benchmarks."), names))
    warnings.warn(str(problem), stacklevel=depth + 1)


def several(names: str | Sequence[str]) -> list[str]:
    return split(names) if isinstance(names, str) else list(names)


def load_model(record: Path | str, *, store: Path | str | None = None, device: str = "cpu") -> TrainedModel:
    """The trained model of a record, as a PyTorch module in evaluation mode.

    It takes inputs as its data set gives them: standardised, where that is the data set's work.

    Args:
        record: its folder, or its run id (the first digits are enough).
        store: where run ids are looked for; default $BENCHMARKS_STORE or ``runs``.

    Raises:
        UserError: no such record, or one without weights.
    """
    return model.load_model(Store(Path(store) if store else None).find(str(record)), torch.device(device))

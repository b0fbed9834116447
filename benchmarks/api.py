"""Three lines of Python: a grid's records as a DataFrame, and a trained model as a module."""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.core.settings import UserError, split
from benchmarks.engines.devices import devices
from benchmarks.engines.local import LocalEngine
from benchmarks.engines.work import train
from benchmarks.evaluation.validators import needed
from benchmarks.plan.grid import plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.suite import load_suite, suite_search
from benchmarks.records.frame import load_records
from benchmarks.records.provenance import made_by_other_code
from benchmarks.records.rescoring import rescore
from benchmarks.records.store import Store
from benchmarks.training import model
from benchmarks.training.model import TrainedModel


def run_grid(
    methods: str | Sequence[str] = (),
    suite: str = "quick",
    tasks: str | Sequence[str] = (),
    seeds: int | Sequence[int] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    store: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    save_weights: bool = False,
) -> pd.DataFrame:
    """Do a grid's runs that have no record, as the `run` command does, and return all its records.

    Args:
        methods: names and groups, such as ``["dann", "coral"]`` or ``"core"``; ``source_only`` is always added.
            None of them: the suite's.
        suite: a suite's name or the path of its .toml file.
        tasks: these instead of the suite's.
        seeds: how many, or which; default: as many as the suite says.
        overrides: settings by owner: ``{"dann": {"gamma": 5}, "protocol": {"steps": 100}}``.
        store: folder of records; default $BENCHMARKS_STORE or ``runs``.
        jobs: runs at a time; default: one a core, or one a GPU.
        device: auto, cpu, cuda, or cuda:0,1.
        save_weights: keep trained weights, for :func:`load_model`.

    Returns:
        A row a run, with the columns of :func:`benchmarks.records.frame.load_records`, which also gives the scores
        of validators; here are those by which the suite chooses. A run that failed, a
        record that is broken, or a method that a task does not admit, is told of by a warning and has no row.

    Raises:
        UserError: anything that does not exist or does not fit.
    """
    settings = load_suite(suite)
    names = method_names(",".join(_several(methods)) or settings.default_methods)
    chosen, search = range(seeds) if isinstance(seeds, int) else seeds, suite_search(suite, names)
    reverse = settings.select == "reverse_validation"
    planned = plan(suite, names, _several(tasks), chosen, overrides, search, reverse=reverse)
    records = Store(Path(store) if store else None, weights=save_weights)
    engine = LocalEngine(records, devices(device, jobs), execute=partial(train, save_weights=save_weights))
    for specs in (planned.specs, planned.reverse):
        ready = [spec for spec in specs if not spec.reverse_of or records.predictions(spec).exists()]
        todo = [spec for spec in ready if not records.finished(spec)]
        for event in engine.run(todo) if todo else ():
            if event.kind == "failed":
                warnings.warn(f"failed: {event.spec}: {event.error}", stacklevel=2)
    for cell in planned.not_applicable:
        warnings.warn(f"n/a: {cell.task} {cell.variant}: {cell.reason}", stacklevel=2)
    done = [spec for spec in planned.runs if records.finished(spec)]
    rescore(records, done, tell=_warn)
    if other := made_by_other_code({spec.run_id: records.code(spec) for spec in done}, done):
        warnings.warn(other, stacklevel=2)
    return load_records(map(records.folder, done), broken=_warn, validators=needed(settings.select))


def _warn(problem: UserError) -> None:
    warnings.warn(str(problem), stacklevel=5)


def _several(names: str | Sequence[str]) -> list[str]:
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

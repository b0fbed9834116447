"""How long finished runs took, for an estimate of others."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median

import torch

from benchmarks.core.protocol import Protocol
from benchmarks.core.settings import UserError
from benchmarks.plan.cost import Cell, Estimate, Kind, alike, kind
from benchmarks.plan.spec import RunSpec
from benchmarks.records.provenance import machine
from benchmarks.records.record import IMPOSSIBLE, NAME, Record
from benchmarks.records.store import Store

MOST = 20  # records that are looked at, of a method on a task


def recorded(specs: Sequence[RunSpec], store: Store, device: str) -> Estimate:
    """What a store's records tell of runs: the median of those of the same kind, on the same tasks and machine."""
    found = Estimate(Counter(map(kind, specs)))
    kinds = {(spec.method, _as_recorded(spec)): key for key, spec in {kind(spec): spec for spec in specs}.items()}
    training, evaluation = defaultdict[Kind, list[float]](list), defaultdict[Cell, list[float]](list)
    here = machine(torch.device(device))
    for folder in sorted({store.folder(spec).parent for spec in specs}):
        for path in islice((path for path in folder.glob("seed*") if NAME.fullmatch(path.name)), MOST):
            try:
                of, seconds = _read(path, here)
            except (UserError, *IMPOSSIBLE):  # whoever reads its scores tells of it
                continue
            if of in kinds:
                training[kinds[of]].append(seconds[0])
                evaluation[kinds[of][0]].append(seconds[1])
    found.training = {key: median(seconds) for key, seconds in training.items()}
    found.evaluation = {cell: median(seconds) for cell, seconds in evaluation.items()}
    found.recorded = set(training)
    return found


def _as_recorded(spec: RunSpec) -> Protocol:
    """Without what the method does not use."""
    return alike(spec.plain().protocol)


def _read(folder: Path, here: str) -> tuple[tuple[str, Protocol], tuple[float, float]]:
    """What kind of run it was, and the seconds of its training and of all else.

    Raises:
        UserError: it is broken, or was made elsewhere.
    """
    record = Record(folder)
    if here not in (record.provenance["device"], record.provenance["cpu"]):
        raise UserError(f"{folder} was made on another machine")
    cost = record.json("cost.json")
    spec = RunSpec.from_dict(record.spec, record.spec["method"])
    return (spec.method, alike(spec.protocol)), (cost["training_seconds"], cost["evaluation_seconds"])

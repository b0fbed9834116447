"""Which model to use on a target without labels, from Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.advice.advise import Advised, advised, diagnosed
from benchmarks.advice.deploy import AdvisedModel, deploy, load_advised
from benchmarks.api.grid import data_folder, finished_records, grid_of, own_task, several, warn
from benchmarks.core.settings import UserError
from benchmarks.engines.budget import afforded
from benchmarks.engines.devices import devices
from benchmarks.engines.local import LocalEngine
from benchmarks.plan.grid import Grid
from benchmarks.records.frame import PREDICTED
from benchmarks.records.store import Store
from benchmarks.report.cells import Cells
from benchmarks.report.overview import overview


@dataclass(frozen=True)
class Advice:
    """What is advised on one task; printed, it is the advice in words.

    Attributes:
        diagnosis: what the data say before anything is trained, in sentences.
        paragraphs: the advice in words; the first is the answer.
        label_shift: an estimate of the target's class shares, in words; none where nothing can be said.
        members: a row for each run that is used: its id, method, configuration, seed, and the step after which
            its model is used.
        known: a row a method, with what is known of it without target labels; shares and accuracies are 0 to 1.
        records: a row a run, as :func:`benchmarks.api.run_grid` returns them.
    """

    diagnosis: list[str]
    paragraphs: list[str]
    label_shift: list[str]
    members: pd.DataFrame
    known: pd.DataFrame
    records: pd.DataFrame
    _source: "_Source"

    def __str__(self) -> str:
        return "\n\n".join(self.paragraphs)

    @cached_property
    def model(self) -> AdvisedModel:
        """The average of the members: ``predict`` and ``predict_proba`` take the target's inputs.

        Runs keep no weights, so the members are trained again to their step when this is first read, and kept in
        the store, where the `predict advised` command finds them.

        Raises:
            UserError: they cannot be, as where the data have changed.
        """
        source = self._source
        with data_folder(source.data_dir):
            members, name = source.advised.members, source.advised.name
            folder = deploy(members, source.store, name, str(self), source.workers, tell=warn)
        return load_advised(folder, torch.device(source.workers[0]))


@dataclass(frozen=True)
class _Source:
    """What an advice's model is made of."""

    advised: Advised
    store: Store
    workers: Sequence[str]
    data_dir: Path | str | None


def advise(
    source: Any = None,
    target: Any = None,
    *,
    label: str = "label",
    target_classes: str = "",
    task: str = "",
    methods: str | Sequence[str] = "core",
    seeds: int | Sequence[int] = 5,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    search: int | None = None,
    budget: int | None = None,
    store: Path | str | None = None,
    data_dir: Path | str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    progress: bool = False,
) -> Advice:
    """Say which model to use on a target, as the `advise` command does; reads no target label.

    Args:
        source, target: your own data, as :func:`benchmarks.api.run_grid` takes them.
        label: the column of labels in a .csv or a DataFrame.
        target_classes: that the target has, if not the source's, as :func:`benchmarks.api.run_grid` takes them.
        task: a task of the suite's data sets, instead of your own data.
        budget: seconds that the runs may take, as the command's ``--budget``: a warning says what is left out,
            and the store keeps the list, which later calls follow.
        methods, seeds, overrides, search, store, data_dir, jobs, device, progress: as for
            :func:`benchmarks.api.run_grid`.

    Raises:
        UserError: anything that does not exist or does not fit, a budget that affords nothing, or no run of
            source_only ended well.
    """
    tasks = [*several(task), *own_task(source, target, label, target_classes)]
    if len(tasks) != 1:
        raise UserError("give source and target, or one task: advice is on one")
    records = Store(Path(store) if store else None)
    workers = devices(device, jobs)
    with data_folder(data_dir):
        planned = grid_of(methods, "quick", tasks, seeds, overrides, search)
        if budget is not None:
            planned, _ = afforded(planned, budget, lambda spec: not records.finished(spec), records, workers)
            if planned.budget:
                warn(planned.budget)
        said = diagnosed(planned)
        engine = LocalEngine(records, workers)
        frame = finished_records(planned, records, engine, [PREDICTED], progress=progress)
        found = advised(planned, records)
    return Advice(
        diagnosis=said,
        paragraphs=found.paragraphs,
        label_shift=found.label_shift,
        members=pd.DataFrame(found.rows()),
        known=_known(planned, frame),
        records=frame,
        _source=_Source(found, records, workers, data_dir),
    )


def _known(planned: Grid, records: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, as the command shows them with their intervals."""
    rows = overview(Cells(planned, records, {}, {}), planned.specs[0].task, "").rows
    means = {
        method: {metric: cell.summary.mean if cell.summary else None for metric, cell in row.items()}
        for method, row in rows.items()
    }
    return pd.DataFrame.from_dict(means, orient="index").rename_axis("method")

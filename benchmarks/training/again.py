"""A finished run, trained again to one of its checkpoints, for the weights that it did not keep."""

import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.core import atomic
from benchmarks.evaluation.outputs import SPLITS, Outputs, evaluation_inputs
from benchmarks.plan.spec import RunSpec
from benchmarks.records.advised import AGREEMENT, Agreement, Members, checkpoints
from benchmarks.records.provenance import provenance
from benchmarks.records.record import LAYOUT, WEIGHTS, Record, seal, write_json
from benchmarks.records.store import Store
from benchmarks.training import weights
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.frozen import task_for
from benchmarks.training.loop import on_device, prepare
from benchmarks.training.stopping import Stopping

CPU = torch.device("cpu")
COMPARED = ("target_train", "source_val")


def train_again(
    spec: RunSpec, folder: Path, device: str, report: object, *, members: Members, records: Store
) -> None:
    """Keep the weights of a run after a step in ``folder``, and how far what they say agrees with its record.

    A run whose record has the weights of that step is not trained again.

    Args:
        members: which step of each run is wanted.
        records: where the record of the run is.
    """
    step, record = members.steps[spec.run_id], Record(records.folder(spec))
    steps = checkpoints(record)
    saved = Outputs.load(record.check(steps[step]))
    for left in folder.iterdir():  # by a process that was killed
        atomic.remove(left)
    if step == max(steps) and (record.folder / WEIGHTS).is_file():
        for name in ("spec.json", "provenance.json", WEIGHTS):
            shutil.copyfile(record.check(name), folder / name)
        said = {split: saved[f"{split}.logits"] for split in COMPARED}
    else:
        said = _train(spec.plain(), folder, step, torch.device(device))
    before = {split: saved[f"{split}.logits"] for split in COMPARED}
    agreement = Agreement(
        outputs=members.outputs[spec.run_id],
        exact=all(said[split].tobytes() == before[split].tobytes() for split in COMPARED),
        different={split: int((said[split].argmax(1) != before[split].argmax(1)).sum()) for split in COMPARED},
        of={split: len(before[split]) for split in COMPARED},
    )
    write_json(folder / AGREEMENT, agreement.model_dump(mode="json"))
    seal(folder)


def _train(spec: RunSpec, folder: Path, step: int, device: torch.device) -> dict[str, np.ndarray]:
    """Train as the run did, up to a step of it, and keep the model; returns its logits by split.

    Schedules are those of the whole run. What it warned of, it has said.
    """
    prepare(device, spec.protocol)
    started = time.time()
    with threadpool_limits(spec.protocol.threads), warnings.catch_warnings(action="ignore"):
        task = task_for(spec, device)
        view = task.train_view()
        inputs = evaluation_inputs(view, task.evaluation_view())
        trainer = new_trainer(spec, facts_of(view, task.facts), view, device)
        x, y = inputs["source_val"]
        assert y is not None
        stopping = Stopping(spec.protocol, trainer, (x, y))
        for finished in trainer.run(stopping.looks):
            stopping.look(finished)
            if finished == step:
                break
        outputs = {
            split: trainer.outputs(on_device(inputs[split][0], CPU), SPLITS[split])[1] for split in COMPARED
        }
        weights.write(folder, trainer, spec, task)
    write_json(folder / "spec.json", {**spec.to_dict(), "run_id": spec.run_id})
    write_json(folder / "provenance.json", {"layout": LAYOUT, **provenance(spec, device, started)})
    return {split: logits.float().cpu().numpy() for split, logits in outputs.items()}

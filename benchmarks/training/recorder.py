"""What a run leaves behind: outputs and scores at each checkpoint, and at the end its record."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.core import atomic
from benchmarks.evaluation import oracle, scores
from benchmarks.evaluation.outputs import KEPT, MIXED, SPLITS, Outputs, evaluation_inputs, write_arrays
from benchmarks.evaluation.proxy_a_distance import proxy_a_distance
from benchmarks.plan.spec import RunSpec
from benchmarks.records import rescoring
from benchmarks.records.record import TRANSLATIONS, write_json
from benchmarks.records.store import PREDICTIONS
from benchmarks.training.loop import Trainer, on_device
from datasets.base import Inputs, Task, load_task
from datasets.files.images import ImageFiles

CPU = torch.device("cpu")
TRANSLATED = 12  # images that a record keeps beside their translations

Rows = list[dict[str, Any]]


class Recorder:
    """Evaluates the model of a run at its checkpoints, and writes the files of its record.

    Scores that need target labels come from ``benchmarks.evaluation.oracle``, and are kept in files of their own.

    Args:
        folder: that the record is made in.
    """

    def __init__(self, spec: RunSpec, task: Task, folder: Path) -> None:
        self.spec, self.folder = spec, folder
        self.oracle = oracle.open_oracle(task)
        self.target_train_x = task.train_view().target.x
        self.inputs = evaluation_inputs(task.train_view(), task.evaluation_view())
        self.rows: Rows = []
        self.oracle_rows: Rows = []
        self.right: dict[int, str] = {}  # by step
        self.last: Outputs | None = None

    def checkpoint(self, trainer: Trainer, step: int) -> None:
        """Save and score what the model says after ``step`` steps."""
        outputs = self.last = model_outputs(trainer, self.inputs, last=step == trainer.steps)
        outputs.save(self.folder / _outputs(step))
        self.rows.append({"step": step, **scores.evaluate(outputs)})
        self.oracle_rows.append({"step": step, **oracle.evaluate_oracle(outputs, self.oracle)})
        if bits := oracle.right(outputs, self.oracle):
            self.right[step] = bits

    def finish(self, trainer: Trainer, cost: dict[str, Any]) -> None:
        """Write all that the last step is needed for.

        Args:
            cost: what the run took, but for its clocks, which still go.
        """
        assert self.last is not None
        predictions = self._predictions(trainer)
        self._keep_translations(trainer)
        write_json(self.folder / "spec.json", {**self.spec.to_dict(), "run_id": self.spec.run_id})
        write_json(self.folder / "curves.json", trainer.progress.curves)
        write_json(
            self.folder / "scores.json",
            {
                "checkpoints": self.rows,
                "last": scores.evaluate_last(self.last),
                "task": _input_distance(self._task()),
                "cost": cost,
            },
        )
        last = oracle.evaluate_last(self.last, predictions, self.oracle)
        rescoring.write(self.folder, self.oracle_rows, last, self.right, self.oracle)

    def _task(self) -> Task:
        transductive = self.spec.protocol.scoring == "transductive"
        return load_task(self.spec.task, transductive=transductive, seed=self.spec.seed)

    def _predictions(self, trainer: Trainer) -> np.ndarray:
        """What the model says of every target training sample: the labels of a run derived from this one."""
        _, logits = trainer.outputs(on_device(self.target_train_x, CPU), "target")
        assert self.last is not None
        predictions = self.oracle.objective.predicted(logits.float().cpu().numpy(), self.last["source_val.logits"])
        with atomic.writing(self.folder / PREDICTIONS) as file:
            np.savez_compressed(file, target_train=predictions)
        return predictions

    def _keep_translations(self, trainer: Trainer) -> None:
        """Some images of the source beside what a method that translates them makes of them, for pictures."""
        x = np.array(self.inputs["source_train"][0][:TRANSLATED])
        translated = trainer.translated(torch.from_numpy(x))
        if translated is not None:
            pixels = ((translated + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
            with atomic.writing(self.folder / TRANSLATIONS) as file:
                write_arrays(file, {"source": x, "translated": pixels}, level=9)


def _outputs(step: int) -> str:
    """The name, in a record, of the outputs at a checkpoint."""
    return f"outputs/{step:06d}.npz"


def model_outputs(trainer: Trainer, inputs: dict[str, tuple[Inputs, np.ndarray | None]], *, last: bool) -> Outputs:
    """Forward every split, and MixVal's probes, through the method as it is now."""
    arrays = {}
    limit = float(np.finfo(np.float16).max)
    for split, (x, y) in inputs.items():
        features, logits = trainer.outputs(on_device(x, CPU), SPLITS[split])
        arrays[f"{split}.logits"] = logits.float().cpu().numpy()
        if last or not split.endswith("test"):
            arrays[f"{split}.features"] = features[:KEPT].clamp(-limit, limit).cpu().numpy().astype(np.float16)
        if y is not None:
            arrays[f"{split}.y"] = y
    plain = trainer.batches.inputs(torch.from_numpy(np.array(inputs["target_train"][0])))
    _, logits = trainer.outputs(MIXED * plain + (1 - MIXED) * plain.flip(0), "target")
    arrays["target_mixed.logits"] = logits.float().cpu().numpy()
    return Outputs(arrays)


@lru_cache(maxsize=2)  # as many as load_task keeps
def _input_distance(task: Task) -> dict[str, Any]:
    """Proxy A-distance of a task's raw inputs, the same in each of its records."""
    view = task.evaluation_view()
    if isinstance(view.target_test_x, ImageFiles):  # photographs have too many pixels for a linear classifier
        return {}
    source, target = (np.asarray(x).reshape(len(x), -1) for x in (view.source_test.x, view.target_test_x))
    return scores.distance_scores("proxy_a_distance_inputs", proxy_a_distance(source, target))

"""One run, from its spec to a complete record folder."""

import hashlib
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from threadpoolctl import threadpool_limits

from benchmarks.core import atomic
from benchmarks.core.reading import read_bytes
from benchmarks.core.registry import DATASETS, METHODS
from benchmarks.core.settings import UserError
from benchmarks.evaluation import oracle, scores
from benchmarks.evaluation.outputs import KEPT, MIXED, SPLITS, Outputs, evaluation_inputs, read_arrays
from benchmarks.evaluation.proxy_a_distance import proxy_a_distance
from benchmarks.plan.spec import RunSpec
from benchmarks.records.provenance import provenance, spec_digest
from benchmarks.records.record import LAYOUT, WEIGHTS, digests, seal, write_json
from benchmarks.records.validation import write_scores
from benchmarks.training.loop import Trainer, prepare, stored, to_device
from benchmarks.training.memory import is_out_of_memory, peak_mb, reset_peak
from benchmarks.training.signals import Signals, discriminator_doubt
from datasets.base import Inputs, Task, TrainView, load, resolve
from datasets.files.images import ImageFiles
from methods.base import MethodWarning
from methods.networks.build import Build

CPU = torch.device("cpu")
SAVE_EVERY = 60.0  # seconds between saved states of a long run
PAUSES = 50  # times in a run that its state may be saved, besides at checkpoints

Report = Callable[[Sequence[Signals]], None]


def execute(
    spec: RunSpec,
    folder: Path,
    device: torch.device,
    report: Report = lambda signals: None,
    save_every: float = SAVE_EVERY,
    *,
    save_weights: bool = False,
) -> None:
    """Train, evaluate at checkpoints and write the record into ``folder``, going on from a state saved there.

    Args:
        folder: for a reverse run it holds the ``predictions.npz`` of the run that it judges.
        report: called at each checkpoint with the signals since the last.
        save_every: least seconds between two saved states.
        save_weights: also keep the model, as ``weights.safetensors``.
    """
    prepare(device, spec.protocol)
    reset_peak(device)
    started = time.time()
    with threadpool_limits(spec.protocol.threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=MethodWarning)
        try:
            execution = _Execution(spec, folder, device)
            execution.run(report, save_every)
            if save_weights:
                execution.save_weights()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(f"out of memory on {device}; {spec.protocol.smaller_batches()}") from error
    texts = list(dict.fromkeys(str(warning.message) for warning in caught))
    write_json(
        folder / "provenance.json",
        {"layout": LAYOUT, **provenance(spec, device, started), "warnings": texts},
    )
    seal(folder)


@dataclass(frozen=True)
class Best:
    """The model with the best source validation accuracy so far, of the protocol's ``stopping``."""

    accuracy: float = -1.0
    step: int = 0
    epoch: int = 0
    state: dict[str, torch.Tensor] = field(default_factory=dict)


class _Execution:
    """The parts of one run, and the clocks that say where its time went."""

    def __init__(self, spec: RunSpec, folder: Path, device: torch.device) -> None:
        self.spec, self.folder, self.device = spec, folder, device
        self.code = spec_digest(spec)
        transductive = spec.protocol.scoring == "transductive"
        self.task = task = load(spec.task, transductive=transductive)
        if spec.reverse_of:
            self.task = task = task.reversed(_predictions(folder))
        self.input_shape, self.classes = task.input_shape, task.classes
        self.oracle = oracle.open_oracle(task)
        self.target_train_x = task.train_view().target.x
        self.inputs = evaluation_inputs(task.train_view(), task.evaluation_view())
        self._begin()

    def _begin(self) -> None:
        """Before the first step."""
        reference = METHODS.info(self.spec.method).reference
        seen = oracle.reference_view(self.task, reference) if reference else self.task.train_view()
        self.trainer = new_trainer(self.spec, self.task, seen, self.device)
        self.best = Best()
        self.checkpoints: list[dict[str, Any]] = []
        self.oracle_checkpoints: list[dict[str, Any]] = []
        self.seconds = {"training": 0.0, "evaluation": 0.0}
        self.reported = 0

    def run(self, report: Report, save_every: float) -> None:
        self._resume()
        saved = clock = time.perf_counter()
        outputs = None
        looks, steps = self._looks(), self.spec.protocol.checkpoint_steps()
        pauses = range(0, self.spec.protocol.steps, max(1, self.spec.protocol.steps // PAUSES))
        for step in self.trainer.run({*looks, *pauses}):
            self.seconds["training"] += time.perf_counter() - clock
            clock = time.perf_counter()
            if step in looks:
                self._look(step, looks.index(step) + 1, last=step == steps[-1])
            if step in steps:
                outputs = self._checkpoint(step)
                curves = self.trainer.progress.curves
                report(curves[self.reported :])
                self.reported = len(curves)
            self.seconds["evaluation"] += time.perf_counter() - clock
            clock = time.perf_counter()
            if clock - saved > save_every:
                self._save()
                saved = clock
        assert outputs is not None
        if doubt := discriminator_doubt(self.trainer.progress.curves):
            warnings.warn(f"{self.spec.method}: {doubt}", MethodWarning, stacklevel=1)
        self._finish(outputs)
        self.seconds["evaluation"] += time.perf_counter() - clock
        clocks = {f"{name}_seconds": value for name, value in self.seconds.items()}
        write_json(self.folder / "cost.json", {**clocks, "peak_memory_mb": peak_mb(self.device)})

    def _looks(self) -> list[int]:
        """Ends of the last stage's source epochs, where the protocol keeps the best of them."""
        protocol, ends = self.spec.protocol, self.trainer.ends
        if protocol.stopping == "last":
            return []
        start = ends[-2] if len(ends) > 1 else 0
        epoch = max(1, len(self.trainer.source.y) // protocol.source_batch)
        return [*range(start + epoch, protocol.steps, epoch), protocol.steps]

    def _look(self, step: int, epoch: int, *, last: bool) -> None:
        """Keep the model if it is the best so far; after the last step, go back to the best."""
        x, y = self.inputs["source_val"]
        assert y is not None
        _, logits = self.trainer.outputs(stored(x, CPU), "source")
        accuracy = scores.accuracy(logits.cpu().numpy(), y)
        latest = self.spec.protocol.stopping == "source_val_latest"
        if accuracy > self.best.accuracy or (latest and accuracy == self.best.accuracy):
            state = {name: tensor.clone() for name, tensor in self.trainer.method.state_dict().items()}
            self.best = Best(accuracy, step, epoch, state)
        patience = self.spec.protocol.patience
        if patience and epoch >= max(patience, 1.5 * self.best.epoch):
            self.trainer.finish()
        if last:
            self.trainer.method.load_state_dict(self.best.state)

    def _checkpoint(self, step: int) -> Outputs:
        outputs = model_outputs(self.trainer, self.inputs, last=step == self.spec.protocol.steps)
        accuracy = oracle.evaluate_oracle(outputs, self.oracle)
        if self.spec.reverse_of:
            # Here "target" is the source's validation split, whose labels may be read by anyone.
            self.checkpoints.append({"step": step, "reverse_validation": accuracy["target_test_accuracy"]})
            self.oracle_checkpoints.append({"step": step})
            return outputs
        outputs.save(self.folder / _outputs(step))
        self.checkpoints.append({"step": step, **scores.evaluate(outputs)})
        self.oracle_checkpoints.append({"step": step, **accuracy})
        return outputs

    def _finish(self, outputs: Outputs) -> None:
        progress = self.trainer.progress
        cost = {
            "forward_passes": progress.forward_passes,
            "backward_passes": progress.backward_passes,
            "parameters": sum(p.numel() for p in self.trainer.method.parameters()),
        } | ({"kept_step": self.best.step} if self.best.state else {})
        own, theirs, task = {}, {}, {}
        if not self.spec.reverse_of:
            own = scores.evaluate_last(outputs)
            theirs = oracle.evaluate_last(outputs, self._predictions(), self.oracle)
            task = _input_distance(self.spec.task, self.spec.protocol.scoring == "transductive")
            write_scores(self.folder, [_outputs(row["step"]) for row in self.checkpoints])
        write_json(self.folder / "spec.json", {**self.spec.to_dict(), "run_id": self.spec.run_id})
        write_json(self.folder / "curves.json", progress.curves)
        write_json(
            self.folder / "scores.json",
            {"checkpoints": self.checkpoints, "last": own, "task": task, "cost": cost},
        )
        write_json(self.folder / "oracle.json", {"checkpoints": self.oracle_checkpoints, "last": theirs})
        oracle.save_oracle(self.oracle, self.folder / "oracle.npz")
        (self.folder / "state.pt").unlink(missing_ok=True)

    def save_weights(self) -> None:
        """The model as it was evaluated, and what is needed to build it again without the data."""
        # Clones: the format refuses tensors that share memory, or that are not laid out row by row.
        tensors = {
            name: tensor.cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self.trainer.method.state_dict().items()
        }
        x, task = self.target_train_x, resolve(self.spec.task)
        family = DATASETS.get(task.family)()
        options = family.options(task.task).of_identity(task.options, task.name)
        preprocessing = family.preprocessing(task.task, options)
        about = {
            "input_shape": self.input_shape,
            "classes": self.classes,
            "source_size": len(self.trainer.source.y),
            "inputs": "files" if isinstance(x, ImageFiles) else str(x.dtype),
            "preprocessing": preprocessing and preprocessing.model_dump(mode="json"),
        }
        with atomic.writing(self.folder / WEIGHTS) as file:
            file.write(save(tensors, {"model": json.dumps(about)}))

    def _predictions(self) -> np.ndarray:
        """What the trained model says of every target training sample, kept as a reverse run's labels."""
        _, logits = self.trainer.outputs(stored(self.target_train_x, CPU), "target")
        predictions = logits.argmax(1).cpu().numpy()
        with atomic.writing(self.folder / "predictions.npz") as file:
            np.savez_compressed(file, target_train=predictions)
        return predictions

    def _save(self) -> None:
        state = {
            "code": self.code,
            "run_id": self.spec.run_id,
            "outputs": digests(self.folder / "outputs"),
            "trainer": self.trainer.state_dict(),
            "checkpoints": self.checkpoints,
            "oracle_checkpoints": self.oracle_checkpoints,
            "seconds": self.seconds,
            "best": vars(self.best),
            "reported": self.reported,
        }
        content = io.BytesIO()
        torch.save(state, content)
        with atomic.writing(self.folder / "state.pt") as file:
            file.write(hashlib.sha256(content.getbuffer()).digest())
            file.write(content.getbuffer())

    def _resume(self) -> None:
        """Go on from the saved state; start over where none leads to the same bits."""
        path = self.folder / "state.pt"
        if os.path.lexists(path):
            try:
                return self._restore(read_bytes(path, sys.maxsize))
            except Exception:  # whatever damage does to PyTorch's reader, a method or an optimiser
                self._begin()
        for left in (path, self.folder / "outputs", self.folder / WEIGHTS):
            atomic.remove(left)
        (self.folder / "outputs").mkdir()

    def _restore(self, content: bytes) -> None:
        """Raises whatever tells that a state is not as this code wrote it for this run, maybe half restored."""
        size = hashlib.sha256().digest_size
        if hashlib.sha256(memoryview(content)[size:]).digest() != content[:size]:
            raise ValueError("it is damaged")
        state = torch.load(io.BytesIO(content[size:]), weights_only=True)
        # What other code began, this code cannot continue to the same bits.
        if (state["code"], state["run_id"]) != (self.code, self.spec.run_id):
            raise ValueError("it is of other code or another run")
        if not state["outputs"].items() <= digests(self.folder / "outputs").items():
            raise ValueError("outputs have changed since")
        self.trainer.load_state_dict(state["trainer"])
        self.checkpoints, self.oracle_checkpoints = state["checkpoints"], state["oracle_checkpoints"]
        self.seconds = state["seconds"]
        self.best = Best(**state["best"])
        self.reported = state["reported"]


def _outputs(step: int) -> str:
    """The name, in a record, of the outputs at a checkpoint."""
    return f"outputs/{step:06d}.npz"


def new_trainer(spec: RunSpec, task: Task, view: TrainView, device: torch.device) -> Trainer:
    """The method of a spec with its networks built, ready to train on what it may see of a task."""
    protocol = spec.protocol
    build = Build(
        seed=spec.seed,
        input_shape=task.input_shape,
        n_classes=len(task.classes),
        source_size=len(view.source.y),
        backbone=protocol.backbone,
        head_layers=protocol.head_layers,
        discriminator_layers=protocol.discriminator_layers,
        discriminator_dropout=protocol.discriminator_dropout,
        initial_weights=protocol.initial_weights,
        channel_means=None if protocol.normalisation == "range" else _channel_means(view, protocol.normalisation),
        joint_forward=protocol.forward == "joint",
        autocast=protocol.precision == "bfloat16",
        compile=protocol.compile,
    )
    cls = METHODS.get(spec.method)
    method = cls(cls.settings.of_identity(spec.params, spec.method), build)
    return Trainer(to_device(method, device, protocol), view, protocol, spec.seed, device)


def _channel_means(view: TrainView, normalisation: str) -> tuple[float, ...]:
    """What is subtracted from images in [0, 1]: nothing, or the mean over all images that training sees."""
    total, pixels = np.zeros(view.source.x.shape[1]), 0
    for x in (view.source.x, view.target.x):
        if isinstance(x, ImageFiles) or x.dtype != np.uint8 or x.ndim != 4:
            what = "images in an array of uint8"
            raise UserError(f"protocol.normalisation={normalisation} is for {what}; set it to range")
        total += x.sum((0, 2, 3), dtype=np.float64)
        pixels += x[:, 0].size
    return tuple(total / pixels / 255) if normalisation == "channel_mean" else (0.0,) * len(total)


def model_outputs(trainer: Trainer, inputs: dict[str, tuple[Inputs, np.ndarray | None]], *, last: bool) -> Outputs:
    """Forward every split, and MixVal's probes, through the method as it is now."""
    arrays = {}
    limit = float(np.finfo(np.float16).max)
    for split, (x, y) in inputs.items():
        features, logits = trainer.outputs(stored(x, CPU), SPLITS[split])
        arrays[f"{split}.logits"] = logits.float().cpu().numpy()
        if last or not split.endswith("test"):
            arrays[f"{split}.features"] = features[:KEPT].clamp(-limit, limit).cpu().numpy().astype(np.float16)
        if y is not None:
            arrays[f"{split}.y"] = y
    plain = trainer.batches.inputs(torch.from_numpy(np.array(inputs["target_train"][0])))
    _, logits = trainer.outputs(MIXED * plain + (1 - MIXED) * plain.flip(0), "target")
    arrays["target_mixed.logits"] = logits.float().cpu().numpy()
    return Outputs(arrays)


@lru_cache(maxsize=64)
def _input_distance(task: str, transductive: bool) -> dict[str, Any]:
    """Proxy A-distance of a task's raw inputs, the same in each of its records."""
    view = load(task, transductive=transductive).evaluation_view()
    if isinstance(view.target_test_x, ImageFiles):  # photographs have too many pixels for a linear classifier
        return {}
    source, target = (np.asarray(x).reshape(len(x), -1) for x in (view.source_test.x, view.target_test_x))
    return scores.distance_scores("proxy_a_distance_inputs", proxy_a_distance(source, target))


def _predictions(folder: Path) -> np.ndarray:
    return read_arrays(folder / "predictions.npz")["target_train"]

"""One run, from its spec to a complete record folder."""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from benchmarks.core import atomic
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.evaluation import oracle
from benchmarks.evaluation.outputs import read_arrays
from benchmarks.plan.spec import RunSpec
from benchmarks.records.provenance import provenance, spec_digest
from benchmarks.records.record import LAYOUT, WEIGHTS, digests, seal, write_json
from benchmarks.records.store import PREDICTIONS
from benchmarks.training import state, weights
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.frozen import task_for
from benchmarks.training.loop import prepare
from benchmarks.training.memory import is_out_of_memory, peak_mb, reset_peak
from benchmarks.training.recorder import Recorder
from benchmarks.training.signals import FEWEST, Signals, alignment_doubt, discriminator_doubt, source_doubt
from benchmarks.training.stopping import Best, Stopping
from datasets.base import Task
from methods.base import MethodWarning

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
        folder: of a derived run, it holds the ``predictions.npz`` of the run that its task is derived from.
        report: called at each checkpoint with the signals since the last.
        save_every: least seconds between two saved states.
        save_weights: also keep the model, as ``weights.safetensors``.
    """
    spec = spec.plain()
    prepare(device, spec.protocol)
    reset_peak(device)
    started = time.time()
    with threadpool_limits(spec.protocol.threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=MethodWarning)
        try:
            run = Run(spec, folder, device)
            run.train(report, save_every)
            if save_weights:
                weights.write(folder, run.trainer, spec, run.task)
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


class Run:
    """A training with its evaluation, and the clocks that say where its time went."""

    def __init__(self, spec: RunSpec, folder: Path, device: torch.device) -> None:
        self.spec, self.folder, self.device = spec, folder, device
        self.code = spec_digest(spec)
        self.task = task_of(spec, folder, device)
        self._begin()

    def _begin(self) -> None:
        """Before the first step."""
        reference = METHODS.info(self.spec.method).reference
        seen = oracle.reference_view(self.task, reference) if reference else self.task.train_view()
        self.trainer = new_trainer(self.spec, facts_of(seen, self.task.facts), seen, self.device)
        self.recorder = Recorder(self.spec, self.task, self.folder)
        x, y = self.recorder.inputs["source_val"]
        assert y is not None
        self.stopping = Stopping(self.spec.protocol, self.trainer, (x, y))
        self.seconds = {"training": 0.0, "evaluation": 0.0}
        self.reported = 0

    def train(self, report: Report, save_every: float) -> None:
        """Train to the end, from the saved state if one exists, and write the record but for its provenance."""
        self._resume()
        saved = clock = time.perf_counter()
        pauses = range(0, self.trainer.steps, max(1, self.trainer.steps // PAUSES))
        for step in self.trainer.run({*self.stopping.looks, *pauses}):
            self.seconds["training"] += time.perf_counter() - clock
            clock = time.perf_counter()
            self.stopping.look(step)
            if step in self.trainer.checkpoints:
                self.recorder.checkpoint(self.trainer, step)
                curves = self.trainer.progress.curves
                report(curves[self.reported :])
                self.reported = len(curves)
            self.seconds["evaluation"] += time.perf_counter() - clock
            clock = time.perf_counter()
            if clock - saved > save_every:
                self._save()
                saved = clock
        self._warn()
        self.recorder.finish(self.trainer, self._cost())
        self.seconds["evaluation"] += time.perf_counter() - clock
        clocks = {f"{name}_seconds": value for name, value in self.seconds.items()}
        write_json(self.folder / "cost.json", {**clocks, "peak_memory_mb": peak_mb(self.device)})
        atomic.remove(self.folder / state.NAME)

    def _warn(self) -> None:
        """Say what the run, without any target label, tells against itself."""
        curves = self.trainer.progress.curves
        doubts = [discriminator_doubt(curves), alignment_doubt(curves)]
        # What is trained on the target alone, or fitted in no step, need not know the source.
        if len(curves) >= FEWEST and METHODS.info(self.spec.method).reference != "target":
            outputs = self.recorder.last
            assert outputs is not None
            learnt = self.task.objective.learnt(outputs["source_val.logits"], outputs["source_val.y"])
            doubts.append(source_doubt(*learnt))
        for doubt in filter(None, doubts):
            warnings.warn(f"{self.spec.method}: {doubt}", MethodWarning, stacklevel=1)

    def _cost(self) -> dict[str, int]:
        progress, best = self.trainer.progress, self.stopping.best
        return {
            "forward_passes": progress.forward_passes,
            "backward_passes": progress.backward_passes,
            "parameters": sum(p.numel() for p in self.trainer.method.parameters()),
        } | ({"kept_step": best.step} if best.state else {})

    def _save(self) -> None:
        state.save_state(
            self.folder,
            {
                "code": self.code,
                "run_id": self.spec.run_id,
                "outputs": digests(self.folder / "outputs"),
                "trainer": self.trainer.state_dict(),
                "checkpoints": self.recorder.rows,
                "oracle_checkpoints": self.recorder.oracle_rows,
                "right": self.recorder.right,
                "seconds": self.seconds,
                "best": vars(self.stopping.best),
                "reported": self.reported,
            },
        )

    def _resume(self) -> None:
        """Go on from the saved state; start over where none leads to the same bits."""
        try:
            if (saved := state.saved_state(self.folder)) is not None:
                return self._restore(saved)
        except Exception:  # whatever damage does to PyTorch's reader, a method or an optimiser
            self._begin()
        for left in (state.NAME, "outputs", WEIGHTS):
            atomic.remove(self.folder / left)
        (self.folder / "outputs").mkdir()

    def _restore(self, saved: dict[str, Any]) -> None:
        """Raises whatever tells that a state is not as this code wrote it for this run, maybe half restored."""
        # What other code began, this code cannot continue to the same bits.
        if (saved["code"], saved["run_id"]) != (self.code, self.spec.run_id):
            raise ValueError("it is of other code or another run")
        if not saved["outputs"].items() <= digests(self.folder / "outputs").items():
            raise ValueError("outputs have changed since")
        self.trainer.load_state_dict(saved["trainer"])
        self.recorder.rows, self.recorder.oracle_rows = saved["checkpoints"], saved["oracle_checkpoints"]
        self.recorder.right = saved["right"]
        self.seconds = saved["seconds"]
        self.stopping.best = Best(**saved["best"])
        self.reported = saved["reported"]


def task_of(spec: RunSpec, folder: Path, device: torch.device) -> Task:
    """The task of a run: by its name, or derived from what another run predicted."""
    task = task_for(spec, device)
    return task.reversed(read_arrays(folder / PREDICTIONS)["target_train"]) if spec.reverse_of else task

"""One run, from its spec to a complete record folder."""

import json
import math
import platform
import time
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.evaluation import oracle, scores
from benchmarks.evaluation.outputs import KEPT, SPLITS, Outputs, evaluation_inputs
from benchmarks.evaluation.proxy_a_distance import proxy_a_distance
from benchmarks.grid import RunSpec
from benchmarks.provenance import code_digest, package_versions
from benchmarks.registry import METHODS
from benchmarks.training import Signals, Trainer, prepare, to_device
from datasets.base import Task, load
from methods.base import MethodWarning
from methods.networks.build import Build

SAVE_EVERY = 60.0  # seconds between saved states of a long run

Report = Callable[[Signals], None]


def execute(
    spec: RunSpec,
    folder: Path,
    device: torch.device,
    report: Report = lambda signals: None,
    save_every: float = SAVE_EVERY,
) -> None:
    """Train, evaluate at checkpoints and write the record into ``folder``, going on from a state saved there.

    Args:
        report: called with the latest signals at each checkpoint.
        save_every: least seconds between two saved states.
    """
    prepare(device, spec.protocol)
    started = time.time()
    with threadpool_limits(spec.protocol.threads), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=MethodWarning)
        _Execution(spec, folder, device).run(report, save_every)
    _write(folder / "provenance.json", _provenance(spec, device, started, [str(w.message) for w in caught]))


class _Execution:
    """The parts of one run, and the clocks that say where its time went."""

    def __init__(self, spec: RunSpec, folder: Path, device: torch.device) -> None:
        self.spec, self.folder = spec, folder
        self.code = code_digest(spec.method, spec.task.partition("/")[0])
        self.transductive = spec.protocol.scoring == "transductive"
        task = load(spec.task)
        reference = METHODS.info(spec.method).reference
        seen = oracle.reference_task(task) if reference else task
        self.oracle = oracle.open_oracle(task, transductive=self.transductive)
        self.trainer = new_trainer(spec, seen, device)
        view = seen.evaluation_view(transductive=self.transductive)
        self.inputs = evaluation_inputs(seen.train_view(), view)
        self.checkpoints: list[dict[str, Any]] = []
        self.oracle_checkpoints: list[dict[str, Any]] = []
        self.seconds = {"training": 0.0, "evaluation": 0.0}

    def run(self, report: Report, save_every: float) -> None:
        (self.folder / "outputs").mkdir(exist_ok=True)
        self._resume()
        saved = clock = time.perf_counter()
        outputs = None
        for step in self.trainer.run():
            self.seconds["training"] += time.perf_counter() - clock
            clock = time.perf_counter()
            outputs = self._checkpoint(step)
            report(self.trainer.progress.curves[-1] if self.trainer.progress.curves else {"step": step})
            self.seconds["evaluation"] += time.perf_counter() - clock
            clock = time.perf_counter()
            if clock - saved > save_every:
                self._save()
                saved = clock
        assert outputs is not None
        self._finish(outputs)
        self.seconds["evaluation"] += time.perf_counter() - clock
        _write(self.folder / "seconds.json", self.seconds)

    def _checkpoint(self, step: int) -> Outputs:
        outputs = model_outputs(self.trainer, self.inputs)
        outputs.save(self.folder / "outputs" / f"{step:06d}.npz")
        self.checkpoints.append({"step": step, **scores.evaluate(outputs)})
        self.oracle_checkpoints.append({"step": step, **oracle.evaluate_oracle(outputs, self.oracle)})
        return outputs

    def _finish(self, outputs: Outputs) -> None:
        task_scores = _input_distance(self.spec.task, self.transductive)
        last = scores.evaluate_last(outputs)
        parameters = sum(p.numel() for p in self.trainer.method.parameters())
        cost = {"backward_passes": self.trainer.progress.backward_passes, "parameters": parameters}
        _write(self.folder / "spec.json", {**self.spec.to_dict(), "run_id": self.spec.run_id})
        _write(self.folder / "curves.json", self.trainer.progress.curves)
        _write(
            self.folder / "scores.json",
            {"checkpoints": self.checkpoints, "last": last, "task": task_scores, "cost": cost},
        )
        _write(self.folder / "oracle.json", {"checkpoints": self.oracle_checkpoints})
        oracle.save_oracle(self.oracle, self.folder / "oracle.npz")
        (self.folder / "state.pt").unlink(missing_ok=True)

    def _save(self) -> None:
        state = {
            "code": self.code,
            "trainer": self.trainer.state_dict(),
            "checkpoints": self.checkpoints,
            "oracle_checkpoints": self.oracle_checkpoints,
            "seconds": self.seconds,
        }
        partial = self.folder / "state.pt.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "state.pt")

    def _resume(self) -> None:
        path = self.folder / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["code"] != self.code:  # what other code began, this code cannot continue to the same bits
            return
        self.trainer.load_state_dict(state["trainer"])
        self.checkpoints, self.oracle_checkpoints = state["checkpoints"], state["oracle_checkpoints"]
        self.seconds = state["seconds"]


def new_trainer(spec: RunSpec, task: Task, device: torch.device) -> Trainer:
    """The method of a spec with its networks built, ready to train on what a task lets it see."""
    protocol, view = spec.protocol, task.train_view()
    build = Build(
        seed=spec.seed,
        input_shape=task.input_shape,
        n_classes=len(task.classes),
        source_size=len(view.source.y),
        backbone=protocol.backbone,
        head_layers=protocol.head_layers,
        discriminator_layers=protocol.discriminator_layers,
        joint_forward=protocol.forward == "joint",
    )
    cls = METHODS.get(spec.method)
    method = cls(cls.settings.parse(spec.params, spec.method), build)
    return Trainer(to_device(method, device, protocol), view, protocol, spec.seed, device)


def model_outputs(trainer: Trainer, inputs: dict[str, tuple[np.ndarray, np.ndarray | None]]) -> Outputs:
    """Forward every split through the method as it is now."""
    arrays = {}
    for split, (x, y) in inputs.items():
        features, logits = trainer.outputs(torch.from_numpy(x), SPLITS[split])
        arrays[f"{split}.logits"] = logits.float().cpu().numpy()
        limit = float(np.finfo(np.float16).max)
        arrays[f"{split}.features"] = features[:KEPT].clamp(-limit, limit).cpu().numpy().astype(np.float16)
        if y is not None:
            arrays[f"{split}.y"] = y
    return Outputs(arrays)


@lru_cache(maxsize=64)
def _input_distance(task: str, transductive: bool) -> dict[str, Any]:
    """Proxy A-distance of a task's raw inputs, the same in each of its records."""
    view = load(task).evaluation_view(transductive=transductive)
    source, target = (x.reshape(len(x), -1) for x in (view.source_test.x, view.target_test_x))
    return scores.distance_scores("proxy_a_distance_inputs", proxy_a_distance(source, target))


def _provenance(spec: RunSpec, device: torch.device, started: float, method_warnings: list[str]) -> dict[str, Any]:
    return {
        "code": code_digest(spec.method, spec.task.partition("/")[0]),
        "packages": package_versions(),
        "python": platform.python_version(),
        "cpu": _cpu(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "host": platform.node(),
        "started": started,
        "finished": time.time(),
        "warnings": list(dict.fromkeys(method_warnings)),
    }


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(_plain(value), indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """NaN is not JSON: a number that is none becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

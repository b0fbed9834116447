"""Small tasks, protocols and runs that the tests share."""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch

from benchmarks.core.facts import Facts
from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import DATASETS, METHODS
from benchmarks.engines.events import Event
from benchmarks.engines.work import Execute, attempt, require_files, train
from benchmarks.plan.grid import plan
from benchmarks.plan.spec import RunSpec
from benchmarks.records.record import DIGESTS
from benchmarks.records.store import Store
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.loop import Trainer, prepare
from datasets import files
from datasets.base import Domains, Task, forget_tasks, load_task
from datasets.readers.folders import ImageFamily
from methods.base import Deep, SamplesT, Unlabelled

TINY = {"backbone": "mlp?width=16", "discriminator_layers": "16", "steps": 20, "checkpoints": 2}
FACTS = Facts(input_shape=(2,), n_classes=2)
# Toys that have what some methods need of a task.
SUITED = {
    "several_sources": "toys/ladder",
    "few": "toys/blobs?shots=5",
    "open": "toys/corners?source_classes=0-2",
}
# Methods that run under the tiny protocol. A method that needs another backbone has tests of its own.
RUNNING = [
    name
    for name in METHODS.names()
    if METHODS.get(name).unsupported(FACTS, Protocol(backbone=TINY["backbone"])) is None
]
CANDIDATES = [name for name in RUNNING if not METHODS.info(name).reference]
ADAPTING = [name for name in CANDIDATES if name != "source_only"]
# Their task loss is not source_only's, whatever their alignment.
REWEIGHTING = [
    name
    for name in ADAPTING
    if getattr(METHODS.get(name), "source_weight", Deep.source_weight) is not Deep.source_weight
]


def thorough_for_most(methods: Iterable[str]) -> list[Any]:
    """Parameters of a test that others repeat in another way: all methods only in `make test-all`."""
    infos = {name: METHODS.info(name) for name in methods}
    return [
        name if info.core or info.reference else pytest.param(name, marks=pytest.mark.thorough)
        for name, info in infos.items()
    ]


CPU = torch.device("cpu")

# A busy machine must not turn a property red: no test asserts an absolute time.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

MakeSpec = Callable[..., RunSpec]
MakeTrainer = Callable[..., Trainer]


def suited(method: str, task: str) -> str:
    """The task, or a toy that has what the method needs where that is more than the usual toys have."""
    return next((SUITED[need] for need in METHODS.info(method).needs), task)


def spec_of(
    method: str, task: str = "toys/moons", seed: int = 0, params: Mapping[str, Any] | None = None, **protocol: Any
) -> RunSpec:
    """One run under a tiny protocol, on a task that is suited to the method."""
    task = suited(method, task)
    overrides = {"protocol": {**TINY, **protocol}} | ({method: params} if params else {})
    names = list(dict.fromkeys(["source_only", method]))
    grid = plan("quick", names, [task], [seed], overrides)
    spec = next(spec for spec in grid.specs if spec.method == method)
    assert spec.run_id  # kept with it: a process that gets the spec needs not import the method for its id
    return spec


def trainer_of(spec: RunSpec, task: Task | None = None) -> Trainer:
    """A trainer that has not taken a step."""
    prepare(CPU, spec.protocol)
    task = task or load_task(spec.task)
    view = task.train_view()
    return new_trainer(spec, facts_of(view, task.facts), view, CPU)


def trained(spec: RunSpec, task: Task | None = None) -> Trainer:
    """A trainer at its last step."""
    trainer = trainer_of(spec, task)
    for _ in trainer.run():
        pass
    return trainer


def weights(trainer: Trainer, *prefixes: str) -> dict[str, torch.Tensor]:
    """Copies of the parameters and buffers under some prefixes; all without any."""
    state = trainer.method.state_dict()
    return {k: v.clone() for k, v in state.items() if not prefixes or k.startswith(prefixes)}


def rows_of(samples: SamplesT, index: torch.Tensor) -> SamplesT:
    """Some rows of one side of a batch, with those of its views."""
    taken = {name: values[index] for name, values in vars(samples).items() if name != "views"}
    if isinstance(samples, Unlabelled):
        taken["views"] = {name: view[index] for name, view in samples.views.items()}
    return replace(samples, **taken)


def with_target_labels(domains: Domains, change: Callable[[np.ndarray], np.ndarray]) -> Domains:
    """Domains whose targets have other labels."""
    return Domains(domains.sources, [replace(target, y=change(target.y)) for target in domains.targets])


def make_older(folder: Path) -> None:
    """As versions without digests left their records."""
    (folder / DIGESTS).unlink()
    values = json.loads((folder / "provenance.json").read_text())
    del values["layout"]
    (folder / "provenance.json").write_text(json.dumps(values))


def takes_steps(method: str) -> bool:
    """Whether it trains networks; a shallow method is fitted once, and builds none."""
    return bool(METHODS.info(method).uses)


def hidden_sizes(head: torch.nn.Module) -> tuple[int, ...]:
    """Of a perceptron: what the protocol's ``head_layers`` are for such a head."""
    linear = [layer for layer in head.children() if isinstance(layer, torch.nn.Linear)]
    return tuple(layer.out_features for layer in linear[:-1])


def same(a: Mapping[str, torch.Tensor], b: Mapping[str, torch.Tensor]) -> bool:
    """Equal to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class EngineHere:
    """The local engine without its processes, which take seconds to start."""

    def __init__(self, store: Store, devices: Sequence[str], *, execute: Execute = train, **_: Any) -> None:
        ForkingPickler.dumps(execute)  # a process could not get it otherwise
        self.store, self.devices, self.execute = store, devices, execute

    def run(self, specs: Sequence[RunSpec]) -> Iterator[Event]:
        require_files(specs)
        self.store.create()
        for spec in specs:
            with self.store.locked(spec) as folder:
                inputs = partial(self.store.inputs, spec)
                failure = attempt(self.execute, spec, folder, "cpu", lambda signals: None, inputs)
                if failure:
                    self.store.write_failure(spec, failure.error, failure.traceback)
                else:
                    self.store.publish(spec)
            yield Event("failed", spec, error=failure.error) if failure else Event("finished", spec)


def all_tasks() -> list[Any]:
    """Every task that needs no files, and the first of a family that do, skipped where the files are not.

    Not those of photographs.
    """
    tasks = []
    for name in DATASETS.names():
        family, first = DATASETS.get(name)(), True
        if isinstance(family, ImageFamily):  # thousands of photographs: tests/test_images.py has a small one
            continue
        for task in family.tasks():
            needed = family.files(task)
            if needed and not first:
                continue
            first = first and not needed
            absent = [file.path for file in needed if files.state(file) != "present"]
            skip = pytest.mark.skipif(bool(absent), reason=f"no {absent} in ${files.VARIABLE}")
            tasks.append(pytest.param(f"{name}/{task}", marks=skip))
    return tasks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount: {error}")
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(autouse=True)
def _clean_process() -> None:
    """A test that patches a reader must not leave its task behind, nor a run its floating-point mode."""
    forget_tasks()
    torch.set_flush_denormal(False)  # hypothesis draws denormal floats and checks that they are there

"""The committed outputs on which the advice is measured."""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from benchmarks.advice.measure import Case
from benchmarks.advice.pool import last_steps, pools
from benchmarks.core.protocol import StepsScale
from benchmarks.core.settings import UserError
from benchmarks.evaluation.candidates import load_outputs
from benchmarks.evaluation.oracle import load_labels
from benchmarks.plan.grid import plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.spec import RunSpec

METHODS = "core"  # what the record is of: a fixed set, with defaults, at the last step
MOST_SEEDS = 5
SUITES = ("quick", "amazon", "har", "sentiment", "office-caltech-surf", "digits-short")
SCALES = {"digits-short": ("digits", "compress:0.2")}  # files whose suite was run with fewer steps
TOYS = "toys"


def cases(folder: Path | None = None, *, every_step: bool = False) -> list[Case]:
    """Every task that all methods have outputs of; toys are none.

    Args:
        folder: of files SUITE.npz and SUITE-labels.npz; default: the committed ones.
        every_step: with all checkpoints as options, not the last alone.

    Raises:
        UserError: no file is there, or one is broken.
    """
    folder = folder or Path(str(files("results"))) / "outputs"
    found = [case for name in SUITES if (folder / f"{name}.npz").exists() for case in _of_suite(folder, name)]
    if not found:
        raise UserError(f"{str(folder)!r} has no outputs of a suite; `table --save-outputs` writes them")
    return found if every_step else [Case(case.task, last_steps(case.pool), case.labels) for case in found]


def _of_suite(folder: Path, name: str) -> Iterator[Case]:
    outputs, labels = load_outputs(folder / f"{name}.npz"), load_labels(folder / f"{name}-labels.npz")
    specs = [spec for spec in _specs(name) if spec.run_id in labels and spec.family != TOYS]
    for task, pool in pools(_whole_seeds(specs), outputs).items():
        runs = pool.options[0].specs
        if not pool.incomplete:
            yield Case(task, pool, tuple(labels[spec.run_id] for spec in runs))


def _whole_seeds(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Those of the seeds that all methods of their task have."""
    methods = Counter((spec.task, spec.seed) for spec in specs)
    return [spec for spec in specs if methods[spec.task, spec.seed] == len(method_names(METHODS))]


def _specs(name: str) -> list[RunSpec]:
    suite, scale = SCALES.get(name, (name, ""))
    parsed = StepsScale.parse(scale) if scale else None
    return plan(suite, method_names(METHODS), (), range(MOST_SEEDS), scale=parsed).specs

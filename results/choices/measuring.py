"""What the scripts of this folder share: trainings, and tables that are measured line by line."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.plan.grid import plan
from benchmarks.plan.spec import RunSpec
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.loop import Trainer, prepare
from datasets.base import Task

CPU = torch.device("cpu")
HERE = Path(__file__).parent

Line = dict[str, Any]

# Tasks of all kinds that are measured, with the suites whose protocols they have.
SUITES = {
    "toys/blobs": "toys",
    "toys/moons": "toys",
    "toys/scale": "toys",
    "toys/covariate": "toys",
    "digits/mnist5k-optdigits": "quick",
    "sentiment/products-tweets": "sentiment",
    "sentiment/films-editorials": "sentiment",
    "office_caltech_surf/amazon-caltech": "office-caltech-surf",
    "office_caltech_surf/webcam-dslr": "office-caltech-surf",
    "amazon/books-kitchen": "amazon",
    "har/2-11": "har",
}


def run_of(
    suite: str, task: str, method: str, seed: int, settings: Mapping[str, Mapping[str, Any]] | None = None
) -> RunSpec:
    """A run as a suite has it, but for some settings by method or ``protocol``."""
    (spec,) = plan(suite, [method], [task], [seed], settings).specs
    return spec


def trained(spec: RunSpec, task: Task) -> Trainer:
    """The method of a run at its last step."""
    prepare(CPU, spec.protocol)
    view = task.train_view()
    trainer = new_trainer(spec, facts_of(view, task.facts), view, CPU)
    for _ in trainer.run():
        pass
    return trainer


def measured(name: str, doc: str, wanted: Sequence[Line], measure: Callable[[Line], Line]) -> pd.DataFrame:
    """The lines of ``NAME.csv`` after measuring those that it lacks; each is written as soon as it is known.

    Args:
        doc: what ``--help`` says.
        wanted: what is to be measured: the first columns of each line.
        measure: from these to the further columns.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=HERE / f"{name}.csv", help="of what is measured, and was")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
    lines = pd.read_csv(options.file).to_dict("records") if options.file.exists() else []
    missing = [line for line in wanted if not any(line.items() <= known.items() for known in lines)]
    with ProcessPoolExecutor(options.jobs) as pool:
        for line, found in zip(missing, pool.map(measure, missing), strict=True):
            lines.append(line | found)
            pd.DataFrame(lines).to_csv(options.file, index=False, float_format="%.4g")
    return pd.DataFrame([known for known in lines if any(line.items() <= known.items() for line in wanted)])

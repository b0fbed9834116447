"""What a data set is made of, and how it becomes a task: what data sets and the harness import from here."""

from datasets.base.family import DomainFamily, Family, Options, Preprocessing
from datasets.base.loading import TaskSpec, load_task, resolve
from datasets.base.samples import (
    EvaluationView,
    Inputs,
    LabelledArrays,
    Oracle,
    Samples,
    TrainView,
    UnlabelledArrays,
)
from datasets.base.splits import SPLIT_SEED, TEST_SHARE, VAL_SHARE, split
from datasets.base.task import Task

__all__ = [
    "SPLIT_SEED",
    "TEST_SHARE",
    "VAL_SHARE",
    "DomainFamily",
    "EvaluationView",
    "Family",
    "Inputs",
    "LabelledArrays",
    "Options",
    "Oracle",
    "Preprocessing",
    "Samples",
    "Task",
    "TaskSpec",
    "TrainView",
    "UnlabelledArrays",
    "load_task",
    "resolve",
    "split",
]

"""What a data set is made of, and how it becomes a task: what data sets and the harness import from here."""

from datasets.base.family import DomainFamily, Family, Preprocessing, parse_domains
from datasets.base.loading import (
    TaskSpec,
    class_names,
    facts_of_task,
    forget_tasks,
    labels_define,
    load_task,
    objective_of_task,
    preprocessing_of,
    resolve,
    seed_that_matters,
)
from datasets.base.options import ClassSets, Options
from datasets.base.samples import (
    Domains,
    EvaluationView,
    Inputs,
    LabelledArrays,
    Oracle,
    Samples,
    TrainView,
    UnlabelledArrays,
)
from datasets.base.splits import SPLIT_SEED, TEST_SHARE, VAL_SHARE, draw, held_out, split, unvalidated
from datasets.base.task import Task

__all__ = [
    "SPLIT_SEED",
    "TEST_SHARE",
    "VAL_SHARE",
    "ClassSets",
    "DomainFamily",
    "Domains",
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
    "class_names",
    "draw",
    "facts_of_task",
    "forget_tasks",
    "held_out",
    "labels_define",
    "load_task",
    "objective_of_task",
    "parse_domains",
    "preprocessing_of",
    "resolve",
    "seed_that_matters",
    "split",
    "unvalidated",
]

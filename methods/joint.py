"""A reference, not a method: the harness gives it the labels of both domains. The ideal joint model's stand-in."""

from benchmarks.core.registry import METHODS, MethodInfo
from methods.source_only import SourceOnly


@METHODS.register(
    "joint",
    MethodInfo(
        "reference", 2010, "-", "training on both domains' labels", reference="both", uses=("backbone", "new")
    ),
)
class Joint(SourceOnly):
    pass

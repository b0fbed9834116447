"""A reference, not a method: the harness gives it the labelled target as its source. The usual ceiling."""

from benchmarks.core.registry import METHODS, MethodInfo
from methods.source_only import SourceOnly


@METHODS.register(
    "target_only",
    MethodInfo(
        "reference", 2010, "-", "training on the target's labels", reference="target", uses=("backbone", "new")
    ),
)
class TargetOnly(SourceOnly):
    pass

"""The baseline: train on the source, never look at the target."""

from collections.abc import Sequence

from benchmarks.core.registry import METHODS, MethodInfo
from methods.base import Deep, Stage, Update


@METHODS.register(
    "source_only",
    MethodInfo("baseline", 2010, "-", "training on the source alone", core=True, uses=("backbone", "new")),
)
class SourceOnly(Deep):
    def stages(self) -> Sequence[Stage]:
        return [Stage("source", [Update(self.loss)], sees="source")]

"""One run, as asked for, and its id."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from benchmarks.core.protocol import Protocol

FORMAT = 1  # of specs and records


def run_id_of(spec: Mapping[str, Any]) -> str:
    """The id of a run, from what :meth:`RunSpec.to_dict` says of it."""
    text = json.dumps({"format": FORMAT, **spec}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class RunSpec:
    """One run, as asked for.

    Attributes:
        task: the short name; ``data`` has the options in full and the data set's version.
        params: all resolved hyper-parameters of the method.
        variant: the method's name, with those hyper-parameters that were set other than the suite's: a row of
            a table. A search tries several configurations of it; number 0 is the variant itself.
        reverse_of: the run whose predictions on the target are this one's labels, with the domains swapped.
    """

    task: str
    data: Mapping[str, Any]
    method: str
    params: Mapping[str, Any]
    protocol: Protocol
    seed: int
    variant: str = field(compare=False)
    configuration: int = field(default=0, compare=False)
    reverse_of: str | None = None

    @cached_property
    def run_id(self) -> str:
        """12 hex digits that hash what was asked for, and nothing about how it is done."""
        return run_id_of(self.to_dict())

    @property
    def family(self) -> str:
        return self.task.partition("/")[0]

    def to_dict(self) -> dict[str, Any]:
        return {
            "data": dict(self.data),
            "method": self.method,
            "params": dict(self.params),
            "protocol": self.protocol.identity(),
            "seed": self.seed,
            "task": self.task,
        } | ({"reverse_of": self.reverse_of} if self.reverse_of else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], variant: str) -> "RunSpec":
        """The inverse of :meth:`to_dict`."""
        protocol = Protocol.of_identity(values["protocol"], "protocol")
        return cls(**{**values, "protocol": protocol}, variant=variant)

    def reversed(self) -> "RunSpec":
        """The run that judges this one by reverse validation."""
        return replace(self, reverse_of=self.run_id)

    def __str__(self) -> str:
        number = f" configuration {self.configuration}" if self.configuration else ""
        return f"{self.task} {self.variant}{number} seed {self.seed}" + " reversed" * bool(self.reverse_of)

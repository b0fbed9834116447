"""One run, as asked for, and its id."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import METHODS

FORMAT = 2  # of specs and records
HARNESS = 1  # raised whenever the harness changes numbers, so that older records do not pass for new ones


def run_id_of(spec: Mapping[str, Any]) -> str:
    """The id of a run, from what :meth:`RunSpec.to_dict` says of it."""
    text = json.dumps({"format": FORMAT, **spec}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@lru_cache(maxsize=1024)  # thousands of runs share a few protocols
def _identity(protocol: Protocol, uses: tuple[str, ...]) -> dict[str, Any]:
    return protocol.identity(uses)


@dataclass(frozen=True)
class RunSpec:
    """One run, as asked for.

    Attributes:
        task: the short name; ``data`` has the options in full and the data set's version.
        params: all resolved hyper-parameters of the method.
        version: the method's.
        harness: the version of what trains and scores.
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
    version: int = 1
    harness: int = field(default_factory=lambda: HARNESS)
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
        """What was asked for, without settings of what the method does not use."""
        return {
            "data": dict(self.data),
            "harness": self.harness,
            "method": self.method,
            "params": dict(self.params),
            "protocol": dict(_identity(self.protocol, METHODS.info(self.method).uses)),
            "seed": self.seed,
            "task": self.task,
            "version": self.version,
        } | ({"reverse_of": self.reverse_of} if self.reverse_of else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], variant: str) -> "RunSpec":
        """The inverse of :meth:`to_dict`: what it left out is as the protocol has it by default."""
        protocol = Protocol.of_identity(values["protocol"], "protocol")
        return cls(**{**values, "protocol": protocol}, variant=variant)

    def plain(self) -> "RunSpec":
        """As its record will say it: what is no part of the id is at its default, and so cannot matter."""
        return replace(self.from_dict(self.to_dict(), self.variant), configuration=self.configuration)

    def reversed(self) -> "RunSpec":
        """The run that judges this one by reverse validation."""
        return replace(self, reverse_of=self.run_id)

    def __str__(self) -> str:
        number = f" configuration {self.configuration}" if self.configuration else ""
        return f"{self.task} {self.variant}{number} seed {self.seed}" + " reversed" * bool(self.reverse_of)

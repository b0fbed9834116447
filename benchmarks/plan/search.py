"""Which configurations a method is tried with: its own first, then as many others as every method gets."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from benchmarks.core.protocol import Protocol
from benchmarks.core.randomness import generator
from benchmarks.core.settings import Settings, format_query, parse_query

# What every method searches: DomainBed's ranges (Gulrajani and Lopez-Paz, ICLR 2021, appendix D.2). Its learning
# rates for small images, 10^-4.5 to 10^-2.5, are a factor here, so that those of different roles keep their ratio.
LEARNING_RATE = (10**-1.5, 10**0.5)
WEIGHT_DECAY = (1e-6, 1e-2)
DROPOUT = (0.0, 0.5)

Configuration = tuple[Settings, Protocol]


@dataclass(frozen=True)
class Search:
    """What ``--search`` and ``--grid`` ask for.

    Attributes:
        size: configurations of each method, its own among them; the others are drawn.
        grid: values to combine, by owner (a method, or ``protocol``) and setting.
    """

    size: int = 1
    grid: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def most(self, method: str) -> int:
        """Configurations of a method, repeats among them: :func:`configurations` makes no more."""
        values = [values for owner in (method, "protocol") for values in self.grid.get(owner, {}).values()]
        return self.size + (math.prod(map(len, values)) if values else 0)


def configurations(method: str, params: Settings, protocol: Protocol, search: Search) -> list[Configuration]:
    """Hyper-parameters and protocol of each try, without repeats.

    A draw depends on its number and on the parameter's name alone. So all methods, tasks and seeds share those of
    the protocol, and differences between methods stay paired.
    """
    found = [(params, protocol)]
    for number in range(1, search.size):
        own = _drawn_params(method, params, number)
        found.append((params.replace(own, method), _drawn_protocol(protocol, number)))
    keys = [(owner, key) for owner in (method, "protocol") for key in search.grid.get(owner, {})]
    for values in itertools.product(*(search.grid[owner][key] for owner, key in keys)):
        changes: dict[str, dict[str, Any]] = {method: {}, "protocol": {}}
        for (owner, key), value in zip(keys, values, strict=True):
            changes[owner][key] = value
        found.append((params.replace(changes[method], method), protocol.replace(changes["protocol"], "protocol")))
    return list(dict.fromkeys(found))


def _drawn_params(method: str, params: Settings, number: int) -> dict[str, float]:
    drawn = {}
    for name, info in type(params).model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("low") is not None:
            value = _draw(f"{method}.{name}", number, extra["low"], extra["high"], log=bool(extra["log"]))
            drawn[name] = round(value) if info.annotation is int else value
    return drawn


@lru_cache(maxsize=2**16)  # of one task, method after method
def _drawn_protocol(protocol: Protocol, number: int) -> Protocol:
    factor = _draw("protocol.lr", number, *LEARNING_RATE, log=True)
    keys = ("lr_backbone", "lr_new", "lr_adversary", "lr_gan")
    rates = {key: float(f"{getattr(protocol, key) * factor:.3g}") for key in keys}
    decay = _draw("protocol.weight_decay", number, *WEIGHT_DECAY, log=True)
    backbone = with_dropout(protocol.backbone, _draw("protocol.dropout", number, *DROPOUT, log=False))
    return protocol.replace({**rates, "weight_decay": decay, "backbone": backbone}, "protocol")


def with_dropout(backbone: str, dropout: float) -> str:
    """The backbone's text with another dropout, if it has one."""
    from methods.networks.backbones import backbone_options

    name, options = parse_query(backbone)
    if "dropout" not in backbone_options(name).model_fields:
        return backbone
    return format_query(name, {**options, "dropout": dropout})


def _draw(name: str, number: int, low: Any, high: Any, *, log: bool) -> float:
    """A uniform or log-uniform draw, to 3 digits."""
    u = generator(0, f"search/{name}", number).uniform()
    return float(f"{low * (high / low) ** u if log else low + (high - low) * u:.3g}")

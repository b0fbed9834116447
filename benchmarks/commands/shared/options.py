"""From what argparse read to a command's typed options."""

from argparse import ArgumentParser, Namespace, _ArgumentGroup, _StoreAction
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from benchmarks.core.settings import UserError

T = TypeVar("T")
Group = _ArgumentGroup  # what flags are added to: it has the title under which help shows them


class Once(_StoreAction):
    """A flag that takes one value: given twice, it is an error, where the first was left out in silence.

    It remembers that it was given, as a parser is made for each command line.
    """

    given = False

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Any, option: Any = None) -> None:
        if self.given:
            parser.error(f"{option} is given twice, and takes one value")
        self.given = True
        super().__call__(parser, namespace, values, option)


def refuse(ignored: Mapping[str, Any], why: str) -> None:
    """Raise a UserError for flags that are set and would have no effect.

    Args:
        ignored: by name, their values, or whether they are set.
        why: they would have none, which opens the message.
    """
    if given := [f"--{name.replace('_', '-')}" for name, value in ignored.items() if value]:
        raise UserError(f"{why}; leave out {', '.join(given)}")


def typed(options: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass of options from flags by name. A field that is itself a dataclass gets its own flags.

    Raises:
        UserError: what a dataclass says of its flags.
    """
    kinds = get_type_hints(options)
    found = {
        field.name: typed(kinds[field.name], values) if is_dataclass(kinds[field.name]) else values[field.name]
        for field in fields(options)  # type: ignore[arg-type]
    }
    return options(**found)

"""Typed settings: hyper-parameters, protocols and suites, checked with one clear message.

Stdlib and pydantic only: importing this must not import torch.
"""

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class UserError(Exception):
    """Something the user can put right. Its message says what was wrong and what to do."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 200
_DIGITS = 9  # of a whole number: more count nothing that a computer holds


def short(value: Any) -> str:
    """A value for an error message, cut where it is long or deeply nested."""
    try:
        return _SHORT.repr(value)
    except (ValueError, RecursionError):  # Python refuses to write out an integer of thousands of digits
        return f"a very large {type(value).__name__}"


def whole_number(text: str) -> int | None:
    """What up to nine ASCII digits say, or None. ``isdigit`` alone would admit ``²``, and ``int`` fails on it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def nearest(name: str, known: Iterable[str]) -> str:
    """``name`` quoted, with the most similar known names, for an error message."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
    return f"{short(name)}; {hint}"


Share = Annotated[float, Field(ge=0, lt=1)]  # of the steps, at the start, that go without something


_ALWAYS = object()  # a field that all records have


def setting(
    default: Any, doc: str, *, before: Any = _ALWAYS, about: Mapping[str, Any] | None = None, **limits: Any
) -> Any:
    """A documented setting.

    Args:
        before: of one that came after the first records: what those records have there. It is part of an identity
            only where it is other, whatever the default is by now: older records keep their ids.
        about: more that is known of it.
        limits: of its value, as pydantic's ``Field`` takes them.
    """
    known = dict(about or {}) | ({} if before is _ALWAYS else {"before": before})
    return Field(default, description=doc, json_schema_extra=known, **limits)


def param(
    default: Any,
    doc: str,
    *,
    source: str,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    before: Any = _ALWAYS,
) -> Any:
    """A documented hyper-parameter.

    ``low`` and ``high`` bound what a search may draw (``log``: on a logarithmic scale); any value that
    the type admits may be set by hand. ``source`` says where the default comes from: a paper's section,
    or the label-free rule that chose it. ``before`` is that of :func:`setting`.
    """
    about = {"source": source, "low": low, "high": high, "log": log}
    return setting(default, doc, before=before, about=about)


class Settings(BaseModel):
    """Immutable, complete, and closed: an unknown key is an error that names the nearest one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Build from plain values or command-line strings (a tuple is written ``a,b``).

        Raises:
            UserError: an unknown key or a value of the wrong type; ``where`` opens the message.
        """
        for key in values:
            if key not in cls.model_fields:
                raise UserError(f"{where}: unknown setting {nearest(key, cls.model_fields)}")
        try:
            return cls.model_validate({key: _split(cls, key, value) for key, value in values.items()})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "settings"
            raise UserError(f"{where}.{key} = {short(first['input'])}: {first['msg'].lower()}") from None

    def replace(self, values: Mapping[str, Any], where: str) -> Self:
        """A checked copy with some values changed."""
        return self.parse({**self.model_dump(), **values}, where)

    def identity(self) -> dict[str, Any]:
        """What a run's id hashes, as JSON values."""
        before = self._before()
        values = self.model_dump(mode="json")
        return {name: value for name, value in values.items() if name not in before or value != before[name]}

    @classmethod
    def of_identity(cls, values: Mapping[str, Any], where: str) -> Self:
        """The inverse of :meth:`identity`; raises as :meth:`parse` does."""
        return cls.parse({**cls._before(), **values}, where)

    @classmethod
    @cache
    def _before(cls) -> dict[str, Any]:
        """What records without a field have there; a subclass that declares a field anew need not say it again."""
        found = {}
        for base in reversed(cls.__mro__):
            for name, info in getattr(base, "__pydantic_fields__", {}).items():
                if isinstance(info.json_schema_extra, dict) and "before" in info.json_schema_extra:
                    found[name] = info.json_schema_extra["before"]
        return found

    def changed(self, usual: Self | None = None) -> dict[str, Any]:
        """The values that differ from the usual ones: others, or the defaults."""
        known = (usual or type(self)()).model_dump(mode="json")
        return {key: value for key, value in self.model_dump(mode="json").items() if value != known[key]}


def _split(cls: type[BaseModel], key: str, value: Any) -> Any:
    """A command-line string for a tuple field becomes its parts."""
    annotation = cls.model_fields[key].annotation
    if isinstance(value, str) and getattr(annotation, "__origin__", None) is tuple:
        return tuple(part for part in value.split(",") if part)
    return value


def split(text: str | None) -> list[str]:
    """The parts of ``a, b``; none of None."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def parse_query(text: str) -> tuple[str, dict[str, str]]:
    """Split ``name?key=value&key=value``, the one grammar for a name with parameters.

    Raises:
        UserError: a part without ``=`` or a repeated key.
    """
    name, _, query = text.partition("?")
    options: dict[str, str] = {}
    for part in query.split("&") if query else []:
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise UserError(f"{text!r}: expected key=value after '?', got {part!r}")
        if key in options:
            raise UserError(f"{text!r}: {key!r} is given twice")
        options[key] = value
    return name, options


def _exact(value: Any) -> str:
    """A value that comes back as it is; floats as short as can be."""
    if not isinstance(value, float):
        return str(value)
    brief = f"{value:g}"
    return brief if float(brief) == value else repr(value)


def format_query(name: str, options: Mapping[str, Any]) -> str:
    """The inverse of :func:`parse_query`, with keys in order."""
    pairs = [f"{key}={_exact(value)}" for key, value in options.items()]
    return name + ("?" + "&".join(sorted(pairs)) if pairs else "")

"""Typed settings: hyper-parameters, protocols and suites, checked with one clear message.

Stdlib and pydantic only: importing this must not import torch.
"""

import difflib
import reprlib
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import core_schema


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


def number(text: str) -> float | None:
    """What a text says, or None. ``float`` alone would admit ``1_0``."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def nearest(name: str, known: Iterable[str]) -> str:
    """``name`` quoted, with the most similar known names, for an error message."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
    return f"{short(name)}; {hint}"


Share = Annotated[float, Field(ge=0, lt=1)]  # of the steps, at the start, that go without something


_ALWAYS = object()  # a field that all records have


def setting(
    default: Any,
    doc: str,
    *,
    of: Collection[str] = (),
    before: Any = _ALWAYS,
    about: Mapping[str, Any] | None = None,
    **limits: Any,
) -> Any:
    """A documented setting.

    Args:
        of: parts of a training that it is about: it is no part of the identity of a run that uses none of them.
            Without any, it is about all runs.
        before: of one that came after the first records: what those records have there. It is part of an identity
            only where it is other, whatever the default is by now: older records keep their ids.
        about: more that is known of it.
        limits: of its value, as pydantic's ``Field`` takes them.
    """
    known = {**(about or {}), "of": tuple(of)} | ({} if before is _ALWAYS else {"before": before})
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

    @field_validator("*", mode="wrap")
    @classmethod
    def _as_people_write_numbers(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """Python reads ``0.1_0`` as 0.1, and ``1_0`` as 10."""
        found = handler(value)
        texts, read = (each if isinstance(each, tuple) else (each,) for each in (value, found))
        for text, what in zip(texts, read, strict=False):
            if isinstance(text, str) and isinstance(what, int | float) and "_" in text:
                raise ValueError("expected a number without _")
        return found

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Build from plain values or command-line strings (a tuple is written ``a,b``).

        Raises:
            UserError: an unknown key or a value of the wrong type; ``where`` opens the message.
        """
        for key, value in values.items():
            if key not in cls.model_fields:
                raise UserError(f"{where}: unknown setting {_place_of(cls, key)}")
            if _has_truth(value) and not _takes_truth(cls, key):
                raise UserError(f"{where}.{key} = {short(value)}: input should not be true or false")
        try:
            return cls.model_validate({key: _split(cls, key, value) for key, value in values.items()})
        except UserError as error:  # of a setting that is a choice
            raise UserError(f"{where}: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "settings"
            raise UserError(f"{where}.{key} = {short(first['input'])}: {first['msg'].lower()}") from None

    def replace(self, values: Mapping[str, Any], where: str) -> Self:
        """A checked copy with some values changed."""
        return self.parse({**self.model_dump(), **values}, where)

    def identity(self, uses: Collection[str] | None = None) -> dict[str, Any]:
        """What a run's id hashes, as JSON values.

        Args:
            uses: the parts that the run uses; settings of others are left out. None: all count.
        """
        before, values = self._before(), self.model_dump(mode="json")
        values |= {name: value.complete(uses) for name, value in self if isinstance(value, Choice)}
        return {
            name: value
            for name, value in values.items()
            if (name not in before or value != before[name]) and self._counts(name, uses)
        }

    @classmethod
    def _counts(cls, name: str, uses: Collection[str] | None) -> bool:
        """Whether a setting can matter to a run that uses these parts alone."""
        about = cls.model_fields[name].json_schema_extra
        of = about.get("of") if isinstance(about, dict) else ()
        return uses is None or not of or not set(uses).isdisjoint(of)  # type: ignore[arg-type]

    @classmethod
    def of_identity(cls, values: Mapping[str, Any], where: str) -> Self:
        """The inverse of :meth:`identity`, with defaults for what it left out; raises as :meth:`parse` does."""
        known = {**cls._before(), **values}
        for field in cls.model_fields.keys() & known:
            name, options = parse_query(known[field]) if (kinds := _kinds(cls, field)) else ("", {})
            if name in kinds:
                known[field] = kinds[name].of_identity(options, f"{where}: {field}")
        return cls.parse(known, where)

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


class Choice(Settings):
    """One of several kinds, with options of its own: ``sgd?momentum=0.5``. A field of these is ``OneOf[A | B]``.

    Attributes:
        name: what it is called in text.
    """

    name: ClassVar[str]

    def __str__(self) -> str:
        """As short as can be: without what is the default."""
        return format_query(self.name, self.changed())

    def complete(self, uses: Collection[str] | None = None) -> str:
        """With all options that count in an identity; one that is None cannot be written, and has no effect."""
        counting = self.identity(uses)
        return format_query(self.name, {key: value for key, value in counting.items() if value is not None})


class _Written:
    """How pydantic reads and writes a choice."""

    def __get_pydantic_core_schema__(self, source: Any, handler: object) -> core_schema.CoreSchema:
        kinds = {kind.name: kind for kind in get_args(source)}

        def parse(value: Any, info: core_schema.ValidationInfo) -> Choice:
            if isinstance(value, Choice) and isinstance(value, tuple(kinds.values())):
                return value
            if not isinstance(value, str):
                raise ValueError("input should be text, as name?key=value")
            name, options = parse_query(value)
            if name not in kinds:
                raise UserError(f"unknown {info.field_name} {nearest(name, kinds)}")
            return kinds[name].parse(options, f"{info.field_name} {short(value)}")

        return core_schema.with_info_plain_validator_function(
            parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


T = TypeVar("T")
OneOf = Annotated[T, _Written()]


def _place_of(cls: type[Settings], key: str) -> str:
    """Where a setting is that a class has not: among the options of a choice, or under a name that is near."""
    for field in cls.model_fields:
        for kind in _kinds(cls, field).values():
            if key in kind.model_fields:
                return f"{key!r}; it is an option: {field}={kind.name}?{key}=VALUE"
    return nearest(key, cls.model_fields)


def _kinds(cls: type[Settings], field: str) -> dict[str, type[Choice]]:
    """By name, what a field that is a choice may be; none of any other field."""
    types = get_args(cls.model_fields[field].annotation)
    return {kind.name: kind for kind in types if isinstance(kind, type) and issubclass(kind, Choice)}


def _has_truth(value: Any) -> bool:
    """Whether it is true or false, or a list that has one of these, which pydantic takes for 1 and 0."""
    return any(isinstance(each, bool) for each in (value if isinstance(value, list | tuple) else [value]))


def _takes_truth(cls: type[BaseModel], key: str) -> bool:
    annotation = cls.model_fields[key].annotation
    return bool in (annotation, *get_args(annotation))


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
        return str(value).lower() if isinstance(value, bool) else str(value)
    brief = f"{value:g}"
    return brief if float(brief) == value else repr(value)


def format_query(name: str, options: Mapping[str, Any]) -> str:
    """The inverse of :func:`parse_query`, with keys in order."""
    pairs = [f"{key}={_exact(value)}" for key, value in options.items()]
    return name + ("?" + "&".join(sorted(pairs)) if pairs else "")

"""From suites and flags to the list of runs. Only the methods' settings need their files imported."""

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from benchmarks.evaluation import SELECTABLE
from benchmarks.protocol import Protocol, StepsScale
from benchmarks.registry import DATASETS, METHODS
from benchmarks.search import Search, configurations
from benchmarks.settings import Settings, UserError, format_query, nearest, parse_query, split

FORMAT = 1  # of specs and records
BASELINE = "source_only"
MOST_RUNS = 20_000  # of a grid: planning more takes too long, and is mostly a slip of the pen
LARGEST_SUITE = 100_000  # bytes of a suite's file
GROUPS = {
    "core": ("source_only", "reweighting", "dan", "coral", "dann", "adda", "cdan", "cdan_e"),
    "references": ("target_only", "joint", "majority"),
    "shallow": ("nearest_neighbour", "svm", "coral_svm"),
}


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


class SuiteTask(Settings):
    """A task of a suite, with its own changes to the suite's protocol."""

    name: str
    protocol: dict[str, Any] = Field({}, description="for this task only")


class Suite(Settings):
    """A named set of tasks under one protocol (``benchmarks/suites/*.toml``, or any TOML file)."""

    kind: Literal["fair", "paper"] = Field(
        description="fair: one protocol for all methods, so they may be ranked; paper: a paper's own "
        "settings, to be compared with that paper"
    )
    description: str = ""
    sources: tuple[str, ...] = Field((), description="where its settings come from")
    seeds: int = Field(3, ge=1, le=10**9)
    default_methods: str = Field("core", description="what `run` does where --methods is silent")
    select: str = Field("", description="the validator that chooses its numbers; none: the last step")
    grid: dict[str, dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]] = Field(
        {}, description="values to combine and choose from, by method and setting"
    )
    protocol: dict[str, Any] = Field({}, description="for all tasks")
    methods: dict[str, dict[str, Any]] = Field({}, description="hyper-parameters other than the defaults")
    task: tuple[SuiteTask, ...] = Field(min_length=1)


@dataclass(frozen=True)
class NotApplicable:
    """A cell that cannot be run, and why."""

    task: str
    variant: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The runs of one command, method by method within task and seed, and the cells that have none.

    Attributes:
        ranked: whether its methods may be ranked: they share one protocol.
        reverse: runs that judge others by reverse validation; each needs its own done first.
    """

    suite: str
    ranked: bool
    specs: list[RunSpec]
    not_applicable: list[NotApplicable]
    reverse: list[RunSpec] = field(default_factory=list)


def suite_names() -> list[str]:
    return sorted(path.name[:-5] for path in _suites().iterdir() if path.name.endswith(".toml"))


def load_suite(name: str) -> Suite:
    """A suite that ships here, or a TOML file by its path. All names in it are known, and its protocols are valid.

    What needs the files of methods and backbones, and so torch, :func:`plan` checks.

    Raises:
        UserError: no such suite, or a file that is not one.
    """
    where = f"suite {name!r}"
    suite = Suite.parse(_toml(name, where), where)
    if suite.select and suite.select not in SELECTABLE:
        raise UserError(f"{where}: select: unknown validator {nearest(suite.select, SELECTABLE)}")
    try:
        method_names(suite.default_methods)
        for method in (*suite.methods, *suite.grid):
            METHODS.check(method)
        _check_tasks(suite, where)
    except UserError as error:
        raise error if str(error).startswith(where) else UserError(f"{where}: {error}") from None
    return suite


def _toml(name: str, where: str) -> dict[str, Any]:
    """The values in a suite's file."""
    shipped = not name.endswith(".toml")
    path = _suites() / f"{name}.toml" if shipped else Path(name)
    try:
        if (shipped and name not in suite_names()) or not path.exists():
            raise UserError(f"unknown suite {nearest(name, suite_names())} (or give the path of a .toml file)")
        if not path.is_file():
            raise UserError(f"{where} is no regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST_SUITE + 1)
        if len(content) > LARGEST_SUITE:
            raise UserError(f"{where} has more than {LARGEST_SUITE:,} bytes, which no suite has")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"{where} is not valid TOML: it is nested too deep") from None
    except ValueError as error:  # of TOML, UTF-8, a number of thousands of digits, or a name that no file can have
        raise UserError(f"{where} is not valid TOML: {error}") from None


def _check_tasks(suite: Suite, where: str) -> None:
    """Each task exists and is named once, and its protocol is valid."""
    from datasets.base import resolve

    names = [resolve(task.name).name for task in suite.task]
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{where} has the task {name} {count} times")
    for name, task in zip(names, suite.task, strict=True):
        Protocol.parse({**suite.protocol, **task.protocol}, f"{where}, protocol of {name}")


def method_names(text: str) -> list[str]:
    """Expand ``dann,core`` to checked names, the baseline first, each once."""
    names = [BASELINE]
    for part in split(text):
        if part == "all":
            names += [name for name in METHODS.names() if name not in GROUPS["references"]]
        elif part in GROUPS:
            names += GROUPS[part]
        elif part in METHODS.names():
            names.append(part)
        else:
            raise UserError(f"unknown method {nearest(part, [*METHODS.names(), *GROUPS, 'all'])}")
    return list(dict.fromkeys(names))


def parse_overrides(assignments: Sequence[str], flag: str = "--set") -> dict[str, dict[str, str]]:
    """``dann.gamma=5`` and ``protocol.steps=100`` to values by owner."""
    overrides: dict[str, dict[str, str]] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        owner, dot, key = path.partition(".")
        if not (equals and dot and key and value):
            raise UserError(f"{flag} {text!r}: expected method.name=value or protocol.name=value")
        if owner != "protocol":
            METHODS.check(owner)
        if key in overrides.setdefault(owner, {}):
            raise UserError(f"{flag} {path} is given twice")
        overrides[owner][key] = value
    return overrides


def parse_search(size: int | None, assignments: Sequence[str]) -> Search:
    """``--search 4``, or ``--grid dann.gamma=1,5``; not both."""
    if size and assignments:
        raise UserError("--search and --grid: give one of them")
    overrides = parse_overrides(assignments, "--grid")
    values = {owner: {key: split(text) for key, text in keys.items()} for owner, keys in overrides.items()}
    for owner, keys in values.items():
        for key, several in keys.items():
            if not several:
                raise UserError(f"--grid {owner}.{key}={overrides[owner][key]}: no value is given")
    return Search(size or 1, values)


def plan(
    suite: str,
    methods: Sequence[str],
    tasks: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    search: Search = Search(),  # noqa: B008 (it is frozen)
    *,
    reverse: bool = False,
    scale: StepsScale | None = None,
) -> Grid:
    """All runs of a command.

    Args:
        suite: whose protocol, tasks and number of seeds hold.
        tasks: if any, these instead of the suite's own.
        seeds: if any, these instead of the suite's number of them.
        overrides: settings by method name or ``protocol``.
        search: further configurations of each method; references keep to their own.
        reverse: also plan the runs of reverse validation.
        scale: another number of steps than the suite's.

    Raises:
        UserError: anything in it that does not exist or does not fit.
    """
    overrides = overrides or {}
    settings = load_suite(suite)
    _check_settings(suite, settings)
    protocols = _protocols(suite, settings, tasks, overrides.get("protocol", {}), scale)
    for owner in [*overrides, *search.grid]:
        if owner not in ("protocol", *methods):
            raise UserError(f"{owner}: this method is not in the grid; add it to --methods")
    seeds = range(settings.seeds) if seeds is None else seeds
    _check_number(len(protocols), methods, len(seeds), search)
    specs, missing = [], []
    for task, (data, protocol, classes) in protocols.items():
        configured = []
        for method in methods:
            cls = METHODS.get(method)
            usual = cls.settings.parse(settings.methods.get(method, {}), method)
            params = usual.replace(overrides.get(method, {}), method)
            variant = format_query(method, params.changed(usual))
            if reason := cls.unsupported(classes, protocol):
                missing.append(NotApplicable(task, variant, reason))
                continue
            first = RunSpec(task, data, method, params.identity(), protocol, 0, variant)
            configured += _configured(first, params, search)
        specs += [replace(each, seed=seed) for seed in seeds for each in configured]
    tries = Counter((spec.variant, spec.task, spec.seed) for spec in specs)
    judges = [
        spec.reversed()
        for spec in specs
        # One candidate needs no judge.
        if reverse and tries[spec.variant, spec.task, spec.seed] * spec.protocol.checkpoints > 1
        if not METHODS.info(spec.method).reference
    ]
    return Grid(suite=suite, ranked=settings.kind == "fair", specs=specs, not_applicable=missing, reverse=judges)


def _check_settings(name: str, suite: Suite) -> None:
    """Raise a UserError for a hyper-parameter or backbone in a suite that does not exist, used or not."""
    where = f"suite {name!r}"
    for method, values in suite.methods.items():
        METHODS.get(method).settings.parse(values, f"{where}: {method}")
    for method, grid in suite.grid.items():
        for key, several in grid.items():
            for value in several:
                METHODS.get(method).settings.parse({key: value}, f"{where}: grid: {method}")
    for task in suite.task:
        _check_backbone(Protocol.parse({**suite.protocol, **task.protocol}, where).backbone)


def _check_number(tasks: int, methods: Sequence[str], seeds: int, search: Search) -> None:
    """Raise a UserError for a grid of too many runs, counted without making them."""
    tried = sum(1 if METHODS.info(method).reference else search.most(method) for method in methods)
    if (runs := tasks * tried * seeds) > MOST_RUNS:
        counts = f"{tasks} tasks x {tried:,} configurations of {len(methods)} methods x {seeds:,} seeds"
        raise UserError(
            f"that would be {runs:,} runs ({counts}); a grid may have {MOST_RUNS:,}: take fewer of them"
        )


def _configured(spec: RunSpec, params: Settings, search: Search) -> list[RunSpec]:
    """A spec in each configuration of a search; references keep to their own."""
    if METHODS.info(spec.method).reference:
        return [spec]
    pairs = configurations(spec.method, params, spec.protocol, search)
    return [
        replace(spec, params=own.identity(), protocol=shared, configuration=number)
        for number, (own, shared) in enumerate(pairs)
    ]


def _protocols(
    name: str, suite: Suite, tasks: Sequence[str], override: Mapping[str, Any], scale: StepsScale | None
) -> dict[str, tuple[dict[str, Any], Protocol, int]]:
    """Task name to its data's identity, its resolved protocol and its number of classes."""
    from datasets.base import resolve

    listed = {resolve(task.name).name: task for task in suite.task}
    resolved = {}
    for text in tasks or listed:
        spec = resolve(text)
        family = DATASETS.get(spec.family)()
        entry = listed.get(spec.name) or listed.get(spec.undrawn)
        own = entry.protocol if entry else family.protocol(spec.task)
        base = Protocol.parse({**suite.protocol, **own}, f"suite {name!r}, protocol of {spec.name}")
        data = {"options": dict(spec.options), "version": spec.version}
        classes = len(family.classes(spec.task))
        protocol = base.replace(override, "protocol")
        _check_backbone(protocol.backbone)
        resolved[spec.name] = (data, protocol.scaled(scale) if scale else protocol, classes)
    return resolved


@cache
def _check_backbone(text: str) -> None:
    """Raise a UserError for an unknown name or option, before anything trains."""
    from methods.networks.backbones import backbone_options

    name, options = parse_query(text)
    backbone_options(name).parse(options, f"backbone {text!r}")


def _suites() -> Path:
    return Path(str(files("benchmarks"))) / "suites"

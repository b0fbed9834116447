"""From a suite and flags to the list of runs. Only the methods' settings need their files imported."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from benchmarks.core.facts import Facts
from benchmarks.core.objective import objective_of
from benchmarks.core.protocol import Protocol, StepsScale
from benchmarks.core.registry import DATASETS, METHODS
from benchmarks.core.settings import Settings, UserError, format_query, parse_query
from benchmarks.plan.methods import method_names
from benchmarks.plan.search import Search, configurations
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import Suite, load_suite

MOST_RUNS = 20_000  # of a grid: planning more takes too long, and is mostly a slip of the pen


@dataclass(frozen=True)
class NotApplicable:
    """A cell that cannot be run, and why."""

    task: str
    variant: str
    reason: str


@dataclass(frozen=True)
class PlannedTask:
    """A task of a grid: its data's identity, its resolved protocol, and what is known without reading it."""

    data: Mapping[str, Any]
    protocol: Protocol
    facts: Facts


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The runs of one command, method by method within task and seed, and the cells that have none.

    Attributes:
        ranked: whether its methods may be ranked: they share one protocol.
        reverse: runs that judge others by reverse validation; each needs its own done first.
        budget: what a budget of time left out of it; empty: nothing.
    """

    suite: str
    ranked: bool
    specs: list[RunSpec]
    not_applicable: list[NotApplicable]
    reverse: list[RunSpec] = field(default_factory=list)
    budget: str = ""

    @property
    def runs(self) -> list[RunSpec]:
        """All of them, those first that others are derived from."""
        return [*self.specs, *self.reverse]


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
        seeds: if any, these instead of the suite's number of them, and of what the tasks' data ask for.
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
    planned_tasks = _planned(suite, settings, tasks, overrides.get("protocol", {}), scale)
    for owner in [*overrides, *search.grid]:
        if owner not in ("protocol", *methods):
            raise UserError(f"{owner}: this method is not in the grid; add it to --methods")
    seeds = range(_usual_seeds(settings, tasks)) if seeds is None else seeds
    _check_number(len(planned_tasks), methods, len(seeds), search)
    specs, missing = [], []
    for task, planned in planned_tasks.items():
        configured = []
        for method in methods:
            cls = METHODS.get(method)
            usual = cls.settings.parse(settings.methods.get(method, {}), method)
            params = usual.replace(overrides.get(method, {}), method)
            variant = format_query(method, params.changed(usual))
            if reason := obstacle(method, planned.facts, planned.protocol):
                missing.append(NotApplicable(task, variant, reason))
                continue
            version = METHODS.info(method).version
            first = RunSpec(task, planned.data, method, params.identity(), planned.protocol, 0, variant, version)
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


def _usual_seeds(suite: Suite, tasks: Sequence[str]) -> int:
    """The suite's number, or that of a named task's data if it is larger."""
    from datasets.base import resolve

    return max([suite.seeds, *(DATASETS.get(resolve(task).family).seeds for task in tasks)])


def _check_settings(name: str, suite: Suite) -> None:
    """Raise a UserError for a hyper-parameter or backbone in a suite that does not exist, used or not."""
    where = f"suite {name!r}"
    try:
        method_names(suite.default_methods)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    for method, values in suite.methods.items():
        METHODS.get(method).settings.parse(values, f"{where}: {method}")
    for method, grid in suite.grid.items():
        for key, several in grid.items():
            for value in several:
                METHODS.get(method).settings.parse({key: value}, f"{where}: grid: {method}")
    for task in suite.task:
        complete(Protocol.parse({**suite.protocol, **task.protocol}, where))


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
    different: dict[str, RunSpec] = {}  # some differ only in what the method does not use
    for own, shared in pairs:
        each = replace(spec, params=own.identity(), protocol=complete(shared))
        different.setdefault(each.run_id, each)
    return [replace(each, configuration=number) for number, each in enumerate(different.values())]


def obstacle(method: str, facts: Facts, protocol: Protocol) -> str | None:
    """Why a method cannot run on a task, or None if it can."""
    if lacking := [need for need in METHODS.info(method).needs if need not in facts.traits]:
        return f"it needs what the task does not have: {', '.join(lacking)}"
    if METHODS.info(method).classes_only and not objective_of(facts).of_classes:
        return "it learns from classes, and the labels here are real numbers"
    if METHODS.info(method).reference and "unlabelled" in facts.traits:
        return "it trains on target labels, and not all samples of this target have one"
    if protocol.frozen and "views" in METHODS.info(method).uses:
        return "it needs several views of a sample, and a frozen backbone (protocol.frozen) sees each image once"
    return METHODS.get(method).unsupported(facts, protocol)


def _planned(
    name: str, suite: Suite, tasks: Sequence[str], override: Mapping[str, Any], scale: StepsScale | None
) -> dict[str, PlannedTask]:
    """By task name."""
    from datasets.base import facts_of_task, resolve

    listed = {resolve(task.name).name: task for task in suite.task}
    without_dials = {resolve(name).without_dials: task for name, task in listed.items()}
    resolved = {}
    for text in tasks or listed:
        spec = resolve(text)
        family = DATASETS.get(spec.family)()
        entry = listed.get(spec.name) or without_dials.get(spec.without_dials)
        own = entry.protocol if entry else family.protocol(spec.task)
        if not entry and "backbone" in override:  # whether the usual one is frozen says nothing of another
            own = {key: value for key, value in own.items() if key != "frozen"}
        base = Protocol.parse({**suite.protocol, **own}, f"suite {name!r}, protocol of {spec.name}")
        data = {"options": dict(spec.options), "version": spec.version}
        protocol = complete(base.replace(override, "protocol"))
        resolved[spec.name] = PlannedTask(
            data, protocol.scaled(scale) if scale else protocol, facts_of_task(spec.name)
        )
    return resolved


@cache
def complete(protocol: Protocol) -> Protocol:
    """With all options of its backbone, so that one backbone is one text.

    Raises:
        UserError: an unknown backbone or option, before anything trains.
    """
    from methods.networks.backbones import backbone_options, check_frozen

    name, options = parse_query(protocol.backbone)
    known = backbone_options(name).parse(options, f"backbone {protocol.backbone!r}")
    text = format_query(name, known.identity())
    if protocol.frozen:
        check_frozen(text)
    return protocol.replace({"backbone": text}, "protocol")

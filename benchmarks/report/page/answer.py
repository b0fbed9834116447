"""The first thing that a page says: which method, by how much, how sure, chosen how. It claims what tests show."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from benchmarks.core.objective import Objective
from benchmarks.plan.methods import BASELINE
from benchmarks.report import listings
from benchmarks.report.cells import Cell, without_split
from benchmarks.report.listings import Listing
from benchmarks.report.page.contents import LAST, Contents
from benchmarks.report.page.section import Section
from benchmarks.report.page.templates import coded
from benchmarks.report.rows import entry_text
from benchmarks.report.statistics import ENOUGH, LEVEL, Summary
from benchmarks.report.table import Block

NAMED = 6  # methods or tasks in a sentence, before it only counts them


@dataclass(frozen=True)
class Verdict:
    """What the tests of a column show of its candidates, each list by mean, best first.

    Attributes:
        leaders: better than the baseline, and below no other method.
        better: better than the baseline, and below some method.
        worse: than the baseline.
        open: no difference from the baseline is shown.
        untested: they have too few seeds.
    """

    leaders: list[str]
    better: list[str]
    worse: list[str]
    open: list[str]
    untested: list[str]


def verdict(cells: Mapping[str, Cell], pairs: Listing) -> Verdict:
    """From gains over the baseline, tested as a family of their own, and from the tests of all pairs."""
    known = {name: cell for name, cell in cells.items() if cell.summary and cell.gain}
    ordered = sorted(known, key=lambda name: -known[name].gain.mean)  # type: ignore[union-attr]
    below = {_lower(row) for row in pairs.rows if _shown(row["p (Holm)"])}
    better = [name for name in ordered if known[name].mark == "▲"]
    return Verdict(
        leaders=[name for name in better if name not in below],
        better=[name for name in better if name in below],
        worse=[name for name in ordered if known[name].mark == "▼"],
        open=[name for name in ordered if not known[name].mark and known[name].p is not None],
        untested=[name for name in ordered if known[name].p is None],
    )


def _shown(p: listings.Entry) -> bool:
    return isinstance(p, float) and p < 1 - LEVEL


def _lower(row: Mapping[str, listings.Entry]) -> str:
    difference = row["difference"]
    assert isinstance(difference, Summary)
    return str(row["second"] if difference.mean > 0 else row["first"])


def section(contents: Contents) -> Section:
    """The answer for each family of tasks; without target labels, the advice."""
    first, more = [], []
    for column, tasks in contents.columns().items():
        sentence, *rest = _sentences(contents, column, tasks)
        first.append(sentence)
        more += rest
    first += [_against(contents, *key, by_value) for key, by_value in contents.cells.sweeps.items()]
    for task, paragraphs in contents.advice.items():
        first.append(f"On {contents.report.shown(task)}, without a target label: {paragraphs[0]}")
        more += paragraphs[1:]
    if unadvised := [task for task in contents.cells.unscored if task not in contents.advice]:
        names = contents.cells.name(unadvised)
        of_classes = all(contents.cells.objectives[task].of_classes for task in unadvised)
        advises = "; `advise` says which to use" * of_classes
        first.append(
            f"No target sample of {_listed(unadvised)} has a label, so that no {names} is known. What is known "
            f"of each method is in the table{advises}."
        )
    if contents.block:
        more.insert(0, _how(contents))
    body = [Markup("<p>{}</p>").format(coded(text)) for text in more]
    return Section("answer", "The answer", "\n".join(first), body)


@dataclass(frozen=True)
class _Column:
    """The candidates of a column in words.

    Attributes:
        where: the task, or the tasks of a family.
        ranked: whether methods may be.
    """

    cells: Mapping[str, Cell]
    objective: Objective
    where: str
    ranked: bool

    def number(self, name: str) -> str:
        return entry_text(self.cells[name].summary, *self.objective.form) + self.objective.unit

    def gain(self, name: str) -> str:
        return _gain(self.cells[name], self.objective)

    def gains(self, names: Sequence[str]) -> str:
        return _listed([f"`{name}` ({self.gain(name)})" for name in names])

    @property
    def seeds(self) -> int:
        return max((cell.summary.n for cell in self.cells.values() if cell.summary), default=0)

    @property
    def usual(self) -> str:
        return f"`{BASELINE}`" + (f" ({self.number(BASELINE)})" if self.cells[BASELINE].summary else "")


def _sentences(contents: Contents, column: str, tasks: Sequence[str]) -> Iterator[str]:
    """Of a family, most important first."""
    assert contents.block
    block, report = contents.block, contents.report
    cells = {name: row[column] for name, row in block.rows.items() if name not in block.references}
    family = contents.cells.shared_by(tasks[0])
    where = f"{family} ({len(tasks)} tasks)" if len(tasks) > 1 else report.shown(column)
    own = _Column(cells, block.objectives[column], where, contents.cells.grid.ranked)
    if own.seeds < ENOUGH:
        yield _provisional(own)
        return
    common = contents.cells.common_tasks(block.metric, tasks)
    pairs = listings.pairs(contents.cells, common, [name for name in cells if cells[name].summary], block.metric)
    found = verdict(cells, pairs)
    yield _leading(found, own)
    if found.better:
        yield f"On {where}, {own.gains(found.better)} also gain, but each is below some other method."
    if found.worse:
        yield f"Worse than `{BASELINE}` on {where}: {own.gains(found.worse)}."
    if len(tasks) > 1 and (harm := _harm(block, tasks, found.worse)):
        yield f"Negative transfer on single tasks of {family}: {harm}."
    if found.untested:
        yield f"On {where}, too few seeds for a test: {own.gains(found.untested)}."
    if found.open:
        yield f"On {where}, no difference from `{BASELINE}` is shown for {_listed(map(_code, found.open))}."


def _against(contents: Contents, task: str, dial: str, by_value: Mapping[str, str]) -> str:
    """Which method is ahead at which values of a dial, and where a test tells it from the baseline."""
    assert contents.block
    block = contents.block
    methods = [name for name in block.rows if name not in block.references]
    found = {value: {name: block.rows[name][of] for name in methods} for value, of in by_value.items()}
    ahead = {name: [value for value in found if found[value][name].best] for name in methods}
    told = {
        (name, mark): [value for value in found if found[value][name].mark == mark]
        for name in methods
        for mark in "▲▼"
    }
    text = f"On {without_split(task, contents.cells.tasks)} against {dial}, the best mean is that of {_at(ahead)}."
    if not any(cell.p is not None for cells in found.values() for cell in cells.values()):
        return f"{text} Too few seeds for a test."
    for mark, word in (("▲", "better"), ("▼", "worse")):
        if own := {name: values for (name, of), values in told.items() if of == mark and values}:
            text += f" Shown to be {word} than `{BASELINE}`: {_at(own)}."
    return text


def _at(values: Mapping[str, Sequence[str]]) -> str:
    return _listed([f"`{name}` at {_listed(own)}" for name, own in values.items() if own])


def _leading(found: Verdict, own: _Column) -> str:
    leaders, where, gains_in = found.leaders, own.where, own.objective.gains_in
    if found.untested:
        where += f", of the methods with {ENOUGH} seeds"
    if not leaders:
        best = found.better or found.open
        gain = f"; the {_best(own.objective)} mean is that of {own.gains(best[:1])}" if best else ""
        shown = (
            "which of those that gain is best is not shown" if found.better else "no method is shown to be better"
        )
        return f"On {where}, {shown} than {own.usual}{gain}."
    if not own.ranked:
        return f"On {where}, {own.gains(leaders)} gain on {own.usual}. A paper's own settings are not ranked."
    if len(leaders) == 1:
        (name,) = leaders
        return f"On {where}, `{name}` leads with {own.number(name)}: {own.gain(name)} {gains_in} over {own.usual}."
    return (
        f"On {where}, {own.gains(leaders)} lead, in {gains_in} over {own.usual}; between them no difference is "
        f"shown at {own.seeds} seeds."
    )


def _best(objective: Objective) -> str:
    return "largest" if objective.higher_is_better else "smallest"


def _provisional(own: _Column) -> str:
    """Below 5 seeds: the range, and what it says of these seeds alone."""
    where, seeds, sign = own.where, own.seeds, own.objective.sign
    known = {name: sign * cell.summary.mean for name, cell in own.cells.items() if cell.summary}
    if not known:
        return f"On {where}, no run has ended well."
    best = max(known, key=lambda name: known[name])
    text = f"On {where}, nothing is shown yet: {seeds} seed{'s' * (seeds > 1)} are too few for a test. "
    text = text.replace("1 seed are", "1 seed is")
    text += f"The {_best(own.objective)} mean is that of `{best}`, {own.number(best)}"
    if BASELINE in known and best != BASELINE:
        text += f"; `{BASELINE}` has {own.number(BASELINE)}"
    above = [name for name in known if (gain := own.cells[name].gain) and gain.low > 0]
    if seeds > 1 and above:
        text += f". {'Above' if sign > 0 else 'Below'} `{BASELINE}` in each seed: {_listed(map(_code, above))}"
    return f"{text}."


def _harm(block: Block, tasks: Sequence[str], but: Sequence[str]) -> str:
    """Which methods are worse than the baseline on which tasks, those but who are worse in the mean."""
    parts = []
    for name, row in block.rows.items():
        if name in block.references or name in but:
            continue
        harmed = [
            f"{task.partition('/')[2]} ({_gain(row[task], block.objectives[task])})"
            for task in tasks
            if row[task].mark == "▼"
        ]
        if harmed:
            parts.append(f"`{name}` on {_listed(harmed)}")
    return "; ".join(parts)


def _how(contents: Contents) -> str:
    """Chosen how, and how sure."""
    assert contents.block
    name = contents.cells.name(contents.cells.scored)
    chosen = (
        f"{name[0].upper()}{name[1:]} is that of target test samples after the last step, with the settings that "
        "each method declares: nothing was chosen."
        if contents.headline == LAST
        else f"Configuration and checkpoint were {contents.headline}, without target labels."
    )
    lower = [each for each in contents.cells.objectives.values() if not each.higher_is_better]
    reduced = dict.fromkeys(each.name for each in lower)
    chosen += f" A gain in {' or '.join(reduced)} is its reduction." * bool(reduced)
    cells = [cell for row in contents.block.rows.values() for cell in row.values() if cell.gain]
    tested = sorted({cell.gain.covers for cell in cells if cell.gain and cell.gain.interval == "t95"})
    if not tested:
        return f"{chosen} Brackets hold the range over seeds."
    return (
        f"{chosen} ± is half a 95% interval, which covers {'; or, on other tasks, '.join(tested)}. Shown "
        f"means: by a paired test, p < {1 - LEVEL:.2f} after Holm's adjustment over the methods."
    )


def _gain(cell: Cell, objective: Objective) -> str:
    return entry_text(cell.gain, *objective.gain_form).replace("-", "−")


def _code(name: str) -> str:
    return f"`{name}`"


def _listed(parts: Iterable[str]) -> str:
    several = list(parts)
    if len(several) > NAMED:
        several = [*several[: NAMED - 1], f"{len(several) - NAMED + 1} more"]
    *rest, last = several
    return f"{', '.join(rest)} and {last}" if rest else last

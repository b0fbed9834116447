"""The advice in words: what to use, why, how often such a choice was right, and what is not known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.advice.estimates import ESTIMATES
from benchmarks.advice.evidence import METHODS
from benchmarks.advice.pool import Option, Pool
from benchmarks.advice.record import Strategy, advised, advised_rows
from benchmarks.advice.rule import Decision, Rule
from benchmarks.plan.methods import BASELINE, method_names

WORDS = {
    "ensv": "agreement with the average of all methods",
    "im": "sure and diverse predictions (information maximisation)",
    "bnm": "sure and diverse predictions (nuclear norm)",
    "corr_c": "little confusion between classes (Corr-C)",
}


def said(pool: Pool, decision: Decision, rule: Rule, measured: pd.DataFrame, unlike: Sequence[str]) -> list[str]:
    """The advice, a paragraph each: what to use, why, the record, an estimate of accuracy.

    Args:
        measured: the record.
        unlike: in what this task is unlike those of the record.
    """
    record = advised(measured)
    return [
        _use(pool, decision),
        _why(pool, decision, rule),
        *_record(record, unlike, kept=_kept(pool, decision)),
        _estimated(pool, decision, measured),
    ]


def unlike(pool: Pool, decision: Decision) -> list[str]:
    """In what a choice is unlike those that the record is of."""
    options = [pool.options[member] for member in decision.members]
    names = [option.method for option in options if not _in_record(option)]
    found = [f"it is not of {name}" for name in names]
    if any(option.configuration for option in pool.options):
        found.append("its methods had one configuration each")
    return found


def _in_record(option: Option) -> bool:
    return option.specs[0].method == option.method and option.method in method_names(METHODS)


def _kept(pool: Pool, decision: Decision) -> bool:
    return [pool.options[member].method for member in decision.members] == [BASELINE]


def _use(pool: Pool, decision: Decision) -> str:
    if _kept(pool, decision):
        return f"Keep {BASELINE}: no method ranks above it without target labels."
    chosen = [pool.options[member] for member in decision.members]
    names, seeds = _listed([named(option) for option in chosen]), len(chosen[0].seeds)
    if len(chosen) > 1:
        return f"Use the average of {names}, {seeds} seeds each."
    return f"Use the average of {seeds} seeds of {names}." if seeds > 1 else f"Use {names}."


def named(option: Option) -> str:
    """A method, with its configuration if it is not its own, and the step."""
    configuration = f"configuration {option.configuration}, " if option.configuration else ""
    return f"{option.method} ({configuration}step {option.step})"


def _why(pool: Pool, decision: Decision, rule: Rule) -> str:
    ranks = "it ranks" if len(decision.members) == 1 else "they rank"
    criteria = _listed([WORDS[each] for each in rule.criteria])
    out = [f"{named(pool.options[number])} {reason}" for number, reason in decision.left_out.items()]
    out += [f"{name} did not end well in every seed" for name in pool.incomplete]
    left_out = f" Left out: {'; '.join(out)}." if out else ""
    return f"Why: of {len(pool.options)} options {ranks} first by {criteria}.{left_out}"


def _record(record: Strategy, unlike: Sequence[str], *, kept: bool) -> list[str]:
    families = record.by_family.sort_values()
    worst, best = (f"{name} {100 * gain:+.1f}" for name, gain in families.iloc[[0, -1]].items())
    lines = [
        f"On {len(families)} families of data whose labels we know ({record.tasks} tasks), such a choice gained "
        f"{record.gain} points on {BASELINE} in the mean of families (median task {100 * record.median:+.1f}; "
        f"best family {best}, worst {worst}), and harmed, by over a point, in {record.harmed:.0%} of tasks. Yours "
        f"may resemble none of them."
    ]
    if not record.gain.shown and not kept:
        lines.append(f"So it is not shown that this is better than {BASELINE}: the interval includes zero.")
    if unlike:
        lines.append(f"No record: {'; '.join(unlike)}.")
    return lines


def _estimated(pool: Pool, decision: Decision, measured: pd.DataFrame) -> str:
    """Each estimate of target accuracy, with the errors that it had where labels were known."""
    known = advised_rows(measured)
    parts = []
    for name, estimate in ESTIMATES.items():
        value = estimate(pool, decision.members)
        errors = 100 * known[name].dropna().abs()
        if not np.isnan(value) and len(errors):
            parts.append(f"{name} {value:.0%} (off by {errors.median():.0f}, at worst {errors.max():.0f})")
    return (
        f"Estimates of its target accuracy, and how many points each was off on advised models of those tasks "
        f"(median, worst): {', '.join(parts)}."
    )


def _listed(parts: Sequence[str]) -> str:
    *rest, last = parts
    return f"{', '.join(rest)} and {last}" if rest else last

"""The advice in words: what to use, why, how often such a choice was right, and what is not known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.advice.estimates import ESTIMATES
from benchmarks.advice.pool import Option, Pool
from benchmarks.advice.record import Strategy, advised
from benchmarks.advice.rule import Decision, Rule
from benchmarks.plan.methods import BASELINE

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


def _kept(pool: Pool, decision: Decision) -> bool:
    return [pool.options[member].method for member in decision.members] == [BASELINE]


def _use(pool: Pool, decision: Decision) -> str:
    chosen = [pool.options[member] for member in decision.members]
    if _kept(pool, decision):
        return f"Keep {BASELINE}: no method ranks above it without target labels."
    names = [named(option) for option in chosen]
    seeds = len(chosen[0].seeds)
    each = f"the average of {seeds} seeds of " if seeds > 1 else ""
    return (
        f"Use {each}{names[0]}."
        if len(names) == 1
        else f"Use the average of {_listed(names)} ({seeds} seeds each)."
    )


def named(option: Option) -> str:
    """A method, with its configuration if it is not its own, and the step."""
    configuration = f"configuration {option.configuration}, " if option.configuration else ""
    return f"{option.method} ({configuration}step {option.step})"


def _why(pool: Pool, decision: Decision, rule: Rule) -> str:
    first = "it ranks" if len(decision.members) == 1 else "they rank"
    text = (
        f"Why: of {len(pool.options)} options {first} first by {_listed([WORDS[each] for each in rule.criteria])}"
    )
    out = [f"{named(pool.options[number])} {reason}" for number, reason in decision.left_out.items()]
    out += [f"{name} did not end with finite numbers" for name in pool.incomplete]
    return text + (f"; left out: {'; '.join(out)}." if out else ".")


def _record(record: Strategy, unlike: Sequence[str], *, kept: bool) -> list[str]:
    worst, best = record.by_family.idxmin(), record.by_family.idxmax()
    lines = [
        f"On {len(record.by_family)} families of data whose labels we know ({record.tasks} tasks), such a choice "
        f"gained {record.gain} points on {BASELINE} in the mean of families (median task {100 * record.median:+.1f}; "
        f"best family {best} {100 * record.by_family[best]:+.1f}, worst {worst} {100 * record.by_family[worst]:+.1f}) "
        f"and harmed, by over a point, in {record.harmed:.0%} of tasks; yours may resemble none of them."
    ]
    if not record.gain.shown and not kept:
        lines.append(f"So it is not shown that this is better than {BASELINE}: the interval includes zero.")
    if unlike:
        lines.append(f"No record: {'; '.join(unlike)}.")
    return lines


def _estimated(pool: Pool, decision: Decision, measured: pd.DataFrame) -> str:
    """Each estimate of target accuracy, with the errors that it had where labels were known."""
    known = measured.dropna(subset=["atc"])
    parts = []
    for name, estimate in ESTIMATES.items():
        value = estimate(pool, decision.members)
        errors = known[name].dropna().abs()
        if not np.isnan(value) and len(errors):
            parts.append(
                f"{name} {value:.0%} (off by {100 * errors.median():.0f}, at worst {100 * errors.max():.0f})"
            )
    return (
        f"Estimates of its target accuracy, with how many points each was off on advised models of those tasks "
        f"(median; worst): {', '.join(parts)}. None of them is good."
    )


def _listed(parts: Sequence[str]) -> str:
    *rest, last = parts
    return f"{', '.join(rest)} and {last}" if rest else last

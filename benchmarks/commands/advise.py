"""The `advise` command: which model to use on a target without labels, and how often such a choice was right."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.commands.shared import values
from benchmarks.commands.shared.execution import DeviceFlags, EngineFlags, add_data_flag, use_data_folder
from benchmarks.commands.shared.output import add_force_flag
from benchmarks.commands.shared.planning import HowFlags, WhatFlags, planned_grid
from benchmarks.commands.shared.records import add_store_flag
from benchmarks.core import atomic
from benchmarks.core.outfiles import prepare_output, writing
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import Grid
from benchmarks.records.store import Store

if TYPE_CHECKING:
    from benchmarks.advice.pool import Pool
    from benchmarks.advice.rule import Decision

HELP = "say which model to use where the target has no labels"
EXAMPLES = (
    "advise --source factory_a.csv --target factory_b.csv",
    "advise --source photos --target phone --methods dann,coral --seeds 3",
    "advise --evaluate",
)
SEEDS = 5


@dataclass(frozen=True)
class Options:
    what: WhatFlags
    how: HowFlags
    evaluate: bool
    save_record: Path | None
    force: bool
    devices: DeviceFlags
    engine: EngineFlags
    data_dir: Path | None
    store: Path | None

    def __post_init__(self) -> None:
        if self.how.select:
            raise UserError("--select: advice has a rule of its own; `run --select` chooses by a validator")
        if self.save_record and not self.evaluate:
            raise UserError("--save-record needs --evaluate")
        if not (self.evaluate or self.what.source or self.what.tasks):
            raise UserError("--source and --target: give the data on which advice is wanted")


def add_flags(command: ArgumentParser) -> None:
    WhatFlags.add_to(command.add_argument_group("on what advice is wanted"), default_methods="core")
    HowFlags.add_to(command.add_argument_group("settings"))
    record = command.add_argument_group("how often such a choice was right")
    record.add_argument("--evaluate", action="store_true", help="measure it on the committed records instead")
    record.add_argument(
        "--save-record", type=values.path, metavar="CSV", help="with --evaluate: also write it, a line a choice"
    )
    add_force_flag(record)
    where = command.add_argument_group("where")
    DeviceFlags.add_to(where)
    EngineFlags.add_to(where)
    add_data_flag(where)
    add_store_flag(where)


def main(options: Options) -> int:
    if options.evaluate:
        return _evaluate(options)
    use_data_folder(options.data_dir)
    planned = _planned(options)
    store = Store(options.store)
    from benchmarks.commands.run import execute

    ok = execute(planned.specs, store, options.engine.make(store, options.devices))
    pool = _pool(planned, store)
    _tell(pool, planned, store)
    return 0 if ok else 1


def _planned(options: Options) -> Grid:
    what, how = options.what, options.how
    planned = planned_grid(what.suite, what.methods or "core", what.all_tasks(), range(how.seeds or SEEDS), how)
    if len(tasks := {spec.task for spec in planned.specs}) != 1:
        raise UserError(f"advice is on one task, and these are {len(tasks)}")
    return planned


def _pool(planned: Grid, store: Store) -> "Pool":
    """What the runs that are done offer: their last steps, of which the record is."""
    from benchmarks.advice.pool import last_steps, pools
    from benchmarks.records.candidates import candidates_of
    from benchmarks.records.record import Record

    done = [spec for spec in planned.specs if store.finished(spec)]
    found = pools(done, candidates_of({spec.run_id: Record(store.folder(spec)) for spec in done}))
    if not found:
        raise UserError("source_only has no run that ended well, and so there is nothing to compare with")
    (pool,) = found.values()
    return last_steps(pool)


def _tell(pool: "Pool", planned: Grid, store: Store) -> None:
    """Print the advice, and keep it beside the records."""
    from benchmarks.advice.record import load_record
    from benchmarks.advice.rule import RULE, decide
    from benchmarks.advice.sentence import said, unlike

    decision = decide(pool, RULE)
    paragraphs = said(pool, decision, RULE, load_record(), unlike(pool, decision))
    print("\n\n".join(paragraphs))
    path = store.root / "advice" / f"{planned.specs[0].task.replace('/', '_')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, json.dumps(_kept(pool, decision, paragraphs), indent=2, allow_nan=False))
    print(f"written to {path}; records in {store.root}", file=sys.stderr)


def _kept(pool: "Pool", decision: "Decision", paragraphs: list[str]) -> dict[str, Any]:
    """The choice, with the runs that it is of."""
    return {
        "advice": paragraphs,
        "members": [
            {
                "method": option.method,
                "configuration": option.configuration,
                "step": option.step,
                "runs": [spec.run_id for spec in option.specs],
            }
            for option in (pool.options[member] for member in decision.members)
        ],
    }


def _evaluate(options: Options) -> int:
    from benchmarks.advice import record
    from benchmarks.advice.evidence import cases
    from benchmarks.advice.measure import evaluated, fitted
    from benchmarks.advice.rule import RULE

    if options.save_record:
        prepare_output(options.save_record, [], force=options.force)
    known = cases()
    measured = evaluated(known)
    print(record.shown(measured))
    if (rule := fitted(known)) != RULE:
        print(f"The rule that fits these records best is {rule}; `advise` applies {RULE}.")
    if options.save_record:
        with writing(options.save_record) as file:
            file.write(measured.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
    return 0

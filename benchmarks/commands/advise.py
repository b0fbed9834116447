"""The `advise` command: which model to use on a target without labels, and how often such a choice was right."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.commands import warn
from benchmarks.commands.run import execute
from benchmarks.commands.shared import values
from benchmarks.commands.shared.budget import BudgetFlags
from benchmarks.commands.shared.execution import DeviceFlags, EngineFlags, add_data_flag, use_data_folder
from benchmarks.commands.shared.options import refuse
from benchmarks.commands.shared.output import TableFlags, add_force_flag, show
from benchmarks.commands.shared.planning import HowFlags, WhatFlags, planned_grid
from benchmarks.commands.shared.records import add_store_flag
from benchmarks.core import atomic
from benchmarks.core.escape import shown
from benchmarks.core.outfiles import prepare_output, writing
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import Grid
from benchmarks.records.store import Store

if TYPE_CHECKING:
    from benchmarks.advice.advise import Advised, Member
    from benchmarks.engines.events import Event
    from benchmarks.plan.spec import RunSpec
    from benchmarks.training.predictions import Predictions

HELP = "say which model to use where the target has no labels"
EXAMPLES = (
    "advise --source factory_a.csv --target factory_b.csv",
    "advise --source photos --target phone --budget 20m --out predictions.csv",
    "advise --evaluate",
)
SEEDS = 5
ADVICE = "the advice"  # how labels' sentences call what is advised


@dataclass(frozen=True)
class Options:
    what: WhatFlags
    how: HowFlags
    budget: BudgetFlags
    out: Path | None
    to_label: int | None
    labels: Path | None
    choose_by: Literal["labels"] | None
    evaluate: bool
    save_record: Path | None
    force: bool
    devices: DeviceFlags
    engine: EngineFlags
    data_dir: Path | None
    store: Path | None
    table: TableFlags

    def __post_init__(self) -> None:
        self.engine.require_local({"budget": self.budget.budget})
        if self.how.select:
            raise UserError("--select: advice has a rule of its own; `run --select` chooses by a validator")
        if self.save_record and not self.evaluate:
            raise UserError("--save-record needs --evaluate")
        if self.evaluate:
            of_data = {**vars(self.what), "methods": None, "suite": self.what.suite != "quick"}
            where = {"store": self.store, "data_dir": self.data_dir, **self.devices.given}
            refuse(
                {
                    **of_data,
                    **vars(self.how),
                    **vars(self.budget),
                    **where,
                    "out": self.out,
                    "labels": self.labels,
                },
                "--evaluate measures the advice on the committed records and trains nothing",
            )
        if not (self.evaluate or self.what.source or self.what.tasks):
            raise UserError("--source and --target: give the data on which advice is wanted")
        if (self.out or self.labels or self.to_label) and not self.what.source:
            raise UserError("--out, --to-label and --labels are of your own target; give --source and --target")
        if (self.to_label or self.labels) and not self.out:
            raise UserError("--to-label and --labels need --out: they are of the samples that are predicted")
        if self.choose_by and not self.labels:
            raise UserError("--choose-by labels needs --labels")


def add_flags(command: ArgumentParser) -> None:
    WhatFlags.add_to(command.add_argument_group("on what advice is wanted"), default_methods="core")
    HowFlags.add_to(command.add_argument_group("settings"))
    BudgetFlags.add_to(command.add_argument_group("time"))
    used = command.add_argument_group("what is made of it")
    used.add_argument(
        "--out",
        type=values.path,
        metavar="CSV",
        help="keep the advised model, for `predict advised`, and write its predictions of the target",
    )
    used.add_argument(
        "--to-label",
        type=values.count,
        metavar="N",
        help="also write N samples to label beside them: at random, and where the advice and source_only disagree",
    )
    used.add_argument("--labels", type=values.path, metavar="CSV", help="such a file with labels: what they say")
    used.add_argument(
        "--choose-by", choices=["labels"], help="let these labels choose between the advice and source_only"
    )
    record = command.add_argument_group("how often such a choice was right")
    record.add_argument(
        "--evaluate",
        action="store_true",
        help="measure it on the committed records instead, also of --methods beyond core",
    )
    record.add_argument(
        "--save-record", type=values.path, metavar="CSV", help="with --evaluate: also write it, a line a choice"
    )
    add_force_flag(record)
    where = command.add_argument_group("where")
    DeviceFlags.add_to(where)
    EngineFlags.add_to(where)
    add_data_flag(where)
    add_store_flag(where)
    TableFlags.add_to(command.add_argument_group("how the table is shown"))


def main(options: Options) -> int:
    """Returns 1 if a run has failed."""
    if options.evaluate:
        return _evaluate(options)
    if options.labels:
        from benchmarks.advice.labels import check_labels

        check_labels(options.labels)
    use_data_folder(options.data_dir)
    planned, store = _planned(options), Store(options.store)
    if options.out:
        inputs = [path for path in (options.what.source, options.what.target, options.labels) if path]
        for path in (options.out, *(_files_to_label(options.out) if options.to_label else ())):
            prepare_output(path, inputs, force=options.force)
    planned, seconds = options.budget.within(
        planned, lambda spec: not store.finished(spec), store, options.devices.workers()
    )
    from benchmarks.advice.advise import advised, diagnosed

    _print(diagnosed(planned))
    ok = execute(planned.specs, store, options.engine.make(store, options.devices), seconds)
    advice = advised(planned, store)
    print(*advice.paragraphs, sep="\n\n", end="\n\n")
    _print(advice.label_shift)
    _print_table(planned, store, options.table)
    path = store.root / "advice" / f"{advice.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, advice.to_json())
    print(f"\nwritten to {path}; records in {store.root}", file=sys.stderr)
    if options.out:
        _use(advice, store, options, options.out)
    return 0 if ok else 1


def _planned(options: Options) -> Grid:
    what, how = options.what, options.how
    planned = planned_grid(what.suite, what.methods or "core", what.all_tasks(), range(how.seeds or SEEDS), how)
    if len(tasks := {spec.task for spec in planned.specs}) != 1:
        raise UserError(f"advice is on one task, and these are {len(tasks)}")
    return planned


def _print_table(planned: Grid, store: Store, flags: TableFlags) -> None:
    """What is known of each method, by the same runs."""
    from benchmarks.commands.shared.reading import records_of

    show(flags.report(planned, records_of(planned, store, flags.validators(None)), None), flags.format)


def _print(lines: Sequence[str]) -> None:
    print("\n".join(lines), end="\n\n")


def _files_to_label(out: Path) -> tuple[Path, Path]:
    return out.with_name(f"{out.stem}-random.csv"), out.with_name(f"{out.stem}-disagreement.csv")


def _use(advice: "Advised", store: Store, options: Options, out: Path) -> None:
    """Keep the advised model and source_only's, predict the target, and tell what labels say."""
    import numpy as np

    from benchmarks.advice import label_scores
    from benchmarks.advice.labels import keep_chosen, read_labels, refuse_chosen, to_label
    from benchmarks.training.predictions import write_predictions

    said = {ADVICE: _predicted(advice.members, advice.name, advice, store, options)}
    usual = said[ADVICE]
    if advice.members != advice.baseline:
        usual = _predicted(advice.baseline, f"{advice.name}-source_only", advice, store, options)
        said["source_only"] = usual
    classes = {name: each.said for name, each in said.items()}
    pair: tuple[np.ndarray, np.ndarray] = classes[ADVICE], usual.said
    chosen = ADVICE
    if len(said) > 1:
        _print([label_scores.needs(ADVICE, "source_only", pair)])
    if options.labels:
        labels = read_labels(options.labels, usual.samples, usual.classes)
        labelled = [str(usual.samples[place]) for place in labels.index]
        if options.choose_by:
            choice = label_scores.choose_by_labels(labels, classes)
            chosen = choice.name
            _print([label_scores.chosen(choice)])
            keep_chosen(store, advice.name, labelled)
        else:
            refuse_chosen(store, advice.name, labelled, options.labels)
            second = pair[1] if len(said) > 1 else None
            _print([label_scores.said(label_scores.score(labels, pair[0], second), ADVICE, "source_only")])
    write_predictions(said[chosen], out)
    count = len(usual.samples)
    print(f"predictions of {chosen} on {count} samples written to {shown(out)}", file=sys.stderr)
    if options.to_label:
        for path, two in zip(_files_to_label(out), (None, pair), strict=True):
            if two is None or len(said) > 1:
                count = to_label(path, usual.samples, options.to_label, two)
                print(f"{count} samples to label written to {path}", file=sys.stderr)


def _predicted(
    members: "Sequence[Member]", name: str, advice: "Advised", store: Store, options: Options
) -> "Predictions":
    """Keep the members' weights as a model of that name, and apply it to the target."""
    import torch

    from benchmarks.advice.deploy import deploy, predict_advised
    from benchmarks.engines.pace import Pace
    from benchmarks.engines.progress import follow

    workers, target = options.devices.workers(), options.what.target
    assert target

    def watch(events: "Iterable[Event]", todo: Sequence["RunSpec"]) -> "list[Event]":
        return follow(events, Pace(todo, workers=len(workers)), store)

    folder = deploy(members, store, name, "\n\n".join(advice.paragraphs), workers, watch=watch, tell=warn)
    return predict_advised(folder, target, None, torch.device(workers[0]))  # its labels are as in training


def _evaluate(options: Options) -> int:
    from benchmarks.advice import record
    from benchmarks.advice.evidence import cases, of_methods
    from benchmarks.advice.measure import evaluated, fitted
    from benchmarks.advice.rule import RULE

    if options.save_record:
        prepare_output(options.save_record, force=options.force)
    known = cases(options.what.methods or "core")
    measured = evaluated(known)
    print(of_methods(known), record.shown(measured), sep="\n\n", end="")
    if (rule := fitted(known)) != RULE:
        warn(UserError(f"the rule that fits these records best is {rule}; `advise` applies {RULE}"))
    if options.save_record:
        with writing(options.save_record) as file:
            file.write(measured.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode())
    return 0

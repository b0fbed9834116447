"""The command line as a user meets it."""

import contextlib
import importlib
import io
import json
import shlex
import shutil
import subprocess
import sys
from argparse import Action
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import __version__, api
from benchmarks.commands.parser import COMMANDS, main, parser
from benchmarks.commands.shared.options import Once, typed
from benchmarks.core.registry import DATASETS, METHODS
from benchmarks.core.settings import UserError, format_query, parse_query
from benchmarks.evaluation.validators import SELECTABLE
from benchmarks.plan.cost import Estimate, kind
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.suite import load_suite, suite_names
from benchmarks.training.estimate import estimate
from tests.conftest import EngineHere

ROOT = Path(__file__).parents[1]
UNTITLED = ("options", "positional arguments")  # how argparse calls what is in no group
QUICKLY = ["--set", "protocol.steps=20", "--set", "protocol.checkpoints=2"]


@dataclass
class Result:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Result:
    """A command in this process: a new one would spend its time on importing torch."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module", autouse=True)
def _engine_here() -> Iterator[None]:
    """The engine's own tests start workers; here each would spend its time on importing torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two methods on two toys, 5 seeds."""
    path = tmp_path_factory.mktemp("cli") / "store"
    arguments = ["--methods", "dann", "--tasks", "toys/moons,toys/blobs", "--seeds", "5", "--store", str(path)]
    result = run("run", *arguments, *QUICKLY)
    assert result.returncode == 0, result.stderr
    assert "Target test accuracy" in result.stdout
    assert "written to" in result.stderr
    return path


def on_moons(store: Path, seeds: int) -> list[str]:
    """Part of what the store holds."""
    flags = ["--methods", "dann", "--tasks", "toys/moons", "--seeds", str(seeds), "--store", str(store)]
    return ["run", *flags, *QUICKLY]


WRONG_SET = ["--set", "protocol.step=3"]
WRONG = [
    (["check", "--baseline", "quick", "--update", "--from", "store", "--tasks", "toys/moons"], "--from, --tasks"),
    (["check", "--baseline", "quick", "--seeds", "3"], "add --update"),
    # Each of these is wrong in a second way, which would end it at once if the first were passed over.
    (["check", "--baseline", "nope", "--suite", "quick", "--store", "mine"], "not kept; leave out --store"),
    (["check", "--baseline", "quick", "--from", "a", "--store", "b"], "trains nothing; leave out --store"),
    (
        ["check", "--baseline", "quick", "--from", "a", "--jobs", "2", "--device", "cpu"],
        "leave out --jobs, --device",
    ),
    (["check", "--baseline", "quick", "--from", "a", "--engine", "ray"], "leave out --engine"),
    (
        ["run", "--engine", "ray", "--jobs", "2", *WRONG_SET],
        "of its cluster, and not of this machine; leave out --jobs",
    ),
    (["run", "--engine", "ray", "--budget", "1h", "--device", "cpu", *WRONG_SET], "leave out --budget, --device"),
    (["advise", "--tasks", "toys/moons", "--engine", "ray", "--budget", "1h", *WRONG_SET], "leave out --budget"),
    (
        ["advise", "--evaluate", "--tasks", "toys/moons", "--out", "a.csv", "--save-record", "/"],
        "leave out --tasks, --out",
    ),
    (
        ["advise", "--evaluate", "--suite", "toys", "--seeds", "3", "--store", "a", "--save-record", "/"],
        "leave out --suite, --seeds, --store",
    ),
    (["run", "--method"], "--help"),
    (["run", "--methods", "dan2"], "did you mean 'dan'"),
    (["run", "--suite", "quik"], "did you mean 'quick'"),
    (["run", "--suite", "nowhere.toml"], "unknown suite"),
    (["run", "--tasks", "toys/blob"], "did you mean 'blobs'"),
    (["run", "--seeds", "0"], "whole number above 0"),
    (["run", "--seeds", "²"], "whole number above 0"),
    (["run", "--seeds", "٣"], "whole number above 0"),
    (["run", "--seeds", "9" * 5000], "whole number above 0"),
    (["run", "--search", "1" * 10], "at most 9 digits"),
    (["run", "--jobs", "1000000"], "is more than 1000"),
    (["run", "--jobs-per-gpu", "999999999"], "is more than 1000"),
    (["run", "--retries", "999999999"], "whole number from 0 to 1000"),
    (["run", "--retries", "²"], "whole number from 0 to 1000"),
    (["run", "--cpus-per-run", "1e308"], "at most 10000"),
    (["run", "--seed", "3"], "unrecognized arguments"),
    (["run", "--store", ""], "cannot be the name of a file"),
    (["run", "--suite", ""], "cannot be the name of a file"),
    (["run", "--steps-scale", "truncate:1e300"], "at most 1000"),
    (["run", "--grid", "dann.gamma=,"], "no value is given"),
    (["run", "--methods", "x\ny\x1b[31m"], r"unknown method 'x\ny\x1b[31m'"),
    (["run", "--what\never"], "unrecognized arguments"),
    (["run", "--methods", "x" * 100_000], "unknown method"),
    (["run", "--set", "dann"], "expected method.name=value"),
    (["run", "--set", "dam.gamma=1"], "unknown method 'dam'"),
    (["run", "--set", "dann.gamma=1", "--set", "dann.gamma=2"], "twice"),
    (["run", "--select", "sdn"], "did you mean 'snd'"),
    (["run", "--search", "0"], "whole number above 0"),
    (["run", "--search", "3", "--grid", "dann.gamma=1,2"], "give one of them"),
    (["run", "--grid", "dann"], "--grid 'dann': expected"),
    (["rum"], "invalid choice"),
    ([], "required"),
    (["table", "--format", "pdf"], "invalid choice"),
    (["check"], "--baseline"),
    (["run", "--device", "gpu"], "unknown device"),
    (["run", "--device", "cuda:²"], "unknown device"),
    (["run", "--device", "cuda:0,"], "unknown device"),
    (["run", "--device", "cuda:" + "9" * 5000], "unknown device"),
    (["run", "--ray-address", "head:6379"], "needs --engine ray"),
    (["table", "--source", "old.csv", "--store", "/nowhere"], "give both"),
    (["table", "--label", "diagnosis"], "needs --source and --target"),
    (["table", "--figure", "quick.txt"], "must end in .png"),
    (["table", "--save-records", "quick.txt"], "must end in .csv"),
    (["table", "--save-outputs", "quick.csv"], "must end in .npz"),
    (["compare", "--suite", "quick"], "no published numbers"),
    (["check", "--baseline", "quick", "--tasks", "toys/blob"], "did you mean 'blobs'"),
    (["speed", "--methods", "dan2"], "did you mean 'dan'"),
    (["data", "fetch"], "needs the name"),
]
WRONG_SETTINGS = [
    (["run", "--methods", "dann", "--set", "dann.gama=1"], "did you mean 'gamma'"),
    (["run", "--methods", "dann", "--set", "dann.gamma=x"], "valid number"),
    (["run", "--methods", "dann", "--set", "cdan.gamma=1"], "not in the grid"),
    (["run", "--methods", "dann", "--grid", "cdan.gamma=1,2"], "not in the grid"),
    (["run", "--methods", "dann", "--grid", "dann.gamma=1,x"], "valid number"),
    (["run", "--methods", "dann", "--grid", "dann.gama=1,2"], "did you mean 'gamma'"),
    (["run", "--methods", "coral", "--set", "coral.layer=x"], "'logits' or 'features'"),
    (["run", "--methods", "dan", "--set", "dan.trade_off=-1"], "greater than or equal to 0"),
    (["run", "--methods", "cdan", "--set", "cdan.warmup=1"], "less than 1"),
    (["run", "--methods", "core", "--set", "reweighting.effective=0"], "greater than 0"),
    (["run", "--set", "protocol.step=3"], "did you mean 'steps'"),
    (["run", "--set", "protocol.steps=0"], "greater than or equal to 1"),
    (["run", "--set", "protocol.discriminator_layers=500,0"], "greater than 0"),
    (["run", "--set", "protocol.backbone=lenet5"], "unknown backbone 'lenet5'"),
    (["run", "--set", "protocol.backbone=mlp?widht=3"], "did you mean 'width'"),
    (["run", "--set", "protocol.backbone=mlp?width"], "expected key=value"),
    (["run", "--device", "cuda:99"], "CUDA devices"),
    (["run", "--store", "a\0b"], "cannot be the name of a file"),
    (["run", "--store", "\ud800"], "cannot be the name of a file"),
    (["run", "--seeds", "999999999"], "that would be 39,999,999,960 runs"),
    (["run", "--search", "999999999"], "that would be"),
    (["run", "--engine", "ray", "--ray-address", "head:²", "--tasks", "toys/moons"], "expected HOST:PORT"),
    (["run", "--engine", "ray", "--ray-address", f"{'h' * 99}:1", "--tasks", "toys/moons"], "no Ray cluster"),
    (["run", "--set", "protocol.backbone=cnn?width=1000000000"], "less than or equal to"),
    (["run", "--retries", "-1"], "not a whole number"),
    (["run", "--engine", "ray", "--cpus-per-run", "-1"], "not a number above 0"),
    (["run", "--engine", "ray", "--gpus-per-run", "nan"], "not a number above 0"),
    (["speed", "--backbone", "lenet5"], "unknown backbone"),
    (["check", "--baseline", "nope", "--suite", "quick"], "unknown baseline"),
    (["table", "--records", "/nowhere.csv"], "not a file of records"),
    (["table", "--store", "/nowhere"], "does not exist"),
]


@pytest.mark.parametrize(("arguments", "message"), [*WRONG, *WRONG_SETTINGS], ids=lambda v: " ".join(v)[-40:])
def test_wrong_use_is_one_clear_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_help_and_argument_errors_do_not_wait_for_torch() -> None:
    code = (
        "import json, sys; from benchmarks.commands.parser import main\n"
        "for arguments in json.load(sys.stdin):\n"
        "    try: main(arguments)\n"
        "    except SystemExit: pass\n"
        "    if found := {'torch', 'pandas', 'sklearn'} & sys.modules.keys():\n"
        "        sys.exit(f'{str(arguments)[:200]} imports {found}')"
    )
    lines = json.dumps([["--help"], ["run", "--help"], *(wrong for wrong, _ in WRONG)])
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def command_of(name: str) -> Any:
    return importlib.import_module(f"benchmarks.commands.{name}")


def test_every_file_of_a_command_is_one() -> None:
    files = {path.stem for path in (ROOT / "benchmarks/commands").glob("[!_]*.py")}
    assert files == {*COMMANDS, "parser"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_make_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    command, shown = command_of(name), capsys.readouterr().out.splitlines()
    assert 2 <= len(command.EXAMPLES) <= 3
    assert shown[-len(command.EXAMPLES) :] == [f"  benchmarks {example}" for example in command.EXAMPLES]
    for example in command.EXAMPLES:
        flags = vars(parser().parse_args(shlex.split(example)))
        assert flags.pop("command") is command
        assert isinstance(typed(command.Options, flags), command.Options)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_a_titled_group_and_a_field_of_the_options(name: str) -> None:
    (actions,) = (action for action in parser()._actions if isinstance(action.choices, dict))
    groups = actions.choices[name]._action_groups
    flags = {action.dest for group in groups for action in group._group_actions} - {"help"}
    untitled = {a.dest for group in groups for a in group._group_actions if group.title in UNTITLED} - {"help"}
    assert not untitled
    assert names_of(command_of(name).Options) == flags


def flags_with_a_value(name: str) -> list[Action]:
    """Those that may be given once."""
    (actions,) = (action for action in parser()._actions if isinstance(action.choices, dict))
    return [a for a in actions.choices[name]._actions if a.option_strings and isinstance(a, Once)]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_empty_value_is_an_error_and_not_the_default(name: str) -> None:
    """As in `--tasks "$TASKS"`, where no such variable is set."""
    for action in flags_with_a_value(name):
        with pytest.raises(UserError, match=f"^argument {'/'.join(action.option_strings)}: "):
            parser().parse_args([name, action.option_strings[-1], ""])


@pytest.mark.parametrize(("flag", "blank"), [("--set", ""), ("--tasks", " , "), ("--methods", ",")])
def test_a_blank_value_is_as_an_empty_one(flag: str, blank: str) -> None:
    with pytest.raises(UserError, match=f"^argument {flag}: .* is empty; give a value, or leave it out"):
        parser().parse_args(["run", flag, blank])


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_given_twice_is_an_error_and_not_the_last_of_both(name: str) -> None:
    for action in flags_with_a_value(name):
        flag, value = (
            action.option_strings[-1],
            [*(action.choices or ["20m" if action.dest == "budget" else "3"])][-1],
        )
        with pytest.raises(UserError, match=f"^{flag} is given twice"):
            parser().parse_args([name, flag, value, flag, value])


def names_of(options: type) -> set[str]:
    """Fields of options, and of the groups in them."""
    kinds = get_type_hints(options)
    found = (names_of(kinds[f.name]) if is_dataclass(kinds[f.name]) else {f.name} for f in fields(options))
    return set().union(*found)


@pytest.mark.parametrize("what", ["methods", "datasets", "tasks", "backbones", "suites", "validators"])
def test_list_names_everything(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what]) == 0
    printed = capsys.readouterr().out
    wanted = {
        "methods": METHODS.names(),
        "datasets": DATASETS.names(),
        "tasks": [f"digits/{task}" for task in DATASETS.get("digits")().tasks()],
        "backbones": ["linear", "mlp", "lenet", "cnn", "cnn1d", "resnet18", "resnet50"],
        "suites": suite_names(),
        "validators": list(SELECTABLE),
    }[what]
    assert all(name in printed for name in wanted)


def test_a_second_run_reuses_and_fresh_does_not(store: Path) -> None:
    arguments = on_moons(store, seeds=1)
    before = {path: path.stat().st_mtime_ns for path in store.glob("toys_moons/*/seed0*/spec.json")}
    again = run(*arguments)
    assert "2 runs have a record and are reused." in again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert run(*arguments, "--fresh").returncode == 0
    assert all(path.stat().st_mtime_ns > time for path, time in before.items())


def test_code_that_differs_is_told(store: Path) -> None:
    (path,) = store.glob("toys_moons/dann/seed1*/provenance.json")
    whole = path.read_text()
    path.write_text(json.dumps({**json.loads(whole), "code": "000000000000"}))
    arguments = on_moons(store, seeds=2)
    assert "1 of 4 records were made by different code: " in run(*arguments).stderr
    path.write_text(whole)


def table(store: Path, *arguments: str) -> str:
    result = run("table", "--store", str(store), "--tasks", "toys/moons,toys/blobs", *QUICKLY, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("form", ["text", "markdown", "latex", "csv", "json"])
def test_every_format_holds_every_method_and_task(store: Path, form: str) -> None:
    printed = table(store, "--format", form)
    methods = ("source only", "DANN") if form == "latex" else ("source_only", "dann")  # a paper has no identifiers
    for word in (*methods, "toys", "moons", "blobs", "raw inputs"):
        assert word in printed


def test_json_leads_from_each_number_to_its_runs(store: Path) -> None:
    rows = json.loads(table(store, "--format", "json"))["cells"]
    (row,) = [
        r for r in rows if (r["method"], r["task"], r["metric"]) == ("dann", "toys/moons", "target_test_accuracy")
    ]
    assert (row["n"], row["interval"]) == (5, "t95")
    found = []
    for run_id in row["runs"]:
        (path,) = store.glob(f"*/*/*{run_id}/oracle.json")
        found.append(json.loads(path.read_text())["checkpoints"][-1]["target_test_accuracy"])
    assert row["mean"] == pytest.approx(sum(found) / 5)
    assert row["low"] < row["mean"] < row["high"]


def test_a_table_from_committed_records_is_the_same(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    whole = table(store, "--save-records", str(path))
    result = run("table", "--records", str(path), "--tasks", "toys/moons,toys/blobs", *QUICKLY)
    assert result.stdout == whole


@pytest.mark.parametrize("lacking", [[], ["confusion", "device"]])
def test_committed_records_and_a_store_with_further_seeds_are_one_table(
    store: Path, tmp_path: Path, lacking: list[str]
) -> None:
    """As on a machine that has not the store of the first seeds; older records lack columns."""
    committed, both, rest = tmp_path / "committed.csv", tmp_path / "both.csv", tmp_path / "rest"
    whole = table(store, "--save-records", str(committed))
    lines = committed.read_text()
    shutil.copytree(store, rest, ignore=shutil.ignore_patterns("seed0-*", "seed1-*"))
    frame = pd.read_csv(committed, dtype=str).drop(columns=lacking)
    frame[frame["seed"].isin(["0", "1", "2"])].to_csv(committed, index=False)
    assert table(rest, "--records", str(committed), "--save-records", str(both)) == whole
    again = run("table", "--records", str(both), "--tasks", "toys/moons,toys/blobs", *QUICKLY)
    assert again.stdout == whole
    assert lacking or both.read_text() == lines


def test_more_blocks_on_request_and_a_wrong_one_is_an_error(store: Path) -> None:
    assert "Source test accuracy (%)" in table(store, "--show", "source_test_accuracy,training_seconds")
    result = run(
        "table", "--store", str(store), "--tasks", "toys/moons", *QUICKLY, "--show", "sorce_test_accuracy"
    )
    assert (result.returncode, "did you mean 'source_test_accuracy'" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("show", "title"),
    [
        ("statistics", "All pairs, a family of its own"),
        ("bound", "Proxies of the terms of Ben-David's bound"),
        ("confusion", "per-class accuracy): dann on toys/moons"),
        ("classes", "Target calibration error (%)"),
        ("cost", "Peak memory mb"),
        ("validators", "Validators: regret against the oracle"),
    ],
)
def test_each_part_that_show_names_is_shown(store: Path, show: str, title: str) -> None:
    assert title in table(store, "--show", show)
    cells = json.loads(table(store, "--show", show, "--format", "json"))
    assert title in str([each["title"] for each in cells["listings"]]) or show in ("classes", "cost")


def test_a_search_ends_with_its_choice_beside_last_step_oracle_and_chance(tmp_path: Path) -> None:
    arguments = ["--methods", "dann", "--tasks", "toys/blobs", "--seeds", "2", "--store", str(tmp_path), *QUICKLY]
    searched = [*arguments, "--search", "2", "--select", "reverse_validation"]
    result = run("run", *searched)
    assert result.returncode == 0, result.stderr
    for words in (
        "last step, defaults",
        "selected by reverse_validation",
        "random candidate",
        "oracle (saw target",
    ):
        assert words in result.stdout
    assert "from 2 configuration(s) x 2 checkpoint(s)" in result.stdout
    assert run("table", *searched).stdout == result.stdout
    assert "16 runs have a record" not in run("run", *arguments).stderr  # without the search: its own runs only
    assert "selected by source_accuracy" in run("table", *arguments, "--grid", "dann.gamma=5,10").stdout


SEARCHING = """
kind = "fair"
seeds = 1
search = 2
default_methods = "dann"
[protocol]
steps = 20
checkpoints = 1
[[task]]
name = "toys/blobs"
"""


def test_a_suite_that_searches_does_so_for_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite, store = tmp_path / "mine.toml", str(tmp_path / "store")
    suite.write_text(SEARCHING)
    arguments = ["--suite", str(suite), "--store", store]
    assert "4 of 4 runs to do" in run("run", *arguments, "--dry-run").stdout
    result = run("run", *arguments)
    assert result.returncode == 0, result.stderr
    for words in (
        "selected by source_accuracy",
        "oracle (saw target",
        "from 2 configuration(s) x 1 checkpoint(s)",
    ):
        assert words in result.stdout
    assert "UNEQUAL" not in result.stdout
    assert run("table", *arguments).stdout == result.stdout
    uneven = run("table", *arguments, "--grid", "dann.gamma=5,15").stdout
    assert "UNEQUAL BUDGETS (source_only 1, dann 3 " in uneven
    monkeypatch.setattr(
        "benchmarks.api.grid.LocalEngine.run", None
    )  # Python plans the same runs, and all are done
    assert sorted(api.run_grid(suite=str(suite), store=store)["method"]) == ["dann"] * 2 + ["source_only"] * 2


def test_a_diagram_needs_ten_tasks_that_share_no_domain(store: Path, tmp_path: Path) -> None:
    arguments = ["--store", str(store), "--tasks", "toys/moons", *QUICKLY, "--diagram", str(tmp_path / "cd.png")]
    result = run("table", *arguments)
    assert (result.returncode, "1 cluster, as tasks that share a domain are one; Friedman" in result.stderr) == (
        2,
        True,
    )


def test_a_picture_on_request(store: Path, tmp_path: Path) -> None:
    table(store, "--figure", str(tmp_path / "quick.png"))
    assert (tmp_path / "quick.png").read_bytes().startswith(b"\x89PNG")
    result = run("table", "--store", str(store), "--tasks", "toys/moons", *QUICKLY, "--figure", "quick.txt")
    assert (result.returncode, "must end in .png" in result.stderr) == (2, True)


@pytest.mark.parametrize("arguments", ["table --figure", "table --sweep-figure", "run --fresh --tensorboard"])
def test_a_path_that_cannot_be_written_is_one_clear_error(store: Path, tmp_path: Path, arguments: str) -> None:
    if "tensorboard" in arguments:
        pytest.importorskip("tensorboard")
    (tmp_path / "file").touch()
    flags = ["--methods", "dann", "--tasks", "toys/moons", "--store", str(store), *QUICKLY]
    result = run(*arguments.split(), str(tmp_path / "file" / "below.png"), *flags)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert str(tmp_path / "file") in result.stderr
    assert result.stderr.endswith("name another path\n")
    assert result.stderr.count("\n") == 1


def test_a_failed_run_is_a_hole_with_a_reason_and_exit_code_1(tmp_path: Path) -> None:
    grid = ["--tasks", "toys/moons", "--seeds", "1", *QUICKLY]
    grid += ["--set", "protocol.lr_adversary=1e30", "--set", "protocol.optimizer=sgd"]
    arguments = ["run", "--methods", "dann", *grid, "--store", str(tmp_path)]
    result = run(*arguments)
    assert result.returncode == 1
    assert "1 failed of 1" in result.stdout
    assert "the loss is" in result.stdout
    assert "at step" in result.stdout
    again = run(*arguments)
    assert "1 runs failed before: --retry does them again." in again.stderr
    assert again.returncode == 1

    records = tmp_path.with_suffix(".csv")
    run("table", *grid, "--store", str(tmp_path), "--save-records", str(records))
    committed = run("table", *grid, "--records", str(records)).stdout
    assert "1 failed of 1" in committed
    assert "the loss is" in committed


def test_where_all_runs_failed_there_is_no_record_to_save(tmp_path: Path) -> None:
    grid = ["--methods", "source_only", "--tasks", "toys/moons", "--seeds", "1", "--store", str(tmp_path)]
    grid += [*QUICKLY, "--set", "protocol.lr_new=1e30", "--set", "protocol.optimizer=sgd"]
    assert run("run", *grid).returncode == 1
    result = run("table", *grid, "--save-records", str(tmp_path.with_suffix(".csv")))
    assert (result.returncode, "there is no record to save" in result.stderr) == (2, True)


def test_dry_run_prints_the_grid_and_trains_nothing(tmp_path: Path) -> None:
    arguments = ["run", "--tasks", "toys/moons", "--methods", "cdan", "--set", "cdan.trade_off=0.5", "--dry-run"]
    result = run(*arguments, "--store", str(tmp_path / "s"))
    assert result.returncode == 0, result.stderr
    assert "cdan?trade_off=0.5 seed 2" in result.stdout
    assert "6 of 6 runs to do, " in result.stdout
    assert not list((tmp_path / "s").glob("*/*/seed*"))


def timed(planned: Grid, **patience: float) -> Estimate:
    return estimate(planned.specs, Estimate(Counter(map(kind, planned.specs))), "cpu", **patience)


def test_an_estimate_counts_steps_for_methods_that_take_some() -> None:
    def seconds(method: str, steps: int) -> float:
        protocol = {"steps": steps, "checkpoints": 1}
        planned = plan("toys", [method], ["toys/moons"], seeds=[0], overrides={"protocol": protocol})
        (found,) = timed(planned, patience=120).seconds(planned.specs).values()
        return found

    assert seconds("source_only", 10**6) > 100 * seconds("source_only", 20)
    assert seconds("nearest_neighbour", 10**6) < 10 * seconds("nearest_neighbour", 20)


def test_an_estimate_that_runs_out_of_patience_says_so() -> None:
    planned = plan("quick", method_names("core"))
    first = timed(planned, patience=0.0)
    assert len(first.training) == 1  # the first is waited for
    assert str(first) == "rough: of 16 kinds of run, 1 timed, 15 guessed"
    assert not timed(planned, patience=0.0, start=0.0).known


def test_a_dry_run_says_what_becomes_of_each_run(store: Path, tmp_path: Path) -> None:
    arguments = [*on_moons(store, seeds=2), "--dry-run"]
    assert "0 of 4 runs to do, 1 at a time: no time" in run(*arguments).stdout
    assert "4 of 4 runs to do" in run(*arguments, "--fresh").stdout
    assert "4 of 4 runs to do" in run(*arguments, "--save-weights").stdout
    failing = ["run", "--methods", "source_only", "--tasks", "toys/moons", "--seeds", "1", *QUICKLY]
    failing += ["--set", "protocol.lr_new=1e30", "--set", "protocol.optimizer=sgd", "--store", str(tmp_path)]
    assert run(*failing).returncode == 1
    assert "  failed  toys/moons source_only seed 0" in run(*failing, "--dry-run").stdout
    assert "0 of 1 runs to do" in run(*failing, "--dry-run").stdout
    assert "1 of 1 runs to do" in run(*failing, "--dry-run", "--retry").stdout


def test_an_estimate_tells_of_runs_that_fail_in_their_first_steps() -> None:
    overrides = {"protocol": {"lr_new": "1e30", "optimizer": "sgd"}}
    planned = plan("toys", ["source_only"], ["toys/moons"], seeds=[0], overrides=overrides)
    (error,) = timed(planned, patience=120).failed.values()
    assert "the loss is" in error


def test_an_estimate_leaves_a_methods_warnings_to_its_runs(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warnings.showwarning", lambda message, *_: print(message, file=sys.stderr, flush=True))
    planned = plan("toys", ["kmm"], ["toys/blobs"], seeds=[0])
    assert timed(planned, patience=120).known
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("flag", [["--dry-run"], []])
def test_missing_data_and_weights_are_told_once_and_before_the_first_run(
    flag: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARKS_DATA", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for more, message in (
        (["--tasks", "digits/mnist-usps"], "is missing; `data check` says how to get it"),
        (["--tasks", "toys/moons", "--set", "protocol.backbone=resnet18?weights=imagenet"], "download https://"),
    ):
        result = run("run", "--methods", "dann", "--store", str(tmp_path / "s"), *more, *flag)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
        assert message in result.stderr
        assert ("6 of 6 runs to do" in result.stdout) == bool(flag)


def test_a_version_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"benchmarks {__version__}\n")


def test_the_default_store_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHMARKS_STORE", raising=False)
    assert "store 'runs' does not exist" in run("store", "verify").stderr
    monkeypatch.setenv("BENCHMARKS_STORE", str(tmp_path / "mine"))
    assert f"store {str(tmp_path / 'mine')!r} does not exist" in run("store", "verify").stderr


words = st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=12)


@given(
    st.lists(st.sampled_from(["run", "table", "check", "list", "--seeds", "--set", "--tasks", "--suite"]) | words)
)
@settings(max_examples=150, deadline=None)
def test_any_command_line_parses_or_is_one_clear_error(arguments: list[str]) -> None:
    with contextlib.suppress(UserError, SystemExit):  # SystemExit: --help
        parser().parse_args(arguments)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_suite_file_is_a_suite_or_one_clear_error(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=r"mine\.toml"):
            load_suite(str(path))  # the required keys are never all there by chance


names = st.text("abcxyz", min_size=1, max_size=5)


@given(names, st.dictionaries(names, names))
def test_a_query_comes_back_as_written(name: str, options: dict[str, str]) -> None:
    assert parse_query(format_query(name, options)) == (name, options)


@given(st.text(max_size=30))
def test_any_task_name_resolves_or_is_one_clear_error(name: str) -> None:
    from datasets.base import resolve

    with contextlib.suppress(UserError):
        assert resolve(name).name


def test_every_shipped_suite_plans() -> None:
    for name in suite_names():
        planned = plan(name, method_names("core,references"))
        assert len(planned.specs) == len({spec.run_id for spec in planned.specs})
        assert planned.specs

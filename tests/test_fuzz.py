"""Command lines of real flags and hostile values: each ends in a result or in one line, at once."""

import contextlib
import io
import os
import random
import time
from argparse import Action, ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.commands.parser import main, parser
from benchmarks.plan.cost import Estimate

LINES, PARTS = 500, 5
DRAWN = [part if part < 2 else pytest.param(part, marks=pytest.mark.thorough) for part in range(PARTS)]
PATIENCE = 10.0  # seconds for an answer: as promised for a dry run
NUMBERS = ["0", "-1", "1", "2", "²", "٣", "999999999", "1e308", "nan", "inf", "1_0", "0x10", " 1", "9" * 5000]
TEXTS = ["", " ", ",", "=", "?", "&", ".", "-", "--", "--help", "@file", "{}", "%s", "None", "a,b,,c", "dan2"]
TEXTS += ["a\nb", "\x1b[31m", "\udcff", "\ud800", "\0", "\u202e", "e\u0301", "💥", "all", "core", "x" * 100_000]
MOONS = ["", "?rotation=50", "?rotation=1e308", "?rotation=nan", "?rotation=1&rotation=2", "?split=-1", "?a=b"]
TASKS = [*("toys/moons" + query for query in MOONS), "toys/moons?split=" + "9" * 5000, "toys/moons," * 2000]
TASKS += ["toys", "/", "x/y", "own/a-b-123456", "digits/mnist-usps", "digits/mnist+usps-mnist", "digits/-"]
BACKBONES = ["mlp", "mlp?width=0", "x?y", "mlp?width=1000000000", "resnet18?weights=imagenet", "lenet?dropout=nan"]
BACKBONES += ["resnet18?weights=/dev/zero", "resnet18?weights=\0", "cnn?width=" + "9" * 5000]
SETTINGS = [*("protocol.backbone=" + text for text in BACKBONES), "protocol.steps=5", "protocol.steps=1e9"]
SETTINGS += ["protocol.threads=100000", "protocol.head_layers=1,,2,x", "protocol.discriminator_layers=1000000000"]
SETTINGS += ["dann.gamma=nan", "dann.gamma=", "dann.gamma=1,2,3", "dann.gamma===", "dann.=1", ".a=1", "a.b=c"]
CHOICES = ["im", "oracle", "reverse_validation", "target_test_accuracy", "statistics", "classes,cost", "confusion"]
CHOICES += ["truncate:0.1", "truncate:1e300", "compress:nan", "cpu", "cuda:²", "cuda:" + "9" * 5000, "local"]
VALUES = [*NUMBERS, *TEXTS, *TASKS, *SETTINGS, *CHOICES, "quick", "toys"]
USUAL = {
    "seeds": ["1", "2", "5"],
    "search": ["1", "2", "3"],
    "jobs": ["1", "2"],
    "jobs_per_gpu": ["1", "2"],
    "retries": ["0", "1"],
    "tasks": ["toys/moons", "toys/blobs,toys/moons?rotation=50"],
    "set": ["protocol.steps=5", "dann.gamma=5"],
    "grid": ["dann.gamma=1,5"],
    "methods": ["dann", "core,dann", "all"],
    "suite": ["quick", "toys", "amazon-jmlr"],
    "baseline": ["quick"],
    "select": ["im", "reverse_validation"],
    "steps_scale": ["truncate:0.1"],
    "device": ["cpu"],
    "budget": ["20m", "1s"],
    "show": ["statistics", "classes,cost"],
}
# What trains, downloads, or is no flag of a command's own.
LEFT_OUT = {
    "command",
    "help",
    "update",
    "dry_run",
    "source",
    "target",
    "label",
    "engine",
    "ray_address",
    "tensorboard",
}
NAMES = ["run", "run", "run", "table", "table", "compare", "check", "store", "data", "predict", "list"]
FURTHER = {"run": ["--dry-run"], "check": ["--from", "nowhere"], "data": []}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files, folders and things that are neither."""
    root = tmp_path_factory.mktemp("fuzz")
    contents = {
        "empty.csv": b"",
        "broken.csv": b"run_id,task\n1",
        "nul.toml": b"\0",
        "deep.toml": b"x=" + b"[" * 9999,
    }
    contents |= {
        "empty.toml": b"",
        "bytes.npz": os.urandom(500),
        "empty": b"",
        "task.toml": b"kind='fair'\ntask=[]",
    }
    for name, content in contents.items():
        (root / name).write_bytes(content)
    (root / "folder").mkdir()
    (root / "store/toys_moons/dann/seed0-abc").mkdir(parents=True)
    (root / "store/toys_moons/dann/seed²-abc").mkdir(parents=True)
    os.mkfifo(root / "pipe.toml")
    os.mkfifo(root / "pipe.csv")
    (root / "loop").symlink_to(root / "loop")
    found = [str(path) for path in root.iterdir()]
    return [
        *found,
        str(root / "empty" / "below"),
        "/dev/null",
        "/dev/null/at/all",
        str(root / ("x" * 300)),
        str(root),
    ]


def commands() -> dict[str, ArgumentParser]:
    (action,) = (action for action in parser()._actions if isinstance(action.choices, dict))
    return action.choices  # type: ignore[return-value]


def line(draw: random.Random, paths: Sequence[str]) -> list[str]:
    """A command with a few of its own flags, half of them with a value that they are not meant for."""
    name = draw.choice(
        ["run", "run", "run", "table", "table", "compare", "check", "store", "data", "predict", "list"]
    )
    command = commands()[name]
    optional = [a for a in command._actions if a.dest not in LEFT_OUT and not a.required]
    needed = [a for a in command._actions if a.required]
    words = [name]
    for action in [*needed, *draw.sample(optional, min(len(optional), draw.randrange(4)))]:
        words += _written(action, draw, paths)
    if draw.random() < 0.1:
        words.insert(draw.randrange(1, len(words) + 1), draw.choice(VALUES))
    if "fetch" in words:
        words += ["--data-dir", ""]  # nothing may be downloaded
    return words + FURTHER.get(name, [])


def _written(action: Action, draw: random.Random, paths: Sequence[str]) -> list[str]:
    flag = action.option_strings[-1:]
    if action.nargs == 0:
        return flag
    usual = USUAL.get(action.dest, list(action.choices or paths))
    value = draw.choice([draw.choice(usual), draw.choice(usual), draw.choice(paths), draw.choice(VALUES)])
    return [f"{flag[0]}={value}"] if flag and draw.random() < 0.3 else [*flag, value]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[list[str]], tuple[object, str]]:
    """Runs a command line in an empty folder, without its estimate of time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHMARKS_STORE", str(tmp_path / "runs"))
    monkeypatch.setenv("BENCHMARKS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("benchmarks.training.estimate.estimate", lambda *_: Estimate({}))

    def run(words: list[str]) -> tuple[object, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                return main(words), err.getvalue()
            except SystemExit as end:  # --help, --version
                return end.code, err.getvalue()

    return run


@pytest.mark.parametrize("part", DRAWN)
def test_any_command_line_is_a_result_or_one_line(
    part: int, paths: list[str], answer: Callable[[list[str]], tuple[object, str]]
) -> None:
    for number in range(part, LINES, PARTS):
        words = line(random.Random(number), paths)
        start = time.monotonic()
        code, said = answer(words)
        shown = [word[:80] for word in words]
        assert code in (0, 1, 2), shown
        assert time.monotonic() - start < PATIENCE, shown
        if code == 2:
            assert said.startswith(("error: ", "warning: ", "records: ")), (shown, said)
            assert said.rstrip("\n").split("\n")[-1].startswith("error: "), (shown, said)
            assert len(said) < 5000, shown
            assert all(char.isprintable() for char in said.replace("\n", "")), shown

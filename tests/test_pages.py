"""The pages that people read: their length, their links, and the commands and outputs that they show."""

import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.advice import record
from benchmarks.commands.parser import main, parser
from benchmarks.commands.shared.options import typed
from datasets import files
from tests.conftest import EngineHere

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "datasets", "examples", "methods", "results", "tests")
MADE = ("results/tables/", "results/speed/cpu.md", "results/speed/gpu.md")  # what the program has printed
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))]
    if not str(page.relative_to(ROOT)).startswith(MADE)
)
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = ("python", "-m", "benchmarks")
PROGRAMS = ("python", ".venv/bin/python", "benchmarks", "make", "pip", "ray", "source", "sh")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_short_enough_to_read(page: str) -> None:
    assert len(text_of(page).split()) <= (1200 if page == "README.md" else 2500)


def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text_of(page))):
        if link.startswith(("https:", "http:")):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@dataclass(frozen=True)
class Shown:
    """A command line on a page."""

    page: str
    words: tuple[str, ...]


def shown_in(page: str) -> Iterator[Shown]:
    """Lines of a block that begin with the name of a program, without where their output goes."""
    text = text_of(page)
    for line in [*re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE), *"".join(FENCE.findall(text)).splitlines()]:
        if line.split(maxsplit=1)[:1] and line.split()[0] in PROGRAMS:
            yield Shown(page, tuple(shlex.split(line.partition(" > ")[0], comments=True)))


COMMANDS = [shown for page in PAGES for shown in shown_in(page)]
# Each once, but for those of the pages' own method and data set, which tests/test_architecture.py runs.
OURS = {
    shown.words[3:]: None
    for shown in COMMANDS
    if shown.words[:3] == PROGRAM and not re.search("centroids|stripes", " ".join(shown.words))
}


def domain(folder: Path, rng: np.random.Generator) -> None:
    """A domain as a folder of images for each class."""
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(8):
            image = rng.integers(256, size=(16, 16, 3), dtype=np.uint8)
            Image.fromarray(image).save(folder / label / f"{number}.png")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages name."""
    folder, rng = tmp_path_factory.mktemp("pages"), np.random.default_rng(0)
    for name in ("photos", "sketches"):
        domain(folder / name, rng)
    for name in ("lab", "field"):
        np.savez(folder / f"{name}.npz", x=rng.normal(size=(40, 3)), y=np.arange(40) % 2)
    for name in ("results", "examples"):
        (folder / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        runpy.run_path("examples/two_clinics.py")
    return folder


@pytest.fixture
def _there(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder with the pages' files, without records of others, and without workers."""
    monkeypatch.chdir(workspace)
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHMARKS_STORE", str(tmp_path / "runs"))
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)


# What is added to a command so that it takes no time. Of the rest the flags are checked: other tests run them.
QUICKLY = {
    "run": ["--dry-run"],
    "table": ["--tasks", "toys/moons", "--methods", "dann"],
    "list": [],
}
STORED = {"--save-outputs", "--store"}  # what needs a store of these runs


@pytest.mark.parametrize("words", OURS, ids=" ".join)
@pytest.mark.usefixtures("_there")
def test_a_pages_command_works(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.commands.run._dry_run", lambda *_: None)  # it and a budget would time steps
    monkeypatch.setattr("benchmarks.commands.shared.budget.BudgetFlags.within", lambda _, grid, *__: (grid, {}))
    if words[0] not in QUICKLY or STORED & {*words}:
        flags = vars(parser().parse_args(words))
        typed(flags.pop("command").Options, flags)
        return
    records = ["--records", "results/records/quick.csv"] * (words[0] == "table" and "--records" not in words)
    assert main([*words, *QUICKLY[words[0]], *records]) == 0, capsys.readouterr().err


def test_the_pages_other_commands_name_what_exists() -> None:
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    targets = re.findall(r"^([\w-]+)(?: [\w-]+)*:", text_of("Makefile"), re.MULTILINE)
    for shown in COMMANDS:
        match shown.words:
            case ("make", target):
                assert target in [*targets, "test"], shown
            case ("pip", "install", what, *_):
                assert all(extra in extras for extra in re.findall(r"\[(\w+)\]", what)), shown
            case ("python" | ".venv/bin/python", "-m", "pytest", path, *_):
                assert (ROOT / path).exists(), shown
            case ("python", script):
                assert (ROOT / script).exists(), shown
            case _:
                assert shown.words[:3] == PROGRAM or shown.words[0] in ("ray", "source"), shown


def test_every_flag_that_a_page_names_exists() -> None:
    root = parser()
    (commands,) = (action.choices.values() for action in root._actions if isinstance(action.choices, dict))
    ours = {flag for each in (root, *commands) for action in each._actions for flag in action.option_strings}
    for page in PAGES:
        others = {word for shown in shown_in(page) if "benchmarks" not in shown.words for word in shown.words}
        named = re.findall(r"(?<![\w-])--[a-z][a-z-]*", text_of(page))
        assert set(named) - others <= ours, page


QUOTED = [
    pytest.param(page, command, block, marks=[pytest.mark.thorough] * command.startswith("advise"), id=command)
    for page in PAGES
    for command, block in re.findall(
        r"<!-- python -m benchmarks (.*?) -->\n\n```text\n(.*?)```", text_of(page), re.DOTALL
    )
]


def plain(text: str) -> str:
    """Without line ends, which pages have elsewhere."""
    return " ".join(text.split())


@pytest.mark.parametrize(("page", "command", "block"), QUOTED)
@pytest.mark.usefixtures("_there")
def test_a_quoted_output_is_what_the_program_prints(
    page: str, command: str, block: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its order; where … stands, something is left out."""
    assert main(shlex.split(command)) == 0
    rest = plain(capsys.readouterr().out)
    for piece in filter(None, map(plain, block.split("…"))):
        _, found, rest = rest.partition(piece)
        assert found, f"{page}: {piece!r} is not in {rest!r}"


@pytest.mark.parametrize("page", ["README.md", "benchmarks/advice/README.md"])
def test_the_record_of_the_advice_on_pages_is_todays(page: str) -> None:
    measured = record.advised(record.load_record())
    for words in (f"{measured.gain} points", f"{measured.harmed:.0%} of", f"{measured.tasks} tasks"):
        assert words in plain(text_of(page))

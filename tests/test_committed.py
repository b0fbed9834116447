"""What is committed of results is what the program prints today, byte for byte."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.commands.parser import main
from benchmarks.core.outfiles import is_ours
from benchmarks.plan.suite import load_suite, suite_names
from benchmarks.report.page.templates import text_of

ROOT = Path(__file__).parents[1]
TABLES, REPORTS = ROOT / "results" / "tables", ROOT / "results" / "reports"


MAKES_FILES = ("--figure", "--sweep-figure", "--out")


def commands() -> dict[str, list[str]]:
    """Arguments of the program by the file that they make, as results/tables.sh has them."""
    found = {}
    for line in (ROOT / "results" / "tables.sh").read_text().splitlines():
        if line.startswith("benchmarks "):
            *arguments, arrow, output = shlex.split(line)[1:]
            assert arrow == ">"
            if output == "/dev/null":
                output = next(arguments[arguments.index(f) + 1] for f in MAKES_FILES if f in arguments)
            found[Path(output).name] = arguments
    return found


COMMANDS = commands()


def test_every_committed_output_has_its_command() -> None:
    pages = [name for name in COMMANDS if name.endswith(".html")]
    assert sorted(COMMANDS) == sorted([*pages, *(path.name for path in TABLES.iterdir())])
    assert all((REPORTS / name).exists() for name in pages)


@pytest.mark.parametrize(
    "name", [name for name, of in COMMANDS.items() if name.endswith(".md") and "--evaluate" not in of]
)
def test_committed_tables_are_what_the_program_prints(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(COMMANDS[name]) == 0
    assert capsys.readouterr().out == (TABLES / name).read_text(encoding="utf-8"), "make tables"


def test_the_record_of_the_advice_is_what_its_evaluation_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And the rule that is applied is the one that these records fit."""
    monkeypatch.chdir(ROOT)
    committed, anew = "results/advice/record.csv", tmp_path / "record.csv"
    assert main([str(anew) if argument == committed else argument for argument in COMMANDS["advice.md"]]) == 0
    printed = capsys.readouterr()
    assert printed.out == (TABLES / "advice.md").read_text(encoding="utf-8"), "make tables"
    assert anew.read_text() == Path(committed).read_text(), "make tables"
    assert not printed.err


def test_the_advice_among_all_methods_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(COMMANDS["advice-methods.md"]) == 0
    assert capsys.readouterr().out == (TABLES / "advice-methods.md").read_text(encoding="utf-8"), "make tables"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.endswith(".png")])
def test_committed_pictures_show_what_the_program_draws(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Caption, panels and rows, by the description in the file; and it may be drawn again without --force."""
    monkeypatch.chdir(ROOT)
    anew = tmp_path / name
    assert main([str(anew) if argument.endswith(name) else argument for argument in COMMANDS[name]]) == 0
    assert is_ours(TABLES / name)
    with Image.open(TABLES / name) as committed, Image.open(anew) as today:
        assert committed.info["Description"] == today.info["Description"], "make tables"  # type: ignore[attr-defined]


def sections(html: str) -> dict[str, str]:
    """Of a page, by their names; and what is around them, without the library that draws, which others make."""
    found = dict(re.findall(r'<section id="(\w+)".*?>(.*?)</section>', html, re.DOTALL))
    frame = re.sub(r"<section.*?</section>|<script [^>]*>.*?</script>", "", html, flags=re.DOTALL)
    return {**found, "frame": frame}


# What a page needs of the store of its runs; and its own command.
OF_A_STORE = {"amazon": set(), "quick": {"maps", "curves", "again"}}


@pytest.mark.parametrize("suite", OF_A_STORE)
def test_committed_pages_are_what_the_program_writes(
    suite: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("benchmarks.report.page.page.bundle", lambda: "")
    records = ["--records", f"results/records/{suite}.csv"]
    assert main(["report", "--suite", suite, *records, "--out", str(tmp_path / f"{suite}.html")]) == 0
    committed, today = (sections((where / f"{suite}.html").read_text()) for where in (REPORTS, tmp_path))
    assert committed.keys() == today.keys()
    today["again"] = today["again"].replace(f" {suite}.html", f" results/reports/{suite}.html")
    for name in committed.keys() - OF_A_STORE[suite]:
        assert committed[name] == today[name], f"{suite}: {name}"


def test_every_committed_page_has_todays_script_and_is_small() -> None:
    """Also that of own data, which only its own runs make again."""
    for path in REPORTS.iterdir():
        html = path.read_text()
        assert text_of("script.js") in html, path.name
        assert text_of("style.css") in html, path.name
        assert path.stat().st_size < 5_000_000, path.name


@pytest.mark.parametrize("readme", ["README.md", "results/README.md"])
def test_tables_in_texts_are_those_of_the_files(readme: str) -> None:
    """Of a table whose head is that of a committed one, every row is there."""
    committed = [path.read_text(encoding="utf-8").splitlines() for path in TABLES.glob("*.md")]
    lines = (ROOT / readme).read_text(encoding="utf-8").splitlines()
    checked = 0
    for number, line in enumerate(lines):
        sources = [set(table) for table in committed if line in table and line.startswith("| method  ")]
        if sources:
            checked += 1
            end = next(i for i in range(number, len(lines) + 1) if i == len(lines) or not lines[i].startswith("|"))
            assert any(set(lines[number:end]) <= source for source in sources), f"{readme} line {number + 1}"
    assert checked >= {"README.md": 1, "results/README.md": 2}[readme]


PAPERS = [name for name in suite_names() if load_suite(name).kind == "paper"]


@pytest.mark.parametrize(
    "name", [name for name, of in COMMANDS.items() if of[0] == "table" and name.endswith(".md")]
)
def test_only_fair_suites_are_ranked(name: str) -> None:
    text = (TABLES / name).read_text(encoding="utf-8")
    paper = name.removesuffix(".md") in PAPERS
    assert ("not ranked" in text) == paper
    assert ("**" in text) == (not paper)


LONG = {"amazon-jmlr", "amazon-cmd"}  # lines of records; what is refused does not depend on them


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(name, marks=[pytest.mark.thorough] * (name in LONG))
        for name in PAPERS
        if f"{name}.md" in COMMANDS
    ],
)
def test_no_ranking_of_a_paper_suite_can_be_asked_for(
    suite: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    table = ["table", "--suite", suite, "--records", f"results/records/{suite}.csv"]
    assert main([*table, "--show", "statistics"]) == 0
    text = capsys.readouterr().out
    assert not any(word in text for word in ("mean rank", "Friedman", "P(better"))
    assert main([*table, "--diagram", str(tmp_path / "ranks.png")]) == 2
    assert "never ranked" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

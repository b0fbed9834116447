"""What is installed, and what happens beside packages of the same names."""

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks import __version__
from benchmarks.__main__ import PACKAGES, foreign
from benchmarks.plan.suite import suite_names

ROOT = Path(__file__).parents[1]


def test_a_wheel_holds_all_that_the_program_reads(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("benchmarks", "methods", "datasets", "results", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in held if name.endswith(".dist-info/METADATA"))
        (scripts,) = (archive.read(name).decode() for name in held if name.endswith("entry_points.txt"))
    assert {f"benchmarks/suites/{name}.toml" for name in suite_names()} <= held
    assert {f"{name}/py.typed" for name in ("benchmarks", "methods", "datasets")} <= held
    for folder in ("results/published", "results/baselines", "results/records", "datasets/files"):
        assert {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.csv")} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert f"Version: {__version__}" in metadata
    assert "License-Expression: MIT" in metadata
    assert "benchmarks = benchmarks.__main__:main" in scripts


def test_what_is_installed_is_what_pyproject_asks_for() -> None:
    """Earlier Pillows and PyTorchs had holes in what reads files; PyTorch 2.11 tells what a CPU computes."""
    for name, least in (("pillow", (13,)), ("torch", (2, 11))):
        found = tuple(int(part) for part in importlib.metadata.version(name).split(".")[:2])
        assert found >= least, name
        assert f'"{name}>={".".join(map(str, least))}"' in (ROOT / "pyproject.toml").read_text()


def test_processes_that_make_starts_keep_their_bytecode() -> None:
    """pip makes none ahead, and many images ask for none: each process would compile all that it imports."""
    command = ["make", "--no-print-directory", "--eval", "show:; @echo [$$PYTHONDONTWRITEBYTECODE]", "show"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_citation_and_the_changelog_are_of_this_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def start(cwd: Path, *path: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-m", "benchmarks", "list", "suites"]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("shape", ["{}/__init__.py", "{}.py"])
def test_another_package_of_one_of_our_names_in_the_working_directory_is_told(
    name: str, shape: str, tmp_path: Path
) -> None:
    other = tmp_path / shape.format(name)
    other.parent.mkdir(exist_ok=True)
    other.write_text("raise SystemExit('it was imported')")
    result = start(tmp_path, ROOT)
    assert (result.returncode, result.stderr.count("\n"), result.stdout) == (2, 1, ""), result.stderr
    assert f"error: {str(other)!r} is not this project's package {name!r}" in result.stderr
    assert "virtual environment of its own" in result.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_a_folder_of_data_in_the_working_directory_is_no_package(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "photos.csv").touch()
    assert start(tmp_path, ROOT).returncode == 0


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_was_installed_over_ours_is_told(name: str, tmp_path: Path) -> None:
    """pip puts both into one folder: the later one's ``__init__`` is there, beside files of the other."""
    for package in ("benchmarks", *PACKAGES):
        (tmp_path / package).mkdir()
        for path in (ROOT / package).iterdir():
            if path.name != "__init__.py":
                (tmp_path / package / path.name).symlink_to(path)
        (tmp_path / package / "__init__.py").write_bytes((ROOT / package / "__init__.py").read_bytes())
    (tmp_path / "benchmarks/__main__.py").unlink()
    (tmp_path / "benchmarks/__main__.py").write_bytes((ROOT / "benchmarks/__main__.py").read_bytes())
    assert start(tmp_path, tmp_path).returncode == 0
    (tmp_path / name / "__init__.py").write_text("import module_of_the_other")
    result = start(tmp_path, tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert f"is not this project's package {name!r}" in result.stderr


def test_our_own_packages_are_ours_and_the_check_imports_none() -> None:
    assert [foreign(name) for name in PACKAGES] == [None] * len(PACKAGES)
    code = "import sys; from benchmarks.__main__ import foreign\n"
    code += f"foreign('datasets'); sys.exit(any(name in sys.modules for name in {PACKAGES}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


ENTRIES = {
    "absent": "import nothing_of_this_name",
    "syntax": "def",
    "leaves": "raise SystemExit(3)",
    "silent": "",
    "strange": "from benchmarks.core.registry import METHODS\nMETHODS.register('strange', None)(int)",
}


def beside_broken_entries(group: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program, beside an installed package whose entries of a group are broken."""
    info = folder / "plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    lines = [f"{name} = plugin_{name}" for name in ENTRIES]
    (info / "entry_points.txt").write_text("\n".join([f"[benchmarks.{group}]", *lines, "odd = 1:2:3", ""]))
    for name, text in ENTRIES.items():
        (folder / f"plugin_{name}.py").write_text(text.replace("METHODS", group.upper()))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder, check=False)


def test_a_broken_method_of_an_installed_package_ends_no_table(tmp_path: Path) -> None:
    records = str(ROOT / "results" / "records" / "toys.csv")
    result = beside_broken_entries("methods", tmp_path, "table", "--suite", "toys", "--records", records)
    assert result.returncode == 0, result.stderr
    assert "dann" in result.stdout
    assert all(sum(f"'{name}'" in line for line in result.stderr.splitlines()) == 1 for name in ENTRIES)


@pytest.mark.parametrize("what", ["methods", "datasets", "tasks"])
def test_a_broken_entry_of_an_installed_package_is_named_and_hides_no_other(what: str, tmp_path: Path) -> None:
    group = "methods" if what == "methods" else "datasets"
    result = beside_broken_entries(group, tmp_path, "list", what)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("\n") == len(ENTRIES) + 1, result.stderr
    for name in [*ENTRIES, "odd"]:
        assert sum(f"'{name}'" in line for line in result.stderr.splitlines()) == 1, result.stderr
    assert ("dann" if what == "methods" else "toys") in result.stdout

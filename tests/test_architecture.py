"""Rules that hold the parts apart, and what the pages promise a newcomer."""

import ast
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.core.registry import DATASETS, METHODS, DatasetInfo, Idea, MethodInfo, Registry
from benchmarks.core.settings import UserError
from benchmarks.plan.methods import groups

ROOT = Path(__file__).parents[1]
CORE_METHODS = ["reweighting", "dan", "coral", "dann", "adda", "cdan", "cdan_e"]
CORE = sorted(f"benchmarks.core.{path.stem}" for path in (ROOT / "benchmarks/core").glob("[!_]*.py"))
# What each room may import, besides itself: whatever stands before it, so that there are no circles.
ROOMS = (
    ("benchmarks.core",),
    ("methods", "datasets"),
    ("benchmarks.evaluation",),
    ("benchmarks.plan",),
    ("benchmarks.records",),
    ("benchmarks.training",),
    ("benchmarks.engines",),
    ("benchmarks.report",),
    ("benchmarks.advice",),
    ("benchmarks.speed",),
    ("benchmarks.api", "benchmarks.estimator", "benchmarks.scorers", "benchmarks.commands"),
    ("benchmarks.__main__",),
)
BEFORE = {
    room: {other for rooms in ROOMS[:number] for other in rooms}
    for number, rooms in enumerate(ROOMS)
    for room in rooms
} | {room: {"benchmarks.core"} for room in ("methods", "datasets")}
PACKAGES = ("benchmarks", "methods", "datasets")


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def imports(path: Path) -> set[str]:
    """Modules that a file imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & MODULES.keys() | ({node.module} if names - MODULES.keys() else set())
    return found


def room_of(name: str) -> str:
    return ".".join(name.split(".")[: 2 if name.startswith("benchmarks.") else 1])


@pytest.mark.parametrize("room", sorted(BEFORE))
def test_a_room_imports_only_those_before_it(room: str) -> None:
    for name, path in MODULES.items():
        if room_of(name) == room:
            for imported in imports(path):
                other = room_of(imported)
                inside = imported.partition(".")[0] in PACKAGES and imported != "benchmarks"
                assert not inside or other == room or other in BEFORE[room], f"{name} imports {imported}"


def test_every_module_has_its_room_and_few_stand_at_the_top() -> None:
    assert {room_of(name) for name in MODULES} <= {*BEFORE, *PACKAGES}
    assert len(list((ROOT / "benchmarks").glob("*.py"))) <= 5


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: imports(path) & MODULES.keys() for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", CORE)
def test_what_all_parts_share_is_light(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(heavy in sys.modules for heavy in ('torch', 'pandas', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_only_the_oracle_opens_target_labels() -> None:
    for path in (ROOT / "benchmarks").rglob("*.py"):
        if path.name != "oracle.py":
            calls = {
                node.func.attr
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            }
            assert not calls & {"oracle", "supervised"}, path


@pytest.mark.parametrize("package", ["benchmarks", "methods", "datasets"])
def test_no_file_is_loaded_by_pickle(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        text = path.read_text()
        assert not imports(path) & {"pickle", "joblib", "shelve", "dill"}, path
        assert text.count("torch.load(") == text.count("weights_only=True"), path
        assert "allow_pickle=True" not in text, path


def test_methods_stay_as_short_as_promised() -> None:
    assert len((ROOT / "methods/dann.py").read_text().splitlines()) <= 60
    assert len((ROOT / "methods/coral.py").read_text().splitlines()) <= 35
    assert all(len((ROOT / f"methods/{name}.py").read_text().splitlines()) <= 120 for name in METHODS.names())


def test_groups_and_references_agree_with_what_methods_say() -> None:
    members = groups()
    assert sorted(members["core"]) == sorted(["source_only", *CORE_METHODS])
    assert set(members["references"]) == {name for name in METHODS.names() if METHODS.info(name).reference}
    assert {name for group in members for name in members[group]} == set(METHODS.names())


def test_the_readme_lists_every_method_by_its_idea_the_oldest_first() -> None:
    infos = {name: METHODS.info(name) for name in METHODS.names()}
    lines = (ROOT / "README.md").read_text().splitlines()
    start = lines.index("| idea | methods |") + 2
    rows = [
        f"| {idea} | {', '.join(f'`{name}`' for name in members)} |"
        for idea in get_args(Idea)
        if (members := sorted((n for n in infos if infos[n].family == idea), key=lambda n: (infos[n].year, n)))
    ]
    assert lines[start : start + len(rows) + 1] == [*rows, ""]


@pytest.mark.parametrize("method", METHODS.names())
def test_every_hyper_parameter_is_documented_with_its_source(method: str) -> None:
    for name, field in METHODS.get(method).settings.model_fields.items():
        assert field.description, f"{method}.{name}"
        assert field.json_schema_extra["source"], f"{method}.{name}"
        assert "learning" not in name


@pytest.mark.parametrize(("registry", "info"), [(METHODS, MethodInfo), (DATASETS, DatasetInfo)])
def test_a_name_taken_twice_is_an_error(registry: Registry, info: type) -> None:
    name = registry.names()[0]
    with pytest.raises(UserError, match="registered twice"):
        registry.register(name, registry.info(name))(type("Other", (), {}))


def test_installed_packages_can_add_methods(tmp_path: Path) -> None:
    """Through an entry point; and one that takes a built-in's name is refused."""
    folder = tmp_path / "plugin-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (tmp_path / "plugin.py").write_text(
        (ROOT / "methods/source_only.py").read_text().replace("source_only", "mine")
    )
    command = [sys.executable, "-m", "benchmarks", "list", "methods"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    (folder / "entry_points.txt").write_text("[benchmarks.methods]\nmine = plugin\n")
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert "mine" in [line.partition(" ")[0] for line in result.stdout.splitlines()], result.stderr
    (folder / "entry_points.txt").write_text("[benchmarks.methods]\ndann = plugin\n")
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert "'dann' is defined by methods.dann and again" in result.stderr


def test_the_pages_new_method_and_dataset_work(tmp_path: Path) -> None:
    """Their two files, dropped into a copy, run without touching another file."""
    import shutil

    for package in ("benchmarks", "methods", "datasets", "results"):
        shutil.copytree(ROOT / package, tmp_path / package)
    pages = "".join((ROOT / package / "README.md").read_text() for package in ("methods", "datasets"))
    files = dict(re.findall(r"```python\n# ((?:methods|datasets)/\w+\.py)\n(.*?)```", pages, re.DOTALL))
    assert len(files) == 2
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (command,) = re.findall(r"python -m (benchmarks run .*--tasks stripes.*)", pages)
    arguments = [*command.replace("dann", "centroids,dann").split(), "--seeds", "1", "--store", "store"]
    arguments += ["--set", "protocol.steps=20", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "centroids" in result.stdout


def test_the_headline_is_named_once() -> None:
    from benchmarks.evaluation import HEADLINE

    found = [path for path in (ROOT / "benchmarks").rglob("*.py") if f'"{HEADLINE}"' in path.read_text()]
    assert [str(path.relative_to(ROOT)) for path in found] == ["benchmarks/core/objective.py"]

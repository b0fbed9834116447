"""Records that are broken: named, left out, found; the others load."""

import errno
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.evaluation.outputs import Outputs
from benchmarks.records import validation
from benchmarks.records.compact import save_records
from benchmarks.records.frame import load_records
from benchmarks.records.record import FILES
from benchmarks.records.store import Store
from benchmarks.training.run import execute
from tests.conftest import CPU, TINY, EngineHere, make_older, spec_of

ROOT = Path(__file__).parents[1]
TINY_FLAGS = [flag for key, value in TINY.items() for flag in ("--set", f"protocol.{key}={value}")]
SPECS = [spec_of("source_only"), spec_of("dann")]
UNREAD = [("cost.json", "{}")]  # nothing is asked of it
BROKEN = [pair for pair in product(FILES, [None, "", "{", "{}", "[]"]) if pair not in UNREAD]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two records; tests that break one do it in a copy."""
    store = Store(tmp_path_factory.mktemp("whole"))
    store.create()
    for spec in SPECS:
        with store.locked(spec) as folder:
            execute(spec, folder, CPU)
            store.publish(spec)
    return store


@pytest.fixture
def copy(whole: Store, tmp_path: Path) -> Store:
    shutil.copytree(whole.root, tmp_path / "copy")
    return Store(tmp_path / "copy")


@pytest.mark.parametrize(("name", "content"), BROKEN)
def test_a_broken_record_is_named_with_what_to_do_and_the_others_load(
    copy: Store, content: str | None, name: str
) -> None:
    folder = copy.folder(SPECS[0])
    (folder / name).unlink() if content is None else (folder / name).write_text(content)
    told: list[UserError] = []
    assert list(load_records(copy.root, broken=told.append)["run_id"]) == [SPECS[1].run_id]
    assert str(folder) in str(told[0])
    assert "delete that folder and run again" in str(told[0])
    with pytest.raises(UserError, match="delete that folder"):
        load_records(copy.root)


def test_who_comes_to_a_finished_run_leaves_nothing_behind(copy: Store) -> None:
    with copy.locked(SPECS[0]):
        pass
    assert [path.name for path in (copy.root / ".partial").iterdir()] == ["writable"]


def verify(store: Store, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["store", "verify", "--store", str(store.root)])
    return code, capsys.readouterr().out


def test_verify_finds_what_is_broken_in_records_without_digests(
    copy: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(copy, capsys) == (0, "2 of 2 records are whole\n")
    for spec in SPECS:
        make_older(copy.folder(spec))
    folder = copy.folder(SPECS[0])
    path = next((folder / "outputs").iterdir())
    path.write_bytes(path.read_bytes()[:1000])
    code, said = verify(copy, capsys)
    assert code == 1
    assert f"broken: {str(path)!r} cannot be read" in said
    assert "1 of 2 records are whole" in said
    path.unlink()
    assert "1 of 2 outputs are there" in verify(copy, capsys)[1]
    (copy.folder(SPECS[1]) / "curves.json").write_text("{")
    assert "curves.json cannot be read" in verify(copy, capsys)[1]
    (copy.folder(SPECS[1]) / "curves.json").write_text("[]")
    spec = copy.folder(SPECS[1]) / "spec.json"
    spec.write_text(spec.read_text().replace('"seed": 0', '"seed": 7'))
    assert "spec.json is no spec of a run (it is that of run" in verify(copy, capsys)[1]


@pytest.mark.parametrize("name", ["oracle.npz", "predictions.npz"])
@pytest.mark.parametrize("content", [None, b"", b"PK"])
def test_verify_reads_the_arrays_beside_the_outputs(
    copy: Store, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None
) -> None:
    make_older(copy.folder(SPECS[0]))
    path = copy.folder(SPECS[0]) / name
    path.unlink() if content is None else path.write_bytes(content)
    code, said = verify(copy, capsys)
    assert code == 1
    assert re.search(rf"{name}'? cannot be read", said)


def test_validators_are_made_where_they_are_read_and_only_those(
    copy: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = validation.validators.score_outputs

    def counted(outputs: Outputs, names: Collection[str]) -> dict[str, float]:
        made.extend(names)
        return real(outputs, names)

    monkeypatch.setattr(validation.validators, "score_outputs", counted)
    assert "im" not in load_records(copy.root)["checkpoints"][0][0]
    assert not list(copy.root.rglob("validators.json"))
    first = load_records(copy.root, validators=["im", "snd"])["checkpoints"]
    assert made == ["im", "snd"] * 4
    second = load_records(copy.root, validators=["im", "bnm"])["checkpoints"]  # what is there is not made again
    assert made[8:] == ["bnm"] * 4
    assert load_records(copy.root, validators=["im", "snd"])["checkpoints"].tolist() == first.tolist()
    assert second[0][0].keys() - first[0][0].keys() == {"bnm"}
    monkeypatch.setattr(validation, "_code", lambda name: "other" if name == "im" else "")
    load_records(copy.root, validators=["im"])
    assert made[12:] == ["im"] * 4


def test_the_code_of_a_score_is_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another sentence changes none, another temperature that of the score that has it."""
    names, getsource = ("im", "snd", "dev", "proxy_a_distance"), inspect.getsource

    def codes(before: str = "", after: str = "") -> list[str]:
        for cached in (validation._code, validation._definitions):
            cached.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(inspect, "getsource", lambda module: getsource(module).replace(before, after))
            return [validation._code(name) for name in names]

    now = codes()
    assert codes("in nats", "in bits") == now
    for text, owner in (("TEMPERATURE = 0.05", "snd"), ("eta = ", "dev"), ("SPLITS = 5", "proxy_a_distance")):
        other = codes(text, text.replace("=", "= 2 *"))
        assert [name for name, a, b in zip(names, now, other, strict=True) if a != b] == [owner]
    codes()


def test_scores_that_cannot_be_read_are_made_again(copy: Store) -> None:
    before = load_records(copy.root, validators=["im"]).to_json()
    (copy.folder(SPECS[0]) / "validators.json").write_text("{")
    assert load_records(copy.root, validators=["im"]).to_json() == before


def test_a_store_that_cannot_be_written_gives_the_same_scores(
    copy: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(validation, "write_json", full)
    there = load_records(copy.root, validators=["im"]).to_json()
    assert not list(copy.root.rglob("validators.json"))
    monkeypatch.undo()
    assert load_records(copy.root, validators=["im"]).to_json() == there


def test_records_whose_outputs_are_gone_show_a_table_and_the_scores_that_they_have(copy: Store) -> None:
    before = load_records(copy.root, validators=["im"])["checkpoints"]
    for spec in SPECS:
        shutil.rmtree(copy.folder(spec) / "outputs")
    assert len(load_records(copy.root)) == 2
    assert load_records(copy.root, validators=["im"])["checkpoints"].tolist() == before.tolist()
    with pytest.raises(UserError, match=r"outputs/000010\.npz cannot be read"):
        load_records(copy.root, validators=["snd"])


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_outputs_cannot_execute_code(copy: Store, tmp_path: Path) -> None:
    folder = copy.folder(SPECS[0])
    np.savez(folder / "outputs" / "000020.npz", **{"source_val.logits": np.array([Bomb(tmp_path / "boom")])})
    make_older(folder)
    told: list[UserError] = []
    assert len(load_records(copy.root, broken=told.append, validators=["im"])) == 1
    assert "000020.npz" in str(told[0])
    assert not (tmp_path / "boom").exists()


def test_a_saved_state_cannot_execute_code(tmp_path: Path) -> None:
    store, spec = Store(tmp_path / "store"), SPECS[0]
    partial = store.root / ".partial" / spec.run_id
    partial.mkdir(parents=True)
    torch.save(Bomb(tmp_path / "boom"), partial / "state.pt")
    assert [event.kind for event in EngineHere(store, ["cpu"]).run([spec])] == ["finished"]
    assert not (tmp_path / "boom").exists()


def test_a_store_can_be_named_by_a_text(whole: Store, tmp_path: Path) -> None:
    records = load_records(whole.root)
    assert load_records(str(whole.root)).to_json() == records.to_json()
    assert load_records([str(whole.folder(SPECS[0]))])["run_id"].tolist() == [SPECS[0].run_id]
    save_records(records, tmp_path / "records.csv")
    assert load_records(str(tmp_path / "records.csv"))["run_id"].tolist() == records["run_id"].tolist()


@pytest.mark.parametrize("kind", ["absent", "file"])
@pytest.mark.parametrize(
    "command",
    [
        ["store", "verify"],
        ["table"],
        ["compare", "--suite", "digits"],
        ["predict", "abc", "--input", "in.csv", "--out", "out.csv"],
    ],
    ids=" ".join,
)
def test_a_store_that_does_not_exist_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], kind: str
) -> None:
    path = tmp_path / "store"
    if kind == "file":
        path.touch()
    assert main([*command, "--store", str(path)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    what = "does not exist" if kind == "absent" else "is no folder of records"
    assert said == f"error: store {str(path)!r} {what}; `run` makes one, and --store names another"
    with pytest.raises(UserError, match=what):
        load_records(path)


def test_an_empty_store_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(Store(tmp_path), capsys) == (0, "0 of 0 records are whole\n")


STRAYS = [
    "seedling",
    "seed",
    "seed0-",
    "seed-0123456789ab",
    "seed²-0123456789ab",
    "seed0-0123456789ab.bak",
    "seed-1-x",
]


@pytest.mark.parametrize("command", [["table", "--tasks", "toys/moons"], ["store", "verify"]], ids=" ".join)
def test_strays_of_any_name_are_told_of_and_the_rest_is_shown(
    copy: Store, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    beside = copy.folder(SPECS[0]).parent
    for name in [*STRAYS, "seed\udcff-\n\x1b[31m"]:
        (beside / name).mkdir()
    (beside / "seed7-0123456789ab").touch()
    (copy.root / "notes.txt").touch()
    (copy.root / "toys_moons" / "notes.txt").touch()
    code = main([*command, "--store", str(copy.root), *TINY_FLAGS * (command[0] == "table")])
    said = capsys.readouterr()
    assert code == (1 if command[0] == "store" else 0)
    assert "source_only" in said.out
    for name in STRAYS:
        assert name in said.err + said.out
    assert "\x1b" not in said.err + said.out
    assert copy.seeds() == [0]


@pytest.mark.thorough  # test_atomic.py shows that writers of one file do not meet
def test_who_makes_scores_at_once_gets_the_same(copy: Store) -> None:
    names = ["im", "snd"]
    before = load_records(copy.root, validators=names).to_json()
    for spec in SPECS:
        (copy.folder(spec) / "validators.json").unlink()
    script = "from benchmarks.records.frame import load_records; load_records({!r}, validators=[{!r}])"
    scripts = [script.format(str(copy.root), name) for name in names]
    both = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) for script in scripts]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert load_records(copy.root, validators=names).to_json() == before
    assert not list(copy.root.rglob("*.partial/*.json*"))
    assert not [path for path in copy.folder(SPECS[0]).iterdir() if path.name.startswith(".")]


def test_scores_of_many_records_are_made_on_all_cores_and_told_of(
    whole: Store, copy: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as in one process, and found by who reads; a broken record is its reader's to tell of."""
    other = Store(Path(shutil.copytree(whole.root, tmp_path / "other")))
    expected = load_records(other.root, validators=["im", "snd"])["checkpoints"].tolist()
    monkeypatch.setattr(validation, "MANY", 1)
    monkeypatch.setattr(validation, "cores", lambda: 1)  # each takes seconds to start
    folders, told = list(copy.record_folders()), []
    (broken := copy.root / "broken").mkdir()
    (broken / "digests.json").write_text("{")
    validation.make_scores([*folders, broken], ["im", "snd"], lambda *numbers: told.append(numbers))
    assert told == [(1, 2), (2, 2)]
    monkeypatch.setattr(validation, "_scores", None)  # nothing is left to make
    assert load_records(folders, validators=["im", "snd"])["checkpoints"].tolist() == expected
    validation.make_scores(folders, ["im", "snd"], lambda *numbers: told.append(numbers))
    assert len(told) == 2


def test_a_table_expects_no_seed_that_only_another_grid_of_the_store_has(
    copy: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_of("source_only", "toys/blobs", seed=1)
    with copy.locked(spec) as folder:
        execute(spec, folder, CPU)
        copy.publish(spec)
    assert (
        main(["table", "--suite", "quick", "--tasks", "toys/moons", *TINY_FLAGS, "--store", str(copy.root)]) == 0
    )
    table = capsys.readouterr().out
    assert "Provisional: 1 seed" in table
    assert "missing" not in table


def test_committed_records_of_an_older_version_load(whole: Store, tmp_path: Path) -> None:
    records = load_records(whole.root)
    save_records(records, tmp_path / "now.csv")
    lines = pd.read_csv(tmp_path / "now.csv").drop(columns=["confusion", "reverse_of"])
    lines.to_csv(tmp_path / "older.csv", index=False)
    loaded = load_records(tmp_path / "older.csv")
    assert loaded["reverse_of"].tolist() == ["", ""]
    assert loaded["run_id"].tolist() == records["run_id"].tolist()
    lines.drop(columns="protocol").to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(UserError, match="it has no column protocol"):
        load_records(tmp_path / "other.csv")

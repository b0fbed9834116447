"""Records that are broken: named, left out, found; the others load."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.cli import main
from benchmarks.engines.local import LocalEngine
from benchmarks.run import execute
from benchmarks.settings import UserError
from benchmarks.store import FILES, Store, load_records, save_records
from tests.conftest import CPU, make_older, spec_of

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
    assert f"{str(path)!r} cannot be read" in said


def test_scores_that_cannot_be_read_are_made_again(copy: Store) -> None:
    before = load_records(copy.root).to_json()
    (copy.folder(SPECS[0]) / "validators.json").write_text("{")
    assert load_records(copy.root).to_json() == before


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_outputs_cannot_execute_code(copy: Store, tmp_path: Path) -> None:
    folder = copy.folder(SPECS[0])
    np.savez(folder / "outputs" / "000020.npz", **{"source_val.logits": np.array([Bomb(tmp_path / "boom")])})
    (folder / "validators.json").unlink()
    told: list[UserError] = []
    assert len(load_records(copy.root, broken=told.append)) == 1
    assert "000020.npz" in str(told[0])
    assert not (tmp_path / "boom").exists()


def test_a_saved_state_cannot_execute_code(tmp_path: Path) -> None:
    store, spec = Store(tmp_path / "store"), SPECS[0]
    partial = store.root / ".partial" / spec.run_id
    partial.mkdir(parents=True)
    torch.save(Bomb(tmp_path / "boom"), partial / "state.pt")
    events = [list(LocalEngine(store, ["cpu"]).run([spec]))[-1] for _ in range(2)]
    assert [event.kind for event in events] == ["finished", "reused"]
    assert not (tmp_path / "boom").exists()


def test_committed_records_of_an_older_version_load(whole: Store, tmp_path: Path) -> None:
    records = load_records(whole.root)
    save_records(records, tmp_path / "now.csv")
    lines = pd.read_csv(tmp_path / "now.csv").drop(columns=["confusion", "reverse_of"])
    lines.to_csv(tmp_path / "older.csv", index=False)
    loaded = load_records(tmp_path / "older.csv")
    assert loaded["reverse_of"].tolist() == ["", ""]
    assert loaded["run_id"].tolist() == records["run_id"].tolist()
    lines.drop(columns="spec").to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(UserError, match="it has no column spec"):
        load_records(tmp_path / "other.csv")

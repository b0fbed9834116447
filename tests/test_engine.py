"""The local engine: workers die, runs fail, commands meet, and nothing is lost or done twice."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.core.settings import UserError
from benchmarks.engines.events import Event
from benchmarks.engines.local import LocalEngine
from benchmarks.engines.work import attempt, train
from benchmarks.evaluation.outcomes import unpacked_units
from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.grid import plan
from benchmarks.plan.methods import method_names
from benchmarks.plan.spec import RunSpec
from benchmarks.plan.suite import suite_names, suite_search
from benchmarks.records.compact import load_failures, save_records
from benchmarks.records.frame import load_records
from benchmarks.records.store import Store
from benchmarks.training.run import execute
from datasets.base import load_task
from tests.conftest import CPU, EngineHere, spec_of
from tests.fakes import (
    die_at_seed_1,
    die_once,
    fail,
    fail_with_the_disk_full,
    fill_the_disk,
    fill_the_disk_within_a_library,
    pretend,
)

ROOT = Path(__file__).parents[1]
RECORDS = sorted((ROOT / "results" / "records").glob("*.csv"))
SPECS = [spec_of(method, seed=seed) for seed in (0, 1) for method in ("source_only", "dann")]


def record(store: Store, spec: RunSpec) -> None:
    """Do a run in this process."""
    store.create()
    with store.locked(spec) as folder:
        execute(spec, folder, CPU)
        store.publish(spec)


def kinds(events: Sequence[Event]) -> list[str]:
    return sorted(event.kind for event in events if event.kind not in ("started", "signals"))


def test_numbers_are_the_same_whatever_the_number_of_workers_and_order(tmp_path: Path) -> None:
    frames = []
    for engine, jobs, specs in ((EngineHere, 1, SPECS), (LocalEngine, 2, SPECS[::-1])):
        store = Store(tmp_path / str(jobs))
        assert kinds(list(engine(store, ["cpu"] * jobs).run(specs))) == ["finished"] * 4
        for spec in SPECS:
            assert store.finished(spec)
        frames.append(load_records([store.folder(spec) for spec in SPECS]))
    plain = [frame.drop(columns=["training_seconds", "evaluation_seconds", "peak_memory_mb"]) for frame in frames]
    assert plain[0].to_json() == plain[1].to_json()
    outputs = [sorted(path.read_bytes() for path in (tmp_path / jobs).rglob("*.npz")) for jobs in "12"]
    assert [len(part) for part in outputs] == [16, 16]
    named = [{p.relative_to(tmp_path / j): p.read_bytes() for p in (tmp_path / j).rglob("0*.npz")} for j in "12"]
    assert named[0] == named[1]


def test_a_failed_run_keeps_its_traceback_and_the_others_go_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    events = list(LocalEngine(store, ["cpu"], execute=fail).run(SPECS))
    assert kinds(events) == ["failed", "failed", "finished", "finished"]
    spec = next(event.spec for event in events if event.kind == "failed")
    assert store.failed(spec) == "ValueError: no good"
    assert 'raise ValueError("no good")' in json.loads(store.failure(spec).read_text())["traceback"]
    assert kinds(list(LocalEngine(store, ["cpu"], execute=pretend).run([spec]))) == ["finished"]
    assert store.failed(spec) is None


def test_a_dead_worker_costs_one_retry_of_one_run(tmp_path: Path) -> None:
    events = list(LocalEngine(Store(tmp_path), ["cpu", "cpu"], execute=die_once).run(SPECS))
    assert kinds(events) == ["finished"] * 4


def test_a_run_that_ends_its_worker_twice_has_failed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    events = list(LocalEngine(store, ["cpu", "cpu"], execute=die_at_seed_1).run(SPECS))
    assert kinds(events) == ["failed", "finished", "finished", "finished"]
    (failed,) = [event for event in events if event.kind == "failed"]
    assert failed.spec == SPECS[3]
    assert "2 times" in failed.error


def test_two_commands_on_one_store_share_the_work(tmp_path: Path) -> None:
    script = tmp_path / "drive.py"  # needs no `if __name__ == "__main__"`: workers do not import it
    script.write_text(
        "import pickle\n"
        "from pathlib import Path\n"
        "from benchmarks.engines import local\n"
        "from benchmarks.records.store import Store\n"
        "from tests.fakes import pretend\n"
        "local.require_files = lambda specs: None  # toys need none, and it imports torch\n"
        f"specs = pickle.loads({pickle.dumps(SPECS)!r})\n"
        f"list(local.LocalEngine(Store(Path({str(tmp_path)!r})), ['cpu'], execute=pretend).run(specs * 5))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen([sys.executable, str(script)], env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert sorted((tmp_path / "done.txt").read_text().split()) == sorted(spec.run_id for spec in SPECS)


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "run", "--methods", "dann", "--tasks", "toys/moons"]
    command += ["--store", str(tmp_path), "--seeds", "20", "--set", "protocol.steps=100", "--jobs", "1"]
    # A job that a script put in the background ignores Ctrl-C, and its children do: not what is tested here.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    store = Store(tmp_path)
    deadline = time.monotonic() + 120
    while not store.record_folders() and time.monotonic() < deadline:
        time.sleep(0.05)
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert "everything finished is kept" in errors
    assert "Traceback" not in errors
    assert len(load_records(tmp_path)) >= 1


@pytest.fixture(scope="module")
def real_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("store"))
    for spec in SPECS:
        record(store, spec)
    return store


def test_records_come_back_from_their_compact_form(real_store: Store, tmp_path: Path) -> None:
    records = load_records(real_store.root)
    failures = {"0123456789ab": "the loss is nan, at step 3"}
    save_records(records, tmp_path / "records.csv", failures)
    assert load_failures(tmp_path / "records.csv") == failures
    again = load_records(tmp_path / "records.csv")
    assert again["seed"].tolist() == records["seed"].tolist()
    assert list(again["run_id"]) == list(records["run_id"])
    assert again["spec"].tolist() == records["spec"].tolist()
    assert again["target_test_accuracy"].tolist() == pytest.approx(
        records["target_test_accuracy"].tolist(), abs=1e-6
    )


def test_right_and_wrong_are_kept_by_sample(real_store: Store, tmp_path: Path) -> None:
    """At each checkpoint in the record, and of the last and a chosen one in the compact form."""
    records = load_records(real_store.root)
    row = records.to_dict("records")[0]
    folder = real_store.place(row["task"], row["method"], row["seed"], row["run_id"])
    with np.load(folder / "oracle.npz") as oracle:
        y = oracle["target_test_y"]
    units = load_task(row["task"]).oracle().target_test_units
    assert np.array_equal(unpacked_units(row["test_units"]), units)
    assert list(row["right"]) == ["10", "20"]
    for scores, (step, bits) in zip(row["checkpoints"], row["right"].items(), strict=True):
        right = np.unpackbits(np.frombuffer(b64decode(bits), np.uint8), count=len(y)).astype(bool)
        logits = Outputs.load(folder / f"outputs/{int(step):06d}.npz")["target_test.logits"]
        assert np.array_equal(right, logits.argmax(1) == y)
        assert right.mean() == scores["target_test_accuracy"]
    save_records(records, tmp_path / "last.csv")
    save_records(records, tmp_path / "chosen.csv", chosen={row["run_id"]: 10})
    files = [load_records(tmp_path / f"{name}.csv") for name in ("last", "chosen")]
    assert all(file["test_units"].tolist() == records["test_units"].tolist() for file in files)
    last, chosen = (file["right"] for file in files)
    assert [list(right) for right in last] == [["20"]] * len(records)
    assert chosen[0] == row["right"]
    assert list(chosen[1:]) == list(last[1:])


def test_a_full_disk_stops_the_grid_and_keeps_what_is_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(UserError, match="No space left on device; make room"):
        list(LocalEngine(store, ["cpu"], execute=fill_the_disk).run(SPECS))
    assert [store.finished(spec) for spec in SPECS] == [True, True, False, False]
    assert not store.failed(SPECS[2])
    assert kinds(list(LocalEngine(store, ["cpu"], execute=pretend).run(SPECS[2:]))) == ["finished"] * 2


def test_a_full_disk_is_no_failed_run_whatever_a_library_makes_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(UserError, match="No space left on device; make room"):
        list(LocalEngine(store, ["cpu"], execute=fill_the_disk_within_a_library).run(SPECS))
    assert not any(store.failed(spec) for spec in SPECS)


def test_a_run_that_fails_with_the_disk_full_stops_the_grid_and_leaves_no_half_file(small_disk: Path) -> None:
    store = Store(small_disk)
    with pytest.raises(UserError, match="No space left on device; make room"):
        list(LocalEngine(store, ["cpu"], execute=fail_with_the_disk_full).run(SPECS))
    assert store.failed(SPECS[0]) is None
    assert not [path for path in small_disk.rglob("*.json") if not path.stat().st_size]
    (small_disk / ".partial" / "ballast").unlink()
    assert kinds(list(LocalEngine(store, ["cpu"], execute=fail).run(SPECS))) == ["failed"] * 2 + ["finished"] * 2


@pytest.mark.thorough  # beside those in which one file, or a run, finds no room
def test_a_disk_that_fills_while_records_are_written_stops_the_grid(small_disk: Path) -> None:
    store = Store(small_disk, weights=True)
    engine = LocalEngine(store, ["cpu"], execute=partial(train, save_weights=True))
    with pytest.raises(UserError, match="No space left on device; make room"):
        list(engine.run([spec_of("source_only", seed=seed) for seed in range(30)]))
    assert not list(small_disk.rglob("*.failed.json"))
    assert len(load_records(small_disk)) > 0


def save_all(spec: RunSpec, folder: Path, device: str, report: object) -> None:
    execute(spec, folder, CPU, save_every=0, save_weights=True)


@pytest.mark.parametrize("room", [4, 32, 64, 96, 128, 160, 192, 256])
def test_a_disk_that_fills_in_any_file_of_a_record_is_no_failed_run(small_disk: Path, room: int) -> None:
    """In KB; between them, outputs, states and weights are hit."""
    store, spec = Store(small_disk), spec_of("source_only", backbone="mlp?width=128")
    store.create()
    (small_disk / "ballast").write_bytes(bytes(2**20 - 2**10 * room))
    with store.locked(spec) as folder, pytest.raises(OSError, match="No space left on device"):
        attempt(save_all, spec, folder, "cpu", lambda signals: None)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"error": 5}', b'{"error": [5]}', b'{"error": "\xff"}', b"[" * 100_000, None],
)
def test_a_failure_that_cannot_be_read_is_a_failure(tmp_path: Path, content: bytes | None) -> None:
    store, spec = Store(tmp_path), SPECS[0]
    path = store.failure(spec)
    path.parent.mkdir(parents=True)
    path.write_bytes(content) if content is not None else path.mkdir()
    said = store.failed(spec)
    assert said
    assert "cannot be read" in said
    assert "\n" not in said
    assert kinds(list(EngineHere(store, ["cpu"], execute=fail).run([SPECS[1]]))) == ["failed"]
    store.write_failure(spec, "no good", "")
    assert store.failed(spec) == "no good"
    assert kinds(list(EngineHere(store, ["cpu"], execute=pretend).run([spec]))) == ["finished"]
    assert store.failed(spec) is None


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("folder", ["method", "task", "store"])
def test_a_run_whose_folder_cannot_be_has_not_failed(tmp_path: Path, folder: str, loop: bool) -> None:
    store, spec = Store(tmp_path / "store"), SPECS[0]
    path = store.folder(spec).parents[["method", "task", "store"].index(folder)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path) if loop else path.touch()
    assert store.failed(spec) is None
    with pytest.raises(OSError, match=r"Not a directory|File exists|Too many levels"):  # which the engine tells of
        store.write_failure(spec, "no good", "")


def test_a_record_is_never_half_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the older record is deleted: what is under the final name is whole."""
    store, spec = Store(tmp_path), SPECS[0]
    list(LocalEngine(store, ["cpu"], execute=pretend).run([spec]))
    (store.folder(spec) / "older").touch()

    def killed(path: Path) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with store.locked(spec) as folder:
        pretend(spec, folder, "cpu", None)
        monkeypatch.setattr("benchmarks.core.atomic.remove", killed)
        with pytest.raises(KeyboardInterrupt):
            store.publish(spec)
    assert [path.name for path in store.folder(spec).iterdir()] == ["spec.json"]


def test_a_run_that_starts_from_damaged_predictions_fails_alone(tmp_path: Path) -> None:
    store, judged = Store(tmp_path), SPECS[0]
    record(store, judged)
    path = store.predictions(judged)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    reverse = replace(judged, reverse_of=judged.run_id)
    (event,) = [each for each in LocalEngine(store, ["cpu"]).run([reverse]) if each.kind != "started"]
    assert event.kind == "failed"
    assert "predictions.npz is not as the run wrote it" in event.error


def test_a_store_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="choose another with --store"):
        Store(tmp_path / "file").create()


@cache
def committed(path: Path) -> pd.DataFrame:
    """What is said here of records, read once: most files have thousands of lines."""
    return load_records(path)[["run_id", "method", "spec"]]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_records_of_older_versions_keep_their_identity(path: Path) -> None:
    records = committed(path)
    specs = [
        RunSpec.from_dict(spec, method) for spec, method in zip(records["spec"], records["method"], strict=True)
    ]
    assert [spec.run_id for spec in specs] == records["run_id"].tolist()


@pytest.mark.parametrize("suite", [path.stem for path in RECORDS if path.stem in suite_names()])
def test_committed_records_are_what_their_suite_asks_for_today(suite: str) -> None:
    """A changed default would leave them behind, and the tables made from them with holes."""
    names = method_names("all,references")
    planned = plan(suite, names, seeds=range(5), search=suite_search(suite, names), reverse=True)
    recorded = set(committed(ROOT / "results" / "records" / f"{suite}.csv")["run_id"])
    assert recorded <= {spec.run_id for spec in planned.runs}


def test_identity_is_what_was_asked_for() -> None:
    spec = SPECS[1]
    assert RunSpec.from_dict(spec.to_dict(), spec.variant).run_id == spec.run_id
    others = [
        spec_of("dann", seed=1),
        spec_of("dann", "toys/moons?rotation=50"),
        spec_of("dann", params={"gamma": 5}),
        spec_of("dann", steps=21),
        spec_of("cdan"),
    ]
    assert len({spec.run_id, *(other.run_id for other in others)}) == 6
    assert spec_of("dann", params={"gamma": 10}).run_id == spec.run_id

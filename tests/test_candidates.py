"""The file of what each candidate said: what is in it, what is not, and what becomes of a damaged one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from benchmarks.commands.parser import main
from benchmarks.core.settings import UserError
from benchmarks.evaluation.candidates import Candidate, candidate, load_outputs, probability, save_outputs
from benchmarks.evaluation.oracle import load_labels, save_labels
from benchmarks.evaluation.outputs import Outputs, capped, write_arrays
from benchmarks.records.store import Store
from benchmarks.training.run import execute
from tests.conftest import CPU, TINY, spec_of

RUN = "0123456789ab"
SPECS = [spec_of(method, seed=seed) for method in ("source_only", "dann", "target_only") for seed in (0, 1)]


def outputs_of(logits: np.ndarray) -> Outputs:
    n = len(logits) // 2
    y = np.random.default_rng(1).integers(logits.shape[1], size=n)
    return Outputs({"target_train.logits": logits[n:], "source_val.logits": logits[:n], "source_val.y": y})


def some(count: int = 6, classes: int = 10, size: int = 500) -> list[Candidate]:
    rng = np.random.default_rng(0)
    made = [candidate(RUN, step, outputs_of(rng.normal(0, 3, (2 * size, classes)))) for step in range(count)]
    return [each for each in made if each]


def same(a: Candidate, b: Candidate) -> bool:
    return all(np.array_equal(own, vars(b)[name]) for name, own in vars(a).items())


@pytest.mark.parametrize("classes", [2, 10, 300])
def test_candidates_come_back_and_are_the_same_bytes(tmp_path: Path, classes: int) -> None:
    before = some(classes=classes)
    for name in ("one.npz", "two.npz"):
        save_outputs(before, tmp_path / name)
    after = load_outputs(tmp_path / "one.npz")
    assert all(same(a, b) for a, b in zip(before, after, strict=True))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_candidate_takes_a_kilobyte_even_if_it_guesses(tmp_path: Path) -> None:
    save_outputs(some(20, size=400), tmp_path / "o.npz")
    assert (tmp_path / "o.npz").stat().st_size < 20 * 1024 + 2000


def test_confidences_are_right_to_a_hundredth_and_sure_ones_stay_apart() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (4000, 5))
    made = candidate(RUN, 1, outputs_of(logits))
    assert made is not None
    np.testing.assert_allclose(probability(made.confidence), softmax(logits[2000:], 1).max(1), atol=0.0081)
    sure = candidate(RUN, 1, outputs_of(np.array([[9.0, 0], [11, 0]] * 2)))
    assert sure is not None
    assert sure.confidence[0] < sure.confidence[1] < 255


def test_a_model_that_diverged_is_no_candidate() -> None:
    assert candidate(RUN, 1, outputs_of(np.array([[np.nan, 1.0]] * 4))) is None


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path]:
    """A store, and the file of outputs that `table` writes of it."""
    store, path = Store(tmp_path_factory.mktemp("store")), tmp_path_factory.mktemp("saved") / "toys.npz"
    store.create()
    for spec in SPECS:
        with store.locked(spec) as folder:
            execute(spec, folder, CPU)
            store.publish(spec)
    tiny = [flag for key, value in TINY.items() for flag in ("--set", f"protocol.{key}={value}")]
    flags = ["--tasks", SPECS[0].task, "--methods", "dann,target_only", "--seeds", "2", *tiny]
    assert main(["table", *flags, "--store", str(store.root), "--save-outputs", str(path)]) == 0
    return store, path


def test_a_file_has_what_runs_said_and_nothing_of_references(saved: tuple[Store, Path]) -> None:
    store, path = saved
    found = load_outputs(path)
    wanted = [(spec.run_id, step) for spec in SPECS if spec.method != "target_only" for step in (10, 20)]
    assert sorted((each.run_id, each.step) for each in found) == sorted(wanted)
    folders = {spec.run_id: store.folder(spec) for spec in SPECS}
    for each in found:
        outputs = Outputs.load(folders[each.run_id] / f"outputs/{each.step:06d}.npz")
        assert np.array_equal(each.predicted, outputs["target_train.logits"].argmax(1))
        right = outputs["source_val.logits"].argmax(1) == outputs["source_val.y"]
        assert np.array_equal(each.source_right, right)
        assert np.array_equal(each.source_y, outputs["source_val.y"])


def test_labels_are_apart_and_give_each_runs_accuracy(saved: tuple[Store, Path]) -> None:
    store, path = saved
    labels = load_labels(path.with_name("toys-labels.npz"))
    assert labels.keys() == {each.run_id for each in load_outputs(path)}
    for spec in SPECS[:4]:
        with np.load(store.folder(spec) / "oracle.npz") as oracle:
            y = oracle["target_train_y"]
        assert np.array_equal(labels[spec.run_id], y[capped(len(y))])
    assert len(np.load(path.with_name("toys-labels.npz"))["size"]) == 1  # one task, one draw


def test_a_table_replaces_its_own_file_and_no_other(saved: tuple[Store, Path], tmp_path: Path) -> None:
    store, path = saved
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(3))
    tiny = [flag for key, value in TINY.items() for flag in ("--set", f"protocol.{key}={value}")]
    flags = ["table", "--tasks", SPECS[0].task, "--methods", "dann", "--seeds", "2", *tiny]
    flags += ["--store", str(store.root), "--save-outputs"]
    before = path.read_bytes()
    assert main([*flags, str(path)]) == 0
    assert path.read_bytes() == before
    assert main([*flags, str(other)]) == 2


@settings(max_examples=150, derandomize=True, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_one_line_or_what_it_was(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    save_outputs(before := some(3, size=20), folder / "o.npz")
    save_labels(known := {RUN: np.arange(20) % 3, "f" * 12: np.zeros(9, int)}, folder / "l.npz")
    for name, load, whole in (
        ("o.npz", load_outputs, lambda found: all(same(a, b) for a, b in zip(before, found, strict=True))),
        ("l.npz", load_labels, lambda found: all(np.array_equal(found[run], y) for run, y in known.items())),
    ):
        content = bytearray((folder / name).read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        (folder / name).write_bytes(content[:at] if data.draw(st.booleans()) else content)
        try:
            assert whole(load(folder / name))
        except UserError as error:
            said = str(error)
        else:
            continue
        assert "--save-outputs` writes one" in said


WHOLE = {
    "run_id": np.array([RUN], "S12"),
    "step": np.array([1], np.uint32),
    "target_size": np.array([2], np.uint16),
    "source_size": np.array([3], np.uint32),
    "predicted": np.array([0, 1], np.uint8),
    "confidence": np.array([5, 6], np.uint8),
    "source_confidence": np.array([7, 8, 9], np.uint8),
    "source_right": np.array([128], np.uint8),
    "source_number": np.array([0], np.uint32),
    "source_y": np.array([0, 1, 0], np.int32),
}


@pytest.mark.parametrize(
    "change",
    [
        {"step": None},
        {"more": np.zeros(1)},
        {"run_id": np.array(["nothing"], "S12")},
        {"run_id": np.array([7])},
        {"step": np.array([[1]])},
        {"step": np.array(["one"])},
        {"target_size": np.array([3], np.uint16)},
        {"target_size": np.array([-2])},
        {"step": np.array([1.5])},
        {"source_size": np.array([2**32 - 1], np.uint32)},
        {"target_size": np.array([2**64 - 1], np.uint64)},
        {"predicted": np.array([0.5, 1.0])},
        {"confidence": np.array([[5, 6]], np.uint8)},
        {"source_right": np.array([0.5])},
        {"source_number": np.array([1], np.uint32)},
        {"source_y": np.array([0, 1], np.int32)},
    ],
    ids=lambda change: "-".join(change),
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "o.npz"
    for extra in ({}, change):
        with path.open("wb") as file:
            arrays = {name: array for name, array in {**WHOLE, **extra}.items() if array is not None}
            write_arrays(file, arrays, level=1)
        if not extra:
            assert len(load_outputs(path)) == 1
    with pytest.raises(UserError, match=r"o\.npz' is no file of outputs"):
        load_outputs(path)

"""Damaged bearings: which records make a domain, how their windows are divided, and known accuracies."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError
from datasets import bearings, files
from datasets.base import forget_tasks, load_task, resolve
from datasets.bearings import PARTS, SIZES, WINDOW, Bearings

NEEDED = [file.path for file in DATASETS.info("bearings").files if files.state(file) != "present"]
real = pytest.mark.skipif(bool(NEEDED), reason=f"no {NEEDED} in ${files.VARIABLE}")
LENGTH = 12  # windows of a made record


def made_records(folder: str) -> list[dict[str, Any]]:
    faults = [part + size + "@6" * (part == "OR") for part, size in product(PARTS, SIZES)]
    names = [f"{fault}_{load}" for fault, load in product(faults, range(4))]
    names += ["OR007@3_0", "B028_0", "Normal_0"]
    return [{"key": f"{folder}{name}", "folder": folder, "name": name, "step": 0.5} for name in names]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of noise, with a few values at their end that fill no window."""
    rng = np.random.default_rng(0)
    index = [record for folder in ("12k_DE", "12k_FE", "Normal") for record in made_records(folder)]
    size = LENGTH * WINDOW + 7
    archive = {each["key"]: rng.integers(-99, 99, size).astype(np.int16) for each in index}
    mfpt = {
        f"{part}RaceFault_vload_{i}": rng.normal(size=51_000) for part in ("Inner", "Outer") for i in range(1, 8)
    }
    monkeypatch.setattr(bearings, "_archive", lambda: (archive, index))
    monkeypatch.setattr(files, "arrays", lambda file: mfpt)
    forget_tasks()


def test_every_pair_is_of_one_kind_and_others_are_refused() -> None:
    assert len(Bearings().tasks()) == 12 + 2 + 2
    assert [len(Bearings().classes(task)) for task in ("0-3", "drive_end-fan_end", "cwru-mfpt")] == [9, 3, 2]
    with pytest.raises(UserError, match="domains of a task are all of one kind"):
        resolve("bearings/0-mfpt")


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("domain", "records", "windows", "classes"),
    [("2", 9, LENGTH - 2, 9), ("drive_end", 38, LENGTH, 3), ("cwru", 25, LENGTH, 2), ("mfpt", 14, LENGTH, 2)],
)
def test_a_domain_has_its_records_and_each_is_a_group(
    domain: str, records: int, windows: int, classes: int
) -> None:
    samples = Bearings().read_domain(domain)
    assert samples.groups is not None
    assert np.bincount(samples.groups).tolist() == [windows] * records
    assert set(samples.y) == set(range(classes))
    assert all(len(set(samples.y[samples.groups == record])) == 1 for record in range(records))


@pytest.mark.usefixtures("made")
def test_windows_of_a_record_are_divided_along_time_and_none_neighbours_one_of_another_part() -> None:
    samples, (archive, index) = Bearings().read_domain("0"), bearings._archive()
    record = next(each for each in index if each["name"] == "B007_0")
    signal = archive[record["key"]][: LENGTH * WINDOW].reshape(LENGTH, WINDOW)
    scaled = (signal - signal.mean(1, keepdims=True)) / signal.std(1, keepdims=True)
    assert samples.groups is not None
    assert samples.test is not None
    assert samples.val is not None
    own = samples.groups == 0
    places = [int(np.argmin(abs(scaled - x).sum(1))) for x in np.asarray(samples.x)[own, 0]]
    parts = dict(zip(places, (samples.test[own] + 2 * samples.val[own]).tolist(), strict=True))
    assert len(parts) == LENGTH - 2
    assert set(parts.values()) == {0, 1, 2}
    assert all(parts[place] == parts.get(place + 1, parts[place]) for place in parts)


@pytest.mark.usefixtures("made")
def test_across_machines_records_are_held_out_whole_and_the_target_is_scored_whole() -> None:
    task = load_task("bearings/drive_end-fan_end", transductive=True)
    view = task.evaluation_view()
    for part in (view.source_val, view.source_test):
        assert set(part.y) == {0, 1, 2}
        assert len(part.y) % LENGTH == 0
    assert len(task.train_view().target.x) == len(task.oracle().target_test_y) == 38 * LENGTH
    assert len(set(task.oracle().target_test_units)) == 38


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("options", "shape"), [("", (512,)), ("?inputs=raw", (1, WINDOW)), ("?standardised=each", (512,))]
)
def test_inputs_are_spectra_or_windows_standardised_by_the_source_or_each_by_itself(
    options: str, shape: tuple[int, ...]
) -> None:
    view = load_task(f"bearings/0-1{options}").train_view()
    for x, own in ((view.source.x, True), (view.target.x, "each" in options)):
        assert x.shape[1:] == shape
        axes = (0, *range(2, x.ndim))
        assert np.allclose(x.mean(axes), 0, atol=1e-3) == own or x.ndim == 3  # of scaled windows all means are 0


@real
@pytest.mark.parametrize(
    ("task", "raw", "own", "off"),
    [
        ("0-3", 84.9, 93.6, 6),
        pytest.param("drive_end-fan_end", 36.3, 40.4, 10, marks=pytest.mark.thorough),
        pytest.param("cwru-mfpt", 71.0, 69.6, 15, marks=pytest.mark.thorough),
    ],
)
def test_logistic_regression_has_about_the_accuracies_of_others(
    task: str, raw: float, own: float, off: float
) -> None:
    """Across loads the shift is easy, and standardising the target is enough; across machines neither helps.

    The numbers are those of a preprocessing that is not known to the last detail.
    """
    for option, known in (("source", raw), ("each", own)):
        view = load_task(f"bearings/{task}?standardised={option}", transductive=True)
        train, oracle = view.train_view(), view.oracle()
        fitted = LogisticRegression(max_iter=50).fit(train.source.x, train.source.y)
        assert 100 * fitted.score(train.target.x, oracle.target_train_y) == pytest.approx(known, abs=off)

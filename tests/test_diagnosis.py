"""What is said of a task before training, against scipy and by hand."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from benchmarks.advice.advise import diagnosed
from benchmarks.advice.diagnosis import NAMED, Diagnosis, diagnose, lines
from benchmarks.evaluation.proxy_a_distance import proxy_a_distance
from benchmarks.plan.grid import plan
from datasets.base import Inputs, Samples, Task
from datasets.files.images import ImageFiles
from datasets.own import make_task

COLUMNS = ("age", "weight", "site", "dose")


def task(source: Inputs, target: Inputs, y: np.ndarray | None = None) -> Task:
    y = np.arange(len(source)) % 2 if y is None else y
    none = np.full(len(target), -1)
    return Task("t", ("no", "yes"), [Samples(source, y)], [Samples(target, none)], transductive=True)


def table() -> tuple[np.ndarray, np.ndarray]:
    """Age moves by a deviation, the weight by little; the site is constant in the source, the dose is clipped."""
    rng = np.random.default_rng(0)
    source, target = (rng.normal(size=(n, 4)).astype(np.float32) for n in (600, 400))
    target[:, 0] += 1
    source[:, 2] = 1
    source[:, 3] = np.minimum(source[:, 3], 0.5)
    return source, target


def test_a_table_is_compared_as_scipy_does() -> None:
    source, target = table()
    found = diagnose(task(source, target, (np.arange(600) < 150).astype(np.int64)), COLUMNS)
    assert (found.classes, found.target_size, found.features) == ({"no": 450, "yes": 150}, 400, 4)
    assert [each.name for each in found.moved[:2]] == ["'site'", "'age'"]
    assert found.moved[0].difference is not None
    for each in found.moved:
        column = COLUMNS.index(each.name.strip("'"))
        x, z = source[:, column], target[:, column]
        assert each.ks == pytest.approx(stats.ks_2samp(x, z).statistic)
        spread = np.sqrt((x.astype(float).var() + z.astype(float).var()) / 2)
        assert each.difference == pytest.approx((z.mean() - x.mean()) / spread, abs=1e-6)
    distance = proxy_a_distance(*(x[np.sort(order)] for x, order in ((source, range(600)), (target, range(400)))))
    assert distance is not None
    assert found.proxy_a_distance == pytest.approx(distance.value, abs=0.15)  # source samples are in another order
    share = float((source[:, 3] == 0.5).mean())
    assert asdict(found.flat[0]) == {
        "constant": 1,
        "saturated": 1,
        "constant_names": ("'site'",),
        "saturated_names": (("'dose'", pytest.approx(share)),),
    }
    assert (found.flat[1].constant, found.flat[1].saturated) == (0, 0)


def test_equal_domains_do_not_differ_and_the_largest_of_many_is_no_difference() -> None:
    rng = np.random.default_rng(0)
    same = [diagnose(task(*rng.normal(size=(2, 300, 20)).astype(np.float32))).differing for _ in range(20)]
    assert sum(count > 0 for count in same) <= 2
    found = diagnose(task(*rng.normal(size=(2, 300, 20)).astype(np.float32)))
    assert "None of 20 features differs between the domains by more than chance." in lines(found)


def test_what_is_constant_in_both_domains_has_no_difference_of_means() -> None:
    found = diagnose(task(np.zeros((60, 1), np.float32), np.ones((60, 1), np.float32)))
    assert (found.moved[0].ks, found.moved[0].difference) == (1.0, None)
    assert "  feature 0: KS 1.00; it is constant in both domains." in lines(found)


def test_samples_that_both_domains_have_are_counted() -> None:
    source, target = table()
    assert diagnose(task(source, target)).shared == 0
    target[:7] = source[5]
    found = diagnose(task(source, target))
    assert found.shared == 7
    assert "Of the target's samples, 7 are also in the source, equal to the bit: 1.8%." in lines(found)


def test_labels_of_the_target_change_nothing() -> None:
    source, target = table()
    y = np.arange(600) % 2
    known = [np.full(400, -1), np.zeros(400, np.int64), np.arange(400) % 2]
    found = [
        diagnose(Task("t", ("0", "1"), [Samples(source, y)], [Samples(target, z)], transductive=True))
        for z in known
    ]
    assert found[0] == found[1] == found[2]


def sequences(shift: float) -> np.ndarray:
    x = np.random.default_rng(int(shift)).normal(size=(80, 3, 200)).astype(np.float32)
    x[:, 1] *= 1 + shift
    x[:, 2] = np.minimum(x[:, 2], 0.3)
    return x


def test_sequences_are_compared_by_channel() -> None:
    found = diagnose(task(sequences(0), sequences(2)))
    assert found.moved[0].name == "spread of channel 1"
    assert found.moved[0].ks == 1
    assert [name for name, _ in found.flat[0].saturated_names] == ["channel 2"]
    assert (found.kind, found.features, found.compared) == ("channel", 3, 6)


def images(n: int, bright: int, channels: int = 3) -> np.ndarray:
    x = np.random.default_rng(bright).integers(0, 120, size=(n, channels, 40, 36)).astype(np.uint8)
    x[:, 0] += bright
    return x


def test_images_are_compared_by_colour_brightness_and_contrast() -> None:
    source, target = images(60, 0), images(60, 100)
    source[:, :, :2] = 0
    found = diagnose(task(source, target))
    assert {each.name for each in found.moved if each.ks == 1} == {"brightness", "contrast", "mean of red"}
    assert (found.flat[0].constant, found.flat[0].constant_names) == (3 * 2 * 36, ())
    assert found.proxy_a_distance == 2


def test_means_of_bytes_do_not_overflow() -> None:
    """Sums of four pixels, of 0 or 1 more than 128 and than 0, are the same in 8 bits."""
    noise = np.random.default_rng(0).integers(0, 2, size=(120, 1, 32, 32)).astype(np.uint8)
    assert diagnose(task(noise[:60], noise[60:] + np.uint8(128))).proxy_a_distance == 2


def test_images_of_files_are_drawn_and_their_sizes_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("benchmarks.advice.diagnosis.DECODED", 6)
    domains = []
    for name, side in (("s", 20), ("t", 30)):
        (tmp_path / name).mkdir()
        paths = [tmp_path / name / f"{i}.png" for i in range(8)]
        for i, path in enumerate(paths):
            Image.fromarray(np.full((side, side + i, 3), i * 9 + side, np.uint8)).save(path)
        domains.append(ImageFiles(paths, 16, name))
    (tmp_path / "t" / "3.png").write_bytes((tmp_path / "s" / "5.png").read_bytes())
    found = diagnose(task(*domains))
    assert found.drawn == (6, 6)
    assert found.moved[0].name == "size of the file in pixels"
    assert found.moved[0].ks == pytest.approx(5 / 6)  # but for the copy
    assert (found.shared, found.proxy_a_distance, found.compared) == (1, None, 6)


@pytest.mark.parametrize(("shape", "drawn"), [((2100, 3), 2000), ((600, 40), 250), ((600, 90), 200)])
def test_time_and_memory_are_bounded(shape: tuple[int, int], drawn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.advice.diagnosis.NUMBERS", 10_000)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = diagnose(task(x, x + 1))
    assert found.drawn == (drawn, drawn)
    assert lines(found)[-1].startswith("Distances and features are of ")


@pytest.mark.parametrize(
    "make", [table, lambda: (sequences(0), sequences(2)), lambda: (images(60, 0), images(60, 9))]
)
def test_it_is_short_and_is_json(make: Callable[[], tuple[np.ndarray, np.ndarray]]) -> None:
    found: Diagnosis = diagnose(task(*make()))
    assert len(found.moved) <= NAMED
    assert len(lines(found)) <= 15
    json.dumps(asdict(found), allow_nan=False)


def test_the_columns_of_a_table_have_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARKS_CACHE", str(tmp_path / "cache"))
    source, target = (pd.DataFrame(x, columns=COLUMNS) for x in table())
    source.assign(label=np.arange(len(source)) % 2).to_csv(tmp_path / "old.csv", index=False)
    target.to_csv(tmp_path / "new.csv", index=False)
    name = make_task(tmp_path / "old.csv", tmp_path / "new.csv", "label")
    said = "\n".join(diagnosed(plan("quick", ["source_only"], [name], range(1))))
    assert "'age': KS" in said
    assert "feature 0" not in said

"""Sections of a page that show pictures: maps of features, samples of domains, confusion."""

import ast
import io
import re
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.evaluation.outputs import Outputs
from benchmarks.plan.grid import Grid, plan
from benchmarks.records.provenance import syntax
from benchmarks.records.store import Store
from benchmarks.report.cells import Cells
from benchmarks.report.options import MAPS
from benchmarks.report.page import maps as mapped
from benchmarks.report.page.confusion import confusion
from benchmarks.report.page.maps import maps
from benchmarks.report.page.samples import samples
from benchmarks.report.page.section import Chart, Section
from datasets import files, own
from datasets.base import Samples
from datasets.digits import Digits
from datasets.sentiment import Sentiment

TASK = "toys/moons"
METHODS = ["source_only", "dan", "coral", "joint"]
SOURCE, TARGET = 30, 40  # samples


def cells_of(*tasks: str, seeds: int = 1, methods: Sequence[str] = METHODS, **scores: Any) -> Cells:
    """A grid all of whose runs have a record with these scores."""
    grid = plan("quick", methods, tasks, range(seeds))
    rows = [{"run_id": s.run_id, "task": s.task, "method": s.method, "seed": s.seed, **scores} for s in grid.specs]
    return Cells(grid, pd.DataFrame(rows), {}, {})


def store_of(grid: Grid, folder: Path, labels: np.ndarray, scale: float = 1.0) -> Store:
    """Outputs of each run: the target lies apart from the source, and each class on its own side."""
    store = Store(folder)
    rng = np.random.default_rng(0)
    source, target = np.arange(SOURCE) % 2, np.arange(TARGET) % 2
    for spec in grid.specs:
        place = store.folder(spec)
        (place / "outputs").mkdir(parents=True)
        arrays = {
            "source_test.features": scale * (rng.normal(size=(SOURCE, 5)) + 10 * source[:, None]),
            "target_test.features": scale * (rng.normal(size=(TARGET, 5)) + 10 * target[:, None] + 30),
            "source_test.y": source,
            "target_test.logits": np.eye(2)[1 - target],
        }
        Outputs(arrays).save(place / "outputs/000100.npz")
        np.savez(place / "oracle.npz", target_test_y=labels, target_train_y=labels)
    return store


def charts(section: Section) -> list[Chart]:
    return [part for part in section.body if isinstance(part, Chart)]


def words(section: Section) -> str:
    return " ".join(str(part) for part in section.body if not isinstance(part, Chart))


def rows(chart: Chart) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(chart.spec["data"]["values"]), dtype={"class": str}, keep_default_na=False)


LABELS = np.arange(TARGET) % 2  # the opposite of what the outputs predict


@pytest.mark.parametrize("how", ["pca", pytest.param("tsne", marks=pytest.mark.thorough)])
def test_maps_are_of_the_baseline_and_of_a_method_to_choose_and_the_same_each_time(
    how: str, tmp_path: Path
) -> None:
    cells = cells_of(TASK)
    stores = [Store(tmp_path / "none"), store_of(cells.grid, tmp_path, LABELS)]
    before, after = charts(maps(cells, stores, how))
    assert set(rows(before)["method"]) == {"source_only"}
    assert set(rows(after)["method"]) == {"dan", "coral"}
    assert after.spec["params"][0]["bind"]["options"] == ["dan", "coral"]
    assert list(rows(before)["domain"].value_counts()) == [TARGET, SOURCE]
    assert maps(cells, stores, how) == maps(cells, stores, how)


def test_the_place_the_domain_and_the_class_on_a_map_are_of_one_sample(tmp_path: Path) -> None:
    """Each domain and class is a cloud of its own."""
    cells = cells_of(TASK)
    points = rows(charts(maps(cells, [store_of(cells.grid, tmp_path, LABELS)]))[0])
    clouds = points.groupby(["domain", "class"])["x"]
    assert len(clouds) == 4
    assert clouds.std().max() < np.diff(np.sort(clouds.mean())).min() / 3


def test_without_target_labels_a_map_shows_predicted_classes_and_says_so(tmp_path: Path) -> None:
    cells = cells_of(TASK, target_test_accuracy=0.7)
    labelled = maps(cells, [store_of(cells.grid, tmp_path / "a", LABELS)])
    assert "opened by the oracle for this picture alone" in words(labelled)
    unlabelled = maps(cells_of(TASK), [store_of(cells.grid, tmp_path / "b", np.full(TARGET, -1))])
    assert "that the model predicts" in words(unlabelled)
    few = np.where(np.arange(TARGET) < 5, LABELS, -1)
    some = maps(cells, [store_of(cells.grid, tmp_path / "c", few)])
    known, none, part = (rows(charts(section)[0]) for section in (labelled, unlabelled, some))
    target = known["domain"] == "target"
    assert (known[target]["class"] != none[target]["class"]).all()
    assert (part[target]["class"] == "no label").sum() == TARGET - 5


def test_every_projection_that_a_flag_offers_is_there() -> None:
    assert set(MAPS) == set(mapped.PROJECTIONS)


def test_many_maps_have_fewer_points_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = cells_of(TASK)
    store = store_of(cells.grid, tmp_path, LABELS)
    monkeypatch.setattr(mapped, "POINTS", 6 * 25)
    assert len(rows(charts(maps(cells, [store]))[0])) == 2 * 25


def test_what_cannot_be_drawn_is_named_and_the_rest_is_drawn(tmp_path: Path) -> None:
    cells = cells_of(TASK)
    store = store_of(cells.grid, tmp_path, LABELS)
    spec = next(spec for spec in cells.grid.specs if spec.method == "dan")
    (output,) = store.folder(spec).glob("outputs/*")
    output.write_bytes(b"no archive")
    section = maps(cells, [store])
    assert "dan on toys/moons is not drawn: " in words(section)
    assert set(rows(charts(section)[1])["method"]) == {"coral"}
    endless = store_of(cells.grid, tmp_path / "endless", LABELS, scale=np.inf)
    assert not charts(maps(cells, [endless]))
    assert "source_only on toys/moons is not drawn: its features are not finite" in words(maps(cells, [endless]))


def test_without_a_store_the_section_says_what_maps_need() -> None:
    section = maps(cells_of(TASK), [])
    assert not section.body
    assert section.lead.startswith("Not drawn: only a store")


def sheets(section: Section) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', words(section))
    return [Image.open(io.BytesIO(b64decode(text))) for text in found]


def test_images_are_the_data_sets_own_and_each_domain_is_shown_once() -> None:
    section = samples(cells_of("digits/mnist5k-optdigits", "digits/optdigits-mnist5k"))
    first, second = sheets(section)
    images = np.asarray(Digits().read_domain("mnist5k").x)[:, 0]
    tile = np.asarray(first)[:28, :28]
    assert (images == tile).all(axis=(1, 2)).any()
    assert first.size == second.size == (6 * 30 - 2, 2 * 30 - 2)
    assert "MNIST CC BY-SA 3.0" in words(section)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("amazon/books-dvd", "Not shown: the licence does not say that a page may (none stated"),
        ("digits/usps-mnist_m", "Not shown: the licence does not say that a page may"),
    ],
)
def test_no_sample_is_read_where_the_licence_does_not_let_a_page_show_it(
    task: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(files.VARIABLE, raising=False)
    section = samples(cells_of(task, methods=METHODS[:1]))
    assert said in words(section)
    assert not charts(section)


def test_a_domain_that_may_be_shown_is_shown_without_those_that_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: Digits, domain: str) -> Samples:
        assert domain == "mnist"
        return Samples(np.zeros((20, 1, 28, 28), np.uint8), np.zeros(20, np.int64))

    monkeypatch.setattr(Digits, "read_domain", read)
    section = samples(cells_of("digits/mnist-usps", methods=METHODS[:1]))
    assert len(sheets(section)) == 1
    assert "Not of usps." in words(section)


def test_absent_data_are_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(files.VARIABLE, raising=False)
    section = samples(cells_of("sentiment/films-tweets", TASK, methods=METHODS[:1]))
    assert "Not shown: HuttoSentiment/" in words(section)
    assert len(charts(section)) == 1


def test_words_are_those_whose_share_of_texts_differs_most(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"films": ["good plot", "bad plot", "good actor", "plot"], "tweets": ["good lunch"] * 4}

    def read(self: Sentiment, domain: str) -> Samples:
        return Samples(np.array(texts[domain]), np.zeros(4, np.int64))

    monkeypatch.setattr(Sentiment, "read_domain", read)
    (chart,) = charts(samples(cells_of("sentiment/films-tweets", methods=METHODS[:1])))
    shares = rows(chart).pivot(index="name", columns="domain", values="value")
    assert list(rows(chart)["name"].unique()[:2]) == ["lunch", "plot"]
    assert shares.loc["plot"].to_dict() == {"films": 75.0, "tweets": 0.0}
    assert shares.loc["good"].to_dict() == {"films": 50.0, "tweets": 100.0}
    assert "lunch (films 0, tweets 100)" in chart.alt


@pytest.mark.parametrize(
    ("shape", "kind"), [((20, 3), "rule"), ((20, 4, 300), "line"), ((20, 2), "point"), ((20, 3, 8, 8), "<img")]
)
def test_own_data_of_any_kind_are_shown_only_where_the_user_says_so(
    shape: tuple[int, ...], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for number, name in enumerate(("old", "new")):
        x = rng.normal(size=shape).astype(np.float32) + number
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.arange(20) % 2)
    cells = cells_of(own.make_task(tmp_path / "old.npz", tmp_path / "new.npz", "label"), methods=METHODS[:1])
    hidden = samples(cells)
    assert not charts(hidden)
    assert "--show-samples" in words(hidden)
    assert "<img" not in words(hidden)
    shown = samples(cells, show_own=True)
    assert kind in str(shown.body)
    assert "--show-samples" not in words(shown)


def test_what_a_page_may_show_is_no_part_of_the_code_that_made_a_record() -> None:
    with_it, without = (syntax(ast.parse(code)) for code in ("f(1, embeddable=('*',), n=2)", "f(1, n=2)"))
    assert with_it == without


def test_confusion_is_summed_over_seeds_and_says_of_how_many_samples() -> None:
    cells = cells_of(TASK, seeds=3, target_test_accuracy=0.7)
    for number, row in enumerate(cells.records.values()):
        row["confusion"] = [[8, 2], [number % 3, 10]]
    before, after = charts(confusion(cells))
    found = rows(before).set_index(["true", "predicted"])
    assert found["n"].to_dict() == {(0, 0): 24, (0, 1): 6, (1, 0): 3, (1, 1): 30}
    assert found["share"].to_dict() == {(0, 0): 80.0, (0, 1): 20.0, (1, 0): 9.1, (1, 1): 90.9}
    assert before.spec["title"]["text"] == "source_only, 3 seeds, n = 63"
    assert set(rows(after)["method"]) == {"dan", "coral", "joint"}
    assert before.alt == "source_only on toys/moons: most often 0 is taken for 1 (20% of it)."


def test_records_without_a_matrix_are_left_out() -> None:
    section = confusion(cells_of(TASK, target_test_accuracy=0.7))
    assert not section.body
    assert section.lead.startswith("Not drawn: no record")

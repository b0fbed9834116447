"""The page of a report: its answer says what tests show, nothing in it is live but our script, and it is whole."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.core.outfiles import is_ours
from benchmarks.core.settings import UserError
from benchmarks.plan.grid import Grid, NotApplicable, plan
from benchmarks.report.listings import pairs
from benchmarks.report.page.answer import section, verdict
from benchmarks.report.page.contents import LAST, SHOWN, Contents, contents_of
from benchmarks.report.page.page import page
from benchmarks.report.statistics import LEVEL
from benchmarks.report.sweep_figure import save_sweeps
from benchmarks.report.table import cells_of
from tests.test_report import ACCURACY, TASKS, grid_of, records_of

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def contents(
    grid: Grid, records: pd.DataFrame, failures: Mapping[str, str] | None = None, **more: Any
) -> Contents:
    show = [*SHOWN, "validators"]
    return contents_of(cells_of(grid, records, failures or {}, show, None), show, None, **more)


class Parsed(HTMLParser):
    """What a browser would see of a page.

    Attributes:
        elements: name and attributes of each, in order.
        texts: by element's place in that list, the text directly in it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[int, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        place = len(self.elements) - 1
        self.texts[place] = self.texts.get(place, "") + data

    def all(self, name: str) -> list[tuple[dict[str, str], str]]:
        """Attributes and text of each element of a name."""
        return [
            (of, self.texts.get(place, "").strip()) for place, (tag, of) in enumerate(self.elements) if tag == name
        ]

    def data(self) -> dict[str, Any]:
        """By id, what the page holds as JSON."""
        return {
            of["id"]: json.loads(text) for of, text in self.all("script") if of.get("type") == "application/json"
        }


@pytest.fixture(scope="module")
def whole() -> Parsed:
    """A page with every section that records of a .csv can fill."""
    grid = grid_of(5)
    records = records_of(grid, ACCURACY).assign(training_seconds=2.0, peak_memory_mb=100.0, device="cpu")
    two = [[{**rows[0], "step": 1, "target_test_accuracy": 0.4}, *rows] for rows in records["checkpoints"]]
    return Parsed(page(contents(grid, records.assign(checkpoints=two), commands=["python -m benchmarks run"])))


def test_the_page_needs_no_network(whole: Parsed) -> None:
    links = [value for _, of in whole.elements for name, value in of.items() if name in ("src", "href", "action")]
    assert links
    assert all(link.startswith("#") for link in links)
    (policy,) = (of["content"] for of, _ in whole.all("meta") if of.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")


def test_the_page_can_be_read_by_ear_and_keyboard(whole: Parsed) -> None:
    levels = [int(name[1]) for name, _ in whole.elements if name in ("h1", "h2", "h3")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(of.get("scope") in ("col", "row") for of, _ in whole.all("th"))
    ids = {of["id"] for _, of in whole.elements if "id" in of}
    anchors = [of["href"][1:] for of, _ in whole.all("a")]
    assert set(anchors) <= ids
    captions = [text for _, text in whole.all("figcaption")]
    assert len(captions) == len(whole.all("figure")) > 5
    assert all(captions)


def test_charts_are_vega_lite_and_say_what_they_show(whole: Parsed) -> None:
    specs = [spec for name, spec in whole.data().items() if name.startswith("spec-")]
    assert len(specs) > 5
    for spec in specs:
        alt.Chart.from_dict(spec)  # raises for what the schema does not know
        assert spec["description"]
        assert spec["width"] == "container"


def test_every_section_is_there(whole: Parsed) -> None:
    anchors = [of["id"] for of, _ in whole.all("section")]
    expected = ["answer", "table", "gains", "ranks", "choices", "distances", "cost", "curves", "notes", "again"]
    assert anchors == expected


def test_cells_have_the_tables_numbers_and_lead_to_their_runs() -> None:
    grid = grid_of(5)
    found = contents(grid, records_of(grid, ACCURACY))
    parsed = Parsed(page(found))
    runs = parsed.data()["runs-data"]["runs"]
    shown = {}
    for of, _ in parsed.all("button"):
        if of.get("class") == "cell":
            ids = tuple(runs[int(place)]["id"] for place in of["data-runs"].split())
            shown[ids] = of["data-about"]
    cells = [cell for row in found.accuracies[LAST].rows.values() for cell in row.values()]
    assert cells
    for cell in cells:
        assert shown.get(cell.runs, "").startswith("5 seeds, 95% interval, covers seeds")
    values = [of["data-value"] for of, _ in parsed.all("td") if "data-value" in of]
    assert f"{100 * cells[0].summary.mean:.4f}" in values  # type: ignore[union-attr]


def test_what_records_say_is_text() -> None:
    """Errors, warnings, reasons and class names may hold anything."""
    grid = grid_of(2)
    records = records_of(grid, {name: value for name, value in ACCURACY.items() if name != "coral"})
    usual = Parsed(page(contents(grid, records)))
    failed = {spec.run_id: HOSTILE for spec in grid.specs if spec.method == "coral"}
    records = records.assign(warnings=HOSTILE, device=HOSTILE, versions=HOSTILE)
    grid = plan("quick", ["source_only", "dann", "coral", "target_only", "joint"], TASKS, range(2))
    grid.not_applicable.append(NotApplicable(TASKS[0], "svm", HOSTILE))
    parsed = Parsed(page(contents(grid, records, failed, commands=[HOSTILE])))
    assert len(parsed.all("script")) == len(usual.all("script"))
    assert not parsed.all("img")
    assert parsed.data()["runs-data"]["runs"][0]["warnings"] == HOSTILE


def test_a_skewed_target_and_older_records_have_a_page_too() -> None:
    """The table has a row of cells for some tasks alone, and records may not say their device."""
    grid = plan("quick", ["source_only", "dann"], TASKS, range(5))
    records = records_of(grid, {"source_only": 0.6, "dann": 0.7})
    skewed = records.assign(device=np.nan, target_majority_rate=np.where(records["task"] == TASKS[0], 0.8, 0.5))
    found = contents(grid, skewed)
    assert set(found.accuracies[LAST].rows["majority"]) == {TASKS[0]}
    assert "majority" in page(found)


def test_holes_have_reasons() -> None:
    grid = grid_of(2)
    records = records_of(grid, {"source_only": 0.6, "dann": 0.9})
    failed = {spec.run_id: "the loss is not finite" for spec in grid.specs if spec.method == "coral"}
    cells = [text for _, text in Parsed(page(contents(grid, records, failed))).all("td")]
    assert "2 failed of 2" in cells
    assert "the loss is not finite" in cells
    assert "2 missing of 2" in cells
    assert "not run yet" in cells


def random_records(grid: Grid, draw: np.random.Generator, spread: float) -> pd.DataFrame:
    """Records whose accuracies differ between methods and seeds."""
    records = records_of(grid, dict.fromkeys((spec.method for spec in grid.specs), 0.5))
    level = {method: draw.uniform(0.4, 0.7) for method in records["method"].unique()}
    noise = spread * draw.normal(size=len(records))
    return records.assign(target_test_accuracy=np.clip(records["method"].map(level) + noise, 0, 1))


GRID = plan("quick", ["source_only", "dann", "coral", "dan", "cdan"], TASKS[:1], range(5))
FEW = plan("quick", ["source_only", "dann", "coral"], TASKS, range(3))


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.001, 0.2))
def test_the_answer_says_what_tests_show(seed: int, spread: float) -> None:
    """Who leads is better than the baseline and below nobody; each candidate is in one of the lists."""
    found = contents(GRID, random_records(GRID, np.random.default_rng(seed), spread))
    cells = {name: row[TASKS[0]] for name, row in found.accuracies[LAST].rows.items()}
    tests = pairs(found.cells, TASKS[:1], list(cells))
    shown = verdict(cells, tests)
    lists = [shown.leaders, shown.better, shown.worse, shown.open, shown.untested]
    assert sorted(name for each in lists for name in each) == sorted(set(cells) - {"source_only"})
    for row in tests.rows:
        if row["p (Holm)"] < 1 - LEVEL:  # type: ignore[operator]
            lower = row["second"] if row["difference"].mean > 0 else row["first"]  # type: ignore[union-attr]
            assert lower not in shown.leaders
    for name in shown.leaders:
        assert cells[name].mark == "▲"
    lead = section(found).lead
    assert (" lead" in lead) == bool(shown.leaders)
    assert ("between them no difference is shown" in lead) == (len(shown.leaders) > 1)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_below_5_seeds_the_answer_claims_nothing(seed: int) -> None:
    found = section(contents(FEW, random_records(FEW, np.random.default_rng(seed), 0.02)))
    text = " ".join([found.lead, *map(str, found.body)])
    assert "nothing is shown yet: 3 seeds are too few for a test" in found.lead
    for claim in ("lead", "better", "worse", "Negative transfer", "p &lt;", "±"):
        assert claim not in text


def test_a_method_with_too_few_seeds_is_said_to_be_untested() -> None:
    """It may have the largest mean, and then nobody leads but among those that were tested."""
    grid = grid_of(5)
    records = records_of(grid, {"source_only": 0.6, "dann": 0.7, "coral": 0.9})
    found = section(contents(grid, records[(records["method"] != "coral") | (records["seed"] < 3)]))
    assert "On toys (2 tasks), of the methods with 5 seeds, `dann` leads" in found.lead
    (untested,) = (str(part) for part in found.body if "too few seeds" in str(part))
    assert "<code>coral</code>" in untested


def test_a_papers_own_settings_are_not_ranked() -> None:
    grid = plan("amazon-jmlr", ["source_only", "dann"], ["amazon/books-dvd"], range(5))
    lead = section(contents(grid, records_of(grid, {"source_only": 0.6, "dann": 0.9}))).lead
    assert "not ranked" in lead
    assert "lead" not in lead


def test_harm_on_a_single_task_is_named() -> None:
    grid = grid_of(5)
    records = records_of(grid, {"source_only": 0.6, "dann": 0.6, "coral": 0.6})
    where = (records["method"] == "dann") & (records["task"] == TASKS[1])
    records.loc[where, "target_test_accuracy"] -= 0.2
    records.loc[(records["method"] == "dann") & ~where, "target_test_accuracy"] += 0.25
    (harm,) = (str(part) for part in section(contents(grid, records)).body if "Negative transfer" in str(part))
    assert "<code>dann</code> on moons (−20.0" in harm


def test_the_answer_on_real_data_comes_before_that_on_toys() -> None:
    grid = plan("quick", ["source_only", "dann"], [*TASKS, "digits/mnist5k-optdigits?split=seed"], range(5))
    text = section(contents(grid, records_of(grid, ACCURACY))).lead
    assert text.index("On digits") < text.index("On toys")


def test_signals_of_the_training_are_means_over_seeds() -> None:
    grid = grid_of(2)
    curves = {
        spec.run_id: [{"step": step, "domain_accuracy": 0.5 + 0.1 * spec.seed} for step in (1, 11)]
        for spec in grid.specs
        if spec.method == "dann"
    }
    specs = Parsed(page(contents(grid, records_of(grid, ACCURACY), curves=curves))).data()
    (chart,) = (spec for spec in specs.values() if "discriminator" in str(spec.get("title", "")))
    (rows,) = chart["datasets"].values()
    assert [row["method"] for row in rows] == ["dann", "dann"]
    for row in rows:
        assert row["step"] == [1, 11]
        assert row["value"] == pytest.approx([55, 55])


def test_a_chart_of_curves_says_which_tasks_it_has_lines_of_and_none_has_no_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grid = grid_of(2)
    curves = {
        spec.run_id: [{"step": step, "strength": 0.5} for step in (1, 11)]
        for spec in grid.specs
        if (spec.method, spec.task) == ("dann", "toys/moons")
    }

    def tasks() -> dict[str, list[str]]:
        specs = Parsed(page(contents(grid, records_of(grid, ACCURACY), curves=curves))).data().values()
        return {
            spec["title"]: spec["usermeta"]["task"] for spec in specs if "usermeta" in spec and "title" in spec
        }

    assert tasks() == {
        "target accuracy (%; for display alone)": ["toys/blobs", "toys/moons"],
        "λ, the weight of alignment": ["toys/moons"],
    }
    monkeypatch.setattr("benchmarks.report.page.curves.MOST", 16)
    assert list(tasks()) == ["target accuracy (%; for display alone)"]


def test_a_method_that_takes_steps_stands_out_among_the_curves() -> None:
    grid = plan("quick", ["source_only", "dann", "nearest_neighbour"], TASKS, range(2))
    curves = {
        spec.run_id: [{"step": step, "task": 0.5} for step in (1, 11)]
        for spec in grid.specs
        if spec.method != "nearest_neighbour"
    }
    html = page(contents(grid, records_of(grid, {**ACCURACY, "nearest_neighbour": 0.5}), curves=curves))
    specs = Parsed(html).data()
    (chart,) = (spec for spec in specs.values() if "loss of the task" in str(spec.get("title", "")))
    assert next(each["value"] for each in chart["params"] if each["name"] == "method") == "dann"


def test_a_page_is_bounded_and_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.report.page.runs.MOST", 3)
    monkeypatch.setattr("benchmarks.report.page.curves.MOST", 2 * 16)
    grid = grid_of(2)
    html = page(contents(grid, records_of(grid, ACCURACY)))
    assert len(Parsed(html).data()["runs-data"]["runs"]) == 3
    assert "3 of the 20 runs are here, so that the page stays small" in html
    assert "2 of 10 lines are here, so that the page stays small" in html


def dial(values: Sequence[str], name: str = "shots") -> Grid:
    return plan(
        "quick", ["source_only", "dann", "coral"], [f"toys/moons?{name}={each}" for each in values], range(5)
    )


@pytest.mark.parametrize(
    ("name", "values", "type_", "scale"),
    [
        ("shots", ("1", "3", "20"), "quantitative", "log"),
        ("shots", ("1", "3", "5"), "quantitative", "linear"),
        ("prior", ("0.2:0.8", "flip"), "ordinal", None),
    ],
)
def test_tasks_that_differ_in_one_dial_are_drawn_against_it(
    name: str, values: Sequence[str], type_: str, scale: str | None
) -> None:
    grid = dial(values, name)
    specs = Parsed(page(contents(grid, records_of(grid, ACCURACY)))).data()
    accuracy, shares = (spec for key, spec in specs.items() if key.startswith("spec-dials"))
    x = accuracy["layer"][0]["encoding"]["x"]
    assert x["type"] == type_
    assert x.get("scale", {}).get("type") == scale
    assert x["axis"].get("format", "~g") == "~g"  # 0.1 and not 100m
    (rows,) = accuracy["datasets"].values()
    assert [row["value"] for row in rows if row["method"] == "dann"] == list(values)
    assert {row["mean"] for row in rows if row["method"] == "dann"} == {90.2}
    (rows,) = shares["datasets"].values()  # the matrix is [[8, 2], [1, 9]]
    assert {row["off"] for row in rows} == {5.0}


def test_the_answer_reads_a_sweep_against_its_dial() -> None:
    """One sentence says at which values a method is ahead; no value is summed up as if it were a shift."""
    grid = dial(("1&split=seed", "3&split=seed"))
    found = contents(grid, records_of(grid, ACCURACY))
    assert section(found).lead == (
        "On toys/moons against shots, the best mean is that of `dann` at 1 and 3. Shown to be better than "
        "`source_only`: `dann` at 1 and 3. Shown to be worse than `source_only`: `coral` at 1 and 3."
    )
    few = replace(grid, specs=[spec for spec in grid.specs if spec.seed < 3])
    assert section(contents(few, records_of(few, ACCURACY))).lead == (
        "On toys/moons against shots, the best mean is that of `dann` at 1 and 3. Too few seeds for a test."
    )
    assert [each.name for each in found.report.listings] == [
        "sweep-shots-toys/moons?split=seed", "sweep-gain-shots-toys/moons?split=seed", "bound",
    ]  # fmt: skip


def test_tasks_without_a_dial_have_no_such_section(whole: Parsed) -> None:
    assert "dials" not in [of["id"] for of, _ in whole.all("section")]


def test_a_picture_of_a_sweep_is_of_its_tasks_or_one_error(tmp_path: Path) -> None:
    grid = dial(("1", "3", "20"))
    found = contents(grid, records_of(grid, ACCURACY)).cells
    save_sweeps(found, tmp_path / "shots.svg", "column")
    said = (tmp_path / "shots.svg").read_text()
    assert "toys/moons against shots: 1, 3, 20" in said
    assert is_ours(tmp_path / "shots.svg")
    with pytest.raises(UserError, match="no two tasks differ"):
        save_sweeps(contents(GRID, records_of(GRID, ACCURACY)).cells, tmp_path / "none.svg")


def test_a_click_shows_the_curves_of_each_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = grid_of(2)
    curves = {s.run_id: [{"step": t, "task": s.seed + 1 / t} for t in range(1, 101)] for s in grid.specs}

    def shown() -> list[dict[str, Any]]:
        html = page(contents(grid, records_of(grid, ACCURACY), curves=curves))
        return Parsed(html).data()["runs-data"]["runs"]

    for run in shown():
        ((name, (steps, values)),) = run["curves"].items()
        assert name == "loss of the task"
        assert (steps[0], steps[-1], len(steps)) == (1, 100, 16)
        assert values == pytest.approx([run["seed"] + 1 / step for step in steps], rel=0.01)
    monkeypatch.setattr("benchmarks.report.page.runs.NUMBERS", 100)
    assert not any(run["curves"] for run in shown())


def test_the_best_by_selection_comes_first() -> None:
    """And not by the last step."""
    grid = grid_of(2)
    records = records_of(grid, ACCURACY)
    chosen = {"step": 1, "source_accuracy": 1.0, "target_test_accuracy": 0.95}
    checkpoints = [
        [chosen, *last] if method == "coral" else last
        for method, last in zip(records["method"], records["checkpoints"], strict=True)
    ]
    found = contents(grid, records.assign(checkpoints=checkpoints)).cells
    assert found.best_first(["source_only", "dann", "coral"], TASKS[0]) == ["coral", "dann", "source_only"]

"""Published numbers beside ours: what is judged, what is only shown, and that nothing published is left out."""

import csv
import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.commands.parser import main
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.evaluation import HEADLINES
from benchmarks.plan.grid import plan
from benchmarks.plan.suite import load_suite
from benchmarks.records.store import STORE_VARIABLE
from benchmarks.report.cells import ACCURACY
from benchmarks.report.published import (
    METRICS,
    PROTOCOLS,
    Published,
    judge,
    load_explanations,
    load_published,
    published_for,
    selection_of,
    tolerance,
)
from benchmarks.report.statistics import summarise
from datasets.base import objective_of_task, resolve

RESULTS = Path(str(files("results")))
FILES = sorted(path for path in (RESULTS / "published").glob("*.csv") if path.stem != "explained")
PERCENT = st.floats(0, 100).map(lambda value: round(value, 2))

ROW = {
    "benchmark": "toys",
    "source": "a",
    "target": "b",
    "method": "DANN",
    "accuracy": 80.0,
    "spread": None,
    "backbone": "",
    "who_reports": "paper",
    "citation": "Someone, 2016",
    "where_read": "the paper",
    "kind": "paper",
    "protocol_note": "",
    "protocol_id": "mnist-m",
    "selection": "last",
    "spread_kind": "",
    "metric": "target_test_accuracy",
    "task": "toys/blobs",
    "ours": "dann",
}


def row(**changes: Any) -> Published:
    return Published.parse({**ROW, **changes}, "row")


def verdict(published: Published, mean: float, suite: str = "mnist-m", selection: str = "last") -> str:
    return judge(published, summarise([mean]), suite, selection).verdict


@given(PERCENT, st.one_of(st.none(), PERCENT), PERCENT)
def test_exactly_what_lies_within_the_larger_of_spread_and_one_point_is_inside(
    accuracy: float, spread: float | None, mean: float
) -> None:
    published = row(accuracy=accuracy, spread=spread)
    gap = round(mean - accuracy, 6)
    allowed = max(spread or 0.0, 1.0)
    expected = "inside" if abs(gap) <= allowed else "above" if gap > 0 else "below"
    assert verdict(published, mean) == expected


def test_a_gap_of_exactly_the_tolerance_is_inside_whatever_binary_fractions_make_of_it() -> None:
    assert 2.14 - 1.14 > 1
    assert verdict(row(accuracy=1.14), 2.14) == "inside"
    assert verdict(row(accuracy=1.14), 2.15) == "above"
    assert verdict(row(accuracy=1.14), 0.13) == "below"


def test_tasks_where_re_implementations_differ_more_have_a_wider_tolerance() -> None:
    assert tolerance(row(task="digits/svhn-mnist")) == 2.0
    assert tolerance(row(task="digits/mnist-mnist_m")) == 5.0
    assert tolerance(row(task="digits/svhn-mnist", spread=3.0, spread_kind="std")) == 3.0


@pytest.mark.parametrize(
    ("changes", "suite", "selection", "why"),
    [
        ({}, "digits", "last", "another protocol: mnist-m"),
        ({"selection": "target-peek"}, "mnist-m", "last", "selection: ours last, published target-peek"),
        ({"selection": "source-val"}, "mnist-m", "last", "selection"),
        ({"selection": "unknown"}, "mnist-m", "last", "selection"),
        ({}, "mnist-m", "im", "selection: ours im"),
        ({}, "", "last", "another protocol"),
        ({"ours": ""}, "mnist-m", "last", "no method of ours"),
    ],
)
def test_other_protocols_and_other_selections_are_shown_and_never_judged(
    changes: dict[str, str], suite: str, selection: str, why: str
) -> None:
    comparison = judge(row(**changes), summarise([80.0]), suite, selection)
    assert not comparison.judged
    assert why in comparison.reason
    assert comparison.difference == 0.0


@given(st.sampled_from(["unknown", "target-peek"]), st.sampled_from([None, "source_accuracy", "snd"]), PERCENT)
def test_a_number_chosen_on_target_labels_or_nobody_knows_how_is_never_judged(
    published: str, select: str | None, mean: float
) -> None:
    assert not verdict(row(selection=published), mean, selection=selection_of(select, "last"))


def test_how_ours_was_chosen_is_read_from_validator_and_protocol() -> None:
    assert selection_of(None, "last") == "last"
    assert selection_of(None, "source_val") == "source-val"
    assert selection_of("reverse_validation", "last") == "source-val"
    assert selection_of("snd", "source_val") == "snd"


# ---- committed files


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_committed_files_load_and_name_methods_of_ours(path: Path) -> None:
    rows = load_published(path)
    assert len({tuple(each.model_dump().values()) for each in rows}) == len(rows) > 0
    assert {each.ours for each in rows} <= {"", *METHODS.names()}
    assert list(csv.DictReader(path.open()).fieldnames or []) == list(Published.model_fields)


def test_every_protocol_that_is_described_is_used() -> None:
    assert {row.protocol_id for path in FILES for row in load_published(path)} == set(PROTOCOLS)


def test_a_suite_without_a_file_gets_the_rows_of_its_protocol() -> None:
    rows = published_for("digits-cdan")
    assert {row.protocol_id for row in rows} == {"digits-cdan"}
    assert {("cdan_e", "digits/mnist-usps", 95.6), ("cdan_e", "digits/usps-mnist", 98.0)} <= {
        (row.ours, row.task, row.accuracy) for row in rows
    }
    assert {row.protocol_id for row in published_for("digits")} > {"digits-cdan"}


@pytest.mark.parametrize("name", ["amazon-jmlr", "amazon-cmd"])
def test_amazon_rows_are_the_twelve_tasks_and_their_mean(name: str) -> None:
    rows = published_for(name)
    tasks = {each.task for each in rows} - {"mean"}
    assert {resolve(task).name for task in tasks} == tasks
    for method in {each.method for each in rows}:
        assert sorted(each.task for each in rows if each.method == method) == sorted([*tasks, "mean"])


def reference() -> Path:
    """The collection that the rows were copied from, kept beside the data."""
    return Path(os.environ.get("BENCHMARKS_DATA", "")).parent / "reference" / "published.csv"


@pytest.mark.skipif(not reference().exists(), reason="no reference/published.csv beside $BENCHMARKS_DATA")
def test_every_row_is_copied_word_for_word() -> None:
    with reference().open(newline="") as file:
        lines = csv.DictReader(file)
        known = {tuple(each.values()) for each in lines}
    for path in FILES:
        for each in csv.DictReader(path.open(newline="")):
            assert tuple(each[name] for name in lines.fieldnames or []) in known, (path.name, each)


# Rows that are called like a method of ours and are of another: LDA there projects, and 1-NN classifies.
OTHERS = {("gas-drift-1nn", "LDA")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rows_of_a_method_of_ours_say_so(path: Path) -> None:
    """A method that is added here has been published elsewhere: its rows are beside it from then on."""
    ours = {METHODS.info(name).display or name for name in METHODS.names()}
    for row in load_published(path):
        name = re.sub(r"\s*\(full sets\)", "", row.method)
        if name in ours and (path.stem, name) not in OTHERS:
            assert row.ours, row.method


def test_every_explanation_is_of_a_published_row_and_is_written() -> None:
    known = {(row.protocol_id, row.task, row.method) for path in FILES for row in load_published(path)}
    explained = load_explanations()
    assert set(explained) <= known
    assert set(explained.values()) <= {page.stem for page in (RESULTS / "notes").glob("*.md")}


def test_any_headline_may_be_compared() -> None:
    assert METRICS.keys() >= HEADLINES.keys()


def test_few_labels_are_compared_with_rows_whose_test_images_are_apart() -> None:
    """53 rows; those of splits whose test images also train or validate count as chosen on the target."""
    rows = published_for("few-digits")
    assert len(rows) == 53
    assert {(each.protocol_id, each.selection) for each in rows} == {
        ("few-rectified", "unknown"),
        ("few-traditional", "target-peek"),
    }
    assert all(each.protocol_note.startswith(each.protocol_id.removeprefix("few-")) for each in rows)
    for each in rows:
        shots = resolve(each.task).options["shots"]
        assert f"({shots} target labels a class)" in each.method
        assert f" {shots} " in each.protocol_note
        assert ("200 source images" in each.protocol_note or "(200 a class)" in each.protocol_note) == (
            "source_size" in resolve(each.task).options
        )


@pytest.mark.parametrize("suite", ["few-digits", "open-digits"])
def test_a_suite_has_the_tasks_of_its_published_rows(suite: str) -> None:
    """But for SVHN's, whose files are not those of the others."""
    tasks = {each.name for each in load_suite(suite).task}
    assert tasks == {each.task for each in published_for(suite) if "svhn" not in each.task}


def test_open_sets_have_a_row_for_each_of_four_scores() -> None:
    rows = published_for("open-digits")
    said = {"OS": "target_os", "OS*": "target_os_star", "UNK": "target_unknown_accuracy"}
    assert len(rows) == 24
    for each in rows:
        _, _, metric = each.protocol_note.partition("metric ")
        assert each.metric == said.get(metric.split()[0], "target_overall_accuracy")
        assert objective_of_task(each.task).headline == "target_h_score"


# ---- files that are not as they must be


def written(path: Path, *rows: dict[str, Any]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accuracy": "101"}, "line 3.accuracy = '101': a share in % is at most 100"),
        ({"accuracy": "-1"}, "line 3.accuracy"),
        ({"accuracy": "high"}, "line 3.accuracy = 'high'"),
        ({"accuracy": "nan"}, "line 3.accuracy"),
        ({"spread": "2"}, "line 3: a spread needs a spread_kind"),
        ({"spread_kind": "std"}, "line 3: a spread needs a spread_kind"),
        ({"spread": "2", "spread_kind": "var"}, "line 3.spread_kind = 'var'"),
        ({"selection": "best"}, "line 3.selection = 'best'"),
        ({"protocol_id": "amazon-jmrl"}, "line 3: unknown protocol_id 'amazon-jmrl'; did you mean 'amazon-jmlr'"),
        ({"citation": ""}, "line 3.citation"),
        ({"metric": "target_os_sta"}, "line 3: unknown metric 'target_os_sta'; did you mean 'target_os_star'?"),
    ],
)
def test_a_wrong_value_is_one_error_that_names_the_line(
    changes: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "x.csv", ROW, {**ROW, **changes})
    with pytest.raises(UserError, match=re.escape(f"x.csv {message}")):
        load_published(path)


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown column 'selecton'; did you mean 'selection'"):
        load_published(written(tmp_path / "x.csv", {**ROW, "selecton": "last"}))
    with pytest.raises(UserError, match="no column ours"):
        load_published(written(tmp_path / "x.csv", {key: value for key, value in ROW.items() if key != "ours"}))
    path = written(tmp_path / "x.csv", ROW)
    path.write_text(path.read_text() + "one,two\n")
    with pytest.raises(UserError, match="line 3: it has more or fewer values"):
        load_published(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not a file of published numbers"):
        load_published(path)


# ---- the command

SUITE = """
kind = "fair"
seeds = 2
protocol = { backbone = "mlp", discriminator_layers = [64] }
task = [{ name = "toys/blobs" }, { name = "toys/moons" }]
methods = { dann = { gamma = 5 } }
"""
RUN = {"source_only": 0.60, "dann": 0.80}


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A suite that has the name of a protocol, published rows for it, and records of two of its methods."""
    suite = tmp_path / "mnist-m.toml"
    suite.write_text(SUITE)
    rows = [
        {**ROW, "accuracy": 80.9, "citation": "Within, 2016, 100%"},
        {**ROW, "accuracy": 70, "citation": "Less, 2017"},
        {**ROW, "accuracy": 85, "spread": 2, "spread_kind": "std", "citation": "More, 2018"},
        {**ROW, "accuracy": 80, "selection": "target-peek", "citation": "Peek, 2019"},
        {**ROW, "accuracy": 80.0, "task": "mean"},
        {**ROW, "method": "NN", "ours": "source_only", "task": "toys/moons"},
        {
            **ROW,
            "method": "NN",
            "ours": "source_only",
            "task": "toys/moons",
            "metric": "target_class_mean_accuracy",
        },
        {**ROW, "method": "ADDA", "ours": "adda"},
        {**ROW, "method": "SA_2", "ours": ""},
        {**ROW, "method": "DAN", "ours": "dan", "task": "toys/elsewhere"},
    ]
    written(tmp_path / "published.csv", *rows)
    published = load_published(tmp_path / "published.csv")
    monkeypatch.setattr("benchmarks.commands.compare.published_for", lambda name: published)
    explained = {("mnist-m", "toys/blobs", "DANN"): "why"}
    monkeypatch.setattr("benchmarks.commands.compare.load_explanations", lambda: explained)
    grid = plan(str(suite), ["source_only", *RUN])
    records = [
        {
            "run_id": spec.run_id,
            **{key: json.dumps(part) if isinstance(part, dict) else part for key, part in spec.to_dict().items()},
            "checkpoints": json.dumps({"step": [1, 2], "source_accuracy": [0.9, 0.8], ACCURACY: [0.7, accuracy]}),
            ACCURACY: accuracy,
            "target_class_mean_accuracy": 0.5,
        }
        for spec in grid.specs
        for accuracy in [RUN[spec.method] + 0.01 * spec.seed - 0.005]
        if not (spec.method == "dann" and spec.task == "toys/moons" and spec.seed == 1)
    ]
    written(tmp_path / "records.csv", *records)
    return ["compare", "--suite", str(suite), "--records", str(tmp_path / "records.csv")]


def rows_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert main([*arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)["rows"]


def test_every_published_row_appears_run_or_not(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(arguments, capsys)
    assert [(each["ours"], each["task"], each["citation"][:4], each["verdict"], each["n"]) for each in rows] == [
        ("adda", "toys/blobs", "Some", None, 0),
        ("dan", "toys/elsewhere", "Some", None, 0),
        ("dann", "toys/blobs", "Less", "above", 2),
        ("dann", "toys/blobs", "More", "below", 2),
        ("dann", "toys/blobs", "Peek", None, 2),
        ("dann", "toys/blobs", "With", "inside", 2),
        ("dann", "mean", "Some", "inside", 1),  # the one seed that has both tasks
        ("source_only", "toys/moons", "Some", "below", 2),  # means of classes
        ("source_only", "toys/moons", "Some", "below", 2),
        ("", "toys/blobs", "Some", None, 0),
    ]
    assert [each["judged"] for each in rows] == [each["verdict"] is not None for each in rows]
    less = rows[2]
    assert (less["mean"], less["difference"], less["tolerance"]) == (pytest.approx(80.0), pytest.approx(10.0), 1.0)
    assert len(less["runs"]) == 2
    assert less["explained"] == "why"
    assert rows[0]["reason"] == "not run"


def test_a_table_shows_the_holes_the_explanations_and_the_sources(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    text = capsys.readouterr().out
    lines = [re.split(r" {2,}", line) for line in text.splitlines()]
    assert ["adda", "ADDA", "blobs", "-", "-", "80", "-", "1.0", "-", "[1]"] in lines
    assert ["dann", "DANN", "blobs", "80.0 [79.5, 80.5]", "2", "85 ± 2", "-5.0", "2.0", "below†", "[3]"] in lines
    assert ["dann", "DANN", "blobs", "80.0 [79.5, 80.5]", "2", "80", "+0.0", "1.0", "shown†", "[4]"] in lines
    assert "results/notes/why.md" in text
    assert "- [4] Peek, 2019" in text
    assert "selection target-peek" in text


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_all_formats_have_every_row(form: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--format", form]) == 0
    text = capsys.readouterr().out
    assert sum(" blobs " in line for line in text.splitlines()) == 6
    if form == "latex":
        assert r"SA\_2" in text
        assert all(line.startswith("%") for line in text.splitlines() if "100" in line)


def test_a_choice_is_compared_by_what_it_chose_and_never_by_the_last_step(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of([*arguments, "--select", "source_accuracy"], capsys)
    assert {each["our_selection"] for each in rows if each["n"]} == {"source-val"}
    ours = {each["metric"]: each["mean"] for each in rows if each["task"] == "toys/moons"}
    assert ours == {"target_test_accuracy": pytest.approx(70.0), "target_class_mean_accuracy": None}


def test_a_choice_among_some_of_the_candidates_is_none(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of([*arguments, "--select", "source_accuracy", "--grid", "dann.trade_off=1,2"], capsys)
    assert {each["ours"] for each in rows if each["n"]} == {"source_only"}


def test_settings_other_than_the_suites_are_not_judged(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of([*arguments, "--set", "dan.gamma=5"], capsys)
    assert sum(each["n"] > 0 for each in rows) == 7
    assert not any(each["judged"] for each in rows)


def test_numbers_of_other_tasks_are_shown_and_the_table_says_that_none_is_judged(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(protocol_id="few-rectified", task="toys/elsewhere")]
    monkeypatch.setattr("benchmarks.commands.compare.published_for", lambda name: rows)
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "None is judged: suite mnist-m follows no protocol of theirs (few-rectified), and has none of" in text
    assert "Judged are rows" not in text
    (found,) = rows_of(arguments, capsys)
    assert (found["verdict"], found["reason"]) == (None, "no task of ours")


OPEN = """
kind = "fair"
seeds = 2
protocol = { backbone = "lenet" }
task = [{ name = "digits/mnist5k-optdigits?source_classes=0-4" }]
"""


def test_each_score_of_an_open_set_is_compared_with_its_own_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "open-osbp.toml"
    suite.write_text(OPEN)
    ours = {"target_h_score": 0.6, "target_os": 0.7, "target_os_star": 0.75, "target_unknown_accuracy": 0.5}
    grid = plan(str(suite), ["osbp"])
    records = [
        {
            "run_id": spec.run_id,
            **{key: json.dumps(part) if isinstance(part, dict) else part for key, part in spec.to_dict().items()},
            "checkpoints": json.dumps({"step": [1]} | {name: [value] for name, value in ours.items()}),
            **ours,
        }
        for spec in grid.specs
    ]
    written(tmp_path / "records.csv", *records)
    of = {"protocol_id": "open-osbp", "task": grid.specs[0].task, "method": "OSBP", "ours": "osbp"}
    rows = [row(**of, accuracy=70, metric=name) for name in (*ours, "target_test_accuracy")]
    monkeypatch.setattr("benchmarks.commands.compare.published_for", lambda name: rows)
    found = rows_of(["compare", "--suite", str(suite), "--records", str(tmp_path / "records.csv")], capsys)
    assert {each["metric"]: (each["mean"], each["verdict"]) for each in found} == {
        "target_h_score": (pytest.approx(60), "below"),
        "target_os": (pytest.approx(70), "inside"),
        "target_os_star": (pytest.approx(75), "above"),
        "target_unknown_accuracy": (pytest.approx(50), "below"),
        "target_test_accuracy": (None, None),
    }


@pytest.mark.parametrize("store", [False, True])
def test_published_numbers_are_shown_before_there_is_anything_of_ours(
    store: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a suite without committed records, in a folder without a store, or with one that has no run of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    if store:
        (tmp_path / "runs").mkdir()
    assert main(["compare", "--suite", "office31-tllib"]) == 0
    out, err = capsys.readouterr()
    assert "Saito et al." in out or "TLlib" in out
    assert "python -m benchmarks run --suite office31-tllib --methods " in err
    found = rows_of(["compare", "--suite", "office31-tllib"], capsys)
    assert found
    assert all(each["mean"] is None and not each["judged"] for each in found)


def test_a_store_that_is_named_and_missing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--suite", "office31-tllib", "--store", "nowhere"]) == 2
    assert "store 'nowhere' does not exist" in capsys.readouterr().err


def test_a_suite_without_published_numbers_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--suite", "quick"]) == 2
    assert "no published numbers for 'quick'" in capsys.readouterr().err

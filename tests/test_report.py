"""Tables: every kind of hole, and what is compared with what."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.evaluation.outcomes import packed_units
from benchmarks.plan.grid import Grid, NotApplicable, plan
from benchmarks.plan.suite import load_suite, suite_names
from benchmarks.report.options import FORMATS
from benchmarks.report.render import render
from benchmarks.report.table import PERCENT, Report, build_report
from datasets.base import objective_of_task

TASKS = ["toys/blobs", "toys/moons"]
MEAN = "mean of toys"
METHODS = ["source_only", "dann", "coral", "target_only", "joint"]


def grid_of(seeds: int) -> Grid:
    return plan("quick", METHODS, TASKS, range(seeds))


def many_tasks(count: int) -> Grid:
    """A grid of as many tasks that share no domain, for what needs tasks rather than runs."""
    return plan("har", METHODS[:3], [f"har/{2 * i + 1}-{2 * i + 2}" for i in range(count)], range(5))


def records_of(grid: Grid, accuracy: dict[str, float]) -> pd.DataFrame:
    """A record for each run of the methods named, with an accuracy a little different in each seed."""
    rows: list[dict[str, Any]] = []
    for spec in grid.specs:
        if spec.method in accuracy:
            value = accuracy[spec.method] + 0.001 * spec.seed
            row = {"run_id": spec.run_id, "method": spec.method, "task": spec.task, "seed": spec.seed}
            headline = objective_of_task(spec.task).headline
            scores = {headline: value, "proxy_a_distance": 1.0, "proxy_a_distance_inputs": 1.5}
            errors = {"source_test_accuracy": 0.9, "target_test_n": 400, "confusion": [[8, 2], [1, 9]]}
            last = [{"step": spec.protocol.steps, "source_accuracy": 0.9, headline: value}]
            rows.append({**row, **scores, **errors, "warnings": "", "checkpoints": last})
    return pd.DataFrame(rows)


ACCURACY = {"source_only": 0.6, "dann": 0.9, "coral": 0.5, "target_only": 0.95, "joint": 0.9}


def report_of(seeds: int, accuracy: dict[str, float] = ACCURACY, show: Sequence[str] = ()) -> Report:
    grid = grid_of(seeds)
    return build_report(grid, records_of(grid, accuracy), {}, show)


def listing(report: Report, title: str) -> list[dict[str, Any]]:
    """The rows of the first listing whose title begins so."""
    return next(each.rows for each in report.listings if each.title.startswith(title))


def notes_of(grid: Grid, records: pd.DataFrame, beginning: str) -> list[str]:
    return [note for note in build_report(grid, records, {}).notes if note.startswith(beginning)]


@pytest.mark.parametrize("measured", [True, False])
def test_raw_inputs_have_a_row_where_their_distance_is_measured(measured: bool) -> None:
    """That of photographs is not."""
    grid = grid_of(1)
    records = records_of(grid, ACCURACY)
    if not measured:
        records = records.drop(columns="proxy_a_distance_inputs")
    block = next(each for each in build_report(grid, records, {}).blocks if each.metric == "proxy_a_distance")
    assert ("(raw inputs)" in block.rows) == measured
    assert "source_only" in block.rows
    nothing = build_report(grid, records.drop(columns="proxy_a_distance"), {})
    assert ("proxy_a_distance" in [each.metric for each in nothing.blocks]) == measured


def test_proxy_a_distances_of_two_versions_are_told_of() -> None:
    grid = grid_of(1)
    older, newer = (records_of(grid, {name: 0.6}) for name in ("source_only", "dann"))
    assert notes_of(grid, pd.concat([older, newer]), "Proxy A-distances of two versions") == []
    newer["proxy_a_distance_version"] = 2
    assert len(notes_of(grid, pd.concat([older, newer]), "Proxy A-distances of two versions")) == 1


def test_a_skewed_target_shows_the_majority_and_balanced_accuracy_by_itself() -> None:
    """From what the oracle says of scored samples: no run is needed, and so no label of the others."""
    grid = plan("quick", METHODS[:2], TASKS, range(2))
    records = records_of(grid, ACCURACY).assign(target_class_mean_accuracy=0.55)
    records["target_majority_rate"] = np.where(records["task"] == TASKS[0], 0.75, 0.74)
    report = build_report(grid, records, {})
    accuracy, balanced, _ = report.blocks
    assert list(accuracy.rows["majority"]) == TASKS[:1]
    summary = accuracy.rows["majority"][TASKS[0]].summary
    assert summary is not None
    assert summary.mean == 0.75
    assert "majority" in accuracy.references
    assert balanced.metric == "target_class_mean_accuracy"
    assert balanced.columns == TASKS[:1]
    assert len([note for note in report.notes if note.startswith(f"Skewed: in {TASKS[0]} the most")]) == 1
    assert "majority (reference)" in render(report, "text")
    asked = build_report(grid, records, {}, ["target_class_mean_accuracy"])
    assert [block.columns for block in asked.blocks if block.metric == balanced.metric] == [[*TASKS, MEAN]]


def test_a_balanced_target_and_runs_of_the_majority_change_no_table() -> None:
    grid = plan("quick", ["source_only", "majority"], TASKS, range(2))
    records = records_of(grid, {"source_only": 0.6, "majority": 0.8}).assign(target_majority_rate=0.74)
    assert [block.metric for block in build_report(grid, records, {}).blocks] == [
        "target_test_accuracy",
        "proxy_a_distance",
    ]
    report = build_report(grid, records.assign(target_majority_rate=0.9), {})
    summary = report.blocks[0].rows["majority"][TASKS[0]].summary
    assert summary is not None
    assert summary.mean == pytest.approx(0.8005)


def test_a_mean_is_over_shifts_and_never_over_the_values_of_a_dial() -> None:
    """Two shifts with 1 and with 3 shots: two means. One shift alone with both: none."""
    for shifts, means in ((TASKS, ["mean of toys?shots=1", "mean of toys?shots=3"]), (TASKS[:1], [])):
        tasks = [f"{shift}?shots={shots}" for shots in (1, 3) for shift in shifts]
        grid = plan("quick", METHODS[:3], tasks, range(5))
        report = build_report(grid, records_of(grid, ACCURACY), {})
        assert [column for column in report.blocks[0].columns if column not in tasks] == means
        gains = [each.title for each in report.listings if each.name.startswith("gain-")]
        assert [title.partition(",")[2] for title in gains] == [
            f" {mean.replace('mean of', 'mean over tasks of')}, paired by seed (points)" for mean in means
        ]


def test_what_a_method_gains_at_each_value_of_a_dial_is_in_one_table() -> None:
    tasks = [f"{TASKS[0]}?shots={shots}&split=seed" for shots in (1, 3)]
    grid = plan("quick", METHODS[:3], tasks, range(5))
    rows = listing(
        build_report(grid, records_of(grid, ACCURACY), {}), f"Gain over source_only on {TASKS[0]} against"
    )
    assert [row["method"] for row in rows] == ["dann", "coral"]
    assert [round(rows[0][shots].mean, 3) for shots in ("1", "3")] == [0.3, 0.3]
    assert [round(rows[1][shots].mean, 3) for shots in ("1", "3")] == [-0.1, -0.1]


def test_the_best_is_marked_but_never_a_reference() -> None:
    rows = report_of(5).blocks[0].rows
    assert rows["dann"]["toys/blobs"].best
    assert not rows["target_only"]["toys/blobs"].best
    assert "(reference)" in render(report_of(5), "text")


def test_gains_and_losses_are_marked_from_five_seeds_on() -> None:
    for method, mark in (("coral", "▼"), ("dann", "▲"), ("source_only", ""), ("joint", "")):
        for column in ("toys/moons", MEAN):
            assert report_of(5).blocks[0].rows[method][column].mark == mark
            assert report_of(3).blocks[0].rows[method][column].mark == ""
    assert "▼" in render(report_of(5), "markdown")


def test_a_mark_survives_the_adjustment_over_the_methods_of_its_column() -> None:
    """One loss of p = 0.02 is marked alone, and not beside a second method that has as little."""
    losses = np.array([-0.03, -0.01, -0.05, -0.02, -0.07])
    for methods, expected in ((["dann"], ["▼"]), (["dann", "coral"], ["", ""])):
        grid = plan("quick", ["source_only", *methods], ["toys/blobs"], range(5))
        records = records_of(grid, dict.fromkeys(["source_only", *methods], 0.6))
        adapted = records["method"] != "source_only"
        records.loc[adapted, "target_test_accuracy"] += losses[records.loc[adapted, "seed"]]
        report = build_report(grid, records, {})
        assert {row["p"] < 0.05 for row in report.listings[0].rows} == {True}
        assert [report.blocks[0].rows[method]["toys/blobs"].mark for method in methods] == expected


def test_a_table_of_three_seeds_says_provisional_and_has_no_plus_minus() -> None:
    text = render(report_of(3), "text")
    assert "Provisional: 3 seeds" in text
    assert "±" not in text
    assert all(row["p"] is None for row in report_of(3).listings[0].rows)


def test_the_primary_family_leaves_out_baseline_and_references() -> None:
    rows = report_of(5).listings[0].rows
    assert [row["method"] for row in rows] == ["dann", "coral"]
    assert rows[0]["gain"].mean == pytest.approx(0.3)


def test_missing_failed_and_not_applicable_are_three_things() -> None:
    grid = grid_of(5)
    records = records_of(grid, {"source_only": 0.6, "dann": 0.9})
    dann = [spec for spec in grid.specs if spec.method == "dann" and spec.task == "toys/blobs"]
    coral = [spec for spec in grid.specs if spec.method == "coral" and spec.task == "toys/blobs"]
    records = records[records["run_id"] != dann[0].run_id]
    specs = [spec for spec in grid.specs if spec.method != "target_only"]
    reason = NotApplicable("toys/blobs", "target_only", "it needs more")
    whole = replace(grid, specs=specs, not_applicable=[reason])
    report = build_report(whole, records, {coral[0].run_id: "the loss is nan at step 3"})
    rows = report.blocks[0].rows
    assert rows["dann"]["toys/blobs"].missing == "1 missing of 5"
    assert rows["dann"]["toys/blobs"].summary.n == 4
    assert rows["coral"]["toys/blobs"].missing == "1 failed, 4 missing of 5"
    assert rows["target_only"]["toys/blobs"].missing == "n/a"
    text = render(report, "text")
    assert "n/a: target_only on toys/blobs: it needs more" in text
    assert "the loss is nan at step 3" in text


def test_an_error_that_ended_several_runs_is_told_of_once() -> None:
    grid = grid_of(5)
    first, second, third, *rest = grid.specs
    failures = {first.run_id: "no such file", second.run_id: "no such file", third.run_id: "the loss is nan"}
    notes = build_report(grid, records_of(replace(grid, specs=rest), ACCURACY), failures).notes
    assert [note for note in notes if note.startswith("failed")] == [
        f"failed: {first} and 1 more: no such file",
        f"failed: {third}: the loss is nan",
    ]


@pytest.mark.parametrize(
    ("lacking", "dann", "coral", "note"),
    [("coral", 0.501, None, False), ("source_only", 0.902, 0.502, True)],
)
def test_the_mean_is_over_all_tasks_or_where_the_baseline_lacks_one_over_the_common(
    lacking: str, dann: float, coral: float | None, note: bool
) -> None:
    grid = grid_of(5)
    records = records_of(grid, ACCURACY)
    lost = [s.run_id for s in grid.specs if s.method == lacking and s.task == "toys/moons"]
    records.loc[records["task"] == "toys/moons", "target_test_accuracy"] = 0.1
    report = build_report(grid, records[~records["run_id"].isin(lost)], {})
    means = {name: row[MEAN].summary for name, row in report.blocks[0].rows.items()}
    assert means["dann"].mean == pytest.approx(dann)
    assert (means["coral"] and means["coral"].mean) == (coral and pytest.approx(coral))
    assert ("mean of toys: over the 1 task" in " ".join(report.notes)) == note


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_grid_renders(form: str) -> None:
    assert render(build_report(grid_of(3), pd.DataFrame(), {}), form)


def test_each_task_says_how_many_test_samples_it_has_and_their_standard_error() -> None:
    footer = report_of(5).blocks[0].footer
    assert [notes["toys/blobs"] for notes in footer.values()] == ["400; 2.4"]  # sqrt(0.602 * 0.398 / 400)
    assert "400; 2.4" in render(report_of(5), "markdown")


def test_the_bound_sets_its_terms_side_by_side_and_never_adds_them() -> None:
    rows = listing(report_of(5, show=["bound"]), "Proxies")
    dann = next(row for row in rows if row["method"] == "dann" and row["task"] == "toys/moons")
    assert dann["source error"].mean == pytest.approx(0.1)
    assert dann["target error"].mean == pytest.approx(0.098)
    assert dann["ideal joint: source"].mean == pytest.approx(0.1)
    assert dann["ideal joint: target"].mean == pytest.approx(0.098)
    assert not any("sum" in column or "total" in column for column in dann)
    assert {row["method"] for row in rows} == {"source_only", "dann", "coral"}  # references have no bound


def test_confusion_is_in_shares_of_the_true_class() -> None:
    rows = listing(
        report_of(5, show=["confusion"]), "Confusion (%; the diagonal is per-class accuracy): dann on toys/moons"
    )
    assert [row["n"] for row in rows] == [50, 50]
    assert [list(row.values())[2:] for row in rows] == [[0.8, 0.2], [0.1, 0.9]]


def test_confusion_of_many_classes_is_a_row_a_class_that_fits_a_page() -> None:
    grid = plan("office31", ["source_only"], ["office31/amazon-webcam"], [0])
    records = records_of(grid, ACCURACY)
    counts = np.diag([6] * 31)
    counts[0, :3], counts[30, :] = [2, 1, 3], 0
    records["confusion"] = [counts.tolist()]
    (found,) = [
        each for each in build_report(grid, records, {}, ["confusion"]).listings if "31 classes" in each.title
    ]
    first, *_, last = found.rows
    names = [row["true class"] for row in found.rows]
    assert (first["n"], first["accuracy"], first["most often taken for"], first["share"]) == (
        6,
        2 / 6,
        names[2],
        0.5,
    )
    assert (last["n"], last["accuracy"], last["most often taken for"], last["share"]) == (0, 0.0, "", 0.0)


def test_records_without_a_confusion_matrix_have_no_such_listing() -> None:
    """As older ones, and those of more classes than a matrix is kept of."""
    grid = grid_of(5)
    records = records_of(grid, ACCURACY)
    records["confusion"] = [[] for _ in range(len(records))]
    assert not [
        each for each in build_report(grid, records, {}, ["confusion"]).listings if "Confusion" in each.title
    ]


def test_rankings_over_tasks_and_the_all_pairs_family_are_named() -> None:
    report = report_of(5, show=["statistics"])
    ranks = {row["method"]: row["mean rank"] for row in listing(report, "Over 2 tasks of toys and 5 seeds")}
    assert ranks == {"dann": 1, "source_only": 2, "coral": 3}
    pairs = listing(report, "All pairs, a family of its own")
    assert [(row["first"], row["second"]) for row in pairs] == [
        ("source_only", "dann"),
        ("source_only", "coral"),
        ("dann", "coral"),
    ]
    assert [row["difference"].mean for row in pairs] == pytest.approx([-0.3, 0.1, 0.4])
    assert "no Friedman test: 2 tasks of 4 domains in 2 clusters" in render(report, "text")


def test_what_seeds_do_not_allow_is_not_said() -> None:
    report = report_of(3, show=["statistics"])
    for row in listing(report, "Over 2 tasks of toys"):
        assert row["interquartile mean"] is None
        assert row["P(better than source_only)"] is None
    assert all(row["p"] is None for row in listing(report, "All pairs"))


def test_critical_differences_come_with_ten_tasks_that_share_no_domain() -> None:
    few, many = many_tasks(9), many_tasks(10)
    assert [each.friedman for each in build_report(few, records_of(few, ACCURACY), {}).complete] == [None]
    report = build_report(many, records_of(many, ACCURACY), {}, ["statistics"])
    assert report.complete[0].friedman.p < 0.001
    assert "over 10 clusters of tasks: Friedman p" in render(report, "text")


@pytest.mark.parametrize("suite", [name for name in suite_names() if load_suite(name).kind == "fair"])
def test_no_suite_has_ten_tasks_that_share_no_domain(suite: str) -> None:
    """So none may have a test over its tasks: 12 tasks of 4 domains are one observation."""
    grid = plan(suite, METHODS[:3], seeds=range(5))
    report = build_report(grid, records_of(grid, ACCURACY), {}, ["statistics"])
    assert [each.friedman for each in report.complete] == [None] * len(report.complete)
    assert "critical difference" not in render(report, "text")


def test_tasks_of_a_cluster_are_averaged_before_they_are_ranked() -> None:
    """A second task between the same two people does not count as an eleventh."""
    tasks = [f"har/{2 * i + 1}-{2 * i + 2}" for i in range(10)]
    for more in ([], ["har/2-1"]):
        grid = plan("har", METHODS[:3], [*tasks, *more], range(5))
        (found,) = build_report(grid, records_of(grid, ACCURACY), {}).complete
        assert found.friedman.tasks == 10
        assert found.headlines.shape[1] == 10 + len(more)


def test_warnings_of_runs_are_shown() -> None:
    grid = grid_of(5)
    records = records_of(grid, ACCURACY)
    dann = records["method"] == "dann"
    records.loc[dann, "warnings"] = [f"dann: the discriminator stays at {90 + i}%" for i in range(dann.sum())]
    (note,) = notes_of(grid, records, "warned")
    where = f"{dann.sum()} runs of dann on toys/blobs and 1 more"
    assert note == f"warned: {where}; the first: the discriminator stays at 90%."


def test_a_method_that_lost_the_source_is_named() -> None:
    grid = grid_of(3)
    records = records_of(grid, ACCURACY).assign(source_test_accuracy=0.95)
    assert not notes_of(grid, records, "lost the source")
    records.loc[records["method"] == "dann", "source_test_accuracy"] = 0.86
    assert not notes_of(grid, records, "lost the source")
    records.loc[(records["method"] == "dann") & (records["task"] == "toys/moons"), "source_test_accuracy"] = 0.8
    (note,) = notes_of(grid, records, "lost the source")
    assert note.startswith("lost the source: dann on toys/moons: 15.0 points below source_only")


def test_a_mean_over_some_tasks_says_so_and_none_is_told_of_where_no_task_is_shared() -> None:
    grid = grid_of(3)
    records = records_of(grid, ACCURACY)
    baseline = records["method"] == "source_only"
    assert not notes_of(grid, records, "mean")
    assert notes_of(grid, records[~(baseline & (records["task"] == "toys/moons"))], "mean") == [
        "mean of toys: over the 1 task that all shown methods have."
    ]
    assert not notes_of(grid, records[~baseline], "mean")


def test_a_family_that_all_tasks_share_is_said_once() -> None:
    text = render(report_of(5), "text")
    assert text.splitlines()[0].endswith("inductive, tasks of toys.")
    assert text.splitlines()[4].split() == ["method", "blobs", "moons", "mean", "of", "toys"]
    grid = plan("quick", METHODS[:2], ["toys/blobs", "digits/mnist5k-optdigits"], range(2))
    assert "toys/blobs" in render(build_report(grid, records_of(grid, ACCURACY), {}), "text")


def test_no_mean_and_no_ranking_is_over_several_families() -> None:
    tasks = [*TASKS, "digits/mnist5k-optdigits", "digits/optdigits-mnist5k"]
    grid = plan("quick", METHODS, tasks, range(5))
    records = records_of(grid, ACCURACY)
    records.loc[records["task"].str.startswith("toys"), "target_test_accuracy"] = 1.0
    report = build_report(grid, records, {}, ["statistics"])
    (accuracy, distances) = report.blocks
    for block in (accuracy, distances):
        assert block.columns == [*TASKS, MEAN, *tasks[2:], "mean of digits"]
    assert accuracy.rows["dann"]["mean of digits"].summary.mean == pytest.approx(0.902)
    assert accuracy.rows["dann"][MEAN].summary.mean == 1.0
    titles = [each.title for each in report.listings]
    for beginning in ("Gain over source_only, mean over tasks of", "Over 2 tasks of", "All pairs"):
        assert len([title for title in titles if title.startswith(beginning)]) == 2
    assert len(report.complete) == 2


def with_outcomes(records: pd.DataFrame, right: Callable[[Any], np.ndarray], units: Callable[[Any], Any]) -> Any:
    """Records that know which test samples are right; ``right`` and ``units`` are of a row."""
    rows = records.to_dict("records")
    for row in rows:
        bits = right(row)
        row["right"] = {"350": b64encode(np.packbits(bits).tobytes()).decode()}
        row["test_units"] = packed_units(np.asarray(units(row)))
        row["target_test_accuracy"] = float(bits.mean())
        row |= {"target_test_n": len(bits), "target_train_n": 140}
    return pd.DataFrame(rows)


DRAWN = ["sentiment/products-tweets?split=seed", "sentiment/films-tweets?split=seed"]


def drawn_units(row: Any) -> np.ndarray:
    return np.sort(np.random.default_rng(row["seed"]).permutation(200)[:60])


@pytest.mark.parametrize(
    ("tasks", "units", "covers"),
    [
        (TASKS, lambda _: np.arange(60), "seeds and test samples"),
        (TASKS, lambda _: np.arange(60) // 3, "seeds and groups of test samples"),
        (TASKS, lambda _: np.zeros(60, int), "seeds"),
        (DRAWN, drawn_units, "seeds and splits"),
        ([TASKS[0], DRAWN[0]], lambda row: drawn_units(row) if "?" in row["task"] else np.arange(60), None),
    ],
    ids=["samples", "groups", "one group", "splits", "both"],
)
def test_a_table_says_what_its_intervals_cover(
    tasks: list[str], units: Callable[[Any], Any], covers: str | None
) -> None:
    grid = plan("quick", METHODS[:3], tasks, range(5))
    rng = np.random.default_rng(0)
    records = with_outcomes(records_of(grid, ACCURACY), lambda _: rng.random(60) < 0.7, units)
    report = build_report(grid, records, {})
    found = {cell.summary.covers for row in report.blocks[0].rows.values() for cell in row.values()}
    assert found == ({covers} if covers else {"seeds and splits", "seeds and test samples"})
    assert {row["gain"].covers for each in report.listings for row in each.rows} == found
    (note,) = [note for note in report.notes if note.startswith("Intervals and tests")]
    assert all(each in note for each in found)
    assert ("(blobs" in note or "(toys/blobs" in note) == (len(found) > 1)


def test_gains_from_outcomes_are_as_sure_as_seeds_and_samples_are() -> None:
    """Equal in every seed, and of one sample in 60: seeds alone would be certain."""
    grid = plan("quick", METHODS[:2], TASKS[:1], range(5))

    def right(row: Any) -> np.ndarray:
        return np.arange(60) < 40 + (row["method"] == "dann")

    records = with_outcomes(records_of(grid, ACCURACY), right, lambda _: np.arange(60))
    (gain,) = build_report(grid, records, {}).listings[0].rows
    assert gain["gain"].mean == pytest.approx(1 / 60)
    assert gain["p"] == pytest.approx(stats.ttest_1samp([1.0] + [0.0] * 59, 0.0).pvalue)
    older = records.drop(columns="test_units")
    (gain,) = build_report(grid, older, {}).listings[0].rows
    assert (gain["p"], gain["gain"].covers) == (0.0, "seeds")


def test_an_interval_of_the_oracle_or_of_chance_is_of_seeds_alone() -> None:
    """The oracle has seen the very samples that the bits of right and wrong are of."""
    grid = plan("quick", METHODS[:2], TASKS[:1], range(5))
    rng = np.random.default_rng(0)
    records = with_outcomes(records_of(grid, ACCURACY), lambda _: rng.random(60) < 0.7, lambda _: np.arange(60))
    report = build_report(grid, records, {}, select="source_accuracy")
    for row in listing(report, "Choosing without target labels"):
        covers = {name: entry.covers for name, entry in row.items() if name != "method"}
        assert covers == {
            "last step, defaults": "seeds and test samples",
            "selected by source_accuracy": "seeds and test samples",
            "random candidate": "seeds",
            "oracle (saw target labels)": "seeds",
        }


def test_tasks_with_one_target_share_its_test_samples() -> None:
    """Three sources say nothing more of a target's samples than one does."""
    tasks = [f"amazon/{source}-kitchen" for source in ("books", "dvd", "electronics")]
    widths = []
    for some in (tasks[:1], tasks):
        grid = plan("amazon", METHODS[:2], some, range(5))

        def right(row: Any) -> np.ndarray:
            return np.arange(60) < 30 + 5 * (row["method"] == "dann")

        records = with_outcomes(records_of(grid, ACCURACY), right, lambda _: np.arange(60))
        (gain,) = build_report(grid, records, {}).listings[0].rows
        widths.append(gain["gain"].high - gain["gain"].low)
    assert widths[0] == pytest.approx(widths[1])


def test_splits_that_follow_the_seed_are_a_note_and_no_part_of_a_heading() -> None:
    grid = plan("quick", METHODS[:2], DRAWN, range(5))
    report = build_report(grid, records_of(grid, ACCURACY), {})
    header = next(line for line in render(report, "markdown").splitlines() if line.startswith("| method"))
    assert header.split()[3:6:2] == ["products-tweets", "films-tweets"]
    assert "Each seed draws its own split where the data have none (split=seed)." in report.notes
    assert json.loads(render(report, "json"))["cells"][0]["task"] == DRAWN[0]
    records = records_of(grid, ACCURACY).assign(warnings="dann: lost", source_test_accuracy=[0.9, 0.1] * 10)
    whole = build_report(grid, records, {grid.specs[0].run_id: "no good"}, ["bound", "confusion", "statistics"])
    for form in FORMATS:
        if form not in ("csv", "json"):
            assert render(whole, form).count("products-tweets") > 5
            assert "products-tweets?split" not in render(whole, form).replace("\\", "")
    both = plan("quick", METHODS[:2], [DRAWN[0], DRAWN[0].partition("?")[0]], range(5))
    report = build_report(both, records_of(both, ACCURACY), {})
    assert "products-tweets?split=seed" in render(report, "markdown")


@pytest.mark.parametrize("metric", ["target_os_star", "target_absent_share", "target_macro_f1", "target_auc"])
def test_shares_are_shown_in_percent_whatever_they_are_of(metric: str) -> None:
    grid = grid_of(1)
    records = records_of(grid, ACCURACY).assign(**{metric: 0.25})
    (block,) = (each for each in build_report(grid, records, {}, [metric]).blocks if each.metric == metric)
    assert block.title.endswith("(%)")
    assert block.form == PERCENT

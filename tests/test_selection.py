"""Choosing among candidates: what is chosen, what may be read for it, and what it costs."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.core.settings import UserError
from benchmarks.evaluation.validators import SELECTABLE, VALIDATORS
from benchmarks.plan.grid import Grid, plan
from benchmarks.plan.search import Search
from benchmarks.plan.suite import A_PRIORI
from benchmarks.records.compact import save_records
from benchmarks.records.frame import load_records
from benchmarks.records.record import seal
from benchmarks.records.store import Store
from benchmarks.report import selection
from benchmarks.report.cells import ACCURACY
from benchmarks.report.table import build_report
from benchmarks.training.run import execute
from datasets.base import Domains
from tests.conftest import CPU, TINY, with_target_labels

GRID = {"suite": "quick", "methods": ["source_only", "dann"], "tasks": ["toys/moons"], "seeds": range(2)}
PROTOCOL = {"protocol": {**TINY, "backbone": "mlp", "steps": 30}}
CONFIGURATIONS, CHECKPOINTS = 2, 2


@pytest.fixture(scope="module")
def planned() -> Grid:
    return plan(**GRID, overrides=PROTOCOL, search=Search(CONFIGURATIONS), reverse=True)


@pytest.fixture(scope="module")
def store(planned: Grid, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A real search with reverse validation."""
    store = Store(tmp_path_factory.mktemp("search"))
    do(planned, store)
    return store


def do(planned: Grid, store: Store) -> None:
    """All runs in this process."""
    store.create()
    for spec in planned.runs:
        with store.locked(spec) as folder:
            if spec.reverse_of:
                shutil.copy(store.predictions(spec), folder)
            execute(spec, folder, CPU)
            store.publish(spec)


@pytest.fixture(scope="module")
def frame(planned: Grid, store: Store) -> pd.DataFrame:
    return selection.candidates(planned, load_records(store.root, validators=VALIDATORS))


def chosen(frame: pd.DataFrame, validator: str) -> dict[tuple[str, str], object]:
    return dict(selection.choices(frame, validator)[selection.SELECTED])


def one_group(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(0, frame.index)


def test_every_configuration_and_checkpoint_is_a_candidate(frame: pd.DataFrame) -> None:
    sizes = frame.groupby(selection.GROUP).size()
    assert (sizes == CONFIGURATIONS * CHECKPOINTS).all()
    assert len(sizes) == 2 * 2
    first = frame.groupby(selection.GROUP).first()
    assert (first["configuration"] == 0).all()
    assert (first["step"] == 30).all()


@pytest.mark.parametrize("validator", SELECTABLE)
def test_a_choice_is_the_candidate_with_the_best_score(frame: pd.DataFrame, validator: str) -> None:
    choice = selection.choices(frame, validator)
    for (variant, task, seed), group in frame.groupby(selection.GROUP):
        scores = selection.validator_scores(selection.label_free(group), validator)
        value = choice[selection.SELECTED][variant, task][seed]
        best = group[scores == scores.max()]
        assert value.number == best[ACCURACY].iloc[0]
        assert value.run_id == best["run_id"].iloc[0]
        assert choice[selection.ORACLE][variant, task][seed].number == group[ACCURACY].max()
        assert choice[selection.RANDOM][variant, task][seed].number == pytest.approx(group[ACCURACY].mean())


def test_ties_go_to_the_methods_own_configuration_and_its_last_step(frame: pd.DataFrame) -> None:
    group = next(iter(frame.groupby(selection.GROUP)))[1]
    (label,) = selection.select(selection.label_free(group).assign(entropy=1.0), "entropy", one_group(group))
    assert (group.loc[label, "configuration"], group.loc[label, "step"]) == (0, 30)


def test_a_candidate_without_a_score_is_never_chosen() -> None:
    scores = pd.DataFrame({"snd": [np.nan, 0.1, 0.2, np.nan]})
    groups = one_group(scores)
    assert selection.select(scores, "snd", groups).tolist() == [2]
    assert selection.select(scores.assign(snd=np.nan), "snd", groups).empty
    alone = pd.Series([0, 1, 1, 2])
    assert selection.select(scores, "snd", alone).to_dict() == {0: 0, 1: 2, 2: 3}, "without an alternative"


def test_mixval_averages_ranks_with_ties_and_nan() -> None:
    scores = pd.DataFrame(
        {"mixval_intra": [0.9, 0.5, 0.5, 0.7], "mixval_inter": [0.1, 0.3, 0.2, np.nan]}, index=[7, 3, 5, 1]
    )
    ranked = selection.validator_scores(scores, "mixval")
    assert ranked.drop(1).to_dict() == {7: (4 + 1) / 2, 3: (1.5 + 3) / 2, 5: (1.5 + 2) / 2}
    assert np.isnan(ranked[1])


def test_no_score_of_target_labels_is_in_reach_of_a_choice(frame: pd.DataFrame) -> None:
    assert ACCURACY in frame
    assert set(selection.label_free(frame)) <= {*SELECTABLE, *selection.PARTS}
    noise = frame.assign(**{ACCURACY: np.random.default_rng(0).permutation(frame[ACCURACY])})
    for validator in SELECTABLE:
        before, after = chosen(frame, validator), chosen(noise, validator)
        for cell, values in before.items():
            assert {s: v.run_id for s, v in values.items()} == {s: v.run_id for s, v in after[cell].items()}


def test_choices_are_blind_to_the_oracles_files(
    planned: Grid, store: Store, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Of one seed, whose scores are made again."""
    copy = Path(shutil.copytree(store.root, tmp_path / "copy", ignore=shutil.ignore_patterns("seed1-*")))
    for path in copy.rglob("oracle.npz"):
        with np.load(path) as kept:
            noise = {name: np.zeros_like(array) for name, array in kept.items()}
        np.savez(path, **noise)
        (path.parent / "validators.json").unlink()
        seal(path.parent)
    again = selection.candidates(planned, load_records(copy, validators=VALIDATORS))
    for validator in SELECTABLE:
        assert chosen(again, validator) == chosen(frame[frame["seed"] == 0], validator)


def test_choices_are_the_same_from_committed_records(
    planned: Grid, store: Store, frame: pd.DataFrame, tmp_path: Path
) -> None:
    save_records(load_records(store.root, validators=VALIDATORS), tmp_path / "records.csv")
    again = selection.candidates(planned, load_records(tmp_path / "records.csv"))
    for validator in SELECTABLE:
        for cell, values in chosen(again, validator).items():
            before = chosen(frame, validator)[cell]
            assert {s: v.run_id for s, v in values.items()} == {s: v.run_id for s, v in before.items()}


def test_noise_for_target_labels_changes_no_choice(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed at the reader, before any split: weights, scores, predictions and choices stay."""
    from datasets.toys import Toys

    grid = {**GRID, "seeds": [0], "methods": ["source_only"]}
    planned = plan(**grid, overrides=PROTOCOL, search=Search(CONFIGURATIONS), reverse=True)
    noise = Store(tmp_path)
    read = Toys.read

    def with_other_labels(self: Toys, *arguments: Any) -> Domains:
        return with_target_labels(read(self, *arguments), np.random.default_rng(1).permutation)

    monkeypatch.setattr(Toys, "read", with_other_labels)
    from datasets.base import forget_tasks

    forget_tasks()
    do(planned, noise)
    frames = [
        selection.candidates(planned, load_records(each.root, validators=VALIDATORS)) for each in (store, noise)
    ]
    assert not frames[0][ACCURACY].equals(frames[1][ACCURACY])
    pd.testing.assert_frame_equal(*(selection.label_free(frame) for frame in frames))


def test_regret_is_what_the_oracle_has_more(frame: pd.DataFrame) -> None:
    regrets = selection.regrets(frame)
    assert (regrets >= 0).all().all()
    assert set(regrets.index) == {*SELECTABLE, selection.LAST, selection.RANDOM}
    for seed in range(2):
        group = frame[frame["seed"] == seed].groupby(["variant", "task"])
        expected = (group[ACCURACY].max() - group[ACCURACY].mean()).mean()
        assert regrets.loc[selection.RANDOM, seed] == pytest.approx(expected)


def test_the_oracle_as_validator_has_no_regret_and_full_rank_correlation(frame: pd.DataFrame) -> None:
    cheat = frame.assign(snd=frame[ACCURACY], entropy=-frame[ACCURACY])
    assert (selection.regrets(cheat).loc["snd"] == 0).all()
    assert np.allclose(selection.rank_correlations(cheat).loc["snd"], 1)
    assert np.allclose(selection.rank_correlations(cheat).loc["entropy"], -1)


def test_rank_correlation_is_spearmans_over_all_methods_of_a_task(frame: pd.DataFrame) -> None:
    group = frame[frame["seed"] == 1]
    expected = stats.spearmanr(group["im"], group[ACCURACY]).statistic
    assert selection.rank_correlations(frame).loc["im", 1] == pytest.approx(expected)


def test_a_validator_without_a_score_somewhere_has_no_mean(frame: pd.DataFrame) -> None:
    """A mean over the cells that it happens to score would not compare with the others'."""
    part = frame.assign(snd=frame["snd"].where((frame["variant"] == "dann") | (frame["seed"] == 1)))
    regrets = selection.regrets(part).loc["snd"]
    assert np.isnan(regrets[0])
    assert regrets[1] == selection.regrets(frame).loc["snd", 1]
    unscored = frame.assign(im=frame["im"].where(frame["seed"] == 1), bnm=0.3)
    correlations = selection.rank_correlations(unscored)
    assert np.isnan(correlations.loc["im", 0])
    assert correlations.loc["bnm"].tolist() == [0, 0]


def test_scores_have_the_digits_that_committed_records_keep(frame: pd.DataFrame) -> None:
    """More would let a store and its committed records choose differently between near ties."""
    scores = selection.label_free(frame).to_numpy().ravel()
    assert [float(f"{score:.6g}") for score in scores[~np.isnan(scores)]] == scores[~np.isnan(scores)].tolist()


def test_records_without_a_validators_scores_are_a_clear_error(frame: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="older version without its scores"):
        selection.choices(frame.drop(columns="snd"), "snd")


def test_budgets_are_equal_and_unequal_ones_are_told(planned: Grid, store: Store) -> None:
    records = load_records(store.root, validators=VALIDATORS)
    assert not any("UNEQUAL" in note for note in build_report(planned, records, {}, select="im").notes)
    uneven = plan(**GRID, search=Search(grid={"dann": {"trade_off": ["0.3", "1", "3"]}}))
    assert any("UNEQUAL" in note for note in build_report(uneven, pd.DataFrame(), {}, select="im").notes)


CHOICE = "Choosing without target labels"


def side_by_side(planned: Grid, records: pd.DataFrame, select: str | None = None) -> dict[str, dict[str, Any]]:
    """Of each method, its row of the listing of choices; empty if the table has none."""
    listings = build_report(planned, records, {}, select=select).listings
    return {row["method"]: row for each in listings if each.title.startswith(CHOICE) for row in each.rows}


def test_every_fair_table_has_last_step_choice_and_oracle_side_by_side(planned: Grid, store: Store) -> None:
    """By the rule fixed a priori, without a flag; checkpoints are candidates enough."""
    records, usual = (
        load_records(store.root),
        replace(planned, specs=[s for s in planned.specs if not s.configuration]),
    )
    frame = selection.candidates(usual, records)
    rows = side_by_side(usual, records)
    assert set(rows) == {"source_only", "dann"}
    choice = selection.choices(frame, A_PRIORI)
    for variant, row in rows.items():
        assert list(row) == [
            "method",
            "last step, defaults",
            "selected by source_accuracy",
            "random candidate",
            "oracle (saw target labels)",
        ]
        own = frame[frame["variant"] == variant]
        assert row["last step, defaults"].mean == pytest.approx(own.groupby("seed").first()[ACCURACY].mean())
        assert row["oracle (saw target labels)"].mean == pytest.approx(own.groupby("seed").max()[ACCURACY].mean())
        by_seed = choice[selection.SELECTED][variant, "toys/moons"].values()
        chosen = np.mean([value.number for value in by_seed])
        assert row["selected by source_accuracy"].mean == pytest.approx(chosen)


def test_a_flag_or_a_suite_replaces_the_rule_fixed_a_priori(planned: Grid, store: Store) -> None:
    records = load_records(store.root, validators=["im"])
    assert "selected by im" in side_by_side(planned, records, "im")["dann"]
    assert "selected by source_accuracy" in side_by_side(planned, records)["dann"]


def test_nothing_is_chosen_for_a_paper_or_from_one_candidate(planned: Grid, store: Store) -> None:
    records = load_records(store.root)
    last = records.assign(checkpoints=records["checkpoints"].map(lambda steps: steps[-1:]))
    usual = replace(planned, specs=[spec for spec in planned.specs if not spec.configuration])
    assert not side_by_side(usual, last)
    assert not side_by_side(replace(planned, ranked=False), records)
    assert side_by_side(planned, last)


def test_a_search_draws_by_name_the_same_for_every_method_task_and_seed() -> None:
    methods = ["source_only", "dann", "coral", "target_only"]
    specs = plan("quick", methods, seeds=range(2), search=Search(3)).specs
    for number in range(3):
        same = [spec for spec in specs if spec.configuration == number and spec.method != "target_only"]
        assert len({spec.protocol.lr_backbone for spec in same}) == 1
        assert len({spec.protocol.weight_decay for spec in same}) == 1
        assert len({spec.params["trade_off"] for spec in same if spec.method == "dann"}) == 1
    assert {spec.configuration for spec in specs if spec.method == "target_only"} == {0}
    sizes = pd.Series([spec.method for spec in specs if spec.method != "target_only"]).value_counts()
    assert sizes.nunique() == 1  # the same budget
    more = plan("quick", ["source_only", "dann"], search=Search(5)).specs
    assert {spec.run_id for spec in specs if spec.method == "dann" and spec.seed == 0} <= {s.run_id for s in more}


def test_draws_stay_in_the_ranges_that_a_method_declares() -> None:
    specs = plan("quick", ["source_only", "dann"], ["toys/blobs"], [0], search=Search(40)).specs
    drawn = [spec.params["trade_off"] for spec in specs if spec.method == "dann" and spec.configuration]
    assert 0.1 <= min(drawn) < 0.5
    assert 2 < max(drawn) <= 10
    logs = np.log10([spec.protocol.lr_backbone / 1e-3 for spec in specs if spec.configuration])
    assert stats.kstest(logs[:39], "uniform", (-1.5, 2)).pvalue > 0.01


def test_a_grid_combines_values_after_the_methods_own() -> None:
    grid = {"dann": {"trade_off": ["0.1", "1"]}, "protocol": {"weight_decay": ["0", "0.0005"]}}
    specs = plan("quick", ["source_only", "dann"], ["toys/blobs"], [0], search=Search(grid=grid)).specs
    tried = [(s.params["trade_off"], s.protocol.weight_decay) for s in specs if s.method == "dann"]
    assert tried == [(1.0, 5e-4), (0.1, 0.0), (0.1, 5e-4), (1.0, 0.0)]
    assert [s.protocol.weight_decay for s in specs if s.method == "source_only"] == [5e-4, 0.0]

"""The advice: what it may read, what its guard leaves out, how it ranks, and how its record is made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.advice import evidence, record
from benchmarks.advice.criteria import CRITERIA
from benchmarks.advice.estimates import ESTIMATES
from benchmarks.advice.evidence import recorded_scores
from benchmarks.advice.measure import ADVICE, AS_IT_IS, RULES, Case, evaluated, fitted, measure, versions
from benchmarks.advice.pool import Pool, last_steps, pools, without_samples
from benchmarks.advice.rule import RULE, Rule, decide, guard, source_lost
from benchmarks.advice.sentence import said, unlike
from benchmarks.core.objective import Ranking
from benchmarks.core.registry import METHODS
from benchmarks.core.settings import UserError
from benchmarks.evaluation.candidates import Candidate, candidate, save_outputs
from benchmarks.evaluation.oracle import save_labels
from benchmarks.evaluation.outputs import Outputs
from benchmarks.evaluation.validators import PARTS, SELECTABLE, score_outputs
from benchmarks.plan.grid import plan
from tests.conftest import spec_of

N, CLASSES, SEEDS = 200, 3, 3
CORE = ("source_only", "reweighting", "dan", "coral", "dann", "adda", "cdan", "cdan_e")


def labels(task: str, seed: int = 0) -> np.ndarray:
    """True classes of the target samples of a task."""
    return np.random.default_rng(len(task)).integers(CLASSES, size=N)


def outputs(y: np.ndarray, right: float, sure: float, seed: int, source_right: float = 0.95) -> Outputs:
    """Of a model that is right on a share of both domains' samples, and so sure of what it says."""
    rng = np.random.default_rng([seed, int(1000 * right), int(10 * sure)])

    def logits(y: np.ndarray, share: float) -> np.ndarray:
        wrong = (y + 1 + rng.integers(CLASSES - 1, size=len(y))) % CLASSES
        said = np.where(rng.random(len(y)) < share, y, wrong)
        return rng.normal(0, 0.3, (len(y), CLASSES)) + sure * np.eye(CLASSES)[said]

    source_y = np.arange(150) % CLASSES
    return Outputs(
        {
            "target_train.logits": logits(y, right),
            "source_val.logits": logits(source_y, source_right),
            "source_val.y": source_y,
        }
    )


Model = Callable[[str, int], Outputs]


def model(right: float, sure: float = 4.0, source_right: float = 0.95) -> Model:
    return lambda task, seed: outputs(labels(task), right, sure, seed, source_right)


def pool_of(models: Mapping[str, Model], task: str = "toys/blobs", seeds: int = SEEDS) -> Pool:
    """What methods offer at step 20, and source_only's outputs at step 10."""
    specs, said = [], []
    for method, made in models.items():
        for seed in range(seeds):
            spec = replace(spec_of(method, seed=seed), task=task)
            specs.append(spec)
            for step, of in ((10, models["source_only"]), (20, made)):
                said.append(candidate(spec.run_id, step, of(task, seed)))
    (pool,) = pools(specs, [each for each in said if each]).values()
    return last_steps(pool)


def names(pool: Pool, members: Sequence[int]) -> list[str]:
    return [pool.options[member].method for member in members]


USUAL = {"source_only": model(0.6, 2), "dann": model(0.9, 5), "coral": model(0.8), "dan": model(0.7, 3)}


def test_the_pool_has_the_last_step_of_each_method_in_all_seeds() -> None:
    pool = pool_of(USUAL)
    assert [(option.method, option.step, len(option.seeds)) for option in pool.options] == [
        (method, 20, SEEDS) for method in USUAL
    ]
    assert pool.one_draw
    assert not pool.incomplete
    assert not pool_of(USUAL, "digits/a-b?split=seed").one_draw


def test_what_diverged_in_one_seed_is_no_option_and_is_named() -> None:
    def diverged(task: str, seed: int) -> Outputs:
        made = model(0.9)(task, seed)
        return Outputs(
            {name: a * (np.nan if seed == 1 and name[0] == "t" else 1) for name, a in made.arrays.items()}
        )

    pool = pool_of({**USUAL, "dann": diverged})
    assert "dann" in pool.incomplete
    assert all(option.method != "dann" or option.step == 10 for option in pool.options)


@pytest.mark.parametrize("name", ["im", "bnm", "entropy"])
def test_criteria_are_the_validators_of_the_same_name(name: str) -> None:
    """Exactly so with two classes, but for the confidences' rounding."""
    rng = np.random.default_rng(0)
    made = Outputs(
        {
            "target_train.logits": rng.normal(0, 2, (N, 2)),
            "source_val.logits": rng.normal(0, 2, (20, 2)),
            "source_val.y": np.arange(20) % 2,
        }
    )
    pool = pool_of({"source_only": lambda *_: made}, seeds=1)
    assert CRITERIA[name](pool)[0] == pytest.approx(score_outputs(made, [name])[name], abs=0.003)


def test_class_correlation_against_its_formula() -> None:
    pool = pool_of({"source_only": model(0.6)}, seeds=1)
    (p,) = pool.probabilities[0]
    matrix = sum(np.outer(row, row) for row in p)
    cosine = sum(matrix[i, i] for i in range(CLASSES)) / np.sqrt((matrix**2).sum() * CLASSES)
    assert CRITERIA["corr_c"](pool)[0] == pytest.approx(cosine)


def test_ensv_weighs_methods_equally_however_many_configurations_they_have() -> None:
    """One method says class 0 in many configurations, two others say class 1: the average says 1."""
    pool = pool_of({"source_only": model(0.6), "dann": model(0.9), "coral": model(0.8)}, seeds=1)

    def saying(label: int, number: int, configuration: int = 0) -> object:
        option = pool.options[number]
        spec = replace(option.specs[0], configuration=configuration)
        one = replace(option.seeds[0], predicted=np.full(N, label), confidence=np.full(N, 120, np.uint8))
        return replace(option, specs=(spec,), seeds=(one,))

    many = tuple(saying(0, 1, configuration) for configuration in range(5))
    crowded = replace(pool, options=(saying(1, 0), *many, saying(1, 2)))
    assert list(CRITERIA["ensv"](crowded)) == [1, 0, 0, 0, 0, 0, 1]


def test_seeds_agree_only_where_they_share_samples() -> None:
    assert CRITERIA["seeds"](pool_of(USUAL))[1] == pytest.approx(0.9**2 + 0.1**2 / 2, abs=0.06)
    assert np.isnan(CRITERIA["seeds"](pool_of(USUAL, "digits/a-b?split=seed"))).all()


def test_the_guard_leaves_out_what_collapsed_or_lost_the_source() -> None:
    def one_class(task: str, seed: int) -> Outputs:
        made = model(0.9)(task, seed)
        return Outputs({**made.arrays, "target_train.logits": np.tile([9.0, 0, 0], (N, 1))})

    pool = pool_of(
        {**USUAL, "dan": one_class, "coral": model(0.9, source_right=0.7), "adda": model(0.9, source_right=0.7)}
    )
    left_out = {pool.options[number].method: why for number, why in guard(pool, 0.05).items()}
    assert left_out.keys() == {"dan", "coral"}  # adda's deployed network need not predict the source
    assert "1.0 classes" in left_out["dan"]
    assert "points of source accuracy" in left_out["coral"]
    assert guard(pool, 1.0).keys() == {3}


def test_the_loss_of_the_source_is_balanced_over_classes_and_allows_for_chance() -> None:
    pool = pool_of(USUAL)
    baseline, option = pool.options[:2]

    def right(each: Candidate, wrong: np.ndarray) -> Candidate:
        return replace(each, source_y=y, source_right=~wrong)

    y = np.repeat([0, 1], [140, 10])
    rare = y == 1
    usual = replace(baseline, seeds=tuple(right(each, np.zeros(150, bool)) for each in baseline.seeds))
    lost = replace(option, seeds=tuple(right(each, rare) for each in option.seeds))
    assert source_lost(lost, usual) == pytest.approx(0.5)  # 7% of the samples
    one = replace(option, seeds=tuple(right(each, np.arange(150) == 149) for each in option.seeds))
    assert source_lost(one, usual) < 0 < 0.05  # one of ten may be chance


def test_the_best_of_different_methods_are_deployed() -> None:
    pool = pool_of(USUAL)
    decision = decide(pool, Rule(0.05, ("ensv", "im"), 2))
    assert len({*names(pool, decision.members)}) == 2
    assert decision.ranks[list(decision.members)].tolist() == sorted(decision.ranks)[:2]
    assert names(pool, decide(pool, Rule(0.05, ("ensv", "im"), 9)).members)[0] == names(pool, decision.members)[0]


def test_source_only_is_kept_alone_if_it_is_first() -> None:
    pool = pool_of({"source_only": model(0.95, sure=8), "dann": model(0.4, sure=1), "coral": model(0.5, sure=1)})
    assert names(pool, decide(pool, RULE).members) == ["source_only"]


def test_seeds_are_averaged_where_they_share_samples() -> None:
    pool, apart = pool_of(USUAL), pool_of(USUAL, "digits/a-b?split=seed")
    (mean,) = pool.averaged([1, 2])
    expected = np.mean([pool.probabilities[member][seed] for member in (1, 2) for seed in range(SEEDS)], axis=0)
    np.testing.assert_allclose(mean, expected)
    assert len(apart.averaged([1, 2])) == SEEDS


def case(models: Mapping[str, Model], task: str) -> Case:
    return Case(task, pool_of(models, task), (labels(task),) * SEEDS)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Three families: adaptation helps in two, and harms in one."""
    good = {name: model(0.55 + 0.05 * number) for number, name in enumerate(CORE)}
    bad = {name: model(0.8 - 0.05 * number) for number, name in enumerate(CORE)}
    tasks = ("one/a-b", "one/b-a", "two/c-dd", "three/e-fff")
    return [case(bad if task.startswith("three") else good, task) for task in tasks]


@pytest.fixture(scope="module")
def measured(cases: list[Case]) -> pd.DataFrame:
    return evaluated(cases)


def test_a_family_has_no_part_in_the_rule_that_it_is_scored_by(cases: list[Case], measured: pd.DataFrame) -> None:
    """Whatever its labels are, the same is deployed on it."""
    rng = np.random.default_rng(0)
    noise = [
        replace(each, labels=(rng.integers(CLASSES, size=N),) * SEEDS) if each.family == "three" else each
        for each in cases
    ]
    for name in (ADVICE, "always one method"):
        before, after = (
            frame[(frame["strategy"] == name) & (frame["family"] == "three")]["deployed"].tolist()
            for frame in (measured, evaluated(noise))
        )
        assert before == after


def test_gains_are_over_one_model_of_source_only(cases: list[Case], measured: pd.DataFrame) -> None:
    rows = measured[(measured["strategy"] == "source_only, seeds averaged") & (measured["target"] == AS_IT_IS)]
    first = cases[0]
    alone = np.mean([(each.predicted == labels(first.task)).mean() for each in first.pool.options[0].seeds])
    averaged = (first.pool.averaged([0])[0].argmax(1) == labels(first.task)).mean()
    assert rows.iloc[0]["gain"] == pytest.approx(averaged - alone)


def test_no_choice_is_better_than_that_which_saw_the_labels(measured: pd.DataFrame) -> None:
    by_choice = measured[measured["target"] == AS_IT_IS].pivot_table(
        index="task", columns="strategy", values="gain"
    )
    single = [name for name in by_choice if "alone" in name or "random" in name or "always" in name]
    assert (by_choice[single].le(by_choice["best method (saw labels)"] + 1e-12, axis=0)).all(axis=None)


def test_labels_that_are_missing_count_for_nothing(cases: list[Case]) -> None:
    first = cases[0]
    hidden = np.where(np.arange(N) < 50, -1, first.labels[0])
    some = replace(first, labels=(hidden,) * SEEDS)
    fewer = without_samples(first.pool, dict.fromkeys(range(SEEDS), np.arange(50, N)))
    only = Case(first.task, fewer, (hidden[50:],) * SEEDS)
    assert some.accuracy((1, 2)) == pytest.approx(only.accuracy((1, 2)))
    assert some.usual == pytest.approx(only.usual)


def test_an_accuracy_is_made_of_counts(cases: list[Case]) -> None:
    """So that a point lost is a point on every processor, and no rounding makes it more."""
    first = cases[0]
    right = first.pool.averaged([1])[0].argmax(1) == first.labels[0]
    for count in range(1, N + 1):
        hidden = np.where(np.arange(N) < count, first.labels[0], -1)
        assert replace(first, labels=(hidden,) * SEEDS).accuracy((1,)) == right[:count].sum() / count


def test_ranking_is_scored_by_the_order_of_probabilities() -> None:
    """Three draws of samples: the mean of their areas, and its error is of the draws' gains."""

    def two(right: float) -> Model:
        def model(task: str, seed: int) -> Outputs:
            said = outputs(labels(task) % 2, right, 1.0, seed)
            return Outputs({name: a[:, :2] if a.ndim > 1 else a % 2 for name, a in said.arrays.items()})

        return model

    task = "toys/blobs?split=seed"
    y = tuple(labels(task, seed) % 2 for seed in range(SEEDS))
    known = Case(task, pool_of({"source_only": two(0.6), "dann": two(0.8)}, task), y, objective=Ranking)
    usual, deployed = (
        [roc_auc_score(*pair) for pair in zip(y, (p[:, 1] for p in known.pool.averaged([member])), strict=True)]
        for member in (known.pool.baseline, known.last["dann"])
    )
    assert known.accuracy((known.last["dann"],)) == pytest.approx(np.mean(deployed))
    assert known.usual == pytest.approx(np.mean(usual))
    gains = np.subtract(deployed, usual)
    assert known.error((known.last["dann"],)) == pytest.approx(gains.std(ddof=1) / SEEDS**0.5)


def test_other_targets_drop_samples_and_are_scored_by_class(cases: list[Case]) -> None:
    changed = versions(cases[0])
    counts = {name: np.bincount(each.labels[0], minlength=CLASSES) for name, each in changed.items()}
    whole = counts[AS_IT_IS]
    thinned = counts["prior"] < whole
    assert thinned.sum() == CLASSES // 2
    assert (counts["prior"][thinned] == (0.2 * whole[thinned]).astype(int)).all()
    assert sorted(counts["absent classes"] == 0) == [False, False, True]
    y, p = changed["prior"].labels[0], changed["prior"].pool.averaged((1,))[0].argmax(1)
    assert changed["prior"].accuracy((1,)) == pytest.approx(
        np.mean([(p[y == label] == label).mean() for label in range(CLASSES)])
    )


def test_a_model_that_knows_when_it_is_wrong_is_estimated_well() -> None:
    """Sure where right and unsure where wrong, on both domains: then confidences say it all."""

    def honest(task: str, seed: int) -> Outputs:
        made = model(0.7, source_right=0.9)(task, seed)
        rng, found = np.random.default_rng(seed), dict(made.arrays)
        for name, y in (("target_train.logits", labels(task)), ("source_val.logits", made["source_val.y"])):
            right = made[name].argmax(1) == y
            found[name] = made[name] * np.where(right, 2.0, 0.2)[:, None] + rng.normal(0, 0.01, made[name].shape)
        return Outputs(found)

    pool = pool_of({"source_only": honest})
    accuracy = np.mean([(each.predicted == labels("toys/blobs")).mean() for each in pool.options[0].seeds])
    assert ESTIMATES["atc"](pool, [0]) == pytest.approx(accuracy, abs=0.05)
    assert abs(ESTIMATES["source_accuracy"](pool, [0]) - accuracy) > 0.15


def test_estimates_against_their_formulas() -> None:
    pool = pool_of(USUAL)
    (one,) = (option for option in pool.options if option.method == "dann")
    sure = [1 / (1 + np.exp(-(c / 16 - 4.0))) for c in (one.seeds[0].source_confidence, one.seeds[0].confidence)]
    alone = pool_of({"source_only": USUAL["dann"]}, seeds=1)
    assert ESTIMATES["doc"](alone, [0]) == pytest.approx(
        alone.options[0].seeds[0].source_right.mean() - (sure[0].mean() - sure[1].mean()), abs=0.05
    )
    pairs = [(a, b) for a in range(SEEDS) for b in range(a)]
    alike = [(one.seeds[a].predicted == one.seeds[b].predicted).mean() for a, b in pairs]
    assert ESTIMATES["agreement"](pool, [1]) == pytest.approx(np.mean(alike))
    assert np.isnan(ESTIMATES["agreement"](alone, [0]))


def test_transport_costs_nothing_if_certain_predictions_have_the_source_shares() -> None:
    y = np.arange(150) % CLASSES
    certain = Outputs(
        {
            "target_train.logits": 40 * np.eye(CLASSES)[y],
            "source_val.logits": np.eye(CLASSES)[y],
            "source_val.y": y,
        }
    )
    pool = pool_of({"source_only": lambda *_: certain}, seeds=1)
    assert ESTIMATES["cot"](pool, [0]) == pytest.approx(1, abs=0.001)
    all_one = Outputs({**certain.arrays, "target_train.logits": np.tile([40.0, 0, 0], (150, 1))})
    assert ESTIMATES["cot"](pool_of({"source_only": lambda *_: all_one}, seeds=1), [0]) == pytest.approx(
        1 / 3, abs=0.001
    )


def test_the_sentence_names_what_is_used_and_what_the_record_shows(measured: pd.DataFrame) -> None:
    pool = pool_of(USUAL)
    decision = decide(pool, RULE)
    use, why, known, *_ = said(pool, decision, RULE, measured, unlike(pool, decision))
    for member in decision.members:
        assert f"{pool.options[member].method} (step 20)" in use
    assert "agreement with the average" in why
    strategy = record.advised(measured)
    assert "On 3 families" in known
    assert str(strategy.gain) in known
    assert f"in {strategy.harmed:.0%} of tasks" in known


@pytest.mark.parametrize("shown", [True, False])
def test_a_record_that_includes_zero_is_said_not_to_show_anything(measured: pd.DataFrame, *, shown: bool) -> None:
    pool = pool_of(USUAL)
    gains = {"one": 0.05, "two": 0.06, "three": 0.055 if shown else -0.06}
    frame = measured.assign(gain=measured["family"].map(gains))
    text = " ".join(said(pool, decide(pool, RULE), RULE, frame, []))
    assert ("not shown" in text) != shown


def test_what_the_record_is_not_of_is_said() -> None:
    pool = pool_of({"source_only": model(0.5), "kmm": model(0.9)})
    decision = decide(pool, RULE)
    assert "it is not of kmm" in unlike(pool, decision)


def test_the_rule_that_fits_is_one_of_those_that_are_searched() -> None:
    assert fitted([case(USUAL, "one/a-b"), case(USUAL, "two/c-dd")]) in RULES


@pytest.mark.parametrize("name", [name for name in METHODS.names() if METHODS.info(name).optimises])
def test_a_criterion_that_a_method_optimises_never_ranks_it_alone(name: str) -> None:
    info = METHODS.info(name)
    assert {*info.optimises} <= {*CRITERIA, *SELECTABLE}
    for rule in (*RULES, RULE):
        assert not {*rule.criteria} <= {*info.optimises}
    pool = pool_of({**USUAL, "adda": model(0.95, sure=9)})
    *usual, sure = pool.options  # its runs pass for the method's, which the tests' backbone may not be for
    specs = tuple(replace(spec, method=name, variant=name) for spec in sure.specs)
    pool = replace(pool, options=(*usual, replace(sure, specs=specs)))
    for criterion in {*info.optimises} & {*CRITERIA}:
        others = [option for option in range(len(USUAL)) if option not in guard(pool, 1.0)]
        assert CRITERIA[criterion](pool)[len(USUAL)] > CRITERIA[criterion](pool)[others].max()
        assert names(pool, decide(pool, Rule(1.0, (criterion,), 1)).members) != [name]
        assert names(pool, decide(pool, Rule(1.0, (criterion, "ensv"), 9)).members).count(name) == 1


def test_a_recorded_score_chooses_of_what_the_guard_leaves_and_its_method_does_not_optimise() -> None:
    one_class = np.tile([9.0, 0, 0], (N, 1))
    collapsed = Outputs({**model(0.9)("toys/blobs", 0).arrays, "target_train.logits": one_class})
    pool = pool_of({**USUAL, "adda": lambda *_: collapsed, "entropy_minimisation": model(0.9)})
    scores = {"mixval": [0.1, 0.3, 0.2, np.nan, 0.9, 0.4], "entropy": [0.1, 0.3, 0.2, 0, 0.9, 0.4]}
    known = Case("toys/blobs", pool, (labels("toys/blobs"),) * SEEDS, {k: np.array(v) for k, v in scores.items()})
    assert names(pool, known.best_recorded("mixval")) == ["entropy_minimisation"]
    assert names(pool, known.best_recorded("entropy")) == ["dann"]
    assert not replace(known, recorded={"dev": np.full(6, np.nan)}).best_recorded("dev")


def test_recorded_scores_are_joined_by_run_and_step_and_mixval_ranks_within_a_seed() -> None:
    pool = pool_of(USUAL, seeds=2)
    runs = [(spec.run_id, 20) for option in pool.options for spec in option.specs]
    frame = pd.DataFrame(dict.fromkeys((*SELECTABLE, *PARTS), np.nan), index=pd.MultiIndex.from_tuples(runs))
    frame["dev"] = np.arange(8.0)
    for part in PARTS:
        frame[part] = [0.5, 0.9, 0.6, 0.8, 0.7, 0.7, 0.8, 0.6]  # of two seeds each: one ranks 1 to 4, one 4 to 1
    other = frame.assign(dev=9.0).set_axis(pd.MultiIndex.from_tuples([(run, 10) for run, _ in runs]))
    found = recorded_scores(pool, pd.concat([other, frame]).sample(frac=1, random_state=0))
    assert found["dev"].tolist() == [0.5, 2.5, 4.5, 6.5]
    assert found["mixval"].tolist() == [2.5] * 4
    assert np.isnan(found["reverse_validation"]).all()
    assert not {*found} & {*CRITERIA}
    assert recorded_scores(pool, frame.drop(index=runs[3:4])) == {}


def test_records_choose_for_the_target_as_it_is_alone(cases: list[Case]) -> None:
    rows = measure([replace(each, recorded={"mixval": -np.arange(8.0)}) for each in cases[1:3]])
    own = rows[rows["strategy"] == "mixval alone"]
    assert own["target"].tolist() == [AS_IT_IS] * 2
    assert own["deployed"].tolist() == ["source_only@20"] * 2


def test_what_has_a_record_of_some_tasks_is_compared_on_these(cases: list[Case]) -> None:
    """With the advice on the same tasks, in a table of its own."""
    chosen = {"mixval": np.arange(8.0)}
    found = evaluated([cases[0], *(replace(each, recorded=chosen) for each in cases[2:])])
    title, table = record.shown(found).split("### Criteria with records of part")[1].split("\n\n")[:2]
    assert title == " of the tasks (2 of 2 families): mixval"
    rows = {cells[1].strip(): cells for line in table.splitlines() if len(cells := line.split("|")) > 5}
    assert list(rows)[:1] + list(rows)[2:] == ["choice", "advice", "mixval alone"]
    own = found[(found["target"] == AS_IT_IS) & found["family"].isin(["two", "three"])]
    for name in ("advice", "mixval alone"):
        gain = own[own["strategy"] == name].groupby("family")["gain"].mean().mean()
        assert rows[name][2].split()[0] == f"{100 * gain:+.1f}"


def test_a_rule_that_is_fitted_without_an_idea_has_not_seen_its_methods() -> None:
    """Whatever they did in other families; and it chooses among them in the one that is left out."""
    usual = {"source_only": model(0.5), "dan": model(0.6), "coral": model(0.7), "dann": model(0.9)}
    found = []
    for adversarial in (model(0.9, 6), model(0.2, 6)):
        others = [case({**usual, "dann": adversarial}, task) for task in ("one/a-b", "two/c-dd")]
        rows = measure([*others, case(usual, "three/e-fff")])
        own = rows[
            (rows["strategy"] == "advice, fitted without adversarial methods") & (rows["family"] == "three")
        ]
        found.append(own["deployed"].item())
    assert len({*found}) == 1
    assert "dann" in found[0]


def test_other_features_of_the_same_data_are_no_other_family() -> None:
    """Else a rule would be scored on photographs that it was fitted on."""
    families = {
        replace(case(USUAL, "one/a-b"), task=f"{name}/amazon-dslr").family
        for name in ("office_caltech", "office_caltech_surf")
    }
    assert families == {"office_caltech"}


def outputs_folder(folder: Path, more: Mapping[str, str], file: str = "quick") -> Path:
    """Outputs of the core methods on `quick` with two seeds; of others, on tasks whose names end so, in a file."""
    grid = plan("quick", [*CORE, *more], (), range(2))
    specs = [s for s in grid.specs if s.method in CORE or s.task.partition("?")[0].endswith(more[s.method])]
    (folder / "outputs").mkdir(parents=True)
    for name in {"quick", file}:
        own = [s for s in specs if name == ("quick" if s.method in CORE else file)]
        said = [candidate(s.run_id, 10, model(0.8)(s.task, s.seed)) for s in own]
        save_outputs([each for each in said if each], folder / "outputs" / f"{name}.npz")
        save_labels({s.run_id: labels(s.task) for s in own}, folder / "outputs" / f"{name}-labels.npz")
    return folder


@pytest.mark.parametrize("file", ["quick", "quick-methods"])
def test_methods_beside_the_core_join_the_tasks_that_they_have_outputs_of(tmp_path: Path, file: str) -> None:
    more = {"bnm": "mnist5k-optdigits", "mcc": "5k_m", "shot": "mnist5k-optdigits"}
    folder = outputs_folder(tmp_path, more, file)
    core, wide = evidence.cases(folder=folder), evidence.cases("all", folder)
    assert [each.task for each in core] == [each.task for each in wide]
    assert all({*each.methods} == {*CORE} for each in core)
    assert [len(each.methods) for each in wide] == [10, 8, 9]
    assert evidence.of_methods(wide).splitlines()[1:] == ["On 1 task of digits alone: bnm, shot, mcc."]
    assert evidence.of_methods(core).startswith("Methods on all 3 tasks: source_only, ")
    rows = measure([*wide, case(USUAL, "one/a-b")])
    assert "advice, fitted without certainty methods" in [each.name for each in record.strategies(rows)]


def test_a_task_without_a_core_method_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = outputs_folder(tmp_path, {})
    monkeypatch.setattr(evidence, "METHODS", "core,bnm")
    with pytest.raises(UserError, match="no outputs of `core`"):
        evidence.cases(folder=folder)

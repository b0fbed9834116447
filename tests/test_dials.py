"""Dials: what they make of any data set's tasks, and what is learnt and scored of those."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.core.objective import ClassesWithUnknown, PartialClasses
from benchmarks.core.registry import DATASETS, DatasetInfo
from benchmarks.core.settings import UserError
from benchmarks.evaluation import oracle
from benchmarks.evaluation.outputs import Outputs, evaluation_inputs
from benchmarks.evaluation.scores import evaluate
from benchmarks.evaluation.validators import score_outputs
from benchmarks.plan.grid import plan
from benchmarks.plan.suite import swept
from benchmarks.report.dials import sweeps
from benchmarks.training.build import facts_of
from benchmarks.training.recorder import model_outputs
from datasets.base import (
    DomainFamily,
    Domains,
    Options,
    Samples,
    Task,
    class_names,
    facts_of_task,
    forget_tasks,
    load_task,
    resolve,
)
from datasets.base.dials import Dials
from datasets.toys import Toys
from tests.conftest import CANDIDATES, all_tasks, same, spec_of, takes_steps, trained, trainer_of, weights

END = torch.tensor(1.0, dtype=torch.float64)
TOY = "corners/here-there"


class Corners(DomainFamily):
    """Five blobs at the corners of a pentagon, which is moved a little."""

    name = "corners"
    domains = ("here", "there")

    def classes(self, task: str) -> tuple[str, ...]:
        return ("a", "b", "c", "d", "e")

    def protocol(self, task: str) -> dict[str, Any]:
        return {"backbone": "mlp"}

    def read_domain(self, domain: str) -> Samples:
        rng = np.random.default_rng(self.domains.index(domain))
        y = np.arange(2000) % 5
        corners = 4 * np.c_[np.cos(2 * np.pi * y / 5), np.sin(2 * np.pi * y / 5)]
        x = corners + rng.normal(0, 0.6, (2000, 2)) + (domain == "there") * 0.7
        return Samples(x.astype(np.float32), y)


class Slopes(DomainFamily):
    """A real number is a sum of two inputs, of which one has moved."""

    name = "slopes"
    domains = ("low", "high")

    def objective(self, task: str) -> str:
        return "real"

    def classes(self, task: str) -> tuple[str, ...]:
        return ("height",)

    def protocol(self, task: str) -> dict[str, Any]:
        return {"backbone": "mlp"}

    def read_domain(self, domain: str) -> Samples:
        rng = np.random.default_rng(self.domains.index(domain))
        x = rng.normal(0, 1, (400, 2)) + (domain == "high")
        return Samples(x.astype(np.float32), (x.sum(axis=1) - 1).astype(np.float32))


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    for family in (Corners, Slopes):
        DATASETS.register(family.name, DatasetInfo(version=1, summary="-", licence="-"))(family)
    yield
    for family in (Corners, Slopes):
        DATASETS.remove(family.name)


# 1. One way of writing.


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("source_classes=0:1:2:3", "source_classes=0-3"),
        ("target_classes=4:0-1:1", "target_classes=0-1:4"),
        ("target_classes=0-4", ""),
        ("prior=0.20:.2:0.2:2e-1:0.20", "prior=0.2:0.2:0.2:0.2:0.2"),
        ("imbalance=target:0.5:source:.10", "imbalance=source:0.1:target:0.5"),
        ("imbalance=source:1", ""),
        ("shots=0&label_noise=0.0&split=0", ""),
        ("shots=03&source_size=0100", "shots=3&source_size=100"),
    ],
)
def test_values_that_mean_the_same_are_one_task(written: str, canonical: str) -> None:
    assert resolve(f"{TOY}?{written}").name == TOY + (f"?{canonical}" if canonical else "")
    assert resolve(resolve(f"{TOY}?{written}").name) == resolve(f"{TOY}?{written}")


def test_classes_are_named_by_their_names_or_by_numbers() -> None:
    task = "har/2-11?target_classes="
    assert resolve(task + "walking:walking_downstairs").name == task + "0:2"
    assert resolve(task + "0:2").name == task + "0:2"
    assert class_names("har/2-11?source_classes=sitting:laying") == ["sitting", "laying", "unknown"]


@pytest.mark.parametrize(
    "names",
    ["-1 0 1 2", "-2 -1 0 1 2", "0-2 3 4-6 7", "1 1-3 2 3", "0 0-0 1", "- -- 0", "a b 0-1 2", "a 0-1 b", "a b"],
)
def test_classes_of_any_name_come_back_as_they_are_written(names: str) -> None:
    """Names may have dashes, as numbers below 0 and ranges of ages have, and dashes stand in ranges too."""
    classes = names.split()
    for size in range(1, len(classes)):
        for chosen in combinations(classes, size):
            said = Options(target_classes=":".join(chosen)).canonical(classes, "-")
            assert said.canonical(classes, "-") == said
            assert [classes[number] for number in said.class_sets(classes, "-").target] == [*chosen]


@pytest.mark.parametrize(
    ("names", "said", "chosen"),
    [("-2 -1 0 1", "-2--1", [0, 1]), ("-1 0 1 2", "-1-1", [0, 1, 2]), ("0-2 3 4-6", "3-4-6", [1, 2])],
)
def test_a_range_may_have_ends_with_dashes(names: str, said: str, chosen: list[int]) -> None:
    try:
        read = Options(target_classes=said).class_sets(names.split(), "-").target
    except UserError as error:
        pytest.fail(str(error))
    assert [*read] == chosen


def test_a_dial_at_its_default_changes_no_identity() -> None:
    assert not {*resolve(TOY).options} & {*Options.model_fields}
    assert resolve(f"{TOY}?shots=2").without_dials == TOY


@pytest.mark.parametrize(
    ("dials", "said"),
    [
        ("source_classes=0", "takes two"),
        ("source_classes=0-1&target_classes=2-4", "no class in common"),
        ("source_classes=7", "no class 7; there are 5"),
        ("target_classes=3-1", "smaller end first"),
        ("target_classes=", "expected key=value"),
        ("prior=0.5:0.5", "prior has 2 shares, and the target 5 classes"),
        ("prior=0.5:0.1:0.1:0.1:0.1", "add up to 1"),
        ("prior=-1", "numbers from 0"),
        ("prior=nan", "numbers from 0"),
        ("prior=1e-300", "concentration"),
        ("prior=flip&source_classes=0-3", "prior=flip"),
        ("prior=flip&imbalance=target:0.1", "leave one out"),
        ("imbalance=0.1", "expected source:ratio"),
        ("imbalance=source:0.1:source:0.2", "expected source:ratio"),
        ("imbalance=source:0", "from 1e-09 to 1"),
        ("imbalance=source:1e-320", "from 1e-09 to 1"),
        ("imbalance=source:0.1_0", "numbers from 0"),
        ("prior=0.2:0.2:0.2:0.2:0.2_0", "numbers from 0"),
        ("label_noise=1", "less than 1"),
        ("label_noise=0.1_0", "label_noise = '0.1_0': .*a number without _"),
        ("target_size=5_0", "a number without _"),
        ("shots=-1", "greater than or equal to 0"),
        ("source_size=0", "greater than or equal to 1"),
        ("target_size=1e3", "valid integer"),
        ("shots=900", "shots=900, and the target has"),
        ("target_size=5000", "samples to train on"),
        ("source_size=1", "it takes one of each"),
    ],
)
def test_what_no_task_can_be_is_one_line(dials: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        load_task(f"{TOY}?{dials}")
    assert "\n" not in str(error.value)


# 2. What they make of a task.


def parts(task: Task) -> dict[str, np.ndarray]:
    """Labels by part, those that no training sees among them."""
    train, val, labels = task.train_view(), task.evaluation_view(), task.oracle()
    few = np.zeros(0, np.int64) if train.few is None else train.few.y
    return {
        "source": np.concatenate([train.source.y, val.source_val.y]),
        "source test": val.source_test.y,
        "target": labels.target_train_y,
        "target test": labels.target_test_y,
        "few": few,
    }


def test_partial_and_open_are_dials_of_classes() -> None:
    both = parts(load_task(f"{TOY}?source_classes=0-3&target_classes=2-4"))
    assert set(both["source"]) == set(both["source test"]) == {0, 1, 2, 3}
    assert set(both["target"]) == set(both["target test"]) == {2, 3, 4}  # 4 is unknown
    assert facts_of_task(f"{TOY}?target_classes=1-3").traits == ("partial",)
    assert facts_of_task(f"{TOY}?source_classes=1-3").traits == ("open",)
    assert facts_of_task(f"{TOY}?source_classes=1-3").n_classes == 3


def test_a_dial_takes_samples_and_invents_none() -> None:
    """Labels of a source without its first class are renumbered with their samples."""
    whole, without = load_task(TOY).train_view().source, load_task(f"{TOY}?source_classes=1-4").train_view().source
    kept = whole.y > 0
    np.testing.assert_array_equal(without.x, whole.x[kept])
    np.testing.assert_array_equal(without.y, whole.y[kept] - 1)


@pytest.mark.parametrize("prior", ["0.5:0.3:0.1:0.05:0.05", "0.5", "flip&imbalance=source:0.1", "0.6:0.4:0:0:0"])
def test_the_prior_is_met_within_a_sample_a_class_in_every_part(prior: str) -> None:
    found = parts(load_task(f"{TOY}?prior={prior}"))
    shares = [np.bincount(found[part], minlength=5) / len(found[part]) for part in ("target", "target test")]
    for part, share in zip(("target", "target test"), shares, strict=True):
        assert abs(share - shares[0]).max() * len(found[part]) <= 2  # both round
    if prior.startswith("0.5:"):
        assert abs(shares[0] - [0.5, 0.3, 0.1, 0.05, 0.05]).max() * len(found["target"]) <= 1
    if prior.startswith("flip"):
        assert (np.diff(np.bincount(found["source"])) < 0).all()
        assert (np.diff(shares[0]) > 0).all()


def test_imbalance_is_of_the_smallest_class_over_the_largest() -> None:
    found = parts(load_task(f"{TOY}?imbalance=source:0.1"))
    sizes = np.bincount(found["source"])
    assert sizes[-1] / sizes[0] == pytest.approx(0.1, abs=0.01)
    np.testing.assert_allclose(sizes[1:] / sizes[:-1], 0.1**0.25, rtol=0.1)
    assert len(found["target"]) == len(parts(load_task(TOY))["target"])


def test_sizes_are_of_training_samples_and_leave_the_test_samples() -> None:
    whole, small = load_task(TOY), load_task(f"{TOY}?source_size=60&target_size=40&shots=2")
    found = parts(small)
    assert (len(found["source"]), len(found["target"]), len(found["few"])) == (60, 40, 10)
    for of in ("source_test", "target_test_x"):
        first, second = (getattr(task.evaluation_view(), of) for task in (whole, small))
        np.testing.assert_array_equal(getattr(first, "x", first), getattr(second, "x", second))


def test_noise_is_in_labels_of_the_source_that_train_and_validate() -> None:
    clean, noisy = (parts(load_task(TOY + dials)) for dials in ("", "?label_noise=0.3"))
    assert (clean["source"] != noisy["source"]).mean() == pytest.approx(0.3, abs=0.002)
    for part in ("source test", "target", "target test"):
        np.testing.assert_array_equal(clean[part], noisy[part])


def test_a_smaller_value_takes_a_part_of_what_a_larger_one_takes() -> None:
    for dial, of in (("shots", "few"), ("target_size", "target"), ("source_size", "source")):
        small, large = (
            {x.tobytes() for x in getattr(load_task(f"{TOY}?{dial}={value}").train_view(), of).x}
            for value in (10, 20)
        )
        assert len(small) < len(large)
        assert small < large


@pytest.mark.parametrize("transductive", [False, True])
def test_shots_and_their_groups_are_in_no_other_part(transductive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    y, groups = np.arange(120) % 3, np.arange(120) // 4  # of three classes, the fourth of the first again
    domain = Samples(np.arange(240, dtype=np.float32).reshape(120, 2), y, groups=groups)
    monkeypatch.setattr(Toys, "read", lambda *_: Domains([domain], [domain]))
    monkeypatch.setattr(Toys, "classes", lambda *_: tuple("012"))
    task = load_task("toys/blobs?shots=2", transductive=transductive)
    few = task.train_view().few
    assert few is not None
    np.testing.assert_array_equal(np.bincount(few.y), [2, 2, 2])
    granted = {*groups[few.x[:, 0].astype(int) // 2]}
    for x in (task.train_view().target.x, task.evaluation_view().target_test_x):
        assert len(x)
        assert not granted & {*groups[x[:, 0].astype(int) // 2]}
    assert len(granted) <= 6


def test_references_know_the_shots_too_and_say_unknown() -> None:
    task = load_task(f"{TOY}?shots=3&source_classes=0-2")
    view = task.supervised("target")
    assert view.few is None
    assert len(view.source.y) > len(parts(task)["few"])
    assert {*view.source.y} == {0, 1, 2, 3}
    assert facts_of(view, task.facts).n_classes == 4
    assert facts_of(task.train_view(), task.facts).n_classes == 3


# 3. What is drawn, and what is blind to what.

MARKS = 10**6  # x is the number of the sample, and this much more of a target


def marked(domains: Domains) -> Domains:
    """With the number of each sample as its only input, so that it can be followed."""

    def numbered(samples: Samples, first: int) -> Samples:
        return replace(samples, x=np.arange(first, first + len(samples.y), dtype=np.float32)[:, None])

    return Domains(
        [numbered(source, 2 * MARKS * number) for number, source in enumerate(domains.sources)],
        [numbered(target, 2 * MARKS * number + MARKS) for number, target in enumerate(domains.targets)],
    )


@cache
def read(name: str) -> Domains:
    spec = resolve(name)
    family = DATASETS.get(spec.family)()
    return marked(family.read(spec.task, family.options(spec.task)()))


def one_of_each_family() -> list[Any]:
    """The first task of each. Own data has a test of its own."""
    found = {task.values[0].partition("/")[0]: task for task in reversed(all_tasks())}
    return [*found.values()]


def numbers(view: Any) -> set[int]:
    return set() if view is None else {int(each) for each in np.ravel(getattr(view, "x", view))}


def dials(n_classes: int) -> st.SearchStrategy[dict[str, Any]]:
    """Values that may fit a task of so many classes; not all do."""
    some = st.sets(st.integers(0, n_classes - 1), min_size=1).map(lambda found: ":".join(map(str, sorted(found))))
    shares = st.lists(st.integers(0, 4), min_size=n_classes, max_size=n_classes).filter(any)
    prior = st.one_of(
        st.sampled_from(["flip", "0.5", "10"]),
        shares.map(lambda parts: ":".join(f"{part / sum(parts):.4f}" for part in parts)),
    )
    return st.fixed_dictionaries(
        {},
        optional={
            "source_classes": some,
            "target_classes": some,
            "prior": prior,
            "imbalance": st.sampled_from(["source:0.2", "target:0.5", "source:0.5:target:0.2"]),
            "source_size": st.integers(1, 300),
            "target_size": st.integers(1, 300),
            "label_noise": st.sampled_from([0.1, 0.5]),
            "shots": st.integers(0, 5),
        },
    )


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), transductive=st.booleans())
@pytest.mark.parametrize("name", one_of_each_family())
def test_any_dials_give_a_valid_task_or_one_line(
    name: str, data: st.DataObject, transductive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _holds(name, data, transductive, monkeypatch)


@pytest.mark.thorough
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), transductive=st.booleans())
@pytest.mark.parametrize("name", one_of_each_family())
def test_many_more_dials_give_a_valid_task_or_one_line(
    name: str, data: st.DataObject, transductive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _holds(name, data, transductive, monkeypatch)


def _holds(name: str, data: st.DataObject, transductive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    domains, classes = read(name), len(class_names(name))
    monkeypatch.setattr(DATASETS.get(resolve(name).family), "read", lambda *_: domains)
    asked = data.draw(dials(classes))
    text = "&".join(f"{dial}={value}" for dial, value in asked.items())
    try:
        found = resolve(f"{name}?{text}" if text else name).name
        task = load_task(found, transductive=transductive)
    except UserError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert "\n" not in said
        assert said.startswith((name, f"task '{name}"))
        return
    assert resolve(found).name == found
    assert task.facts.traits == facts_of_task(found).traits
    planned = facts_of_task(found)
    assert (task.facts.n_classes, task.facts.objective) == (planned.n_classes, planned.objective)
    train, scored = task.train_view(), task.evaluation_view()
    # No sample is in two parts; where scoring is transductive, what trains without labels is what is scored.
    few, seen, tested = numbers(train.few), numbers(train.target), numbers(scored.target_test_x)
    assert not few & (seen | tested)
    assert tested <= seen if transductive else not seen & tested
    y = {int(x): y for target in domains.targets for x, y in zip(target.x[:, 0], target.y, strict=True)}
    if shots := asked.get("shots"):
        assert train.few is not None
        labels, sizes = np.unique(train.few.y, return_counts=True)
        assert set(sizes) == {shots}
        assert max(labels) < len(task.classes)
        assert [class_names(found)[label] for label in train.few.y] == [
            class_names(name)[y[int(x)]] for x in train.few.x[:, 0]
        ]
    if size := asked.get("target_size"):
        assert len(seen) == size
    if size := asked.get("source_size"):
        assert len(train.source.y) + len(scored.source_val.y) == size
    if len(shares := asked.get("prior", "").split(":")) > 1 and not {"shots", "target_size"} & asked.keys():
        labels = np.array([y[number] for number in seen])
        wanted = np.array(list(map(float, shares))) / sum(map(float, shares))
        present = sorted(
            {*(map(int, asked["target_classes"].split(":")))} if "target_classes" in asked else range(classes)
        )
        sizes = np.bincount(labels, minlength=classes)[present]
        # Each class is rounded, and so is their sum.
        assert abs(sizes - wanted * len(labels)).max() <= 1 + len(wanted) / 2 * wanted.max()


BLIND = "source_size=100&target_size=30&label_noise=0.2&imbalance=source:0.3&source_classes=0-3"


def test_dials_that_do_not_define_the_target_are_blind_to_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    views = []
    for seed in (0, 1):
        rng, domains = np.random.default_rng(seed), read(TOY)
        targets = [replace(target, y=rng.permutation(target.y)) for target in domains.targets]
        permuted = Domains(domains.sources, targets)
        monkeypatch.setattr(Corners, "read", lambda *_, made=permuted: made)
        task = load_task(f"{TOY}?{BLIND}")
        views.append((numbers(task.train_view().target), numbers(task.evaluation_view().target_test_x)))
        forget_tasks()
    assert views[0] == views[1]


@pytest.mark.parametrize("transductive", [False, True])
def test_noise_for_labels_after_the_dials_changes_nothing_but_scores(
    transductive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the target, and but for the labels that are granted: weights are the same to the bit."""
    name = "corners/here-there?source_classes=0-2&prior=0.4:0.3:0.1:0.1:0.1&shots=2&target_size=50"
    spec = spec_of("dann", name, steps=6)
    applied = Dials.applied

    def noisy(self: Dials, domains: Domains) -> Domains:
        found = applied(self, domains)
        noise = np.random.default_rng(0)
        targets = [
            replace(target, y=np.where(target.few, target.y, noise.integers(4, size=len(target.y))))
            for target in found.targets
        ]
        return Domains(found.sources, targets)

    honest = load_task(name, transductive=transductive)
    monkeypatch.setattr(Dials, "applied", noisy)
    forget_tasks()
    deceived = load_task(name, transductive=transductive)
    assert not np.array_equal(honest.oracle().target_test_y, deceived.oracle().target_test_y)
    assert same(weights(trained(spec, honest)), weights(trained(spec, deceived)))


# 4. Labels that are granted.


def task_terms(trainer: Any, few: Any) -> list[float]:
    """The task terms of all updates of a method, before its first step, on a batch with these granted samples."""
    found = []
    for stage in trainer.stages:
        batch = replace(trainer.batches.at(0, stage.sees, views=stage.views), few=few)
        for update in stage.updates:
            torch.manual_seed(0)
            loss = update.loss(batch, END)
            found += [] if loss.task is None else [float(loss.task.detach())]
    return found


def with_shots(task: str) -> str:
    return task if "shots=" in task else f"{task}{'&' if '?' in task else '?'}shots=2"


@pytest.mark.parametrize("method", [name for name in CANDIDATES if takes_steps(name)])
def test_granted_labels_are_in_the_task_term_of_every_method(method: str) -> None:
    spec = spec_of(method, TOY)
    trainer = trainer_of(replace(spec, task=resolve(with_shots(spec.task)).name))
    few = trainer.few
    assert few is not None
    other = replace(few, y=(few.y + 1) % trainer.method.n_classes)
    assert task_terms(trainer, few) != task_terms(trainer, other)


@pytest.mark.parametrize("method", ["source_only", "dann"])
def test_runs_of_one_id_have_the_same_batches_of_the_few(method: str) -> None:
    spec = replace(spec_of(method), task=resolve("toys/blobs?shots=5").name)
    other = replace(spec, protocol=spec.protocol.replace({"target_batch": 3}, "protocol"))
    drawn = [trainer_of(each).batches.at(0, sees="source").few for each in (spec, other)]
    assert (spec.run_id == other.run_id) == (method == "source_only")
    assert torch.equal(drawn[0].index, drawn[1].index)


def test_the_few_count_as_much_as_the_source_and_none_changes_nothing() -> None:
    trainer = trainer_of(spec_of("source_only", "corners/here-there?shots=2", precision="float64"))
    batch = trainer.batches.at(0, sees="source")
    assert batch.few is not None
    source, _, few = trainer.method.embed(batch)
    errors = [torch.nn.functional.cross_entropy(side.logits, side.samples.y) for side in (source, few)]
    torch.testing.assert_close(trainer.method.loss(batch, END).task, errors[0] + errors[1])


def test_a_shallow_method_has_the_few_in_its_source() -> None:
    task = load_task("corners/here-there?shots=3")
    trainer = trainer_of(spec_of("lda", task.name), task)
    assert len(trainer.source.y) == len(task.train_view().source.y) + 15
    assert trainer.method.facts.source_size == len(trainer.source.y)
    assert trainer.source.domain[-15:].unique().tolist() == [1]
    np.testing.assert_array_equal(trainer.source.y[-15:].numpy(), task.train_view().few.y)


# 5. A toy for each setting.


def scored(spec: Any) -> tuple[dict[str, float], Outputs]:
    """The scores of a training's end, from target labels."""
    task = load_task(spec.task)
    inputs = evaluation_inputs(task.train_view(), task.evaluation_view())
    outputs = model_outputs(trained(spec), inputs, last=True)
    predictions = task.objective.predicted(outputs["target_test.logits"], outputs["source_val.logits"])
    labels = replace(task.oracle(), target_train_y=task.oracle().target_test_y)
    return oracle.evaluate_oracle(outputs, labels) | oracle.evaluate_last(outputs, predictions, labels), outputs


QUICK = {"steps": 150, "lr_backbone": 0.01, "lr_new": 0.01}


def test_an_open_task_is_scored_by_what_is_known_and_what_is_unknown() -> None:
    found, _ = scored(spec_of("source_only", "corners/here-there?source_classes=a:b:c:d", **QUICK))
    known, unknown = found["target_os_star"], found["target_unknown_accuracy"]
    assert known > 0.7
    assert found["target_h_score"] == pytest.approx(2 * known * unknown / (known + unknown) if unknown else 0)
    assert found["target_class_mean_accuracy"] == pytest.approx(found["target_os"])
    assert np.shape(found["confusion"]) == (5, 5)


def test_a_partial_task_tells_what_goes_to_absent_classes() -> None:
    found, outputs = scored(spec_of("source_only", "corners/here-there?target_classes=a:b", **QUICK))
    said = outputs["target_test.logits"].argmax(1)
    assert found["target_absent_share"] == pytest.approx((said > 1).mean())
    assert found["target_class_mean_accuracy"] > 0.7


def test_few_labels_help_where_the_source_misleads() -> None:
    adapted, alone = (
        scored(spec_of("source_only", f"toys/blobs{shots}", **QUICK))[0]["target_test_accuracy"]
        for shots in ("?shots=5", "")
    )
    assert adapted > alone + 0.2


def test_real_numbers_are_learnt_and_scored_by_their_error() -> None:
    found, outputs = scored(spec_of("coral", "slopes/low-high", **QUICK))
    assert found["target_rmse"] < 0.7
    assert found["target_r2"] == pytest.approx(
        1 - (found["target_rmse"] / outputs["source_test.y"].std()) ** 2, abs=0.1
    )
    assert not {"target_test_accuracy", "confusion"} & found.keys()
    labels = load_task("slopes/low-high").oracle()
    assert oracle.right(outputs, labels) == ""
    assert evaluate(outputs)["source_val_rmse"] < 0.7
    chosen = score_outputs(outputs, ["entropy", "source_accuracy", "iwcv", "proxy_a_distance"])
    assert [name for name, value in chosen.items() if not np.isnan(value)] == ["proxy_a_distance"]


@pytest.mark.parametrize("columns", [3, 4])
def test_unknown_is_what_a_method_says_or_is_less_sure_of_than_of_the_source(columns: int) -> None:
    objective = ClassesWithUnknown(3)
    sure, torn = np.eye(columns) * 9, np.zeros((3, columns))
    source = np.repeat(sure[:1], 40, axis=0)
    said = objective.predicted(np.concatenate([sure, torn]), source).tolist()
    assert said == ([0, 1, 2, 3, 3, 3] if columns == 3 else [0, 1, 2, 3, 0, 0, 0])


def test_h_is_the_harmonic_mean_and_has_no_value_without_both_kinds() -> None:
    logits, y = np.eye(4)[[0, 0, 1, 3, 3, 0]] * 9, np.array([0, 0, 1, 1, 3, 3])
    found = ClassesWithUnknown(3).scores(logits, y, logits)
    assert found == {
        "target_h_score": pytest.approx(2 * 0.75 * 0.5 / 1.25),
        "target_os_star": 0.75,
        "target_unknown_accuracy": 0.5,
        "target_os": pytest.approx((1 + 0.5 + 0.5) / 3),
        "target_overall_accuracy": pytest.approx(4 / 6),
    }
    assert ClassesWithUnknown(3).scores(logits[:4], y[:4], logits) == {}


def test_absent_classes_are_those_of_no_scored_sample() -> None:
    found = PartialClasses(3).scores(np.eye(3)[[0, 1, 2, 2]], np.array([0, 1, 1, 1]), np.eye(3))
    assert found == {"target_test_accuracy": 0.5, "target_absent_share": 0.5}


# 6. Grids of such tasks.


def test_a_sweep_is_every_task_with_each_value() -> None:
    tasks = swept(["toys/blobs", "toys/moons?rotation=50"], "shots", ["0", "3"])
    assert tasks == [
        "toys/blobs",
        "toys/blobs?shots=3",
        "toys/moons?rotation=50",
        "toys/moons?rotation=50&shots=3",
    ]
    assert sweeps(tasks) == {
        ("toys/blobs", "shots"): {"0": tasks[0], "3": tasks[1]},
        ("toys/moons?rotation=50", "shots"): {"0": tasks[2], "3": tasks[3]},
    }
    with pytest.raises(UserError, match="has a value of it already"):
        swept(["toys/blobs?shots=1"], "shots", ["3"])
    with pytest.raises(UserError, match="unknown setting 'shot'; did you mean 'shots'"):
        swept(["toys/blobs"], "shot", ["3"])


@pytest.mark.parametrize(
    ("suite", "traits"), [("few", {"few"}), ("partial", {"partial"}), ("open", {"open"}), ("label-shift", set())]
)
def test_its_suite_is_of_its_setting_and_of_two_families(suite: str, traits: set[str]) -> None:
    grid = plan(suite, ["source_only", "dann"])
    assert not grid.not_applicable
    assert len({spec.family for spec in grid.specs}) == 2
    for spec in grid.specs:
        assert {*facts_of_task(spec.task).traits} - {"partial"} == traits - {"partial"}
        assert traits <= {*facts_of_task(spec.task).traits}


def test_the_pages_dials_are_as_it_says() -> None:
    page = (Path(__file__).parents[1] / "datasets/README.md").read_text()
    shown = re.findall(r"^\| `(\w+=[\w.:-]+)` \|", page, re.MULTILINE)
    assert {each.partition("=")[0] for each in shown} == {*Options.model_fields}
    for dial in shown:
        load_task(f"toys/blobs?{dial}" if dial.startswith("prior") else f"{TOY}?{dial.replace('0-4', '0-3')}")

"""What every registered task must keep to."""

import dataclasses
import zlib
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError
from datasets import digits, toys
from datasets.base import DomainFamily, Domains, Family, Samples, Task, forget_tasks, load_task, resolve
from datasets.base.splits import draw
from tests.conftest import all_tasks, with_target_labels

TASKS = all_tasks()


@cache
def loaded(name: str) -> Task:
    """A task, read once for all tests that change nothing."""
    return load_task(name)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_loads_with_its_classes_and_splits(name: str) -> None:
    task = loaded(name)
    train, view, oracle = task.train_view(), task.evaluation_view(), task.oracle()
    assert len(oracle.target_test_y) == len(view.target_test_x) >= (2 if name.startswith("eeg/") else 45)
    assert len(oracle.target_train_y) == len(train.target.x)
    for labelled in (train.source, view.source_val, view.source_test):
        assert len(labelled.x) == len(labelled.y) == len(labelled.domain)
        assert set(labelled.y) == set(range(len(task.classes)))
        assert labelled.x.shape[1:] == task.input_shape == train.target.x.shape[1:]


# Rows that are in the published training and test files of a domain; short sentences with the same known words.
REPEATED = {"amazon": 152, "sentiment": 15, "pairs": 1}


def rows(x: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in x}


@pytest.mark.parametrize("name", TASKS)
def test_no_sample_is_on_two_sides(name: str) -> None:
    """No input twice among training and test sets, within a domain or across the two."""
    task = loaded(name)
    train, view = task.train_view(), task.evaluation_view()
    parts = [train.source.x, view.source_val.x, view.source_test.x, view.target_test_x, train.target.x]
    sets = [rows(part) for part in parts]
    for i, a in enumerate(sets):
        for b in sets[i + 1 :]:
            assert len(a & b) <= REPEATED.get(name.partition("/")[0], 0)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_the_same_every_time(name: str) -> None:
    first = loaded(name).train_view()
    forget_tasks()
    second = load_task(name).train_view()
    assert np.array_equal(first.source.x, second.source.x)
    assert np.array_equal(first.target.x, second.target.x)


@pytest.mark.parametrize("name", TASKS)
def test_another_draw_of_the_splits_moves_samples_and_loses_none(name: str) -> None:
    if name.startswith(("har/", "bearings/")):
        with pytest.raises(UserError, match="all splits are the data set's own"):
            load_task(f"{name}?split=1")
        return
    parts, labels = [], []
    for task in (loaded(name), load_task(f"{name}{'&' if '?' in name else '?'}split=1")):
        view, oracle = task.evaluation_view(), task.oracle()
        parts.append(view.source_val.x)
        share = len(view.target_test_x) / (len(view.target_test_x) + len(task.train_view().target.x))
        labels.append(pytest.approx(share, abs=0.05))  # of whole groups, where there are any
        labels.append(sorted(np.concatenate([task.train_view().source.y, view.source_val.y, view.source_test.y])))
        labels.append(sorted(np.concatenate([oracle.target_train_y, oracle.target_test_y])))
    assert not np.array_equal(*parts)
    assert labels[:3] == labels[3:]


def test_the_first_draw_is_the_default_and_no_other_run() -> None:
    assert resolve("toys/moons?split=0") == resolve("toys/moons")
    assert resolve("toys/moons?split=0").options == {"rotation": 35.0}
    assert resolve("toys/moons?split=2").name == "toys/moons?split=2"


@pytest.mark.parametrize("name", TASKS)
def test_target_splits_are_blind_to_labels(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With the target's labels in another order at the reader, the views hold the same inputs."""
    before = loaded(name)
    family = DATASETS.get(resolve(name).family)
    read = family.read

    def shuffled(self: Family, task: str, options: Any) -> Domains:
        return with_target_labels(read(self, task, options), np.random.default_rng(0).permutation)

    monkeypatch.setattr(family, "read", shuffled)
    forget_tasks()
    after = load_task(name)
    assert np.array_equal(before.train_view().target.x, after.train_view().target.x)
    views = [task.evaluation_view().target_test_x for task in (before, after)]
    assert np.array_equal(*views)
    labels = [task.oracle().target_test_y for task in (before, after)]
    assert not np.array_equal(*labels)


def test_a_target_without_test_samples_can_be_scored_transductively_alone() -> None:
    source = Samples(np.zeros((20, 2), np.float32), np.arange(20) % 2)
    target = dataclasses.replace(source, test=np.zeros(20, bool))
    with pytest.raises(UserError, match="the target has no test samples"):
        Task("t", ("a", "b"), [source], [target])
    assert len(Task("t", ("a", "b"), [source], [target], transductive=True).oracle().target_test_y) == 20


@pytest.mark.parametrize("name", ["digits/optdigits-mnist5k", "digits/mnist5k-optdigits"])
def test_transductive_scoring_uses_the_target_samples_of_training(name: str) -> None:
    """All of the target, but for the test samples that optdigits has of its own."""
    task, inductive = load_task(name, transductive=True), load_task(name)
    x = task.train_view().target.x
    assert np.array_equal(task.evaluation_view().target_test_x, x)
    assert np.array_equal(task.oracle().target_test_y, task.oracle().target_train_y)
    assert len(task.oracle().target_test_y) == len(x)
    unseen = len(inductive.evaluation_view().target_test_x) if name.endswith("mnist5k") else 0
    assert len(x) == len(inductive.train_view().target.x) + unseen


def test_several_sources_are_numbered() -> None:
    source = load_task("digits/mnist5k+optdigits-mnist5k_m").train_view().source
    assert set(source.domain) == {0, 1}
    assert source.x.shape[1] == 3


def test_grey_is_repeated_where_the_other_domain_has_colour() -> None:
    x = load_task("digits/mnist5k-mnist5k_m").train_view().source.x
    assert np.array_equal(x[:, 0], x[:, 1])
    assert load_task("digits/mnist5k-optdigits").input_shape == (1, 28, 28)


def test_mnist5k_m_inverts_crops_and_keeps_test_crops_apart() -> None:
    from sklearn.datasets import load_sample_images

    made, (images, labels) = digits._mnist5k_m(), digits._mnist()
    assert np.array_equal(made.y, labels[: digits.SET_ASIDE])
    photographs = load_sample_images().images
    border = round(0.7 * 640)
    for side, columns in ((False, slice(0, border)), (True, slice(border, 640))):
        i = int(np.flatnonzero(made.test == side)[0])
        crop = made.x[i].transpose(1, 2, 0)
        crop = np.where(images[i][:, :, None] > 0, 255 - crop, crop)
        assert any(holds(photograph[:, columns], crop) for photograph in photographs)


def holds(photograph: np.ndarray, crop: np.ndarray) -> bool:
    """Whether a crop (28, 28, 3) is somewhere in it: looked for where its first pixel is."""
    corners = np.argwhere((photograph[:-27, :-27] == crop[0, 0]).all(2))
    return any(np.array_equal(photograph[y : y + 28, x : x + 28], crop) for y, x in corners)


def test_mnist_digits_of_two_domains_are_disjoint() -> None:
    assert not rows(digits._mnist5k().x) & rows(digits._mnist()[0][: digits.SET_ASIDE, None])


@given(st.lists(st.integers(0, 8), min_size=4, max_size=60), st.floats(0.1, 0.6))
def test_groups_stay_on_one_side(groups: list[int], share: float) -> None:
    ids = np.array(groups)
    mask = draw(len(ids), ids, share, np.random.default_rng(0))
    for group in set(groups):
        assert len(set(mask[ids == group])) == 1


@given(st.integers(10, 500), st.floats(0.1, 0.6))
def test_a_drawn_share_is_met(size: int, share: float) -> None:
    assert abs(draw(size, None, share, np.random.default_rng(0)).sum() - share * size) <= 1


GOOD = Samples(np.zeros((20, 2), np.float32), np.arange(20) % 2)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (dataclasses.replace(GOOD, x=np.full((20, 2), np.nan, np.float32)), "NaN"),
        (dataclasses.replace(GOOD, x=np.zeros((20, 2))), "float64"),
        (dataclasses.replace(GOOD, x=np.zeros((20, 3), np.float32)), "different shapes"),
        (dataclasses.replace(GOOD, y=np.arange(20)), "labels must be"),
        (dataclasses.replace(GOOD, y=np.arange(20) % 2 - 2), "labels must be"),
        (dataclasses.replace(GOOD, y=np.zeros(19, np.int64)), "19 labels"),
        (Samples(np.zeros((0, 2), np.float32), np.zeros(0, np.int64)), "at least"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_samples_end_with_one_clear_message(bad: Samples, message: str) -> None:
    for sources, target in (([bad], GOOD), ([GOOD], bad)):
        with pytest.raises(UserError, match=message):
            Task("mine/a-b", ("0", "1"), sources, [target])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toys", "expected family/task"),
        ("toys/blob", "did you mean 'blobs'"),
        ("toy/blobs", "did you mean 'toys'"),
        ("toys/moons?rotation=a", "rotation"),
        ("toys/moons?rotatoin=3", "did you mean 'rotation'"),
        ("toys/moons?rotation=3&rotation=4", "twice"),
        ("toys/blobs?m=1", "unknown setting"),
        ("digits/mnist5k", "expected source-target"),
        ("digits/mnist5k-mnits", "no domain"),
        ("digits/mnist5k-mnist", "hold the same digits"),
        ("digits/mnist5k-mnist5k", "named twice"),
    ],
)
def test_a_wrong_task_name_says_what_is_wrong(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(name)


def test_names_are_canonical() -> None:
    assert resolve("toys/moons?rotation=35").name == "toys/moons"
    assert (
        resolve("toys/moons?rotation=50").name
        == resolve("toys/moons?rotation=50.0").name
        == "toys/moons?rotation=50"
    )


def test_domain_families_offer_every_ordered_pair_unless_they_list_some() -> None:
    families = [family for name in DATASETS.names() if isinstance(family := DATASETS.get(name)(), DomainFamily)]
    for family in families:
        if type(family).tasks is not DomainFamily.tasks:
            assert all(resolve(f"{family.name}/{task}") for task in family.tasks())
            continue
        assert len(family.tasks()) == len(family.domains) * (len(family.domains) - 1)


@pytest.mark.parametrize("name", TASKS)
def test_a_reversed_task_swaps_the_domains_and_never_reads_target_labels(name: str) -> None:
    task = loaded(name)
    view = task.train_view()
    predicted = [zlib.crc32(x.tobytes()) % len(task.classes) for x in view.target.x]
    back = task.reversed(np.array(predicted))
    scored, held_out = back.evaluation_view(), task.evaluation_view().source_val
    targets = rows(view.target.x)
    for part in (back.train_view().source, scored.source_val, scored.source_test):
        assert rows(part.x) <= targets
        assert part.y.tolist() == [zlib.crc32(x.tobytes()) % len(task.classes) for x in part.x]
    assert np.array_equal(back.train_view().target.x, view.source.x)
    assert np.array_equal(scored.target_test_x, held_out.x)
    assert np.array_equal(back.oracle().target_test_y, held_out.y)


def test_references_are_trained_on_the_labels_they_are_named_after() -> None:
    task = load_task("toys/moons")
    view, both, target = task.train_view(), task.supervised("both"), task.supervised("target")
    assert len(both.source.y) == len(view.source.y) + len(target.source.y)
    assert np.array_equal(both.source.x[: len(view.source.x)], view.source.x)
    assert np.array_equal(both.source.y[len(view.source.y) :], target.source.y)
    test = {x.tobytes() for x in task.evaluation_view().target_test_x}
    assert not any(x.tobytes() in test for x in both.source.x)


def test_a_split_of_the_runs_seed_is_the_draw_of_that_number_under_one_name() -> None:
    name = "toys/moons?split=seed"
    assert resolve(name).name == name
    for seed in (0, 3):
        own, numbered = load_task(name, seed=seed), load_task(f"toys/moons?split={seed}")
        assert own.name == name
        for view in ("train_view", "evaluation_view"):
            ours, theirs = getattr(own, view)(), getattr(numbered, view)()
            for part in ("source", "target", "source_val", "source_test"):
                if hasattr(ours, part):
                    assert np.array_equal(getattr(ours, part).x, getattr(theirs, part).x)
    with pytest.raises(UserError, match="split=seed follows the seed of a run"):
        load_task(name)


def test_a_seed_makes_no_other_task_where_the_split_does_not_follow_it() -> None:
    assert load_task("toys/moons", seed=1) is load_task("toys/moons", seed=2)


@pytest.mark.parametrize("split", ["3", "seed"])
def test_splits_of_the_datas_own_are_never_drawn(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To ask for one draw is an error; to let it follow the seed has no effect."""
    third = np.arange(1500) % 3
    given = Samples(np.zeros((1500, 2), np.float32), np.arange(1500) % 2, third == 1, val=third == 2)
    monkeypatch.setattr(toys.Toys, "read", lambda *_: Domains([given], [given]))
    if split == "3":
        with pytest.raises(UserError, match="all splits are the data set's own"):
            load_task("toys/moons?split=3")
    else:
        view = load_task("toys/moons?split=seed", seed=3).evaluation_view()
        assert (len(view.source_val.y), len(view.source_test.y), len(view.target_test_x)) == (500, 500, 500)


def test_several_targets_are_numbered_split_each_for_itself_and_scored_together() -> None:
    task = load_task("digits/mnist5k-mnist5k_m+optdigits")
    alone = [load_task(f"digits/mnist5k-{target}") for target in ("mnist5k_m", "optdigits")]
    target = task.train_view().target
    for number, one in enumerate(alone):
        assert (target.domain == number).sum() == len(one.train_view().target.x)
    assert np.array_equal(target.x[target.domain == 0], alone[0].train_view().target.x)
    scored = np.concatenate([one.oracle().target_test_y for one in alone])
    assert np.array_equal(task.oracle().target_test_y, scored)
    assert len(task.evaluation_view().target_test_x) == len(scored)
    facts = digits.Digits().facts("mnist5k-mnist5k_m+optdigits")
    assert task.traits == facts.traits == ("several_targets",)
    assert (facts.n_sources, facts.n_targets, facts.n_classes) == (1, 2, 10)
    assert digits.Digits().facts("mnist5k+optdigits-mnist5k_m").traits == ("several_sources",)


def test_groups_of_several_targets_are_apart() -> None:
    """Reverse validation splits the targets' samples, and a group of one target is none of the other's."""
    y = np.arange(30) % 2
    grouped = Samples(np.arange(60, dtype=np.float32).reshape(30, 2), y, groups=np.arange(30) // 10)
    plain = dataclasses.replace(grouped, groups=None)
    for targets, groups in (([grouped, grouped], 6), ([grouped, plain], 33), ([plain], 30)):
        made = Task("t", ("a", "b"), [plain], targets, transductive=True)
        assert len(set(made._target_groups.tolist())) == groups
        assert made.oracle().target_test_units.tolist() == made._target_groups.tolist()


def test_test_samples_and_their_groups_keep_their_numbers_in_every_draw() -> None:
    """A sample's input says here which it is, and its group is every third."""
    domain = Samples(np.arange(60, dtype=np.float32)[:, None], np.arange(60) % 2, groups=np.arange(60) // 3)
    scored = []
    for groups, each in ((domain.groups, 3), (None, 1)):
        for seed in range(3):
            samples = dataclasses.replace(domain, groups=groups)
            task = Task("t", ("a", "b"), [domain], [samples], split_seed=seed)
            numbers = np.asarray(task.evaluation_view().target_test_x)[:, 0].astype(int)
            assert task.oracle().target_test_units.tolist() == (numbers // each).tolist()
            scored.append(tuple(numbers))
    assert len(set(scored)) == 6


def test_a_target_may_lack_labels_and_a_source_may_not() -> None:
    unknown = dataclasses.replace(GOOD, y=np.where(np.arange(20) < 15, GOOD.y, -1))
    task = Task("t", ("0", "1"), [GOOD], [unknown], transductive=True)
    assert task.traits == ("unlabelled",)
    assert (task.oracle().target_test_y >= 0).sum() == 15
    assert not Task("t", ("0", "1"), [GOOD], [GOOD], transductive=True).traits
    with pytest.raises(UserError, match=r"labels must be int64 in 0\.\.1"):
        Task("t", ("0", "1"), [unknown], [GOOD])
    with pytest.raises(UserError, match="a reference trains on target labels, and not all samples have one"):
        task.supervised("target")

"""Drifting gas sensors: which batches make a task, what is held out, and the published neighbours."""

from collections import Counter

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError
from benchmarks.report.published import Published, published_for
from datasets import files, gas_drift
from datasets.base import Samples, class_names, facts_of_task, forget_tasks, held_out, load_task, resolve, split
from datasets.base.loading import UNKNOWN
from datasets.base.splits import FEWEST
from datasets.gas_drift import GASES, WITHOUT_TOLUENE, GasDrift
from datasets.gas_drift_standardised import GasDriftStandardised

NEEDED = [
    file.path
    for name in ("gas_drift", "gas_drift_standardised")
    for file in DATASETS.info(name).files
    if files.state(file) != "present"
]
real = pytest.mark.skipif(bool(NEEDED), reason=f"no {NEEDED} in ${files.VARIABLE}")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches like the real ones: eight exposures at each of six concentrations of a gas, three features."""
    rng = np.random.default_rng(0)
    domains = [domain for domain in GasDrift.domains for _ in range(6 * 6 * 8)]
    y = np.tile(np.repeat(np.arange(6), 48), 8)
    archive = {
        "X": (rng.normal(size=(len(y), 3)) * [1, 100, 10_000] + 50).astype(np.float32),
        "y": y.astype(np.uint8),
        "concentration_ppmv": np.tile(np.repeat(np.arange(6), 8), 48).astype(np.float32),
        "batch": np.array(domains, np.uint8),
    }
    has = (archive["y"] < 5) | ~np.isin(archive["batch"], [3, 4, 5])
    monkeypatch.setattr(gas_drift, "_archive", lambda: {key: array[has] for key, array in archive.items()})
    forget_tasks()


def test_of_56_pairs_26_are_closed_15_partial_and_15_open() -> None:
    family = GasDrift()
    found = Counter(family.facts(task).traits for task in family.tasks())
    assert found == {(): 26, ("partial",): 15, ("open",): 15}


@pytest.mark.parametrize(
    ("task", "classes", "traits", "objective"),
    [
        ("1-6", 6, (), "classes"),
        ("3-4", 5, (), "classes"),
        ("5-6", 5, ("open",), "unknown"),
        ("1+3-4", 6, ("partial", "several_sources"), "partial"),
        ("3+1-6", 6, ("several_sources",), "classes"),
        ("1-3+6", 6, ("several_targets",), "classes"),
        ("1-6?target_classes=0-3", 6, ("partial",), "partial"),
        ("3-6?source_classes=0-3", 4, ("open",), "unknown"),
        ("3-4?target_classes=1", 5, ("partial",), "partial"),
    ],
)
def test_a_side_has_the_gases_that_its_batches_have_and_that_its_dial_names(
    task: str, classes: int, traits: tuple[str, ...], objective: str
) -> None:
    facts = facts_of_task(f"gas_drift/{task}")
    assert (facts.n_classes, facts.traits, facts.objective) == (classes, traits, objective)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("3-1?source_classes=acetone:toluene", "source_classes leaves the source one class"),
        ("1-3?target_classes=toluene", "no class in common"),
        ("3-1?prior=flip", "prior=flip takes the source's shares"),
        ("1-3?prior=0.5:0.1:0.1:0.1:0.1:0.1", "prior has 6 shares, and the target 5 classes"),
    ],
)
def test_dials_must_fit_the_gases_that_batches_have(task: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolve(f"gas_drift/{task}")


@pytest.mark.usefixtures("made")
def test_a_prior_has_a_share_for_each_gas_of_the_target() -> None:
    wanted = [0.3, 0.1, 0.2, 0.1, 0.3]
    task = load_task(f"gas_drift/1-3?prior={':'.join(map(str, wanted))}", transductive=True)
    counts = np.bincount(task.oracle().target_test_y)
    assert counts == pytest.approx(np.array(wanted) * counts.sum(), abs=1)


@pytest.mark.usefixtures("made")
def test_a_gas_that_no_source_has_is_unknown() -> None:
    task = load_task("gas_drift/3-6", transductive=True)
    assert set(task.train_view().source.y) == set(range(5))
    assert set(task.oracle().target_test_y) == set(range(6))
    assert class_names("gas_drift/3-6") == [*GASES[:-1], UNKNOWN]


@pytest.mark.usefixtures("made")
def test_features_are_standardised_by_the_sources_training_samples_alone() -> None:
    view = load_task("gas_drift/1-6", transductive=True).train_view()
    assert np.allclose(view.source.x.mean(0), 0, atol=1e-5)
    assert np.allclose(view.source.x.std(0), 1, atol=1e-5)
    assert abs(view.target.x.mean(0)).max() > 1e-3


@pytest.mark.usefixtures("made")
def test_exposures_at_one_concentration_stay_together_and_every_gas_is_in_every_part() -> None:
    source = GasDrift().read_domain("1")
    assert source.groups is not None
    for seed in range(3):
        parts = split(held_out(source, seed), seed)
        assert sum(map(len, parts)) == len(source.y)
        together = [set(source.groups[part]) for part in parts]
        assert not together[0] & together[1] | together[0] & together[2] | together[1] & together[2]
        assert all(set(source.y[part]) == set(range(6)) for part in parts)


def test_a_gas_of_few_concentrations_is_divided_by_single_exposures() -> None:
    y = np.repeat([0, 1], [40, 5])
    groups = np.concatenate([np.arange(40) // 4, np.full(5, 99)])
    parts = split(held_out(Samples(np.zeros((45, 2), np.float32), y, groups=groups), 0))
    assert all(set(y[part]) == {0, 1} for part in parts)
    assert len(np.unique(groups[y == 1])) < FEWEST


@pytest.mark.usefixtures("made")
def test_the_target_is_whole_and_its_groups_are_concentrations() -> None:
    task = load_task("gas_drift/1-3", transductive=True)
    target = GasDrift().read_domain("3")
    assert len(task.train_view().target.x) == len(task.oracle().target_test_y) == len(target.y)
    assert np.array_equal(task.oracle().target_test_units, target.groups)
    assert len(task.supervised("target").source.y) == len(
        target.y
    )  # no sample is lost to a validation that is not


@pytest.mark.usefixtures("made")
def test_with_l2_each_domain_is_divided_by_itself_and_all_of_the_source_trains() -> None:
    view = load_task("gas_drift/1-3?normalised=l2", transductive=True).train_view()
    assert len(view.source.x) == len(GasDrift().read_domain("1").y)
    for x in (view.source.x, view.target.x):
        assert np.allclose((x.astype(float) ** 2).sum(0), 1)


@real
@pytest.mark.parametrize(
    "row", [each for each in published_for("gas-drift-1nn") if each.ours], ids=lambda r: r.task
)
def test_nearest_neighbours_are_the_published_ones_to_two_decimals(row: Published) -> None:
    task = load_task(row.task, transductive=True)
    view = task.train_view()
    nearest = cdist(view.target.x, view.source.x).argmin(1)
    right = view.source.y[nearest] == task.oracle().target_train_y
    assert round(100 * float(right.mean()), 2) == row.accuracy


@real
def test_the_real_batches_have_the_gases_that_tasks_are_planned_by() -> None:
    sizes = [445, 1244, 1586, 161, 197, 2300, 294, 470]
    batches = [GasDrift().read_domain(domain) for domain in GasDrift.domains]
    assert [len(batch.y) for batch in batches] == sizes
    for family in (GasDrift(), GasDriftStandardised()):
        for domain in family.domains:
            gases = set(family.read_domain(domain).y)
            assert gases == set(range(len(GASES) - (domain in WITHOUT_TOLUENE)))


@real
def test_the_standardised_file_is_the_raw_one_standardised_batch_by_batch() -> None:
    for domain in ("4", "9"):
        raw, scaled = GasDrift().read_domain(domain), GasDriftStandardised().read_domain(domain)
        x = np.asarray(raw.x, np.float64)
        assert np.array_equal(raw.y, scaled.y)
        assert np.allclose((x - x.mean(0)) / x.std(0), scaled.x, atol=1e-4)

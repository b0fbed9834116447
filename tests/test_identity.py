"""What a run's id holds: all that matters to the run, and nothing that does not."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.core.protocol import Protocol
from benchmarks.core.registry import METHODS, MethodInfo
from benchmarks.core.settings import UserError
from benchmarks.plan import spec as plan_spec
from benchmarks.plan.grid import plan
from benchmarks.plan.search import Search
from benchmarks.plan.spec import RunSpec, run_id_of
from benchmarks.records.provenance import spec_digest
from methods.source_only import SourceOnly
from tests.conftest import RUNNING, spec_of, trained

# Of each setting, and of each option of one, another value than the tests' own; and the parts that it is about.
OTHERS: dict[tuple[str, Any], set[str]] = {
    ("backbone", "mlp?width=8"): {"backbone"},
    ("head_layers", "8"): {"new"},
    ("discriminator_layers", "8"): {"adversary"},
    ("discriminator_dropout", 0.5): {"adversary"},
    ("initial_weights", "glorot"): {"backbone"},
    ("optimizer", "sgd"): {"backbone"},
    ("optimizer", "adam?beta1_finetune=0.5"): {"finetune"},
    ("optimizer", "adam?beta1_gan=0.9"): {"gan"},
    ("lr_backbone", 0.01): {"backbone"},
    ("lr_new", 0.01): {"new"},
    ("lr_adversary", 0.01): {"adversary"},
    ("lr_gan", 0.01): {"gan"},
    ("lr_finetune", 1.0): {"finetune"},
    ("weight_decay", 0.1): {"backbone"},
    ("schedule", "constant"): {"backbone"},
    ("schedule", "inverse?adversary=false"): {"adversary"},
    ("steps", 21): set(),
    ("horizon", 1000): {"backbone"},
    ("stopping", "source_val"): set(),
    ("source_batch", 8): {"backbone"},
    ("target_batch", 8): {"target"},
    ("forward", "separate"): {"target"},
    ("scoring", "transductive"): set(),
    ("augmentation", "standard"): {"backbone"},
    ("normalisation", "unit"): {"backbone"},
    ("checkpoints", 1): set(),
    ("precision", "float64"): set(),
    ("threads", 2): set(),
    ("compile", True): {"backbone"},
    ("deterministic", False): set(),
}
CHANGES = st.lists(
    st.sampled_from(sorted(OTHERS, key=str)), min_size=1, max_size=4, unique_by=lambda each: each[0]
)


def test_every_setting_is_tried() -> None:
    """But one that needs a pretrained backbone, which has tests of its own (test_frozen.py)."""
    assert {name for name, _ in OTHERS} | {"frozen"} == set(Protocol.model_fields)


# One of each kind: an id knows of a method what it says that it uses, which test_methods.py holds each one to.
OF_EACH_USE = {frozenset(METHODS.info(name).uses): name for name in reversed(RUNNING)}.values()


@pytest.mark.parametrize("method", OF_EACH_USE)
@pytest.mark.parametrize(("change", "parts"), OTHERS.items(), ids=str)
def test_a_setting_is_in_an_id_where_the_method_uses_what_it_is_about(
    method: str, change: tuple[str, Any], parts: set[str]
) -> None:
    base, other = spec_of(method), spec_of(method, **dict([change]))
    counts = not parts or bool(parts & set(METHODS.info(method).uses))
    assert (base.run_id != other.run_id) == counts
    assert RunSpec.from_dict(other.to_dict(), method).run_id == other.run_id == other.plain().run_id


def logits(spec: RunSpec) -> torch.Tensor:
    """What the trained model says of the target's training samples."""
    trainer = trained(spec)
    return trainer.outputs(trainer.target.x, "target")[1]


@pytest.mark.parametrize("method", ["source_only", "svm", "nearest_neighbour", "dann", "adda", "majority"])
@settings(max_examples=5)
@given(changes=CHANGES)
def test_runs_of_one_id_end_in_the_same_bits(method: str, changes: list[tuple[str, Any]]) -> None:
    base = spec_of(method)
    other = spec_of(method, **dict(changes))
    assert (base.run_id == other.run_id) == (base.plain() == other.plain())
    unused = {name: value for name, value in changes if spec_of(method, **{name: value}).run_id == base.run_id}
    alike = spec_of(method, **unused)
    assert alike.run_id == base.run_id
    assert spec_digest(alike) == spec_digest(base)
    if unused and not unused.keys() & {
        "augmentation",
        "normalisation",
        "compile",
    }:  # refused, or slow, by themselves
        assert torch.equal(logits(alike), logits(base))


def test_a_backbone_is_one_however_it_is_written() -> None:
    texts = ("mlp?width=16", "mlp?width=16&depth=2", "mlp?dropout=0&depth=2&width=16")
    assert len({spec_of("dann", backbone=text).run_id for text in texts}) == 1
    assert len({spec_of("dann", backbone=text).protocol for text in texts}) == 1


def test_a_grid_tries_no_configuration_twice_that_the_method_cannot_tell_apart() -> None:
    search = Search(1, {"protocol": {"lr_adversary": ["0.01", "0.1"], "backbone": ["mlp", "mlp?width=64"]}})
    specs = plan("quick", ["source_only", "dann"], ["toys/moons"], [0], search=search).specs
    assert [(spec.method, spec.configuration) for spec in specs] == [
        ("source_only", 0),
        *(("dann", number) for number in range(3)),
    ]
    assert len({spec.run_id for spec in specs}) == len(specs)


def test_an_algorithm_that_changes_has_other_ids() -> None:
    info = MethodInfo("prototype", 2026, "-", "-")
    ids = []
    for version in (1, 2):
        METHODS.register("changing", replace(info, version=version))(SourceOnly)
        try:
            ids.append(spec_of("changing").run_id)
        finally:
            METHODS.remove("changing")
    assert ids[0] != ids[1]


def test_a_harness_that_changes_has_other_ids_and_older_records_keep_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = spec_of("dann")
    monkeypatch.setattr(plan_spec, "HARNESS", older.harness + 1)
    newer = spec_of("dann")
    assert newer.run_id != older.run_id == run_id_of(older.to_dict())
    assert RunSpec.from_dict(older.to_dict(), "dann").run_id == older.run_id


def test_a_setting_that_became_an_option_says_where_it_went() -> None:
    with pytest.raises(UserError, match=r"unknown setting 'momentum'; it is an option: optimizer=sgd.momentum="):
        spec_of("dann", momentum=0.5)

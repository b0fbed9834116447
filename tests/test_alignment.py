"""What papers say of a method beyond that it trains: whose row is whose, which side is which, which layer, when.

Most of it holds for every registered method of a kind, so that a new one is held to it by its registration.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from benchmarks.core.registry import METHODS
from benchmarks.training.loop import Trainer
from benchmarks.training.signals import gradient_ratio
from datasets.base import Samples, Task
from methods.base import Batch, Embedded, Loss, Stage, Update
from tests.conftest import CANDIDATES, REWEIGHTING, rows_of, spec_of, takes_steps, trained, trainer_of

TRAINED = [name for name in CANDIDATES if takes_steps(name)]
ADVERSARIAL = [name for name in CANDIDATES if "adversary" in METHODS.info(name).uses]
WEIGHTING = [name for name in CANDIDATES if METHODS.info(name).family == "weighting"]
SHIFTED = "toys/blobs"
END = torch.tensor(1.0, dtype=torch.float64)  # progress, at which every ramp is at its top


def at_last_stage(method: str, params: dict[str, Any] | None = None, **protocol: Any) -> tuple[Trainer, Stage]:
    """A trainer, in float64, before the first step of its last stage."""
    trainer = trainer_of(spec_of(method, SHIFTED, params=params, precision="float64", **protocol))
    *_, stage = trainer.stages
    trainer._enter(stage)
    if stage.begin:
        stage.begin(trainer.data_of(stage))
    return trainer, stage


def at_adversarial_stage(method: str) -> tuple[Trainer, Stage]:
    """The same, of the last stage that trains a discriminator."""
    trainer, _ = at_last_stage(method)
    adversaries = {id(p) for module in of_role(trainer.method, "adversary") for p in module.parameters()}
    for stage in reversed(trainer.stages):
        trainer._enter(stage)
        if any(id(parameter) in adversaries for own in trainer._trained for parameter in own):
            return trainer, stage
    raise AssertionError(f"{method} trains no discriminator")


def total(trainer: Trainer, stage: Stage, batch: Batch) -> Tensor:
    """Losses (updates,) on one batch, halfway up a ramp, with the same random numbers each time."""
    torch.manual_seed(0)
    return torch.stack([update.loss(batch, END / 5).total.detach() for update in stage.updates])


def draws(update: Update, batch: Batch) -> bool:
    """Whether random numbers are in its loss: then whose they are depends on the order of samples."""
    before = torch.get_rng_state()
    update.loss(batch, END)
    return not torch.equal(torch.get_rng_state(), before)


def of_role(method: nn.Module, role: str) -> list[nn.Module]:
    return [module for module in method.modules() if getattr(module, "role", None) == role]


# 1. Rows: features, probabilities, weights and labels of one sample stay together.


def shuffled(batch: Batch) -> Batch:
    """The same samples in another order, each side in its own."""
    generator = torch.Generator().manual_seed(0)

    def side(samples: Any) -> Any:
        if samples is None:
            return None
        order = torch.randperm(len(samples.x), generator=generator)
        return rows_of(samples, order)

    return Batch(*map(side, (batch.source, batch.target, batch.few)))


@pytest.mark.filterwarnings("ignore::methods.base.MethodWarning")
@pytest.mark.parametrize("method", TRAINED)
def test_the_order_of_samples_in_a_batch_is_irrelevant(method: str) -> None:
    trainer, stage = at_last_stage(method)
    batch = trainer.batches.at(0, stage.sees, views=stage.views)
    fixed = torch.tensor([not draws(update, batch) for update in stage.updates])
    if not fixed.any():
        pytest.skip("what is drawn for a sample goes by its place")
    found, wanted = (total(trainer, stage, each)[fixed] for each in (shuffled(batch), batch))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", TRAINED)
def test_domains_forwarded_together_or_apart_are_the_same_without_batch_norm(method: str) -> None:
    losses = []
    for forward in ("joint", "separate"):
        trainer, stage = at_last_stage(method, forward=forward, source_batch=6, target_batch=10)
        losses.append(total(trainer, stage, trainer.batches.at(0, stage.sees, views=stage.views)))
    torch.testing.assert_close(*losses, rtol=1e-9, atol=1e-12)


def test_each_side_of_a_batch_keeps_its_rows() -> None:
    trainer, stage = at_last_stage("dann", source_batch=6, target_batch=10)
    batch = trainer.batches.at(0, stage.sees, views=stage.views)
    assert batch.source is not None
    assert batch.target is not None
    for embedded, x in zip(trainer.method.embed(batch)[:2], (batch.source.x, batch.target.x), strict=True):
        for row, features, logits in zip(x, embedded.features, embedded.logits, strict=True):
            alone = trainer.method.predict(row[None], "source")
            torch.testing.assert_close((features[None], logits[None]), alone)


@contextmanager
def read_by_discriminators(trainer: Trainer) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """What discriminators read, (n, d), and say of it, (n,) or (n, classes), call by call."""
    calls: list[tuple[Tensor, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda _, x, said: calls.append((x[0].detach(), said.detach())))
        for module in of_role(trainer.method, "adversary")
    ]
    yield calls
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("method", ADVERSARIAL)
def test_what_a_discriminator_reads_of_a_sample_is_that_samples_alone(method: str, side: str) -> None:
    """Features with the probabilities of another sample would condition on noise."""
    trainer, stage = at_adversarial_stage(method)
    batch = trainer.batches.at(0, stage.sees, views=stage.views)
    samples = getattr(batch, side)
    x = samples.x.clone()
    x[3] += 1
    changed = replace(batch, **{side: replace(samples, x=x)})
    with read_by_discriminators(trainer) as calls:
        for each in (batch, changed):
            total(trainer, stage, each)
    before, after = calls[: len(calls) // 2], calls[len(calls) // 2 :]
    rows = [int(((a - b).abs() > 1e-9).any(1).sum()) for (a, _), (b, _) in zip(before, after, strict=True)]
    # A point that is drawn between two samples moves with either.
    assert 1 <= max(rows) <= (2 if any(draws(update, batch) for update in stage.updates) else 1)


@pytest.mark.parametrize("method", ["cdan", "cdan_e"])
def test_cdans_discriminator_reads_the_outer_product_of_features_and_probabilities(method: str) -> None:
    """Equation 5, in whatever order of its entries."""
    trainer, stage = at_last_stage(method)
    batch = trainer.batches.at(0, stage.sees, views=stage.views)
    assert batch.source is not None
    features, logits = trainer.method.predict(batch.source.x, "source")
    wanted = torch.stack([torch.outer(f, p).flatten() for f, p in zip(features, logits.softmax(1), strict=True)])
    with read_by_discriminators(trainer) as calls:
        total(trainer, stage, batch)
    read = calls[0][0][: len(wanted)]
    torch.testing.assert_close(read.sort(1).values, wanted.detach().sort(1).values)


@pytest.mark.parametrize("method", WEIGHTING)
def test_the_weight_of_a_source_sample_is_its_own(method: str) -> None:
    trainer, stage = at_last_stage(method)
    net, source = trainer.method, trainer.batches.at(0, stage.sees, views=stage.views).source
    assert source is not None
    net.weight.copy_(torch.arange(len(net.weight)))
    assert torch.equal(net.source_weight(source).long(), source.index)
    # And it weighs that sample's error: with all others at 0, no other input matters.
    net.weight.copy_(torch.zeros_like(net.weight).index_fill(0, source.index[3:4], 1))
    x = source.x.clone().requires_grad_()
    task = net.loss(Batch(replace(source, x=x), None), END).task
    (gradient,) = torch.autograd.grad(task, [x])
    assert gradient.abs().sum(1).nonzero().tolist() == [[3]]


@pytest.mark.parametrize("inputs", ["raw", "features"])
@pytest.mark.parametrize("method", WEIGHTING)
def test_estimated_weights_belong_to_the_samples_that_look_like_the_targets(method: str, inputs: str) -> None:
    """Between N(0, 1) and N(1, 1) the density ratio rises with x."""
    rng = np.random.default_rng(0)
    domains = [
        Samples(rng.normal(mean, 1, size=(600, 1)).astype(np.float32), rng.integers(2, size=600))
        for mean in (0, 1)
    ]
    task = Task("mine/a-b", ("0", "1"), domains[:1], domains[1:])
    trainer = trained(spec_of(method, params={"inputs": inputs}), task)
    assert stats.spearmanr(trainer.method.weight, trainer.source.x[:, 0]).statistic > 0.8


# 2. Sides: who plays the source for whom.


def constant_batch(trainer: Trainer, stage: Stage) -> Batch:
    """Five times one sample of the first source, nine times one of the target: numbers of rows say whose."""
    batch = trainer.batches.at(0, stage.sees, views=stage.views)
    assert batch.source is not None
    assert batch.target is not None
    source = rows_of(batch.source, batch.source.domain.argmin().repeat(5))
    target = replace(batch.target, views={})
    return Batch(source, rows_of(target, torch.zeros(9, dtype=torch.int64)))


def said_of(trainer: Trainer, stage: Stage, batch: Batch) -> dict[int, float]:
    """What the discriminator first says of a constant batch's domains, by their number of rows."""
    found: dict[int, float] = {}
    with read_by_discriminators(trainer) as calls:
        total(trainer, stage, batch)
    if any(said.ndim > 1 for _, said in calls):
        pytest.skip("what it says is of classes, not of domains")
    for x, said in calls:
        _, domain, sizes = torch.unique(x.round(decimals=9), dim=0, return_inverse=True, return_counts=True)
        for number, size in enumerate(sizes.tolist()):
            found.setdefault(size, float(said[domain == number].mean()))
    return found


def gradients_of_deceit(
    trainer: Trainer, update: Update, batch: Batch, of: Sequence[Tensor]
) -> list[Tensor | None]:
    """Of the terms in which a discriminator has its say."""
    own = [parameter for module in of_role(trainer.method, "adversary") for parameter in module.parameters()]

    def says(term: Tensor) -> bool:
        found = torch.autograd.grad(term, own, retain_graph=True, allow_unused=True)
        return any(gradient is not None for gradient in found)

    terms = [term for term in update.loss(batch, END).terms.values() if says(term)]
    return list(torch.autograd.grad(torch.stack(terms).sum(), of, allow_unused=True))


def teach_discriminators(trainer: Trainer, stage: Stage, batch: Batch, rate: float) -> None:
    adversaries = {id(p) for module in of_role(trainer.method, "adversary") for p in module.parameters()}
    for update, trained_ones in zip(stage.updates, trainer._trained, strict=True):
        if own := [parameter for parameter in trained_ones if id(parameter) in adversaries]:
            gradients = gradients_of_deceit(trainer, update, batch, own)
            with torch.no_grad():
                for parameter, gradient in zip(own, gradients, strict=True):
                    parameter -= rate * gradient


@pytest.mark.parametrize("method", ADVERSARIAL)
def test_discriminators_say_source_of_the_source_and_features_learn_to_deceive_them(method: str) -> None:
    """Adversaries pull in opposite directions (Goodfellow et al. 2014): one parts the domains, one joins them."""
    trainer, stage = at_adversarial_stage(method)
    batch = constant_batch(trainer, stage)
    classifies = hasattr(trainer.method, "discriminator")  # a critic has no zero, and a penalty on steep slopes
    for _ in range(50):
        teach_discriminators(trainer, stage, batch, 0.1 if classifies else 0.03)
    apart = said_of(trainer, stage, batch)
    assert apart[5] > (0 if classifies else np.mean([apart[5], apart[9]])) > apart[9]
    moved = 0
    # Where descent draws the inputs of a side, what is trained draws its features.
    for side, rows, towards in (("source", 5, -1), ("target", 9, 1)):
        samples = getattr(batch, side)
        x = samples.x.clone().requires_grad_()
        with_gradient = replace(batch, **{side: replace(samples, x=x)})
        for update in stage.updates:
            (gradient,) = gradients_of_deceit(trainer, update, with_gradient, [x])
            if gradient is not None:  # the update trains a network that reads this side
                step = replace(batch, **{side: replace(samples, x=samples.x - 0.01 * gradient / gradient.norm())})
                assert towards * (said_of(trainer, stage, step)[rows] - apart[rows]) > 0
                moved += 1
    assert moved


@pytest.mark.filterwarnings("ignore::methods.base.MethodWarning")
@pytest.mark.parametrize("method", TRAINED)
def test_the_target_is_predicted_with_what_the_last_stage_trains(method: str) -> None:
    """Another network's prediction, such as the source's, would be what the method is not about."""
    trainer = trained(spec_of(method, SHIFTED))
    trainer._enter(trainer.stages[-1])
    x = trainer.target.x[:50]
    before = trainer.outputs(x, "target")[1]
    adversaries = {id(p) for module in of_role(trainer.method, "adversary") for p in module.parameters()}
    with torch.no_grad():
        for parameter in trainer._trained[-1]:
            if id(parameter) not in adversaries:
                parameter.add_(1.0)
        for update in trainer.stages[-1].updates:
            if update.after:
                update.after()
    assert not torch.allclose(trainer.outputs(x, "target")[1], before)


@pytest.mark.parametrize("representation", ["features", "logits"])
def test_addas_target_network_starts_as_the_sources_and_leaves_it_as_it_was(representation: str) -> None:
    """Section 4: the target's is initialised with the pre-trained source model, which then is fixed."""
    trainer = trainer_of(spec_of("adda", SHIFTED, params={"representation": representation}))
    x, first = trainer.target.x[:50], trainer.ends[0]
    for step in trainer.run():
        if step == first:
            source = trainer.outputs(x, "source")
            _, adapt = trainer.stages
            assert adapt.begin is not None
            adapt.begin(trainer.data_of(adapt))
            assert all(map(torch.equal, trainer.outputs(x, "target"), source))
    assert all(map(torch.equal, trainer.outputs(x, "source"), source))
    assert not any(map(torch.equal, trainer.outputs(x, "target"), source))


# 3. Strength: λ follows the progress of the training.


def strength_of(method: str, progress: float) -> float:
    """By default. JMLR 2016, section 5.2.2; DANN's is 0, 0.4621, 0.9866 and 0.9999 at 0, 1/10, 1/2 and 1."""
    fields = METHODS.get(method).settings.model_fields
    return float(fields["trade_off"].default * np.tanh(fields["gamma"].default / 2 * progress))


def test_danns_strength_is_that_of_the_paper() -> None:
    found = [strength_of("dann", progress) for progress in (0, 0.1, 0.5, 1)]
    assert found == pytest.approx([0, 0.4621, 0.9866, 0.9999], abs=1e-4)


RAMPED = [name for name in TRAINED if "gamma" in METHODS.get(name).settings.model_fields]


@pytest.mark.parametrize("method", RAMPED)
def test_the_strength_that_is_logged_follows_the_progress(method: str) -> None:
    curves = trained(spec_of(method, SHIFTED)).progress.curves
    assert [each["strength"] for each in curves] == pytest.approx(
        [strength_of(method, step / 20) for step in range(20)]
    )


@pytest.mark.parametrize("method", RAMPED)
def test_the_strength_obeys_its_settings(method: str) -> None:
    """It rises to the trade-off, with steepness γ, once the warm-up is over."""
    own = METHODS.get(method).settings.model_fields
    params = {"trade_off": 0.5, "gamma": 4.0, **({"warmup": 0.25} if "warmup" in own else {})}
    start = params.get("warmup", 0.0)
    curves = trained(spec_of(method, SHIFTED, params=params)).progress.curves
    after = [max(0.0, step / 20 - start) / (1 - start) for step in range(20)]
    assert [each["strength"] for each in curves] == pytest.approx([0.5 * np.tanh(4 * p / 2) for p in after])


@pytest.mark.parametrize("method", [name for name in RAMPED if name not in REWEIGHTING])
def test_a_strength_that_waits_is_zero_until_the_source_is_being_learnt(method: str) -> None:
    curves = trained(spec_of(method, SHIFTED, params={"waits": 0.9}, lr_new=0.01)).progress.curves
    mean, start = np.log(2), 19
    for step, signals in enumerate(curves):
        mean = 0.9 * mean + 0.1 * signals["task"]
        if mean < 0.9 * np.log(2):
            start = min(start, step - 1)
    assert 0 < start < 15
    strength = [each["strength"] for each in curves]
    wanted = [strength_of(method, max(0, step - start) / 20) for step in range(20)]
    assert strength == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("method", RAMPED)
def test_a_strength_waits_for_good_where_the_source_is_not_learnt(method: str) -> None:
    curves = trained(
        spec_of(method, SHIFTED, params={"waits": 0.9}, lr_new=1e-9, lr_backbone=1e-9)
    ).progress.curves
    assert [each["strength"] for each in curves] == [0] * 20


@pytest.mark.parametrize("method", RAMPED)
def test_a_strength_that_waits_goes_on_from_a_saved_state(method: str) -> None:
    spec = spec_of(method, SHIFTED, params={"waits": 0.9}, lr_new=0.01, checkpoints=1)
    first = trainer_of(spec)
    for step in first.run(also=[15]):
        if step == 15:
            saved = copy.deepcopy(first.state_dict())
    second = trainer_of(spec)
    second.load_state_dict(saved)
    for _ in second.run():
        pass
    assert second.progress.curves == first.progress.curves


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("method", RAMPED)
def test_what_the_encoder_learns_from_alignment_is_scaled_by_that_strength(method: str, progress: float) -> None:
    # The gradient of CDAN+E's weights is reversed, and so scaled, a second time: without it the rule is plain. And
    # IWAN's entropy has a weight of its own.
    own = {"entropy_gradient": "detached", "entropy": 0.0}
    fields = METHODS.get(method).settings.model_fields
    trainer, stage = at_last_stage(method, {name: own[name] for name in own if name in fields})
    batch = trainer.batches.at(0, stage.sees, views=stage.views)

    def gradients(p: float) -> Tensor:
        terms = torch.stack(list(trainer.method.loss(batch, torch.tensor(p, dtype=torch.float64)).terms.values()))
        found = torch.autograd.grad(terms.sum(), list(trainer.method.encoder.parameters()))
        return torch.cat([gradient.flatten() for gradient in found])

    full = gradients(1.0)
    assert full.norm() > 0
    share = strength_of(method, progress) / strength_of(method, 1.0)
    torch.testing.assert_close(gradients(progress), full * share, rtol=1e-6, atol=1e-12)


# 4. Layers: those that are matched, and no other.


@pytest.mark.parametrize(
    ("method", "params", "matched"),
    [
        ("dan", None, ("features", "logits")),  # section 3.2: all task-specific layers
        ("dan", {"layers": "features"}, ("features",)),
        ("dan", {"layers": "logits"}, ("logits",)),
        ("coral", None, ("logits",)),  # section 3.2: the last
        ("coral", {"layer": "features"}, ("features",)),
    ],
    ids=str,
)
def test_every_layer_that_is_matched_moves_and_no_other(
    method: str, params: dict[str, str] | None, matched: tuple[str, ...]
) -> None:
    trainer, _ = at_last_stage(method, params)
    generator = torch.Generator().manual_seed(0)
    source, target = (
        Embedded(None, *(torch.randn(8, size, generator=generator, dtype=torch.float64) for size in (5, 2)))
        for _ in "st"
    )
    for layer in ("features", "logits"):
        getattr(target, layer).requires_grad_()
    (term,) = trainer.method.alignment(source, target, END).values()
    moved = torch.autograd.grad(term, [target.features, target.logits], allow_unused=True)
    found = {name for name, gradient in zip(("features", "logits"), moved, strict=True) if gradient is not None}
    assert found == set(matched)
    assert all(gradient.norm() > 0 for gradient in moved if gradient is not None)


def test_dan_sums_over_layers() -> None:
    """Equation 8: each layer adds its own distance."""
    generator = torch.Generator().manual_seed(0)
    sides = [
        Embedded(None, *(torch.randn(8, size, generator=generator, dtype=torch.float64) for size in (5, 2)))
        for _ in "st"
    ]

    def distance(layers: str) -> Tensor:
        (term,) = at_last_stage("dan", {"layers": layers})[0].method.alignment(*sides, END).values()
        return term

    torch.testing.assert_close(distance("features,logits"), distance("features") + distance("logits"))


def test_the_ratio_that_is_logged_is_of_alignment_over_task() -> None:
    net = nn.Linear(3, 1)
    task = net(torch.ones(4, 3)).square().mean()
    assert gradient_ratio(Loss(task, {"one": 2 * task, "other": task}), [net]) == pytest.approx(3)
    assert gradient_ratio(Loss(task, {"dead": 0 * task}), [net]) == 0

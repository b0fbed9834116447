"""Methods that make predictions on the target sure, and those that need no source for it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy as scipy_entropy
from torch import Tensor

from benchmarks.training.loop import Trainer
from methods.afn import stepwise
from methods.base import Unlabelled
from methods.losses.certainty import class_confusion, entropy, mutual_information, nuclear_norm
from methods.shot import SHOT, cluster_labels
from tests.conftest import spec_of, trained, trainer_of, weights

CERTAIN = 50.0  # a logit beside zeros, whose probability is 1 to the last bit


@st.composite
def logits(draw: st.DrawFn) -> np.ndarray:
    n, classes = draw(st.integers(2, 9)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return draw(st.floats(0.1, 5)) * rng.normal(size=(n, classes))


@given(logits())
def test_entropies_match_scipy(x: np.ndarray) -> None:
    p = softmax(x, axis=1)
    np.testing.assert_allclose(entropy(torch.tensor(x)), scipy_entropy(p, axis=1), atol=1e-12)
    expected = scipy_entropy(p.mean(0)) - scipy_entropy(p, axis=1).mean()
    assert float(mutual_information(torch.tensor(x))) == pytest.approx(expected, abs=1e-12)


@given(logits())
def test_the_nuclear_norm_is_the_sum_of_singular_values_over_the_batch(x: np.ndarray) -> None:
    expected = np.linalg.svd(softmax(x, axis=1), compute_uv=False).sum() / len(x)
    assert float(nuclear_norm(torch.tensor(x))) == pytest.approx(expected, abs=1e-10)


@given(logits(), st.floats(0.5, 5))
def test_class_confusion_matches_its_equations(x: np.ndarray, temperature: float) -> None:
    """Equations 3 to 6 of Jin et al., loop by loop."""
    p = softmax(x / temperature, axis=1)
    sureness = [1 + np.exp(sum(q * np.log(q) for q in row)) for row in p]
    n, classes = p.shape
    confusion = np.array(
        [
            [sum(p[i, j] * n * sureness[i] / sum(sureness) * p[i, k] for i in range(n)) for k in range(classes)]
            for j in range(classes)
        ]
    )
    confusion /= confusion.sum(axis=1, keepdims=True)
    expected = sum(confusion[j, k] for j in range(classes) for k in range(classes) if j != k) / classes
    assert float(class_confusion(torch.tensor(x), temperature)) == pytest.approx(expected, abs=1e-10)


def test_class_confusion_is_a_number_where_no_sample_may_be_of_a_class() -> None:
    x = torch.tensor([[3.0, 1.0, -999.0], [0.0, 2.0, -999.0]], requires_grad=True)
    loss = class_confusion(x, 2.5)
    (gradient,) = torch.autograd.grad(loss, x)
    assert 0 < float(loss.detach()) < 1
    assert gradient.isfinite().all()


def test_the_weights_of_class_confusion_take_no_gradient() -> None:
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(class_confusion(x, 2.5), x)
    sureness = 1 + torch.exp(-entropy(x.detach() / 2.5))

    def fixed(logits: Tensor) -> Tensor:
        p = (logits / 2.5).softmax(1)
        confusion = torch.einsum("nj,n,nk->jk", p, sureness, p)
        return 1 - (confusion.diagonal() / confusion.sum(1)).mean()

    torch.testing.assert_close(gradient, torch.autograd.grad(fixed(x), x)[0])


@pytest.mark.parametrize("classes", [2, 5])
def test_sure_predictions_of_all_classes_alike_are_the_best_there_are(classes: int) -> None:
    best = CERTAIN * torch.eye(classes, dtype=torch.float64).repeat(4, 1)
    one, none = best * 0, best * 0
    one[:, 0] = CERTAIN
    for score in (mutual_information, nuclear_norm, lambda x: -class_confusion(x, 2.5)):
        assert float(score(best)) > float(score(none))
    assert float(mutual_information(best)) == pytest.approx(np.log(classes))
    assert float(nuclear_norm(best)) == pytest.approx(0.5)  # sqrt(classes / n)
    assert float(class_confusion(best, 1.0)) == pytest.approx(0)
    assert float(entropy(one).mean()) == pytest.approx(0)  # also where one class takes all
    assert float(mutual_information(one)) == pytest.approx(0)
    assert float(nuclear_norm(one)) < float(nuclear_norm(best))


def test_norms_grow_by_a_step_whatever_they_are() -> None:
    """The gradient is -2 step / n for each: the same for a short and for a long one."""
    norms = torch.tensor([0.1, 3.0, 50.0], requires_grad=True)
    assert float(stepwise(norms.detach(), 0.5)) == pytest.approx(0.25)
    assert torch.autograd.grad(stepwise(norms, 0.5), norms)[0].tolist() == pytest.approx([-1 / 3] * 3)


@pytest.mark.parametrize("seed", range(3))
def test_pseudo_labels_follow_the_clusters_where_the_head_is_wrong_of_a_few(seed: int) -> None:
    """As the authors' code does it: cosine distances to weighted means, twice, of classes that are predicted."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=200)
    features = 2 * np.eye(4)[y] + rng.normal(size=(200, 4))
    said = np.where(rng.random(200) < 0.3, (y + 1) % 3, y)
    probability = softmax(4 * np.eye(5)[said] + 0.1 * rng.normal(size=(200, 5)), axis=1)
    found = cluster_labels(torch.tensor(features), torch.tensor(probability)).numpy()
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    weight, rounds = probability[:, :3], []
    for _ in range(2):
        centroids = weight.T @ directions / (weight.sum(0)[:, None] + 1e-8)
        cosine = directions @ (centroids / np.linalg.norm(centroids, axis=1, keepdims=True)).T
        rounds.append(cosine.argmax(1).tolist())
        weight = np.eye(3)[rounds[-1]]
    assert rounds[0] != rounds[1]
    assert found.tolist() == rounds[1]
    assert (found == y).mean() > (said == y).mean()


def test_a_class_that_no_sample_was_nearest_to_gets_none_in_the_next_round() -> None:
    """It has no centroid, while to all others the last sample is at an obtuse angle."""
    features = torch.tensor([[3.0, -3.0], [-1.0, -1.0], [2.0, -2.0], [0.0, 2.0]])
    probability = torch.tensor([[0.1, 0.2, 0.7], [0.4, 0.3, 0.3], [0.3, 0.4, 0.3], [0.5, 0.4, 0.1]])
    assert cluster_labels(features, probability).tolist() == [1, 0, 1, 1]


def test_pseudo_labels_are_those_of_the_samples_of_the_batch() -> None:
    trainer = trainer_of(spec_of("shot", "toys/blobs"))
    trainer._enter(trainer.stages[-1])
    method, batch = trainer.method, trainer.batches.at(0, "target")
    assert isinstance(method, SHOT)
    predicted = trainer.outputs(trainer.target.x, "target")[1].argmax(1)

    def loss(labels: Tensor) -> float:
        method.label.copy_(labels)
        return float(method.adapt(batch, torch.tensor(0.0)).terms["pseudo"].detach())

    assert loss(predicted) < loss(1 - predicted)
    shifted = predicted.clone()
    shifted[batch.target.index] = 1 - predicted[batch.target.index]
    assert loss(shifted) == pytest.approx(loss(1 - predicted))


def test_the_second_stage_of_shot_has_no_source_and_leaves_the_head() -> None:
    trainer = trainer_of(spec_of("shot", "toys/blobs"))
    steps = trainer.run(also=[trainer.ends[0]])
    assert next(steps) == trainer.ends[0]
    trainer.source = None  # type: ignore[assignment]
    between = weights(trainer)
    for _ in steps:
        pass
    after = weights(trainer)
    moved = {name.partition(".")[0] for name in after if not torch.equal(after[name], between[name])}
    assert moved == {"encoder", "label"}


def test_the_teacher_is_an_average_of_the_student_and_is_deployed() -> None:
    trainer = trainer_of(spec_of("mean_teacher", "toys/blobs", params={"memory": 0.9}))
    teacher = trainer.method.teacher
    averages = [value.clone() for value in teacher.parameters()]
    assert all(map(torch.equal, averages, weights(trainer, "encoder.", "head.").values()))  # they start alike
    for _ in trainer.run(also=range(20)):
        latest = weights(trainer, "encoder.", "head.").values()
        averages = [torch.lerp(mean, now, 0.1) for mean, now in zip(averages, latest, strict=True)]
        assert all(map(torch.equal, averages, teacher.parameters()))
    x = trainer.target.x[:5]
    assert torch.equal(trainer.outputs(x, "target")[1], teacher.eval()(x))


def alignment_of(method: str, threshold: float) -> tuple[Trainer, Unlabelled, Tensor]:
    """A trainer that has learnt, the target's part of a batch, and the term that aligns."""
    params = {"threshold": threshold, "trade_off": 2.0, **({"memory": 0.9} if method == "mean_teacher" else {})}
    trainer = trained(
        spec_of(method, "toys/moons", params=params, steps=100, lr_backbone=0.05, lr_new=0.05, precision="float64")
    )
    (stage,) = trainer.stages
    batch = trainer.batches.at(0, views=stage.views)
    (term,) = stage.updates[0].loss(batch, torch.tensor(1.0)).terms.values()
    assert batch.target is not None
    return trainer, batch.target, term


@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_fixmatch_learns_from_strong_views_what_it_says_surely_of_weak_ones(threshold: float) -> None:
    trainer, target, term = alignment_of("fixmatch", threshold)
    said, strong = (trainer.outputs(target.views[view], "target")[1] for view in ("weak", "strong"))
    confidence, label = said.softmax(1).max(1)
    errors = torch.nn.functional.cross_entropy(strong, label, reduction="none")
    kept = confidence >= threshold
    assert kept.any()
    assert kept.all() == (threshold == 0)
    torch.testing.assert_close(term.detach(), 2 * (kept * errors).sum() / len(label))


@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_the_student_follows_what_its_teacher_says_surely_of_the_plain_sample(threshold: float) -> None:
    trainer, target, term = alignment_of("mean_teacher", threshold)
    method = trainer.method.eval()
    student, teacher = method.head(method.encoder(target.views["weak"])), method.teacher(target.x)
    sure = teacher.softmax(1).max(1).values > threshold
    assert sure.any()
    assert sure.all() == (threshold == 0)
    expected = 2 * (sure * (student.softmax(1) - teacher.softmax(1)).square().mean(1)).mean()
    torch.testing.assert_close(term.detach(), expected.detach())
    gradients = torch.autograd.grad(term, [*method.head.parameters()])
    assert any(gradient.abs().sum() > 0 for gradient in gradients)

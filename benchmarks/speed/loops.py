"""Training loops to be timed: this suite's, one by hand, and those of other libraries. All do the same work.

The work is a step with batches of 64 and 64, SGD with Nesterov momentum and a discriminator of 500 and 500: of
LeNet (20 and 50 filters) on digits/mnist5k-optdigits, or of another backbone on random images of 3x224x224. Each
loop does a number of steps when called.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.plan.grid import plan
from benchmarks.training.build import facts_of, new_trainer
from benchmarks.training.loop import Trainer, prepare
from datasets.base import Samples, Task, load_task
from methods.networks.grl import reverse

Loop = Callable[[int], None]

TASK = "digits/mnist5k-optdigits"
STEPS = 20  # of a peer's epoch, and of one timing


def suite(device: str, backbone: str, method: str = "dann", **protocol: Any) -> Loop:
    """Steps of the last stage of a method that has such, as a run does them."""
    trainer = _trainer(device, backbone, method, protocol)
    prepare(trainer.device, trainer.protocol)
    *_, stage = (stage for stage in trainer.stages if stage.updates)
    if stage.begin:
        stage.begin(trainer.data_of(stage))
    trainer._enter(stage)

    def loop(steps: int) -> None:
        for step in range(1, steps + 1):
            trainer._step(stage, step, 1, 2, False)

    return loop


def by_hand(device: str, backbone: str) -> Loop:
    """DANN's forward, backward and update, and nothing else, on batches that lie ready."""
    trainer = _trainer(device, backbone)
    prepare(trainer.device, trainer.protocol)
    stage = trainer.stages[0]
    trainer._enter(stage)
    batch, optimizer = trainer.batches.at(0, stage.sees, views=stage.views), trainer.optimizer
    net: Any = trainer.method
    assert batch.source is not None
    assert batch.target is not None
    assert optimizer is not None
    x, y = torch.cat([batch.source.x, batch.target.x]), batch.source.y
    domain = torch.cat([torch.ones(len(y)), torch.zeros(len(x) - len(y))]).to(x.device)
    strength = torch.tensor(0.5, device=x.device)
    net.train()

    def loop(steps: int) -> None:
        for _ in range(steps):
            features = net.encoder(x)
            on_domain = net.discriminator(reverse(features, strength))
            loss = F.cross_entropy(net.head(features[: len(y)]), y)
            (loss + 2 * F.binary_cross_entropy_with_logits(on_domain, domain)).backward()
            optimizer.step()
            optimizer.zero_grad()

    return loop


def skada(device: str, backbone: str) -> Loop:
    """`skada.deep.DANN` with our networks. Its own domain classifier ends in a softmax over one output (0.6.0)."""
    from skada.deep import DANN
    from skada.deep.base import DeepDADataset
    from skada.deep.modules import GradientReversalLayer

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.head = encoder, head

        def forward(self, x: Tensor, sample_weight: Tensor | None = None) -> Tensor:
            return self.head(self.encoder(x))

    class DomainClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = discriminator

        def forward(self, x: Tensor, sample_weight: Tensor | None = None) -> Tensor:
            return torch.sigmoid(self.net(GradientReversalLayer.apply(x, 1.0)))

    encoder, head, discriminator = _networks(device, backbone)
    source, y, target = _samples(backbone)
    net = DANN(
        Classifier(),
        layer_name="encoder",
        domain_classifier=DomainClassifier(),
        max_epochs=1,
        batch_size=64,
        train_split=None,
        verbose=0,
        device=device,
        optimizer=torch.optim.SGD,
        optimizer__momentum=0.9,
        optimizer__nesterov=True,
        lr=1e-3,
        warm_start=True,
    ).initialize()
    labels = np.concatenate([y.numpy(), np.full(len(target), -1)])
    domains = np.concatenate([np.ones(len(source), int), np.full(len(target), -2)])
    data = DeepDADataset(torch.cat([source, target]).numpy(), labels, domains)
    return lambda steps: _epochs(lambda: net.partial_fit(data, None), steps)


def pytorch_adapt(device: str, backbone: str) -> Loop:
    """`pytorch_adapt.hooks.DANNHook` with our networks and the library's data loader."""
    from pytorch_adapt.datasets import CombinedSourceAndTargetDataset, SourceDataset, TargetDataset
    from pytorch_adapt.hooks import DANNHook
    from torch.utils.data import DataLoader, TensorDataset

    encoder, head, discriminator = _networks(device, backbone)
    networks = {"G": encoder, "C": head, "D": discriminator}
    parameters = [p for net in networks.values() for p in net.parameters()]
    hook = DANNHook([torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, nesterov=True)])
    source, y, target = _samples(backbone)
    unlabelled = TensorDataset(target, torch.zeros(len(target)))
    data = CombinedSourceAndTargetDataset(SourceDataset(TensorDataset(source, y)), TargetDataset(unlabelled))
    loader = DataLoader(data, batch_size=64, shuffle=True)

    def epoch() -> None:
        for batch in loader:
            hook({**networks, **{name: values.to(device) for name, values in batch.items()}})

    return lambda steps: _epochs(epoch, steps)


def _trainer(
    device: str, backbone: str, method: str = "dann", protocol: Mapping[str, Any] = MappingProxyType({})
) -> Trainer:
    overrides = {"protocol": {"optimizer": "sgd", "backbone": backbone, **protocol}}
    spec, task = plan("quick", [method], [TASK], [0], overrides).specs[-1], task_of(backbone)
    view = task.train_view()
    return new_trainer(spec, facts_of(view, task.facts), view, torch.device(device))


def task_of(backbone: str) -> Task:
    """What a backbone is timed on."""
    if backbone == "lenet":
        return load_task(TASK)
    rng, shape = np.random.default_rng(0), (320, 3, 224, 224)
    source, target = (
        Samples(rng.integers(256, size=shape, dtype=np.uint8), rng.integers(10, size=320)) for _ in range(2)
    )
    return Task("random images", [str(label) for label in range(10)], [source], [target])


def _networks(device: str, backbone: str) -> tuple[nn.Module, nn.Module, nn.Module]:
    """As their users have them: in PyTorch's default memory format."""
    method = _trainer(device, backbone).method.to(memory_format=torch.contiguous_format)
    return method.encoder, method.head, method.discriminator  # type: ignore[return-value]


def _samples(backbone: str) -> tuple[Tensor, Tensor, Tensor]:
    """Source images and labels and target images for one epoch."""
    view = task_of(backbone).train_view()
    source, target = (
        torch.from_numpy(np.resize(x, (STEPS * 64, *x.shape[1:]))).float() / 127.5 - 1
        for x in (view.source.x, view.target.x)
    )
    return source, torch.from_numpy(np.resize(view.source.y, STEPS * 64)), target


def _epochs(epoch: Callable[[], None], steps: int) -> None:
    for _ in range(round(steps / STEPS)):
        epoch()

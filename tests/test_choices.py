"""Scripts that choose defaults without target labels."""

import numpy as np
import pandas as pd
import pytest
import torch

from methods.networks.layers import Discriminator
from results.choices import adversary_rate, coral_weight
from tests.conftest import spec_of, trained


@pytest.mark.parametrize(
    ("gaps", "chosen"),
    [
        ({1: [0.2, 0.0], 3: [0.05, 0.0], 10: [0.0, 0.0]}, 3),  # enough everywhere
        ({1: [0.2, 0.0, 0.0], 3: [0.2, 0.0, 0.0], 10: [0.2, 0.0, 0.0]}, 1),  # enough in the median
        ({1: [0.3, 0.3], 3: [0.1, 0.2], 10: [0.2, 0.2]}, None),  # nowhere
    ],
)
def test_the_rate_is_the_smallest_that_is_enough(gaps: dict[int, list[float]], chosen: int | None) -> None:
    assert adversary_rate.chosen(pd.DataFrame(gaps)) == chosen


def test_a_fresh_discriminator_tells_apart_what_an_untrained_one_does_not() -> None:
    draw = torch.Generator().manual_seed(0)
    sides = tuple(torch.randn(400, 2, generator=draw) + shift for shift in (0.0, 4.0))
    untrained = Discriminator(2, [16])
    before = {name: value.clone() for name, value in untrained.state_dict().items()}
    told = adversary_rate.fresh(untrained, sides, seed=0)  # type: ignore[arg-type]
    assert adversary_rate.accuracy(told, sides) > 0.97 > 0.9 > adversary_rate.accuracy(untrained, sides)  # type: ignore[arg-type]
    assert all(torch.equal(value, before[name]) for name, value in untrained.state_dict().items())


def test_losses_cross_where_they_are_equal() -> None:
    assert coral_weight.crossing([0.1, 10, 10, 10]) == pytest.approx(10**0.5)
    assert coral_weight.crossing([2, 2, 0.5, 0.1]) == pytest.approx(10**1.5)
    assert np.isnan(coral_weight.crossing([0.1, 0.2, 0.3, 0.2]))


def test_the_end_of_a_training_is_its_last_fifth() -> None:
    curves = trained(spec_of("coral")).progress.curves
    assert coral_weight.late(curves)[0] == pytest.approx(np.mean([each["task"] for each in curves[-4:]]))

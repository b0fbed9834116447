"""Losses of image translation: least squares for the adversaries, and the way there and back.

Mao et al., ICCV 2017, and Zhu et al., ICCV 2017 (CycleGAN), section 3. Discriminators give scores of any shape, to
be 1 for real images and 0 for translated ones.
"""

from torch import Tensor
from torch.nn import functional as F


def telling_loss(real: Tensor, translated: Tensor) -> Tensor:
    """A discriminator's, a scalar: half the sum of both mean squared errors (section 4)."""
    return ((real - 1).square().mean() + translated.square().mean()) / 2


def passing_loss(translated: Tensor) -> Tensor:
    """A generator's, a scalar: its translations are to score as real ones."""
    return (translated - 1).square().mean()


def cycle_loss(back: Tensor, x: Tensor) -> Tensor:
    """How far images are from what came back of them, a scalar: the mean absolute difference (equation 2)."""
    return F.l1_loss(back, x)

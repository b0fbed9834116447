"""Random views of training inputs: weak ones, which any sample may pass for, and strong ones, which distort it.

They work on a batch as networks take it, on its device: images (n, channels, height, width), sequences
(n, channels, length) and tables (n, features). All that is drawn is a function of the seed.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.core.settings import UserError, nearest

VIEWS = ("plain", "weak", "strong")
SHIFT = 1 / 8  # of an image's side, at most (FixMatch: Sohn et al., NeurIPS 2020, section 2.3)
CONTRAST, BRIGHTNESS = (0.5, 1.5), (-0.25, 0.25)  # a factor; and what is added, as a share of the batch's range
HOLE = 1 / 2  # of an image's side (Cutout: DeVries and Taylor 2017)
NOISE = 0.1  # of a feature's deviation in the batch
SCALE = 0.1  # deviation of a sequence's factor around 1 (weak view of TS-TCC: Eldele et al., IJCAI 2021)
SEGMENTS = 5  # that a sequence is cut into, to be put in another order (TS-TCC's strong view)
REPLACED = 0.6  # share of a row's features (SCARF: Bahri et al., ICLR 2022, section 3)


def check_views(names: tuple[str, ...]) -> None:
    """Raise a UserError that names an unknown view."""
    for name in names:
        if name not in VIEWS:
            raise UserError(f"unknown view {nearest(name, VIEWS)}")


def weak(x: Tensor, seed: int) -> Tensor:
    """Images shifted by up to an eighth of their side; sequences scaled; all but images with a little noise."""
    draw = torch.Generator(x.device).manual_seed(seed)
    if x.ndim == 4:
        return _shifted(x, draw)
    if x.ndim == 3:
        factor = 1 + SCALE * torch.randn(len(x), x.shape[1], 1, generator=draw, device=x.device, dtype=x.dtype)
        return _noisy(factor * x, draw)
    return _noisy(x, draw)


def distorted(x: Tensor, seed: int) -> Tensor:
    """What turns a weak view into a strong one.

    Images get another contrast and brightness, and a grey hole; sequences have their segments reordered; of a row
    of a table, most features become those of other samples.
    """
    draw = torch.Generator(x.device).manual_seed(seed)
    if x.ndim == 4:
        return _with_hole(_recoloured(x, draw), draw)
    return _reordered(x, draw) if x.ndim == 3 else _mixed(x, draw)


def _uniform(x: Tensor, low: float, high: float, draw: torch.Generator) -> Tensor:
    """A number for each sample, of a shape that spreads over it."""
    size = (len(x), *[1] * (x.ndim - 1))
    return low + (high - low) * torch.rand(size, generator=draw, device=x.device, dtype=x.dtype)


def _noisy(x: Tensor, draw: torch.Generator) -> Tensor:
    noise = torch.randn(x.shape, generator=draw, device=x.device, dtype=x.dtype)
    return x + NOISE * x.std(0, correction=0) * noise


def _shifted(x: Tensor, draw: torch.Generator) -> Tensor:
    """Whole pixels; the image's edge is repeated where it moved away."""
    height, width = x.shape[2:]
    margins = int(SHIFT * height), int(SHIFT * width)
    padded = F.pad(x, (margins[1], margins[1], margins[0], margins[0]), mode="replicate")
    top, left = (torch.randint(2 * margin + 1, (len(x), 1), generator=draw, device=x.device) for margin in margins)
    rows, columns = (torch.arange(size, device=x.device) for size in (height, width))
    sample = torch.arange(len(x), device=x.device)[:, None, None]
    moved = padded.movedim(1, -1)[sample, (top + rows)[:, :, None], (left + columns)[:, None, :]]
    return moved.movedim(-1, 1)


def _recoloured(x: Tensor, draw: torch.Generator) -> Tensor:
    low, high = x.aminmax()
    mean = x.mean((1, 2, 3), keepdim=True)
    contrasted = mean + _uniform(x, *CONTRAST, draw) * (x - mean)
    return (contrasted + (high - low) * _uniform(x, *BRIGHTNESS, draw)).clamp(low, high)


def _with_hole(x: Tensor, draw: torch.Generator) -> Tensor:
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for axis in (2, 3):
        size = x.shape[axis]
        place = torch.arange(size, device=x.device).view([-1 if each == axis else 1 for each in range(4)])
        inside = inside & ((place - _uniform(x, 0, size, draw)).abs() < HOLE * size / 2)
    return torch.where(inside, x.mean(), x)


def _reordered(x: Tensor, draw: torch.Generator) -> Tensor:
    """Each sample's segments of equal length, in an order of its own; what is left over stays at the end."""
    length = x.shape[2] // SEGMENTS
    order = torch.rand(len(x), SEGMENTS, generator=draw, device=x.device).argsort(1)
    steps = (order[:, :, None] * length + torch.arange(length, device=x.device)).flatten(1)
    moved = x[:, :, : SEGMENTS * length].gather(2, steps[:, None].expand(-1, x.shape[1], -1))
    return torch.cat([moved, x[:, :, SEGMENTS * length :]], 2)


def _mixed(x: Tensor, draw: torch.Generator) -> Tensor:
    other = torch.randint(len(x), x.shape, generator=draw, device=x.device)
    replaced = torch.rand(x.shape, generator=draw, device=x.device) < REPLACED
    return torch.where(replaced, x.gather(0, other), x)

"""Printed digits with random fonts, places, colours and blur: a domain after JMLR 2016's "synthetic numbers".

That set renders numbers of one to three digits with Windows fonts; this one renders single digits with the fonts
that matplotlib ships, so numbers on the two do not compare. A newer font or FreeType may change a pixel.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.core.randomness import generator
from datasets import files
from datasets.base import SPLIT_SEED, Samples

SIZE, TEST, SIDE = 30_000, 6_000, 32
# Those with digits of an ordinary shape.
FONTS: tuple[str, ...] = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono")
FONTS += ("DejaVuSansMono-Bold",)
FONTS += ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol")
FONTS += ("STIXGeneralItalic", "cmr10", "cmss10", "cmtt10", "cmb10")


def synth() -> Samples:
    """Images (30000, 3, 32, 32) uint8; the last 6,000 are for testing."""
    parts = files.cached("synth-1", (), _render)
    return Samples(parts["x"], np.asarray(parts["y"]), test=np.arange(SIZE) >= SIZE - TEST)


def _render() -> dict[str, np.ndarray]:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [[ImageFont.truetype(str(folder / f"{name}.ttf"), size) for size in range(18, 31)] for name in FONTS]
    rng = generator(SPLIT_SEED, "digits/synth")
    y = rng.integers(10, size=SIZE)
    images = [_image(str(digit), fonts[rng.integers(len(fonts))], rng) for digit in y]
    return {"x": np.stack(images).transpose(0, 3, 1, 2).copy(), "y": y}


def _image(digit: str, sizes: list[ImageFont.FreeTypeFont], rng: np.random.Generator) -> np.ndarray:
    """One digit (32, 32, 3), with parts of two others beside it, as a camera sees a house number."""
    background, ink = _colours(rng)
    canvas = Image.new("RGB", (2 * SIDE, 2 * SIDE), background)
    font, stroke = sizes[rng.integers(len(sizes))], int(rng.integers(2))
    neighbours = [str(rng.integers(10)) if rng.uniform() < 0.5 else " " for _ in range(2)]
    draw = ImageDraw.Draw(canvas)
    for text, anchor, x in ((neighbours[0], "rm", -9), (digit, "mm", 0), (neighbours[1], "lm", 9)):
        draw.text((SIDE + x, SIDE), text, ink, font, anchor, stroke_width=stroke)
    canvas = canvas.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR, fillcolor=background)
    left, top = SIDE // 2 + rng.integers(-3, 4, size=2)
    crop = canvas.crop((left, top, left + SIDE, top + SIDE)).filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))
    slope = np.linspace(-1, 1, SIDE)[:, None, None] * rng.uniform(-20, 20)
    noise = rng.normal(scale=rng.uniform(0, 10), size=(SIDE, SIDE, 3))
    return (np.asarray(crop) + slope + noise).clip(0, 255).astype(np.uint8)


def _colours(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Background and ink, far enough apart to be read."""
    while True:
        background, ink = rng.integers(256, size=(2, 3))
        if abs(background.mean() - ink.mean()) > 50:
            return tuple(background.tolist()), tuple(ink.tolist())

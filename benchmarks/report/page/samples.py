"""Samples of each domain, so that a reader sees what shifts: images, sequences, points, words or features.

Only where the licence lets a page that goes to others show them (``DatasetInfo.embeddable``); the user's own data
only where the user says so. No label is read.
"""

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from benchmarks.core.randomness import generator
from benchmarks.core.registry import DATASETS
from benchmarks.core.settings import UserError
from benchmarks.report.cells import Cells, without_split
from benchmarks.report.page import vega
from benchmarks.report.page.section import Chart, Section
from datasets.base import DomainFamily, load_task, preprocessing_of, resolve

OWN = "own"
IMAGES, COLUMNS, LARGEST, GAP = 12, 6, 64, 2  # of a domain; in a row; pixels of an image's side; between two
SEQUENCES, CHANNELS, STEPS = 4, 3, 128  # of a domain; of a sequence, the first; points of a line
POINTS = 200  # of a domain on a plane
SHOWN = 15  # words or features, those that differ most
WIDTH, LINE, ROW = 220, 60, 22  # pixels of a chart, of a sequence's height, of a word's row

Part = Chart | Markup
Domains = Mapping[str, Any]  # inputs by a domain's name


def samples(cells: Cells, *, show_own: bool = False) -> Section:
    """What the domains of the grid's tasks look like.

    Args:
        show_own: whether the user's own data may be in the page.
    """
    body: list[Part] = []
    for family, tasks in cells.families(cells.tasks).items():
        shared = issubclass(DATASETS.get(family), DomainFamily)  # domains that several tasks have are shown once
        for group in [tasks] if shared else [[task] for task in tasks]:
            title = family if shared else without_split(group[0], cells.tasks)
            body += [Markup("<h3>{}</h3>").format(title), *_group(family, group, cells.seeds[0], show_own)]
    lead = "What changes from domain to domain, by samples drawn at random, whatever their labels."
    return Section("samples", "What shifts", lead, body)


def _group(family: str, tasks: Sequence[str], seed: int, show_own: bool) -> list[Part]:
    """Samples of the domains that some tasks have, or a line that says why there are none."""
    info = DATASETS.info(family)
    if family == OWN and not show_own:
        return [line("Not shown: these are your own data. --show-samples puts some of them into the page.")]
    names = names_of(family, tasks)
    allowed = [name for name in names if may_show(family, name, show_own=show_own)]
    if not allowed:
        return [line(f"Not shown: the licence does not say that a page may ({info.licence}).")]
    try:
        domains = _read(family, tasks[0], allowed, seed)
        preprocessing = preprocessing_of(tasks[0], seed)
    except UserError as error:
        return [line(f"Not shown: {error}.")]
    shown = _pictures(domains, preprocessing.columns if preprocessing else ())
    without = f" Not of {', '.join(name for name in names if name not in allowed)}." * (len(allowed) < len(names))
    return [*shown, *[line(f"Licence: {info.licence}.{without}")] * (family != OWN)]


def may_show(family: str, domain: str, *, show_own: bool) -> bool:
    """Whether samples of a domain may be in a page that goes to others."""
    if family == OWN:
        return show_own
    return any(fnmatchcase(domain, pattern) for pattern in DATASETS.info(family).embeddable)


def names_of(family: str, tasks: Sequence[str]) -> list[str]:
    """Of the domains of some tasks, each once."""
    sides = [side for task in tasks for side in DATASETS.get(family)().domain_names(resolve(task).task)]
    return list(dict.fromkeys(name for side in sides for name in side))


def _read(family: str, task: str, names: Sequence[str], seed: int) -> Domains:
    """Inputs of the named domains: as their files have them; of a task's own domains, as models get them."""
    of = DATASETS.get(family)()
    if isinstance(of, DomainFamily):
        return {name: of.read_domain(name).x for name in names}
    view = load_task(task, seed=seed).train_view()
    return dict(zip(names, (view.source.x, view.target.x), strict=True))


def _pictures(domains: Domains, columns: Sequence[str]) -> list[Part]:
    """By the kind of inputs."""
    first = next(iter(domains.values()))
    if first.dtype.kind == "U":
        return [_words(domains)]
    if first.ndim == 4:
        return _images(domains)
    if first.ndim == 3:
        return _sequences(domains)
    return [_plane(domains) if first.shape[1] == 2 else _features(domains, columns)]


def _some(x: Any, count: int) -> np.ndarray:
    """Some of a domain's samples, the same ones in each page."""
    rows = generator(0, "report/samples").permutation(len(x))[:count]
    return np.asarray(x[np.sort(rows)])


def line(text: str) -> Markup:
    return Markup("<p>{}</p>").format(text)


def _images(domains: Domains) -> list[Part]:
    """A sheet of images a domain, of real numbers by one scale of grey for all."""
    drawn = {name: _some(x, IMAGES) for name, x in domains.items()}
    lowest, highest = np.percentile(np.concatenate([x.ravel() for x in drawn.values()]), [1, 99])
    pixels = {name: x if x.dtype == np.uint8 else _bytes(x, lowest, highest) for name, x in drawn.items()}
    return [sheet(x, name, f"{len(x)} images of {name}") for name, x in pixels.items()]


def _bytes(x: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    return (255 * ((x - lowest) / max(highest - lowest, 1e-9)).clip(0, 1)).astype(np.uint8)


def sheet(images: np.ndarray, caption: str, alt: str, columns: int = COLUMNS) -> Markup:
    """Images (n, channels, height, width) uint8 in rows, as one PNG inside the page."""
    from PIL import Image

    pixels = images.transpose(0, 2, 3, 1) if images.shape[1] == 3 else images[:, 0]
    tiles = [Image.fromarray(each) for each in pixels]
    for tile in tiles:
        tile.thumbnail((LARGEST, LARGEST))
    width, height = (side + GAP for side in tiles[0].size)
    whole = Image.new(tiles[0].mode, (columns * width - GAP, -(-len(tiles) // columns) * height - GAP), "white")
    for number, tile in enumerate(tiles):
        whole.paste(tile, (number % columns * width, number // columns * height))
    file = io.BytesIO()
    whole.save(file, "PNG", optimize=True)
    scale = max(1, LARGEST // max(tiles[0].size))
    return Markup(
        '<figure><img src="data:image/png;base64,{}" alt="{}" width="{}" '
        'style="max-width: 100%; height: auto; image-rendering: pixelated"><figcaption>{}</figcaption></figure>'
    ).format(b64encode(file.getvalue()).decode(), alt, whole.width * scale, caption)


def _sequences(domains: Domains) -> list[Part]:
    """The first channels of some sequences a domain, by one scale."""
    drawn = {name: _some(x, SEQUENCES)[:, :CHANNELS] for name, x in domains.items()}
    limits = [float(min(x.min() for x in drawn.values())), float(max(x.max() for x in drawn.values()))]
    charts: list[Part] = []
    for name, x in drawn.items():
        x = x[:, :, :: -(-x.shape[2] // STEPS)]
        sample, channel, step = (axis.ravel() for axis in np.indices(x.shape))
        frame = pd.DataFrame({"sample": sample, "channel": channel, "step": step, "value": x.ravel().round(4)})
        encoding = {
            "x": {"field": "step", "type": "quantitative", "axis": None},
            "y": {"field": "value", "type": "quantitative", "scale": {"domain": limits}, "title": None},
            "color": {"field": "sample", "type": "nominal", "scale": {"range": vega.COLOURS}, "legend": None},
        }
        spec = {
            "title": {"text": name},
            "data": vega.table(frame.astype({"sample": str})),
            "facet": {"row": {"field": "channel", "type": "nominal", "title": "channel"}},
            "spec": {"width": WIDTH, "height": LINE, "mark": {"type": "line"}, "encoding": encoding},
        }
        charts.append(vega.small(spec, f"{len(x)} sequences of {name}, their first {x.shape[1]} channels."))
    return charts


def _plane(domains: Domains) -> Chart:
    """Samples of two features as points."""
    frames = {name: pd.DataFrame(_some(x, POINTS).round(3), columns=["x", "y"]) for name, x in domains.items()}
    points = pd.concat(frames, names=["domain"]).reset_index("domain")
    axis = {"type": "quantitative", "scale": {"zero": False}}
    spec = {
        "data": vega.table(points),
        "width": WIDTH,
        "height": WIDTH,
        "mark": {"type": "point", "filled": True, "size": 25, "opacity": 0.75},
        "encoding": {
            "x": {"field": "x", "title": "feature 1", **axis},
            "y": {"field": "y", "title": "feature 2", **axis},
            **vega.domains(list(domains), WIDTH),
            "tooltip": [{"field": "domain", "type": "nominal"}],
        },
    }
    return vega.small(spec, f"Samples of {' and '.join(domains)} as points of a plane.")


def _words(domains: Domains) -> Chart:
    """In which share of a domain's texts a word is, of the words of which that differs most."""
    from sklearn.feature_extraction.text import CountVectorizer

    words = CountVectorizer(binary=True, stop_words="english", max_features=5000)
    words.fit(np.concatenate(list(domains.values())))
    shares = {name: 100 * np.asarray(words.transform(x).mean(axis=0)).ravel() for name, x in domains.items()}
    values = np.stack(list(shares.values()))[:, :, None] * [0.0, 1.0, 1.0]  # a bar from 0
    title = "share of texts with the word (%)"
    return _bars(domains, list(words.get_feature_names_out()), values, title)


def _features(domains: Domains, columns: Sequence[str]) -> Chart:
    """The middle half of each domain's values, of the features in which they differ most."""
    values = np.stack([np.percentile(x, [25, 50, 75], axis=0).T for x in domains.values()])
    names = columns or [f"feature {number + 1}" for number in range(values.shape[1])]
    return _bars(domains, names, values, "value: median and middle half")


def _bars(domains: Domains, names: Sequence[str], values: np.ndarray, title: str) -> Chart:
    """A bar with a point for each name and domain, of the names where domains differ most.

    Args:
        values: (domains, names, 3): where a bar begins, its point, and where it ends.
    """
    differences = np.ptp(values, axis=0).max(axis=1)
    most = np.argsort(-differences, kind="stable")[:SHOWN]
    rows = [
        {
            "name": names[k],
            "domain": domain,
            **dict(zip(("low", "value", "high"), values[d, k].round(3), strict=True)),
        }
        for k in most
        for d, domain in enumerate(domains)
    ]
    spec = {
        "data": vega.table(pd.DataFrame(rows)),
        "width": WIDTH,
        "height": {"step": ROW, "for": "position"},
        "encoding": {
            "y": {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 90}},
            "yOffset": {"field": "domain", "type": "nominal", "sort": list(domains)},
            **vega.domains(list(domains), WIDTH),
            "tooltip": [
                {"field": field, "type": "nominal"} for field in ("name", "domain", "low", "value", "high")
            ],
        },
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative", "title": title},
                    "x2": {"field": "high"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 40},
                "encoding": {"x": {"field": "value", "type": "quantitative"}},
            },
        ],
    }
    said = "; ".join(
        f"{names[k]} ({', '.join(f'{domain} {values[d, k, 1]:.3g}' for d, domain in enumerate(domains))})"
        for k in most[:3]
    )
    return vega.small(spec, f"What differs most between {', '.join(domains)}, first: {said}; {title}.")

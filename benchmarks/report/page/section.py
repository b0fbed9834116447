"""What a report's page is made of: sections, each a heading, a sentence and charts or safe HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True)
class Chart:
    spec: Mapping[str, Any]  # a Vega-Lite specification with its data inside
    alt: str  # the sentence for who does not see it


@dataclass(frozen=True)
class Section:
    anchor: str
    title: str
    lead: str  # plain text: what it shows, first
    body: Sequence[Chart | Markup] = ()

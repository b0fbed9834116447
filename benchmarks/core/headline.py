"""How an objective's headline is read: its unit, which way is better, and what a gain is counted in.

Whatever prints, compares or ranks headlines asks here. Nothing here decides a number of a run.
"""

import math
from typing import ClassVar

Form = tuple[float, str]
"""By which a number is multiplied where it is printed, and how it is then formatted."""

LEAST = 0.01  # of a share, a point; of a number in another unit, relative to it


class Headline:
    """The score that an objective is about.

    Attributes:
        headline: its column in records.
        title: of a table of it.
        name: what a sentence calls it.
        unit: that it is printed in; ``%`` where it is a share.
        higher_is_better: whether of two headlines the larger is the better.
        on_source: what the source's samples are scored by, as a sentence calls it.
        known_by: the share of the source that is known, in its column; 1 is all of it.
    """

    headline: ClassVar[str]
    title: ClassVar[str]
    name: ClassVar[str]
    unit: ClassVar[str] = "%"
    higher_is_better: ClassVar[bool] = True
    on_source: ClassVar[str] = "accuracy"
    known_by: ClassVar[str] = "accuracy"

    @property
    def is_share(self) -> bool:
        """Whether it is between 0 and 1, and comparable from task to task."""
        return self.unit == "%"

    @property
    def form(self) -> Form:
        """How it is printed."""
        return (100.0, ".1f") if self.is_share else (1.0, ".3g")

    @property
    def gain_form(self) -> Form:
        """How a gain is printed."""
        scale, digits = self.form
        return scale, f"+{digits}"

    @property
    def scale(self) -> float:
        """By which it is multiplied where it is printed."""
        return self.form[0]

    @property
    def heading(self) -> str:
        """What is printed, and in which unit."""
        return self.in_unit(self.title)

    @property
    def directed_heading(self) -> str:
        """The heading of a picture, which says so where a lower headline is the better."""
        return self.heading + ", lower is better" * (not self.higher_is_better)

    @property
    def sign(self) -> int:
        """By which differences are multiplied: a gain above 0 is always an improvement."""
        return 1 if self.higher_is_better else -1

    @property
    def counted_in(self) -> str:
        """The unit of a difference."""
        return "points" if self.is_share else self.unit or self.name

    @property
    def gains_in(self) -> str:
        """The unit of a gain, which says so where a lower headline is the better."""
        if self.higher_is_better:
            return self.counted_in
        return f"{self.name} reduction" + f" in {self.counted_in}" * bool(self.unit)

    @property
    def aim(self) -> str:
        """What of it is wanted: accuracy, low RMSE."""
        return self.name if self.higher_is_better else f"low {self.name}"

    @property
    def limits(self) -> tuple[float, float]:
        """What it cannot be below and above."""
        return (0.0, 1.0) if self.is_share else (-math.inf, math.inf)

    def in_unit(self, what: str) -> str:
        """A number's name with the unit."""
        return what + (f" ({self.unit})" if self.unit else "")

    def printed(self, value: float) -> str:
        """A headline as text, with its unit: ``93.1%``, ``0.532``."""
        scale, digits = self.form
        return f"{scale * value:{digits}}{self.unit}"

    def source_score(self, split: str) -> str:
        """The column of the score of the source's samples: ``train``, ``val`` or ``test``."""
        return f"source_{split}_{self.on_source.lower()}"

    def least(self, level: float) -> float:
        """The smallest difference that is worth a word: one point, or in another unit 1% of a headline."""
        return LEAST if self.is_share else LEAST * abs(level)

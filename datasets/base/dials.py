"""Dials: changes of a task that any data set can have, ``family/task?key=value``.

Each is a field of :class:`Options` and a pure function of what a family has read, in this order: the classes of
source and target, the share of each class, the number of samples, the split, noise in source labels, and target
labels that are granted. Only the split exists so far.
"""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator

from benchmarks.core.settings import Settings, UserError, setting, whole_number
from datasets.base.samples import Domains
from datasets.base.splits import SPLIT_SEED


def _number_or_seed(split: Any) -> int | str:
    number = whole_number(str(split))
    if number is None and split != "seed":
        raise ValueError("expected a whole number from 0 on, or seed")
    return "seed" if number is None else number


Split = Annotated[int | str, BeforeValidator(_number_or_seed)]


class Options(Settings):
    """The typed parameters of a task; a family may add its own.

    Attributes:
        split: a number, or ``seed``: each run draws by its own seed, under one task name. That has no effect where
            all splits are the data set's own.
    """

    split: Split = setting(
        SPLIT_SEED, "which draw of the validation and test samples; seed: the run's own", before=SPLIT_SEED
    )

    def of_seed(self, seed: int | None) -> Self:
        """The options of a run of that seed: ``split`` is a number.

        Raises:
            UserError: the split follows the run's seed, and there is no run.
        """
        if self.split != "seed":
            return self
        if seed is None:
            raise UserError("split=seed follows the seed of a run; name a draw, as split=0")
        return self.replace({"split": seed}, "split")

    @property
    def draw(self) -> int:
        """The number of the draw, of options whose seed is known."""
        assert isinstance(self.split, int)
        return self.split


def check_split(name: str, options: Options, domains: Domains) -> None:
    """Refuse to draw where there is nothing to draw.

    Raises:
        UserError: every domain has splits of its own, and a draw is asked for.
    """
    given = [mask is not None for source in domains.sources for mask in (source.test, source.val)]
    given += [target.test is not None for target in domains.targets]
    if options.split != SPLIT_SEED and all(given):
        raise UserError(f"{name}: all splits are the data set's own; there is nothing to draw with split=")

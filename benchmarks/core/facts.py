"""What is known of a task: enough to say whether a method can run on it, and later to build its networks."""

from dataclasses import dataclass, field

from benchmarks.core.registry import Trait


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known while a grid is planned, without the data in memory.

    Attributes:
        input_shape: of one sample; None where the family does not know it without reading.
        n_sources, n_targets: how many domains there are of each.
        n_classes: that the source has. Where the target has others, all of them are one class more: the number
            ``n_classes``, which no method is told of in training.
        traits: what the task is, beside one labelled source and one unlabelled target with the same classes.
        objective: what is learnt, by its name in :data:`benchmarks.core.objective.OBJECTIVES`.
        source_size, target_size: samples to train on; None while planning.
    """

    input_shape: tuple[int, ...] | None = None
    n_classes: int
    n_sources: int = 1
    n_targets: int = 1
    traits: tuple[Trait, ...] = ()
    objective: str = "classes"
    source_size: int | None = None
    target_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainFacts(Facts):
    """All of it, of the samples that a run trains on (a reference's are not the task's): nothing is None."""

    # Without `field` these would inherit the default None.
    input_shape: tuple[int, ...] = field()
    source_size: int = field()
    target_size: int = field()


def counted_traits(n_sources: int, n_targets: int = 1, n_few: int = 0) -> tuple[Trait, ...]:
    """The traits that numbers of domains, and of labelled target samples, decide."""
    counts: dict[Trait, bool] = {
        "few": n_few > 0,
        "several_sources": n_sources > 1,
        "several_targets": n_targets > 1,
    }
    return tuple(trait for trait, holds in counts.items() if holds)

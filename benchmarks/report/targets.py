"""The headline of each target of a task that has several, and the mean over them."""

from benchmarks.core.registry import DATASETS
from benchmarks.evaluation.targets import BY_DOMAIN
from benchmarks.report.cells import Cells, summary_of
from benchmarks.report.listings import Entry, Listing
from datasets.base import resolve


def by_domain(cells: Cells, task: str) -> Listing:
    """A row a method, a column a target; no row where the task has one target."""
    spec, objective = resolve(task), cells.objectives[task]
    _, names = DATASETS.get(spec.family)().domain_names(spec.task)
    columns = {name: f"{BY_DOMAIN}_{number}" for number, name in enumerate(names, 1)}
    columns["mean of targets"] = f"{BY_DOMAIN}_mean"
    rows: list[dict[str, Entry]] = [
        {
            "method": variant,
            **{name: summary_of(cells.values(key, variant, task).values()) for name, key in columns.items()},
        }
        for variant in (cells.variants if len(names) > 1 else ())
    ]
    number = (objective.scale, ".1f" if objective.unit == "%" else ".3g")
    return Listing(
        f"{BY_DOMAIN}-{task}", f"{objective.heading} of each target: {task}", rows, dict.fromkeys(columns, number)
    )

"""The record of the advice, as a section of a report's page."""

from benchmarks.advice.record import load_record, strategies
from benchmarks.report.page.section import Section
from benchmarks.report.page.templates import simple_table


def record_section() -> Section:
    """How often choices without target labels were right, where labels are known."""
    found = strategies(load_record())
    rows = [[each.name, str(each.gain), f"{each.harmed:.0%}", f"{100 * each.regret:.1f}"] for each in found]
    columns = ["choice", "gain over source_only", "tasks harmed by over a point", "regret"]
    lead = (
        f"What ways of choosing a model gained on {found[0].tasks} tasks whose labels are known: points, in the "
        "mean of families, with a 95% interval over families. `advise` applies the first. Your data may resemble "
        "none of these."
    )
    return Section(
        "advice-record", "How often advice was right", lead, [simple_table("Ways of choosing", columns, rows)]
    )

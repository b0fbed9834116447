"""What it costs to choose without target labels, and which validator loses least."""

from benchmarks.report.page.contents import Contents
from benchmarks.report.page.section import Section
from benchmarks.report.page.templates import listing_table


def section(contents: Contents) -> Section | None:
    tables = [listing for listing in contents.report.listings if listing.kind in ("choices", "validators")]
    if not tables:
        return None
    unit = dict.fromkeys(each.counted_in for each in contents.cells.objectives.values())
    lead = (
        "The last step, the choice without target labels, a random candidate and the best one by target labels, "
        f"side by side. Regret is what a choice loses against that best one, in {' or '.join(unit)}."
    )
    body = [listing_table(contents.report, listing) for listing in tables]
    return Section("choices", "Choosing without target labels", lead, body)

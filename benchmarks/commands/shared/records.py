"""Where records are: the flags that name stores and files of them."""

from pathlib import Path

from benchmarks.commands.shared import values
from benchmarks.commands.shared.options import Group
from benchmarks.records.store import STORE_VARIABLE, Store


def add_store_flag(flags: Group) -> None:
    flags.add_argument("--store", type=values.path, help=f"folder of records; default ${STORE_VARIABLE} or ./runs")


def add_records_flags(flags: Group) -> None:
    records = "a store or a .csv of records, instead of the default store; with --store, in addition to it"
    flags.add_argument("--records", type=values.path, metavar="PATH", help=records)
    add_store_flag(flags)


def record_sources(store: Path | None, records: Path | None) -> list[Path]:
    """The stores and files of records that a command reads, the first to be asked first."""
    return [path for path in (store, records) if path] or [Store(None).root]

"""Planted faults, each with the test that must go red: ``python -m tests.plants`` plants them one by one.

``plants.toml`` lists them. A fault is an exact replacement of text that must be found exactly once in its file, so
it survives moved lines and says so when the code that it breaks has changed.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Plant:
    """One fault.

    Attributes:
        what: the fault in words.
        file: relative to the repository.
        before, after: text of the file, and what replaces it.
        test: the pytest id of a test that must fail; without brackets, of any of its parameters.
    """

    name: str
    what: str
    file: str
    before: str
    after: str
    test: str

    def planted(self, root: Path) -> str:
        """The whole file with the fault.

        Raises:
            ValueError: the text is not there exactly once.
        """
        text = (root / self.file).read_text(encoding="utf-8")
        if (count := text.count(self.before)) != 1:
            raise ValueError(f"{self.name}: {self.file} has this text {count} times, not once:\n{self.before}")
        return text.replace(self.before, self.after)


def load_plants() -> list[Plant]:
    with (Path(__file__).parent / "plants.toml").open("rb") as file:
        return [Plant(**values) for values in tomllib.load(file)["plant"]]

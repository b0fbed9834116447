"""The digest of a run's code: what it covers, and what it leaves out."""

from pathlib import Path

import pytest

from benchmarks.commands.parser import main
from benchmarks.records import provenance
from benchmarks.records.provenance import (
    HARNESS,
    _imported,
    _syntax,
    code_digest,
    made_by_other_code,
    spec_digest,
)
from tests.conftest import EngineHere, spec_of

ROOT = Path(__file__).parents[1]
CODE = '''"""What it is for."""


class Kind:
    """A kind."""

    number: int = 3
    """Of something."""

    def double(self) -> int:
        """Twice."""
        # at once
        return 2 * self.number
'''


def test_a_digest_covers_what_a_method_imports_and_no_other_method() -> None:
    files = _imported(["methods.dann", "methods.networks.backbones.lenet"])
    assert {"methods.base", "methods.losses.adversarial", "methods.networks.layers"} <= files
    assert not {"methods.cdan", "methods.losses.mmd", "methods.networks.backbones.cnn"} & files


def test_digests_differ_by_method_data_and_backbone_and_not_by_its_options() -> None:
    base = code_digest("dann", "toys", "mlp")
    others = {
        code_digest("dan", "toys", "mlp"),
        code_digest("dann", "digits", "mlp"),
        code_digest("dann", "toys", "cnn"),
    }
    assert len(others | {base}) == 4
    assert code_digest("dann", "toys", "mlp?width=3") == base


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("What it is for", "What it is good for", True),
        ("A kind", "Some kind", True),
        ("Of something", "Of something else", True),
        ('        """Twice."""\n', "", True),
        ("# at once", "# later", True),
        ("return 2 * self", "return (2) *   self", True),
        ("2 * self", "3 * self", False),
        ("int = 3", "int = 4", False),
        ("double", "triple", False),
    ],
)
def test_a_sentence_changes_no_digest_and_a_number_does(
    tmp_path: Path, before: str, after: str, same: bool
) -> None:
    files = [tmp_path / "one.py", tmp_path / "two.py"]
    for file, text in zip(files, (CODE, CODE.replace(before, after)), strict=True):
        file.write_text(text)
    assert (_syntax(files[0]) == _syntax(files[1])) == same


# Files of these rooms that decide no number of a record: how long it takes, how it is saved and loaded.
DECIDE_NOTHING = {"again", "estimate", "memory", "model", "state", "weights", "predictions"}
DECIDE_NOTHING |= {"validators", "correction", "agreement", "candidates", "outcomes", "__init__"}


def test_a_digest_covers_all_that_trains_and_scores() -> None:
    rooms = ("training", "evaluation")
    found = {
        f"benchmarks.{room}.{file.stem}" for room in rooms for file in (ROOT / "benchmarks" / room).glob("*.py")
    }
    assert {name for name in found if name.split(".")[-1] not in DECIDE_NOTHING} <= set(HARNESS)
    covered = _imported(HARNESS)
    assert {"methods.base", "methods.networks.build", "datasets.base", "datasets.files.images"} <= covered


@pytest.mark.parametrize("name", ["benchmarks.core.protocol", "methods.networks.build", "datasets.base"])
def test_another_line_of_the_harness_changes_every_digest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_digest.__wrapped__("dann", "toys", "mlp")
    real = provenance._syntax
    changed = provenance._file(name)
    monkeypatch.setattr(provenance, "_syntax", lambda file: real(file) + "!" * (file == changed))
    assert code_digest.__wrapped__("dann", "toys", "mlp") != before


def test_records_of_other_code_are_named_and_few_of_many() -> None:
    specs = [spec_of("source_only", seed=seed) for seed in range(6)]
    codes = {spec.run_id: spec_digest(spec) for spec in specs}
    assert made_by_other_code(codes, specs) == ""
    said = made_by_other_code({**codes, specs[1].run_id: "0" * 12, specs[2].run_id: ""}, specs)
    assert said == f"1 of 5 records were made by different code: {specs[1].run_id} ({specs[1]})"
    assert "6 of 6 records" in (said := made_by_other_code(dict.fromkeys(codes, "0" * 12), specs))
    assert said.endswith(" and 3 more")


def test_table_names_a_stores_records_of_other_code_and_no_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = ["--tasks", "toys/moons", "--seeds", "1", "--methods", "source_only", "--set", "protocol.steps=20"]
    store, saved = ["--store", str(tmp_path / "store")], ["--records", str(tmp_path / "saved.csv")]
    monkeypatch.setattr("benchmarks.engines.local.LocalEngine", EngineHere)
    assert main(["run", *grid, *store]) == 0
    monkeypatch.setattr(provenance, "spec_digest", lambda spec: "f" * 12)
    capsys.readouterr()
    assert main(["table", *grid, *store, "--save-records", str(tmp_path / "saved.csv")]) == 0
    assert "1 of 1 records were made by different code: " in capsys.readouterr().err
    assert main(["table", *grid, *saved]) == 0
    assert "different code" not in capsys.readouterr().err
    assert main(["run", *grid, *store]) == 0
    assert "1 of 1 records were made by different code: " in capsys.readouterr().err

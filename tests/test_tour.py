"""The notebook: it has been executed, and executing it again ends well."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "examples" / "tour.ipynb"


def test_the_tour_was_executed_from_its_first_cell_to_its_last() -> None:
    cells = [cell for cell in json.loads(TOUR.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]


@pytest.mark.thorough
def test_the_tour_can_be_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nbclient", reason="needs the extra `notebook`")
    pytest.importorskip("ipykernel", reason="needs the extra `notebook`")
    import nbclient
    import nbformat

    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("BENCHMARKS_STORE", raising=False)
    tour = nbformat.read(TOUR, as_version=4)
    where = {"metadata": {"path": str(TOUR.parent)}}
    nbclient.NotebookClient(tour, timeout=1200, kernel_name="python3", resources=where).execute()
    printed = [
        str(output.get("text", output.get("data"))) for cell in tour.cells for output in cell.get("outputs", [])
    ]
    assert not [text for text in printed if "error:" in text]  # of commands, whose exit codes a notebook ignores
    assert sum("| centroids " in text for text in printed) == 1, "the new method's row"

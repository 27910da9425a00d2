from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from support.shared import REPOSITORY

NOTEBOOK = REPOSITORY / "notebooks" / "first_steps.ipynb"
KEY_NUMBERS = """
import json

print(json.dumps({
    "patients": lake.sql("SELECT count(*) FROM patient").fetchall()[0][0],
    "views": len(built),
    "rejected": loaded.total("rejected"),
    "read": loaded.total("read"),
    "lines": sum(export.lines.values()),
    "results": len(results),
    "adults": len(adults),
    "gfr": [float(adults["gfr"].min()), float(adults["gfr"].max())],
    "decades": by_decade["decade"].to_list(),
    "medians": by_decade["median_gfr"].to_list(),
    "counted": int(by_decade["patients"].sum()),
}))
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after a run in an empty folder, with a last cell that prints the key numbers."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(KEY_NUMBERS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.delenv("MPLBACKEND", raising=False)
        NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_the_key_numbers(executed: Any) -> None:
    numbers = json.loads(executed.cells[-1].outputs[0].text)
    views = len(list((REPOSITORY / "view_definitions").rglob("*.json")))
    assert (numbers["patients"], numbers["views"], numbers["rejected"]) == (500, views, 0)
    assert numbers["read"] == numbers["lines"]
    assert 250 < numbers["adults"] < numbers["results"] <= 500
    assert numbers["counted"] == numbers["adults"]
    assert 0 < numbers["gfr"][0] < 60 < numbers["gfr"][1] < 200
    assert numbers["decades"] == sorted(set(numbers["decades"]))
    assert numbers["medians"][0] > numbers["medians"][-1]


def test_every_step_shows_something_and_nothing_is_an_error(executed: Any) -> None:
    found = outputs(executed)
    tables = [output for output in found if "text/html" in output.get("data", {})]
    plots = [output for output in found if "image/png" in output.get("data", {})]
    assert (len(tables), len(plots)) == (7, 1)
    assert len(plots[0].data["image/png"]) > 10_000
    assert [output for output in found if output.output_type == "error" or output.get("name") == "stderr"] == []


def test_a_view_shows_its_columns_and_its_first_rows(executed: Any) -> None:
    (shown,) = [output.data["text/html"] for output in outputs(executed) if "FHIR type" in str(output.get("data", {}))]
    assert "<b>patient</b>: 500 rows of Patient, fresh, built " in shown
    assert "<td>birth_date</td><td>date</td>" in shown
    assert shown.count("<tr>") == 2 + shown.partition("<p>The first rows")[0].count("<tr>") - 1 + 5
    assert "lake_" not in shown


def test_no_output_is_committed() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert outputs(notebook) == []
    assert {cell.execution_count for cell in notebook.cells if cell.cell_type == "code"} == {None}


def test_the_lines_of_the_code_fit_the_page() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert max(len(line) for cell in notebook.cells for line in cell.source.splitlines()) <= 120


def test_the_notebook_knows_nothing_of_where_it_was_written() -> None:
    text = Path(NOTEBOOK).read_text(encoding="utf-8")
    assert "/home/" not in text
    assert str(REPOSITORY) not in text

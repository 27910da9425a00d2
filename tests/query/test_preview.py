"""`lake.view(name)`: a view that shows itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import InputError


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("preview")
    lines = [
        {"resourceType": "Patient", "id": f"p{n}", "name": [{"family": "<b>Ünal</b>" + "x" * 60, "given": ["A", "B"]}]}
        for n in range(7)
    ]
    source = folder / "patients.ndjson"
    source.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = Lake.open(folder / "lake")
    found.load(source)
    columns = [
        {"name": "id", "path": "getResourceKey()", "type": "id", "description": "Key & more."},
        {"name": "family", "path": "name.family", "type": "string"},
        {"name": "given", "path": "name.given", "type": "string", "collection": True},
        {"name": "born", "path": "birthDate", "type": "date"},
    ]
    (folder / "views").mkdir()
    view = {"name": "person", "resource": "Patient", "select": [{"column": columns}]}
    (folder / "views/person.json").write_text(json.dumps(view))
    found.build_views(definitions=folder / "views")
    return found


def test_it_prints_its_columns_and_first_rows(lake: Lake) -> None:
    lines = repr(lake.view("person")).splitlines()
    assert lines[0].startswith("person: 7 rows of Patient, fresh, built 20")
    assert lines[1:4] == ["  id      id        Key & more.", "  family  string", "  given   string *"]
    assert "shape: (5, 4)" in lines
    assert "lake_" not in repr(lake.view("person"))


def test_in_a_notebook_it_is_two_tables(lake: Lake) -> None:
    shown = lake.view("person")._repr_html_()
    assert shown.count("<table>") == 2
    assert "<td>given</td><td>string *</td><td>VARCHAR[]</td>" in shown
    assert "Key &amp; more." in shown
    assert "<td>&lt;b&gt;Ünal" in shown, "values are text, never markup"
    assert "x" * 60 not in shown
    assert shown.count("<tr>") == (1 + 4) + (1 + 5)


def test_its_rows_as_frames(lake: Lake) -> None:
    view = lake.view("person")
    assert (len(view), view.rows, [column.name for column in view.columns]) == (7, 7, ["id", "family", "given", "born"])
    assert view.pl().shape == view.df().shape == (7, 4)
    assert view.head(2)["given"].to_list() == [["A", "B"]] * 2
    assert view.schema.names == ["id", "family", "given", "born"]
    assert "list<" in str(view.schema.field("given").type)
    assert view.relation().columns == view.schema.names


def test_a_view_that_is_older_than_its_table_says_so(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake")
    source = tmp_path / "p.ndjson"
    source.write_text('{"resourceType":"Patient","id":"a"}\n')
    lake.load(source)
    (tmp_path / "views").mkdir()
    view = {"name": "person", "resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    (tmp_path / "views/person.json").write_text(json.dumps(view))
    lake.build_views(definitions=tmp_path / "views")
    assert ": 1 row of Patient, fresh, built " in repr(lake.view("person"))
    assert "<p>All rows</p>" in lake.view("person")._repr_html_()
    source.write_text('{"resourceType":"Patient","id":"b"}\n')
    lake.load(source)
    assert ", stale, built " in repr(lake.view("person"))


def test_a_view_that_is_not_built(lake: Lake) -> None:
    with pytest.raises(InputError) as caught:
        lake.view("persn")
    assert (caught.value.code, caught.value.hint) == ("unknown_view", "did you mean person?")

"""SQL that cannot be answered: the error says why, and what to do, in names of the lake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import InputError

VIEW = {"resource": "Patient", "name": "person", "select": [{"column": [{"name": "id", "path": "id"}]}]}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "views").mkdir()
    (folder / "views/person.json").write_text(json.dumps(VIEW))
    (folder / "source.ndjson").write_text('{"resourceType":"Patient","id":"a"}\n{broken\n')
    lake = Lake.open(folder / "lake")
    lake.load(folder / "source.ndjson", max_rejects=0.5)
    lake.build_views(definitions=folder / "views")
    return lake


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM persn", "did you mean person"),
        ("SELECT * FROM fhir.Patiant", "fhir.Patient"),
        ("SELECT idd FROM person", '"id"'),
        ("SELECT no_such_function(1)", "no_such_function"),
        ("DROP VIEW person", "DROP is not a query"),
        ("COPY person TO 'x.csv'", "COPY is not a query"),
        ("SELECT 1; SELECT 2", "several statements"),
        (" -- nothing", "no statement"),
        ('SELECT * FROM "fhir.Patient"', "without quotation marks"),
        ("SELECT * FROM tenant", "there is no view or table tenant"),
    ],
)
def test_a_refusal_says_why(lake: Lake, query: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        lake.sql(query)
    assert said in str(caught.value)
    assert "pg_" not in str(caught.value)


def test_a_lake_without_anything_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacustre load"):
        Lake.open(tmp_path / "none").sql("SELECT * FROM patient")


def test_a_lake_without_views_says_how_to_build_them(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "source.ndjson").write_text('{"resourceType":"Patient","id":"a"}\n')
    raw = Lake.open(tmp_path / "lake")
    raw.load(tmp_path / "source.ndjson")
    with pytest.raises(InputError, match="lacustre views build"):
        raw.sql("SELECT * FROM patient")


def test_queries_of_every_kind_are_answered(lake: Lake) -> None:
    assert lake.sql("SHOW TABLES").fetchall() == [("person",), ("rejects",)]
    assert lake.sql("DESCRIBE person").fetchall()[0][:2] == ("id", "VARCHAR")
    assert lake.sql("PIVOT person ON id USING count(*)").columns == ["a"]
    named = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'fhir'"
    assert lake.sql(named).fetchall() == [("Patient",)]


def test_rejected_lines_can_be_asked_for(lake: Lake, tmp_path: Path) -> None:
    query = "SELECT line, reason, decode(raw) FROM {}"
    expected = [(2, "not_json", "{broken")]
    assert lake.sql(query.format("rejects")).fetchall() == expected
    assert lake.sql(query.format("lake.rejects")).fetchall() == expected
    assert Lake.open(tmp_path / "none").sql("SELECT * FROM rejects").fetchall() == []

"""Views of a lake as it was: over the tables of then, whatever was built since."""

from __future__ import annotations

from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.views.catalog import starter_views
from support.loading import load_lines

QUESTION = "SELECT id, gender, birth_date FROM patient ORDER BY id"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Version 1 has another type only, 2 a patient, 3 two, of which one has what the other lacks, 4 one again."""
    lake = Lake.open(tmp_path / "lake")
    load_lines(lake, tmp_path, {"resourceType": "Encounter", "id": "e", "status": "finished"})
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "a", "gender": "male"})
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "b", "birthDate": "1970"})
    lake.delete("Patient/a")
    lake.build_views("patient", definitions=starter_views())
    return lake


def test_a_view_is_of_the_tables_of_then(lake: Lake) -> None:
    answers = [lake.at(version).sql(QUESTION).fetchall() for version in (1, 2, 3, 4)]
    first, second = ("a", "male", None), ("b", None, "1970")
    assert answers == [[], [first], [first, second], [second]]
    assert lake.at(3).sql("SELECT lake_resource FROM lineage.patient ORDER BY 1").fetchall() == [
        ("Patient/a",),
        ("Patient/b",),
    ]


def test_its_columns_are_those_of_the_view(lake: Lake) -> None:
    columns = lake.sql("FROM patient").columns
    assert [lake.at(version).sql("FROM patient").columns for version in (1, 2, 4)] == [columns] * 3


def test_a_session_of_then_has_the_views_too(lake: Lake) -> None:
    with lake.at(2).session() as session:
        assert session.execute(QUESTION).fetchall() == [("a", "male", None)]

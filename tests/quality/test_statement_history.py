"""What statements say after interruptions, maintenance and the retention of earlier ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lacustre import Lake
from lacustre.quality.thresholds import Thresholds
from lacustre.store import load as load_module
from lacustre.store.maintain import maintain
from lacustre.store.retention import Retention
from lacustre.store.table_changes import TableChanges
from support.exports import write_export
from support.loading import Resource, load_lines, write_lines


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def patient(name: str, **members: Any) -> Resource:
    return {"resourceType": "Patient", "id": name, "gender": "male", **members}


def encounter(name: str) -> Resource:
    return {"resourceType": "Encounter", "id": name, "status": "finished", "subject": {"reference": "Patient/a"}}


def observation(name: str, encounter: str) -> Resource:
    reference = {"reference": f"Encounter/{encounter}"}
    return {"resourceType": "Observation", "id": name, "status": "final", "encounter": reference}


def crash(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_encounters_of_an_interrupted_load_came_with_its_export(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"Encounter": [encounter("e")], "Observation": [observation("o", "e")], "Patient": [patient("a")]}
    export = write_export(tmp_path / "a", 5, files)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(load_module, "add_loaded", crash)
        lake.load(export)
    for result in (lake.load(export), load_lines(lake, tmp_path, patient("b"))):
        completeness = result.statement["completeness"]
        assert (completeness["encounters"], completeness["complete"], completeness["waiting"]) == (1, 1, {})


@pytest.mark.parametrize("place", [(TableChanges, "commit"), (load_module, "add_loaded")])
def test_what_an_interrupted_load_deleted_is_in_the_statement_of_the_next(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[object, str]
) -> None:
    """Also where the table got as many rows as it lost."""
    load_lines(lake, tmp_path, patient("a"), patient("b"))
    gone = {"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE", "url": "Patient/a"}}]}
    export = write_export(tmp_path / "x", 5, {"Patient": [patient("c")]}, deleted=[gone | {"timestamp": "2030-01-01"}])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(*place, crash)
        lake.load(export)
    types = lake.load(export).statement["types"]
    assert (types["Patient"]["deleted"], types["Patient"]["rows"]) == (1, 2)


def test_references_are_rechecked_where_maintenance_moved_their_rows(lake: Lake, tmp_path: Path) -> None:
    strict = Thresholds(max_unresolved={"all": 0.0})
    source = write_lines(tmp_path / "o.ndjson", [observation(f"o{number}", "e") for number in range(5)])
    held = lake.load(source, thresholds=strict)
    for number in range(2):
        load_lines(lake, tmp_path, observation(f"p{number}", "other"))
    assert "fhir/Observation" in {done.table for done in lake.maintain().compactions}
    result = load_lines(lake, tmp_path, encounter("e"))
    assert result.statement["rechecked_references"] == {held.load: {"count": 5, "resolved": 5}}


def test_freshness_outlives_the_retention_of_statements(lake: Lake, tmp_path: Path) -> None:
    dated = patient("a", meta={"lastUpdated": "2026-01-20T10:00:00.123+01:00"})
    lake.load(write_export(tmp_path / "a", 21, {"Patient": [dated]}))
    for number in range(3):
        load_lines(lake, tmp_path, encounter(f"e{number}"))
    known = next(lake.history()).statement["freshness"]
    lake.maintain()
    for days in (40, 42):
        maintain(lake._tenant, Retention(now=datetime.now(UTC) + timedelta(days=days)))
    assert {record.kind for record in lake.history()} == {"maintain"}
    assert load_lines(lake, tmp_path, encounter("new")).statement["freshness"] == known
    assert known["export"] == "2026-01-21T00:00:00.000Z"

"""Views are older than their tables when other rows came in, not when files were merged or a load is held."""

from __future__ import annotations

from pathlib import Path

from lacustre import Lake
from support.exports import write_export
from support.loading import load_lines

VIEW = '{"resource": "Patient", "name": "person", "select": [{"column": [{"name": "id", "path": "id"}]}]}'


def test_a_view_is_stale_when_other_rows_were_published(tmp_path: Path) -> None:
    lake, definitions = Lake.open(tmp_path / "lake"), tmp_path / "definitions"
    definitions.mkdir()
    (definitions / "person.json").write_text(VIEW)
    assert lake.stale_views() == []
    lake.build_views(definitions=definitions)
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "a"})
    assert lake.stale_views() == ["person"]
    load_lines(lake, tmp_path, {"resourceType": "Patient", "id": "b"})
    lake.build_views(definitions=definitions)
    lake.maintain()
    (table,) = (table for table in lake.tables() if table.schema == "fhir")
    (view,) = lake.views()
    assert table.version != view.source_version
    assert lake.stale_views() == []
    lines = {"Patient": [{"resourceType": "Patient", "id": "c"}]}
    assert lake.load(write_export(tmp_path / "short", 1, lines, announced={"Patient": 2})).state == "held"
    assert lake.stale_views() == []
    lake.publish("known")
    assert lake.stale_views() == ["person"]

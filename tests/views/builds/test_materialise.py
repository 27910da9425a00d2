"""Views on disk: partitioned as their table, swapped in whole, honest about what the data forbid."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lacustre import Lake
from lacustre.errors import DataError, InputError, SettingsError, ViewDefinitionError
from lacustre.store.sealed import unseal
from lacustre.views.builds.manifest import ViewManifest


def write_view(folder: Path, name: str = "person", path: str = "name.family", **members: object) -> Path:
    folder.mkdir(exist_ok=True)
    columns = [
        {"name": "id", "path": "getResourceKey()", "type": "id"},
        {"name": "family", "path": path, "type": "string"},
    ]
    view = {"resource": "Patient", "name": name, "select": [{"column": columns}], **members}
    target = folder / f"{name}.json"
    target.write_text(json.dumps(view))
    return target


def load(lake: Lake, folder: Path, count: int, names: int = 1, **options: int) -> None:
    source = folder / "patients.ndjson"
    with source.open("w") as lines:
        for number in range(count):
            patient = {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": "X"}] * names}
            lines.write(json.dumps(patient) + "\n")
    lake.load(source, **options)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def test_one_file_for_each_shard_and_segment_with_lineage(lake: Lake, tmp_path: Path) -> None:
    write_view(tmp_path / "views")
    load(lake, tmp_path, 40, shards=4)
    (built,) = lake.build_views(definitions=tmp_path / "views")
    assert {file.shard for file in built.files} == {"0", "1", "2", "3"}
    assert sum(file.rows for file in built.files) == built.rows == 40
    for file in built.files:
        table = pq.read_table(tmp_path / "lake" / file.path)
        assert table.column_names[:2] == ["id", "family"]
        assert table.column_names[2:5] == ["lake_resource", "lake_patient_key", "lake_source"]
        assert {key % 4 for key in table.column("lake_patient_key").to_pylist()} == {int(file.shard)}


def test_the_manifest_says_what_the_view_is_of(lake: Lake, tmp_path: Path) -> None:
    path = write_view(tmp_path / "views")
    load(lake, tmp_path, 3)
    (first,) = lake.build_views(definitions=tmp_path / "views")
    assert (first.view, first.resource, first.source_rows, first.rows) == ("person", "Patient", 3, 3)
    assert [column.name for column in first.columns] == ["id", "family"]
    assert lake.views() == [first] == [ViewManifest.read(unseal(first.to_json(), "manifest"))]
    (again,) = lake.build_views(definitions=tmp_path / "views")
    assert again.hash == first.hash
    write_view(tmp_path / "views", path="name.family.first()")
    (changed,) = lake.build_views(definitions=path.parent)
    assert changed.hash != first.hash


def test_several_values_in_a_single_column_fail_and_leave_the_last_build(lake: Lake, tmp_path: Path) -> None:
    write_view(tmp_path / "views")
    load(lake, tmp_path, 2)
    (before,) = lake.build_views(definitions=tmp_path / "views")
    load(lake, tmp_path, 2, names=2)
    with pytest.raises(DataError) as caught:
        lake.build_views(definitions=tmp_path / "views")
    assert caught.value.code == "view_contradicts_data"
    assert "person" in caught.value.message
    assert "family" in caught.value.message
    assert lake.views() == [before]
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(2,)]
    folder = tmp_path / "lake/tenants/default"
    assert not list((folder / "_staging").glob("*"))
    assert [path.name for path in (folder / "views/person").glob("[0-9]*")] == [before.build]


def test_a_view_that_the_data_contradict_does_not_stop_the_others(lake: Lake, tmp_path: Path) -> None:
    for name, path in (("aaa", "name.family"), ("bbb", "name.family.first()"), ("ccc", "name.family")):
        write_view(tmp_path / "views", name, path)
    load(lake, tmp_path, 2, names=2)
    with pytest.raises(DataError) as caught:
        lake.build_views(definitions=tmp_path / "views")
    assert "view aaa" in caught.value.message
    assert "view ccc" in caught.value.message
    assert [view.view for view in lake.views()] == ["bbb"]


@pytest.mark.parametrize(
    "path", ["maritalStatus.text", "contact.name.family", "name.period.start", "meta.security.code"]
)
def test_a_part_of_the_table_may_lack_what_a_later_load_brought(lake: Lake, tmp_path: Path, path: str) -> None:
    write_view(tmp_path / "views", path=path)
    old = {"resourceType": "Patient", "id": "a", "name": [{"family": "X"}], "meta": {"source": "s"}}
    new = old | {
        "id": "b",
        "maritalStatus": {"text": "yes"},
        "contact": [{"name": {"family": "yes"}}],
        "name": [{"family": "X", "period": {"start": "yes"}}],
        "meta": {"source": "s", "security": [{"code": "yes"}]},
    }
    for resource in (old, new):
        (tmp_path / "patients.ndjson").write_text(json.dumps(resource) + "\n")
        lake.load(tmp_path / "patients.ndjson")
    (built,) = lake.build_views(definitions=tmp_path / "views")
    assert len(built.files) == 2
    assert lake.sql("FROM person ORDER BY id").fetchall() == [("a", None), ("b", "yes")]


def test_a_build_spares_what_is_young(lake: Lake, tmp_path: Path) -> None:
    write_view(tmp_path / "views")
    load(lake, tmp_path, 2)
    (first,) = lake.build_views(definitions=tmp_path / "views")
    folder = tmp_path / "lake/tenants/default/views/person"
    killed, running = folder / "20200101T000000Z-0000", folder / "29991231T235959Z-0000"
    for other in (killed, running):
        (other / "lake_shard=0").mkdir(parents=True)
    (second,) = lake.build_views(definitions=tmp_path / "views")
    left = {path.name for path in folder.glob("[0-9]*")}
    assert left == {first.build, killed.name, running.name}
    assert second.files == first.files


def test_a_name_that_sql_cannot_tell_from_another_is_refused(lake: Lake, tmp_path: Path) -> None:
    write_view(tmp_path / "views", "Person")
    load(lake, tmp_path, 2)
    lake.build_views(definitions=tmp_path / "views")
    write_view(tmp_path / "renamed", "person")
    with pytest.raises(InputError, match="view_name_taken"):
        lake.build_views(definitions=tmp_path / "renamed")
    assert lake.session().sql("SELECT count(*) FROM person").fetchall() == [(2,)]


def test_a_view_is_found_by_its_name_whatever_its_file_is_called(lake: Lake, tmp_path: Path) -> None:
    path = write_view(tmp_path / "views")
    path.rename(path.with_name("ViewDefinition-1.json"))
    load(lake, tmp_path, 2)
    (built,) = lake.build_views("person", definitions=tmp_path / "views")
    assert built.view == "person"
    write_view(tmp_path / "views", "Person")
    with pytest.raises(InputError, match="view_defined_twice"):
        lake.build_views(definitions=tmp_path / "views")


def test_a_view_that_does_not_compile_stops_before_any_is_built(lake: Lake, tmp_path: Path) -> None:
    write_view(tmp_path / "views", "aaa")
    write_view(tmp_path / "views", "bbb", path="nam.family")
    load(lake, tmp_path, 1)
    with pytest.raises(ViewDefinitionError, match="name"):
        lake.build_views(definitions=tmp_path / "views")
    assert lake.views() == []


def test_a_view_of_another_fhir_version_is_refused(lake: Lake, tmp_path: Path) -> None:
    write_view(tmp_path / "views", fhirVersion=["5.0.0"])
    load(lake, tmp_path, 1)
    with pytest.raises((ViewDefinitionError, SettingsError)):
        lake.build_views(definitions=tmp_path / "views")


def test_unknown_views_and_folders(lake: Lake, tmp_path: Path) -> None:
    write_view(tmp_path / "views")
    with pytest.raises(InputError, match="unknown_view") as caught:
        lake.build_views("persn", definitions=tmp_path / "views")
    assert "person" in str(caught.value.hint)
    with pytest.raises(InputError, match="no_view_definitions"):
        lake.build_views(definitions=tmp_path / "nowhere")
    (tmp_path / "views/sub").mkdir()
    write_view(tmp_path / "views/sub")
    with pytest.raises(InputError, match="view_defined_twice"):
        lake.build_views(definitions=tmp_path / "views")

"""What SQL sees: views in main, raw tables in fhir, lineage apart, and a state that does not move."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lacustre import Lake
from lacustre.errors import InputError, SettingsError
from lacustre.query.results import format_of, write_result

VIEW = {
    "resource": "Patient",
    "name": "person",
    "select": [
        {"column": [{"name": "id", "path": "id", "type": "id"}, {"name": "born", "path": "birthDate", "type": "date"}]}
    ],
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    (tmp_path / "views").mkdir()
    (tmp_path / "views/person.json").write_text(json.dumps(VIEW))
    return Lake.open(tmp_path / "lake")


def load(lake: Lake, folder: Path, *resources: dict[str, object]) -> None:
    source = folder / "source.ndjson"
    source.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    lake.load(source)


def patient(identifier: str, **members: object) -> dict[str, object]:
    return {"resourceType": "Patient", "id": identifier, **members}


def test_views_raw_tables_and_lineage(lake: Lake, tmp_path: Path) -> None:
    load(lake, tmp_path, patient("a", birthDate="1950"), patient("b", gender="male"))
    lake.build_views(definitions=tmp_path / "views")
    assert lake.sql("SELECT * FROM person ORDER BY id").fetchall() == [("a", "1950"), ("b", None)]
    assert lake.sql("SELECT id, gender FROM fhir.Patient ORDER BY id").fetchall() == [("a", None), ("b", "male")]
    rows = lake.sql("SELECT lake_resource, lake_source.line FROM lineage.person ORDER BY ALL").fetchall()
    assert rows == [("Patient/a", 1), ("Patient/b", 2)]


def test_a_view_of_no_table_is_empty_with_its_columns(lake: Lake, tmp_path: Path) -> None:
    (built,) = lake.build_views(definitions=tmp_path / "views")
    assert (built.rows, built.source_version) == (0, None)
    relation = lake.sql("SELECT * FROM person")
    assert relation.columns == ["id", "born"]
    assert [str(kind) for kind in relation.types] == ["VARCHAR", "VARCHAR"]
    assert relation.fetchall() == []


def test_a_table_of_which_everything_was_deleted_is_empty_with_its_columns(lake: Lake, tmp_path: Path) -> None:
    load(lake, tmp_path, patient("a", birthDate="1950"))
    columns = lake.sql("FROM fhir.Patient")
    described = list(zip(columns.columns, map(str, columns.types), strict=True))
    lake.delete("Patient/a")
    relation = lake.sql("FROM fhir.Patient")
    assert list(zip(relation.columns, map(str, relation.types), strict=True)) == described
    assert relation.fetchall() == lake.session().sql("FROM fhir.Patient").fetchall() == []
    assert lake.at(1).sql("SELECT id FROM fhir.Patient").fetchall() == [("a",)]


def test_a_view_is_of_its_last_build(lake: Lake, tmp_path: Path) -> None:
    load(lake, tmp_path, patient("a"))
    lake.build_views(definitions=tmp_path / "views")
    load(lake, tmp_path, patient("b"))
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(1,)]
    assert lake.sql("SELECT count(*) FROM fhir.Patient").fetchall() == [(2,)]
    lake.build_views(definitions=tmp_path / "views")
    assert lake.sql("SELECT count(*) FROM person").fetchall() == [(2,)]


def test_an_open_relation_outlives_the_next_build(lake: Lake, tmp_path: Path) -> None:
    load(lake, tmp_path, patient("a"))
    lake.build_views(definitions=tmp_path / "views")
    before = lake.sql("SELECT count(*) FROM person")
    load(lake, tmp_path, patient("b"))
    lake.build_views(definitions=tmp_path / "views")
    assert before.fetchall() == [(1,)]


def test_replaced_builds_stay_for_a_day_for_those_who_read_them(lake: Lake, tmp_path: Path) -> None:
    load(lake, tmp_path, patient("a"))
    builds = [lake.build_views(definitions=tmp_path / "views", whole=True)[0].build for _ in range(4)]
    kept = {path.name for path in (tmp_path / "lake/tenants/default/views/person").glob("[0-9]*")}
    assert kept == set(builds)


def test_relations_become_frames(lake: Lake, tmp_path: Path) -> None:
    load(lake, tmp_path, patient("a", birthDate="1950"))
    lake.build_views(definitions=tmp_path / "views")
    relation = lake.sql("SELECT * FROM person")
    assert relation.pl().to_dicts() == [{"id": "a", "born": "1950"}]
    assert relation.df().to_dict("records") == [{"id": "a", "born": "1950"}]
    assert relation.to_arrow_table().to_pylist() == [{"id": "a", "born": "1950"}]


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    one, two = (Lake.open(tmp_path / "lake", tenant=name) for name in ("one", "two"))
    load(one, tmp_path, patient("a"))
    load(two, tmp_path, patient("b"))
    assert one.sql("SELECT id FROM fhir.Patient").fetchall() == [("a",)]
    assert two.sql("SELECT id FROM fhir.Patient").fetchall() == [("b",)]


def test_fields_that_only_some_files_have(lake: Lake, tmp_path: Path) -> None:
    # a struct in a struct that a file lacks makes DuckDB 2.0.0 fail where the table is read as it lies
    load(lake, tmp_path, patient("a", managingOrganization={"reference": "Organization/1"}))
    assigner = {"system": "s", "period": {"start": "2020"}}
    load(lake, tmp_path, patient("b", managingOrganization={"identifier": assigner}))
    query = "SELECT id, managingOrganization.identifier.period.start FROM fhir.Patient ORDER BY id"
    assert lake.sql(query).fetchall() == [("a", None), ("b", "2020")]


def test_the_environment_names_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUSTRE_LAKE", str(tmp_path / "here"))
    assert Lake.open().uri == str(tmp_path / "here")
    monkeypatch.setenv("LACUSTRE_TENANT", "chu-a")
    assert Lake.open().tenant == "chu-a"
    assert Lake.open(tenant="chu-b").tenant == "chu-b"
    monkeypatch.setenv("LACUSTRE_PROCESSES", "none")
    with pytest.raises(SettingsError, match="LACUSTRE_PROCESSES"):
        Lake.open()
    for name in ("LACUSTRE_LAKE", "LACUSTRE_TENANT", "LACUSTRE_PROCESSES"):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    assert Lake.open().uri == str(tmp_path / "lake")


def test_results_are_written_in_the_format_of_the_ending(lake: Lake, tmp_path: Path) -> None:
    assert write_result(lake.sql("SELECT 1 AS a UNION ALL SELECT 2"), tmp_path / "it's.csv", "csv") == 2
    assert (tmp_path / "it's.csv").read_text() == "a\n1\n2\n"
    with pytest.raises(InputError, match="unknown_format"):
        format_of(Path("x.xlsx"))

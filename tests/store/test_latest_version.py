"""Latest version wins, in any order and any split; the same again changes nothing."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lacustre import Lake
from lacustre.errors import SettingsError
from lacustre.fhir.references import patient_key
from support.loading import load_lines, versions, write_lines


def patient(identifier: str, text: str, updated: str | None = None, version: str | None = None) -> dict[str, Any]:
    meta = {name: value for name, value in (("lastUpdated", updated), ("versionId", version)) if value is not None}
    return {"resourceType": "Patient", "id": identifier, "gender": text, **({"meta": meta} if meta else {})}


def genders(lake: Lake) -> dict[str, str]:
    return dict(lake.sql("SELECT id, gender FROM fhir.Patient").fetchall())


def fates(result: Any) -> tuple[int, int, int, int]:
    return tuple(result.total(name) for name in ("inserted", "updated", "unchanged", "superseded"))  # type: ignore[return-value]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


INSTANTS = [
    "2024-01-01T10:00:00+02:00",
    "2024-01-01T08:00:00.5Z",
    "2024-01-01T09:00:00Z",
    "2024-01-01T10:30:00.25+01:00",
]
VERSIONED = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(INSTANTS), st.integers(1, 12)),
    min_size=1,
    max_size=10,
    unique=True,
)


def reference(lines: list[dict[str, Any]]) -> dict[str, str]:
    """The slow way: keep the greatest of (instant, version number) for every id."""
    best: dict[str, tuple[datetime, int, str]] = {}
    for line in lines:
        order = (datetime.fromisoformat(line["meta"]["lastUpdated"]).astimezone(UTC), int(line["meta"]["versionId"]))
        if line["id"] not in best or order > best[line["id"]][:2]:
            best[line["id"]] = (*order, line["gender"])
    return {key: text for key, (_, _, text) in best.items()}


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(VERSIONED, st.randoms(use_true_random=False), st.integers(1, 3))
def test_any_order_and_split(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[str, str, int]], random_: random.Random, loads: int
) -> None:
    lines = [patient(key, f"{key}{updated}{number}", updated, str(number)) for key, updated, number in keys]
    random_.shuffle(lines)
    folder = tmp_path_factory.mktemp("order")
    lake = Lake.open(folder / "lake")
    for part in range(loads):
        result = load_lines(lake, folder, *lines[part::loads])
        assert sum(fates(result)) == len(lines[part::loads])
    assert genders(lake) == reference(lines)
    before = versions(lake)
    again = load_lines(lake, folder, *lines)
    assert fates(again)[:2] == (0, 0)
    assert versions(lake) == before


def test_version_ids_are_numbers_where_they_can_be(lake: Lake, tmp_path: Path) -> None:
    instant = INSTANTS[0]
    load_lines(lake, tmp_path, patient("a", "ten", instant, "10"), patient("a", "nine", instant, "9"))
    assert genders(lake) == {"a": "ten"}
    load_lines(lake, tmp_path, patient("a", "eleven", instant, "11"))
    load_lines(lake, tmp_path, patient("a", "odd", instant, "W/x"))
    assert genders(lake) == {"a": "eleven"}


def test_without_versions_the_later_load_and_line_win(lake: Lake, tmp_path: Path) -> None:
    assert fates(load_lines(lake, tmp_path, patient("a", "1"), patient("a", "2"))) == (1, 0, 0, 1)
    assert genders(lake) == {"a": "2"}
    assert fates(load_lines(lake, tmp_path, patient("a", "3"))) == (0, 1, 0, 0)
    assert fates(load_lines(lake, tmp_path, patient("a", "1"))) == (0, 1, 0, 0)
    assert genders(lake) == {"a": "1"}


def test_an_older_version_does_not_come_back(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", "new", INSTANTS[3], "2"))
    before = versions(lake)
    assert fates(load_lines(lake, tmp_path, patient("a", "old", INSTANTS[0], "1"))) == (0, 0, 0, 1)
    assert (genders(lake), versions(lake)) == ({"a": "new"}, before)


@pytest.mark.parametrize("stamp", [None, INSTANTS[0]])
def test_the_same_resource_in_another_form_is_unchanged(lake: Lake, tmp_path: Path, stamp: str | None) -> None:
    lines = [
        {**patient(f"p{number}", "male", stamp), "name": [{"family": "É", "given": ["a"]}], "zz": {"b": 1, "a": [1.5]}}
        for number in range(20)
    ]
    load_lines(lake, tmp_path, *lines)
    before = versions(lake)
    turned = [json.dumps(dict(reversed(line.items())), indent=None, separators=(" , ", " : ")) for line in lines]
    assert fates(load_lines(lake, tmp_path, *turned)) == (0, 0, 20, 0)
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": line} for line in lines]}
    target = tmp_path / "bundle.json"
    target.write_text(json.dumps(bundle, indent=2))
    assert fates(lake.load(target)) == (0, 0, 20, 0)
    assert versions(lake) == before


def test_numbers_and_texts_are_different_content(lake: Lake, tmp_path: Path) -> None:
    template = '{"resourceType":"Patient","id":"a","zz":%s}'
    load_lines(lake, tmp_path, template % "1.10")
    for text in ('"1.10"', "1.1", "[1.1]", "1.10"):
        assert fates(load_lines(lake, tmp_path, template % text, again=True)) == (0, 1, 0, 0), text


def test_the_manifest_dates_what_has_no_date(lake: Lake, tmp_path: Path) -> None:
    for name, time, text in (("new", "2026-02-01T00:00:00Z", "new"), ("old", "2026-01-01T00:00:00Z", "old")):
        write_lines(tmp_path / name / "p.ndjson", [patient("a", text)])
        manifest = {"transactionTime": time, "output": [{"type": "Patient", "url": "p.ndjson"}]}
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
        lake.load(tmp_path / name)
    assert genders(lake) == {"a": "new"}


def test_new_elements_widen_the_table_and_leave_its_files(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", "x"))
    files = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*.parquet")}
    load_lines(
        lake,
        tmp_path,
        {**patient("b", "y"), "name": [{"family": "F"}], "maritalStatus": {"coding": [{"code": "M"}]}},
        {**patient("c", "z"), "name": [{"period": {"start": "2020"}}]},
    )
    assert all(path.read_bytes() == data for path, data in files.items())
    query = (
        "SELECT id, name[1].family, maritalStatus.coding[1].code, name[1].period.start FROM fhir.Patient ORDER BY id"
    )
    expected = [("a", None, None, None), ("b", "F", "M", None), ("c", None, None, "2020")]
    assert lake.sql(query).fetchall() == expected


def test_shards_follow_the_patient(lake: Lake, tmp_path: Path) -> None:
    def observation(identifier: str, subject: str, status: str) -> dict[str, Any]:
        return {"resourceType": "Observation", "id": identifier, "status": status, "subject": {"reference": subject}}

    lines = [observation(f"o{number}", f"Patient/p{number}", "final") for number in range(60)]
    load_lines(lake, tmp_path, *lines, shards=4)
    assert places(tmp_path) == {f"o{n}": patient_key("default", f"p{n}") & 3 for n in range(60)}
    moved = [observation(f"o{number}", f"http://h/fhir/Patient/p{number + 1}", "amended") for number in range(60)]
    assert fates(load_lines(lake, tmp_path, *moved)) == (0, 60, 0, 0)
    rows = lake.sql("SELECT id, lake_patient, lake_patient_key FROM fhir.Observation").fetchall()
    assert sorted(rows) == sorted((f"o{n}", f"p{n + 1}", patient_key("default", f"p{n + 1}")) for n in range(60))


def places(folder: Path) -> dict[str, int]:
    """The shard folder of every Observation."""
    import duckdb

    files = f"{folder}/lake/tenants/default/fhir/Observation/**/*.parquet"
    rows = duckdb.sql(f"SELECT id, lake_shard::INT FROM read_parquet('{files}', hive_partitioning = true)").fetchall()
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_a_resource_of_several_patients(lake: Lake, tmp_path: Path) -> None:
    load_lines(
        lake,
        tmp_path,
        {
            "resourceType": "Appointment",
            "id": "a",
            "participant": [
                {"actor": {"reference": "Practitioner/d"}},
                {"actor": {"reference": "Patient/mother"}},
                {"actor": {"reference": "Patient/child"}},
            ],
        },
        {"resourceType": "Appointment", "id": "b", "participant": [{"actor": {"reference": "Patient/mother"}}]},
        {"resourceType": "Appointment", "id": "c"},
    )
    rows = lake.sql("SELECT id, lake_patient, lake_patients FROM fhir.Appointment ORDER BY id").fetchall()
    assert rows == [("a", "mother", ["mother", "child"]), ("b", "mother", None), ("c", None, None)]


def test_settings_are_fixed_at_the_first_load(lake: Lake, tmp_path: Path) -> None:
    load_lines(lake, tmp_path, patient("a", "x"), fhir_version="R4B", time_zone="Indian/Reunion", shards=2)
    assert (lake.settings.fhir_version, lake.settings.time_zone, lake.settings.shards) == ("4.3.0", "Indian/Reunion", 2)
    load_lines(lake, tmp_path, patient("b", "x"))
    load_lines(lake, tmp_path, patient("c", "x"), fhir_version="4.3")
    for option in ({"fhir_version": "R4"}, {"time_zone": "Europe/Paris"}, {"shards": 4}):
        with pytest.raises(SettingsError, match="tenant_settings_fixed"):
            load_lines(lake, tmp_path, patient("d", "x"), **option)
    assert set(genders(lake)) == {"a", "b", "c"}

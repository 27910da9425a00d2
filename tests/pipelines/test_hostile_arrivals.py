"""Arrivals that would be missed, or would keep others waiting: half copies, notes beside exports, broken folders."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from pipelines.arrivals import ATTEMPT, find_arrivals, find_places
from pipelines.components.export_source import arrival_sensor
from pipelines.components.fhir_tables import LoadConfig
from pipelines.resources import LakeResource

from lacustre.errors import SettingsError

TENANT = "chu-a"
STATE = json.dumps({"transactionTime": "2026-01-01T00:00:00Z", "fingerprint": "x", "folder": "bulk"})
Look = Callable[[], list[dg.RunRequest]]


def patient(number: int) -> str:
    return json.dumps({"resourceType": "Patient", "id": f"p{number}"}) + "\n"


@pytest.fixture
def lake(tmp_path: Path) -> LakeResource:
    return LakeResource(
        uri=str(tmp_path / "lake"), exports=f"{tmp_path}/exports/{{tenant}}", bulk_exports=str(tmp_path / "bulk")
    )


@pytest.fixture
def look(definitions: dg.Definitions, lake: LakeResource) -> Look:
    """What two looks of the sensor ask for; it remembers its cursor."""
    instance, cursor = dg.DagsterInstance.ephemeral(), [""]
    sensor = definitions.resolve_sensor_def("new_exports")

    def once() -> list[dg.RunRequest]:
        with dg.build_sensor_context(
            instance, cursor=cursor[0] or None, resources={"lake": lake}, definitions=definitions
        ) as context:
            found = sensor(context)
        cursor[0] = found.cursor
        return list(found.run_requests or ())

    return lambda: [*once(), *once()]


def put(lake: LakeResource, name: str, text: str, tenant: str = TENANT) -> Path:
    path = Path(lake.export_of(tenant)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def put_bulk(lake: LakeResource, name: str, *numbers: int, tenant: str = TENANT) -> None:
    put(lake, f"{name}/Patient.ndjson", "".join(map(patient, numbers)), tenant)
    output = [{"type": "Patient", "url": "Patient.ndjson"}]
    put(
        lake, f"{name}/manifest.json", json.dumps({"transactionTime": "2026-01-01T00:00:00Z", "output": output}), tenant
    )


def names(requests: list[dg.RunRequest]) -> list[str]:
    return [Path(request.run_config["ops"]["load"]["config"]["source"]).name for request in requests]


def test_the_state_of_a_bulk_export_does_not_make_one_export_of_all(lake: LakeResource, look: Look) -> None:
    put_bulk(lake, "bulk", 1)
    put(lake, "copied/Patient.ndjson", patient(2))
    put(lake, "_state.json", STATE)
    assert names(look()) == ["bulk", "copied"]


def test_a_load_of_a_place_takes_what_no_manifest_lists(lake: LakeResource) -> None:
    put_bulk(lake, "bulk", 1)
    put(lake, "copied/Patient.ndjson", patient(2))
    put(lake, "notes/readme.txt", "nothing to load")
    place = lake.export_of(TENANT)
    assert lake.sources_of(TENANT) == find_places(place, {}) == [f"{place}/bulk", f"{place}/copied"]
    opened = lake.open(TENANT)
    opened.load(*lake.sources_of(TENANT))
    assert opened.sql('SELECT id FROM fhir."Patient" ORDER BY id').fetchall() == [("p1",), ("p2",)]


@pytest.mark.parametrize("exported", [True, False])
def test_a_server_that_was_not_exported_yet_keeps_no_other_export_from_being_loaded(
    lake: LakeResource, tmp_path: Path, exported: bool
) -> None:
    put(lake, "copied/Patient.ndjson", patient(1))
    config = Path(lake.bulk_exports) / f"{TENANT}.toml"
    config.parent.mkdir()
    config.write_text('url = "https://fhir.example.org"\nfolder = "../exported"\n')
    if exported:
        put_bulk(lake.model_copy(update={"exports": f"{tmp_path}/{{tenant}}"}), "bulk", 2, tenant="exported")
    found = [Path(place).name for place in lake.sources_of(TENANT)]
    assert found == (["copied", "bulk"] if exported else ["copied"])


def test_a_copy_that_went_on_after_its_load_is_loaded_again(lake: LakeResource, look: Look) -> None:
    put_bulk(lake, "bulk", 1)
    (first,) = look()
    put_bulk(lake, "bulk", 1, 2)
    (second,) = look()
    assert first.run_key != second.run_key and names([second]) == ["bulk"]
    assert second.run_config["ops"]["load"]["config"]["again"] is LoadConfig().again is False


@pytest.mark.parametrize("broken", ["manifest.json", "Patient.ndjson"])
def test_a_folder_that_cannot_be_read_keeps_no_other_waiting(lake: LakeResource, look: Look, broken: str) -> None:
    put(lake, "good/Patient.ndjson", patient(1))
    place = Path(lake.export_of("chu-b")) / "bad"
    place.mkdir(parents=True)
    (place / broken).symlink_to("/proc/self/mem" if broken.endswith(".json") else "nowhere")
    assert names(look()) == ["good"]
    assert [one.missing for one in find_arrivals(lake.export_of("chu-b"), "chu-b", {})] == ["storage_failed"]


def test_a_manifest_that_nests_without_end_keeps_no_other_waiting(lake: LakeResource, look: Look) -> None:
    put(lake, "good/Patient.ndjson", patient(1))
    put(lake, "bad/manifest.json", '{"transactionTime": 1, "output": ' + "[" * 100_000, "chu-b")
    assert names(look()) == ["good"]


def test_an_attempt_that_is_no_sensible_number_is_the_first(lake: LakeResource) -> None:
    put(lake, "copied/Patient.ndjson", patient(1))
    put(lake, f"copied/{ATTEMPT}", "9" * 5000)
    assert [one.attempt for one in find_arrivals(lake.export_of(TENANT), TENANT, {})] == [1]


def test_what_was_asked_for_is_not_read_again_until_it_changes(lake: LakeResource, look: Look) -> None:
    put_bulk(lake, "bulk", 1)
    (first,) = look()
    (arrival,) = find_arrivals(lake.export_of(TENANT), TENANT, {})
    known = {arrival.listing: "as it was"}
    assert [one.key for one in find_arrivals(lake.export_of(TENANT), TENANT, {}, known)] == ["as it was"]
    put(lake, f"bulk/{ATTEMPT}", "2")
    assert [one.key for one in find_arrivals(lake.export_of(TENANT), TENANT, {}, known)] != ["as it was"]
    (second,) = look()
    assert (first.run_key, second.run_key) == (arrival.key, f"{arrival.key.removesuffix(':1')}:2")
    assert look() == []


def test_the_same_export_of_two_tenants_is_two(lake: LakeResource, look: Look) -> None:
    put_bulk(lake, "bulk", 1)
    assert [request.partition_key for request in look()] == [TENANT]
    put_bulk(lake, "bulk", 1, tenant="chu-b")
    for one, other in zip(
        *(sorted(Path(lake.export_of(name)).rglob("*.*")) for name in (TENANT, "chu-b")), strict=True
    ):
        time = one.stat().st_mtime_ns
        os.utime(other, ns=(time, time))
    assert [request.partition_key for request in look()] == ["chu-b"]
    assert look() == []


def write_config(lake: LakeResource, tenant: str, folder: str) -> None:
    path = Path(lake.bulk_exports) / f"{tenant}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'url = "https://{tenant}.example.org"\nfolder = "{folder}"\n')


def test_a_place_without_tenants_in_it_is_nobodys(lake: LakeResource, tmp_path: Path) -> None:
    put(lake, "copied/Patient.ndjson", patient(1))
    everybodys = lake.model_copy(update={"exports": str(tmp_path / "exports")})
    with pytest.raises(SettingsError, match="shared_folder"):
        everybodys.sources_of(TENANT)


def test_a_second_place_without_tenants_in_it_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="shared_folder"):
        arrival_sensor("laboratory", "build_lake", str(tmp_path), 60)


@pytest.mark.parametrize("folder", ["../exported/chu-a", "../exported/chu-a/more", "../exported", "../exports/chu-c"])
def test_two_tenants_export_into_folders_of_their_own(lake: LakeResource, folder: str) -> None:
    put(lake, "copied/Patient.ndjson", patient(1), "chu-c")
    write_config(lake, TENANT, "../exported/chu-a")
    write_config(lake, "chu-b", folder)
    with pytest.raises(SettingsError, match="shared_folder"):
        lake.sources_of("chu-b")
    write_config(lake, "chu-b", "../exported/chu-b")
    write_config(lake, TENANT, '"no TOML')
    assert lake.bulk_export_of("chu-b") is not None

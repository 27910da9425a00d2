from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
from pipelines.arrivals import ATTEMPT, Arrival, find_arrivals
from pipelines.resources import LakeResource

TENANT = "chu-a"
LINE = json.dumps({"resourceType": "Patient", "id": "p1"}) + "\n"


class Place:
    """A folder of exports, with the sensor that looks at it and remembers its cursor."""

    def __init__(self, folder: Path, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.definitions, self.instance = definitions, instance
        self.lake = LakeResource(uri=str(folder / "lake"), exports=f"{folder}/exports/{{tenant}}")
        self.cursor: str | None = None

    def put(self, name: str, text: str = LINE) -> None:
        path = self.folder / "exports" / TENANT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def manifest(self, name: str, *files: str, time: str = "2026-01-01T00:00:00Z") -> None:
        output = [{"type": "Patient", "url": file} for file in files]
        self.put(name, json.dumps({"transactionTime": time, "output": output}))

    def arrivals(self) -> list[Arrival]:
        return list(find_arrivals(self.lake.export_of(TENANT), TENANT, {}))

    def look(self) -> dg.SensorResult:
        sensor = self.definitions.resolve_sensor_def("new_exports")
        with dg.build_sensor_context(
            self.instance, cursor=self.cursor, resources={"lake": self.lake}, definitions=self.definitions
        ) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def requested(self) -> list[str]:
        """What two looks ask for: the second finds the folders as the first did."""
        return [str(request.run_key) for _ in range(2) for request in self.look().run_requests or ()]


@pytest.fixture
def place(tmp_path: Path, definitions: dg.Definitions) -> Place:
    (tmp_path / "exports" / TENANT).mkdir(parents=True)
    return Place(tmp_path, definitions, dg.DagsterInstance.ephemeral())


def test_each_folder_is_an_export(place: Place) -> None:
    place.put("first/Patient.ndjson")
    place.put("second/Patient.ndjson")
    place.put(".running/Patient.ndjson")
    assert [(arrival.name, arrival.attempt, arrival.missing) for arrival in place.arrivals()] == [
        ("first", 1, None),
        ("second", 1, None),
    ]
    assert [Path(arrival.place).name for arrival in place.arrivals()] == ["first", "second"]


def test_files_in_the_tenants_own_folder_are_one_export(place: Place) -> None:
    place.put("Patient.ndjson")
    place.put("more/Patient.ndjson")
    (arrival,) = place.arrivals()
    assert (arrival.name, arrival.place) == ("", str(place.folder / "exports" / TENANT))


def test_nothing_is_no_export(place: Place) -> None:
    assert place.arrivals() == []
    place.put("notes/readme.txt")
    assert [arrival.missing for arrival in place.arrivals()] == ["nothing_to_load"]


def test_an_export_is_loaded_once_it_stopped_changing(place: Place) -> None:
    place.put("first/Patient.ndjson")
    assert not place.look().run_requests
    place.put("first/Patient.ndjson", LINE * 2)
    assert not place.look().run_requests
    (request,) = place.look().run_requests or ()
    assert request.partition_key == TENANT
    load = {"source": str(place.folder / "exports" / TENANT / "first"), "again": False}
    assert request.run_config == {"ops": {"load": {"config": load}}}
    assert not place.look().run_requests


def test_the_partition_comes_with_the_first_run(place: Place) -> None:
    place.put("first/Patient.ndjson")
    place.look()
    (added,) = place.look().dynamic_partitions_requests or ()
    assert list(added.partition_keys) == [TENANT]


def test_an_export_without_all_files_of_its_manifest_waits(place: Place) -> None:
    place.manifest("first/manifest.json", "Patient.ndjson")
    assert place.requested() == []
    said = place.look().skip_reason
    assert said is not None
    assert "missing_output" in str(said.skip_message)
    place.put("first/Patient.ndjson")
    assert len(place.requested()) == 1


def test_the_run_key_is_of_the_manifest(place: Place) -> None:
    place.put("first/Patient.ndjson")
    place.manifest("first/manifest.json", "Patient.ndjson")
    (key,) = place.requested()
    place.put("first/readme.txt", "beside it")
    assert place.requested() == []
    place.cursor = None  # a cursor that was lost asks again with the same key, and Dagster starts nothing
    assert place.requested() == [key]
    place.manifest("first/manifest.json", "Patient.ndjson", time="2026-01-02T00:00:00Z")
    (other,) = place.requested()
    assert other != key


def test_a_higher_attempt_loads_it_again(place: Place) -> None:
    place.put("first/Patient.ndjson")
    (first,) = place.requested()
    place.put(f"first/{ATTEMPT}", "2\n")
    place.look()
    (request,) = place.look().run_requests or ()
    assert request.run_key != first
    assert request.run_config["ops"]["load"]["config"]["again"] is True
    place.put(f"first/{ATTEMPT}", "not a number")
    assert place.arrivals()[0].attempt == 1


def test_another_place_has_its_own_sensor(tmp_path: Path, definitions: dg.Definitions) -> None:
    from pipelines.components.export_source import arrival_sensor

    elsewhere = tmp_path / "elsewhere" / TENANT
    elsewhere.mkdir(parents=True)
    (elsewhere / "Patient.ndjson").write_text(LINE)
    sensor = arrival_sensor("laboratory", "build_lake", f"{tmp_path}/elsewhere/{{tenant}}", 60)
    lake = LakeResource(uri=str(tmp_path / "lake"), exports=f"{tmp_path}/exports/{{tenant}}")
    bound = dg.Definitions(definitions.assets, jobs=definitions.jobs, sensors=[sensor], resources={"lake": lake})
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, resources={"lake": lake}, definitions=bound) as context,
    ):
        found = sensor(context)
    assert f"{TENANT}/" in json.loads(found.cursor)

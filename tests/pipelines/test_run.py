from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pipelines.failures import as_failures
from pipelines.resources import LakeResource, lake_from_environment

from lacustre.errors import StorageError
from lacustre.sample import SampleExport
from lacustre.store.ledger import Intent, open_intent
from lacustre.tenancy import RequestedSettings

TENANT = "chu-test"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, exports: Path) -> LakeResource:
    return lake_at(tmp_path_factory.mktemp("lake"), exports)


def lake_at(folder: Path, exports: Path) -> LakeResource:
    return LakeResource(
        uri=str(folder / "lake"),
        exports=f"{exports}/{{tenant}}",
        bulk_exports=str(folder / "bulk_exports"),
        data_docs=str(folder / "data_docs"),
    )


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        ephemeral.add_dynamic_partitions("tenant", [TENANT])
        yield ephemeral


def run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, lake: LakeResource, **arguments: Any
) -> dg.ExecuteInProcessResult:
    bound = dg.Definitions(
        assets=definitions.assets,
        asset_checks=definitions.asset_checks,
        jobs=definitions.jobs,
        resources={"lake": lake},
    )
    job = bound.resolve_job_def("build_lake")
    return job.execute_in_process(partition_key=TENANT, instance=instance, **arguments)


@pytest.fixture(scope="module")
def first_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, lake: LakeResource
) -> dg.ExecuteInProcessResult:
    return run(definitions, instance, lake)


def fhir_tables(definitions: dg.Definitions) -> list[dg.AssetKey]:
    return [spec.key for spec in definitions.resolve_all_asset_specs() if spec.group_name == "fhir"]


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in events
    }


def test_one_tenant_is_loaded_and_its_views_are_built(
    definitions: dg.Definitions, first_run: dg.ExecuteInProcessResult
) -> None:
    assert first_run.success
    keys = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}
    assert set(metadata(first_run)) == keys - {"exports/bulk"}
    partitions = {event.partition for event in first_run.get_asset_materialization_events()}
    assert partitions == {TENANT}


def test_a_table_says_its_rows_rejects_seconds_and_schema(first_run: dg.ExecuteInProcessResult) -> None:
    patient = metadata(first_run)["fhir/Patient"]
    assert patient["dagster/row_count"] == patient["inserted"] == 15
    assert patient["lines read"] == patient["inserted"] + patient["superseded"] > 15
    assert patient["rejects of the load"] == 0
    assert patient["seconds of the load"] > 0
    columns = {column.name: column.type for column in patient["dagster/column_schema"].columns}
    assert columns["name"] == "HumanName[]"
    assert columns["birthDate"] == "date"
    assert columns["lake_patient_key"] == "BIGINT"


def test_a_view_says_its_rows_seconds_schema_and_sql(first_run: dg.ExecuteInProcessResult) -> None:
    patient = metadata(first_run)["views/patient"]
    assert patient["dagster/row_count"] == patient["rows of the table"] == 15
    assert patient["seconds"] > 0
    columns = {column.name: column for column in patient["dagster/column_schema"].columns}
    assert columns["last_updated"].type == "TIMESTAMP WITH TIME ZONE"
    assert columns["id"].description == "Key of the patient."
    assert 'FROM fhir."Patient"' in patient["SQL"]


def test_the_checks_hold(first_run: dg.ExecuteInProcessResult, lake: LakeResource) -> None:
    found = {f"{one.asset_key.to_user_string()}:{one.check_name}": one for one in evaluations(first_run)}
    assert {one.passed for one in found.values()} == {True}
    assert {one.partition for one in found.values()} == {TENANT}
    patient = found["views/patient:expectations"].metadata
    assert (patient["rows"].value, patient["failed"].value) == (15, 0)
    assert patient["data docs"].value == f"{lake.data_docs}/{TENANT}/patient.html"
    assert Path(str(patient["data docs"].value)).is_file()
    assert found["fhir/Patient:published"].metadata["state"].value == "published"


def evaluations(result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
    return list(result.get_asset_check_evaluations())


def test_a_load_that_is_held_builds_no_view(
    definitions: dg.Definitions, instance: dg.DagsterInstance, exports: Path, tmp_path: Path
) -> None:
    lake = lake_at(tmp_path, exports)
    tenant = lake.store_of(TENANT)
    tenant.fix_settings(RequestedSettings())
    open_intent(tenant, Intent("20260101T000000Z-0000", "load", "2026-01-01T00:00:00+00:00", ("left by a crash",)))
    result = run(definitions, instance, lake, raise_on_error=False)
    assert not result.success
    assert {key.split("/")[0] for key in metadata(result)} == {"fhir"}
    assert reasons(result) == ["unfinished"]
    tables = fhir_tables(definitions)
    # the same files again are not loaded, which does not release what is held
    assert reasons(run(definitions, instance, lake, asset_selection=tables, raise_on_error=False)) == ["unfinished"]
    lake.open(TENANT).publish("seen", unfinished=True)
    assert reasons(run(definitions, instance, lake, asset_selection=tables)) == []


def reasons(result: dg.ExecuteInProcessResult) -> list[str]:
    """The codes for which the table of patients is held, by its check."""
    (found,) = [one for one in evaluations(result) if one.asset_key == dg.AssetKey(["fhir", "Patient"])]
    codes = list(found.metadata["reasons"].value)
    assert found.passed is not bool(codes)
    return codes


def test_a_load_is_held_by_the_thresholds_of_its_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/nobody"}}
    write(tmp_path / TENANT / "mixed.ndjson", [{"resourceType": "Patient", "id": "a"}, condition])
    config = {"ops": {"load": {"config": {"max_unresolved": {"Patient": 0.1}}}}}
    tables, lake = fhir_tables(definitions), lake_at(tmp_path, tmp_path)
    result = run(definitions, instance, lake, asset_selection=tables, run_config=config, raise_on_error=False)
    assert reasons(result) == ["unresolved_references"]
    (found,) = [one for one in evaluations(result) if one.asset_key == dg.AssetKey(["fhir", "Condition"])]
    shown = {name: value.value for name, value in found.metadata.items()}
    assert (shown["references"], shown["references that lead nowhere"], shown["state"]) == (1, 1, "held")


def test_maintenance_is_a_job(
    definitions: dg.Definitions, instance: dg.DagsterInstance, first_run: dg.ExecuteInProcessResult, lake: LakeResource
) -> None:
    assert first_run.success
    bound = dg.Definitions(jobs=definitions.jobs, assets=definitions.assets, resources={"lake": lake})
    done = bound.resolve_job_def("maintain_lake").execute_in_process(partition_key=TENANT, instance=instance)
    assert done.success
    (output,) = [event for event in done.all_events if event.is_successful_output]
    assert output.step_output_data.metadata["bytes removed"].value == 0


@pytest.mark.parametrize(("name", "asked"), [("nightly_build", ["chu-a", "chu-b"]), ("nightly_export", ["chu-b"])])
def test_a_night_asks_for_each_tenant_once(
    definitions: dg.Definitions, tmp_path: Path, name: str, asked: list[str]
) -> None:
    lake = lake_at(tmp_path, tmp_path)
    write(Path(lake.bulk_exports) / "chu-b.toml", [])
    write(Path(lake.bulk_exports) / "chu-unknown.toml", [])
    schedule = definitions.resolve_schedule_def(name)
    night = datetime(2026, 1, 2, 1, 15, tzinfo=UTC)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("tenant", ["chu-a", "chu-b"])
        # left open, the context would leave its instance behind for whatever loads definitions next
        with dg.build_schedule_context(instance, scheduled_execution_time=night, resources={"lake": lake}) as context:
            found = list(schedule(context))
    assert sorted(request.partition_key for request in found) == asked
    assert {str(request.run_key) for request in found} == {f"{tenant}:2026-01-02T01:15" for tenant in asked}


def test_a_view_that_fails_something_critical_says_so_by_counts_alone(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    people = [{"resourceType": "Patient", "id": f"p{number}", "gender": "Zx9-CANARY"} for number in range(3)]
    write(tmp_path / TENANT / "people.ndjson", people)
    selected = [*fhir_tables(definitions), dg.AssetKey(["views", "patient"])]
    lake = lake_at(tmp_path, tmp_path)
    result = run(definitions, instance, lake, asset_selection=selected, raise_on_error=False)
    (found,) = [one for one in evaluations(result) if one.asset_key == dg.AssetKey(["views", "patient"])]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    rows = [record.data for record in found.metadata["expectations"].records]
    failing = [(row["columns"], row["counts"]) for row in rows if row["verdict"] == "fails"]
    assert failing == [("gender", "elements 3, missing 0, unexpected 3")]
    everything = [record.to_json() for record in instance.all_logs(result.run_id)]
    everything += [path.read_text() for path in (tmp_path / "data_docs").rglob("*.html")]
    assert len(everything) > 20
    assert not any("CANARY" in text for text in everything)


def write(path: Path, resources: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))


def test_the_lake_answers(first_run: dg.ExecuteInProcessResult, lake: LakeResource) -> None:
    assert first_run.success
    opened = lake.open(TENANT)
    assert opened.sql("SELECT count(*) FROM patient").fetchall() == [(15,)]
    assert opened.sql("SELECT count(*) FROM patient JOIN encounter ON encounter.patient_id = patient.id").fetchall()


def test_metadata_hold_nothing_of_a_patient(
    first_run: dg.ExecuteInProcessResult, lake: LakeResource, instance: dg.DagsterInstance
) -> None:
    records = [record.to_json() for record in instance.all_logs(first_run.run_id)]
    identifying = lake.open(TENANT).sql(
        "SELECT family_name FROM patient_name UNION SELECT value FROM patient_identifier UNION SELECT id FROM patient"
    )
    values = {value for (value,) in identifying.fetchall() if value and len(value) > 5}
    assert len(values) > 15
    assert [value for value in values for record in records if value in record] == []


def test_another_source_and_loading_twice(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    first_run: dg.ExecuteInProcessResult,
    lake: LakeResource,
    other_export: SampleExport,
) -> None:
    version = metadata(first_run)["fhir/Patient"]["delta version"]
    config = {"ops": {"load": {"config": {"source": str(other_export.folder)}}}}
    again, more = (
        metadata(run(definitions, instance, lake, asset_selection=fhir_tables(definitions), run_config=given))
        for given in (None, config)
    )
    assert again["fhir/Patient"]["unchanged"] == again["fhir/Patient"]["lines read"] >= 15
    assert again["fhir/Patient"]["delta version"] == version
    assert more["fhir/Patient"]["dagster/row_count"] == 18


def test_types_that_are_no_assets_are_in_the_metadata(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    resources = [{"resourceType": "Patient", "id": "a"}, {"resourceType": "Goal", "id": "b"}]
    write(tmp_path / TENANT / "mixed.ndjson", resources)
    lake = lake_at(tmp_path, tmp_path)
    found = metadata(run(definitions, instance, lake, asset_selection=fhir_tables(definitions)))
    assert found["fhir/Patient"]["other resource types"] == {"Goal": 1}
    assert found["fhir/Claim"]["dagster/row_count"] == 0


def test_too_many_rejects_fail_the_run_without_the_data(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    source = tmp_path / "chu-test" / "broken.ndjson"
    source.parent.mkdir()
    source.write_text('{"resourceType": "Patient", "id": "a"}\n{"resourceType": "Patient", "name": "Zebulon\n')
    lake = lake_at(tmp_path, tmp_path)
    result = run(definitions, instance, lake, raise_on_error=False)
    (failure,) = result.get_step_failure_events()
    assert not result.success
    assert failure.step_failure_data.user_failure_data.metadata["code"].value == "too_many_rejects"
    assert not any("Zebulon" in record.to_json() for record in instance.all_logs(result.run_id))


def test_only_a_passing_failure_of_the_store_is_tried_again() -> None:
    def allows(error: Exception) -> bool:
        with pytest.raises(dg.Failure) as caught, as_failures():
            raise error
        return caught.value.allow_retries

    assert allows(StorageError("storage_failed", "slow", transient=True))
    assert not allows(StorageError("storage_failed", "denied"))


def test_an_unexpected_error_shows_its_place_and_not_its_message() -> None:
    name = "-".join(["Dupont", "Durand"])
    with pytest.raises(dg.Failure) as caught, as_failures():
        raise ValueError(name)
    shown = f"{caught.value.description} {caught.value.metadata['where'].value}"
    assert "unexpected ValueError" in shown
    assert "test_run.py" in shown
    assert name not in shown
    assert caught.value.__suppress_context__


def test_tenants_are_the_folders_of_exports(lake: LakeResource) -> None:
    assert lake.tenants() == [TENANT]
    assert lake.export_of(TENANT).endswith("/chu-test")
    assert LakeResource(uri="lake", exports="one/folder").tenants() == []


def test_the_sensor_adds_the_tenants_once(definitions: dg.Definitions, lake: LakeResource) -> None:
    sensor = definitions.resolve_sensor_def("tenants")
    with dg.DagsterInstance.ephemeral() as instance:
        with dg.build_sensor_context(instance, resources={"lake": lake}, definitions=definitions) as context:
            found = sensor(context)
        assert [request.partition_keys for request in found.dynamic_partitions_requests] == [[TENANT]]
        instance.add_dynamic_partitions("tenant", [TENANT])
        with dg.build_sensor_context(instance, resources={"lake": lake}, definitions=definitions) as context:
            assert isinstance(sensor(context), dg.SkipReason)


def test_secrets_stay_names_in_the_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("LACUSTRE_LAKE", "s3://bucket/lake")
    resource = lake_from_environment()
    assert "hidden" not in repr(resource)
    assert resource.storage_options["AWS_SECRET_ACCESS_KEY"] == dg.EnvVar("AWS_SECRET_ACCESS_KEY")
    assert isinstance(resource.uri, dg.EnvVar)

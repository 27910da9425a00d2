from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

from support.shared import REPOSITORY

KEYS = Path(__file__).with_name("asset_keys.txt")


def keys(definitions: dg.Definitions) -> list[str]:
    return sorted(spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs())


def test_the_asset_keys_are_those_of_the_list(definitions: dg.Definitions) -> None:
    assert keys(definitions) == KEYS.read_text().splitlines()


def test_every_view_file_is_an_asset(definitions: dg.Definitions) -> None:
    files = {path.stem for path in (REPOSITORY / "view_definitions").rglob("*.json")}
    assert {key.removeprefix("views/") for key in keys(definitions) if key.startswith("views/")} == files


def test_a_view_depends_on_the_table_of_its_resource_type(definitions: dg.Definitions) -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    deps = {key: [dep.asset_key.to_user_string() for dep in spec.deps] for key, spec in specs.items()}
    assert deps["views/patient_name"] == ["fhir/Patient"]
    assert deps["fhir/Patient"] == ["exports/bulk"]
    assert all(len(found) == 1 and found[0] in specs for key, found in deps.items() if key.startswith("views/"))


def test_every_asset_is_partitioned_by_tenant_and_has_a_group(definitions: dg.Definitions) -> None:
    specs = list(definitions.resolve_all_asset_specs())
    assert {spec.partitions_def for spec in specs} == {dg.DynamicPartitionsDefinition(name="tenant")}
    groups = {spec.key.to_user_string(): spec.group_name for spec in specs}
    assert (groups["fhir/Claim"], groups["views/claim_item"]) == ("fhir", "finance")


def test_one_job_selects_everything_but_the_export(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("build_lake")
    selected = sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
    assert ["exports/bulk", *selected] == keys(definitions)
    assert len(list(job.asset_layer.asset_graph.asset_check_keys)) == len(checks(definitions))


def test_an_export_comes_before_the_load(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("export_and_build")
    assert sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys) == keys(definitions)


def checks(definitions: dg.Definitions) -> dict[str, dg.AssetCheckSpec]:
    graph = definitions.resolve_asset_graph()
    return {f"{key.asset_key.to_user_string()}:{key.name}": graph.get_check_spec(key) for key in graph.asset_check_keys}


def test_every_table_and_every_view_with_a_suite_has_a_blocking_check(definitions: dg.Definitions) -> None:
    found = checks(definitions)
    tables = {f"{key}:published" for key in keys(definitions) if key.startswith("fhir/")}
    suites = {f"views/{path.stem}:expectations" for path in (REPOSITORY / "quality" / "expectations").glob("*.json")}
    assert found.keys() == tables | suites
    assert len(suites) >= 8
    assert all(spec.blocking for spec in found.values())


def test_a_check_waits_for_the_views_that_its_queries_read(definitions: dg.Definitions) -> None:
    spec = checks(definitions)["views/encounter:expectations"]
    assert [dep.asset_key.to_user_string() for dep in spec.additional_deps] == ["views/patient"]


def test_each_table_and_view_has_a_pool_and_must_be_fresh(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    nodes = {node.key.to_user_string(): node for node in graph.asset_nodes}
    pools = {key: node.pools for key, node in nodes.items()}
    assert pools["fhir/Patient"] == pools["fhir/Claim"] == {"fhir"}
    assert pools["views/patient"] == {"views/patient"}
    assert all(node.freshness_policy is not None for key, node in nodes.items() if key != "exports/bulk")


def test_what_starts_by_itself(definitions: dg.Definitions) -> None:
    sensors = {sensor.name: sensor.default_status.value for sensor in definitions.sensors or ()}
    assert sensors == {"tenants": "RUNNING", "reaper": "RUNNING", "new_exports": "STOPPED"}
    schedules = {schedule.name: schedule.default_status.value for schedule in definitions.schedules or ()}
    assert schedules == dict.fromkeys(("nightly_build", "nightly_export", "nightly_maintenance"), "STOPPED")


def test_adding_a_view_file_adds_an_asset(project: Path) -> None:
    (project / "view_definitions").unlink()
    folder = project / "view_definitions" / "mine"
    folder.mkdir(parents=True)
    text = (REPOSITORY / "view_definitions" / "patient" / "patient_link.json").read_text()
    (folder / "patient_twin.json").write_text(text.replace('"patient_link"', '"patient_twin"'))
    script = (
        "from pipelines.definitions import defs\n"
        "print(*sorted(s.key.to_user_string() + '=' + s.group_name for s in defs().resolve_all_asset_specs()))"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["exports/bulk=exports", "fhir/Patient=fhir", "views/patient_twin=mine"]


def test_dagster_validates_the_definitions(project: Path) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate"]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stdout
    assert "Validation successful for code location lacustre" in done.stdout
    assert "WARNING" not in done.stdout

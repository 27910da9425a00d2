"""The export as files: the same bytes every time, a manifest that tells the truth, versions in any order."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lacustre.errors import InputError
from lacustre.sample import DEFAULT_ESTABLISHMENT, SampleExport, generate_sample, sample_resources
from lacustre.sample import export as export_module

Resource = dict[str, Any]

# The digest of a sample of twelve patients: it changes with the generator, never with the platform.
TWELVE_PATIENTS = "edcec5319601923b47f017f947ab84d2dc02711147e74363490db498a4e9e9d4"


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    generate_sample(tmp_path / "one", patients=12)
    generate_sample(tmp_path / "two", patients=12)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_bytes_do_not_depend_on_the_platform(tmp_path: Path) -> None:
    generate_sample(tmp_path / "sample", patients=12)
    assert digest(tmp_path / "sample") == TWELVE_PATIENTS


def test_another_seed_gives_other_people(tmp_path: Path) -> None:
    one = generate_sample(tmp_path / "one", patients=5, seed=1)
    two = generate_sample(tmp_path / "two", patients=5, seed=2)
    assert not patient_ids(one) & patient_ids(two)


def patient_ids(sample: SampleExport) -> set[str]:
    text = (sample.folder / "Patient.000.ndjson").read_text(encoding="utf-8")
    return {json.loads(line)["id"] for line in text.splitlines()}


def test_the_first_patients_of_a_larger_sample_are_those_of_a_smaller_one(tmp_path: Path) -> None:
    small = generate_sample(tmp_path / "small", patients=10)
    large = generate_sample(tmp_path / "large", patients=30)
    assert patient_ids(small) < patient_ids(large)


def test_another_establishment_has_its_own_ids(tmp_path: Path) -> None:
    other = dataclasses.replace(DEFAULT_ESTABLISHMENT, name="Clinique du Port", finess="990000028")
    here = generate_sample(tmp_path / "here", patients=5)
    there = generate_sample(tmp_path / "there", patients=5, establishment=other)
    assert not patient_ids(here) & patient_ids(there)
    assert "Clinique du Port" in (there.folder / "Organization.000.ndjson").read_text(encoding="utf-8")


def test_the_manifest_is_a_bulk_data_manifest(sample_export: SampleExport) -> None:
    manifest = json.loads(sample_export.manifest.read_text(encoding="utf-8"))
    assert manifest["requiresAccessToken"] is False
    assert manifest["deleted"] == []
    assert manifest["error"] == []
    assert datetime.fromisoformat(manifest["transactionTime"]).utcoffset() is not None
    assert manifest["request"].startswith("https://")


def test_the_manifest_counts_every_file(sample_export: SampleExport) -> None:
    manifest = json.loads(sample_export.manifest.read_text(encoding="utf-8"))
    listed = {entry["url"]: (entry["type"], entry["count"]) for entry in manifest["output"]}
    found = {
        path.name: (path.name.split(".")[0], len(path.read_text(encoding="utf-8").splitlines()))
        for path in sample_export.folder.glob("*.ndjson")
    }
    assert listed == found


def test_the_counts_returned_are_those_of_the_files(
    sample_export: SampleExport, lines: dict[str, list[Resource]], latest: dict[str, dict[str, Resource]]
) -> None:
    assert sample_export.lines == {kind: len(found) for kind, found in lines.items()}
    assert sample_export.resources == {kind: len(found) for kind, found in latest.items()}
    assert sample_export.resources["Patient"] == 400


def test_a_long_type_is_cut_into_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "LINES_PER_FILE", 50)
    sample = generate_sample(tmp_path / "sample", patients=10)
    names = sorted(path.name for path in sample.folder.glob("Observation.*"))
    assert names[:2] == ["Observation.000.ndjson", "Observation.001.ndjson"]
    manifest = json.loads(sample.manifest.read_text(encoding="utf-8"))
    counts = [entry["count"] for entry in manifest["output"] if entry["type"] == "Observation"]
    assert sum(counts) == sample.lines["Observation"]
    assert set(counts[:-1]) == {50}


def test_every_type_that_the_demo_needs_is_there(sample_export: SampleExport) -> None:
    assert set(sample_export.lines) == {
        "AllergyIntolerance", "Claim", "Condition", "Coverage", "DiagnosticReport", "DocumentReference",
        "Encounter", "Immunization", "Location", "Medication", "MedicationAdministration",
        "MedicationRequest", "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole",
        "Procedure", "RelatedPerson", "Specimen",
    }  # fmt: skip


def test_every_resource_says_its_version_and_when_with_a_zone(lines: dict[str, list[Resource]]) -> None:
    for resources in lines.values():
        for resource in resources:
            assert int(resource["meta"]["versionId"]) >= 1
            assert datetime.fromisoformat(resource["meta"]["lastUpdated"]).utcoffset() is not None


def test_no_version_occurs_twice(lines: dict[str, list[Resource]]) -> None:
    for resources in lines.values():
        keys = Counter((r["id"], r["meta"]["versionId"]) for r in resources)
        assert max(keys.values()) == 1


@pytest.mark.parametrize(
    "resource_type", ["Patient", "Encounter", "Observation", "MedicationRequest", "DocumentReference"]
)
def test_older_versions_come_before_and_after_the_latest(resource_type: str, lines: dict[str, list[Resource]]) -> None:
    order = {"older first": 0, "latest first": 0}
    seen: dict[str, int] = {}
    for resource in lines[resource_type]:
        version = int(resource["meta"]["versionId"])
        before = seen.setdefault(resource["id"], version)
        if before != version:
            order["older first" if before < version else "latest first"] += 1
    assert min(order.values()) > 0


def test_a_later_version_is_never_older(lines: dict[str, list[Resource]]) -> None:
    same_instant = 0
    for resources in lines.values():
        versions: dict[str, list[Resource]] = {}
        for resource in resources:
            versions.setdefault(resource["id"], []).append(resource)
        for found in versions.values():
            found.sort(key=lambda r: int(r["meta"]["versionId"]))
            moments = [datetime.fromisoformat(r["meta"]["lastUpdated"]) for r in found]
            assert moments == sorted(moments)
            same_instant += len(set(moments)) < len(moments)
    assert same_instant > 0, "some versions must be told apart by their number alone"


def test_some_version_numbers_have_two_digits(lines: dict[str, list[Resource]]) -> None:
    assert {"9", "10"} <= {r["meta"]["versionId"] for r in lines["Patient"]}


def test_every_reference_resolves(lines: dict[str, list[Resource]], latest: dict[str, dict[str, Resource]]) -> None:
    for resources in lines.values():
        for resource in resources:
            contained = {f"#{c['id']}" for c in resource.get("contained", [])}
            for reference in references(resource):
                kind, _, key = reference.partition("/")
                assert reference in contained or key in latest[kind], reference


def references(element: object) -> list[str]:
    if isinstance(element, list):
        return [found for item in element for found in references(item)]
    if not isinstance(element, dict):
        return []
    own = [element["reference"]] if isinstance(element.get("reference"), str) else []
    return own + [found for member in element.values() for found in references(member)]


def test_decimals_keep_their_zeros(sample_export: SampleExport) -> None:
    text = (sample_export.folder / "Observation.000.ndjson").read_text(encoding="utf-8")
    assert '"low":{"value":3.50,' in text
    assert '"value":5.0,' in (sample_export.folder / "MedicationRequest.000.ndjson").read_text(encoding="utf-8")


def test_resources_can_be_read_without_files() -> None:
    found = list(sample_resources(patients=2, seed=1, establishment=DEFAULT_ESTABLISHMENT))
    assert sum(versions[-1]["resourceType"] == "Patient" for versions in found) == 2


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        generate_sample(tmp_path, patients=1)
    assert refused.value.code == "sample_folder"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_sample_has_at_least_one_patient(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        generate_sample(tmp_path / "none", patients=0)
    assert refused.value.code == "sample_size"

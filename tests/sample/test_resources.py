"""The resources of the sample: valid FHIR, but for what hospitals really send."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from lacustre.fhir.model import load_model

Resource = dict[str, Any]
Lines = dict[str, list[Resource]]
Latest = dict[str, dict[str, Resource]]

VENDOR = {"plannedStartDate", "x-dpi", "numeroDossier"}
TYPES = [
    "AllergyIntolerance", "Claim", "Condition", "Coverage", "DiagnosticReport", "DocumentReference",
    "Encounter", "Immunization", "Location", "Medication", "MedicationAdministration", "MedicationRequest",
    "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole", "Procedure",
    "RelatedPerson", "Specimen",
]  # fmt: skip


@pytest.mark.parametrize("resource_type", TYPES)
def test_resources_are_valid(resource_type: str, lines: Lines) -> None:
    """Against the classes of R4B: nothing used here differs between it and R4."""
    model = get_fhir_model_class(resource_type)
    resources = lines[resource_type]
    for resource in resources[:: max(1, len(resources) // 150)]:
        known = {name: value for name, value in resource.items() if name not in VENDOR}
        assert model.model_validate(known).get_resource_type() == resource_type


def test_only_vendor_members_are_unknown_to_r4(lines: Lines) -> None:
    unknown: Counter[str] = Counter()
    model = load_model("4.0.1")
    for resource_type, resources in lines.items():
        members = {*model.type(resource_type).members, "resourceType"}
        for resource in resources:
            unknown.update(set(resource) - members)
    assert {"plannedStartDate", "x-dpi"} <= set(unknown) <= VENDOR


def test_some_birth_dates_are_partial_or_absent_with_a_reason(latest: Latest) -> None:
    forms = Counter(len(p["birthDate"]) if "birthDate" in p else 0 for p in latest["Patient"].values())
    assert forms[4] and forms[7] and forms[0]
    assert forms[10] > 300
    for patient in latest["Patient"].values():
        if "birthDate" not in patient:
            assert patient["_birthDate"]["extension"][0]["valueCode"] == "unknown"


def test_some_given_names_carry_an_extension_member(latest: Latest) -> None:
    names = [name for patient in latest["Patient"].values() for name in patient["name"] if "_given" in name]
    assert names
    for name in names:
        assert name["_given"][0] is None
        assert len(name["_given"]) == len(name["given"])


def test_some_prescriptions_contain_their_medication(latest: Latest) -> None:
    contained = [r for r in latest["MedicationRequest"].values() if "contained" in r]
    assert contained
    assert all(r["medicationReference"]["reference"] == "#m1" for r in contained)


def test_values_come_in_many_forms(latest: Latest) -> None:
    forms = {name for o in latest["Observation"].values() for name in o if name.startswith(("value", "dataAbsent"))}
    assert forms >= {"valueQuantity", "valueCodeableConcept", "valueInteger", "dataAbsentReason"}


def test_some_conditions_are_coded_twice_and_some_in_words_alone(latest: Latest) -> None:
    counts = {len(c["code"].get("coding", [])) for c in latest["Condition"].values()}
    assert counts == {0, 1, 2}


def test_some_conditions_were_refuted(latest: Latest) -> None:
    found = {c["verificationStatus"]["coding"][0]["code"] for c in latest["Condition"].values()}
    assert found == {"confirmed", "refuted", "entered-in-error"}


def test_codes_keep_one_label(latest: Latest) -> None:
    labels: dict[tuple[str, str], set[str]] = {}
    for resource_type in ("Condition", "Procedure", "Observation", "MedicationRequest"):
        for resource in latest[resource_type].values():
            code = resource.get("code") or resource.get("medicationCodeableConcept", {})
            for coding in code.get("coding", []):
                if "display" in coding:
                    labels.setdefault((coding["system"], coding["code"]), set()).add(coding["display"])
    assert len(labels) > 80
    assert {key: found for key, found in labels.items() if len(found) > 1} == {}


def test_notes_are_french_text_about_the_patient(latest: Latest) -> None:
    for document in list(latest["DocumentReference"].values())[:200]:
        attachment = document["content"][0]["attachment"]
        data = base64.b64decode(attachment["data"])
        text = data.decode()
        patient = latest["Patient"][document["subject"]["reference"].split("/")[1]]
        assert attachment["contentType"] == "text/plain; charset=utf-8"
        assert attachment["size"] == len(data)
        assert attachment["hash"] == base64.b64encode(hashlib.sha1(data).digest()).decode()
        assert patient["name"][-1]["family"] in text
        assert patient["name"][0]["given"][0] in text
        assert "Motif :" in text
        assert "Conclusion :" in text


def test_notes_quote_the_results_of_the_stay(latest: Latest) -> None:
    creatinine: dict[str, list[Resource]] = {}
    for observation in latest["Observation"].values():
        if observation["code"]["coding"][0]["code"] == "14682-9" and "valueQuantity" in observation:
            key = observation.get("encounter", {}).get("reference")
            creatinine.setdefault(key, []).append(observation)
    checked = 0
    for document in latest["DocumentReference"].values():
        results = creatinine.get(document["context"]["encounter"][0]["reference"], [])
        if len(results) == 1:
            text = base64.b64decode(document["content"][0]["attachment"]["data"]).decode()
            checked += f"créatinine {results[0]['valueQuantity']['value']} µmol/L" in text
    assert checked > 50

"""The patient compartment of each release."""

from __future__ import annotations

import pytest

from lacustre.fhir.model import FhirModel, load_model


@pytest.fixture(params=("R4", "R4B", "R5", "STU3"))
def model(request: pytest.FixtureRequest) -> FhirModel:
    return load_model(request.param)


@pytest.mark.parametrize(
    ("release", "resource", "paths"),
    [
        ("R4", "Observation", ("subject", "performer")),
        ("R4", "Coverage", ("beneficiary", "policyHolder", "subscriber", "payor")),
        ("R4", "Appointment", ("participant.actor",)),
        ("R4", "AuditEvent", ("agent.who", "entity.what")),
        ("R4", "ResearchSubject", ("individual",)),
        ("R4", "Task", ("for", "focus")),
        ("R4", "CarePlan", ("subject", "activity.detail.performer")),
        ("R4", "Patient", ("link.other",)),
        ("R4", "Practitioner", ()),
        ("R4", "Medication", ()),
        ("R4B", "Task", ("for", "focus")),
        ("R4B", "Encounter", ("subject",)),
        ("R5", "NutritionIntake", ("subject", "reportedReference")),
        ("R5", "RequestOrchestration", ("subject", "action.participant.actorReference")),
        ("R5", "DeviceRequest", ("subject", "performer.reference")),
        ("R5", "Patient", ("link.other",)),
        ("STU3", "ImagingStudy", ("patient",)),
        ("STU3", "ProcedureRequest", ("subject", "performer")),
        ("STU3", "AuditEvent", ("agent.reference", "entity.reference")),
        ("STU3", "Communication", ("subject", "sender", "recipient")),
        ("STU3", "Device", ()),
    ],
)
def test_compartment(release: str, resource: str, paths: tuple[str, ...]) -> None:
    assert load_model(release).compartment(resource) == paths


def test_compartment_paths_lead_to_references(model: FhirModel) -> None:
    members = {name for name in model.resource_types if model.compartment(name)}
    assert len(members) > 60
    for name in members:
        for path in model.compartment(name):
            assert model.resolve(f"{name}.{path}").types == ("Reference",), (name, path)


def test_what_is_about_a_patient_says_so_first(model: FhirModel) -> None:
    for name in model.resource_types:
        elements = model.type(name).elements
        paths = model.compartment(name)
        for primary in ("subject", "patient"):
            if len(paths) > 1 and primary in elements and primary in paths:
                assert paths[0] in {"subject", "patient"}

"""What a physician would believe: ages, chronology, rates, results."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from lacustre.sample.labs import LABS, VITALS

Resource = dict[str, Any]
Latest = dict[str, dict[str, Resource]]

EVENTS = {
    "Encounter": ("period",),
    "Observation": ("effectiveDateTime",),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "MedicationRequest": ("authoredOn",),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "Specimen": ("collection",),
    "DiagnosticReport": ("effectiveDateTime",),
    "Immunization": ("occurrenceDateTime",),
}


def key_of(resource: Resource, member: str) -> str:
    return str(resource[member]["reference"]).split("/")[1]


def moments(value: object) -> Iterator[str]:
    """The dates and times of an element, whatever its form."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name in ("start", "end", "collectedDateTime"):
            if name in value:
                yield value[name]


def events(latest: Latest) -> Iterator[tuple[Resource, str]]:
    """The patient and the time of everything that happens to a patient."""
    for resource_type, members in EVENTS.items():
        for resource in latest[resource_type].values():
            patient = latest["Patient"][key_of(resource, "subject" if "subject" in resource else "patient")]
            for member in members:
                for moment in moments(resource.get(member)):
                    yield patient, moment


def test_nothing_happens_before_birth(latest: Latest) -> None:
    checked = 0
    for patient, moment in events(latest):
        born = patient.get("birthDate", "")
        length = min(len(born), len(moment), 10)
        assert moment[:length] >= born[:length]
        checked += 1
    assert checked > 10_000


def test_nothing_happens_after_death(latest: Latest) -> None:
    checked = 0
    for patient, moment in events(latest):
        died = patient.get("deceasedDateTime")
        if died is None:
            continue
        checked += 1
        if len(died) == 10 or len(moment) <= 10:
            assert moment[:10] <= died[: len(moment[:10])]
        else:
            assert datetime.fromisoformat(moment) <= datetime.fromisoformat(died)
    assert checked > 100


def test_results_and_doses_fall_within_their_stay(latest: Latest) -> None:
    checked = 0
    for resource_type, member in (("Observation", "encounter"), ("MedicationAdministration", "context")):
        for resource in latest[resource_type].values():
            if member not in resource or "effectiveDateTime" not in resource:
                continue
            period = latest["Encounter"][key_of(resource, member)]["period"]
            at = datetime.fromisoformat(resource["effectiveDateTime"])
            assert datetime.fromisoformat(period["start"]) <= at
            assert "end" not in period or at <= datetime.fromisoformat(period["end"])
            checked += 1
    assert checked > 5_000


def inpatient_stays(latest: Latest) -> list[Resource]:
    """Stays with full dates: those taken over from an older system have months only."""
    return [e for e in latest["Encounter"].values() if e["class"]["code"] == "IMP" and len(e["period"]["start"]) > 10]


def test_inpatient_stays_of_a_patient_never_overlap(latest: Latest) -> None:
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for stay in inpatient_stays(latest):
        start = datetime.fromisoformat(stay["period"]["start"])
        end = datetime.fromisoformat(stay["period"].get("end", "2030-01-01T00:00:00+00:00"))
        assert start < end
        spans.setdefault(stay["subject"]["reference"], []).append((start, end))
    for found in spans.values():
        found.sort()
        assert all(one[1] < two[0] for one, two in pairwise(found))


def test_the_share_of_readmissions_is_that_of_a_hospital(latest: Latest) -> None:
    stays = inpatient_stays(latest)
    index = [s for s in stays if s["status"] == "finished" and left_alive(s)]
    readmitted = sum(any(follows(stay, other) for other in stays) for stay in index)
    assert len(index) > 300
    assert 0.05 < readmitted / len(index) < 0.25


def left_alive(stay: Resource) -> bool:
    return stay["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] not in ("exp", "other-hcf")


def follows(stay: Resource, other: Resource) -> bool:
    if other["subject"] != stay["subject"] or other["priority"]["coding"][0]["code"] == "EL":
        return False
    left, came = (date.fromisoformat(text[:10]) for text in (stay["period"]["end"], other["period"]["start"]))
    return timedelta(days=1) <= came - left <= timedelta(days=30)


def test_some_patients_die_in_hospital(latest: Latest) -> None:
    stays = [s for s in inpatient_stays(latest) if s["status"] == "finished"]
    died = [s for s in stays if s["hospitalization"]["dischargeDisposition"]["coding"][0]["code"] == "exp"]
    assert 0.01 < len(died) / len(stays) < 0.08
    for stay in died:
        assert latest["Patient"][key_of(stay, "subject")]["deceasedDateTime"] == stay["period"]["end"]


def test_some_stays_are_in_progress(latest: Latest) -> None:
    open_stays = [e for e in latest["Encounter"].values() if e["status"] == "in-progress"]
    assert open_stays
    assert all("end" not in stay["period"] for stay in open_stays)


@pytest.mark.parametrize("lab", [*LABS.values(), *VITALS.values()], ids=lambda lab: str(lab.key))
def test_results_are_within_what_is_possible(lab: Any, latest: Latest) -> None:
    values = [float(value) for value in measured(latest, lab.loinc)]
    assert len(values) > 30
    assert lab.floor <= min(values)
    assert max(values) <= lab.ceiling
    assert len(set(values)) > 10


def measured(latest: Latest, loinc: str) -> Iterator[Any]:
    for observation in latest["Observation"].values():
        for element in (observation, *observation.get("component", [])):
            if element["code"]["coding"][0]["code"] == loinc and "valueQuantity" in element:
                yield element["valueQuantity"]["value"]


def test_interpretations_agree_with_the_reference_range(latest: Latest) -> None:
    seen = set()
    for observation in latest["Observation"].values():
        if "interpretation" not in observation:
            continue
        code = observation["interpretation"][0]["coding"][0]["code"]
        limits = observation["referenceRange"][0]
        value = observation["valueQuantity"]["value"]
        seen.add(code)
        if code == "H":
            assert value >= limits["high"]["value"]
        elif code == "L":
            assert value <= limits["low"]["value"]
        else:
            assert value <= limits["high"]["value"]
    assert seen == {"H", "L", "N"}


def test_hba1c_falls_with_the_programme(latest: Latest) -> None:
    years: dict[str, list[float]] = {}
    for observation in latest["Observation"].values():
        if observation["code"]["coding"][0]["code"] == "4548-4" and "valueQuantity" in observation:
            year = observation["effectiveDateTime"][:4]
            years.setdefault(year, []).append(float(observation["valueQuantity"]["value"]))
    assert median(years["2025"]) < median(years["2023"])


def test_chronic_diseases_come_with_age(latest: Latest) -> None:
    ages: dict[bool, list[int]] = {True: [], False: []}
    hypertensive = {
        key_of(c, "subject")
        for c in latest["Condition"].values()
        if c["code"].get("coding", [{}])[0].get("code") == "I10"
    }
    for key, patient in latest["Patient"].items():
        if "birthDate" in patient:
            ages[key in hypertensive].append(2025 - int(patient["birthDate"][:4]))
    assert median(ages[True]) > median(ages[False]) + 10


def test_claims_add_up(latest: Latest) -> None:
    for claim in latest["Claim"].values():
        assert claim["total"]["currency"] == "EUR"
        assert claim["total"]["value"] == sum(item["net"]["value"] for item in claim["item"]) > 0

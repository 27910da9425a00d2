"""What a record holds beside the stays: allergies and vaccinations."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from lacustre.sample.clock import EXPORT_TIME, local_date, local_time
from lacustre.sample.codes import ALLERGIES, ATC, HL7, SNOMED, VACCINES
from lacustre.sample.draw import chance
from lacustre.sample.elements import Json, Versions, concept, meta, resource
from lacustre.sample.hospital import Hospital
from lacustre.sample.oddities import rough_date
from lacustre.sample.patients import Registration, patient_reference


def allergies(rng: Random, hospital: Hospital, entry: Registration) -> list[Versions]:
    """One or two allergies for about one person in seven."""
    if entry.person.mother is not None or not chance(rng, 0.14):
        return []
    first = int(rng.random() * len(ALLERGIES))
    count = 2 if chance(rng, 0.15) else 1
    ranks = [(first + n) % len(ALLERGIES) for n in range(count)]
    return [(_allergy(rng, hospital, entry, rank),) for rank in ranks]


def _allergy(rng: Random, hospital: Hospital, entry: Registration, rank: int) -> Json:
    code, label, category, criticality = ALLERGIES[rank]
    at = entry.first_seen + timedelta(minutes=40)
    reaction = {
        "manifestation": [concept(SNOMED, "271807003", "Éruption cutanée", "Éruption cutanée")],
        "severity": "severe" if criticality == "high" else "mild",
    }
    return resource(
        "AllergyIntolerance",
        hospital.ids.of("AllergyIntolerance", entry.person.number, code),
        meta(1, at),
        clinicalStatus=concept(HL7 + "allergyintolerance-clinical", "active"),
        verificationStatus=concept(
            HL7 + "allergyintolerance-verification", "confirmed" if chance(rng, 0.7) else "unconfirmed"
        ),
        type_="allergy",
        category=[category],
        criticality=criticality,
        code=concept(SNOMED, code, label, label),
        patient=patient_reference(hospital, entry.person),
        onsetDateTime=rough_date(rng, local_date(max(entry.person.born, datetime(1998, 5, 4, 10)))),
        recordedDate=local_time(at),
        reaction=[reaction] if chance(rng, 0.6) else None,
    )


def immunizations(rng: Random, hospital: Hospital, entry: Registration) -> list[Versions]:
    """A flu shot each autumn for most people over 65, other vaccines now and then; some are refused."""
    person, death = entry.person, entry.course.death
    until = death.moment if death else EXPORT_TIME
    found: list[Versions] = []
    for year in (2023, 2024, 2025):
        moment = datetime(year, 10, 3, 9) + timedelta(days=int(rng.random() * 60))
        if moment < until and person.age(moment) >= 65 and chance(rng, 0.5):
            found.append((_immunization(rng, hospital, entry, VACCINES[0], moment),))
    moment = datetime(2023, 3, 6, 10) + timedelta(days=int(rng.random() * 900))
    if person.born + timedelta(days=70) < moment < until and chance(rng, 0.3):
        vaccine = VACCINES[1 + int(rng.random() * 3)]
        found.append((_immunization(rng, hospital, entry, vaccine, moment),))
    return found


def _immunization(
    rng: Random, hospital: Hospital, entry: Registration, vaccine: tuple[str, str], moment: datetime
) -> Json:
    code, label = vaccine
    refused = chance(rng, 0.04)
    return resource(
        "Immunization",
        hospital.ids.of("Immunization", entry.person.number, code, moment.year),
        meta(1, moment + timedelta(hours=1)),
        status="not-done" if refused else "completed",
        statusReason={"text": "Refus du patient"} if refused else None,
        vaccineCode=concept(ATC, code, label, label),
        patient=patient_reference(hospital, entry.person),
        occurrenceDateTime=local_date(moment) if chance(rng, 0.9) else local_date(moment)[:7],
        primarySource=chance(rng, 0.8),
        lotNumber=None if refused else f"LOT{int(rng.random() * 1e5):05d}",
        doseQuantity=None if refused else {"value": 1, "unit": "dose"},
        protocolApplied=[{"doseNumberPositiveInt": 1}] if chance(rng, 0.4) else None,
    )

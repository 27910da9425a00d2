"""What is done: prescriptions and their administrations, procedures, imaging reports."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Final

from lacustre.sample.clock import EXPORT_TIME, local_time
from lacustre.sample.codes import ATC, CCAM, CIP, EDQM, HL7, LOINC, PROCEDURES
from lacustre.sample.draw import chance
from lacustre.sample.drugs import DRUGS, ROUTES, Drug
from lacustre.sample.elements import Json, Versions, coding, concept, meta, quantity, resource, revised
from lacustre.sample.encounters import Visit, known_illnesses
from lacustre.sample.hospital import Hospital

_IMAGING: Final = {
    "ZBQK002": "Radiographie thoracique de face : opacités sans épanchement pleural.",
    "ACQK001": "Scanner cérébral sans injection : pas de saignement intracrânien.",
    "DZQM006": "Fraction d'éjection du ventricule gauche estimée à {share} %.",
}
_REASONS: Final = ("Refus du patient", "Patient absent du service", "Voie d'abord non disponible")


def stay_prescriptions(rng: Random, visit: Visit) -> list[Versions]:
    """Prescriptions of a stay and the doses that the nurses recorded (the first days only)."""
    found: list[Versions] = []
    for drug in _prescribed(visit):
        request = _request(rng, visit, drug)
        found.append(request)
        found.extend(_administrations(rng, visit, drug, request[-1]))
    return found


def _prescribed(visit: Visit) -> list[Drug]:
    """The drugs of the stay, then the usual treatment; a consultation renews the usual treatment."""
    usual = [atc for illness in known_illnesses(visit) for atc in illness.disease.drugs]
    kind = visit.stay.profile.kind
    wanted = [*visit.stay.profile.drugs, *usual] if kind == "IMP" else usual[:3] if kind == "AMB" else []
    if kind == "SS":
        wanted = list(visit.stay.profile.drugs)
    return [DRUGS[atc] for atc in list(dict.fromkeys(wanted))[:7]]


def _request(rng: Random, visit: Visit, drug: Drug) -> Versions:
    stay = visit.stay
    at = stay.start + timedelta(minutes=15)
    outpatient = stay.profile.kind == "AMB"
    stopped = not outpatient and chance(rng, 0.06)
    over = stay.end is not None and not outpatient
    status = "stopped" if stopped else "completed" if over else "active"
    final = resource(
        "MedicationRequest",
        visit.hospital.ids.of("MedicationRequest", *visit.key, drug.atc),
        meta(1, at),
        status=status,
        intent="order",
        category=[concept(HL7 + "medicationrequest-category", "outpatient" if outpatient else "inpatient")],
        **_medication(rng, visit, drug),
        subject=visit.patient,
        encounter=visit.encounter,
        authoredOn=local_time(at),
        requester=visit.hospital.doctor_reference(visit.doctor),
        dosageInstruction=[_instruction(drug)],
    )
    if over and chance(rng, 0.05):
        return ({**final, "status": "active"}, revised(final, 2, stay.last_moment, status=status))
    return (final,)


def formulary(hospital: Hospital) -> list[Versions]:
    """The pharmacy's own list: a Medication for each drug of the hospital."""
    listed = datetime(2022, 11, 7, 8)
    return [
        (
            resource(
                "Medication",
                hospital.ids.of("Medication", drug.atc),
                meta(1, listed),
                code=_drug_code(drug),
                status="active",
                form={"text": drug.name.split(", ")[-1]} if "," in drug.name else None,
            ),
        )
        for drug in DRUGS.values()
    ]


def _medication(rng: Random, visit: Visit, drug: Drug) -> Json:
    """Coded in most; a reference to the formulary, or a contained Medication, from pharmacy software."""
    draw = rng.random()
    if draw > 0.05:
        return {"medicationCodeableConcept": _drug_code(drug)}
    if draw > 0.01:
        listed = visit.hospital.ids.reference("Medication", drug.atc)
        return {"medicationReference": {**listed, "display": drug.name}}
    contained = {"resourceType": "Medication", "id": "m1", "code": _drug_code(drug), "status": "active"}
    return {"contained": [contained], "medicationReference": {"reference": "#m1", "display": drug.name}}


@cache
def _drug_code(drug: Drug) -> Json:
    package = [coding(CIP, drug.cip, drug.name)] if drug.cip else []
    return {"coding": [coding(ATC, drug.atc, drug.name.split(",")[0]), *package], "text": drug.name}


@cache
def _instruction(drug: Drug) -> Json:
    route, label = ROUTES[drug.route]
    return {
        "sequence": 1,
        "text": f"{drug.dose} {drug.unit}, {drug.per_day} fois par jour",
        "timing": {"repeat": {"frequency": drug.per_day, "period": Decimal(1), "periodUnit": "d"}},
        "route": concept(EDQM, route, label),
        "doseAndRate": [{"doseQuantity": quantity(Decimal(drug.dose), drug.unit, drug.ucum)}],
    }


def _administrations(rng: Random, visit: Visit, drug: Drug, request: Json) -> list[Versions]:
    stay = visit.stay
    if stay.profile.kind == "AMB":
        return []
    first = stay.start + timedelta(minutes=75)
    moments = [first + timedelta(hours=24 * n) for n in range(1 if stay.profile.kind == "SS" else 2)]
    until = stay.last_moment - timedelta(minutes=30)
    return [
        (_administration(rng, visit, request, drug, moment=moment),)
        for moment in moments
        if moment + timedelta(hours=1) < until
    ]


def _administration(rng: Random, visit: Visit, request: Json, drug: Drug, *, moment: datetime) -> Json:
    refused = chance(rng, 0.025)
    dosage = {
        "route": concept(EDQM, *ROUTES[drug.route]),
        "dose": quantity(Decimal(drug.dose), drug.unit, drug.ucum),
    }
    return resource(
        "MedicationAdministration",
        visit.hospital.ids.of("MedicationAdministration", *visit.key, drug.atc, moment.isoformat()),
        meta(1, moment + timedelta(minutes=3)),
        status="not-done" if refused else "completed",
        statusReason=[{"text": _REASONS[int(rng.random() * len(_REASONS))]}] if refused else None,
        medicationCodeableConcept=_drug_code(drug),
        subject=visit.patient,
        context=visit.encounter,
        **_effective(drug, moment),
        request={"reference": f"MedicationRequest/{request['id']}"},
        dosage=None if refused else dosage,
    )


def _effective(drug: Drug, moment: datetime) -> Json:
    """An infusion lasts, a tablet is taken at once."""
    if drug.route != "iv":
        return {"effectiveDateTime": local_time(moment)}
    ended = moment + timedelta(minutes=45)
    return {"effectivePeriod": {"start": local_time(moment), "end": local_time(ended)}}


def stay_procedures(rng: Random, visit: Visit) -> list[Versions]:
    """The acts of a stay, with a report where the act is an examination."""
    found: list[Versions] = []
    for rank, code in enumerate(visit.stay.profile.procedures):
        moment = _act_moment(visit, rank)
        if not chance(rng, 0.88) or moment is None:
            continue
        found.append((_procedure(rng, visit, code, rank, moment),))
        if code in _IMAGING:
            found.append((_imaging_report(rng, visit, code, rank, moment),))
    return found


def _act_moment(visit: Visit, rank: int) -> datetime | None:
    stay = visit.stay
    moment = stay.start + timedelta(minutes=100 + 70 * rank)
    return moment if moment + timedelta(minutes=90) < stay.last_moment - timedelta(minutes=10) else None


def _procedure(rng: Random, visit: Visit, code: str, rank: int, moment: datetime) -> Json:
    lasting = timedelta(minutes=20 + int(rng.random() * 60))
    imaging = code in _IMAGING
    performed = (
        {"performedDateTime": local_time(moment)}
        if imaging
        else {"performedPeriod": {"start": local_time(moment), "end": local_time(moment + lasting)}}
    )
    category = concept("http://snomed.info/sct", "103693007", "Acte diagnostique") if imaging else None
    return resource(
        "Procedure",
        visit.hospital.ids.of("Procedure", *visit.key, rank),
        meta(1, moment + timedelta(hours=2)),
        status="completed",
        category=category,
        code=concept(CCAM, code, PROCEDURES[code], PROCEDURES[code]),
        subject=visit.patient,
        encounter=visit.encounter,
        **performed,
        performer=[{"actor": visit.hospital.doctor_reference(visit.doctor)}],
        location=visit.hospital.ids.reference("Location", f"ward-{visit.stay.profile.service}"),
        reasonReference=[visit.hospital.ids.reference("Condition", *visit.key)],
    )


def _imaging_report(rng: Random, visit: Visit, code: str, rank: int, moment: datetime) -> Json:
    conclusion = _IMAGING[code].format(share=25 + int(rng.random() * 40))
    at = min(moment + timedelta(hours=1), EXPORT_TIME - timedelta(minutes=40))
    return resource(
        "DiagnosticReport",
        visit.hospital.ids.of("DiagnosticReport", *visit.key, "imaging", rank),
        meta(1, at),
        status="final",
        category=[concept(HL7 + "v2-0074", "RAD", "Radiology")],
        code=concept(LOINC, "18748-4", "Compte rendu d'imagerie médicale", PROCEDURES[code]),
        subject=visit.patient,
        encounter=visit.encounter,
        effectiveDateTime=local_time(moment),
        issued=local_time(at),
        resultsInterpreter=[visit.hospital.doctor_reference(visit.doctor)],
        conclusion=conclusion,
        presentedForm=[_printed(f"{PROCEDURES[code]}\n\n{conclusion}\n\n{visit.doctor.display}\n")],
    )


def _printed(text: str) -> Json:
    data = base64.b64encode(text.encode()).decode()
    return {"contentType": "text/plain; charset=utf-8", "language": "fr-FR", "data": data}

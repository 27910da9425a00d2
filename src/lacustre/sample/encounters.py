"""Encounters with their diagnoses: stays, the passage through the emergency department, problems, claims."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from random import Random

from lacustre.sample.clock import local_date, local_time
from lacustre.sample.codes import ADMIT_SOURCES, CLASSES, DIAGNOSES, DISPOSITIONS, HL7, ICD10, PRIORITIES
from lacustre.sample.draw import chance
from lacustre.sample.elements import Json, Versions, coding, concept, meta, period, resource, revised
from lacustre.sample.hospital import SERVICES, Doctor, Hospital
from lacustre.sample.oddities import local_thesaurus, rough_date, vendor_members
from lacustre.sample.patients import Registration, patient_reference
from lacustre.sample.persons import Illness
from lacustre.sample.stays import Stay

_CHRONIC_CODES = ("E11.6", "I50.0", "J44.1", "M16.1", "M17.1", "Z51.1")


@dataclass(frozen=True)
class Visit:
    """A stay with what its resources share: the patient, the attending physician, the reference."""

    hospital: Hospital
    entry: Registration
    stay: Stay
    doctor: Doctor

    @property
    def key(self) -> tuple[int, int]:
        return self.entry.person.number, self.stay.number

    @cached_property
    def patient(self) -> Json:
        return patient_reference(self.hospital, self.entry.person)

    @cached_property
    def encounter(self) -> Json:
        return self.hospital.ids.reference("Encounter", *self.key)


def open_visit(rng: Random, hospital: Hospital, entry: Registration, stay: Stay) -> Visit:
    return Visit(hospital, entry, stay, rng.choice(hospital.doctors[stay.profile.service]))


def encounter_versions(rng: Random, visit: Visit) -> list[Versions]:
    """The Encounter, open then closed for some stays, and the passage through the emergency department."""
    stay = visit.stay
    final = _encounter(rng, visit)
    versions: Versions = (final,)
    if stay.end is not None and stay.profile.kind == "IMP" and chance(rng, 0.12):
        opened = {**final, "status": "in-progress", "period": period(stay.start, None)}
        opened["hospitalization"] = {n: v for n, v in final["hospitalization"].items() if n == "admitSource"}
        kept = {n: v for n, v in opened.items() if v and n != "diagnosis"}
        first = {**kept, "meta": meta(1, stay.start + timedelta(minutes=20))}
        versions = (first, revised(final, 2, stay.last_moment + timedelta(minutes=45)))
    return [versions, *_emergency_passage(visit)]


def _encounter(rng: Random, visit: Visit) -> Json:
    stay, hospital = visit.stay, visit.hospital
    kind = stay.profile.kind
    return resource(
        "Encounter",
        hospital.ids.of("Encounter", *visit.key),
        meta(1, stay.last_moment + timedelta(minutes=45)),
        identifier=[_visit_number(visit)],
        status="finished" if stay.end else "in-progress",
        class_=coding(HL7 + "v3-ActCode", kind, CLASSES[kind]),
        type_=[{"text": CLASSES[kind].capitalize()}],
        serviceType=hospital.service_concept(stay.profile.service),
        priority=_priority(stay),
        subject=visit.patient,
        participant=_participants(visit),
        period=period(stay.start, stay.end),
        reasonCode=[{"text": stay.profile.reason}] if chance(rng, 0.93) else None,
        diagnosis=_diagnoses(visit),
        hospitalization=_hospitalization(stay) or None,
        location=_locations(visit),
        serviceProvider=hospital.site,
        **vendor_members(rng),
    )


def _visit_number(visit: Visit) -> Json:
    number, rank = visit.key
    kind = concept(HL7 + "v2-0203", "VN", "Visit number")
    return {
        "use": "usual",
        "type": kind,
        "system": visit.hospital.system("iep"),
        "value": f"{number:06d}{rank:03d}",
    }


def _priority(stay: Stay) -> Json:
    code = "EL" if not stay.urgent else "EM" if stay.profile.key in ("sepsis", "infarction", "stroke") else "UR"
    return concept(HL7 + "v3-ActPriority", code, PRIORITIES[code])


def _participants(visit: Visit) -> list[Json]:
    kind = concept(HL7 + "v3-ParticipationType", "ATND", "attender")
    return [{"type": [kind], "individual": visit.hospital.doctor_reference(visit.doctor)}]


def _hospitalization(stay: Stay) -> Json:
    found: Json = {}
    if stay.source:
        found["admitSource"] = concept(HL7 + "admit-source", stay.source, ADMIT_SOURCES[stay.source])
    if stay.disposition and stay.profile.kind != "AMB":
        shown = DISPOSITIONS[stay.disposition]
        found["dischargeDisposition"] = concept(HL7 + "discharge-disposition", stay.disposition, shown)
    return found


def _locations(visit: Visit) -> list[Json]:
    stay = visit.stay
    moves = [(stay.profile.service, stay.start, stay.end)]
    if stay.profile.service == "intensive_care" and stay.end is not None and not stay.died:
        moved = stay.start + (stay.end - stay.start) / 3
        moves = [("intensive_care", stay.start, moved), ("internal_medicine", moved, stay.end)]
    return [
        {
            "location": {
                **visit.hospital.ids.reference("Location", f"ward-{service}"),
                "display": SERVICES[service][1],
            },
            "status": "active" if end is None else "completed",
            "period": period(start, end),
        }
        for service, start, end in moves
    ]


def _emergency_passage(visit: Visit) -> list[Versions]:
    stay, hospital = visit.stay, visit.hospital
    if stay.arrival is None:
        return []
    passage = resource(
        "Encounter",
        hospital.ids.of("Encounter", *visit.key, "emergency"),
        meta(1, stay.start + timedelta(minutes=5)),
        status="finished",
        class_=coding(HL7 + "v3-ActCode", "EMER", CLASSES["EMER"]),
        serviceType=hospital.service_concept("emergency"),
        subject=visit.patient,
        period=period(stay.arrival, stay.start),
        reasonCode=[{"text": stay.profile.reason}],
        hospitalization={"dischargeDisposition": {"text": "Hospitalisation"}},
        location=[{"location": hospital.ids.reference("Location", "ward-emergency")}],
        serviceProvider=hospital.site,
        partOf=visit.encounter,
    )
    return [(passage,)]


def _diagnoses(visit: Visit) -> list[Json] | None:
    """The principal diagnosis (DP) first, then the associated ones (DAS) already known."""
    if visit.stay.profile.kind == "AMB":
        return None
    ids, number = visit.hospital.ids, visit.entry.person.number
    role = HL7 + "diagnosis-role"
    principal = {
        "condition": ids.reference("Condition", *visit.key),
        "use": concept(role, "DD", "Diagnostic principal"),
        "rank": 1,
    }
    others = [
        {
            "condition": ids.reference("Condition", number, "problem", illness.disease.key),
            "use": concept(role, "CM", "Diagnostic associé"),
            "rank": rank,
        }
        for rank, illness in enumerate(known_illnesses(visit), 2)
    ]
    return [principal, *others]


def known_illnesses(visit: Visit) -> list[Illness]:
    """The chronic diseases that the hospital knows by the end of the stay."""
    return [i for i in visit.entry.person.illnesses if i.onset <= visit.stay.start]


def legacy_encounter(rng: Random, hospital: Hospital, entry: Registration) -> list[Versions]:
    """A stay taken over from an older system: its month is all that is left of its dates."""
    person = entry.person
    if person.born.year > 2008 or not chance(rng, 0.03):
        return []
    month = f"{2012 + int(rng.random() * 8)}-{1 + int(rng.random() * 12):02d}"
    stay = resource(
        "Encounter",
        hospital.ids.of("Encounter", person.number, "legacy"),
        meta(1, datetime(2020, 2, 3, 2)),
        status="finished",
        class_=coding(HL7 + "v3-ActCode", "IMP"),
        subject=patient_reference(hospital, person),
        period={"start": month, "end": month},
        reasonCode=[{"text": "Reprise d'historique"}],
    )
    return [(stay,)]


def stay_condition(rng: Random, visit: Visit) -> list[Versions]:
    """The diagnosis for which the patient came; consultations record none."""
    stay = visit.stay
    if stay.profile.kind == "AMB":
        return []
    code = stay.profile.code
    label = DIAGNOSES[code]
    acute = code not in _CHRONIC_CODES and stay.end is not None and not stay.died
    found = resource(
        "Condition",
        visit.hospital.ids.of("Condition", *visit.key),
        meta(1, stay.last_moment + timedelta(minutes=30)),
        clinicalStatus=_clinical_status("resolved" if acute else "active"),
        verificationStatus=_verification("confirmed"),
        category=[concept(HL7 + "condition-category", "encounter-diagnosis", "Encounter Diagnosis")],
        code=local_thesaurus(rng, visit.hospital.system("CodeSystem/thesaurus-diagnostics"), _icd10(code), label),
        subject=visit.patient,
        encounter=visit.encounter,
        onsetDateTime=local_date(stay.start) if chance(rng, 0.8) else None,
        abatementDateTime=local_date(stay.last_moment) if acute and chance(rng, 0.5) else None,
        recordedDate=local_time(stay.last_moment - timedelta(minutes=20)),
        recorder=visit.hospital.doctor_reference(visit.doctor),
    )
    return [(found,)]


def problem_conditions(rng: Random, hospital: Hospital, entry: Registration) -> list[Versions]:
    """The problem list: each chronic disease, recorded at the first contact after its onset."""
    problems: list[Versions] = []
    for illness in entry.person.illnesses:
        stay = next((s for s in entry.course.stays if s.start >= illness.onset), None)
        if stay is not None:
            at = stay.start + timedelta(hours=1)
            problems.append((_problem(rng, hospital, entry, illness, at),))
    return [*problems, *_mistaken_condition(rng, hospital, entry)]


def _problem(rng: Random, hospital: Hospital, entry: Registration, illness: Illness, at: datetime) -> Json:
    disease, number = illness.disease, entry.person.number
    return resource(
        "Condition",
        hospital.ids.of("Condition", number, "problem", disease.key),
        meta(1, at + timedelta(hours=2)),
        clinicalStatus=_clinical_status("active"),
        verificationStatus=_verification("confirmed"),
        category=[concept(HL7 + "condition-category", "problem-list-item", "Problem List Item")],
        code=_icd10(disease.code),
        subject=patient_reference(hospital, entry.person),
        onsetDateTime=rough_date(rng, local_date(illness.onset)) if chance(rng, 0.85) else None,
        recordedDate=local_time(at),
    )


def _mistaken_condition(rng: Random, hospital: Hospital, entry: Registration) -> list[Versions]:
    """A diagnosis that was ruled out or entered by mistake: a cohort must not count it."""
    if not entry.course.stays or not chance(rng, 0.02):
        return []
    refuted = chance(rng, 0.6)
    at = entry.course.stays[0].start + timedelta(hours=2)
    first = resource(
        "Condition",
        hospital.ids.of("Condition", entry.person.number, "mistake"),
        meta(1, at),
        clinicalStatus=_clinical_status("active"),
        verificationStatus=_verification("provisional"),
        category=[concept(HL7 + "condition-category", "problem-list-item", "Problem List Item")],
        code=_icd10("I50.9" if chance(rng, 0.5) else "E11.9"),
        subject=patient_reference(hospital, entry.person),
        recordedDate=local_time(at),
    )
    status = _verification("refuted" if refuted else "entered-in-error")
    corrected = revised(
        first, 2, at + timedelta(hours=4), verificationStatus=status,
        clinicalStatus=_clinical_status("inactive") if refuted else None,
    )  # fmt: skip
    return [(first, corrected)]


def _icd10(code: str) -> Json:
    return concept(ICD10, code, DIAGNOSES[code], DIAGNOSES[code])


def _clinical_status(code: str) -> Json:
    return concept(HL7 + "condition-clinical", code)


def _verification(code: str) -> Json:
    return concept(HL7 + "condition-ver-status", code)


def stay_claim(visit: Visit) -> list[Versions]:
    """The bill of a finished stay: one line, the stay's group (GHM) with its amount in euros."""
    stay, hospital = visit.stay, visit.hospital
    if stay.profile.ghm is None or stay.end is None:
        return []
    amount = {"value": _price(stay), "currency": "EUR"}
    group = concept(hospital.system("CodeSystem/racine-ghm"), *stay.profile.ghm)
    item = {
        "sequence": 1,
        "diagnosisSequence": [1],
        "productOrService": group,
        "net": amount,
        "encounter": [visit.encounter],
    }
    claim = resource(
        "Claim",
        hospital.ids.of("Claim", *visit.key),
        meta(1, stay.end + timedelta(days=21)),
        status="active",
        type_=concept(HL7 + "claim-type", "institutional"),
        use="claim",
        patient=visit.patient,
        billablePeriod={"start": local_date(stay.start), "end": local_date(stay.end)},
        created=local_date(stay.end + timedelta(days=21)),
        provider=hospital.site,
        priority=concept(HL7 + "processpriority", "normal"),
        diagnosis=[{"sequence": 1, "diagnosisReference": hospital.ids.reference("Condition", *visit.key)}],
        insurance=[
            {
                "sequence": 1,
                "focal": True,
                "coverage": hospital.ids.reference("Coverage", visit.entry.person.number, "amo"),
            }
        ],
        item=[item],
        total=amount,
    )
    return [(claim,)]


def _price(stay: Stay) -> Decimal:
    nights = (stay.last_moment - stay.start).days
    cents = 41250 if stay.profile.kind == "SS" else 96500 + 58340 * nights
    return Decimal(f"{cents * (80 + int(stay.severity * 30)) // 100 / 100:.2f}")

"""Measurements of a stay: blood tests with their specimen and report, vital signs, a few coded findings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Final

from lacustre.sample.clock import EXPORT_TIME, local_time, utc_time
from lacustre.sample.codes import HL7, LOINC, SNOMED
from lacustre.sample.draw import bell, chance
from lacustre.sample.elements import Json, Versions, coding, concept, meta, quantity, resource, revised
from lacustre.sample.encounters import Visit
from lacustre.sample.labs import CORE_PANEL, LABS, VITALS, Lab
from lacustre.sample.people import Sex
from lacustre.sample.surgery import NEWBORN

# From this date to the next, a programme brings the HbA1c of people with diabetes down by 0.8 points.
PROGRAMME_START: Final = datetime(2024, 4, 1)
PROGRAMME_END: Final = datetime(2025, 10, 1)
_PROGRAMME_EFFECT: Final = 0.8

_CATEGORY: Final = HL7 + "observation-category"
_INTERPRETATION: Final = HL7 + "v3-ObservationInterpretation"
_SHOWN: Final = {"L": "bas", "N": "normal", "H": "élevé"}


@dataclass(frozen=True, slots=True)
class Sampling:
    """One moment of measurement; `progress` runs from 0 on admission to 1 at the end of the stay."""

    number: int
    moment: datetime
    progress: float


def stay_results(rng: Random, visit: Visit) -> list[Versions]:
    """Every measurement of a stay."""
    found: list[Versions] = []
    if visit.stay.profile is NEWBORN:
        found.append((_apgar(rng, visit),))
    for sampling in _samplings(visit):
        found.extend(_blood_tests(rng, visit, sampling))
    for sampling in _rounds(visit):
        found.extend(_vital_signs(rng, visit, sampling))
    if visit.stay.number in (1, 101) and visit.entry.person.age(visit.stay.start) >= 16:
        found.append((_smoking(rng, visit),))
    if visit.stay.profile.key in ("pyelonephritis", "sepsis"):
        found.extend(_culture(rng, visit))
    return found


def _samplings(visit: Visit) -> list[Sampling]:
    """On admission, before discharge, and in between if the stay is long."""
    stay = visit.stay
    panel = _panel(visit)
    if not panel:
        return []
    if stay.profile.kind != "IMP":
        return [Sampling(0, stay.start + timedelta(minutes=10), 0.0)]
    days = (stay.last_moment - stay.start).days
    wanted = (0.0,) if days < 2 else (0.0, 1.0) if days < 8 else (0.0, 0.45, 1.0)
    span = stay.last_moment - stay.start - timedelta(hours=4)
    return [Sampling(n, stay.start + timedelta(minutes=50) + span * share, share) for n, share in enumerate(wanted)]


def _rounds(visit: Visit) -> list[Sampling]:
    """Vital signs on admission and before leaving; once at a consultation or a session."""
    stay = visit.stay
    first = Sampling(0, stay.start + timedelta(minutes=6), 0.0)
    if stay.profile.kind != "IMP" or stay.end is None or (stay.end - stay.start).days < 3:
        return [first]
    return [first, Sampling(1, stay.end - timedelta(hours=2), 1.0)]


def _panel(visit: Visit) -> tuple[str, ...]:
    profile = visit.stay.profile
    if profile.kind != "IMP":
        return profile.labs
    if profile is NEWBORN:
        return ()
    extra = ["hba1c"] if visit.entry.person.has("diabetes", by=visit.stay.start) else []
    return tuple(dict.fromkeys([*CORE_PANEL, *profile.labs, *extra]))


def level(rng: Random, visit: Visit, lab: Lab, sampling: Sampling) -> float:
    """The value of a measurement: the person's usual level, what the stay does to it, and noise."""
    stay, person = visit.stay, visit.entry.person
    remaining = 1.0 + 0.25 * sampling.progress if stay.died else 1.0 - 0.86 * sampling.progress
    value = person.usual[lab.key] + stay.profile.shifts.get(lab.key, 0.0) * stay.severity * remaining
    if lab.key == "hba1c" and person.has("diabetes"):
        value -= _PROGRAMME_EFFECT * _programme_share(sampling.moment)
    return min(max(value + bell(rng) * lab.noise, lab.floor), lab.ceiling)


def _programme_share(moment: datetime) -> float:
    share = (moment - PROGRAMME_START) / (PROGRAMME_END - PROGRAMME_START)
    return min(max(share, 0.0), 1.0)


def _blood_tests(rng: Random, visit: Visit, sampling: Sampling) -> list[Versions]:
    """A tube of blood, the results it gives, and the laboratory's report on them."""
    first_only = ("hba1c", "troponin")
    panel = [key for key in _panel(visit) if sampling.number == 0 or key not in first_only]
    specimen = (_specimen(visit, sampling),)
    results = [_blood_test(rng, visit, LABS[key], sampling) for key in panel]
    return [specimen, *results, _report(rng, visit, sampling, [r[-1] for r in results])]


def _specimen(visit: Visit, sampling: Sampling) -> Json:
    key = (*visit.key, sampling.number)
    return resource(
        "Specimen",
        visit.hospital.ids.of("Specimen", *key),
        meta(1, sampling.moment + timedelta(minutes=25), utc=True),
        identifier=[{"system": visit.hospital.system("specimen"), "value": "-".join(map(str, key))}],
        status="available",
        type_=concept(SNOMED, "119297000", "Prélèvement sanguin"),
        subject=visit.patient,
        receivedTime=local_time(sampling.moment + timedelta(minutes=25)),
        collection={"collectedDateTime": local_time(sampling.moment), "bodySite": {"text": "Pli du coude"}},
    )


def _blood_test(rng: Random, visit: Visit, lab: Lab, sampling: Sampling) -> Versions:
    """A result; some were first sent as preliminary, a few were corrected, a few could not be measured."""
    draw = rng.random()
    value = level(rng, visit, lab, sampling)
    at = sampling.moment + timedelta(hours=1, minutes=int(draw * 90))
    final = _observation(visit, lab, sampling, value=value, at=at)
    if draw < 0.01:
        return (_unmeasured(final),)
    if draw > 0.985:
        return ({name: member for name, member in final.items() if name != "encounter"},)
    if draw < 0.04 and at < EXPORT_TIME - timedelta(hours=6):
        wrong = _observation(visit, lab, sampling, value=min(value * 1.2, lab.ceiling), at=at)
        status = "corrected" if draw < 0.02 else "final"
        early = {**wrong, "status": "final" if draw < 0.02 else "preliminary"}
        return (early, revised(final, 2, at + timedelta(hours=3), status=status))
    return (final,)


def _observation(visit: Visit, lab: Lab, sampling: Sampling, *, value: float, at: datetime) -> Json:
    person, ids = visit.entry.person, visit.hospital.ids
    low, high = lab.normal(person.sex)
    status = "preliminary" if at >= EXPORT_TIME - timedelta(hours=1) else "final"
    return resource(
        "Observation",
        ids.of("Observation", *visit.key, "lab", sampling.number, lab.key),
        meta(1, at, utc=True),
        status=status,
        category=[concept(_CATEGORY, "laboratory", "Laboratory")],
        code=_lab_code(lab.key),
        subject=visit.patient,
        encounter=visit.encounter,
        effectiveDateTime=local_time(sampling.moment),
        issued=utc_time(min(at, EXPORT_TIME - timedelta(minutes=40))),
        valueQuantity=_measured(lab, value),
        interpretation=[_interpretation(value, low, high)],
        referenceRange=[_reference_range(lab.key, person.sex)],
        specimen=ids.reference("Specimen", *visit.key, sampling.number),
    )


@cache
def _lab_code(key: str) -> Json:
    lab = LABS.get(key) or VITALS[key]
    return concept(LOINC, lab.loinc, lab.display, lab.display.split(" [")[0])


def _measured(lab: Lab, value: float) -> Json:
    if value < lab.quantified:
        return quantity(Decimal(f"{lab.quantified:.{lab.decimals}f}"), lab.unit, lab.ucum, "<")
    return quantity(Decimal(f"{value:.{lab.decimals}f}"), lab.unit, lab.ucum)


def _interpretation(value: float, low: float, high: float) -> Json:
    code = "L" if value < low else "H" if value > high else "N"
    return concept(_INTERPRETATION, code, _SHOWN[code])


@cache
def _reference_range(key: str, sex: Sex) -> Json:
    lab = LABS.get(key) or VITALS[key]
    low, high = (Decimal(f"{bound:.{lab.decimals}f}") for bound in lab.normal(sex))
    below = {"low": quantity(low, lab.unit, lab.ucum)} if low else {}
    return {**below, "high": quantity(high, lab.unit, lab.ucum), "text": f"{low} à {high} {lab.unit}"}


def _unmeasured(final: Json) -> Json:
    kept = {n: v for n, v in final.items() if n not in ("valueQuantity", "interpretation")}
    return {**kept, "dataAbsentReason": concept(HL7 + "data-absent-reason", "error", None, "Tube hémolysé")}


def _report(rng: Random, visit: Visit, sampling: Sampling, results: list[Json]) -> Versions:
    at = sampling.moment + timedelta(hours=3)
    alarming = any(i["coding"][0]["code"] == "H" for r in results for i in r.get("interpretation", ()))
    report = resource(
        "DiagnosticReport",
        visit.hospital.ids.of("DiagnosticReport", *visit.key, "lab", sampling.number),
        meta(1, at, utc=True),
        status="final",
        category=[concept(HL7 + "v2-0074", "LAB", "Laboratory")],
        code=concept(LOINC, "11502-2", "Compte rendu d'examens biologiques"),
        subject=visit.patient,
        encounter=visit.encounter,
        effectiveDateTime=local_time(sampling.moment),
        issued=utc_time(min(at, EXPORT_TIME - timedelta(minutes=35))),
        performer=[visit.hospital.ids.reference("Organization", "unit-laboratory")],
        specimen=[visit.hospital.ids.reference("Specimen", *visit.key, sampling.number)],
        result=[{"reference": f"Observation/{r['id']}", "display": r["code"]["text"]} for r in results],
        conclusion="Résultats à confronter à la clinique." if alarming else None,
    )
    if chance(rng, 0.03) and at < EXPORT_TIME - timedelta(days=1):
        return (
            {**report, "status": "partial", "result": report["result"][:2]},
            revised(report, 2, at + timedelta(hours=2), status="final"),
        )
    return (report,)


def _vital_signs(rng: Random, visit: Visit, sampling: Sampling) -> list[Versions]:
    kinds = ["pulse", "temperature", "saturation"]
    if visit.stay.profile.kind == "AMB":
        kinds = ["weight"]
    elif sampling.number == 0 and visit.stay.profile.kind == "IMP":
        kinds.append("weight")
    singles = [_vital(rng, visit, VITALS[kind], sampling) for kind in kinds]
    if visit.stay.profile is NEWBORN:
        return [(vital,) for vital in singles]
    return [(vital,) for vital in [_blood_pressure(rng, visit, sampling), *singles]]


def _vital(rng: Random, visit: Visit, vital: Lab, sampling: Sampling) -> Json:
    measured = _measured(vital, level(rng, visit, vital, sampling))
    code = _lab_code(vital.key)
    return _finding(visit, vital.key, sampling, code, category="vital-signs", valueQuantity=measured)


def _blood_pressure(rng: Random, visit: Visit, sampling: Sampling) -> Json:
    """The two pressures as components; the diastolic one is at times not recorded."""
    systolic = level(rng, visit, VITALS["systolic"], sampling)
    diastolic = min(level(rng, visit, VITALS["diastolic"], sampling), systolic - 15)
    lower: Json = {"code": _lab_code("diastolic"), "valueQuantity": _measured(VITALS["diastolic"], diastolic)}
    if chance(rng, 0.01):
        lower = {
            "code": lower["code"],
            "dataAbsentReason": concept(HL7 + "data-absent-reason", "not-performed"),
        }
    upper = {"code": _lab_code("systolic"), "valueQuantity": _measured(VITALS["systolic"], systolic)}
    code = concept(LOINC, "85354-9", "Pression artérielle", "Pression artérielle")
    return _finding(visit, "pressure", sampling, code, category="vital-signs", component=[upper, lower])


def _finding(visit: Visit, key: str, sampling: Sampling, code: Json, *, category: str, **elements: object) -> Json:
    return resource(
        "Observation",
        visit.hospital.ids.of("Observation", *visit.key, key, sampling.number),
        meta(1, sampling.moment + timedelta(minutes=4)),
        status="final",
        category=[concept(_CATEGORY, category)],
        code=code,
        subject=visit.patient,
        encounter=visit.encounter,
        effectiveDateTime=local_time(sampling.moment),
        performer=[visit.hospital.doctor_reference(visit.doctor)],
        **elements,
    )


def _smoking(rng: Random, visit: Visit) -> Json:
    answers = (
        ("266919005", "N'a jamais fumé"), ("8517006", "Ancien fumeur"), ("77176002", "Fumeur"),
    )  # fmt: skip
    heavy = visit.entry.person.has("copd", "lung_cancer", "coronary")
    code, text = answers[int(rng.random() * 2) + 1 if heavy else int(rng.random() * 3)]
    sampling = Sampling(0, visit.stay.start + timedelta(minutes=8), 0.0)
    question = concept(LOINC, "72166-2", "Statut tabagique", "Statut tabagique")
    answer = concept(SNOMED, code, text, text)
    return _finding(visit, "smoking", sampling, question, category="social-history", valueCodeableConcept=answer)


def _culture(rng: Random, visit: Visit) -> list[Versions]:
    """A urine culture: words before a name is known, then a coded germ with its antibiogram as a member."""
    sampling = Sampling(0, visit.stay.start + timedelta(minutes=70), 0.0)
    question = concept(LOINC, "630-4", "Examen cytobactériologique des urines", "ECBU")
    first = _finding(visit, "culture", sampling, question, category="laboratory", valueString="Culture en cours")
    preliminary = {**first, "status": "preliminary"}
    at = sampling.moment + timedelta(days=2)
    if at > EXPORT_TIME - timedelta(hours=2):
        return [(preliminary,)]
    germs = (("112283007", "Escherichia coli"), ("56415008", "Klebsiella pneumoniae"))
    code, name = germs[0] if chance(rng, 0.75) else germs[1]
    germ = {"coding": [coding(SNOMED, code, name)], "text": f"{name} 10^6 UFC/mL"}
    antibiogram = _antibiogram(rng, visit, sampling)
    members = [{"reference": f"Observation/{antibiogram['id']}"}]
    final = revised(first, 2, at, valueString=None, valueCodeableConcept=germ, hasMember=members)
    culture = (preliminary, final) if chance(rng, 0.4) else ({**final, "meta": meta(1, at)},)
    return [culture, (antibiogram,)]


def _antibiogram(rng: Random, visit: Visit, sampling: Sampling) -> Json:
    sensitive = chance(rng, 0.88)
    code, text = ("S", "Sensible") if sensitive else ("R", "Résistant")
    question = concept(LOINC, "18895-3", "Ceftriaxone [sensibilité]", "Ceftriaxone")
    answer = concept(_INTERPRETATION, code, text)
    origin = [visit.hospital.ids.reference("Observation", *visit.key, "culture", sampling.number)]
    return _finding(
        visit, "ceftriaxone", sampling, question,
        category="laboratory", valueCodeableConcept=answer, derivedFrom=origin,
    )  # fmt: skip


def _apgar(rng: Random, visit: Visit) -> Json:
    sampling = Sampling(0, visit.stay.start + timedelta(minutes=5), 0.0)
    score = 10 if chance(rng, 0.7) else 9 if chance(rng, 0.7) else 7
    code = concept(LOINC, "9274-2", "Score d'Apgar à 5 minutes", "Apgar 5 min")
    return _finding(visit, "apgar", sampling, code, category="exam", valueInteger=score)

"""Clinical notes in French, assembled from what the record of the (invented) patient says."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from random import Random
from typing import Final

from lacustre.sample.clock import EXPORT_TIME, local_date, local_time
from lacustre.sample.codes import DIAGNOSES, DISPOSITIONS, LOINC
from lacustre.sample.draw import chance
from lacustre.sample.drugs import DRUGS
from lacustre.sample.elements import Json, Versions, coding, concept, meta, resource, revised
from lacustre.sample.encounters import Visit, known_illnesses
from lacustre.sample.hospital import SERVICES
from lacustre.sample.labs import LABS

_KINDS: Final = {
    "IMP": ("34112-3", "Compte rendu d'hospitalisation"),
    "AMB": ("11488-4", "Compte rendu de consultation"),
}
_SHOWN: Final = {
    "creatinine": "créatinine",
    "crp": "CRP",
    "haemoglobin": "hémoglobine",
    "potassium": "kaliémie",
}


def stay_notes(rng: Random, visit: Visit, findings: list[Versions]) -> list[Versions]:
    """The letter that closes a stay or a consultation, from its `findings`: results and procedures."""
    stay = visit.stay
    if stay.profile.kind not in _KINDS or stay.end is None or not chance(rng, 0.95):
        return []
    written = stay.end - timedelta(minutes=8)
    final = _document(visit, written, note_text(visit, findings))
    if chance(rng, 0.04) and written < EXPORT_TIME - timedelta(days=5):
        draft = {**final, "docStatus": "preliminary"}
        return [(draft, revised(final, 2, written + timedelta(days=3), docStatus="final"))]
    return [(final,)]


def _document(visit: Visit, written: datetime, text: str) -> Json:
    stay, hospital = visit.stay, visit.hospital
    code, title = _KINDS[stay.profile.kind]
    data = text.encode()
    attachment = {
        "contentType": "text/plain; charset=utf-8",
        "language": "fr-FR",
        "data": base64.b64encode(data).decode(),
        "size": len(data),
        "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode(),
        "title": title,
        "creation": local_time(written),
    }
    return resource(
        "DocumentReference",
        hospital.ids.of("DocumentReference", *visit.key),
        meta(1, written + timedelta(minutes=5)),
        identifier=[{"system": hospital.system("document"), "value": "DOC-" + "-".join(map(str, visit.key))}],
        status="current",
        docStatus="final",
        type_=concept(LOINC, code, title, title),
        category=[concept(LOINC, "47039-3", "Documents de sortie", title)],
        subject=visit.patient,
        date=local_time(written),
        author=[hospital.doctor_reference(visit.doctor)],
        custodian=hospital.site,
        content=[{"attachment": attachment, "format": _format()}],
        context={"encounter": [visit.encounter], "period": {"start": local_date(stay.start)}},
    )


def _format() -> Json:
    return coding(
        "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
        "urn:ihe:iti:xds:2017:mimeTypeSufficient",
    )


def note_text(visit: Visit, findings: list[Versions]) -> str:
    """The text of the note: heading, reason, history, examination, course, treatment, conclusion."""
    paragraphs = [
        _heading(visit),
        _reason(visit),
        _history(visit),
        _biology(findings),
        _course(visit, findings),
        _treatment(visit),
        _conclusion(visit),
    ]
    return "\n\n".join(p for p in paragraphs if p) + "\n"


def _french_date(moment: datetime) -> str:
    year, month, day = local_date(moment).split("-")
    return f"{day}/{month}/{year}"


def _heading(visit: Visit) -> str:
    person, stay = visit.entry.person, visit.stay
    service = SERVICES[stay.profile.service][1]
    adult = "Madame" if person.sex == "female" else "Monsieur"
    title = adult if person.age(stay.start) >= 16 else "L'enfant"
    who = f"{title} {person.given[0]} {person.used_name}, né{_e(visit)} le {_french_date(person.born)}"
    dates = f"du {_french_date(stay.start)} au {_french_date(stay.last_moment)}"
    when = dates if stay.profile.kind == "IMP" else f"le {_french_date(stay.start)}"
    seen = "hospitalisé" if stay.profile.kind == "IMP" else "vu"
    return (
        f"{visit.hospital.establishment.name}\nService de {service}\n{_KINDS[stay.profile.kind][1]}\n\n"
        f"{who} (IPP {visit.entry.ipp}), {seen}{_e(visit)} {when}."
    )


def _e(visit: Visit) -> str:
    return "e" if visit.entry.person.sex == "female" else ""


def _reason(visit: Visit) -> str:
    stay, person = visit.stay, visit.entry.person
    age = int(person.age(stay.start))
    years = f"{age} ans" if age >= 2 else "moins de deux ans"
    entry = "adressé" + _e(visit) + " par les urgences" if stay.arrival else "admis" + _e(visit) + " directement"
    return f"Motif : {stay.profile.reason}.\nPatient{_e(visit)} de {years}, {entry}."


def _history(visit: Visit) -> str:
    known = [DIAGNOSES[illness.disease.code].lower() for illness in known_illnesses(visit)]
    if not known:
        return "Antécédents : pas d'antécédent notable."
    return "Antécédents : " + " ; ".join(known) + "."


def _biology(findings: list[Versions]) -> str:
    """The first and the last value of the usual tests, as the laboratory printed them."""
    lines = []
    for key, name in _SHOWN.items():
        values = _values_of(key, findings)
        if values:
            last = f", {values[-1]} à la sortie" if len(values) > 1 else ""
            lines.append(f"{name} {values[0]} {LABS[key].unit}{last}")
    return "Biologie : " + " ; ".join(lines) + "." if lines else ""


def _values_of(key: str, findings: list[Versions]) -> list[str]:
    loinc = LABS[key].loinc
    found = [
        versions[-1]
        for versions in findings
        if versions[-1]["resourceType"] == "Observation" and versions[-1]["code"]["coding"][0]["code"] == loinc
    ]
    quantities = [o["valueQuantity"] for o in found if "valueQuantity" in o]
    return [f"{q.get('comparator', '')}{q['value']}".replace(".", ",") for q in quantities]


def _course(visit: Visit, findings: list[Versions]) -> str:
    stay = visit.stay
    acts = [act["code"]["text"] for (act, *_) in findings if act["resourceType"] == "Procedure"]
    done = "\nActes du séjour :\n" + "\n".join(f"- {act}" for act in acts) if acts else ""
    if stay.died:
        day = _french_date(stay.last_moment)
        return f"Dans le service : l'état s'aggrave malgré le traitement et conduit au décès le {day}.{done}"
    return f"Dans le service : {stay.profile.course[:1].lower()}{stay.profile.course[1:]}{done}"


def _treatment(visit: Visit) -> str:
    usual = [DRUGS[atc].name for illness in known_illnesses(visit) for atc in illness.disease.drugs]
    if visit.stay.died or not usual:
        return ""
    return "Traitement de sortie :\n" + "\n".join(f"- {name}" for name in dict.fromkeys(usual))


def _conclusion(visit: Visit) -> str:
    stay = visit.stay
    diagnosis = DIAGNOSES[stay.profile.code]
    leaving = DISPOSITIONS[stay.disposition or "home"].lower()
    mode = f" Mode de sortie : {leaving}." if stay.profile.kind == "IMP" else ""
    return f"Conclusion : {diagnosis[:1].lower() + diagnosis[1:]}.{mode}\n\n{visit.doctor.display}"

"""Patients with their INS test identifiers, their coverage, and the link between mother and child."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from lacustre.sample.clock import WINDOW_START, local_date, local_time
from lacustre.sample.codes import COMMUNES, FR_IDENTIFIER, FR_STRUCTURE, HL7, INS_NIR_TEST, V2_IDENTIFIER
from lacustre.sample.draw import chance
from lacustre.sample.elements import Json, Versions, coding, concept, meta, resource, revised
from lacustre.sample.hospital import Hospital
from lacustre.sample.oddities import birth_date_members, gender_members
from lacustre.sample.people import STREETS, Commune
from lacustre.sample.persons import Person
from lacustre.sample.stays import Course

_STATUS: Final = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445"
# Key, type code, name, payer and order of the insurances.
_COMPULSORY: Final = ("amo", "PUBLICPOL", "Assurance maladie obligatoire", "cpam", 1)
_COMPLEMENTARY: Final = ("amc", "EHCPOL", "Assurance maladie complémentaire", "mutuelle", 2)
_MARITAL: Final = {
    "M": "Marié(e) ou pacsé(e)", "D": "Divorcé(e)", "S": "Célibataire", "W": "Veuf ou veuve",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Registration:
    """What the admission office holds of a person: test NIR, permanent number (IPP), course, child."""

    person: Person
    ins: str
    ipp: str
    course: Course
    child: Person | None = None

    @property
    def first_seen(self) -> datetime:
        stays = self.course.stays
        return stays[0].start if stays else max(WINDOW_START, self.person.born) + timedelta(days=40, hours=9)


def patient_reference(hospital: Hospital, person: Person) -> Json:
    return hospital.ids.reference("Patient", person.number)


def patient_versions(rng: Random, hospital: Hospital, entry: Registration) -> Versions:
    """The Patient: provisional before the identity is checked for some, moved or deceased for others."""
    final = _patient(rng, hospital, entry)
    if chance(rng, 0.05) and any(i["system"] == INS_NIR_TEST for i in final["identifier"]):
        return _after_validation(entry, final)
    return _after_move(rng, entry, final) if chance(rng, 0.06) else (final,)


def _after_validation(entry: Registration, final: Json) -> Versions:
    """The identity was provisional, without INS, until it was checked the next day."""
    seen = entry.first_seen
    provisional = {
        **_without_death(final),
        "identifier": [i for i in final["identifier"] if i["system"] != INS_NIR_TEST],
        "extension": [_reliability("PROV"), *final["extension"][1:]],
        "meta": meta(1, seen),
    }
    return (provisional, revised(final, 2, _last_change(entry, seen + timedelta(hours=30))))


def _after_move(rng: Random, entry: Registration, final: Json) -> Versions:
    """A new address. Older versions are gone from the server; some updates fall within the same second."""
    seen = entry.first_seen
    street = f"{1 + int(rng.random() * 90)} {rng.choice(STREETS)}"
    moved = seen if chance(rng, 0.3) else seen + timedelta(days=60)
    before = {
        **_without_death(final),
        "address": [_address(street, entry.person.home)],
        "meta": meta(9, seen),
    }
    return (before, revised(final, 10, _last_change(entry, moved)))


def _without_death(patient: Json) -> Json:
    return {name: value for name, value in patient.items() if not name.startswith("deceased")}


def _last_change(entry: Registration, at: datetime) -> datetime:
    death = entry.course.death
    return at if death is None else max(at, death.moment + timedelta(hours=5 if death.exact else 24 * 9))


def _patient(rng: Random, hospital: Hospital, entry: Registration) -> Json:
    person = entry.person
    birth = birth_date_members(rng, person)
    known = "birthDate" in birth and chance(rng, 0.88)
    return resource(
        "Patient",
        hospital.ids.of("Patient", person.number),
        meta(1, _last_change(entry, entry.first_seen)),
        extension=[_reliability("VALI" if known else "PROV"), _birth_place(person), *_mother_name(person)],
        identifier=[*([_ins(entry.ins)] if known else []), _ipp(hospital, entry.ipp)],
        active=True,
        name=_names(rng, person),
        telecom=_telecom(rng, person),
        **gender_members(rng, person),
        **birth,
        **_deceased(rng, entry),
        address=[_address(person.street, person.home)] if chance(rng, 0.985) else None,
        maritalStatus=_marital_status(rng, person),
        multipleBirthBoolean=False if person.mother else None,
        contact=_contacts(person),
        managingOrganization=hospital.site,
        link=_links(hospital, entry),
    )


def _ins(number: str) -> Json:
    kind = concept(FR_IDENTIFIER, "INS-NIR-TEST", "INS-NIR de test")
    return {"use": "official", "type": kind, "system": INS_NIR_TEST, "value": number}


def _ipp(hospital: Hospital, number: str) -> Json:
    kind = concept(V2_IDENTIFIER, "PI", "Patient internal identifier")
    return {"use": "usual", "type": kind, "system": hospital.system("ipp"), "value": number}


def _reliability(status: str) -> Json:
    shown = {"VALI": "Identité validée", "PROV": "Identité provisoire"}[status]
    inner = {"url": "identityStatus", "valueCoding": coding(_STATUS, status, shown)}
    return {"url": FR_STRUCTURE + "fr-core-identity-reliability", "extension": [inner]}


def _insee(commune: Commune) -> Json:
    return {
        "url": FR_STRUCTURE + "fr-core-address-insee-code",
        "valueCoding": coding(COMMUNES, commune.insee_code, commune.name),
    }


def _birth_place(person: Person) -> Json:
    place = {"extension": [_insee(person.birthplace)], "city": person.birthplace.name, "country": "FRA"}
    return {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": place}


def _mother_name(person: Person) -> list[Json]:
    if person.mother is None:
        return []
    url = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
    return [{"url": url, "valueString": person.mother.birth_name}]


def _names(rng: Random, person: Person) -> list[Json]:
    official: Json = {"use": "official", "family": person.birth_name, "given": list(person.given)}
    if len(person.given) > 1:
        listed = FR_STRUCTURE + "fr-core-patient-birth-list-given-name"
        official["extension"] = [{"url": listed, "valueString": " ".join(person.given)}]
        if chance(rng, 0.04):
            official["_given"] = [None, {"id": "g2"}, *[None] * (len(person.given) - 2)]
    usual = {"use": "usual", "family": person.used_name, "given": [person.given[0]]}
    return [official, usual] if person.used_name != person.birth_name else [official]


def _telecom(rng: Random, person: Person) -> list[Json] | None:
    """Numbers of the range that the regulator keeps for fiction (06 39 98)."""
    if person.mother is not None or chance(rng, 0.12):
        return None
    digits = f"{person.number % 10000:04d}"
    phone = {"system": "phone", "value": f"+33 6 39 98 {digits[:2]} {digits[2:]}", "use": "mobile", "rank": 1}
    email = {"system": "email", "value": f"patient{person.number}@exemple.example"}
    return [phone, email] if chance(rng, 0.4) else [phone]


def _deceased(rng: Random, entry: Registration) -> Json:
    death = entry.course.death
    if death is None:
        return {}
    if death.exact:
        return {"deceasedDateTime": local_time(death.moment)}
    return {"deceasedBoolean": True} if chance(rng, 0.12) else {"deceasedDateTime": local_date(death.moment)}


def _address(street: str, commune: Commune) -> Json:
    return {
        "extension": [_insee(commune)],
        "use": "home",
        "type": "both",
        "line": [street],
        "city": commune.name,
        "postalCode": commune.postal_code,
        "country": "FRA",
    }


def _marital_status(rng: Random, person: Person) -> Json | None:
    draw = rng.random()
    if person.mother is not None or draw < 0.3:
        return None
    code = "M" if draw < 0.68 else "D" if draw < 0.78 else "S" if draw < 0.9 else "W"
    return concept(HL7 + "v3-MaritalStatus", code, _MARITAL[code])


def _contacts(person: Person) -> list[Json] | None:
    if person.mother is None:
        return None
    mother = {"family": person.mother.used_name, "given": [person.mother.given[0]]}
    return [{"relationship": [concept(HL7 + "v3-RoleCode", "MTH", "mère")], "name": mother, "gender": "female"}]


def _links(hospital: Hospital, entry: Registration) -> list[Json] | None:
    """FHIR's way to say that a mother is a patient too: her record sees the child's RelatedPerson."""
    if entry.child is None:
        return None
    return [{"other": hospital.ids.reference("RelatedPerson", entry.child.number), "type": "seealso"}]


def related_person(hospital: Hospital, entry: Registration) -> Versions:
    """The mother of a newborn patient, as a person related to the child."""
    child, mother = entry.person, entry.person.mother
    if mother is None:
        raise ValueError("only a newborn of the sample has a related person")
    related = resource(
        "RelatedPerson",
        hospital.ids.of("RelatedPerson", child.number),
        meta(1, child.born + timedelta(hours=3)),
        active=True,
        patient=patient_reference(hospital, child),
        relationship=[concept(HL7 + "v3-RoleCode", "MTH", "mère")],
        name=[{"use": "official", "family": mother.birth_name, "given": [mother.given[0]]}],
        gender="female",
    )
    return (related,)


def coverages(rng: Random, hospital: Hospital, entry: Registration) -> list[Versions]:
    """The compulsory scheme, with its long-term illness (ALD), and a complementary insurance for some."""
    person = entry.person
    main = _coverage(hospital, entry, _COMPULSORY)
    if person.has("diabetes", "heart_failure", "breast_cancer", "colon_cancer", "lung_cancer"):
        kind = concept(HL7 + "coverage-class", "plan")
        main["class"] = [{"type": kind, "value": "ALD", "name": "Affection de longue durée"}]
    if not chance(rng, 0.45):
        return [(main,)]
    extra = _coverage(hospital, entry, _COMPLEMENTARY)
    return [(main,), (extra,)]


def _coverage(hospital: Hospital, entry: Registration, scheme: tuple[str, str, str, str, int]) -> Json:
    person = entry.person
    key, code, text, payer, order = scheme
    holder = person.mother or person
    since = max(person.born, datetime(2016, 1, 1, 12))
    return resource(
        "Coverage",
        hospital.ids.of("Coverage", person.number, key),
        meta(1, entry.first_seen),
        status="active",
        type_=concept(HL7 + "v3-ActCode", code, None, text),
        subscriber=patient_reference(hospital, holder),
        subscriberId=f"{key.upper()}{holder.number:07d}",
        beneficiary=patient_reference(hospital, person),
        relationship=concept(HL7 + "subscriber-relationship", "self" if holder is person else "child"),
        period={"start": local_date(since)},
        payor=[hospital.ids.reference("Organization", payer)],
        order=order,
    )

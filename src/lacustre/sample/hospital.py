"""The establishment of the sample: organisations, wards, practitioners. All invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random
from typing import Final

from lacustre.sample.codes import COMMUNES, FINESS, FR_IDENTIFIER, FR_STRUCTURE, HL7, RPPS
from lacustre.sample.elements import Ids, Json, Versions, coding, concept, meta, resource, revised
from lacustre.sample.people import FAMILY_NAMES, FIRST_NAMES, Commune, Sex

_OPENED: Final = datetime(2019, 9, 2, 6)
_PHYSICAL: Final = HL7 + "location-physical-type"


@dataclass(frozen=True, slots=True)
class Establishment:
    """A hospital that exports: `base_url` roots its identifier systems, `finess` is nine digits."""

    name: str
    finess: str
    base_url: str
    street: str
    commune: Commune


DEFAULT_ESTABLISHMENT: Final = Establishment(
    name="Centre hospitalier des Trois-Lacs",
    finess="990000010",
    base_url="https://fhir.ch-trois-lacs.example",
    street="1 chemin de la Cité-Lacustre",
    commune=Commune("Villelac", "74990", "74999"),
)

# Service key -> (number of the functional unit, name, specialty of its physicians).
SERVICES: Final[dict[str, tuple[str, str, str]]] = {
    "emergency": ("1010", "Accueil des urgences", "Médecine d'urgence"),
    "intensive_care": ("1020", "Réanimation", "Médecine intensive-réanimation"),
    "internal_medicine": ("2010", "Médecine polyvalente", "Médecine interne"),
    "cardiology": ("2020", "Cardiologie", "Médecine cardiovasculaire"),
    "pneumology": ("2030", "Pneumologie", "Pneumologie"),
    "neurology": ("2040", "Neurologie", "Neurologie"),
    "endocrinology": ("2050", "Endocrinologie et diabétologie", "Endocrinologie-diabétologie"),
    "nephrology": ("2060", "Néphrologie", "Néphrologie"),
    "geriatrics": ("2070", "Court séjour gériatrique", "Gériatrie"),
    "oncology": ("2080", "Oncologie, hôpital de jour", "Oncologie médicale"),
    "surgery": ("3010", "Chirurgie viscérale et ambulatoire", "Chirurgie viscérale et digestive"),
    "orthopaedics": ("3020", "Chirurgie orthopédique", "Chirurgie orthopédique et traumatologique"),
    "maternity": ("4010", "Maternité", "Gynécologie-obstétrique"),
    "paediatrics": ("4020", "Pédiatrie", "Pédiatrie"),
    "laboratory": ("5010", "Laboratoire de biologie médicale", "Biologie médicale"),
}

DOCTORS_PER_SERVICE: Final = 3


@dataclass(frozen=True, slots=True)
class Doctor:
    key: str
    service: str
    family: str
    given: str
    sex: Sex
    rpps: str

    @property
    def display(self) -> str:
        return f"Dr {self.given} {self.family}"


@dataclass(frozen=True)
class Hospital:
    """An establishment, its staff and the ids of everything in its export."""

    establishment: Establishment
    seed: int

    @cached_property
    def ids(self) -> Ids:
        return Ids(f"{self.establishment.finess}/{self.seed}")

    @cached_property
    def doctors(self) -> dict[str, tuple[Doctor, ...]]:
        rng = Random(f"{self.ids.scope}/doctors")
        return {
            service: tuple(_draw_doctor(rng, service, n, rank) for n in range(DOCTORS_PER_SERVICE))
            for rank, service in enumerate(SERVICES)
        }

    def system(self, name: str) -> str:
        """The URI of one of the establishment's own identifier or code systems."""
        return f"{self.establishment.base_url}/{name}"

    def service_concept(self, service: str) -> Json:
        number, name, _ = SERVICES[service]
        return concept(self.system("CodeSystem/unite-fonctionnelle"), number, name, name)

    @cached_property
    def site(self) -> Json:
        """The reference to the establishment itself."""
        return {**self.ids.reference("Organization", "site"), "display": self.establishment.name}

    @cached_property
    def _doctor_references(self) -> dict[str, Json]:
        return {
            doctor.key: {**self.ids.reference("Practitioner", doctor.key), "display": doctor.display}
            for doctors in self.doctors.values()
            for doctor in doctors
        }

    def doctor_reference(self, doctor: Doctor) -> Json:
        return self._doctor_references[doctor.key]

    def resources(self) -> list[Versions]:
        """Organizations, locations, practitioners and their roles."""
        doctors = [doctor for service in self.doctors.values() for doctor in service]
        return [
            *_organizations(self),
            *_locations(self),
            *(_practitioner(self, doctor) for doctor in doctors),
            *(_practitioner_role(self, doctor) for doctor in doctors),
        ]


def _draw_doctor(rng: Random, service: str, n: int, rank: int) -> Doctor:
    sex: Sex = "female" if rng.random() < 0.5 else "male"
    number = f"99700{rank * DOCTORS_PER_SERVICE + n:05d}"
    return Doctor(
        key=f"{service}-{n}",
        service=service,
        family=rng.choice(FAMILY_NAMES),
        given=rng.choice(FIRST_NAMES[sex, "middle"]),
        sex=sex,
        rpps=number + luhn_key(number),
    )


def luhn_key(number: str) -> str:
    """The check digit that makes a number valid by Luhn's formula, as in RPPS and FINESS numbers."""
    doubled = [int(digit) * (2 - n % 2) for n, digit in enumerate(reversed(number))]
    return str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def _organizations(hospital: Hospital) -> list[Versions]:
    site = hospital.establishment
    finess = {
        "use": "official",
        "type": concept(FR_IDENTIFIER, "FINEG"),
        "system": FINESS,
        "value": site.finess,
    }
    head = _organization(
        hospital, "site", site.name, "prov", identifier=[finess], address=[_site_address(site)],
        telecom=[{"system": "phone", "value": "+33 4 99 00 00 00", "use": "work"}],
    )  # fmt: skip
    units = [
        _organization(
            hospital, f"unit-{service}", name, "dept", partOf=hospital.site,
            identifier=[{"system": hospital.system("unite-fonctionnelle"), "value": number}],
        )
        for service, (number, name, _) in SERVICES.items()
    ]  # fmt: skip
    payers = [
        _organization(hospital, "cpam", "Caisse primaire d'assurance maladie de démonstration", "pay"),
        _organization(hospital, "mutuelle", "Mutuelle fictive des Alpes", "ins"),
    ]
    return [(organization,) for organization in (head, *units, *payers)]


def _organization(hospital: Hospital, key: str, name: str, kind: str, **elements: object) -> Json:
    return resource(
        "Organization",
        hospital.ids.of("Organization", key),
        meta(1, _OPENED),
        active=True,
        type_=[concept(HL7 + "organization-type", kind)],
        name=name,
        **elements,
    )


def _site_address(site: Establishment) -> Json:
    insee = {
        "url": FR_STRUCTURE + "fr-core-address-insee-code",
        "valueCoding": coding(COMMUNES, site.commune.insee_code),
    }
    return {
        "extension": [insee],
        "use": "work",
        "line": [site.street],
        "city": site.commune.name,
        "postalCode": site.commune.postal_code,
        "country": "FRA",
    }


def _locations(hospital: Hospital) -> list[Versions]:
    building = _location(hospital, "building", "Bâtiment principal", "bu", "Bâtiment")
    wards = [
        _location(
            hospital,
            f"ward-{service}",
            name,
            "wa",
            "Unité",
            partOf=hospital.ids.reference("Location", "building"),
        )
        for service, (_, name, _) in SERVICES.items()
    ]
    closed = revised(wards[-1], 2, datetime(2024, 6, 3, 8), status="suspended")
    return [(building,), *((ward,) for ward in wards[:-1]), (wards[-1], closed)]


def _location(hospital: Hospital, key: str, name: str, kind: str, label: str, **elements: object) -> Json:
    return resource(
        "Location",
        hospital.ids.of("Location", key),
        meta(1, _OPENED),
        status="active",
        name=name,
        mode="instance",
        physicalType=concept(_PHYSICAL, kind, label),
        managingOrganization=hospital.site,
        **elements,
    )


def _practitioner(hospital: Hospital, doctor: Doctor) -> Versions:
    number = {"use": "official", "type": concept(FR_IDENTIFIER, "RPPS"), "system": RPPS, "value": doctor.rpps}
    practitioner = resource(
        "Practitioner",
        hospital.ids.of("Practitioner", doctor.key),
        meta(1, _OPENED),
        identifier=[number],
        active=True,
        name=[{"use": "official", "family": doctor.family, "given": [doctor.given], "prefix": ["DR"]}],
        gender=doctor.sex,
    )
    return (practitioner,)


def _practitioner_role(hospital: Hospital, doctor: Doctor) -> Versions:
    _, _, specialty = SERVICES[doctor.service]
    role = resource(
        "PractitionerRole",
        hospital.ids.of("PractitionerRole", doctor.key),
        meta(1, _OPENED),
        active=True,
        practitioner=hospital.doctor_reference(doctor),
        organization=hospital.ids.reference("Organization", f"unit-{doctor.service}"),
        code=[{"text": "Médecin"}],
        specialty=[{"text": specialty}],
        location=[hospital.ids.reference("Location", f"ward-{doctor.service}")],
    )
    return (role,)

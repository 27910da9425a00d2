"""What hospitals really send: partial dates, unknown values, members that R4 does not know.

All of it can be loaded; none of it is what a textbook shows.
"""

from __future__ import annotations

from random import Random

from lacustre.sample.clock import local_date
from lacustre.sample.codes import DATA_ABSENT_REASON
from lacustre.sample.elements import Json
from lacustre.sample.persons import Person


def absent(reason: str) -> Json:
    """The primitive extension that stands for a value that is not there."""
    return {"extension": [{"url": DATA_ABSENT_REASON, "valueCode": reason}]}


def birth_date_members(rng: Random, person: Person) -> Json:
    """`birthDate`, full for most, to the month or the year for some old people, or why it is absent."""
    draw = rng.random()
    day = local_date(person.born)
    if person.mother is None and draw < 0.008:
        return {"_birthDate": absent("unknown")}
    if person.born.year < 1955 and draw < 0.04:
        return {"birthDate": day[: 4 if draw < 0.022 else 7]}
    return {"birthDate": day}


def gender_members(rng: Random, person: Person) -> Json:
    draw = rng.random()
    if draw < 0.004:
        return {}
    return {"gender": "unknown" if draw < 0.009 else person.sex}


def vendor_members(rng: Random) -> Json:
    """Members of a vendor's own, or of a later FHIR version, that R4 does not define."""
    draw = rng.random()
    if draw < 0.008:
        return {"plannedStartDate": "2025", "x-dpi": {"uf": "2020", "lit": 12}}
    return {"numeroDossier": f"D{int(draw * 1e6):06d}"} if draw < 0.016 else {}


def rough_date(rng: Random, day: str) -> str:
    """A date as patients remember it: the year alone, the month, or the day."""
    draw = rng.random()
    return day[:4] if draw < 0.3 else day[:7] if draw < 0.55 else day


def local_thesaurus(rng: Random, system: str, code: Json, label: str) -> Json:
    """A diagnosis as an interface passes it on: coded, coded twice, or in words alone."""
    draw = rng.random()
    if draw < 0.03:
        return {
            "coding": [{"system": system, "code": f"DG{int(draw * 1e5):04d}"}, *code["coding"]],
            "text": label,
        }
    return {"text": label} if draw < 0.04 else code

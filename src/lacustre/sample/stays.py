"""The course of a person in the hospital: stays, readmissions, sessions, consultations, death."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from lacustre.sample.clock import EXPORT_TIME, WINDOW_START
from lacustre.sample.diseases import CANCERS
from lacustre.sample.draw import between, chance, weighted
from lacustre.sample.persons import Person
from lacustre.sample.profiles import MEDICAL, Profile
from lacustre.sample.surgery import (
    BASE_PROFILES,
    CARDIOLOGY_VISIT,
    CHEMOTHERAPY,
    CONTROL,
    DIABETES_VISIT,
    EMERGENCIES,
    MATERNITY,
    NEWBORN,
)

_BY_KEY: Final = {profile.key: profile for profile in MEDICAL}
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stay:
    """One contact with the hospital, in UTC.

    `end` is None while the patient is still there at the time of the export; `arrival` is when the patient
    came to the emergency department before an admission. `severity` scales the results (1 is usual).
    """

    number: int
    profile: Profile
    start: datetime
    end: datetime | None
    urgent: bool
    source: str | None
    disposition: str | None
    arrival: datetime | None
    severity: float

    @property
    def died(self) -> bool:
        return self.disposition == "exp"

    @property
    def last_moment(self) -> datetime:
        """The end, or the export for a stay in progress."""
        return self.end or EXPORT_TIME


@dataclass(frozen=True, slots=True)
class Death:
    """A death; `exact` is whether the hospital knows the time, because it happened there."""

    moment: datetime
    exact: bool


@dataclass(frozen=True, slots=True)
class Course:
    """The stays of a person in order of time, never overlapping, and the death if one is known."""

    stays: tuple[Stay, ...]
    death: Death | None


def draw_course(rng: Random, person: Person, *, may_deliver: bool) -> Course:
    """The contacts of a person with the hospital within the window of the sample."""
    stays: list[Stay] = []
    for start, profile in _plan(rng, person, may_deliver=may_deliver):
        begin = start if not stays else max(start, stays[-1].last_moment + 2 * _DAY)
        if begin >= EXPORT_TIME - _DAY or (stays and (stays[-1].died or stays[-1].end is None)):
            break
        stays.extend(_draw_episode(rng, person, profile, begin, prior=len(stays)))
    death = _draw_death(rng, person, stays)
    visits = _draw_visits(rng, person, stays, death)
    ordered = sorted([*stays, *visits], key=lambda stay: stay.start)
    return Course(tuple(ordered), death)


def _plan(rng: Random, person: Person, *, may_deliver: bool) -> list[tuple[datetime, Profile]]:
    """The contacts that would happen if none led to another, in order of time."""
    first = max(WINDOW_START, person.born + 30 * _DAY)
    plan: list[tuple[datetime, Profile]] = []
    for _ in range(_base_count(rng, person)):
        start = _moment_between(rng, first, EXPORT_TIME)
        plan.append((start, _draw_profile(rng, person, start)))
    if chance(rng, 0.28):
        start = _moment_between(rng, first, EXPORT_TIME)
        plan.append((start, _fitting(rng, person, start, EMERGENCIES)))
    if person.has(*CANCERS):
        plan.extend(_sessions(rng, first))
    if may_deliver:
        plan.append((_moment_between(rng, first, EXPORT_TIME - 20 * _DAY), MATERNITY))
    if person.mother is not None:
        plan = [(person.born, NEWBORN), *plan]
    return sorted(plan, key=lambda item: item[0])


def _base_count(rng: Random, person: Person) -> int:
    if person.mother is not None:
        return 1 if chance(rng, 0.15) else 0
    burden = min(len(person.illnesses), 6)
    return weighted(rng, ((0, 1.6), (1, 6.0 + burden), (2, 1.2 + burden * 0.8), (3, 0.3 + burden * 0.45)))


def _sessions(rng: Random, first: datetime) -> list[tuple[datetime, Profile]]:
    start = _moment_between(rng, first, EXPORT_TIME).replace(hour=7)
    count = 3 + int(rng.random() * 4)
    return [(start + 21 * _DAY * n, CHEMOTHERAPY) for n in range(count) if start + 21 * _DAY * n < EXPORT_TIME]


def _moment_between(rng: Random, first: datetime, last: datetime) -> datetime:
    return first + timedelta(minutes=int(rng.random() * ((last - first).total_seconds() / 60)))


def _draw_profile(rng: Random, person: Person, moment: datetime) -> Profile:
    return _fitting(rng, person, moment, BASE_PROFILES)


def _fitting(rng: Random, person: Person, moment: datetime, profiles: tuple[Profile, ...]) -> Profile:
    """One of the profiles that fit the age and sex; a toddler with nothing fitting gets a gastroenteritis."""
    options = [(profile, _weight(profile, person, moment)) for profile in profiles]
    if not any(weight > 0 for _, weight in options):
        return _BY_KEY["gastroenteritis" if person.age(moment) < 16 else "pneumonia"]
    return weighted(rng, options)


def _weight(profile: Profile, person: Person, moment: datetime) -> float:
    low, high = profile.ages
    if not low <= person.age(moment) < high + 1 or profile.sex not in (None, person.sex):
        return 0.0
    weight = profile.weight
    for key, factor in profile.boosts.items():
        if person.has(key, by=moment):
            weight *= factor
    return weight


def _draw_episode(rng: Random, person: Person, profile: Profile, start: datetime, *, prior: int) -> list[Stay]:
    """A stay and what it leads to: a return from a transfer, a planned control, unplanned readmissions."""
    stays = [_draw_stay(rng, person, profile, start, number=prior + 1)]
    while len(stays) < 4:
        following = _draw_following(rng, person, stays[-1], prior=prior + len(stays))
        if following is None:
            break
        stays.append(following)
    return stays


def _draw_following(rng: Random, person: Person, stay: Stay, *, prior: int) -> Stay | None:
    if stay.profile.kind != "IMP" or stay.died or stay.end is None or stay.profile is NEWBORN:
        return None
    transferred = stay.disposition == "other-hcf"
    risk = 0.6 if transferred else _readmission_risk(person, stay, prior)
    draw, control = rng.random(), rng.random()
    days = int(rng.random() * 6) if transferred else 1 + int(rng.random() * rng.random() * 29)
    if draw >= risk:
        planned = control < 0.07 and stay.profile is not CONTROL and not transferred
        start = (stay.end + (7 + days) * _DAY).replace(hour=7, minute=30)
        return _stay_unless_late(rng, person, CONTROL, start, number=prior + 1) if planned else None
    profile = stay.profile if transferred else _readmission_profile(rng, person, stay)
    start = stay.end + days * _DAY + timedelta(minutes=30 + int(rng.random() * 300))
    return _stay_unless_late(rng, person, profile, start, number=prior + 1, transferred=transferred)


def _stay_unless_late(
    rng: Random, person: Person, profile: Profile, start: datetime, *, number: int, transferred: bool = False
) -> Stay | None:
    if start >= EXPORT_TIME - _DAY:
        return None
    return _draw_stay(rng, person, profile, start, number=number, transferred=transferred)


def _readmission_risk(person: Person, stay: Stay, prior: int) -> float:
    risk = 0.015 + stay.profile.readmission + 0.02 * min(prior - 1, 3)
    for illness in person.illnesses:
        if illness.onset <= stay.last_moment:
            risk += illness.disease.readmission
    if person.age(stay.start) >= 80:
        risk += 0.02
    if stay.severity > 1.2:
        risk += 0.05
    return min(risk, 0.4)


def _readmission_profile(rng: Random, person: Person, stay: Stay) -> Profile:
    if person.has("heart_failure", by=stay.last_moment) and chance(rng, 0.55):
        return _BY_KEY["heart_failure"]
    if person.has("copd", by=stay.last_moment) and chance(rng, 0.5):
        return _BY_KEY["copd"]
    if stay.urgent and stay.profile.key in _BY_KEY and chance(rng, 0.6):
        return stay.profile
    return _fitting(rng, person, stay.last_moment, MEDICAL)


def _draw_stay(
    rng: Random, person: Person, profile: Profile, start: datetime, *, number: int, transferred: bool = False
) -> Stay:
    urgent = chance(rng, profile.urgent) and not transferred
    if not urgent and profile is not NEWBORN and not transferred:
        start = start.replace(hour=6 + int(rng.random() * 3))
    severity = between(rng, 0.45, 1.25) + (0.25 if person.age(start) > 80 else 0.0)
    end = _draw_end(rng, profile, start, severity)
    disposition = _draw_disposition(rng, person, profile, start, severity)
    over = end < EXPORT_TIME
    through_emergency = urgent and profile.kind == "IMP" and profile is not MATERNITY and chance(rng, 0.8)
    return Stay(
        number=number,
        profile=profile,
        start=start,
        end=end if over else None,
        urgent=urgent,
        source=_source(rng, profile, through_emergency=through_emergency, transferred=transferred),
        disposition=disposition if over else None,
        arrival=start - timedelta(minutes=90 + int(rng.random() * 400)) if through_emergency else None,
        severity=severity,
    )


def _draw_end(rng: Random, profile: Profile, start: datetime, severity: float) -> datetime:
    if profile.kind != "IMP":
        minutes = {"SS": 330, "EMER": 200, "AMB": 25}[profile.kind]
        return start + timedelta(minutes=int(minutes * between(rng, 0.7, 1.4)))
    low, high = profile.nights
    nights = low + int((high - low + 1) * rng.random() * min(1.0, 0.5 + severity / 2))
    leaving = (start + nights * _DAY).replace(hour=9 + int(rng.random() * 7), minute=int(rng.random() * 60))
    return max(leaving, start + timedelta(hours=5))


def _draw_disposition(rng: Random, person: Person, profile: Profile, start: datetime, severity: float) -> str:
    age = person.age(start)
    draw, left = rng.random(), rng.random()
    if draw < profile.mortality * max(0.1, (age - 30) / 45) * severity:
        return "exp"
    if profile.kind == "IMP" and profile.homecoming < 0.95 and left < 0.05:
        return "other-hcf" if left < 0.04 else "aadvice"
    if rng.random() < profile.homecoming:
        return "home"
    return "snf" if age > 82 and chance(rng, 0.4) else "rehab"


def _source(rng: Random, profile: Profile, *, through_emergency: bool, transferred: bool) -> str | None:
    if transferred:
        return "hosp-trans"
    if profile is NEWBORN:
        return "born"
    if through_emergency:
        return "emd"
    if profile.kind in ("AMB", "EMER"):
        return None
    return weighted(rng, (("gp", 3.0), ("outp", 2.0), ("nursing", 0.4)))


def _draw_death(rng: Random, person: Person, stays: list[Stay]) -> Death | None:
    """A death in hospital is known to the minute; one at home is known by its date, long after."""
    if not stays or stays[-1].end is None:
        return None
    last = stays[-1]
    if last.died:
        return Death(stays[-1].last_moment, exact=True)
    risk = max(0.0, (person.age(last.start) - 65) / 260) + (0.14 if person.has(*CANCERS) else 0.0)
    moment = last.last_moment + timedelta(days=6 + int(rng.random() * 240), hours=4)
    return Death(moment, exact=False) if chance(rng, risk) and moment < EXPORT_TIME - 10 * _DAY else None


def _draw_visits(rng: Random, person: Person, stays: list[Stay], death: Death | None) -> list[Stay]:
    """Consultations every few months for diabetes or heart failure, when the person is not in hospital."""
    profile = DIABETES_VISIT if person.has("diabetes") else CARDIOLOGY_VISIT
    disease = next((i for i in person.illnesses if i.disease.key in ("diabetes", "heart_failure")), None)
    if disease is None or chance(rng, 0.35):
        return []
    visits: list[Stay] = []
    moment = max(WINDOW_START, disease.onset) + timedelta(days=int(rng.random() * 120))
    until = death.moment if death else EXPORT_TIME
    while moment < until - _DAY:
        at = moment.replace(hour=8 + int(rng.random() * 8), minute=int(rng.random() * 12) * 5)
        if _free(at, stays):
            visits.append(_draw_stay(rng, person, profile, at, number=101 + len(visits)))
        moment += timedelta(days=100 + int(rng.random() * 90))
    return visits


def _free(moment: datetime, stays: list[Stay]) -> bool:
    return all(not (s.start - _DAY <= moment <= s.last_moment + _DAY) for s in stays)

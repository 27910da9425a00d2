"""The people of the sample: who they are, their test NIR, their chronic diseases. All invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from lacustre.sample.clock import EXPORT_TIME, WINDOW_START
from lacustre.sample.diseases import DISEASES, Disease
from lacustre.sample.draw import between, chance, weighted
from lacustre.sample.labs import LABS, VITALS, Lab
from lacustre.sample.people import (
    ELSEWHERE,
    FAMILY_NAMES,
    FIRST_NAMES,
    HOME_COMMUNES,
    STREETS,
    Commune,
    Sex,
    generation,
)

_MIDDLE: Final = WINDOW_START + (EXPORT_TIME - WINDOW_START) / 2

# Ages in the middle of the window: a hospital sees the old more than the young.
_AGES: Final = (
    ((0, 2), 3.0), ((2, 15), 7.0), ((15, 40), 17.0), ((40, 60), 23.0), ((60, 75), 27.0), ((75, 90), 20.0),
    ((90, 99), 3.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Illness:
    """A chronic disease of a person, since `onset` (UTC)."""

    disease: Disease
    onset: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A person; `usual` holds the level of each measurement when nothing acute happens (units of `labs`)."""

    number: int
    sex: Sex
    born: datetime
    birth_name: str
    used_name: str
    given: tuple[str, ...]
    home: Commune
    street: str
    birthplace: Commune
    illnesses: tuple[Illness, ...]
    usual: dict[str, float]
    mother: Person | None = None

    def age(self, moment: datetime) -> float:
        return (moment - self.born).days / 365.25

    def has(self, *keys: str, by: datetime | None = None) -> bool:
        """Whether one of the diseases is present, at `by` if given."""
        return any(i.disease.key in keys and (by is None or i.onset <= by) for i in self.illnesses)


def draw_person(rng: Random, number: int) -> Person:
    """The `number`-th person of a sample, drawn from the person's own generator."""
    low, high = weighted(rng, _AGES)
    born = _birth_moment(rng, between(rng, low, high))
    sex: Sex = "female" if chance(rng, 0.52) else "male"
    family = rng.choice(FAMILY_NAMES)
    married = sex == "female" and (_MIDDLE - born).days > 30 * 365 and chance(rng, 0.5)
    illnesses = _draw_illnesses(rng, born, sex)
    return Person(
        number=number,
        sex=sex,
        born=born,
        birth_name=family,
        used_name=rng.choice(FAMILY_NAMES) if married else family,
        given=_draw_given(rng, sex, born.year),
        home=rng.choice(HOME_COMMUNES),
        street=f"{1 + int(rng.random() * 120)} {rng.choice(STREETS)}",
        birthplace=rng.choice(HOME_COMMUNES if chance(rng, 0.7) else ELSEWHERE),
        illnesses=illnesses,
        usual=_usual_levels(rng, sex, (_MIDDLE - born).days / 365.25, illnesses),
    )


def draw_newborn(rng: Random, number: int, mother: Person, born: datetime, birthplace: Commune) -> Person:
    """The child that `mother` bears at `born`."""
    sex: Sex = "female" if chance(rng, 0.49) else "male"
    return Person(
        number=number,
        sex=sex,
        born=born,
        birth_name=mother.used_name,
        used_name=mother.used_name,
        given=_draw_given(rng, sex, born.year)[:1],
        home=mother.home,
        street=mother.street,
        birthplace=birthplace,
        illnesses=(),
        usual=_usual_levels(rng, sex, 0.0, ()),
        mother=mother,
    )


def _birth_moment(rng: Random, age: float) -> datetime:
    day = (_MIDDLE - timedelta(days=int(age * 365.25))).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(minutes=int(rng.random() * 1380))


def _draw_given(rng: Random, sex: Sex, year: int) -> tuple[str, ...]:
    names = FIRST_NAMES[sex, generation(year)]
    count = 1 + int(rng.random() * 3)
    return tuple(dict.fromkeys(rng.choice(names) for _ in range(count)))


def _draw_illnesses(rng: Random, born: datetime, sex: Sex) -> tuple[Illness, ...]:
    age = (_MIDDLE - born).days / 365.25
    found: list[Illness] = []
    for disease in DISEASES:
        extra = 0.0
        for other in found:
            extra += other.disease.complications.get(disease.key, 0.0)
        share = disease.probability(age) + (extra if age >= 50 else 0.0)
        draw, when = rng.random(), rng.random()
        if draw < share and not (disease.key == "breast_cancer" and sex == "male"):
            found.append(Illness(disease, _onset(born, age, when)))
    return tuple(found)


def _onset(born: datetime, age: float, when: float) -> datetime:
    """Most diseases are some years old; about one in seven begins within the window."""
    years = min(age * 0.6, 14.0) * when * when - (0.9 if when < 0.35 else 0.0)
    return max(born + timedelta(days=30), _MIDDLE - timedelta(days=int(years * 365.25)))


def _usual_levels(rng: Random, sex: Sex, age: float, illnesses: tuple[Illness, ...]) -> dict[str, float]:
    levels: dict[str, float] = {}
    for lab in (*LABS.values(), *VITALS.values()):
        level = _healthy_level(rng, lab, sex)
        for illness in illnesses:
            level += illness.disease.shifts.get(lab.key, 0.0) * between(rng, 0.4, 1.5)
        levels[lab.key] = level
    if age < 16:
        _make_child(levels, age)
    return levels


def _healthy_level(rng: Random, lab: Lab, sex: Sex) -> float:
    low, high = lab.normal(sex)
    spread = between(rng, 0.0, 1.0) + between(rng, 0.0, 1.0) - 1.0
    if low == 0:
        return high * (0.15 + 0.6 * abs(spread))
    return (low + high) / 2 + spread * (high - low) * 0.42


def _make_child(levels: dict[str, float], age: float) -> None:
    levels["weight"] = 3.4 + 6.0 * min(age, 1.0) + 2.6 * max(age - 1.0, 0.0)
    levels["pulse"] += max(0.0, 50.0 - 6.0 * age)
    levels["systolic"] = 72.0 + 2.6 * age
    levels["diastolic"] = 42.0 + 1.7 * age
    levels["creatinine"] = 30.0 + 2.2 * age


class NirRegister:
    """Gives out test NIRs (INS): structurally valid, each once, and nobody's.

    Thirteen digits (sex, year, month, place of birth, order) and a key. The place is 99999, as in the test
    identities of the Agence du numérique en santé: neither a commune nor a country, so that no number can
    belong to a person. Numbers of one sex and month of birth count on into 99998 after 999 orders.
    """

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def next_number(self, sex: Sex, born_local: str) -> str:
        """The next number for a sex and a birth date (`YYYY-MM-DD`, local), its key included: 15 digits."""
        stem = f"{1 if sex == 'male' else 2}{born_local[2:4]}{born_local[5:7]}"
        count = self._given[stem] = self._given.get(stem, -1) + 1
        body = f"{stem}{99999 - count // 999:05d}{1 + count % 999:03d}"
        return body + nir_key(body)


def nir_key(body: str) -> str:
    """The two-digit key of the 13 digits of a NIR: the complement to 97 of the number modulo 97."""
    return f"{97 - int(body) % 97:02d}"

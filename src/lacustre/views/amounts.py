"""Quantities that are known beforehand, and what they come to in other units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from lacustre.views.units import Measure, convertible_units, ends, is_calendar, measure_of, write_bound

_ELEMENT_UNITS = {"year": "a", "month": "mo"}


@dataclass(frozen=True, slots=True)
class Amount:
    """A decimal, and a unit as it is written without quotes: of UCUM, or a calendar duration."""

    magnitude: str
    unit: str
    calendar: bool

    @property
    def measure(self) -> Measure | None:
        return measure_of(self.unit, calendar=self.calendar)

    @property
    def singular(self) -> str:
        return self.unit.removesuffix("s") if self.calendar else self.unit

    @property
    def text(self) -> str:
        return f"{self.magnitude} {self.unit}" if self.calendar else f"{self.magnitude} '{self.unit}'"


def read_amount(text: str) -> Amount:
    """The amount that `Amount.text` wrote."""
    magnitude, _, unit = text.partition(" ")
    return Amount(magnitude, unit.strip("'"), is_calendar(unit))


def opposite(decimal: str) -> str:
    """The decimal with the other sign; zero has none."""
    digits = decimal.lower().partition("e")[0]
    return decimal.removeprefix("-") if decimal.startswith("-") or not digits.strip("0.") else f"-{decimal}"


def bounds_of(amount: Amount, *, element: bool) -> Mapping[str, str]:
    """The magnitude of a quantity in each unit that measures the same, by unit: UCUM codes, `year` and `month`.

    For the codes of an `element`, a calendar year or month is in `a` or `mo` (FHIR §FHIRPath, use of Quantity).
    """
    factors = _factors(amount, element=element)
    return {unit: _converted(amount, factor) for unit, factor in factors.items()}


def limits_of(amount: Amount, *, element: bool) -> Mapping[str, str]:
    """As `bounds_of`, in the larger one of the two units, as equivalence is judged (FHIRPath §6.1.3)."""
    factors = _factors(amount, element=element)
    return {unit: _converted(amount, min(factor, Fraction(1))) for unit, factor in factors.items()}


def scales_of(amount: Amount, *, element: bool) -> Mapping[str, str]:
    """What a magnitude is multiplied with, by its unit, before it is divided, to compare it with the limit."""
    shares = _shares(amount, element=element)
    return {unit: write_bound(share if ends(share) else Fraction(share.numerator)) for unit, share in shares.items()}


def divisors_of(amount: Amount, *, element: bool) -> Mapping[str, str]:
    """What a scaled magnitude is divided by, by its unit: 1, unless a scale alone had no end of digits."""
    shares = _shares(amount, element=element)
    return {unit: "1" if ends(share) else str(share.denominator) for unit, share in shares.items()}


def _shares(amount: Amount, *, element: bool) -> Mapping[str, Fraction]:
    """How much one of each unit is of the larger one of it and the unit of the amount."""
    return {unit: 1 / max(factor, Fraction(1)) for unit, factor in _factors(amount, element=element).items()}


def _converted(amount: Amount, factor: Fraction) -> str:
    return amount.magnitude if factor == 1 else write_bound(Fraction(amount.magnitude) * factor)


def _factors(amount: Amount, *, element: bool) -> Mapping[str, Fraction]:
    """How many of each unit that measures the same there are in one of the amount."""
    own = amount.singular
    if amount.calendar and own in _ELEMENT_UNITS:
        return {_ELEMENT_UNITS[own] if element else own: Fraction(1)}
    factors = convertible_units(amount.unit, calendar=amount.calendar)
    return factors if amount.calendar else {**factors, own: Fraction(1)}

"""Durations that dates and times are moved by (FHIRPath §6.6.7, date/time arithmetic).

Above seconds a duration moves by the calendar, and its fraction does not count. A value that is less precise than
the duration is moved by what the duration comes to in its precision: 365 days are a year, 30 days a month.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lacustre.views.amounts import Amount
from lacustre.views.types import Kind

_UCUM = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}
_MONTHS = {"year": 12, "month": 1}
_MICROSECONDS = {
    "week": 7 * 86_400_000_000,
    "day": 86_400_000_000,
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1_000,
}
_DAY = _MICROSECONDS["day"]
_OF_A_DAY = frozenset({"hour", "minute", "second", "millisecond"})
_FRACTIONAL = frozenset({"second", "millisecond"})
_MOST_MONTHS = 12 * 9999
_MOST_MICROSECONDS = 9999 * 366 * _DAY
_MOST_OF_A_TIME = 366 * _DAY


@dataclass(frozen=True, slots=True)
class Move:
    """What a value of one precision is moved by: one of the three."""

    months: int = 0
    days: int = 0
    microseconds: int = 0


@dataclass(frozen=True, slots=True)
class Shift:
    """So many of a unit: of the calendar, or as long as one of it; None for what is no such unit."""

    number: Fraction
    unit: str | None
    written: str

    def fault_with(self, kind: Kind) -> tuple[str, str | None] | None:
        """What keeps a value of a kind from being moved by it, with a hint."""
        if self.written in ("a", "mo"):
            word = "years" if self.written == "a" else "months"
            return f"'{self.written}' is no calendar duration", f"write {word} without quotes"
        if self.unit is None:
            return f"{self.written!r} is no duration", None
        if (kind == "date" and self.unit in _OF_A_DAY) or (kind == "time" and self.unit not in _OF_A_DAY):
            return f"a {kind} is not moved by {self.unit}s", None
        most = _MOST_OF_A_TIME if kind == "time" else _MOST_MICROSECONDS
        if abs(self._months) > _MOST_MONTHS or abs(self._microseconds) > most:
            return "the duration is longer than the calendar", None
        if self._microseconds.denominator != 1:
            return "a duration is in whole microseconds", None
        return None

    @property
    def _whole(self) -> Fraction:
        return self.number if self.unit in _FRACTIONAL else Fraction(int(self.number))

    @property
    def _months(self) -> int:
        return int(self._whole) * _MONTHS.get(self.unit or "", 0)

    @property
    def _microseconds(self) -> Fraction:
        return self._whole * _MICROSECONDS.get(self.unit or "", 0)

    def move(self, precision: str) -> Move:
        """What a value is moved by that is precise to the `year`, `month`, `day`, `hour`, `minute` or `second`."""
        if self._months:
            return Move(months=int(Fraction(self._months, 12)) * 12 if precision == "year" else self._months)
        days = int(self._microseconds / _DAY)
        match precision:
            case "year":
                return Move(months=int(Fraction(days, 365)) * 12)
            case "month":
                return Move(months=int(Fraction(days, 30)))
            case "day":
                return Move(days=days)
            case "second":
                return Move(days=days) if self.unit in ("week", "day") else Move(microseconds=int(self._microseconds))
            case _:
                step = _MICROSECONDS[precision]
                return Move(microseconds=int(self._microseconds / step) * step)


def shift_of(amount: Amount) -> Shift:
    """The shift that a quantity is."""
    unit = amount.singular if amount.calendar else _UCUM.get(amount.unit)
    return Shift(Fraction(amount.magnitude), unit, amount.unit)

"""What a constant of each type may be: the values of FHIR's primitive types (FHIR R4, Data Types)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from lacustre.fhirpath import is_in_calendar
from lacustre.views.definition import ConstantValue

_DATE = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
_ZONE = r"(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)"

_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "base64Binary": r"(?=.)([0-9A-Za-z+/]{4})*([0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?",
        "canonical": r"\S+",
        "code": r"\S+(\s\S+)*",
        "date": _DATE,
        "dateTime": f"{_DATE}|{_DAY}T{_TIME}{_ZONE}?",
        "decimal": r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?",
        "id": r"[A-Za-z0-9\-.]{1,64}",
        "instant": f"{_DAY}T{_TIME}{_ZONE}",
        "integer64": r"0|[+-]?[1-9]\d*",
        "oid": r"urn:oid:[0-2](\.(0|[1-9]\d*))+",
        "time": _TIME,
        "uri": r"\S+",
        "url": r"\S+",
        "uuid": r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    }
)
"""The texts of each type; base64 is seen without its white space.

A dateTime may be without its zone, which is then the tenant's; a string is any text.
"""

_RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "integer": (-(2**31), 2**31 - 1),
        "integer64": (-(2**63), 2**63 - 1),
        "positiveInt": (1, 2**31 - 1),
        "unsignedInt": (0, 2**31 - 1),
    }
)
_INTEGERS = _RANGES.keys() - {"integer64"}
_WITH_DAYS = frozenset({"date", "dateTime", "instant"})

FORM_HINTS: Mapping[str, str] = MappingProxyType(
    {
        "date": "as 2015, 2015-02 or 2015-02-04",
        "dateTime": "as a date, or as 2015-02-04T14:30:00+01:00",
        "instant": "as 2015-02-04T14:30:00+01:00",
        "time": "as 14:30:00",
        "integer": "a whole number of 32 bits",
        "integer64": "a whole number of 64 bits, written as a string",
        "positiveInt": "a whole number from 1 to 2147483647",
        "unsignedInt": "a whole number from 0 to 2147483647",
        "oid": "as urn:oid:1.2.3",
        "uuid": "as urn:uuid: with 36 lowercase characters",
        "id": "up to 64 letters, digits, `-` and `.`",
    }
)
"""How a value of a type is written, where that is not obvious."""


def read_constant(type_: str, value: object) -> ConstantValue | None:
    """The value in the form of its type, a decimal as text; None where it is none of that type."""
    match value:
        case bool():
            return value if type_ == "boolean" else None
        case int() if type_ in _INTEGERS:
            return value if _is_in_range(type_, value) else None
        case int() | float() | Decimal() if type_ == "decimal":
            return _read_text(type_, str(value))
        case str() if type_ not in ("boolean", "decimal", *_INTEGERS):
            return _read_text(type_, value)
        case _:
            return None


def _read_text(type_: str, text: str) -> str | None:
    form = _FORMS.get(type_)
    seen = "".join(text.split()) if type_ == "base64Binary" else text
    if form is not None and not re.fullmatch(form, seen, re.ASCII):
        return None
    if type_ in _WITH_DAYS and not is_in_calendar(text[:10]):
        return None
    return None if type_ == "integer64" and not _is_in_range(type_, int(text)) else text


def _is_in_range(type_: str, value: int) -> bool:
    low, high = _RANGES[type_]
    return low <= value <= high

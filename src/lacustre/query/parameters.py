"""Values of parameters: FHIR types to the values that DuckDB binds.

A value is bound, never put into the SQL, and never told in an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import TypeAlias

from lacustre.errors import InputError, near
from lacustre.query.library import Parameter
from lacustre.views.constants import FORM_HINTS, read_constant

Value: TypeAlias = str | bool | int | Decimal | date | datetime | time
"""What DuckDB binds: dates as DATE, date-times with their zone as TIMESTAMP WITH TIME ZONE, decimals as DECIMAL."""

MAX_DIGITS = 38
"""Of a decimal, before and after the point together: those of DuckDB's DECIMAL."""

_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_HINTS: Mapping[str, str] = MappingProxyType(
    {
        **FORM_HINTS,
        "boolean": "true or false",
        "date": "as 2015-02-04; for a part of a date declare a string",
        "dateTime": "with its time and zone, as 2015-02-04T14:30:00+01:00; for a day declare a date",
        "decimal": f"as 7.5, with at most {MAX_DIGITS} digits",
    }
)
_CUT = "…"


def bind_values(parameters: Sequence[Parameter], given: Mapping[str, object]) -> dict[str, Value]:
    """The values to bind, by name: each parameter has one, of its type; texts are read as FHIR writes the type.

    Raises InputError naming every parameter at fault, and no value.
    """
    declared = {parameter.name: parameter for parameter in parameters}
    faults = [*_undeclared(declared, given), *_missing(parameters, given)]
    values: dict[str, Value] = {}
    for name, parameter in declared.items():
        if given.get(name) is None:
            continue
        value = _read(parameter.type, given[name])
        if value is None:
            faults.append(_mistyped(parameter))
        else:
            values[name] = value
    if len(faults) > 1:
        message = f"{len(faults)} parameters are at fault\n" + "\n".join(str(fault) for fault in faults)
        raise InputError(faults[0].code, message)
    if faults:
        raise faults[0]
    return values


def _undeclared(declared: Mapping[str, Parameter], given: Mapping[str, object]) -> Iterator[InputError]:
    for name in given.keys() - declared.keys():
        hint = near(name, declared) or f"declared: {', '.join(declared) or 'none'}"
        yield InputError("parameter_undeclared", f"the query has no parameter {name}", hint)


def _missing(parameters: Sequence[Parameter], given: Mapping[str, object]) -> Iterator[InputError]:
    for parameter in parameters:
        if given.get(parameter.name) is None:
            about = f" ({parameter.documentation})" if parameter.documentation else ""
            message = f"the parameter {parameter.name} has no value{about}"
            yield InputError("parameter_missing", message, f"--param {parameter.name}=…, a {parameter.type}")


def _mistyped(parameter: Parameter) -> InputError:
    message = f"the value of {parameter.name} is no {parameter.type}"
    return InputError("parameter_mistyped", message, _HINTS.get(parameter.type))


def _read(type_: str, value: object) -> Value | None:
    """A value or a text in the form of its type; None where it is none."""
    if type_ == "boolean":
        return _boolean(value)
    if type_ in _INTEGERS or type_ == "integer64":
        return _integer(type_, value)
    reader = _READERS.get(type_)
    return reader(value) if reader is not None else _text(type_, value)


def _text(type_: str, value: object) -> str | None:
    """Text in the form of its type; what a terminal gave that is no Unicode is none."""
    if not isinstance(value, str) or read_constant(type_, value) is None:
        return None
    return value if value == value.encode(errors="replace").decode() else None


def _boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def _integer(type_: str, value: object) -> int | None:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if read_constant("integer64", text) is None:
        return None
    number = int(text)
    return number if type_ == "integer64" or read_constant(type_, number) is not None else None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    text = repr(value) if isinstance(value, float) else str(value)  # a float means what its shortest text says
    if len(text) > 2 * MAX_DIGITS or not _DECIMAL.fullmatch(text):
        return None
    number = Decimal(text)
    return number if _width(number) <= MAX_DIGITS else None


def _width(number: Decimal) -> int:
    """The digits of the DECIMAL that DuckDB binds a number as; of more than it has it would make a DOUBLE, silently."""
    digits, exponent = len(number.as_tuple().digits), int(number.as_tuple().exponent)
    if digits < -exponent:
        return 1 - exponent  # the zero before the point counts where another follows it
    return digits + max(exponent, 0)


def _date(value: object) -> date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    whole = isinstance(value, str) and len(value) == 10 and read_constant("date", value) is not None
    return date.fromisoformat(str(value)) if whole else None


def _moment(value: object) -> datetime | None:
    if isinstance(value, str) and read_constant("instant", value) is not None:
        value = _parsed(datetime.fromisoformat, value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:  # of the year 1 or 9999 here, of another one there
        return None


def _time(value: object) -> time | None:
    if isinstance(value, str) and read_constant("time", value) is not None:
        value = _parsed(time.fromisoformat, value)
    return value if isinstance(value, time) and value.tzinfo is None else None


def _parsed(read: Callable[[str], object], text: str) -> object:
    """The value of a text; None for a leap second, or more digits than a microsecond has, which would be lost."""
    fraction = text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0]
    if len(fraction.rstrip("0")) > 6:
        return None
    try:
        return read(text)
    except ValueError:
        return None


_READERS: Mapping[str, Callable[[object], Value | None]] = MappingProxyType(
    {"date": _date, "dateTime": _moment, "decimal": _decimal, "instant": _moment, "time": _time}
)


def without_values(message: str, given: Mapping[str, object]) -> str:
    """A message without the texts of values, which DuckDB quotes."""
    for text in sorted({str(value) for value in given.values() if value is not None}, key=len, reverse=True):
        message = message.replace(text, _CUT) if text.strip() else message
    return message

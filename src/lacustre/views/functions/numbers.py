"""Math functions (FHIRPath §5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import Apply, FunctionName, Literal, Nothing, Value
from lacustre.views.navigation import RefusedError
from lacustre.views.types import UNKNOWN, Kind, kind_of

_NUMBERS: tuple[Kind, ...] = ("integer", "integer64", "decimal")
_MAX_PLACES = 1000


def _name_of(invocation: Invocation) -> FunctionName:
    return cast(FunctionName, invocation.call.name)


def _absolute(invocation: Invocation) -> Value:
    single = invocation.single(*_NUMBERS, "quantity")
    return Apply("abs", single.type, single)


def _whole(invocation: Invocation) -> Value:
    """`ceiling`, `floor` and `truncate`: integers are whole already."""
    single = invocation.single(*_NUMBERS)
    return Apply(_name_of(invocation), "integer", single) if kind_of(single.type) == "decimal" else single


def _round(invocation: Invocation) -> Value:
    single = invocation.single(*_NUMBERS)
    places: Value = invocation.argument(0, "integer") if invocation.call.arguments else Literal("integer", 0)
    if isinstance(places, Nothing):
        return Nothing("decimal")
    if not isinstance(places, Literal):
        message = "round() takes a number of places that is written in the view or is a constant"
        raise invocation.refused_argument("unsupported_function", message)
    if not 0 <= int(places.value) <= _MAX_PLACES:
        message = f"round() takes a number of places from 0 to {_MAX_PLACES}, not {places.value}"
        raise invocation.refused_argument("type_mismatch", message)
    if kind_of(single.type) != "decimal":
        return Apply("toDecimal", "decimal", single)
    return Apply("round", "decimal", single, (places,))


def _real(invocation: Invocation) -> Value:
    return Apply(_name_of(invocation), "decimal", invocation.single(*_NUMBERS))


def _log(invocation: Invocation) -> Value:
    return Apply("log", "decimal", invocation.single(*_NUMBERS), (invocation.argument(0, *_NUMBERS),))


def _power(invocation: Invocation) -> Value:
    """An integer to the power of an integer is an integer (FHIRPath §5.7.7)."""
    base, exponent = invocation.single(*_NUMBERS), invocation.argument(0, *_NUMBERS)
    kinds = {kind_of(operand.type) for operand in (base, exponent) if operand.type != UNKNOWN}
    if "integer64" in kinds:
        raise RefusedError("unsupported_function", "power() of integers of 64 bits is not supported")
    return Apply("power", "integer" if kinds <= {"integer"} else "decimal", base, (exponent,))


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "abs": _absolute,
        "ceiling": _whole,
        "floor": _whole,
        "truncate": _whole,
        "round": _round,
        "sqrt": _real,
        "exp": _real,
        "ln": _real,
        "log": _log,
        "power": _power,
    }
)

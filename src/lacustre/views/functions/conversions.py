"""Conversion (FHIRPath §5.5): what each kind of value becomes, and whether it can."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.functions.quantities import as_quantity
from lacustre.views.ir import Apply, Conversion, Literal, Nothing, Value
from lacustre.views.navigation import RefusedError
from lacustre.views.temporal_text import read_date, read_date_time, read_time
from lacustre.views.types import SYSTEM_DATE_TIME, SYSTEM_QUANTITY, UNKNOWN, Kind, kind_of

_MOMENTS: frozenset[Kind] = frozenset({"date", "dateTime", "instant"})
_COUNTABLE: frozenset[Kind] = frozenset({"boolean", "integer", "integer64", "decimal", "text"})
_EVERY: frozenset[Kind] = _COUNTABLE | _MOMENTS | {"time", "quantity"}

_CONVERTIBLE: Mapping[Conversion, tuple[str, frozenset[Kind]]] = MappingProxyType(
    {
        "toBoolean": ("boolean", _COUNTABLE),
        "toInteger": ("integer", frozenset({"boolean", "integer", "integer64", "text"})),
        "toDecimal": ("decimal", _COUNTABLE),
        "toString": ("string", _EVERY),
        "toDate": ("date", _MOMENTS | {"text"}),
        "toDateTime": ("dateTime", _MOMENTS | {"text"}),
        "toTime": ("time", frozenset({"time", "text"})),
        "toQuantity": (SYSTEM_QUANTITY, _COUNTABLE | {"quantity"}),
    }
)
"""The type of each conversion's result, and the kinds of values that may have one."""

_LITERALS = {"toDate": read_date, "toDateTime": read_date_time, "toTime": read_time}


def _converter(name: Conversion) -> FunctionBinder:
    def bind(invocation: Invocation) -> Value:
        return _convert(name, _source(invocation))

    return bind


def _tester(name: Conversion) -> FunctionBinder:
    """Whether there is a result; empty only where the source is."""

    def bind(invocation: Invocation) -> Value:
        source = _source(invocation)
        if isinstance(_convert(name, source), Nothing):
            return Apply("converts", "boolean", source)
        return Apply("converts", "boolean", source, (Literal("code", name),))

    return bind


def _source(invocation: Invocation) -> Value:
    """The one item to convert; a Quantity of FHIR is a quantity."""
    if invocation.call.arguments:
        message = f"{invocation.call.name}() to a unit is not supported"
        raise invocation.refused_argument("unsupported_function", message)
    if invocation.source.type != UNKNOWN and kind_of(invocation.source.type) == "complex":
        found = as_quantity(invocation.binder, invocation.single())
        if found is None:
            message = f"{invocation.call.name}() stands on a primitive or a Quantity, not on a {invocation.source.type}"
            raise RefusedError("type_mismatch", message)
        return found
    return invocation.single(*_EVERY)


def _convert(name: Conversion, source: Value) -> Value:
    type_, kinds = _CONVERTIBLE[name]
    kind = kind_of(source.type)
    if source.type == UNKNOWN or kind not in kinds:
        return Nothing(type_)
    if isinstance(source, Literal) and kind == "text" and name in _LITERALS:
        text = _LITERALS[name](str(source.value))
        return Nothing(type_) if text is None else Literal(type_, text)
    return Apply(name, SYSTEM_DATE_TIME if name == "toDateTime" and kind == "text" else type_, source)


_NAMES: tuple[Conversion, ...] = tuple(_CONVERTIBLE)

BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {name: _converter(name) for name in _NAMES}
    | {f"converts{name[0].upper()}{name[1:]}": _tester(name) for name in _NAMES}
)

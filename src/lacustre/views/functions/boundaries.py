"""What a value of a precision may stand for (FHIRPath §5.7.10 to §5.7.12): its boundaries, and its precision."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.functions.quantities import as_quantity
from lacustre.views.ir import Apply, FunctionName, Value
from lacustre.views.types import SYSTEM_DATE_TIME, Kind, kind_of

_MEASURED: tuple[Kind, ...] = ("integer", "decimal", "date", "dateTime", "instant", "time")


def _boundary(invocation: Invocation) -> Value:
    """Of a quantity, the boundary of its magnitude; of a moment cut short, a moment without seconds."""
    name = cast(FunctionName, invocation.call.name)
    single = _source(invocation)
    arguments = tuple(invocation.argument(index, "integer") for index in range(len(invocation.call.arguments)))
    match kind_of(single.type):
        case "integer":
            type_ = "decimal"
        case "dateTime" | "instant" if arguments:
            type_ = SYSTEM_DATE_TIME
        case _:
            type_ = single.type
    return Apply(name, type_, single, arguments)


def _source(invocation: Invocation) -> Value:
    if kind_of(invocation.source.type) == "complex":
        found = as_quantity(invocation.binder, invocation.single())
        if found is not None:
            return found
    return invocation.single(*_MEASURED, "quantity")


def _precision(invocation: Invocation) -> Value:
    return Apply("precision", "integer", invocation.single(*_MEASURED))


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "lowBoundary": _boundary,
        "highBoundary": _boundary,
        "precision": _precision,
    }
)

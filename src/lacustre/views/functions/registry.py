"""The FHIRPath functions that are compiled: each binds a call to a typed value."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.fhirpath import FUNCTIONS, near_hint
from lacustre.views.functions import (
    boundaries,
    choosing,
    clock,
    conversions,
    elements,
    existence,
    filtering,
    iteration,
    keys,
    numbers,
    strings,
    subsetting,
    type_tests,
)
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import Value
from lacustre.views.navigation import RefusedError

CHAPTERS = (
    existence,
    filtering,
    subsetting,
    iteration,
    choosing,
    conversions,
    strings,
    numbers,
    clock,
    boundaries,
    type_tests,
    elements,
    keys,
)
"""A module for each chapter of FHIRPath."""

FUNCTION_BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {name: bind for chapter in CHAPTERS for name, bind in chapter.BINDERS.items()}
)
"""The functions that are compiled, by name."""


def bind_function(invocation: Invocation) -> Value:
    """The value of a call; raises RefusedError for a function that is unknown, unsupported or misused."""
    call = invocation.call
    function = FUNCTIONS.get(call.name)
    if function is None:
        near = near_hint(call.name, FUNCTION_BINDERS)
        raise RefusedError("unknown_function", f"there is no function {call.name}()", near)
    if call.name not in FUNCTION_BINDERS:
        raise RefusedError("unsupported_function", f"the function {call.name}() is not supported")
    if not function.accepts(len(call.arguments)):
        message = f"{call.name}() takes {function.arity}, not {len(call.arguments)}"
        raise RefusedError("wrong_arity", message, span=call.span)
    return FUNCTION_BINDERS[call.name](invocation)

"""Choosing items by their type, and asking for it (FHIRPath §5.2.4, §6.3; FHIR, §FHIRPath)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import (
    Value,
)
from lacustre.views.navigation import RefusedError


def _of_type(invocation: Invocation) -> Value:
    return _typed(invocation, invocation.source)


def _as(invocation: Invocation) -> Value:
    return _typed(invocation, invocation.binder.single_or_choice(invocation.source, invocation.scope))


def _typed(invocation: Invocation, source: Value) -> Value:
    try:
        return invocation.binder.navigator.of_type(source, invocation.type_argument())
    except RefusedError as refused:
        raise invocation.refused_argument(refused.code, refused.message, refused.hint) from refused


def _is(invocation: Invocation) -> Value:
    return invocation.binder.is_type(invocation.source, invocation.type_argument(), invocation.scope)


def _type(invocation: Invocation) -> Value:
    navigator = invocation.binder.navigator
    return navigator.each(invocation.source, navigator.type_of)


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "ofType": _of_type,
        "as": _as,
        "is": _is,
        "type": _type,
    }
)

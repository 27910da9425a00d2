"""The keys that join views (SQL on FHIR, required additional functions)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.fhirpath import near_hint
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import (
    Apply,
    Literal,
    Nothing,
    Value,
)
from lacustre.views.items import Resolved
from lacustre.views.navigation import RefusedError
from lacustre.views.types import CHOICE, UNKNOWN


def _resource_key(invocation: Invocation) -> Value:
    type_ = invocation.source.type
    navigator = invocation.binder.navigator
    if type_ != UNKNOWN and (type_ == CHOICE or not navigator.model.is_a(type_, "Resource")):
        raise RefusedError("not_a_resource", f"getResourceKey() stands on a resource, not on a {type_}")
    return navigator.member(invocation.source, "id")


def _reference_key(invocation: Invocation) -> Value:
    navigator = invocation.binder.navigator
    wanted = (*_resource_argument(invocation), invocation.binder.container)

    def key(item: Value) -> Value:
        if item.type not in ("Reference", UNKNOWN):
            message = "getReferenceKey() stands on a Reference"
            found = f", not on a {item.type}" if item.type != CHOICE else ""
            raise RefusedError("not_a_reference", message + found, "ofType(Reference) picks it from a choice")
        return Apply("getReferenceKey", "string", navigator.member(item, "reference"), wanted)

    return navigator.each(invocation.source, key)


def _resolve(invocation: Invocation) -> Value:
    def target(item: Value) -> Value:
        if item.type not in ("Reference", UNKNOWN):
            found = "a choice of types" if item.type == CHOICE else f"a {item.type}"
            raise RefusedError("unsupported_function", f"resolve() of {found} is not supported", "it takes a Reference")
        return Nothing(UNKNOWN) if item.type == UNKNOWN else Resolved(item, invocation.binder.container)

    return invocation.binder.navigator.each(invocation.source, target)


def _resource_argument(invocation: Invocation) -> tuple[Value, ...]:
    if not invocation.call.arguments:
        return ()
    name = invocation.type_argument().removeprefix("FHIR.")
    known = invocation.binder.navigator.model.resource_types
    if name not in known:
        hint = near_hint(name, known)
        raise invocation.refused_argument("unknown_type", f"{name} is not a resource type", hint)
    return (Literal("code", name),)


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "getResourceKey": _resource_key,
        "getReferenceKey": _reference_key,
        "resolve": _resolve,
    }
)

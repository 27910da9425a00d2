"""Existence (FHIRPath §5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.views.equality import among, check_equality, distinct
from lacustre.views.functions.filtering import Body, criteria_of, filtered, uses_index, where
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import (
    FALSE,
    TRUE,
    Compare,
    Count,
    Exists,
    Guard,
    Not,
    Value,
)
from lacustre.views.navigation import RefusedError, refuse_choice
from lacustre.views.types import UNKNOWN


def _present(invocation: Invocation) -> Value:
    found = where(invocation) if invocation.call.arguments else invocation.source
    return invocation.binder.navigator.presence(found)


def _all(invocation: Invocation) -> Value:
    return _none_but(invocation, criteria_of(invocation), indexed=uses_index(invocation.call.arguments[0]))


def _none_but(invocation: Invocation, criteria: Body, *, indexed: bool = False) -> Value:
    """Whether there is no item for which the criteria is not true."""
    navigator = invocation.binder.navigator

    def contrary(item: Value, index: Value | None) -> Value:
        return Exists(Guard(criteria(item, index), TRUE), negated=True)

    others = filtered(navigator, invocation.source, contrary, indexed=indexed)
    return Exists(navigator.presence(others), negated=True)


def _all_are(truth: Value) -> FunctionBinder:
    """Whether all items are of one truth: there is none that is not."""

    def bind(invocation: Invocation) -> Value:
        _check_booleans(invocation)
        return _none_but(invocation, lambda item, _: Compare("=", item, truth))

    return bind


def _any_is(truth: Value) -> FunctionBinder:
    def bind(invocation: Invocation) -> Value:
        _check_booleans(invocation)
        navigator = invocation.binder.navigator
        return Exists(filtered(navigator, invocation.source, lambda item, _: Compare("=", item, truth)))

    return bind


def _check_booleans(invocation: Invocation) -> None:
    refuse_choice(invocation.source)
    if invocation.source.type not in ("boolean", UNKNOWN):
        name = invocation.call.name
        raise RefusedError("type_mismatch", f"{name}() stands on booleans, not on {invocation.source.type} values")


def _subset_of(invocation: Invocation) -> Value:
    return _is_within(invocation, invocation.source, invocation.collection(0))


def _superset_of(invocation: Invocation) -> Value:
    return _is_within(invocation, invocation.collection(0), invocation.source)


def _is_within(invocation: Invocation, part: Value, whole: Value) -> Value:
    """Whether every item of one collection is in another."""
    navigator = invocation.binder.navigator
    check_equality(f"{invocation.call.name}()", part, whole, None)
    outside = filtered(navigator, part, lambda item, _: Not(among(navigator, item, whole)))
    return Exists(outside, negated=True)


def _distinct(invocation: Invocation) -> Value:
    refuse_choice(invocation.source)
    return distinct(invocation.binder.navigator, invocation.source)


def _is_distinct(invocation: Invocation) -> Value:
    return Compare("=", Count(invocation.source), Count(_distinct(invocation)))


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "exists": lambda invocation: Exists(_present(invocation)),
        "empty": lambda invocation: Exists(_present(invocation), negated=True),
        "count": lambda invocation: Count(_present(invocation)),
        "all": _all,
        "allTrue": _all_are(TRUE),
        "allFalse": _all_are(FALSE),
        "anyTrue": _any_is(TRUE),
        "anyFalse": _any_is(FALSE),
        "subsetOf": _subset_of,
        "supersetOf": _superset_of,
        "distinct": _distinct,
        "isDistinct": _is_distinct,
        "not": lambda invocation: Not(invocation.binder.boolean(invocation.source, invocation.scope)),
    }
)

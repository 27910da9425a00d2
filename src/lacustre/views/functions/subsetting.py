"""Subsetting and combining (FHIRPath §5.3, §5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lacustre.views.equality import among, check_equality, combine, distinct, unite
from lacustre.views.functions.filtering import filtered
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import Guard, Literal, Not, Nothing, Value
from lacustre.views.items import Slice
from lacustre.views.navigation import nothing_of, refuse_choice
from lacustre.views.types import UNKNOWN, kind_of


def _skip(invocation: Invocation) -> Value:
    count = _fixed_count(invocation)
    return Nothing(invocation.source.type) if count is None else cut(invocation.source, max(count, 0), None)


def _take(invocation: Invocation) -> Value:
    count = _fixed_count(invocation)
    return Nothing(invocation.source.type) if count is None else cut(invocation.source, 0, max(count, 0))


def _fixed_count(invocation: Invocation) -> int | None:
    """The argument, which is written out or a constant; None for `{}`."""
    found = invocation.argument(0, "integer")
    if found.type == UNKNOWN:
        return None
    if not isinstance(found, Literal) or kind_of(found.type) != "integer":
        name = invocation.call.name
        message = f"{name}() of a computed number is not supported"
        raise invocation.refused_argument("unsupported_function", message, "write the number, or a constant")
    return int(found.value)


def cut(source: Value, start: int, end: int | None) -> Value:
    """The items of a collection from one position to another, that one excluded."""
    refuse_choice(source)
    if isinstance(source, Guard):
        return Guard(source.condition, cut(source.value, start, end))
    if end is not None and end <= start:
        return nothing_of(source)
    if not source.many:
        return source if start == 0 else nothing_of(source)
    return source if (start, end) == (0, None) else Slice(source, start, end)


def _intersect(invocation: Invocation) -> Value:
    navigator, other = invocation.binder.navigator, _checked_other(invocation)
    shared = filtered(navigator, invocation.source, lambda item, _: among(navigator, item, other))
    return distinct(navigator, shared)


def _exclude(invocation: Invocation) -> Value:
    navigator, other = invocation.binder.navigator, _checked_other(invocation)
    return filtered(navigator, invocation.source, lambda item, _: Not(among(navigator, item, other)))


def _checked_other(invocation: Invocation) -> Value:
    other = invocation.collection(0)
    check_equality(f"{invocation.call.name}()", invocation.source, other, None)
    return other


def _union(invocation: Invocation) -> Value:
    operands = (invocation.source, invocation.collection(0))
    return unite(invocation.binder.navigator, operands, "union()")


def _combine(invocation: Invocation) -> Value:
    return combine((invocation.source, invocation.collection(0)), "combine()")


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "first": lambda invocation: invocation.binder.pick(invocation.source, 0),
        "last": lambda invocation: invocation.binder.pick(invocation.source, -1),
        "single": lambda invocation: invocation.binder.single_or_choice(invocation.source, invocation.scope),
        "tail": lambda invocation: cut(invocation.source, 1, None),
        "skip": _skip,
        "take": _take,
        "intersect": _intersect,
        "exclude": _exclude,
        "union": _union,
        "combine": _combine,
    }
)

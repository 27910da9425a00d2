"""What FHIR adds to FHIRPath for elements: extensions and values (FHIR, §FHIRPath)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from lacustre.views.functions.filtering import filtered
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import (
    FALSE,
    Apply,
    Choice,
    Compare,
    Count,
    Guard,
    Literal,
    Logic,
    Member,
    Nothing,
    Pick,
    Value,
)
from lacustre.views.items import HasValue
from lacustre.views.navigation import refuse_choice
from lacustre.views.types import UNKNOWN, kind_of


def _extension(invocation: Invocation) -> Value:
    navigator = invocation.binder.navigator
    url = invocation.argument(0, "text")
    extensions = navigator.member(invocation.source, "extension")
    return filtered(navigator, extensions, lambda item, _: Compare("=", navigator.member(item, "url"), url))


def _has_value(invocation: Invocation) -> Value:
    """Whether the source is one primitive item, and has a value."""
    source = invocation.source
    if isinstance(source, Choice):
        return Logic("or", tuple(map(_is_valued, _primitive_options(source))))
    refuse_choice(source)
    if not source.many:
        return _is_valued(source)
    return Logic("and", (_is_one(source), _is_valued(Pick(source, 0))))


def _primitive_options(choice: Choice) -> Iterator[Value]:
    for name, type_ in choice.options:
        if kind_of(type_) != "complex":
            yield Member(choice.source, name, type_)


def _is_valued(item: Value) -> Value:
    return FALSE if item.type == UNKNOWN or kind_of(item.type) == "complex" else HasValue(item)


def _is_one(source: Value) -> Value:
    return Compare("=", Count(source), Literal("integer", 1))


def _get_value(invocation: Invocation) -> Value:
    """The value of one primitive item; nothing where there are several, or another type."""
    source = invocation.source
    refuse_choice(source)
    if source.type == UNKNOWN or kind_of(source.type) == "complex":
        return Nothing(UNKNOWN)
    one = Guard(_is_one(source), Pick(source, 0)) if source.many else source
    return Apply("getValue", source.type, one)


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "extension": _extension,
        "hasValue": _has_value,
        "getValue": _get_value,
    }
)

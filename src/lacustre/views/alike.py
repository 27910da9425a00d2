"""The equality of two elements, taken apart into their members (FHIRPath §6.1.1: recursively equal children).

Texts and whole numbers are equal where they are spelled alike. Decimals and dates may be equal without that, or it
may not be known whether they are: what holds them is compared member by member, down to those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.views.ir import TRUE, Compare, Exists, Logic, Member, Value, Variable
from lacustre.views.items import Alike, ComparePairs, Identical
from lacustre.views.types import Kind, kind_of

NewPair: TypeAlias = Callable[[str], tuple[Variable, Variable]]

_PLAIN: frozenset[Kind] = frozenset({"boolean", "integer", "text"})


def elements_alike(value: Alike, shapes: tuple[Shape, Shape], new_pair: NewPair) -> Value:
    """Whether all members are alike that one of two elements of these shapes may have."""
    if shapes[0] == shapes[1] and _is_plain(value.model, value.left.type, shapes[0]):
        return Identical(value.left, value.right)
    parts = tuple(_members_alike(value, shapes, new_pair))
    return Logic("and", parts) if len(parts) > 1 else (parts or (TRUE,))[0]


def _members_alike(value: Alike, shapes: tuple[Shape, Shape], new_pair: NewPair) -> Iterator[Value]:
    members = value.model.type(value.left.type).members
    for name in sorted({*shapes[0], *shapes[1]} & members.keys()):
        element, type_ = members[name]
        left, right = (Member(side, name, type_, element.many) for side in (value.left, value.right))
        spelled_alike = Identical(left, right)
        if all(_is_plain(value.model, type_, shape.get(name, {})) for shape in shapes):
            yield spelled_alike
        else:
            equal = _equal(left, right, value.model, new_pair)
            yield Logic("or", (spelled_alike, Logic("and", (Exists(left), Exists(right), equal))))


def _equal(left: Member, right: Member, model: FhirModel, new_pair: NewPair) -> Value:
    if not left.many:
        return Compare("=", left, right) if kind_of(left.type) != "complex" else Alike(left, right, model)
    pair = new_pair(left.type)
    return ComparePairs(left, right, *pair, _equal_items(pair, model))


def _equal_items(pair: tuple[Variable, Variable], model: FhirModel) -> Value:
    left, right = pair
    return Compare("=", left, right) if kind_of(left.type) != "complex" else Alike(left, right, model)


def _is_plain(model: FhirModel, type_: str, shape: Shape) -> bool:
    """Whether values of a type, of which these members are there, are equal only where they are spelled alike."""
    if kind_of(type_) != "complex":
        return kind_of(type_) in _PLAIN
    members = model.type(type_).members
    return all(_is_plain(model, members[name][1], below) for name, below in shape.items() if name in members)

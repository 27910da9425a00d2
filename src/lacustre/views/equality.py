"""Equality and membership of items of any type (FHIRPath §6.1, §6.4), in the intermediate form."""

from __future__ import annotations

from lacustre.fhirpath.ast import Span
from lacustre.views.ir import TRUE, Compare, Exists, Filter, Guard, Nothing, Union, Value
from lacustre.views.items import Alike, Combine, ComparePairs, Distinct
from lacustre.views.navigation import Navigator, RefusedError, refuse_choice
from lacustre.views.rewrite import is_resource
from lacustre.views.types import UNKNOWN, are_comparable, common_type, kind_of


def same(navigator: Navigator, left: Value, right: Value) -> Value:
    """Whether two single items of comparable types are equal; empty where that is not known."""
    if not (is_element(left) and is_element(right)):
        return Compare("=", left, right)
    if navigator.model.is_a(left.type, "Resource"):
        raise RefusedError("unsupported_operator", f"{left.type} resources are not compared", "compare their keys")
    return Alike(left, right, navigator.model)


def is_element(value: Value) -> bool:
    """Whether a value is of a type with elements."""
    return value.type != UNKNOWN and kind_of(value.type) == "complex"


def compare_elements(navigator: Navigator, left: Value, right: Value, *, negated: bool) -> Value:
    """`=` or `!=` where a side is of a type with elements."""
    pair = (navigator.new_variable("x", left.type), navigator.new_variable("x", right.type))
    return ComparePairs(left, right, *pair, same(navigator, *pair), negated)


def among(navigator: Navigator, item: Value, source: Value) -> Value:
    """Whether an item that is there is equal to one of a collection; what is not known to be equal is not."""
    if isinstance(source, Nothing):
        return Exists(source)
    if not source.many:
        return Exists(Guard(same(navigator, item, source), TRUE))
    other = navigator.item_of(source)
    return Exists(Filter(source, other, same(navigator, item, other)))


def distinct(navigator: Navigator, source: Value) -> Value:
    """The items of which none before is equal."""
    if not source.many:
        return source
    if not is_element(source):
        return Union(source.type, (source,))
    pair = (navigator.new_variable("x", source.type), navigator.new_variable("x", source.type))
    return Distinct(source, *pair, same(navigator, *pair))


def combined_type(operands: tuple[Value, ...], name: str) -> str:
    """The type of a collection with the items of all operands.

    Raises RefusedError where they have none in common.
    """
    type_ = UNKNOWN
    for operand in operands:
        refuse_choice(operand)
        merged = common_type(type_, operand.type)
        if merged is None:
            message = f"{name} does not combine {type_} and {operand.type}"
            raise RefusedError("unsupported_operator", message, "a collection has one type")
        type_ = merged
    return type_


def combine(operands: tuple[Value, ...], name: str) -> Value:
    """The items of all operands, in order."""
    if any(map(is_resource, operands)):
        raise RefusedError("unsupported_operator", f"{name} of the resource itself is not supported", "name a path")
    return Combine(combined_type(operands, name), operands)


def unite(navigator: Navigator, operands: tuple[Value, ...], name: str) -> Value:
    """`|`: the distinct items of all operands."""
    type_ = combined_type(operands, name)
    if type_ == UNKNOWN or kind_of(type_) != "complex":
        return Union(type_, operands)
    return distinct(navigator, Combine(type_, operands))


def check_equality(operator: str, left: Value, right: Value, span: Span | None, hint: str | None = None) -> None:
    """Raises RefusedError for items that can never be equal: to compare them is a mistake in the view."""
    refuse_choice(left)
    refuse_choice(right)
    if UNKNOWN in (left.type, right.type) or are_comparable(left.type, right.type):
        return
    if left.type == right.type and left.type != "Resource":
        return
    message = f"`{operator}` of {left.type} and {right.type}, which are never equal, is not supported"
    raise RefusedError("unsupported_operator", message, hint, span)

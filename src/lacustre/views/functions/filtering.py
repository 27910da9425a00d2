"""Filtering and projection (FHIRPath §5.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from lacustre.fhirpath import ast
from lacustre.fhirpath.ast import child_expressions
from lacustre.views.functions.invocation import FunctionBinder, Invocation
from lacustre.views.ir import (
    Filter,
    Guard,
    Literal,
    Map,
    Nothing,
    Value,
    Variable,
)
from lacustre.views.items import Position
from lacustre.views.navigation import Navigator, refuse_choice
from lacustre.views.types import UNKNOWN

Body: TypeAlias = Callable[[Value, Value | None], Value]
"""What is made of an item; its index is given where it is asked for."""


def _where(invocation: Invocation) -> Value:
    return where(invocation)


def where(invocation: Invocation) -> Value:
    """The items of the source for which the first argument is true."""
    indexed = uses_index(invocation.call.arguments[0])
    bind = criteria_of(invocation)
    return filtered(invocation.binder.navigator, invocation.source, bind, indexed=indexed)


def criteria_of(invocation: Invocation) -> Body:
    """The first argument as a condition on an item; RefusedError where it is no boolean."""

    def criteria(item: Value, index: Value | None) -> Value:
        scope = invocation.scope.on(item, index)
        found = invocation.binder.single(invocation.binder.bind(invocation.call.arguments[0], scope), scope)
        if found.type not in ("boolean", UNKNOWN):
            message = f"the criteria is a {found.type}, not a boolean"
            raise invocation.refused_argument("criteria_not_boolean", message, "compare it, or ask exists()")
        return found

    return criteria


def filtered(navigator: Navigator, source: Value, criteria: Body, *, indexed: bool = False) -> Value:
    """The items of `source` for which `criteria` holds; where an item is single, a guard on it."""
    match source:
        case Nothing():
            criteria(source, Literal("integer", 0))
            return source
        case Guard(condition=condition, value=value):
            return Guard(condition, filtered(navigator, value, criteria, indexed=indexed))
        case Map(source=inner, item=item, body=body) if not body.many and not indexed:
            return Map(inner, item, filtered(navigator, body, criteria))
        case _ if source.many:
            return _filter(navigator, source, criteria, indexed=indexed)
        case _:
            return Guard(criteria(source, Literal("integer", 0)), source)


def _filter(navigator: Navigator, source: Value, criteria: Body, *, indexed: bool) -> Value:
    refuse_choice(source)
    item = navigator.item_of(source)
    return Filter(source, item, criteria(item, Position(item.key) if indexed else None))


def uses_index(node: ast.Expression) -> bool:
    """Whether an expression asks for `$index`."""
    if isinstance(node, ast.Special) and node.name == "$index":
        return True
    return any(map(uses_index, child_expressions(node)))


def _select(invocation: Invocation) -> Value:
    return projected(invocation, invocation.call.arguments[0])


def projected(invocation: Invocation, node: ast.Expression) -> Value:
    """What an expression yields for every item of the source, laid end to end."""
    navigator, source = invocation.binder.navigator, invocation.source

    def body(item: Value, index: Value | None) -> Value:
        found = invocation.binder.bind(node, invocation.scope.on(item, index))
        return _for_item(navigator, item, found)

    if uses_index(node) and source.many:
        refuse_choice(source)
        item = navigator.item_of(source)
        return Map(source, item, body(item, Position(item.key)))
    return navigator.each(source, lambda item: body(item, Literal("integer", 0)))


def _for_item(navigator: Navigator, item: Value, found: Value) -> Value:
    """`found` where the item is there: what does not come from the item could be there without it."""
    if isinstance(item, Variable | Literal) or found.type == UNKNOWN:
        return found
    return Guard(navigator.is_there(item), found)


BINDERS: Mapping[str, FunctionBinder] = MappingProxyType(
    {
        "where": _where,
        "select": _select,
    }
)

"""Equality, comparison, membership and logic (FHIRPath §6.1, §6.2, §6.4, §6.5) as typed values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from lacustre.fhirpath import ast
from lacustre.views.equality import among, check_equality, compare_elements, is_element
from lacustre.views.functions.quantities import compare_quantities
from lacustre.views.ir import (
    Compare,
    CompareLists,
    CompareOperator,
    Count,
    Exists,
    Guard,
    Literal,
    Logic,
    Not,
    Pick,
    Value,
)
from lacustre.views.items import Equivalent
from lacustre.views.navigation import RefusedError, refuse_choice
from lacustre.views.types import UNKNOWN, are_comparable, kind_of

_ZONED = re.compile(r"T.*(Z|[+-]\d\d:\d\d)$")

if TYPE_CHECKING:
    from lacustre.views.expressions import Binder, Scope


def bind_equality(binder: Binder, node: ast.Binary, left: Value, right: Value) -> Value:
    """`=` and `!=`."""
    quantities = compare_quantities(binder, node, left, right)
    if quantities is not None:
        return quantities
    check_equality(node.operator, left, right, node.operator_span, _literal_hint(left, right))
    _refuse_day_and_zone(node, left, right)
    if is_element(left) or is_element(right):
        return compare_elements(binder.navigator, left, right, negated=node.operator == "!=")
    if left.many or right.many:
        return CompareLists(left, right, node.operator == "!=")
    return Compare(cast(CompareOperator, node.operator), left, right)


def _refuse_day_and_zone(node: ast.Binary, left: Value, right: Value) -> None:
    """`birthDate = @1974-12-25T12:34:00Z` is never true; whether it is false or empty is disputed."""
    for day, moment in ((left, right), (right, left)):
        if day.type == "date" and isinstance(moment, Literal) and _ZONED.search(str(moment.value)):
            message = f"`{node.operator}` of a date and a moment in a time zone is not supported"
            raise RefusedError("unsupported_operator", message, f"write @{str(moment.value)[:10]}", node.operator_span)


def bind_equivalence(binder: Binder, node: ast.Binary, left: Value, right: Value) -> Value:
    """`~` and `!~`: never empty; nothing is equivalent to nothing."""
    quantities = compare_quantities(binder, node, left, right)
    if quantities is not None:
        return quantities
    check_equality(node.operator, left, right, node.operator_span, _literal_hint(left, right))
    for side in (left, right):
        if is_element(side):
            message = f"`{node.operator}` of {side.type} values is not supported"
            raise RefusedError("unsupported_operator", message, "compare its elements", node.operator_span)
    if left.many and right.many and kind_of(left.type) not in ("text", "boolean", "integer"):
        message = f"`{node.operator}` of collections of {left.type} is not supported"
        raise RefusedError("unsupported_operator", message, "compare single values", node.operator_span)
    neither = Logic("and", (Exists(left, negated=True), Exists(right, negated=True)))
    as_many = (Compare("=", Count(left), Count(right)),) if left.many or right.many else ()
    both = Logic("and", (Exists(left), Exists(right), *as_many, _equivalent(left, right)))
    found = Logic("or", (neither, both))
    return Not(found) if node.operator == "!~" else found


def _equivalent(left: Value, right: Value) -> Value:
    """Equivalence of sides with as many items."""
    if left.many and right.many:
        return Equivalent(left, right)
    return Equivalent(*(Pick(side, 0) if side.many else side for side in (left, right)))


def bind_comparison(binder: Binder, node: ast.Binary, left: Value, right: Value, scope: Scope) -> Value:
    """`<`, `<=`, `>` and `>=`."""
    quantities = compare_quantities(binder, node, left, right)
    if quantities is not None:
        return quantities
    _check_ordered(node, left, right)
    operator = cast(CompareOperator, node.operator)
    return Compare(operator, binder.single(left, scope), binder.single(right, scope))


def bind_membership(binder: Binder, node: ast.Binary, left: Value, right: Value, scope: Scope) -> Value:
    """`in` and `contains`: empty where the item is, false where the collection is."""
    item, source = (left, right) if node.operator == "in" else (right, left)
    check_equality(node.operator, item, source, node.operator_span, _literal_hint(item, source))
    single = binder.single(item, scope)
    found = among(binder.navigator, single, source)
    return found if isinstance(single, Literal) else Guard(Exists(single), found)


def bind_logic(binder: Binder, node: ast.Binary, left: Value, right: Value, scope: Scope) -> Value:
    """`xor` and `implies`; `and` and `or` are chains."""
    first, second = binder.boolean(left, scope), binder.boolean(right, scope)
    if node.operator == "implies":
        return Logic("or", (Not(first), second))
    return Compare("!=", first, second)


def _check_ordered(node: ast.Binary, left: Value, right: Value) -> None:
    refuse_choice(left)
    refuse_choice(right)
    if UNKNOWN in (left.type, right.type):
        return
    if not are_comparable(left.type, right.type):
        message, hint = f"{left.type} and {right.type} are not comparable", _literal_hint(left, right)
        for side in (left, right):
            if is_element(side):
                message, hint = f"values of type {side.type} have no order", "compare its elements"
        raise RefusedError("not_comparable", message, hint, node.operator_span)
    if "boolean" in (left.type, right.type):
        raise RefusedError("not_comparable", "booleans have no order", span=node.operator_span)


def _literal_hint(left: Value, right: Value) -> str | None:
    """`'1970-01-01'` where `@1970-01-01` was meant."""
    for literal, other in ((left, right), (right, left)):
        if isinstance(literal, Literal) and literal.type == "string":
            match kind_of(other.type):
                case "date" | "dateTime" | "instant":
                    return f"write @{literal.value}"
                case "time":
                    return f"write @T{literal.value}"
                case "boolean" | "integer" | "decimal":
                    return f"write {literal.value} without quotes"
    return None

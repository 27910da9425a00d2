"""The operators of FHIRPath (N1 §6) over collections of nodes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

from support.oracle import temporal
from support.oracle.nodes import Node, Nodes, Scope, boolean, member_nodes, number, optional, plain, scalar, string
from support.oracle.parser import OracleError
from support.oracle.scalars import divide_whole, remainder

EXACT = Context(prec=80)


def negate(nodes: Nodes) -> Nodes:
    value = scalar(nodes, "Integer", "Decimal")
    return calculated(None if value is None else -value)


def calculated(value: int | Decimal | None) -> Nodes:
    """A number, or nothing where an integer has more than 32 bits (FHIRPath N1 §6.6)."""
    overflow = isinstance(value, int) and not -(2**31) <= value < 2**31
    return [] if value is None or overflow else [number(value)]


def arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Nodes, Nodes, Scope], Nodes]:
    def apply(left: Nodes, right: Nodes, scope: Scope) -> Nodes:
        a, b = scalar(left, "Integer", "Decimal"), scalar(right, "Integer", "Decimal")
        if a is None or b is None:
            return []
        if isinstance(a, Decimal) or isinstance(b, Decimal):
            a, b = Decimal(a), Decimal(b)
        with localcontext(EXACT):
            return calculated(operation(a, b))

    return apply


def divide(a: int | Decimal, b: int | Decimal) -> Decimal | None:
    return Decimal(a) / Decimal(b) if b else None


def add(left: Nodes, right: Nodes, scope: Scope) -> Nodes:
    if any(node.kind == "String" for node in (*left, *right)):
        a, b = scalar(left, "String"), scalar(right, "String")
        return optional(string, None if a is None or b is None else a + b)
    return arithmetic(lambda a, b: a + b)(left, right, scope)


def concatenate(left: Nodes, right: Nodes, scope: Scope) -> Nodes:
    return [string((scalar(left, "String") or "") + (scalar(right, "String") or ""))]


def equal(left: Nodes, right: Nodes, scope: Scope) -> bool | None:
    """Three-valued: None where a side is empty, has no value, or where precisions leave it open."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    return all_of([equal_items(a, b, scope) for a, b in zip(left, right, strict=True)])


def all_of(truths: Sequence[bool | None]) -> bool | None:
    return False if False in truths else None if None in truths else True


def equal_items(a: Node, b: Node, scope: Scope) -> bool | None:
    if a.value is None or b.value is None:
        return None
    if a.kind is None and b.kind is None:
        return equal_elements(a, b, scope)
    order = compare_items(a, b, scope) if comparable(a, b) else NOT_COMPARABLE
    if order is NOT_COMPARABLE:
        return a.kind == b.kind and a.value == b.value
    return None if order is None else order == 0


def equal_elements(a: Node, b: Node, scope: Scope) -> bool | None:
    """Recursively equal children (FHIRPath N1 §6.1.1), by their JSON members."""
    if scope.model.is_a(a.type, "Resource"):
        raise OracleError("resources are not compared")
    names = sorted({name.removeprefix("_") for name in (*a.value, *b.value)})
    return all_of([equal_members(a, b, name, scope) for name in names])


def equal_members(a: Node, b: Node, name: str, scope: Scope) -> bool | None:
    _, type_ = scope.model.type(a.type).members[name]
    left, right = (list(member_nodes(n.value.get(name), n.value.get(f"_{name}"), type_)) for n in (a, b))
    if len(left) != len(right):
        return False
    return all_of([equal_parts(x, y, scope) for x, y in zip(left, right, strict=True)])


def equal_parts(a: Node, b: Node, scope: Scope) -> bool | None:
    """As `equal_items`, of children: those without a value are alike, and so is what is spelled alike."""
    if a.kind is None:
        return equal_elements(a, b, scope)
    extras = [Node(dict(n.extra or {}), "Element") for n in (a, b)]
    same = (a.value == b.value and type(a.value) is type(b.value)) or (
        False if a.value is None or b.value is None else equal_items(a, b, scope)
    )
    return all_of([same, equal_elements(*extras, scope)])


def is_among(node: Node, others: Nodes, scope: Scope) -> bool:
    return any(equal_items(node, other, scope) for other in others)


NOT_COMPARABLE = "not comparable"
NUMBERS = {"Integer", "Decimal"}
DATES = {"Date", "DateTime"}


def comparable(a: Node, b: Node) -> bool:
    kinds = {a.kind, b.kind}
    return kinds <= NUMBERS or kinds <= DATES or kinds in ({"String"}, {"Time"})


def compare_items(a: Node, b: Node, scope: Scope) -> Any:
    if a.kind in DATES:
        return temporal.compare(a.value, b.value, scope.zone)
    if a.kind == "Time":
        return temporal.compare_times(a.value, b.value)
    x, y = plain(a), plain(b)
    return (x > y) - (x < y)


def ordering(accept: Callable[[int], bool]) -> Callable[[Nodes, Nodes, Scope], Nodes]:
    def apply(left: Nodes, right: Nodes, scope: Scope) -> Nodes:
        if len(left) > 1 or len(right) > 1:
            raise OracleError("a comparison needs single items")
        if not left or not right or left[0].value is None or right[0].value is None:
            return []
        if not comparable(left[0], right[0]):
            raise OracleError(f"{left[0].type} and {right[0].type} cannot be compared")
        order = compare_items(left[0], right[0], scope)
        return optional(boolean, None if order is None else accept(order))

    return apply


def logic(table: Callable[[bool | None, bool | None], bool | None]) -> Callable[[Nodes, Nodes, Scope], Nodes]:
    def apply(left: Nodes, right: Nodes, scope: Scope) -> Nodes:
        return optional(boolean, table(scalar(left, "Boolean"), scalar(right, "Boolean")))

    return apply


def either(a: bool | None, b: bool | None) -> bool | None:
    return invert(all_of([invert(a), invert(b)]))


def invert(a: bool | None) -> bool | None:
    return None if a is None else not a


def union(left: Nodes, right: Nodes, scope: Scope) -> Nodes:
    found: Nodes = []
    for node in (*left, *right):
        if not any(equal_items(node, other, scope) for other in found):
            found.append(node)
    return found


def membership(item: Nodes, others: Nodes, scope: Scope) -> Nodes:
    if len(item) > 1:
        raise OracleError("one item is in a collection")
    return [boolean(is_among(node, others, scope)) for node in item]


def equivalent(left: Nodes, right: Nodes, scope: Scope) -> bool:
    if len(left) != len(right):
        return False
    if len(left) < 2:
        return all(equivalent_items(a, b, scope) for a, b in zip(left, right, strict=True))
    if any(node.kind not in {"String", "Integer", "Boolean"} for node in (*left, *right)):
        raise OracleError("of several items texts, integers and booleans are equivalent")
    keys = [sorted(str(normal(node)) for node in side if node.value is not None) for side in (left, right)]
    return keys[0] == keys[1]


def normal(node: Node) -> Any:
    """Letters of one case, white space of one kind (FHIRPath N1 §6.1.2)."""
    return re.sub(r"[ \t\r\n]", " ", node.value).lower() if node.kind == "String" else plain(node)


def equivalent_items(a: Node, b: Node, scope: Scope) -> bool:
    if a.value is None or b.value is None:
        return False
    if a.kind is None or b.kind is None:
        raise OracleError("elements are not compared by ~")
    if "Decimal" in {a.kind, b.kind} and {a.kind, b.kind} <= NUMBERS:
        return equal_to_least_precise(Decimal(plain(a)), Decimal(plain(b)))
    if {a.kind, b.kind} in ({"String"}, {"Integer"}, {"Boolean"}):
        return bool(normal(a) == normal(b))
    return comparable(a, b) and compare_items(a, b, scope) == 0


def equal_to_least_precise(a: Decimal, b: Decimal) -> bool:
    with localcontext(Context(prec=200)):
        places = min(max(0, -int(number.normalize().as_tuple().exponent)) for number in (a, b))
        unit = Decimal(1).scaleb(-places)
        return a.quantize(unit, ROUND_HALF_UP) == b.quantize(unit, ROUND_HALF_UP)


OPERATORS: dict[str, Callable[[Nodes, Nodes, Scope], Nodes]] = {
    "+": add,
    "-": arithmetic(lambda a, b: a - b),
    "*": arithmetic(lambda a, b: a * b),
    "/": arithmetic(divide),
    "div": arithmetic(divide_whole),
    "mod": arithmetic(remainder),
    "&": concatenate,
    "=": lambda a, b, scope: optional(boolean, equal(a, b, scope)),
    "!=": lambda a, b, scope: optional(boolean, invert(equal(a, b, scope))),
    "<": ordering(lambda order: order < 0),
    ">": ordering(lambda order: order > 0),
    "<=": ordering(lambda order: order <= 0),
    ">=": ordering(lambda order: order >= 0),
    "and": logic(lambda a, b: all_of([a, b])),
    "or": logic(either),
    "xor": logic(lambda a, b: None if a is None or b is None else a != b),
    "implies": logic(lambda a, b: either(invert(a), b)),
    "|": union,
    "in": membership,
    "contains": lambda a, b, scope: membership(b, a, scope),
    "~": lambda a, b, scope: [boolean(equivalent(a, b, scope))],
    "!~": lambda a, b, scope: [boolean(not equivalent(a, b, scope))],
}

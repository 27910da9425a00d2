"""The functions of FHIRPath (N1 §5) and of SQL on FHIR that take their arguments as collections."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

from lacustre.fhir.model import JSON_KINDS
from support.oracle import temporal
from support.oracle.nodes import (
    RESOURCE,
    SYSTEM_TYPES,
    Node,
    Nodes,
    Scope,
    boolean,
    concrete_type,
    has_type,
    integer,
    number,
    optional,
    scalar,
    string,
    type_test,
)
from support.oracle.operators import EXACT, invert
from support.oracle.parser import OracleError
from support.oracle.scalars import SCALARS


def of_type(nodes: Nodes, name: str, *, scope: Scope) -> Nodes:
    return [node for node in nodes if has_type(node, name, scope.model)]


def extension(nodes: Nodes, url: Nodes) -> Nodes:
    wanted = scalar(url, "String")
    found = []
    for node in nodes:
        members = node.extra if node.type in JSON_KINDS else node.value
        found += [e for e in (members or {}).get("extension", []) if e.get("url") == wanted]
    return [Node(value, "Extension") for value in found]


def single(nodes: Nodes) -> Nodes:
    if len(nodes) > 1:
        raise OracleError("single() of several items")
    return nodes


def join(nodes: Nodes, separator: Nodes | None = None) -> Nodes:
    between = "" if separator is None else scalar(separator, "String")
    texts = [scalar([node], "String") for node in nodes if node.value is not None]
    return [string(between.join(texts))] if texts and between is not None else []


def to_string(nodes: Nodes) -> Nodes:
    value = scalar(nodes, *SYSTEM_TYPES)
    match value:
        case None:
            return []
        case bool():
            return [string("true" if value else "false")]
        case Decimal():
            return [string(f"{value:f}")]
    return [string(str(value))]


def substring(nodes: Nodes, start: Nodes, length: Nodes | None = None) -> Nodes:
    text, first = scalar(nodes, "String"), scalar(start, "Integer")
    if text is None or first is None or not 0 <= first < len(text):
        return []
    count = None if length is None else scalar(length, "Integer")
    return [string(text[first:] if count is None else text[first : first + max(count, 0)])]


def text_test(test: Callable[[str, str], bool]) -> Callable[[Nodes, Nodes], Nodes]:
    def apply(nodes: Nodes, argument: Nodes) -> Nodes:
        text, other = scalar(nodes, "String"), scalar(argument, "String")
        return optional(boolean, None if text is None or other is None else test(text, other))

    return apply


def boundary(high: bool) -> Callable[..., Nodes]:
    def apply(nodes: Nodes, precision: Nodes | None = None) -> Nodes:
        value = scalar(nodes, *SYSTEM_TYPES)
        digits = None if precision is None else scalar(precision, "Integer")
        if value is None or (precision is not None and digits is None):
            return []
        return one_boundary(value, str(nodes[0].kind), high, digits)

    return apply


def one_boundary(value: Any, kind: str, high: bool, digits: int | None) -> Nodes:
    match kind:
        case "Decimal" | "Integer":
            return optional(number, decimal_boundary(Decimal(value), high, digits))
        case "Date":
            found = temporal.date_boundary(value, high, digits)
        case "DateTime":
            found = temporal.date_time_boundary(value, high, digits)
        case "Time":
            found = temporal.time_boundary(value, high, digits)
        case _:
            return []
    return optional(lambda text: Node(text, f"System.{kind}"), found)


def decimal_boundary(value: Decimal, high: bool, digits: int | None) -> Decimal | None:
    """The end of the interval that a decimal of this scale stands for, cut to `digits` after the point."""
    digits = 8 if digits is None else digits
    if not 0 <= digits <= 31:
        return None
    with localcontext(EXACT):
        half = Decimal(5).scaleb(int(value.as_tuple().exponent) - 1)
        end = value + half if high else value - half
        return end.quantize(Decimal(1).scaleb(-digits), ROUND_CEILING if high else ROUND_FLOOR)


REFERENCE = re.compile(r"(?:https?://.+/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def resource_key(nodes: Nodes, *, scope: Scope) -> Nodes:
    if not all(scope.model.is_a(concrete_type(node), "Resource") for node in nodes):
        raise OracleError("getResourceKey() is a function of resources")
    return [string(node.value["id"]) for node in nodes if "id" in node.value]


def reference_key(nodes: Nodes, type_: str | None = None, *, scope: Scope) -> Nodes:
    if type_ is not None and type_ not in scope.model.resource_types:
        raise OracleError(f"there is no resource type {type_}")
    if any(node.type != "Reference" for node in nodes):
        raise OracleError("getReferenceKey() is a function of references")
    texts = [node.value.get("reference") or "" for node in nodes]
    found = (local_key(text, type_, scope) if text.startswith("#") else literal_key(text, type_) for text in texts)
    return [string(key) for key in found if key is not None]


def literal_key(text: str, type_: str | None) -> str | None:
    match = REFERENCE.fullmatch(text)
    return match[2] if match and type_ in {None, match[1]} else None


def local_key(text: str, type_: str | None, scope: Scope) -> str | None:
    """The key of the resource of the row, or of the one that it contains under a local id."""
    row = scope.variables[RESOURCE].value if RESOURCE in scope.variables else {}
    contained = row.get("contained")
    items = contained if isinstance(contained, list) else []
    named = [item for item in items if isinstance(item, dict) and item.get("id") == text[1:]]
    if len(named) != 1 or type_ not in {None, named[0].get("resourceType")}:
        return None
    return f"{row['resourceType']}/{row['id']}{text}"


TYPED: dict[str, Callable[..., Nodes]] = {
    "ofType": of_type,
    "is": lambda nodes, name, scope: type_test("is", nodes, name, scope.model),
    "as": lambda nodes, name, scope: type_test("as", nodes, name, scope.model),
    "getResourceKey": resource_key,
    "getReferenceKey": reference_key,
}

FUNCTIONS: dict[str, tuple[Callable[..., Nodes], range]] = {
    "empty": (lambda nodes: [boolean(not nodes)], range(1)),
    "not": (lambda nodes: optional(boolean, invert(scalar(nodes, "Boolean"))), range(1)),
    "count": (lambda nodes: [integer(len(nodes))], range(1)),
    "first": (lambda nodes: nodes[:1], range(1)),
    "last": (lambda nodes: nodes[-1:], range(1)),
    "single": (single, range(1)),
    "extension": (extension, range(1, 2)),
    "join": (join, range(2)),
    "toString": (to_string, range(1)),
    "substring": (substring, range(1, 3)),
    "startsWith": (text_test(str.startswith), range(1, 2)),
    "endsWith": (text_test(str.endswith), range(1, 2)),
    "contains": (text_test(lambda text, other: other in text), range(1, 2)),
    "lowBoundary": (boundary(False), range(2)),
    "highBoundary": (boundary(True), range(2)),
} | SCALARS

"""What the oracle computes with: typed nodes of FHIR JSON, and the steps between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from decimal import Decimal
from itertools import zip_longest
from typing import Any, TypeAlias

from lacustre.fhir.model import JSON_KINDS, FhirModel
from support.oracle.parser import OracleError

SYSTEM_TYPES = ("Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity")

KINDS = {
    "positiveInt": "Integer",
    "unsignedInt": "Integer",
    "integer64": "Integer",
    "instant": "DateTime",
} | {name[0].lower() + name[1:]: name for name in SYSTEM_TYPES if name != "Quantity"}
"""The system type that a FHIR primitive converts to; all others are strings."""


RESOURCE = "%resource"
"""The resource of the row, which local references are of; outside of a view there is none."""


@dataclass(frozen=True)
class Node:
    """A value with its type: a FHIR type, or `System.…` for literals and results.

    `value` is None for a primitive that has only an id or extensions; `extra` is what `_name` holds.
    """

    value: Any
    type: str
    extra: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str | None:
        """The system type it takes part in operations as; None for complex values."""
        if self.type.startswith("System."):
            return self.type.removeprefix("System.")
        return KINDS.get(self.type, "String") if self.type in JSON_KINDS else None


Nodes: TypeAlias = list[Node]


@dataclass(frozen=True)
class Scope:
    """What an expression is evaluated in, besides its focus.

    Under `lenient` an element that the type does not have is empty: the paths of a `repeat` are all tried on
    every node, whatever its type. Elsewhere it is an error. Under `lazy` a fault counts only where the result
    depends on it: not in an operand where the other one decides, not in a row that a sibling leaves out.
    """

    model: FhirModel
    variables: Mapping[str, Node]
    zone: tzinfo = UTC
    lenient: bool = False
    lazy: bool = False
    index: int | None = None
    total: Nodes | None = None


def with_row_index(scope: Scope, index: int) -> Scope:
    return replace(scope, variables={**scope.variables, "%rowIndex": integer(index)})


def of_row(scope: Scope, resource: Node) -> Scope:
    return replace(scope, variables={**scope.variables, RESOURCE: resource})


# Navigation


def root_step(node: Node, name: str, scope: Scope) -> Iterator[Node]:
    """The first name of a path may be the type of the focus: `Patient.name`."""
    if name[0].isupper() and scope.model.has_type(name):
        if has_type(node, name, scope.model):
            yield node
    else:
        yield from children(node, name, scope)


def concrete_type(node: Node) -> str:
    return node.value.get("resourceType", node.type) if isinstance(node.value, Mapping) else node.type


def children(node: Node, name: str, scope: Scope) -> Iterator[Node]:
    if node.type.startswith("System."):
        raise OracleError(f"{node.type} has no members")
    primitive = node.type in JSON_KINDS
    members = (node.extra or {}) if primitive else node.value
    element = scope.model.element("Element" if primitive else concrete_type(node), name)
    if element is None and not scope.lenient:
        raise OracleError(f"{node.type} has no element {name}")
    for member, type_ in element.json_names if element else ():
        yield from member_nodes(members.get(member), members.get(f"_{member}"), type_)


def member_nodes(value: Any, extra: Any, type_: str) -> Iterator[Node]:
    values = value if isinstance(value, list) else [value]
    extras = extra if isinstance(extra, list) else [extra]
    for item, other in zip_longest(values, extras):
        if item is not None or other is not None:
            yield Node(item, type_, other)


def type_test(operator: str, nodes: Nodes, name: str, model: FhirModel) -> Nodes:
    if len(nodes) > 1:
        raise OracleError(f"{operator} needs one item")
    matching = [node for node in nodes if has_type(node, name, model)]
    return matching if operator == "as" else [boolean(bool(matching)) for _ in nodes]


def has_type(node: Node, name: str, model: FhirModel) -> bool:
    """Whether the node is of that type or of one derived from it; an unqualified name is FHIR's first."""
    space, _, bare = name.rpartition(".")
    if space != "System" and model.has_type(bare):
        return not node.type.startswith("System.") and model.is_a(concrete_type(node), bare)
    if space == "FHIR" or bare not in SYSTEM_TYPES:
        raise OracleError(f"there is no type {name}")
    return node.type == f"System.{bare}"


# Single values


def scalar(nodes: Nodes, *kinds: str) -> Any:
    """The value of a collection of at most one, of one of these kinds; None where there is none."""
    if len(nodes) > 1:
        raise OracleError(f"one item expected, there are {len(nodes)}")
    if not nodes or nodes[0].value is None:
        return None
    if nodes[0].kind not in kinds:
        raise OracleError(f"{' or '.join(kinds)} expected, not {nodes[0].type}")
    return plain(nodes[0])


def plain(node: Node) -> Any:
    """The value in the Python type that its kind calculates with."""
    match node.kind:
        case "Decimal":
            return Decimal(node.value)
        case "Integer":
            return int(node.value)
    return node.value


def boolean(value: bool) -> Node:
    return Node(value, "System.Boolean")


def integer(value: int) -> Node:
    return Node(value, "System.Integer")


def string(value: str) -> Node:
    return Node(value, "System.String")


def number(value: int | Decimal) -> Node:
    return Node(value, "System.Decimal" if isinstance(value, Decimal) else "System.Integer")


def optional(make: Callable[[Any], Node], value: Any) -> Nodes:
    return [] if value is None else [make(value)]

"""The functions of FHIRPath over collections (N1 §5.1 to §5.4, §7): one item after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from support.oracle.nodes import Node, Nodes, Scope, boolean, scalar
from support.oracle.operators import equal_items, is_among
from support.oracle.parser import OracleError, Tree

Evaluate: TypeAlias = Callable[[Tree, Nodes, Scope], Nodes]
"""An expression on a focus."""

IsTrue: TypeAlias = Callable[[Tree, Nodes, Scope], bool]
"""Whether a criteria holds for a focus."""

Function: TypeAlias = Callable[[Nodes, Scope, tuple[Tree, ...], Nodes, Evaluate, IsTrue], Nodes]
"""Input, scope, arguments, the focus of what is around the call, and how expressions are evaluated."""


def on_item(scope: Scope, index: int) -> Scope:
    return replace(scope, index=index)


def all_(nodes: Nodes, scope: Scope, arguments: tuple[Tree, ...], focus: Nodes, _: Evaluate, is_true: IsTrue) -> Nodes:
    truths = [is_true(arguments[0], [node], on_item(scope, index)) for index, node in enumerate(nodes)]
    return [boolean(all(truths))]


def select(
    nodes: Nodes, scope: Scope, arguments: tuple[Tree, ...], focus: Nodes, evaluate: Evaluate, is_true: IsTrue
) -> Nodes:
    found = [evaluate(arguments[0], [node], on_item(scope, index)) for index, node in enumerate(nodes)]
    return [node for projected in found for node in projected]


def repeat(
    nodes: Nodes, scope: Scope, arguments: tuple[Tree, ...], focus: Nodes, evaluate: Evaluate, is_true: IsTrue
) -> Nodes:
    found: Nodes = []

    def follow(node: Node) -> None:
        for below in evaluate(arguments[0], [node], scope):
            if not is_among(below, found, scope):
                found.append(below)
                follow(below)

    for node in nodes:
        follow(node)
    return found


def aggregate(
    nodes: Nodes, scope: Scope, arguments: tuple[Tree, ...], focus: Nodes, evaluate: Evaluate, is_true: IsTrue
) -> Nodes:
    total = evaluate(arguments[1], focus, scope) if len(arguments) > 1 else []
    for node in nodes:
        total = evaluate(arguments[0], [node], replace(scope, total=total))
        if len(total) > 1:
            raise OracleError("aggregate() gives one item")
    return total


def iif(
    nodes: Nodes, scope: Scope, arguments: tuple[Tree, ...], focus: Nodes, evaluate: Evaluate, is_true: IsTrue
) -> Nodes:
    if len(nodes) > 1:
        raise OracleError("iif() stands on one item")
    try:
        chosen = is_true(arguments[0], nodes, scope)
    except OracleError:
        if scope.lazy and not any(evaluate(result, focus, scope) for result in arguments[1:]):
            return []  # whatever the criterion comes to
        raise
    if chosen:
        return evaluate(arguments[1], focus, scope)
    return evaluate(arguments[2], focus, scope) if len(arguments) > 2 else []


def trace(
    nodes: Nodes, scope: Scope, arguments: tuple[Tree, ...], focus: Nodes, evaluate: Evaluate, is_true: IsTrue
) -> Nodes:
    scalar(evaluate(arguments[0], focus, scope), "String")
    return nodes


def with_other(function: Callable[[Nodes, Nodes, Scope], Nodes]) -> Function:
    """A function whose argument is another collection."""

    def apply(
        nodes: Nodes, scope: Scope, arguments: tuple[Tree, ...], focus: Nodes, evaluate: Evaluate, is_true: IsTrue
    ) -> Nodes:
        return function(nodes, evaluate(arguments[0], focus, scope), scope)

    return apply


def without_arguments(function: Callable[[Nodes, Scope], Nodes]) -> Function:
    return lambda nodes, scope, arguments, focus, evaluate, is_true: function(nodes, scope)


def truths(nodes: Nodes) -> list[bool | None]:
    if any(node.kind != "Boolean" for node in nodes):
        raise OracleError("booleans expected")
    return [node.value for node in nodes]


def distinct(nodes: Nodes, scope: Scope) -> Nodes:
    found: Nodes = []
    for node in nodes:
        if not is_among(node, found, scope):
            found.append(node)
    return found


def is_within(part: Nodes, whole: Nodes, scope: Scope) -> Nodes:
    return [boolean(all(is_among(node, whole, scope) for node in part))]


def cut(taken: Callable[[Nodes, int], Nodes]) -> Callable[[Nodes, Nodes, Scope], Nodes]:
    def apply(nodes: Nodes, number: Nodes, scope: Scope) -> Nodes:
        count = scalar(number, "Integer")
        return [] if count is None else taken(nodes, max(count, 0))

    return apply


def has_value(nodes: Nodes, scope: Scope) -> Nodes:
    return [boolean(len(nodes) == 1 and nodes[0].kind is not None and nodes[0].value is not None)]


def get_value(nodes: Nodes, scope: Scope) -> Nodes:
    if has_value(nodes, scope) == [boolean(False)]:
        return []
    return [Node(nodes[0].value, f"System.{nodes[0].kind}")]


def is_distinct(nodes: Nodes, scope: Scope) -> Nodes:
    pairs = ((a, b) for index, a in enumerate(nodes) for b in nodes[:index])
    return [boolean(not any(equal_items(a, b, scope) for a, b in pairs))]


ITERATED: dict[str, tuple[Function, range]] = {
    "all": (all_, range(1, 2)),
    "select": (select, range(1, 2)),
    "repeat": (repeat, range(1, 2)),
    "aggregate": (aggregate, range(1, 3)),
    "iif": (iif, range(2, 4)),
    "trace": (trace, range(1, 3)),
    "allTrue": (without_arguments(lambda nodes, _: [boolean(all(t is True for t in truths(nodes)))]), range(1)),
    "allFalse": (without_arguments(lambda nodes, _: [boolean(all(t is False for t in truths(nodes)))]), range(1)),
    "anyTrue": (without_arguments(lambda nodes, _: [boolean(any(t is True for t in truths(nodes)))]), range(1)),
    "anyFalse": (without_arguments(lambda nodes, _: [boolean(any(t is False for t in truths(nodes)))]), range(1)),
    "distinct": (without_arguments(distinct), range(1)),
    "isDistinct": (without_arguments(is_distinct), range(1)),
    "tail": (without_arguments(lambda nodes, _: nodes[1:]), range(1)),
    "hasValue": (without_arguments(has_value), range(1)),
    "getValue": (without_arguments(get_value), range(1)),
    "skip": (with_other(cut(lambda nodes, count: nodes[count:])), range(1, 2)),
    "take": (with_other(cut(lambda nodes, count: nodes[:count])), range(1, 2)),
    "subsetOf": (with_other(is_within), range(1, 2)),
    "supersetOf": (with_other(lambda nodes, other, scope: is_within(other, nodes, scope)), range(1, 2)),
    "union": (with_other(lambda nodes, other, scope: distinct([*nodes, *other], scope)), range(1, 2)),
    "combine": (with_other(lambda nodes, other, _: [*nodes, *other]), range(1, 2)),
    "intersect": (
        with_other(lambda nodes, other, scope: distinct([n for n in nodes if is_among(n, other, scope)], scope)),
        range(1, 2),
    ),
    "exclude": (
        with_other(lambda nodes, other, scope: [n for n in nodes if not is_among(n, other, scope)]),
        range(1, 2),
    ),
}
"""The functions by name, with how many arguments they take."""

"""The oracle's FHIRPath: slow, plain, over parsed JSON, one node at a time (FHIRPath N1, FHIR §FHIRPath).

A primitive without a value (only id or extensions) is an element: `exists()`, `count()` and `[n]` see it.
Operators and functions take it as empty, and columns leave it out.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from support.oracle.functions import FUNCTIONS, TYPED
from support.oracle.iteration import ITERATED, on_item
from support.oracle.nodes import Node, Nodes, Scope, boolean, children, integer, root_step, scalar, type_test
from support.oracle.operators import OPERATORS, all_of, either, invert, negate
from support.oracle.parser import (
    Binary,
    Call,
    Empty,
    Index,
    Literal,
    Name,
    OracleError,
    Tree,
    TypeTest,
    Unary,
    Variable,
    parse_type,
)


def evaluate(tree: Tree, focus: Nodes, scope: Scope) -> Nodes:
    """The collection that an expression gives on a focus. Raises OracleError."""
    match tree:
        case Empty():
            return []
        case Literal(value, type_):
            return [Node(value, type_)]
        case Variable("$this"):
            return focus
        case Variable("$index") if scope.index is not None:
            return [integer(scope.index)]
        case Variable("$total") if scope.total is not None:
            return scope.total
        case Variable(name):
            return [lookup(name, scope)]
        case Name(None, name):
            return [child for node in focus for child in root_step(node, name, scope)]
        case Name(target, name):
            return [c for node in evaluate(target, focus, scope) for c in children(node, name, scope)]
        case Index(target, index):
            nodes = evaluate(target, focus, scope)
            position = scalar(evaluate(index, focus, scope), "Integer")
            return nodes[position : position + 1] if position is not None and position >= 0 else []
        case Call(target, name, arguments):
            return call(name, focus if target is None else evaluate(target, focus, scope), arguments, focus, scope)
        case TypeTest(operator, operand, type_):
            return type_test(operator, evaluate(operand, focus, scope), type_, scope.model)
        case Unary(sign, operand):
            return negate(evaluate(operand, focus, scope)) if sign == "-" else evaluate(operand, focus, scope)
        case Binary(operator, left, right) if scope.lazy:
            return lazy_binary(operator, [attempt(side, focus, scope) for side in (left, right)], scope)
        case Binary(operator, left, right):
            return OPERATORS[operator](evaluate(left, focus, scope), evaluate(right, focus, scope), scope)


def attempt(tree: Tree, focus: Nodes, scope: Scope) -> Nodes | OracleError:
    try:
        return evaluate(tree, focus, scope)
    except OracleError as fault:
        return fault


def lazy_binary(operator: str, sides: list[Nodes | OracleError], scope: Scope) -> Nodes:
    """The result where one side decides it whatever the other is (FHIRPath N1 §6.5: nothing is said of the order)."""
    if operator in {"and", "or"}:
        deciding = [boolean(operator == "or")]
        if any(values_of(side) == [operator == "or"] for side in sides):
            return deciding
    elif operator == "implies":
        if values_of(sides[0]) == [False] or values_of(sides[1]) == [True]:
            return [boolean(True)]
    elif operator in {"in", "contains"}:
        if sides[operator == "contains"] == []:
            return []
    elif operator not in {"&", "|", "~", "!~"} and [] in sides:
        return []
    left, right = [unfailing(side) for side in sides]
    return OPERATORS[operator](left, right, scope)


def values_of(side: Nodes | OracleError) -> list[Any]:
    return [] if isinstance(side, OracleError) else [node.value for node in side]


def unfailing(side: Nodes | OracleError) -> Nodes:
    if isinstance(side, OracleError):
        raise side
    return side


def lookup(name: str, scope: Scope) -> Node:
    if name not in scope.variables:
        raise OracleError(f"{name} is not defined")
    return scope.variables[name]


def call(name: str, nodes: Nodes, arguments: tuple[Tree, ...], focus: Nodes, scope: Scope) -> Nodes:
    """`nodes` is the input collection; `focus` is what arguments other than criteria are evaluated on."""
    if name in ITERATED:
        return ITERATED[name][0](nodes, scope, arguments, focus, evaluate, is_true)
    if name in CRITERIA:
        return CRITERIA[name](nodes, arguments, scope)
    if name in TYPED:
        return TYPED[name](nodes, *[parse_type(a) for a in arguments], scope=scope)
    given = [evaluate(argument, focus, scope) for argument in arguments]
    if scope.lazy and name == "substring" and any(node.value < 0 for node in given[0]):
        return []  # it lies outside of every string, and so of several
    return FUNCTIONS[name][0](nodes, *given)


def where(nodes: Nodes, arguments: tuple[Tree, ...], scope: Scope) -> Nodes:
    [criteria] = arguments
    return [node for index, node in enumerate(nodes) if is_true(criteria, [node], on_item(scope, index))]


def is_true(criteria: Tree, focus: Nodes, scope: Scope) -> bool:
    if scope.lazy and True not in possible_truths(criteria, focus, scope):
        return False
    return truth(evaluate(criteria, focus, scope)) is True


def truth(nodes: Nodes) -> bool | None:
    if any(node.kind != "Boolean" for node in nodes):
        raise OracleError("a criteria must be a boolean")
    found: bool | None = scalar(nodes, "Boolean")
    return found


def possible_truths(criteria: Tree, focus: Nodes, scope: Scope) -> set[bool | None]:
    """What a criteria may come to, if what cannot be evaluated were anything."""
    match criteria:
        case Binary("and" | "or" as operator, left, right):
            pairs = product(possible_truths(left, focus, scope), possible_truths(right, focus, scope))
            return {all_of(pair) if operator == "and" else either(*pair) for pair in pairs}
        case Call(Binary() | Call() as operand, "not", ()):
            return {invert(found) for found in possible_truths(operand, focus, scope)}
    try:
        return {truth(evaluate(criteria, focus, scope))}
    except OracleError:
        return {True, False, None}


def exists(nodes: Nodes, arguments: tuple[Tree, ...], scope: Scope) -> Nodes:
    return [boolean(bool(where(nodes, arguments, scope) if arguments else nodes))]


CRITERIA: dict[str, Callable[[Nodes, tuple[Tree, ...], Scope], Nodes]] = {"where": where, "exists": exists}

ARITIES = {name: arity for name, (_, arity) in (FUNCTIONS | ITERATED).items()} | {
    "where": range(1, 2),
    "exists": range(2),
    "ofType": range(1, 2),
    "is": range(1, 2),
    "as": range(1, 2),
    "getResourceKey": range(1),
    "getReferenceKey": range(2),
}
"""How many arguments each function takes."""


def check(tree: Tree, defined: set[str]) -> None:
    """Raise OracleError for functions, operators and variables that do not exist; `tree` is one node."""
    match tree:
        case Call(_, name, arguments) if len(arguments) not in ARITIES.get(name, ()):
            raise OracleError(f"there is no function {name} of {len(arguments)} arguments")
        case Binary(operator, _, _) if operator not in OPERATORS:
            raise OracleError(f"the operator {operator} is not supported")
        case Variable(name) if name not in defined | {"$index", "$total"}:
            raise OracleError(f"{name} is not defined")

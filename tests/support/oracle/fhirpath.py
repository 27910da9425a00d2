"""The oracle's FHIRPath: slow, plain, over parsed JSON, one node at a time (FHIRPath N1, FHIR §FHIRPath).

A primitive without a value (only id or extensions) is an element: `exists()`, `count()` and `[n]` see it.
Operators and functions take it as empty, and columns leave it out.
"""

from __future__ import annotations

from collections.abc import Callable

from support.oracle.functions import FUNCTIONS, TYPED
from support.oracle.nodes import Node, Nodes, Scope, boolean, children, root_step, scalar, type_test
from support.oracle.operators import OPERATORS, negate
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
        case Binary(operator, left, right):
            return OPERATORS[operator](evaluate(left, focus, scope), evaluate(right, focus, scope), scope)


def lookup(name: str, scope: Scope) -> Node:
    if name not in scope.variables:
        raise OracleError(f"{name} is not defined")
    return scope.variables[name]


def call(name: str, nodes: Nodes, arguments: tuple[Tree, ...], focus: Nodes, scope: Scope) -> Nodes:
    """`nodes` is the input collection; `focus` is what arguments other than criteria are evaluated on."""
    if name in CRITERIA:
        return CRITERIA[name](nodes, arguments, scope)
    if name in TYPED:
        return TYPED[name](nodes, *[parse_type(a) for a in arguments], scope=scope)
    return FUNCTIONS[name][0](nodes, *[evaluate(a, focus, scope) for a in arguments])


def where(nodes: Nodes, arguments: tuple[Tree, ...], scope: Scope) -> Nodes:
    [criteria] = arguments
    return [node for node in nodes if scalar(evaluate(criteria, [node], scope), "Boolean") is True]


def exists(nodes: Nodes, arguments: tuple[Tree, ...], scope: Scope) -> Nodes:
    return [boolean(bool(where(nodes, arguments, scope) if arguments else nodes))]


CRITERIA: dict[str, Callable[[Nodes, tuple[Tree, ...], Scope], Nodes]] = {"where": where, "exists": exists}

ARITIES = {name: arity for name, (_, arity) in FUNCTIONS.items()} | {
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
        case Variable(name) if name not in defined:
            raise OracleError(f"{name} is not defined")

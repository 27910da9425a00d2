"""Arithmetic (FHIRPath §6.6) as typed values: numbers, texts, and dates moved by durations."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import cast

from lacustre.fhirpath import ast
from lacustre.views.amounts import Amount, opposite
from lacustre.views.durations import shift_of
from lacustre.views.functions.quantities import amount_of, negated
from lacustre.views.ir import Apply, Arithmetic, ArithmeticOperator, Concat, Literal, Negate, Nothing, Value
from lacustre.views.navigation import RefusedError
from lacustre.views.types import SYSTEM_DATE_TIME, SYSTEM_QUANTITY, UNKNOWN, Kind, kind_of

_NUMBERS = frozenset({"integer", "integer64", "decimal"})
_TIMES = frozenset({"date", "dateTime", "instant", "time"})
_PRECISION = 400


def bind_arithmetic(node: ast.Binary, left: Value, right: Value) -> Value:
    """`+`, `-`, `*`, `/`, `div`, `mod` and `&` of single values."""
    kinds = {kind_of(operand.type) for operand in (left, right) if operand.type != UNKNOWN}
    if node.operator in ("+", "&") and kinds == {"text"}:
        return Concat((left, right), strict=node.operator == "+")
    if node.operator == "&" and not kinds:
        return Concat((left, right), strict=False)
    if node.operator != "&" and kinds <= _NUMBERS:
        operator = cast(ArithmeticOperator, node.operator)
        return Arithmetic(_result_type(operator, kinds), operator, left, right)
    return _bind_quantities(node, left, right)


def _bind_quantities(node: ast.Binary, left: Value, right: Value) -> Value:
    first, second = amount_of(left), amount_of(right)
    if node.operator in ("+", "-"):
        if kind_of(left.type) in _TIMES and right.type == UNKNOWN:
            return Nothing(left.type)
        if kind_of(left.type) in _TIMES and second is not None:
            return _moved(node, left, second)
        if first is not None and second is not None:
            return _added(node, first, second)
    if SYSTEM_QUANTITY in (left.type, right.type) or "Quantity" in (left.type, right.type):
        message = f"`{node.operator}` of {left.type} and {right.type} is not supported"
        hint = "a duration is written in the view, like 7 days; of other quantities calculate with `.value`"
        raise RefusedError("unsupported_operator", message, hint, node.operator_span)
    raise _refused(node, left, right)


def _refused(node: ast.Binary, left: Value, right: Value) -> RefusedError:
    types = " and ".join(operand.type or "nothing" for operand in (left, right))
    return RefusedError("type_mismatch", f"`{node.operator}` does not combine {types}", span=node.operator_span)


def _result_type(operator: ArithmeticOperator, kinds: set[Kind]) -> str:
    if operator == "div":
        return "integer64" if "integer64" in kinds and "decimal" not in kinds else "integer"
    if operator == "/" or "decimal" in kinds:
        return "decimal"
    return "integer64" if "integer64" in kinds else "integer"


def _moved(node: ast.Binary, left: Value, amount: Amount) -> Value:
    """A date or time moved by a duration."""
    literal = Literal(SYSTEM_QUANTITY, amount.text) if node.operator == "+" else negated(amount)
    kind = kind_of(left.type)
    fault = shift_of(amount).fault_with(kind)
    if fault is not None:
        message, hint = fault
        raise RefusedError("type_mismatch", message, hint, node.right.span)
    return Apply("add", _moved_type(left), left, (literal,))


def _moved_type(left: Value) -> str:
    """A literal without seconds keeps its precision, which no stored dateTime has."""
    if isinstance(left, Literal) and kind_of(left.type) == "dateTime" and len(str(left.value)) > 10:
        return SYSTEM_DATE_TIME
    return left.type


def _added(node: ast.Binary, left: Amount, right: Amount) -> Value:
    """The sum or difference of two quantities of one unit, worked out beforehand."""
    if (left.singular, left.calendar) != (right.singular, right.calendar):
        message = f"`{node.operator}` of {left.unit!r} and {right.unit!r} is not supported"
        raise RefusedError("unsupported_operator", message, "write both in one unit", node.operator_span)
    with localcontext(prec=_PRECISION):
        sign = 1 if node.operator == "+" else -1
        total = Decimal(left.magnitude) + sign * Decimal(right.magnitude)
    return Literal(SYSTEM_QUANTITY, Amount(f"{total:f}", left.unit, left.calendar).text)


def negate(operand: Value) -> Value:
    """The number or quantity with the other sign."""
    amount = amount_of(operand)
    if amount is not None:
        return negated(amount)
    if isinstance(operand, Literal):
        value = operand.value
        return Literal(operand.type, opposite(value) if isinstance(value, str) else -value)
    return Negate(operand)

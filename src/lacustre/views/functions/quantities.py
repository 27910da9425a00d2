"""Quantities: literals, and elements of type Quantity, compared by unit (FHIRPath §6.1.1, §6.2, §6.6).

An element takes part by its value and its UCUM code. One with a comparator (`<5 mg`) or without a UCUM code has no
known magnitude, so that what is asked of it is empty. FHIR reads the UCUM codes `a` and `mo` of elements as calendar
years and months.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from lacustre.fhirpath import ast
from lacustre.views.amounts import Amount, divisors_of, opposite, read_amount
from lacustre.views.ir import (
    FALSE,
    TRUE,
    Apply,
    Arithmetic,
    Coalesce,
    Compare,
    CompareOperator,
    Exists,
    Guard,
    Literal,
    Logic,
    Not,
    Nothing,
    Value,
)
from lacustre.views.items import Equivalent
from lacustre.views.navigation import RefusedError
from lacustre.views.types import CHOICE, SYSTEM_QUANTITY, UNKNOWN, kind_of
from lacustre.views.units import Measure, write_bound

if TYPE_CHECKING:
    from lacustre.views.expressions import Binder

UCUM = "http://unitsofmeasure.org"
_FLIPPED: Mapping[str, CompareOperator] = MappingProxyType({"<": ">", "<=": ">=", ">": "<", ">=": "<="})
_DECIDES: Mapping[str, Callable[[Fraction, Fraction], bool]] = MappingProxyType(
    {
        "=": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)


def bind_quantity(node: ast.Quantity) -> Value:
    """The literal of a quantity. Raises RefusedError for a unit that could not be written again."""
    if not node.calendar and (not node.unit or "'" in node.unit):
        raise RefusedError("unsupported_literal", f"{node.unit!r} is not a unit")
    return Literal(SYSTEM_QUANTITY, Amount(node.value, node.unit, node.calendar).text)


def amount_of(value: Value) -> Amount | None:
    """What a literal quantity says; None for every other value."""
    if not isinstance(value, Literal) or value.type != SYSTEM_QUANTITY:
        return None
    return read_amount(str(value.value))


def negated(amount: Amount) -> Value:
    """The literal with the other sign."""
    return Literal(SYSTEM_QUANTITY, Amount(opposite(amount.magnitude), amount.unit, amount.calendar).text)


def as_quantity(binder: Binder, single: Value) -> Value | None:
    """A single value as a quantity; None where it is none, and for a number, which would be a mere count."""
    if kind_of(single.type) == "quantity":
        return single
    if not _is_element(binder, single):
        return None
    element = _Element(binder, single)
    return Guard(element.condition, Apply("quantity", SYSTEM_QUANTITY, element.magnitude, (element.code,)))


def _is_element(binder: Binder, value: Value) -> bool:
    complex_type = value.type not in (UNKNOWN, CHOICE) and kind_of(value.type) == "complex"
    return complex_type and binder.navigator.model.is_a(value.type, "Quantity")


class _Element:
    """A single element of type Quantity, taken apart."""

    def __init__(self, binder: Binder, single: Value) -> None:
        member = binder.navigator.member
        self.magnitude = member(single, "value")
        self.code = member(single, "code")
        plain: tuple[Value, ...] = (Compare("=", member(single, "system"), Literal("uri", UCUM)),)
        if binder.navigator.model.element(single.type, "comparator") is not None:
            plain = (*plain, Exists(member(single, "comparator"), negated=True))
        self.condition = Logic("and", plain)


def compare_quantities(binder: Binder, node: ast.Binary, left: Value, right: Value) -> Value | None:
    """A comparison in which a side is a quantity, or both are elements that have an order; None for all others.

    Raises RefusedError for units that are known not to measure the same.
    """
    if not _is_comparison(binder, node.operator, left, right):
        return None
    amounts = amount_of(left), amount_of(right)
    match amounts:
        case (Amount() as first, Amount() as second):
            return _decided(node, first, second)
        case (Amount() as amount, None):
            return _compare_with(binder, node, right, amount, flipped=True)
        case (None, Amount() as amount):
            return _compare_with(binder, node, left, amount, flipped=False)
        case _:
            return _compare_both(binder, node, left, right)


def _is_comparison(binder: Binder, symbol: str, left: Value, right: Value) -> bool:
    sides = (left, right)
    if UNKNOWN in (left.type, right.type):
        return False
    quantities = [side for side in sides if kind_of(side.type) == "quantity"]
    elements = [side for side in sides if _is_element(binder, side)]
    choices = [side for side in sides if side.type == CHOICE]
    if quantities:
        return len(quantities) + len(elements) + len(choices) == len(sides)
    return len(elements) == len(sides) and symbol in _FLIPPED


def _decided(node: ast.Binary, left: Amount, right: Amount) -> Value:
    """Two literals, compared beforehand."""
    same = left.singular == right.singular and left.calendar == right.calendar
    values = Fraction(left.magnitude), Fraction(right.magnitude)
    if not same:
        measures = left.measure, right.measure
        if measures[0] is None or measures[1] is None or measures[0].dimension != measures[1].dimension:
            raise _not_commensurable(node, left.unit, right.unit)
        values = values[0] * measures[0].factor, values[1] * measures[1].factor
    if node.operator in _DECIDES:
        return TRUE if _DECIDES[node.operator](*values) else FALSE
    unit = Fraction(1) if same else cast(Measure, left.measure).factor
    equivalent = _equivalent(values[0] / unit, values[1] / unit)
    return TRUE if equivalent == (node.operator == "~") else FALSE


def _equivalent(left: Fraction, right: Fraction) -> bool:
    """Equality to the places of the less precise, trailing zeros not counted (FHIRPath §6.1.3)."""
    places = min(len(write_bound(side).partition(".")[2].rstrip("0")) for side in (left, right))
    scale = 10**places
    return _rounded(left * scale) == _rounded(right * scale)


def _rounded(value: Fraction) -> int:
    whole = int(abs(value) + Fraction(1, 2))
    return -whole if value < 0 else whole


def _not_commensurable(node: ast.Binary, left: str, right: str) -> RefusedError:
    message = f"`{node.operator}` of {left!r} and {right!r}, which are not known to measure the same"
    return RefusedError("unsupported_operator", message, "compare quantities of the same unit", node.operator_span)


def _compare_with(binder: Binder, node: ast.Binary, other: Value, amount: Amount, *, flipped: bool) -> Value:
    """Compares with a literal, which is brought to the unit of each row."""
    _refuse_many(node, other)
    if other.type == CHOICE:
        return _compare_choice(binder, node, other, amount, flipped=flipped)
    if _is_element(binder, other):
        element = _Element(binder, other)
        judged = _judged(node, element.magnitude, element.code, amount, flipped=flipped)
        found: Value = Guard(element.condition, judged)
    else:
        unit, magnitude = Apply("unit", "string", other), Apply("magnitude", "decimal", other)
        found = _judged(node, magnitude, unit, amount, flipped=flipped)
    if node.operator in _DECIDES:
        return found
    equivalent = Coalesce("boolean", (found, FALSE))
    return Not(equivalent) if node.operator == "!~" else equivalent


def _judged(node: ast.Binary, magnitude: Value, unit: Value, amount: Amount, *, flipped: bool) -> Value:
    def looked_up(table: str) -> Value:
        return Apply("bound", "decimal", unit, (Literal(SYSTEM_QUANTITY, amount.text), Literal("code", table)))

    if node.operator not in _DECIDES:
        scaled = Arithmetic("decimal", "*", magnitude, looked_up("scale"))
        if set(divisors_of(amount, element=unit.type == "code").values()) != {"1"}:
            scaled = Arithmetic("decimal", "/", scaled, looked_up("divisor"))
        return Equivalent(scaled, looked_up("limit"))
    symbol = cast(CompareOperator, node.operator)
    return Compare(_FLIPPED.get(symbol, symbol) if flipped else symbol, magnitude, looked_up("bound"))


def _compare_choice(binder: Binder, node: ast.Binary, other: Value, amount: Amount, *, flipped: bool) -> Value:
    """Of a choice element, a value of another type is not equal to a quantity."""
    if node.operator in _FLIPPED:
        raise RefusedError(
            "unsupported_operator", "only a Quantity has an order here", "add ofType(Quantity)", node.operator_span
        )
    quantity = binder.navigator.of_type(other, "Quantity")
    compared = _compare_with(binder, node, quantity, amount, flipped=flipped)
    another = Logic("and", (Exists(binder.navigator.presence(other)), Exists(quantity, negated=True)))
    different = TRUE if node.operator.startswith("!") else FALSE
    return Coalesce("boolean", (Guard(Exists(quantity), compared), Guard(another, different)))


def _refuse_many(node: ast.Binary, value: Value) -> None:
    if value.many:
        message = f"`{node.operator}` of several quantities is not supported"
        raise RefusedError("unsupported_operator", message, "compare each in where(…)", node.operator_span)


def _compare_both(binder: Binder, node: ast.Binary, left: Value, right: Value) -> Value:
    """Two quantities of which none is known beforehand: those of the same unit are compared."""
    if node.operator not in _DECIDES:
        message = f"`{node.operator}` of quantities that are not written in the view is not supported"
        raise RefusedError("unsupported_operator", message, span=node.operator_span)
    sides = []
    for side in (left, right):
        _refuse_many(node, side)
        if side.type == CHOICE:
            raise RefusedError("unsupported_operator", "add ofType(Quantity)", span=node.operator_span)
        sides.append(as_quantity(binder, side) or Nothing(SYSTEM_QUANTITY))
    return Compare(cast(CompareOperator, node.operator), *sides)

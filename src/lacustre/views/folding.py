"""Works out what is known of a value without data: what emptiness and literals make of an operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lacustre.views.ir import (
    FALSE,
    TRUE,
    Apply,
    Coalesce,
    Concat,
    Count,
    Exists,
    Guard,
    Literal,
    Logic,
    Not,
    Nothing,
    Single,
    Union,
    Value,
)
from lacustre.views.items import (
    Aggregate,
    Choose,
    Combine,
    ComparePairs,
    Distinct,
    Equivalent,
    HasValue,
    Identical,
)
from lacustre.views.records import Pair, Shred, Stored, Zip
from lacustre.views.rewrite import operands_of, rebuild


def fold(value: Value) -> Value:
    """`value`, whose operands are folded already, in its simplest form."""
    return _FOLDS.get(type(value), _fold_strict)(value)


def _fold_strict(value: Value) -> Value:
    """Most operations on nothing give nothing."""
    if any(isinstance(operand, Nothing) for operand in operands_of(value)):
        return Nothing(value.type, value.many)
    return value


def _fold_exists(value: Exists) -> Value:
    if not isinstance(value.source, Nothing | Literal):
        return value
    return TRUE if isinstance(value.source, Nothing) == value.negated else FALSE


def _fold_count(value: Count) -> Value:
    return Literal("integer", 0) if isinstance(value.source, Nothing) else value


def _fold_guard(value: Guard) -> Value:
    if value.condition == TRUE:
        return value.value
    return Nothing(value.type, value.many) if value.condition == FALSE else _fold_strict(value)


def _fold_not(value: Not) -> Value:
    if isinstance(value.operand, Literal):
        return FALSE if value.operand == TRUE else TRUE
    return _fold_strict(value)


def _fold_single(value: Single) -> Value:
    return _fold_strict(value) if value.source.many else value.source


def _fold_coalesce(value: Coalesce) -> Value:
    there = _without_nothing(value.options)
    if len(there) > 1:
        return replace(value, options=there)
    return there[0] if there else Nothing(value.type, value.many)


def _fold_logic(value: Logic) -> Value:
    neutral, absorbing = (TRUE, FALSE) if value.operator == "and" else (FALSE, TRUE)
    if absorbing in value.operands:
        return absorbing
    there = tuple(operand for operand in value.operands if operand != neutral)
    if all(isinstance(operand, Nothing) for operand in there):
        return Nothing("boolean") if there else neutral
    return replace(value, operands=there) if len(there) > 1 else there[0]


def _fold_stored(value: Stored) -> Value:
    return FALSE if isinstance(value.source, Nothing) else value


def _fold_not_at_all(value: Value) -> Value:
    """Records are there whatever their fields hold, and whether values are alike can be said of none."""
    return value


def _fold_union(value: Union | Combine) -> Value:
    there = _without_nothing(value.operands)
    return replace(value, operands=there) if there else Nothing(value.type, many=True)


def _fold_distinct(value: Distinct) -> Value:
    return value.source if isinstance(value.source, Nothing) else value


def _fold_pairs(value: ComparePairs) -> Value:
    sides = (value.left, value.right)
    return Nothing("boolean") if any(isinstance(side, Nothing) for side in sides) else value


def _fold_choose(value: Choose) -> Value:
    if isinstance(value.condition, Nothing) or value.condition == FALSE:
        return _typed(value.otherwise, value)
    if value.condition == TRUE:
        return _typed(value.then, value)
    if isinstance(value.then, Nothing) and isinstance(value.otherwise, Nothing):
        return Nothing(value.type, value.many)
    return value


def _typed(branch: Value, value: Choose) -> Value:
    """A branch that is taken; where it is of another type than the choice, that stays to convert it."""
    if isinstance(branch, Nothing):
        return Nothing(value.type, value.many)
    return branch if branch.type == value.type else replace(value, condition=TRUE, then=branch, otherwise=branch)


def _fold_has_value(value: HasValue | Equivalent) -> Value:
    """Nothing has no value, and is equivalent to none."""
    return FALSE if any(isinstance(operand, Nothing) for operand in operands_of(value)) else value


def _fold_aggregate(value: Aggregate) -> Value:
    return value.initial if isinstance(value.source, Nothing) else value


def _fold_concat(value: Concat) -> Value:
    if value.strict:
        return _fold_strict(value)
    return rebuild(value, lambda operand: Literal("string", "") if isinstance(operand, Nothing) else operand)


def _fold_apply(value: Apply) -> Value:
    """A `substring` without a length is as one whose length was not given (FHIRPath §5.6.2)."""
    match value:
        case Apply(function="substring", arguments=(start, Nothing())):
            return _fold_strict(replace(value, arguments=(start,)))
        case _:
            return _fold_strict(value)


def _without_nothing(values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(value for value in values if not isinstance(value, Nothing))


_FOLDS: dict[type[object], Callable[[Any], Value]] = {
    Exists: _fold_exists,
    Count: _fold_count,
    Guard: _fold_guard,
    Not: _fold_not,
    Single: _fold_single,
    Coalesce: _fold_coalesce,
    Logic: _fold_logic,
    Union: _fold_union,
    Concat: _fold_concat,
    Apply: _fold_apply,
    Stored: _fold_stored,
    Combine: _fold_union,
    Distinct: _fold_distinct,
    ComparePairs: _fold_pairs,
    Choose: _fold_choose,
    HasValue: _fold_has_value,
    Equivalent: _fold_has_value,
    Identical: _fold_not_at_all,
    Aggregate: _fold_aggregate,
    Pair: _fold_not_at_all,
    Zip: _fold_not_at_all,
    Shred: _fold_not_at_all,
}

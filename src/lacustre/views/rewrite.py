"""Walking and rewriting typed values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from lacustre.views.ir import (
    ROOT,
    TRUE,
    Apply,
    Arithmetic,
    Choice,
    Clock,
    Coalesce,
    Compare,
    CompareLists,
    Concat,
    Count,
    Exists,
    Filter,
    Guard,
    Join,
    Literal,
    Logic,
    Map,
    Member,
    Negate,
    Not,
    Nothing,
    Pick,
    Present,
    RowIndex,
    Single,
    Split,
    Union,
    Value,
    Variable,
)
from lacustre.views.items import (
    Aggregate,
    Alike,
    Choose,
    Combine,
    ComparePairs,
    Distinct,
    Equivalent,
    HasValue,
    Identical,
    Position,
    Resolved,
    Slice,
    Total,
)
from lacustre.views.records import Companion, Field, Level, Pair, PairValues, Shred, Stored, Walk, Zip

Part: TypeAlias = Value | Field | Level
P = TypeVar("P", bound=Part)

_OPERANDS: Mapping[type[object], tuple[str, ...]] = MappingProxyType(
    {
        Variable: (),
        RowIndex: (),
        Present: (),
        Literal: (),
        Nothing: (),
        Member: ("source",),
        Choice: ("source",),
        Map: ("source", "body"),
        Filter: ("source", "criteria"),
        Guard: ("condition", "value"),
        Coalesce: ("options",),
        Pick: ("source",),
        Single: ("source",),
        Exists: ("source",),
        Count: ("source",),
        Compare: ("left", "right"),
        CompareLists: ("left", "right"),
        Logic: ("operands",),
        Not: ("operand",),
        Arithmetic: ("left", "right"),
        Negate: ("operand",),
        Concat: ("operands",),
        Union: ("operands",),
        Join: ("source", "separator"),
        Apply: ("source", "arguments"),
        Split: ("source", "separator"),
        Clock: (),
        Position: (),
        Total: (),
        Slice: ("source",),
        Combine: ("operands",),
        Distinct: ("source", "same"),
        ComparePairs: ("left", "right", "same"),
        Alike: ("left", "right"),
        Identical: ("left", "right"),
        Choose: ("condition", "then", "otherwise"),
        Equivalent: ("left", "right"),
        HasValue: ("source",),
        Aggregate: ("source", "initial", "body"),
        Resolved: ("source", "container"),
        Companion: ("source",),
        Stored: ("source",),
        Pair: ("value", "companion"),
        Zip: ("values", "companions"),
        PairValues: ("source",),
        Walk: ("seeds", "steps", "fields"),
        Shred: ("levels",),
        Field: ("value",),
        Level: ("source", "fields", "below"),
    }
)
"""The fields of each class that hold values, or tuples of values."""


def rebuild(part: P, change: Callable[[Value], Value]) -> P:
    """`part` with each of its direct operands changed; fields and levels are looked through."""

    def changed(operand: object) -> object:
        if isinstance(operand, tuple):
            return tuple(map(changed, operand))
        if isinstance(operand, Field | Level):
            return rebuild(operand, change)
        return change(operand)  # type: ignore[arg-type]  # the fields of the table hold nothing else

    changes: dict[str, Any] = {name: changed(getattr(part, name)) for name in _OPERANDS[type(part)]}
    return replace(part, **changes) if changes else part


def operands_of(part: Part) -> Iterator[Value]:
    """The direct operands; fields and levels are looked through."""
    for name in _OPERANDS[type(part)]:
        operand = getattr(part, name)
        for entry in operand if isinstance(operand, tuple) else (operand,):
            if isinstance(entry, Field | Level):
                yield from operands_of(entry)
            else:
                yield entry


def walk(value: Value) -> Iterator[Value]:
    """A value and everything below it."""
    yield value
    for operand in operands_of(value):
        yield from walk(operand)


def size_of(value: Value, known: dict[int, int] | None = None) -> int:
    """How many values a value is made of, each counted as often as it occurs.

    Values are shared, so that a small expression may stand for a tree that could never be walked.
    """
    known = {} if known is None else known
    if id(value) not in known:
        known[id(value)] = 1 + sum(size_of(operand, known) for operand in operands_of(value))
    return known[id(value)]


def substitute(value: Value, key: str, change: Callable[[Variable], Value]) -> Value:
    """`value` with the variable `key` changed; keys are unique in a view, so nothing shadows it."""
    if isinstance(value, Variable) and value.key == key:
        return change(value)
    return rebuild(value, lambda operand: substitute(operand, key, change))


def unguarded(value: Value) -> tuple[Value, Value]:
    """The condition under which a value is there, and the value."""
    conditions = []
    while isinstance(value, Guard):
        conditions.append(value.condition)
        value = value.value
    return (conditions[0] if len(conditions) == 1 else Logic("and", tuple(conditions or [TRUE]))), value


def origin_of(value: Value) -> tuple[Value, int]:
    """What the items of a path are reached from, and over how many members."""
    match value:
        case Member(source=source):
            origin, steps = origin_of(source)
            return origin, steps + 1
        case Map(source=source, item=item, body=body):
            origin, steps = origin_of(body)
            origin, before = origin_of(source) if origin == item else (origin, 0)
            return origin, before + steps
        case Filter(source=source) | Pick(source=source) | Single(source=source) | Companion(source=source):
            return origin_of(source)
        case Slice(source=source) | Distinct(source=source):
            return origin_of(source)
        case Guard(value=source) | Coalesce(options=(source, *_)):
            return origin_of(source)
        case _:
            return value, 0


def is_resource(value: Value) -> bool:
    """Whether a value is the resource of the row itself, which is no column that a list could be made of."""
    origin, steps = origin_of(value)
    return steps == 0 and isinstance(origin, Variable) and origin.key == ROOT


def leads_down(step: Value, item: Variable) -> bool:
    """Whether a step of a repetition leads to elements of its item, of which there is an end."""
    if isinstance(step, Distinct):
        return leads_down(step.source, item)
    if isinstance(step, Combine):
        return all(leads_down(operand, item) for operand in step.operands)
    origin, steps = origin_of(step)
    return isinstance(origin, Nothing) or (origin == item and steps > 0)


def rename(value: Value, old: str, new: str) -> Value:
    """`value` with the variable `old` called `new`."""
    return substitute(value, old, lambda variable: replace(variable, key=new))

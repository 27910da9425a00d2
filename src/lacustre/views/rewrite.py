"""Walking and rewriting typed values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from lacustre.views.ir import (
    Apply,
    Arithmetic,
    Choice,
    Coalesce,
    Compare,
    CompareLists,
    Concat,
    Count,
    Exists,
    Field,
    Filter,
    Guard,
    Join,
    Level,
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
    Shred,
    Single,
    Union,
    Value,
    Variable,
    Walk,
)

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


def rename(value: Value, old: str, new: str) -> Value:
    """`value` with the variable `old` called `new`; keys are unique in a view, so nothing shadows it."""
    match value:
        case Variable(key=key) if key == old:
            return replace(value, key=new)
        case RowIndex(key=key) if key == old:
            return RowIndex(new)
        case _:
            return rebuild(value, lambda operand: rename(operand, old, new))

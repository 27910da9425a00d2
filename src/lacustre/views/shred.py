"""Turns what stands below a `repeat` into records.

The items of a repeat come from several depths, so their columns differ in type. What the view takes from an
item is therefore worked out where the item is found, and kept as a field of a record; outside, the view is
read from those records.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from lacustre.views.bound import BoundColumn, BoundSelect, Each, Iteration, Repeat, When
from lacustre.views.ir import Member, RowIndex, Value, Variable
from lacustre.views.records import Field, Walk
from lacustre.views.rewrite import rebuild, walk
from lacustre.views.types import RECORD


def shred_repeat(repeat: Repeat, select: BoundSelect) -> tuple[Walk, BoundSelect]:
    """The records of a repeat, and the select that reads them; `select` is without its iteration."""
    shredder = _Shredder(repeat.variable)
    inner = shredder.select(select)
    source = Walk(repeat.seeds, repeat.item, repeat.steps, repeat.variable, tuple(shredder.fields))
    return source, inner


class _Shredder:
    """Collects the fields of one kind of record; they stand on `variable`."""

    def __init__(self, variable: Variable) -> None:
        self._variable = variable
        self.fields: list[Field] = []

    def select(self, select: BoundSelect) -> BoundSelect:
        if select.iteration is not None:
            return self._iterated(select, select.iteration)
        return BoundSelect(
            None,
            tuple(self._column(column) for column in select.columns),
            tuple(self.select(nested) for nested in select.selects),
            tuple(self.select(branch) for branch in select.union),
        )

    def _iterated(self, select: BoundSelect, iteration: Iteration) -> BoundSelect:
        inner = replace(select, iteration=None)
        match iteration:
            case Each(variable=variable, source=source):
                item = Variable(f"x_{variable.key}", variable.type)
                repeat = Repeat(variable, (source,), item, ())
                return self._nested(repeat, inner, or_null=iteration.or_null)
            case Repeat():
                return self._nested(iteration, inner, or_null=False)
            case When():
                when = replace(iteration, condition=self._lifted(iteration.condition))
                return replace(self.select(inner), iteration=when)
            case _:
                assert_never(iteration)

    def _nested(self, repeat: Repeat, select: BoundSelect, *, or_null: bool) -> BoundSelect:
        source, inner = shred_repeat(repeat, select)
        each = Each(Variable(repeat.variable.key, RECORD), self._field(source), or_null)
        return replace(inner, iteration=each)

    def _column(self, column: BoundColumn) -> BoundColumn:
        return replace(column, value=self._lifted(column.value))

    def _lifted(self, value: Value) -> Value:
        """`value` read from the record; `%rowIndex` is known outside only, so it is left where it is."""
        parts = list(walk(value))
        if not any(isinstance(part, Variable) and part.key == self._variable.key for part in parts):
            return value
        if any(isinstance(part, RowIndex) for part in parts):
            return rebuild(value, self._lifted)
        return self._field(value)

    def _field(self, value: Value) -> Value:
        name = f"v_{len(self.fields) + 1}"
        self.fields.append(Field(name, value))
        record = Variable(self._variable.key, RECORD)
        return Member(record, name, value.type, value.many)

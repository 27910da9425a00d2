"""A bound view: the structure of a ViewDefinition with a typed value in place of every expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from lacustre.errors import Diagnostic
from lacustre.views.definition import Tag
from lacustre.views.ir import Value, Variable
from lacustre.views.types import SPEC, SqlType, Typing, column_type


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """`type` is the FHIR type of the column: the declared one, else the one its path yields; `sql` is of one value."""

    name: str
    value: Value
    type: str
    sql: SqlType
    collection: bool
    description: str | None = None
    tags: tuple[Tag, ...] = ()

    @property
    def sql_type(self) -> str:
        """DuckDB's type of the column."""
        return column_type(self.sql, collection=self.collection)


@dataclass(frozen=True, slots=True)
class Each:
    """`forEach` and `forEachOrNull`: a row for every item of `source`, which is `variable` in it."""

    variable: Variable
    source: Value
    or_null: bool


@dataclass(frozen=True, slots=True)
class When:
    """`forEach` over the resource itself (`where(…)`, `$this`): its row where the condition is true."""

    condition: Value
    or_null: bool


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat`: the items of `seeds` and, below each, of `steps` (which stand on `item`), in pre-order."""

    variable: Variable
    seeds: tuple[Value, ...]
    item: Variable
    steps: tuple[Value, ...]


Iteration: TypeAlias = Each | When | Repeat


@dataclass(frozen=True, slots=True)
class BoundSelect:
    iteration: Iteration | None
    columns: tuple[BoundColumn, ...]
    selects: tuple[BoundSelect, ...]
    union: tuple[BoundSelect, ...]

    def output(self) -> Iterator[BoundColumn]:
        """The columns in output order; of a union, those of its first branch."""
        yield from self.columns
        for select in (*self.selects, *self.union[:1]):
            yield from select.output()

    def every_column(self) -> Iterator[BoundColumn]:
        """The columns of all branches of unions."""
        yield from self.columns
        for select in (*self.selects, *self.union):
            yield from select.every_column()


@dataclass(frozen=True, slots=True)
class BoundView:
    """`warnings` name what is legal but most likely not meant; `typing` is that of its columns."""

    name: str
    resource: str
    where: tuple[Value, ...]
    selects: tuple[BoundSelect, ...]
    warnings: tuple[Diagnostic, ...]
    typing: Typing = SPEC

    def output(self) -> Iterator[BoundColumn]:
        for select in self.selects:
            yield from select.output()

    def every_column(self) -> Iterator[BoundColumn]:
        """The columns of all branches of unions: several where the output has one."""
        for select in self.selects:
            yield from select.every_column()

"""Typed values to DuckDB expressions.

A single value is a scalar that is null where it is empty. A collection is a list; null and `[]` are both the
empty one. A list as it is stored or mapped may hold nulls that are no items: `emit` leaves them in for the
functions that skip them, `items` takes them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Coalesce, Guard, Map, Member, Value, Variable
from lacustre.views.records import PairValues
from lacustre.views.rewrite import walk
from lacustre.views.types import RECORD, kind_of

TABLE = "r"
"""The alias of every row source: the columns of the resource and the focuses of its steps are its columns."""


class Emitter:
    """Emits values; `bound` says what stands for a variable other than its own name."""

    def __init__(self, bound: Mapping[str, Sql] | None = None) -> None:
        self._bound = bound or {}

    def binding(self, variable: Variable, value: Sql) -> Emitter:
        return Emitter({**self._bound, variable.key: value})

    def variable(self, key: str) -> Sql:
        if key in self._bound:
            return self._bound[key]
        return sql.item(key) if key.startswith("x") else sql.column(key, TABLE)

    def emit(self, value: Value) -> Sql:
        return EMITTERS[type(value)](self, value)

    def values(self, value: Value) -> Sql:
        """The list of the items of a value that have a value."""
        found = self.items(value)
        null_items = any(isinstance(part, PairValues) for part in walk(value))
        return without_nulls(found) if null_items else found

    def items(self, value: Value) -> Sql:
        """The list of the items of a value, single or many."""
        if not value.many:
            single = self.emit(value)
            return sql.case((sql.is_not_null(single), sql.array(single)))
        found = self.emit(value)
        return without_nulls(found) if holds_nulls(value) else found


EMITTERS: dict[type[object], Callable[[Emitter, Any], Sql]] = {}
"""How each class of value is emitted; the modules beside this one fill it."""


def without_nulls(found: Sql) -> Sql:
    return sql.keep(found, "i", sql.is_not_null(sql.item("i")))


def holds_nulls(value: Value) -> bool:
    """Whether the list of a collection may hold nulls that are no items.

    Lists of elements hold none: a null there is an item of which nothing is stored in columns. Lists of
    primitives do (an extension may stand in the place of a value), and so do mapped lists.
    """
    match value:
        case Member(source=source, type=type_):
            return source.type != RECORD and (kind_of(type_) != "complex" or type_ == "Element")
        case Map(body=body):
            return holds_nulls(body) if body.many else True
        case Guard(value=guarded):
            return holds_nulls(guarded)
        case Coalesce(options=options):
            return any(map(holds_nulls, options))
        case _:
            return False


def is_stored(value: Value) -> bool:
    """Whether a value is read from the row as it is, so that naming it twice costs nothing."""
    match value:
        case Variable():
            return True
        case Member(source=source):
            return is_stored(source)
        case _:
            return False

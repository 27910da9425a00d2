"""Output columns: the SQL type of each, and the form in which its values leave the view."""

from __future__ import annotations

from collections.abc import Callable

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.emitter import TABLE, Emitter
from lacustre.views.duckdb.scalars import presence_name
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Nothing, Value
from lacustre.views.plan import PlannedColumn
from lacustre.views.types import kind_of, sql_type


def emit_column(emitter: Emitter, column: PlannedColumn) -> Sql:
    """The value of an output column, of exactly its SQL type."""
    if column.value is None:
        return null_column(column.type, collection=column.collection)
    found = _converted(emitter, column, column.value)
    if column.within is None:
        return found
    return sql.case((sql.column(presence_name(column.within), TABLE), found))


def null_column(type_: str, *, collection: bool) -> Sql:
    return sql.cast_to(sql.NULL(), sql_type(type_, collection=collection))


def _converted(emitter: Emitter, column: PlannedColumn, value: Value) -> Sql:
    convert = _conversion(value.type, column.type)
    if not column.collection:
        if isinstance(value, Nothing):
            return null_column(column.type, collection=False)
        return convert(emitter.emit(value)) if convert else emitter.emit(value)
    empty = sql.cast_to(sql.array(), sql_type(column.type, collection=True))
    if isinstance(value, Nothing):
        return empty
    items = emitter.values(value)
    return sql.coalesce(sql.transform(items, "i", convert(sql.item("i"))) if convert else items, empty)


def _conversion(found: str, wanted: str) -> Callable[[Sql], Sql] | None:
    """How a stored or computed value becomes one of the column's type; None where it is one already."""
    target = sql_type(wanted)
    if wanted == "base64Binary":
        return lambda value: sql.apart(value, lambda text: sql.try_(sql.call("from_base64", text)))
    if kind_of(found) in ("boolean", "integer"):
        return None if sql_type(found) == target else lambda value: sql.cast_to(value, target)
    return None if target == "VARCHAR" else lambda value: sql.try_cast(value, target)

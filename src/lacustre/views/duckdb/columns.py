"""Output columns: how each comes from the rows of its branch, and what is noted of values that do not fit.

A column whose values may not fit its SQL type is put out in steps, one subquery each, so that nothing is worked out
twice: its text (`onset text`), the value that the text tells (`onset`), and the notes of `lake_misfits`. The names
of the first are no names of columns, which have no space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.casts import Conversion, conversion_of
from lacustre.views.duckdb.emitter import TABLE, Emitter, without_nulls
from lacustre.views.duckdb.scalars import presence_name, stored_type
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Nothing, Value
from lacustre.views.plan import PlannedColumn
from lacustre.views.types import PartialDates, SqlType, column_type

MISFITS = "lake_misfits"
MISFITS_TYPE = "VARCHAR[]"
PARTIAL = "partial"
CUT = "cut"


@dataclass(frozen=True, slots=True)
class EmittedColumn:
    """The SQL of a column over the rows of its branch.

    With a `conversion` it is a text, or a list of texts, that the conversion has still to be applied to.
    """

    name: str
    value: Sql
    collection: bool
    conversion: Conversion | None = None

    @property
    def source(self) -> str:
        """The name of the column below the conversion."""
        return self.name if self.conversion is None else f"{self.name} text"


def emit_column(emitter: Emitter, column: PlannedColumn, partial: PartialDates) -> EmittedColumn:
    """The value of an output column; of exactly its SQL type, or with the conversion that makes it so."""
    value, conversion = column.value, None
    if value is None:
        found = null_column(column.sql, collection=column.collection)
        return EmittedColumn(column.name, found, column.collection)
    if not isinstance(value, Nothing):
        conversion = conversion_of(value.type, column.sql, partial)
    found = _emitted(emitter, column, value, conversion)
    if column.within is not None:
        found = sql.case((sql.column(presence_name(column.within), TABLE), found))
    return EmittedColumn(column.name, found, column.collection, conversion if _may_fail(conversion) else None)


def null_column(type_: SqlType, *, collection: bool) -> Sql:
    return sql.cast_to(sql.NULL(), column_type(type_, collection=collection))


def _may_fail(conversion: Conversion | None) -> bool:
    return conversion is not None and conversion.may_fail


def _emitted(emitter: Emitter, column: PlannedColumn, value: Value, conversion: Conversion | None) -> Sql:
    if not column.collection:
        if isinstance(value, Nothing):
            return null_column(column.sql, collection=False)
        found = emitter.emit(value)
        return found if conversion is None or conversion.may_fail else conversion.value(found)
    if conversion is not None and conversion.may_fail:
        return sql.coalesce(emitter.values(value), sql.cast_to(sql.array(), f"{stored_type(value.type)}[]"))
    empty = sql.cast_to(sql.array(), column_type(column.sql, collection=True))
    if isinstance(value, Nothing):
        return empty
    items = emitter.values(value)
    return sql.coalesce(items if conversion is None else _each(items, conversion), empty)


def _each(items: Sql, conversion: Conversion) -> Sql:
    return sql.transform(items, "i", conversion.value(sql.item("i")))


def converted(column: EmittedColumn) -> Sql:
    """The value of a column over the rows that have its source."""
    source = sql.column(column.source, TABLE)
    if column.conversion is None:
        return source
    return _each(source, column.conversion) if column.collection else column.conversion.value(source)


def converted_once(column: EmittedColumn) -> EmittedColumn:
    """The column with its conversion done, if that names the text once; else as it is."""
    if column.collection or column.conversion is None or not column.conversion.once:
        return column
    return EmittedColumn(column.name, column.conversion.value(column.value), collection=False)


def misfits_of(columns: Sequence[EmittedColumn]) -> Sql:
    """The notes of a row: names of columns whose value did not fit, null where there are none.

    Over rows that have both the sources and the values of the columns with a conversion.
    """
    failing = [(column, column.conversion) for column in columns if column.conversion is not None]
    if not failing:
        return sql.cast_to(sql.NULL(), MISFITS_TYPE)
    doubtful = sql.some_of(*(_is_doubtful(column, conversion) for column, conversion in failing))
    return sql.case((doubtful, _notes(failing)))


def _is_doubtful(column: EmittedColumn, conversion: Conversion) -> Sql:
    """Whether a row has notes of a column: what is asked of each row, and so has to be quick."""
    source, value = _source_and_value(column)
    if not column.collection:
        lost = sql.all_of(sql.is_not_null(source), sql.is_null(value))
        return lost if conversion.cut is None else sql.some_of(lost, conversion.cut(source))
    lost = sql.compare("<", sql.count(value), sql.length_of(source))
    if conversion.cut is None:
        return lost
    cut = sql.length_of(sql.keep(source, "i", conversion.cut(sql.item("i"))))
    return sql.some_of(lost, sql.compare(">", cut, sql.number(0)))


def _notes(failing: Sequence[tuple[EmittedColumn, Conversion]]) -> Sql:
    """The notes of a row that has some."""
    single = [
        _note(column.name, conversion, *_source_and_value(column))
        for column, conversion in failing
        if not column.collection
    ]
    lists = [_item_notes(column, conversion) for column, conversion in failing if column.collection]
    found = sql.array(*single) if single else lists.pop(0)
    if len(single) == 1 and not lists:
        return found
    return without_nulls(sql.call("flatten", sql.array(found, *lists)) if lists else found)


def _item_notes(column: EmittedColumn, conversion: Conversion) -> Sql:
    item = sql.item("i")
    note = _note(column.name, conversion, item, conversion.value(item))
    return sql.transform(sql.column(column.source, TABLE), "i", note)


def _note(name: str, conversion: Conversion, source: Sql, value: Sql) -> Sql:
    """What is noted of a value, null where there is nothing."""
    lost = sql.all_of(sql.is_not_null(source), sql.is_null(value))
    kind = sql.text(name)
    if conversion.partial is not None:
        kind = sql.case((conversion.partial(source), sql.text(f"{name}:{PARTIAL}")), default=kind)
    if conversion.cut is None:
        return sql.case((lost, kind))
    return sql.case((lost, kind), (conversion.cut(source), sql.text(f"{name}:{CUT}")))


def _source_and_value(column: EmittedColumn) -> tuple[Sql, Sql]:
    return sql.column(column.source, TABLE), sql.column(column.name, TABLE)

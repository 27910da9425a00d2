"""The functions of one item, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.duckdb import boundaries, decimals, sql
from lacustre.views.duckdb.emitter import EMITTERS, Emitter
from lacustre.views.duckdb.references import reference_key
from lacustre.views.duckdb.scalars import as_decimal
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Apply, FunctionName, Literal
from lacustre.views.types import kind_of


def _emit_apply(emitter: Emitter, value: Apply) -> Sql:
    arguments = [emitter.emit(argument) for argument in value.arguments]
    function = _FUNCTIONS[value.function]
    return sql.once(emitter.emit(value.source), lambda source: function(value, source, *arguments))


def _substring(_: Apply, source: Sql, start: Sql, length: Sql | None = None) -> Sql:
    """From a position from 0; empty where it lies outside the string (FHIRPath §5.6.2)."""
    position = sql.arithmetic("+", start, sql.number(1))
    rest = sql.call("substring", source, position)
    if length is not None:
        taken = sql.call("substring", source, position, sql.call("greatest", length, sql.number(0)))
        rest = sql.case((sql.is_not_null(length), taken), default=rest)
    inside = (sql.compare(">=", start, sql.number(0)), sql.compare("<", start, sql.call("length", source)))
    return sql.case((sql.all_of(*inside), rest))


def _named(function: str) -> Callable[..., Sql]:
    """A FHIRPath function that DuckDB has under a name of its own."""
    return lambda _, source, argument: sql.call(function, source, argument)


def _to_string(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "boolean" | "integer":
            return sql.cast_to(source, "VARCHAR")
        case "decimal":
            return decimals.write_plain(source)
        case _:
            return source


def _to_integer(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "integer":
            return source
        case "boolean":
            return sql.cast_to(source, "INTEGER")
        case _:
            digits = sql.call("regexp_full_match", source, sql.text("[+-]?[0-9]+"))
            return sql.case((digits, sql.try_cast(source, "INTEGER")))


def _low_boundary(value: Apply, source: Sql, digits: Sql | None = None) -> Sql:
    return _boundary(value, source, digits, high=False)


def _high_boundary(value: Apply, source: Sql, digits: Sql | None = None) -> Sql:
    return _boundary(value, source, digits, high=True)


def _boundary(value: Apply, source: Sql, digits: Sql | None, *, high: bool) -> Sql:
    match kind_of(value.source.type):
        case "decimal" | "integer":
            lexeme = as_decimal(value.source, source)
            return boundaries.decimal_boundary(lexeme, digits or sql.number(8), high=high)
        case "date":
            return boundaries.date_boundary(source, digits, high=high)
        case "time":
            return boundaries.time_boundary(source, digits, high=high)
        case _:
            return boundaries.moment_boundary(source, digits, high=high)


def _reference_key(value: Apply, source: Sql, *_: Sql) -> Sql:
    types = [argument.value for argument in value.arguments if isinstance(argument, Literal)]
    return reference_key(source, str(types[0]) if types else None)


_FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {
    "substring": _substring,
    "startsWith": _named("starts_with"),
    "endsWith": _named("ends_with"),
    "contains": _named("contains"),
    "toString": _to_string,
    "toInteger": _to_integer,
    "lowBoundary": _low_boundary,
    "highBoundary": _high_boundary,
    "getReferenceKey": _reference_key,
}

EMITTERS[Apply] = _emit_apply

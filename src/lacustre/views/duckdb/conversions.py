"""Conversion of one item (FHIRPath §5.5). What has no result is null."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.duckdb import decimals, sql
from lacustre.views.duckdb.scalars import as_decimal
from lacustre.views.duckdb.sql import Sql
from lacustre.views.duckdb.temporal import DATE, where_formed
from lacustre.views.ir import Apply, FunctionName, Literal
from lacustre.views.temporal_text import DATE_FORM, DATE_TIME_FORM, TIME_FORM
from lacustre.views.types import kind_of

_DAY = 10
_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")
_INTEGER = "[+-]?[0-9]+"
_DECIMAL = "[+-]?[0-9]+([.][0-9]+)?"
_CALENDAR = "(year|month|week|day|hour|minute|second|millisecond)s?"
_QUANTITY = rf"{_DECIMAL}\s*('[^']+'|{_CALENDAR})"
_SIGN_AND_ZEROS = "^[+]?(-?)0*([0-9])"
_NO_UNIT = " '1'"


def _to_boolean(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "boolean":
            return source
        case "text":
            folded = sql.call("lower", source)
            return sql.case((_is_one_of(folded, _TRUE), sql.TRUE()), (_is_one_of(folded, _FALSE), sql.FALSE()))
        case "integer":
            return _by_value(lambda other: sql.compare("=", source, sql.number(other)))
        case _:
            return _by_value(lambda other: decimals.compare_decimals("=", source, sql.text(str(other))))


def _is_one_of(source: Sql, texts: tuple[str, ...]) -> Sql:
    return sql.call("list_contains", sql.array(*map(sql.text, texts)), source)


def _by_value(equals: Callable[[int], Sql]) -> Sql:
    return sql.case((equals(1), sql.TRUE()), (equals(0), sql.FALSE()))


def _to_integer(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "integer":
            return source
        case "boolean":
            return sql.cast_to(source, "INTEGER")
        case "integer64":
            return sql.try_cast(source, "INTEGER")
        case _:
            return _formed(source, _INTEGER, sql.try_cast(source, "INTEGER"))


def _to_decimal(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "decimal" | "integer64":
            return source
        case "integer":
            return as_decimal(value.source, source)
        case "boolean":
            return _by_truth(source, "1.0", "0.0")
        case _:
            return _formed(source, _DECIMAL, _plain_number(source))


def _by_truth(source: Sql, true: str, false: str) -> Sql:
    return sql.case((source, sql.text(true)), (sql.negate(source), sql.text(false)))


def _formed(source: Sql, form: str, converted: Sql) -> Sql:
    return sql.case((sql.call("regexp_full_match", source, sql.text(form)), converted))


def _plain_number(source: Sql) -> Sql:
    """A number without plus sign and leading zeros."""
    return sql.call("regexp_replace", source, sql.text(_SIGN_AND_ZEROS), sql.text(r"\1\2"))


def _to_string(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "boolean" | "integer":
            return sql.cast_to(source, "VARCHAR")
        case "decimal":
            return decimals.write_plain(source)
        case _:
            return source


def _to_date(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "date":
            return source
        case "text":
            return _in_calendar(source, DATE_FORM)
        case _:
            day = sql.call("left", source, sql.number(_DAY))
            return where_formed(DATE, day, day)


def _to_date_time(value: Apply, source: Sql) -> Sql:
    return _in_calendar(source, DATE_TIME_FORM) if kind_of(value.source.type) == "text" else source


def _in_calendar(source: Sql, form: str) -> Sql:
    """A text of a form whose day there is; shorter ones are filled up to ask for it."""
    missing = sql.arithmetic("+", sql.call("length", source), sql.number(1))
    missing = sql.arithmetic("+", sql.call("length", source), sql.number(1))
    day = sql.concat(source, sql.call("substr", sql.text("0001-01-01"), missing))
    there = sql.is_not_null(sql.try_cast(sql.call("left", day, sql.number(_DAY)), "DATE"))
    formed = sql.call("regexp_full_match", source, sql.text(form))
    return sql.case((sql.all_of(formed, there), source))


def _to_time(value: Apply, source: Sql) -> Sql:
    return _formed(source, TIME_FORM, source) if kind_of(value.source.type) == "text" else source


def _to_quantity(value: Apply, source: Sql) -> Sql:
    match kind_of(value.source.type):
        case "quantity":
            return source
        case "boolean":
            return _by_truth(source, f"1.0{_NO_UNIT}", f"0.0{_NO_UNIT}")
        case "text":
            spaced = sql.text(r"^[+]?(-?)0*([0-9][0-9.]*)\s*(.*)$")
            united = sql.call("regexp_replace", source, spaced, sql.text(r"\1\2 \3"), sql.text("s"))
            return sql.case(
                (sql.call("regexp_full_match", source, sql.text(_DECIMAL)), _unitless(_plain_number(source))),
                (sql.call("regexp_full_match", source, sql.text(_QUANTITY)), united),
            )
        case _:
            return _unitless(as_decimal(value.source, source))


def _unitless(number: Sql) -> Sql:
    return sql.concat(number, sql.text(_NO_UNIT))


def _converts(value: Apply, source: Sql, *_: Sql) -> Sql:
    """Whether the conversion that the argument names has a result; without one there is none."""
    there = sql.is_not_null(source)
    if not value.arguments:
        return sql.case((there, sql.FALSE()))
    [name] = [argument.value for argument in value.arguments if isinstance(argument, Literal)]
    converted = CONVERSIONS[name](value, source)  # type: ignore[index]  # the binder writes nothing else
    return sql.case((there, sql.is_not_null(converted)))


CONVERSIONS: Mapping[FunctionName, Callable[[Apply, Sql], Sql]] = {
    "toBoolean": _to_boolean,
    "toInteger": _to_integer,
    "toDecimal": _to_decimal,
    "toString": _to_string,
    "toDate": _to_date,
    "toDateTime": _to_date_time,
    "toTime": _to_time,
    "toQuantity": _to_quantity,
}

FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {**CONVERSIONS, "converts": _converts}

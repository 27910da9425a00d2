"""`~` of single values: letters and white space of texts, digits of decimals (FHIRPath §6.1.2)."""

from __future__ import annotations

from lacustre.views.duckdb import decimals, sql
from lacustre.views.duckdb.scalars import as_decimal, compare
from lacustre.views.duckdb.sql import Reader, Sql
from lacustre.views.ir import Value
from lacustre.views.types import kind_of

_WHITE_SPACE = "[ \\t\\r\\n]"


def equivalent(left: Value, right: Value, left_sql: Sql, right_sql: Sql) -> Sql:
    """Whether two values are equivalent; null where one is not there, or where precisions leave it open."""
    kinds = {kind_of(left.type), kind_of(right.type)}
    if kinds <= {"text"}:
        return sql.compare("=", normal_text(left_sql), normal_text(right_sql))
    if "decimal" in kinds:
        return _equal_to_least_precise(as_decimal(left, left_sql), as_decimal(right, right_sql))
    return compare("=", left, right, left_sql, right_sql)


def normal_text(value: Sql) -> Sql:
    """A text with small letters and with spaces for all white space."""
    spaced = sql.call("regexp_replace", value, sql.text(_WHITE_SPACE), sql.text(" "), sql.text("g"))
    return sql.call("lower", spaced)


def _equal_to_least_precise(left: Sql, right: Sql) -> Sql:
    """Whether two lexemes are equal, rounded to the places of the one with fewer; zeros at the end are none."""

    def places(of: Reader) -> dict[str, Sql]:
        return {"l": of("l"), "r": of("r"), "s": sql.call("least", _places(of("l")), _places(of("r")))}

    def equal(of: Reader) -> Sql:
        return sql.compare("=", _rounded(of("l"), of("s")), _rounded(of("r"), of("s")))

    return sql.pipeline("q", {"l": _stripped(left), "r": _stripped(right)}, (places,), equal)


def _stripped(lexeme: Sql) -> Sql:
    return decimals.write_number({"v": decimals.parts_of(lexeme)}, (decimals.read_number,))


def _places(number: Sql) -> Sql:
    return sql.call("length", sql.call("split_part", number, sql.text("."), sql.number(2)))


def _rounded(number: Sql, places: Sql) -> Sql:
    """The digits of a number cut to so many places, half away from zero, as a text."""
    digits = sql.call("ltrim", sql.call("replace", number, sql.text("."), sql.text("")), sql.text("-"))
    kept = sql.arithmetic("-", sql.call("length", digits), sql.arithmetic("-", _places(number), places))
    next_digit = sql.call("substr", digits, sql.arithmetic("+", kept, sql.number(1)), sql.number(1))
    up = sql.cast_to(sql.cast_to(sql.compare(">=", next_digit, sql.text("5")), "INTEGER"), "BIGNUM")
    head = sql.cast_to(sql.call("left", digits, kept), "BIGNUM")
    magnitude = sql.cast_to(sql.arithmetic("+", head, up), "VARCHAR")
    negative = sql.all_of(sql.call("starts_with", number, sql.text("-")), sql.compare("!=", magnitude, sql.text("0")))
    return sql.case((negative, sql.concat(sql.text("-"), magnitude)), default=magnitude)

"""Math functions of one number (FHIRPath §5.7).

What rounds or cuts is exact. Roots, logarithms and powers go through DOUBLE, and are rounded to the digits that
are right then: 15 significant ones of a root, 12 of a power and of a logarithm to a base, 15 places of `ln`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.duckdb import decimals, sql
from lacustre.views.duckdb.scalars import as_decimal
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Apply, FunctionName, Literal
from lacustre.views.types import kind_of

_PLACES = 15
_FEW_DIGITS = 12
_MAX_EXPONENT = 1000
"""Of greater ones, a power in DOUBLE has not so many right digits."""

_LEAST_LOGARITHM = "0.001"
"""Of a base nearer to 1, a logarithm has not so many right digits."""


def _absolute(value: Apply, source: Sql) -> Sql:
    match kind_of(value.type):
        case "integer":
            return sql.try_cast(sql.call("abs", sql.cast_to(source, "BIGINT")), "INTEGER")
        case "integer64":
            wide = sql.call("abs", sql.try_cast(source, "HUGEINT"))
            return sql.cast_to(sql.try_cast(wide, "BIGINT"), "VARCHAR")
        case _:
            return sql.call("ltrim", source, sql.text("-"))


def _truncate(_: Apply, source: Sql) -> Sql:
    return decimals.whole_part(decimals.write_plain(source))


def _ceiling(_: Apply, source: Sql) -> Sql:
    return decimals.round_whole(source, up=True)


def _floor(_: Apply, source: Sql) -> Sql:
    return decimals.round_whole(source, up=False)


def _round(value: Apply, source: Sql, _: Sql) -> Sql:
    [places] = [argument.value for argument in value.arguments if isinstance(argument, Literal)]
    return decimals.round_decimal(source, int(places))


def _double(source: Sql) -> Sql:
    return sql.try_cast(source, "DOUBLE")


def _positive(source: Sql) -> Sql:
    """A number as a DOUBLE; null where it is not above 0, which the database's logarithm does not take."""
    return sql.let(
        "n", {"x": _double(source)}, lambda of: sql.case((sql.compare(">", of("x"), sql.number(0)), of("x")))
    )


def _sqrt(_: Apply, source: Sql) -> Sql:
    root = sql.call("sqrt", sql.call("abs", _double(source)))
    there = sql.compare(">=", _double(source), sql.number(0))
    return decimals.write_double(sql.case((there, root)), _PLACES)


def _exp(_: Apply, source: Sql) -> Sql:
    return decimals.write_double(sql.call("exp", _double(source)), _FEW_DIGITS)


def _ln(_: Apply, source: Sql) -> Sql:
    logarithm = sql.call("round", sql.call("ln", _positive(source)), sql.number(_PLACES))
    return decimals.write_double(logarithm, _PLACES)


def _log(value: Apply, source: Sql, base: Sql) -> Sql:
    base = as_decimal(value.arguments[0], base)

    def quotient(of: sql.Reader) -> Sql:
        steep = sql.compare(">=", sql.call("abs", of("b")), _double(sql.text(_LEAST_LOGARITHM)))
        return sql.case((steep, sql.call("round", sql.arithmetic("/", of("x"), of("b")), sql.number(_FEW_DIGITS))))

    logarithms = {"x": sql.call("ln", _positive(source)), "b": sql.call("ln", _positive(base))}
    return decimals.write_double(sql.let("l", logarithms, quotient), _FEW_DIGITS)


def _power(value: Apply, source: Sql, exponent: Sql) -> Sql:
    power = sql.call("pow", _double(source), _double(exponent))
    if kind_of(value.type) == "integer":
        return sql.let("p", {"x": power}, _integer)
    moderate = sql.compare("<=", sql.call("abs", _double(exponent)), sql.number(_MAX_EXPONENT))
    return decimals.write_double(sql.case((moderate, power)), _FEW_DIGITS)


def _integer(of: sql.Reader) -> Sql:
    whole = sql.compare("=", of("x"), sql.call("floor", of("x")))
    return sql.case((whole, sql.try_cast(of("x"), "INTEGER")))


FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {
    "abs": _absolute,
    "ceiling": _ceiling,
    "floor": _floor,
    "round": _round,
    "truncate": _truncate,
    "sqrt": _sqrt,
    "exp": _exp,
    "ln": _ln,
    "log": _log,
    "power": _power,
}

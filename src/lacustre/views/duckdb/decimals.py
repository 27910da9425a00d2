"""Exact decimals. A decimal is text, its JSON lexeme: `1.10`, `1E2`, thirty digits.

Doubles only ever decide what they can: rounding keeps the order, so that two lexemes whose doubles differ
compare as their doubles do. Lexemes with the same double are compared digit by digit, as big integers of one
scale. Arithmetic is done on 38-digit integers; what does not fit is empty (FHIRPath §6.6, overflow).
"""

from __future__ import annotations

from collections.abc import Callable

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Reader, Sql

_LEXEME = r"^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$"
_MAX_EXPONENT = 1000
_QUOTIENT_DIGITS = 8
"""Decimal places that a quotient has more than its dividend: the step of a FHIRPath decimal is 10^-8."""


def compare_decimals(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares two lexemes by value; null where one of them is no number."""
    doubles = (sql.try_cast(left, "DOUBLE"), sql.try_cast(right, "DOUBLE"))
    equal = sql.TRUE() if operator in ("=", "<=", ">=") else sql.FALSE()
    by_double = {"=": sql.FALSE(), "!=": sql.TRUE()}.get(operator, sql.compare(operator, *doubles))
    return sql.case(
        (sql.compare("!=", *doubles), by_double),
        (sql.compare("=", left, right), equal),
        default=_compare_digits(operator, left, right),
    )


def calculate_decimals(operator: str, left: Sql, right: Sql) -> Sql:
    """The sum, difference, product or quotient of two lexemes; null on overflow and division by zero."""

    def result(of: Reader) -> Sql:
        mantissa, scale = _CALCULATIONS[operator](of)
        return sql.let("q", {"m": mantissa, "s": scale}, lambda q: write_decimal(q("m"), q("s")))

    def scaled(of: Reader) -> Sql:
        parts = {"lm": _mantissa(of("l")), "ls": _scale(of("l")), "rm": _mantissa(of("r")), "rs": _scale(of("r"))}
        return sql.let("n", parts, result)

    return sql.let("d", {"l": _parts(left), "r": _parts(right)}, scaled)


def negate_decimal(value: Sql) -> Sql:
    rest = sql.call("substr", value, sql.number(2))
    negative = sql.call("starts_with", value, sql.text("-"))
    return sql.case((negative, rest), default=sql.concat(sql.text("-"), value))


def decimal_boundary(value: Sql, digits: Sql, *, high: bool) -> Sql:
    """Half a unit of the last digit below or above a lexeme, cut to `digits` after the point.

    `1.0` lies in 0.95 to 1.05. Null where `digits` is not in 0 to 31.
    """

    def bound(of: Reader) -> Sql:
        tenfold = sql.arithmetic("*", _mantissa(of("v")), sql.number(10))
        mantissa = sql.try_(sql.arithmetic("+" if high else "-", tenfold, sql.number(5)))
        scale = sql.arithmetic("+", _scale(of("v")), sql.number(1))
        cut = sql.case((_is_between(of("d"), 0, 31), of("d")))
        return sql.let("q", {"m": mantissa, "s": scale, "d": cut}, lambda q: _cut(q, high=high))

    return sql.let("d", {"v": _parts(value), "d": digits}, bound)


def _cut(of: Reader, *, high: bool) -> Sql:
    """The decimal m × 10^-s, rounded down or up to d places."""
    unit = _power_of_ten(sql.arithmetic("-", of("s"), of("d")))
    shift = sql.arithmetic("-", unit, sql.number(1)) if high else sql.number(0)
    whole = _floor_divide(sql.arithmetic("+", of("m"), shift), unit)
    fits = sql.compare("<=", of("s"), of("d"))
    return sql.case(
        (sql.is_null(of("d")), sql.NULL()),
        (fits, write_decimal(of("m"), of("s"))),
        default=write_decimal(whole, of("d")),
    )


def _floor_divide(dividend: Sql, divisor: Sql) -> Sql:
    """Integer division rounded down; the divisor is positive."""
    remainder = sql.call("mod", dividend, divisor)
    below = sql.case((sql.compare("<", remainder, sql.number(0)), sql.number(1)), default=sql.number(0))
    return sql.arithmetic("-", sql.call("divide", dividend, divisor), below)


def write_plain(value: Sql) -> Sql:
    """A lexeme without exponent, its digits kept: `1.50E1` is `15.0` (FHIRPath, toString)."""

    def written(of: Reader) -> Sql:
        return write_decimal(_mantissa(of("v")), _scale(of("v")), strip=False)

    plain = sql.negate(sql.call("regexp_matches", value, sql.text("[eE]")))
    return sql.case((plain, value), default=sql.let("d", {"v": _parts(value)}, written))


def write_decimal(mantissa: Sql, scale: Sql, *, strip: bool = True) -> Sql:
    """The lexeme of mantissa × 10^-scale, without exponent; 150 and 2 are `1.5`, or `1.50` if not stripped."""
    digits = sql.cast_to(sql.call("abs", mantissa), "VARCHAR")
    width = sql.call("greatest", sql.call("length", digits), sql.arithmetic("+", scale, sql.number(1)))
    padded = sql.call("lpad", digits, sql.cast_to(width, "INTEGER"), sql.text("0"))
    whole = sql.call("left", padded, sql.arithmetic("-", width, scale))
    fraction = sql.call("right", padded, scale)
    if strip:
        fraction = sql.call("rtrim", fraction, sql.text("0"))
    point = sql.case((sql.compare("=", fraction, sql.text("")), sql.text("")), default=sql.text("."))
    sign = sql.case((sql.compare("<", mantissa, sql.number(0)), sql.text("-")), default=sql.text(""))
    integer = sql.concat(sql.cast_to(mantissa, "VARCHAR"), _zeros(sql.arithmetic("-", sql.number(0), scale)))
    zero = [(sql.compare("=", mantissa, sql.number(0)), sql.text("0"))] if strip else []
    return sql.case(
        *zero,
        (sql.compare("<=", scale, sql.number(0)), integer),
        default=sql.concat(sign, whole, point, fraction),
    )


def _is_between(value: Sql, least: int, most: int) -> Sql:
    above = sql.compare(">=", value, sql.number(least))
    return sql.all_of(above, sql.compare("<=", value, sql.number(most)))


def _parts(lexeme: Sql) -> Sql:
    """The digits before the point with their sign (`w`), those after it (`f`) and the exponent (`e`)."""
    names = sql.array(sql.text("w"), sql.text("f"), sql.text("e"))
    return sql.call("regexp_extract", lexeme, sql.text(_LEXEME), names)


def _digits(parts: Sql) -> Sql:
    return sql.concat(sql.member(parts, "w"), sql.member(parts, "f"))


def _scale(parts: Sql) -> Sql:
    """How many of the digits stand after the point; null where the exponent is out of any reason."""
    exponent = sql.coalesce(sql.try_cast(sql.member(parts, "e"), "INTEGER"), sql.number(0))
    within = sql.compare("<=", sql.call("abs", exponent), sql.number(_MAX_EXPONENT))
    fraction = sql.call("length", sql.member(parts, "f"))
    return sql.case((within, sql.arithmetic("-", fraction, exponent)))


def _mantissa(parts: Sql) -> Sql:
    return sql.try_cast(_digits(parts), "HUGEINT")


def _compare_digits(operator: str, left: Sql, right: Sql) -> Sql:
    def compared(of: Reader) -> Sql:
        scale = sql.call("greatest", of("ls"), of("rs"))
        integers = (
            sql.try_cast(sql.concat(of(f"{side}m"), _zeros(sql.arithmetic("-", scale, of(f"{side}s")))), "BIGNUM")
            for side in ("l", "r")
        )
        return sql.compare(operator, *integers)

    def scaled(of: Reader) -> Sql:
        parts = {"lm": _digits(of("l")), "ls": _scale(of("l")), "rm": _digits(of("r")), "rs": _scale(of("r"))}
        return sql.let("n", parts, compared)

    return sql.let("d", {"l": _parts(left), "r": _parts(right)}, scaled)


def _zeros(count: Sql) -> Sql:
    return sql.call("repeat", sql.text("0"), count)


def _power_of_ten(exponent: Sql) -> Sql:
    return sql.cast_to(sql.concat(sql.text("1"), _zeros(exponent)), "HUGEINT")


def _sum(operator: str) -> Callable[[Reader], tuple[Sql, Sql]]:
    def calculate(of: Reader) -> tuple[Sql, Sql]:
        scale = sql.call("greatest", of("ls"), of("rs"))
        sides = (
            sql.arithmetic("*", of(f"{side}m"), _power_of_ten(sql.arithmetic("-", scale, of(f"{side}s"))))
            for side in ("l", "r")
        )
        return sql.try_(sql.arithmetic(operator, *sides)), scale

    return calculate


def _product(of: Reader) -> tuple[Sql, Sql]:
    return sql.try_(sql.arithmetic("*", of("lm"), of("rm"))), sql.arithmetic("+", of("ls"), of("rs"))


def _quotient(of: Reader) -> tuple[Sql, Sql]:
    """Rounded half away from zero."""
    difference = sql.arithmetic("-", of("ls"), of("rs"))
    least = sql.call("greatest", of("ls"), difference, sql.number(0))
    scale = sql.arithmetic("+", least, sql.number(_QUOTIENT_DIGITS))
    shift = sql.arithmetic("+", sql.arithmetic("-", scale, of("ls")), of("rs"))
    dividend = sql.arithmetic("*", sql.call("abs", of("lm")), _power_of_ten(shift))
    divisor = sql.call("abs", sql.call("nullif", of("rm"), sql.number(0)))
    half = sql.call("divide", divisor, sql.number(2))
    whole = sql.call("divide", sql.arithmetic("+", dividend, half), divisor)
    same = sql.compare("=", sql.compare("<", of("lm"), sql.number(0)), sql.compare("<", of("rm"), sql.number(0)))
    signed = sql.case((same, whole), default=sql.arithmetic("-", sql.number(0), whole))
    return sql.try_(signed), scale


_CALCULATIONS: dict[str, Callable[[Reader], tuple[Sql, Sql]]] = {
    "+": _sum("+"),
    "-": _sum("-"),
    "*": _product,
    "/": _quotient,
}

"""`lowBoundary`, `highBoundary` and `precision` (FHIRPath 3.0.0-ballot §5.7; SQL on FHIR, experimental).

A dateTime without a zone may be in any: its low boundary is in +14:00, its high one in -12:00.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.decimals import parts_of, power_of_ten, read_number, write_number, write_plain
from lacustre.views.duckdb.quantities import magnitude_of
from lacustre.views.duckdb.scalars import as_decimal
from lacustre.views.duckdb.sql import Sql
from lacustre.views.duckdb.temporal import DATE, TIME, TIMED, timed_parts, where_formed
from lacustre.views.ir import Apply, FunctionName
from lacustre.views.types import kind_of

_DEFAULT_DIGITS = 8
_MOST_ZEROS = 38
"""10^38 is the greatest power of ten that a HUGEINT holds."""

_ZONE = "(Z|[+-][0-9]{2}:[0-9]{2})$"
_DATE_WIDTHS = {4: 4, 6: 7, 8: 10}
_TIME_WIDTHS = {2: 2, 4: 5, 6: 8, 9: 12}
_MOMENT_WIDTHS = {10: 13, 12: 16, 14: 19}
"""Digits of precision, as FHIRPath counts them, to characters."""

_FULL_MOMENT = 23
"""Characters of a moment to the millisecond, its zone left out."""


def decimal_boundary(value: Sql, digits: Sql, *, high: bool) -> Sql:
    """Half a unit of the last digit below or above a lexeme, cut to `digits` after the point.

    `1.0` lies in 0.95 to 1.05. Null where `digits` is not in 0 to 31.
    """
    in_range = sql.all_of(sql.compare(">=", digits, sql.number(0)), sql.compare("<=", digits, sql.number(31)))

    def bound(of: sql.Reader) -> dict[str, Sql]:
        number = read_number(of)
        tenfold = sql.arithmetic("*", sql.try_cast(number["m"], "HUGEINT"), sql.number(10))
        end = sql.try_(sql.arithmetic("+" if high else "-", tenfold, sql.number(5)))
        return {"m": end, "s": sql.arithmetic("+", number["s"], sql.number(1)), "d": of("d")}

    number = {"v": parts_of(value), "d": sql.case((in_range, digits))}
    return write_number(number, (bound, _cut_up if high else _cut_down))


def _cut_down(of: sql.Reader) -> dict[str, Sql]:
    return _cut_decimal(of, lambda whole, rest: sql.arithmetic("-", whole, _one_if("<", rest)))


def _cut_up(of: sql.Reader) -> dict[str, Sql]:
    return _cut_decimal(of, lambda whole, rest: sql.arithmetic("+", whole, _one_if(">", rest)))


def _one_if(operator: str, rest: Sql) -> Sql:
    return sql.cast_to(sql.compare(operator, rest, sql.number(0)), "INTEGER")


def _cut_decimal(of: sql.Reader, rounded: Callable[[Sql, Sql], Sql]) -> dict[str, Sql]:
    """The decimal m × 10^-s to d places, rounded by the whole part and the rest.

    A unit that a HUGEINT does not hold is greater than every `m`, of which all is then the rest.
    """
    cut = sql.arithmetic("-", of("s"), of("d"))
    unit = sql.case((sql.compare("<=", cut, sql.number(_MOST_ZEROS)), power_of_ten(cut)))
    whole = sql.coalesce(sql.call("divide", of("m"), unit), sql.number(0))
    rest = sql.coalesce(sql.call("mod", of("m"), unit), of("m"))
    longer = sql.compare(">", of("s"), of("d"))
    digits = sql.case((longer, rounded(whole, rest)), (sql.negate(longer), of("m")))
    return {"m": sql.cast_to(digits, "VARCHAR"), "s": sql.call("least", of("s"), of("d"))}


def date_boundary(value: Sql, digits: Sql | None, *, high: bool) -> Sql:
    """The first or last day of a date, cut to 4, 6 or 8 digits (by default 8)."""
    return where_formed(DATE, _cut(_day_boundary(value, high=high), digits, _DATE_WIDTHS), value)


def moment_boundary(value: Sql, digits: Sql | None, *, high: bool) -> Sql:
    """The first or last millisecond of a dateTime or instant, cut to 4, 6, 8, 10, 12, 14 or 17 digits (the default)."""
    full = _moment_boundary(value, high=high)
    if digits is None:
        return full
    day = date_boundary(sql.call("left", value, sql.number(10)), digits, high=high)

    def timed(of: sql.Reader) -> Sql:
        cut = _cut(of("m"), digits, _MOMENT_WIDTHS)
        zone = sql.call("substr", of("m"), sql.number(_FULL_MOMENT + 1))
        whole = (sql.compare("=", digits, sql.number(17)), of("m"))
        return sql.case(whole, default=sql.concat(cut, zone))

    by_day = sql.compare("<=", digits, sql.number(max(_DATE_WIDTHS)))
    return sql.case((by_day, day), default=sql.let("b", {"m": full}, timed))


def time_boundary(value: Sql, digits: Sql | None, *, high: bool) -> Sql:
    """The first or last millisecond of a time of day, cut to 2, 4, 6 or 9 digits (by default 9)."""
    last = "23:59:59.999" if high else "00:00:00.000"
    seconds = sql.concat(value, sql.call("substr", sql.text(last), _after(value)))
    head = sql.call("left", value, sql.number(8))
    fraction = _filled_fraction(sql.call("substr", value, sql.number(9)), high=high)
    short = sql.compare("<", sql.call("length", value), sql.number(8))
    filled = sql.case((short, seconds), default=sql.concat(head, fraction))
    return where_formed(TIME, _cut(filled, digits, _TIME_WIDTHS), value)


def _cut(value: Sql, digits: Sql | None, widths: dict[int, int]) -> Sql:
    if digits is None:
        return value
    cuts = (
        (sql.compare("=", digits, sql.number(count)), sql.call("left", value, sql.number(width)))
        for count, width in widths.items()
    )
    return sql.case(*cuts)


def _day_boundary(value: Sql, *, high: bool) -> Sql:
    length = sql.call("length", value)
    year = sql.concat(value, sql.text("-12-31" if high else "-01-01"))
    first = sql.concat(value, sql.text("-01"))
    last = sql.cast_to(sql.call("last_day", sql.try_cast(first, "DATE")), "VARCHAR")
    return sql.case(
        (sql.compare("=", length, sql.number(4)), year),
        (sql.compare("=", length, sql.number(7)), last if high else first),
        default=value,
    )


def _moment_boundary(value: Sql, *, high: bool) -> Sql:
    time, zone = ("T23:59:59.999", "-12:00") if high else ("T00:00:00.000", "+14:00")
    day = sql.concat(date_boundary(value, None, high=high), sql.text(time + zone))

    def filled(part: sql.Reader) -> Sql:
        head, fraction, found = (sql.member(part("p"), field) for field in "tfz")
        zoned = sql.coalesce(sql.call("nullif", found, sql.text("")), sql.text(zone))
        missing = sql.call("substr", sql.text(f"0001-01-01{time[:9]}"), _after(head))
        return sql.concat(sql.call("nullif", head, sql.text("")), missing, _filled_fraction(fraction, high=high), zoned)

    parts = timed_parts(value)
    timed = sql.compare(">", sql.call("length", value), sql.number(10))
    return sql.case((timed, sql.let("d", {"p": parts}, filled)), default=day)


def _after(text: Sql) -> Sql:
    return sql.arithmetic("+", sql.call("length", text), sql.number(1))


def _filled_fraction(fraction: Sql, *, high: bool) -> Sql:
    """`.5` as `.500` or `.599`: to the millisecond."""
    pointed = sql.case((sql.compare("=", fraction, sql.text("")), sql.text(".")), default=fraction)
    return sql.call("rpad", pointed, sql.number(4), sql.text("9" if high else "0"))


def _bounded(*, high: bool) -> Callable[..., Sql]:
    def bound(value: Apply, source: Sql, digits: Sql | None = None) -> Sql:
        match kind_of(value.source.type):
            case "decimal" | "integer":
                number = as_decimal(value.source, source)
                return decimal_boundary(number, digits or sql.number(_DEFAULT_DIGITS), high=high)
            case "quantity":
                end = decimal_boundary(magnitude_of(source), digits or sql.number(_DEFAULT_DIGITS), high=high)
                return sql.concat(end, sql.call("substr", source, sql.call("instr", source, sql.text(" "))))
            case "date":
                return date_boundary(source, digits, high=high)
            case "time":
                return time_boundary(source, digits, high=high)
            case _:
                return moment_boundary(source, digits, high=high)

    return bound


def _precision(value: Apply, source: Sql) -> Sql:
    """The digits after the point; of a date or time all digits but those of the zone."""
    match kind_of(value.source.type):
        case "integer":
            return sql.case((sql.is_not_null(source), sql.number(0)))
        case "decimal":
            digits = sql.call("split_part", write_plain(source), sql.text("."), sql.number(2))
        case "date":
            digits = where_formed(DATE, _only_digits(source), source)
        case "time":
            digits = where_formed(TIME, _only_digits(source), source)
        case _:
            zoneless = sql.call("regexp_replace", source, sql.text(_ZONE), sql.text(""))
            digits = where_formed(f"{DATE}|{TIMED}", _only_digits(zoneless), source)
    return sql.cast_to(sql.call("length", digits), "INTEGER")


def _only_digits(text: Sql) -> Sql:
    return sql.call("regexp_replace", text, sql.text("[^0-9]"), sql.text(""), sql.text("g"))


FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {
    "lowBoundary": _bounded(high=False),
    "highBoundary": _bounded(high=True),
    "precision": _precision,
}

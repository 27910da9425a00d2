"""`lowBoundary` and `highBoundary` (FHIRPath 3.0.0-ballot §5.7; SQL on FHIR, experimental).

A dateTime without a zone may be in any: its low boundary is in +14:00, its high one in -12:00.
"""

from __future__ import annotations

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.decimals import parts_of, power_of_ten, read_number, write_number
from lacustre.views.duckdb.sql import Sql

_MOMENT = r"^([0-9-]{10}T[0-9:]{8})([.][0-9]+)?(Z|[+-][0-9:]{5})?$"


_DATE_WIDTHS = {4: 4, 6: 7, 8: 10}
_TIME_WIDTHS = {2: 2, 4: 5, 6: 8, 9: 12}
"""Digits of precision, as FHIRPath counts them, to characters."""


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
    return _cut_decimal(of, sql.number(0))


def _cut_up(of: sql.Reader) -> dict[str, Sql]:
    return _cut_decimal(of, sql.arithmetic("-", _unit(of), sql.number(1)))


def _unit(of: sql.Reader) -> Sql:
    return power_of_ten(sql.arithmetic("-", of("s"), of("d")))


def _cut_decimal(of: sql.Reader, shift: Sql) -> dict[str, Sql]:
    """The decimal m × 10^-s to d places, rounded down after a shift."""
    dividend = sql.arithmetic("+", of("m"), shift)
    below = sql.compare("<", sql.call("mod", dividend, _unit(of)), sql.number(0))
    whole = sql.arithmetic("-", sql.call("divide", dividend, _unit(of)), sql.cast_to(below, "INTEGER"))
    longer = sql.compare(">", of("s"), of("d"))
    digits = sql.case((longer, whole), (sql.is_not_null(of("d")), of("m")))
    return {"m": sql.cast_to(digits, "VARCHAR"), "s": sql.call("least", of("s"), of("d"))}


def date_boundary(value: Sql, digits: Sql | None, *, high: bool) -> Sql:
    """The first or last day of a date, cut to 4, 6 or 8 digits (by default 8)."""
    return _cut(_day_boundary(value, high=high), digits, _DATE_WIDTHS)


def moment_boundary(value: Sql, digits: Sql | None, *, high: bool) -> Sql:
    """The first or last millisecond of a dateTime or instant, cut to 4, 6, 8 or 17 digits (by default 17)."""
    full = _moment_boundary(value, high=high)
    if digits is None:
        return full
    day = _cut(_day_boundary(sql.call("left", value, sql.number(10)), high=high), digits, _DATE_WIDTHS)
    return sql.case((sql.compare("=", digits, sql.number(17)), full), default=day)


def time_boundary(value: Sql, digits: Sql | None, *, high: bool) -> Sql:
    """The first or last millisecond of a time of day, cut to 2, 4, 6 or 9 digits (by default 9)."""
    seconds = sql.concat(value, sql.text(":59.999" if high else ":00.000"))
    head = sql.call("left", value, sql.number(8))
    fraction = _filled_fraction(sql.call("substr", value, sql.number(9)), high=high)
    short = sql.compare("<", sql.call("length", value), sql.number(8))
    return _cut(sql.case((short, seconds), default=sql.concat(head, fraction)), digits, _TIME_WIDTHS)


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
    day = sql.concat(_day_boundary(value, high=high), sql.text(time + zone))
    names = sql.array(sql.text("t"), sql.text("f"), sql.text("z"))
    parts = sql.call("regexp_extract", value, sql.text(_MOMENT), names)

    def filled(part: sql.Reader) -> Sql:
        head, fraction, found = (sql.member(part("p"), field) for field in ("t", "f", "z"))
        zoned = sql.coalesce(sql.call("nullif", found, sql.text("")), sql.text(zone))
        return sql.concat(sql.call("nullif", head, sql.text("")), _filled_fraction(fraction, high=high), zoned)

    timed = sql.compare(">", sql.call("length", value), sql.number(10))
    return sql.case((timed, sql.let("d", {"p": parts}, filled)), default=day)


def _filled_fraction(fraction: Sql, *, high: bool) -> Sql:
    """`.5` as `.500` or `.599`: to the millisecond."""
    pointed = sql.case((sql.compare("=", fraction, sql.text("")), sql.text(".")), default=fraction)
    return sql.call("rpad", pointed, sql.number(4), sql.text("9" if high else "0"))

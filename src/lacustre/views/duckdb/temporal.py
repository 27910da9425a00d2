"""Dates and times, which are text, compared as FHIRPath does (§6.2, comparison of partial dates).

Where the precision of the operands does not decide, the result is null. A time without a zone, and the day of a
partial date, are those of the session's `TimeZone`, which is the tenant's.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime, timedelta

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Sql

_DAY = 10
"""Characters of a full date; what is longer has a time of day."""

_SECOND = 19
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_FRACTION = r"[.]([0-9]+)"


def compare_moments(operator: str, left: Sql, right: Sql, *, left_text: str | None, right_text: str | None) -> Sql:
    """Compares dates, dateTimes and instants; `left_text` and `right_text` are the texts of literals."""
    if left_text is not None and (right_text is None or _is_partial(left_text) > _is_partial(right_text)):
        return compare_moments(_FLIPPED[operator], right, left, left_text=right_text, right_text=left_text)
    if right_text is not None:
        return _compare_with_literal(operator, left, right_text)
    timed = [sql.compare(">", sql.call("length", side), sql.number(_DAY)) for side in (left, right)]
    return sql.case(
        (sql.all_of(*timed), _compare_instants(operator, left, right)),
        (sql.some_of(*timed), _compare_undecided(operator, _local_day(left), _local_day(right))),
        default=_compare_days(operator, left, right),
    )


def compare_dates(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares dates, which have no time of day."""
    return _compare_days(operator, left, right)


def compare_times(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares times of day; seconds and their fraction are one precision."""
    shared = sql.call("least", sql.call("length", left), sql.call("length", right), sql.number(8))
    heads = [sql.call("left", side, shared) for side in (left, right)]
    fractions = [sql.call("rtrim", sql.call("substr", side, sql.number(_DAY)), sql.text("0")) for side in (left, right)]
    partial = sql.all_of(
        sql.compare("<", shared, sql.number(8)),
        sql.compare("!=", sql.call("length", left), sql.call("length", right)),
    )
    return sql.case(
        (sql.compare("!=", *heads), sql.compare(operator, *heads)),
        (partial, sql.NULL()),
        default=sql.compare(operator, *fractions),
    )


def _compare_days(operator: str, left: Sql, right: Sql) -> Sql:
    same = sql.compare("=", sql.call("length", left), sql.call("length", right))
    shared = sql.call("least", sql.call("length", left), sql.call("length", right))
    heads = [sql.call("left", side, shared) for side in (left, right)]
    return sql.case(
        (same, sql.compare(operator, left, right)),
        (sql.compare("!=", *heads), sql.compare(operator, left, right)),
    )


def _compare_undecided(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares a day with a part of one: what is equal as far as both go is undecided."""
    shared = sql.call("least", sql.call("length", left), sql.call("length", right))
    heads = [sql.call("left", side, shared) for side in (left, right)]
    return sql.case((sql.compare("!=", *heads), sql.compare(operator, *heads)))


def _compare_instants(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares to the microsecond, and by the digits of the fraction where that ties."""
    instants = [sql.try_cast(side, _INSTANT) for side in (left, right)]
    fractions = [
        sql.call("rtrim", sql.call("regexp_extract", side, sql.text(_FRACTION), sql.number(1)), sql.text("0"))
        for side in (left, right)
    ]
    return sql.case(
        (sql.compare("!=", *instants), sql.compare(operator, *instants)),
        (sql.compare("=", *instants), sql.compare(operator, *fractions)),
    )


def _compare_with_literal(operator: str, value: Sql, literal: str) -> Sql:
    timed = sql.compare(">", sql.call("length", value), sql.number(_DAY))
    span = literal_span(literal)
    if span is None:
        day = _local_day(sql.text(literal))
        by_time = _compare_instants(operator, value, sql.text(literal))
        return sql.case((timed, by_time), default=_compare_undecided(operator, value, day))
    by_time = _compare_with_span(operator, value, span)
    if len(literal) > _DAY:
        day = _local_day(sql.text(span[0]))
        return sql.case((timed, by_time), default=_compare_undecided(operator, value, day))
    return sql.case((timed, by_time), default=_compare_days(operator, value, sql.text(literal)))


def _compare_with_span(operator: str, value: Sql, span: tuple[str, str]) -> Sql:
    """Compares an instant with a partial literal: inside its span nothing is decided."""
    start, end = (sql.cast_to(sql.text(edge), _INSTANT) for edge in span)
    instant = sql.try_cast(value, _INSTANT)
    before = sql.TRUE() if operator in ("<", "<=", "!=") else sql.FALSE()
    after = sql.TRUE() if operator in (">", ">=", "!=") else sql.FALSE()
    return sql.case(
        (sql.compare("<", instant, start), before),
        (sql.compare(">=", instant, end), after),
    )


def _is_partial(literal: str) -> bool:
    return literal_span(literal) is not None


def literal_span(literal: str) -> tuple[str, str] | None:
    """The first moment of a partial literal and the first after it, or None for one with seconds."""
    found = _ZONE.search(literal[_DAY:])
    zone = found.group() if found else ""
    stem = literal.removesuffix(zone)
    if len(stem) >= _SECOND:
        return None
    start = datetime.fromisoformat(stem + "0001-01-01T00:00:00"[len(stem) :])
    return f"{start.isoformat()}{zone}", f"{_next(start, len(stem))}{zone}"


def _next(start: datetime, precision: int) -> str:
    days = {4: 366 if monthrange(start.year, 2)[1] == 29 else 365, 7: monthrange(start.year, start.month)[1]}
    steps = {13: timedelta(hours=1), 16: timedelta(minutes=1)}
    step = steps.get(precision, timedelta(days=days.get(precision, 1)))
    try:
        return (start + step).isoformat()
    except OverflowError:
        return f"{start.year + 1}-01-01T00:00:00"


def _local_day(value: Sql) -> Sql:
    """The day of a moment in the session's zone, or the partial date that it is."""
    timed = sql.compare(">", sql.call("length", value), sql.number(_DAY))
    day = sql.cast_to(sql.cast_to(sql.try_cast(value, _INSTANT), "DATE"), "VARCHAR")
    return sql.case((timed, day), default=value)

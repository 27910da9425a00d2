"""Dates and times, which are text, compared as FHIRPath does (§6.2, comparison of partial dates).

Where the precision of the operands does not decide, the result is null. A time without a zone, and the day of a
partial date, are those of the session's `TimeZone`, which is the tenant's.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlglot import exp

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Sql

_DAY = 10
"""Characters of a full date; what is longer has a time of day."""

_MINUTE = 16

_SECOND = 19
_ZONE = re.compile(r"(Z|[+-]\d\d:\d\d)$")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_FRACTION = r"[.]([0-9]+)"
_MONTH_AND_DAY = "(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = "(?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::(?:[0-5][0-9]|60))?)?"
DATE = "[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?"
TIME = "[0-9]{2}(:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?)?"
TIMED = f"^([0-9]{{4}}-{_MONTH_AND_DAY}T{_CLOCK})([.][0-9]+)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?$"
"""Forms of stored texts. That of a moment has the time to the second, its fraction and its zone as groups."""

_LEAP_SECOND = re.compile(r"(T\d\d:\d\d):60([.]\d+)?")
_BEFORE_LEAP_SECOND = r"\1:59.999999"
"""DuckDB has no leap seconds: that of a literal is the end of the second before it."""


def compare_moments(operator: str, left: Sql, right: Sql, *, left_text: str | None, right_text: str | None) -> Sql:
    """Compares dates, dateTimes and instants; `left_text` and `right_text` are the texts of literals."""
    if left_text is not None and (right_text is None or _is_partial(left_text) > _is_partial(right_text)):
        return compare_moments(_FLIPPED[operator], right, left, left_text=right_text, right_text=left_text)
    if left_text is not None and right_text is not None and _is_partial(left_text):
        return _compare_spans(operator, left_text, right_text)
    if right_text is not None:
        return _compare_with_literal(operator, left, right_text)
    timed = [_is_timed(side) for side in (left, right)]
    return sql.case(
        (sql.all_of(*timed), _compare_instants(operator, left, right)),
        (sql.some_of(*timed), _compare_undecided(operator, _local_day(left), _local_day(right))),
        default=_compare_days(operator, left, right),
    )


def compare_partial_moments(operator: str, left: Sql, right: Sql) -> Sql:
    """As `compare_moments`, of texts that may be without minutes or seconds, as no element is."""
    first = {"l": left, "r": right}

    def read(of: sql.Reader) -> sql.Fields:
        return {side: of(side) for side in "lr"} | {f"{side}p": timed_parts(of(side)) for side in "lr"}

    def span(of: sql.Reader) -> sql.Fields:
        starts = {f"{side}a": _start(of(f"{side}p")) for side in "lr"}
        lengths = {f"{side}n": sql.call("length", sql.member(of(f"{side}p"), "t")) for side in "lr"}
        return {side: of(side) for side in "lr"} | starts | lengths

    def end(of: sql.Reader) -> sql.Fields:
        ends = {f"{side}z": sql.arithmetic("+", of(f"{side}a"), _width(of(f"{side}n"))) for side in "lr"}
        return {name: of(name) for name in ("l", "r", "la", "ra", "ln", "rn")} | ends

    return sql.pipeline("t", first, (read, span, end), lambda of: _compare_read(operator, of))


def timed_parts(value: Sql) -> Sql:
    """The time to the second (`t`), its fraction (`f`) and the zone (`z`); empty texts where there is no time."""
    return sql.call("regexp_extract", value, sql.text(TIMED), sql.array(*map(sql.text, "tfz")))


def _start(parts: Sql) -> Sql:
    head, fraction, zone = (sql.member(parts, field) for field in "tfz")
    missing = sql.arithmetic("+", sql.call("length", head), sql.number(1))
    filled = sql.concat(head, sql.call("substr", sql.text("0001-01-01T00:00:00"), missing), fraction, zone)
    there = sql.compare(">", sql.call("length", head), sql.number(_DAY))
    return sql.case((there, sql.try_cast(filled, _INSTANT)))


def _width(length: Sql) -> Sql:
    """How long an hour, a minute or a moment of the database is."""
    steps = ((13, 3_600_000_000), (16, 60_000_000))
    cases = ((sql.compare("=", length, sql.number(width)), sql.number(step)) for width, step in steps)
    return sql.call("to_microseconds", sql.case(*cases, default=sql.number(1)))


def _compare_read(operator: str, of: sql.Reader) -> Sql:
    timed = [sql.compare(">", of(f"{side}n"), sql.number(0)) for side in "lr"]
    exact = [sql.compare("=", of(f"{side}n"), sql.number(_SECOND)) for side in "lr"]
    same = sql.all_of(sql.compare("=", of("ln"), of("rn")), sql.compare("=", of("la"), of("ra")))
    spans = sql.case(
        (sql.all_of(*exact), _compare_instants(operator, of("l"), of("r"))),
        (same, _truth(operator, "=", "<=", ">=")),
        (sql.compare("<=", of("lz"), of("ra")), _truth(operator, "<", "<=", "!=")),
        (sql.compare("<=", of("rz"), of("la")), _truth(operator, ">", ">=", "!=")),
    )
    days = [_day_of_span(of, side) for side in "lr"]
    return sql.case(
        (sql.all_of(*timed), spans),
        (sql.some_of(*timed), _compare_undecided(operator, *days)),
        default=_compare_days(operator, of("l"), of("r")),
    )


def _truth(operator: str, *true: str) -> Sql:
    return sql.TRUE() if operator in true else sql.FALSE()


def _day_of_span(of: sql.Reader, side: str) -> Sql:
    """The local day of an hour or minute that lies within one, or the partial date that there is."""
    last = sql.arithmetic("-", of(f"{side}z"), sql.call("to_microseconds", sql.number(1)))
    days = [sql.cast_to(sql.cast_to(moment, "DATE"), "VARCHAR") for moment in (of(f"{side}a"), last)]
    timed = sql.compare(">", of(f"{side}n"), sql.number(0))
    date = sql.call("regexp_full_match", of(side), sql.text(DATE))
    return sql.case((timed, sql.case((sql.compare("=", *days), days[0]))), (date, of(side)))


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
    compared = sql.case(
        (sql.compare("!=", *heads), sql.compare(operator, *heads)),
        (partial, sql.NULL()),
        default=sql.compare(operator, *fractions),
    )
    return where_formed(TIME, compared, left, right)


def _compare_days(operator: str, left: Sql, right: Sql) -> Sql:
    return where_formed(DATE, _compare_digits(operator, left, right), left, right)


def where_formed(form: str, found: Sql, *sides: Sql) -> Sql:
    """What is made of texts, null where one has not the form of a date or time, as literals have."""
    stored = [side for side in sides if not isinstance(side, exp.Literal)]
    formed = [sql.call("regexp_full_match", side, sql.text(form)) for side in stored]
    return sql.case((sql.all_of(*formed), found)) if formed else found


def _compare_digits(operator: str, left: Sql, right: Sql) -> Sql:
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


def _compare_day(operator: str, value: Sql, day: Sql) -> Sql:
    """Compares what has no time of day with the day of a literal that has one."""
    return where_formed(DATE, _compare_undecided(operator, value, day), value)


def _compare_instants(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares to the microsecond, and by the digits of the fraction where that ties.

    A text without seconds, which FHIR does not know, is undecided within its minute.
    """
    instants = [_instant(side) for side in (left, right)]
    fractions = [
        sql.call("rtrim", sql.call("regexp_extract", side, sql.text(_FRACTION), sql.number(1)), sql.text("0"))
        for side in (left, right)
    ]
    by_moment = sql.compare(operator, *instants)
    minutes = [sql.call("date_trunc", sql.text("minute"), instant) for instant in instants]
    by_minute = sql.case((sql.compare("!=", *minutes), by_moment))
    return sql.case(
        *((differ, by_minute) for differ in _precisions_differ(left, right)),
        (sql.compare("!=", *instants), by_moment),
        (sql.compare("=", *instants), sql.compare(operator, *fractions)),
    )


def _precisions_differ(left: Sql, right: Sql) -> Sequence[Sql]:
    """Whether one of two moments is without seconds, as literals are not; nothing is to be asked of two literals."""
    stored = [side for side in (left, right) if not isinstance(side, exp.Literal)]
    short = [_is_short(side) for side in stored]
    return short if len(short) < len((left, right)) else (sql.compare("!=", *short),)


def _is_short(value: Sql) -> Sql:
    """Whether a stored moment is without seconds."""
    return sql.compare("!=", _character(value, _MINUTE), sql.text(":"))


def _is_timed(value: Sql) -> Sql:
    """Whether a stored text is a moment; what it has not the form of, a cast of the database would guess at."""
    return sql.compare("=", _character(value, _DAY), sql.text("T"))


def _character(value: Sql, index: int) -> Sql:
    return sql.call("substr", value, sql.number(index + 1), sql.number(1))


def _compare_with_literal(operator: str, value: Sql, literal: str) -> Sql:
    timed = _is_timed(value)
    span = literal_span(literal)
    if span is None:
        day = _local_day(sql.text(literal))
        by_time = _compare_instants(operator, value, sql.text(literal))
        return sql.case((timed, by_time), default=_compare_day(operator, value, day))
    by_time = _compare_with_span(operator, value, span, of_minute=_precision_of(literal) == _MINUTE)
    if len(literal) > _DAY:
        day = _local_day(sql.text(span[0]))
        return sql.case((timed, by_time), default=_compare_day(operator, value, day))
    return sql.case((timed, by_time), default=_compare_days(operator, value, sql.text(literal)))


def _compare_with_span(operator: str, value: Sql, span: tuple[str, str], *, of_minute: bool) -> Sql:
    """Compares an instant with a partial literal: inside its span nothing is decided, but for a minute and a minute."""
    start, end = (sql.cast_to(sql.text(edge), _INSTANT) for edge in span)
    instant = _instant(value)
    before = sql.TRUE() if operator in ("<", "<=", "!=") else sql.FALSE()
    after = sql.TRUE() if operator in (">", ">=", "!=") else sql.FALSE()
    return sql.case(
        (sql.compare("<", instant, start), before),
        (sql.compare(">=", instant, end), after),
        *([(_is_short(value), _truth(operator, "=", "<=", ">="))] if of_minute else ()),
    )


def _instant(value: Sql) -> Sql:
    """The moment that a text tells; null where it tells none."""
    if isinstance(value, exp.Literal):
        value = sql.text(_LEAP_SECOND.sub(_BEFORE_LEAP_SECOND, str(value.this)))
    return sql.try_cast(value, _INSTANT)


def _compare_spans(operator: str, left: str, right: str) -> Sql:
    """Compares two partial literals: equal where they span the same time, undecided where one is within the other."""
    spans = (literal_span(left), literal_span(right))
    (start, end), (other_start, other_end) = (
        [sql.cast_to(sql.text(edge), _INSTANT) for edge in span] for span in spans if span is not None
    )
    same = sql.all_of(sql.compare("=", start, other_start), sql.compare("=", end, other_end))
    return sql.case(
        (same, sql.TRUE() if operator in ("=", "<=", ">=") else sql.FALSE()),
        (sql.compare("<=", end, other_start), sql.TRUE() if operator in ("<", "<=", "!=") else sql.FALSE()),
        (sql.compare("<=", other_end, start), sql.TRUE() if operator in (">", ">=", "!=") else sql.FALSE()),
    )


def _is_partial(literal: str) -> bool:
    return literal_span(literal) is not None


def literal_span(literal: str) -> tuple[str, str] | None:
    """The first moment of a partial literal and the first after it, or None for one with seconds."""
    stem = literal[: _precision_of(literal)]
    zone = literal.removeprefix(stem)
    if len(stem) >= _SECOND:
        return None
    start = datetime.fromisoformat(stem + "0001-01-01T00:00:00"[len(stem) :])
    return f"{start.isoformat()}{zone}", f"{_next(start, len(stem))}{zone}"


def _precision_of(literal: str) -> int:
    """The characters of a literal but for its zone."""
    found = _ZONE.search(literal[_DAY:])
    return len(literal) - len(found.group() if found else "")


def _next(start: datetime, precision: int) -> str:
    days = {4: 366 if monthrange(start.year, 2)[1] == 29 else 365, 7: monthrange(start.year, start.month)[1]}
    steps = {13: timedelta(hours=1), 16: timedelta(minutes=1)}
    step = steps.get(precision, timedelta(days=days.get(precision, 1)))
    try:
        return (start + step).isoformat()
    except OverflowError:
        return f"{start.year + 1}-01-01T00:00:00"


def _local_day(value: Sql) -> Sql:
    """The day of a moment in the session's zone, or the partial date that it is; null where it is neither."""
    day = sql.cast_to(sql.cast_to(_instant(value), "DATE"), "VARCHAR")
    if isinstance(value, exp.Literal):
        return day
    timed = _is_timed(value)
    return sql.case((timed, day), (sql.call("regexp_full_match", value, sql.text(DATE)), value))

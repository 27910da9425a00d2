"""Texts of dates and times as SQL dates, times and moments.

Only a text that has the form of a date or time is read; what the calendar does not have is null. A text without
zone is in the session's, the tenant's: an hour that the zone leaves out is no moment, and one that it has twice
does not say which it is, so that it counts as partial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Reader, Sql

_INSTANT = "TIMESTAMP WITH TIME ZONE"
_DAY_SHAPE = "____-__-__"
_FIRST_YEAR = "0001"
_YEAR = "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_MONTH = "-(0[1-9]|1[0-2])"
_DAY = "-(0[1-9]|[12][0-9]|3[01])"
_HOUR = "([01][0-9]|2[0-3])"
_TIME = f"{_HOUR}:[0-5][0-9]:[0-5][0-9]([.][0-9]+)?"
_SHORT_TIME = f"{_HOUR}(:[0-5][0-9])?"
_ZONE = "(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE = f"{_YEAR}{_MONTH}{_DAY}"
_SHORT_DATE = f"{_YEAR}({_MONTH})?"
_ANY_DATE = f"{_YEAR}({_MONTH}({_DAY})?)?"
_LOCAL = f"{_DATE}T{_TIME}"
_ZONED = f"{_LOCAL}{_ZONE}"
_SHORT_TIMED = f"{_DATE}T{_SHORT_TIME}{_ZONE}?"
_MIDNIGHT = "T00:00:00"
_DATE_LENGTH = len("2000-01-01")
_HOUR_END = r"^(.{13})($|Z|[+-])"
_MINUTE_END = r"^(.{16})($|Z|[+-])"
_NEXT_PART = r"\1:00\2"
_FINER = "[.][0-9]{6}[0-9]*[1-9]"
_A_DAY = 86_400_000_000
"""Microseconds: how far from a moment its zone is asked for the offset before a change."""


def to_date(text: Sql, *, start: bool, timed: bool) -> Sql:
    """The day of a date and, if `timed`, of a moment in the session's zone; with `start` the first of a partial.

    What has the shape of a day is cast, which is quicker than a pattern; the cast alone would take a space at the end.
    """
    ends_in_digit = sql.compare(">=", sql.call("right", text, sql.number(1)), sql.text("0"))
    is_day = sql.all_of(sql.like(text, _DAY_SHAPE), sql.compare(">=", text, sql.text(_FIRST_YEAR)), ends_in_digit)
    days = [(is_day, sql.try_cast(text, "DATE"))]
    if start:
        days.append((_matches(text, *_day_forms(timed=timed)), sql.cast_to(_first_local(text), "DATE")))
    return sql.case(*days, default=sql.cast_to(_local(text), "DATE") if timed else None)


def to_instant(text: Sql, *, start: bool) -> Sql:
    """The moment of a text; with `start` the first one of a partial date, or of an hour that comes twice."""
    moments = [
        (_matches(text, _ZONED), sql.try_cast(text, _INSTANT)),
        (_matches(text, _LOCAL), _moment_at(sql.try_cast(text, "TIMESTAMP"), _earlier if start else _only_one)),
    ]
    if start:
        first = sql.let("c", {"t": _completed(text)}, lambda of: _first_moment(of("t")))
        moments.append((_matches(text, _ANY_DATE, _SHORT_TIMED), first))
    return sql.case(*moments)


def instant_to_instant(text: Sql) -> Sql:
    """The moment of an instant; one without zone, which FHIR does not know, is that of comparisons.

    What does not match is extracted as an empty text, which is no moment either: the text is named once, which saves
    planning.
    """
    return sql.try_cast(sql.call("regexp_extract", text, sql.text(f"^{_ZONED}?$")), _INSTANT)


def to_local(text: Sql, *, start: bool) -> Sql:
    """The time that a clock in the session's zone shows; of a text without zone, the one that it tells."""
    if not start:
        return _local(text)
    return sql.case((_matches(text, _ANY_DATE, _SHORT_TIMED), _first_local(text)), default=_local(text))


def to_time(text: Sql, *, start: bool) -> Sql:
    """The time of day; with `start` the first of an hour or a minute."""
    times = [(_matches(text, _TIME), sql.try_cast(text, "TIME"))]
    if start:
        full = sql.call("left", sql.concat(text, sql.text(":00:00")), sql.number(len("00:00:00")))
        times.append((_matches(text, _SHORT_TIME), sql.try_cast(full, "TIME")))
    return sql.case(*times)


def is_partial_date(*, timed: bool) -> Callable[[Sql], Sql]:
    """Whether what gives no day is a span of several."""
    return lambda text: _is_partial(text, _day_forms(timed=timed))


def is_partial_moment(text: Sql) -> Sql:
    """Whether what gives no time is a span, such as a day."""
    return _is_partial(text, (_ANY_DATE, _SHORT_TIMED))


def is_undecided_moment(text: Sql) -> Sql:
    """Whether what gives no moment is a span, or in an hour that the zone has twice."""
    twice = sql.is_not_null(_moment_at(sql.try_cast(text, "TIMESTAMP"), _earlier))
    return sql.some_of(is_partial_moment(text), sql.all_of(_matches(text, _LOCAL), twice))


def is_partial_time(text: Sql) -> Sql:
    return _matches(text, _SHORT_TIME)


def is_cut_moment(text: Sql) -> Sql:
    """Whether a moment has digits beyond the microsecond; the length and one character rule it out for most."""
    return _is_cut(text, "2000-01-01T00:00:00.000000")


def is_cut_time(text: Sql) -> Sql:
    """Whether a time of day has digits beyond the microsecond."""
    return _is_cut(text, "00:00:00.000000")


def _is_cut(text: Sql, longest: str) -> Sql:
    next_ = sql.call("substr", text, sql.number(len(longest) + 1), sql.number(1))
    finer = sql.call("regexp_matches", text, sql.text(_FINER))
    return sql.all_of(
        sql.compare(">", sql.call("strlen", text), sql.number(len(longest))),
        sql.between(next_, sql.text("0"), sql.text("9")),
        finer,
    )


def _day_forms(*, timed: bool) -> Sequence[str]:
    return (_SHORT_DATE, _SHORT_TIMED) if timed else (_SHORT_DATE,)


def _is_partial(text: Sql, forms: Sequence[str]) -> Sql:
    return sql.all_of(_matches(text, *forms), sql.is_not_null(_first_local(text)))


def _completed(text: Sql) -> Sql:
    """The first second of a partial date, of a day, or of a moment without seconds or minutes."""
    day = sql.concat(
        sql.call("left", sql.concat(text, sql.text("-01-01")), sql.number(_DATE_LENGTH)), sql.text(_MIDNIGHT)
    )
    minute = sql.call("regexp_replace", text, sql.text(_HOUR_END), sql.text(_NEXT_PART))
    second = sql.call("regexp_replace", minute, sql.text(_MINUTE_END), sql.text(_NEXT_PART))
    return sql.case((sql.compare("<=", sql.call("strlen", text), sql.number(_DATE_LENGTH)), day), default=second)


def _first_local(text: Sql) -> Sql:
    """What a clock shows at the first second of a partial date; null where it is not in the calendar."""
    return sql.let("c", {"t": _completed(text)}, lambda of: _local(of("t")))


def _local(text: Sql) -> Sql:
    zoned = sql.cast_to(sql.try_cast(text, _INSTANT), "TIMESTAMP")
    return sql.case((_matches(text, _ZONED), zoned), (_matches(text, _LOCAL), sql.try_cast(text, "TIMESTAMP")))


def _first_moment(text: Sql) -> Sql:
    local = _moment_at(sql.try_cast(text, "TIMESTAMP"), _first)
    return sql.case((_matches(text, _ZONED), sql.try_cast(text, _INSTANT)), (_matches(text, _LOCAL), local))


def _moment_at(local: Sql, choose: Callable[[Reader], Sql]) -> Sql:
    """The moment at which clocks in the session's zone show a time.

    `t` is that time, `m` the moment that DuckDB takes: the later one where there are two, and past the gap where
    there is none. `e` is the moment with the offset of the day before; where it shows `t` too, it is the earlier one.
    """

    def before(of: Reader) -> dict[str, Sql]:
        moment = sql.cast_to(of("t"), _INSTANT)
        day_before = sql.call("make_timestamptz", sql.arithmetic("-", _microseconds(moment), sql.number(_A_DAY)))
        return {"t": of("t"), "m": moment, "b": day_before}

    def earlier(of: Reader) -> dict[str, Sql]:
        offset = sql.arithmetic("-", _microseconds(sql.cast_to(of("b"), "TIMESTAMP")), _microseconds(of("b")))
        moment = sql.call("make_timestamptz", sql.arithmetic("-", _microseconds(of("t")), offset))
        return {"t": of("t"), "m": of("m"), "e": moment}

    return sql.pipeline("z", {"t": local}, (before, earlier), choose)


def _microseconds(moment: Sql) -> Sql:
    return sql.call("epoch_us", moment)


def _shows(of: Reader, moment: str) -> Sql:
    return sql.compare("=", sql.cast_to(of(moment), "TIMESTAMP"), of("t"))


def _only_one(of: Reader) -> Sql:
    """The moment, null where the clocks skip it or show it twice."""
    one = sql.some_of(sql.compare("=", of("e"), of("m")), sql.negate(_shows(of, "e")))
    return sql.case((sql.all_of(_shows(of, "m"), one), of("m")))


def _earlier(of: Reader) -> Sql:
    """The moment, the earlier of two, null where the clocks skip it."""
    return sql.case((_shows(of, "e"), of("e")), (_shows(of, "m"), of("m")))


def _first(of: Reader) -> Sql:
    """The moment, the earlier of two, and where the clocks skip it the one to which they go."""
    return sql.case((_shows(of, "e"), of("e")), default=of("m"))


def _matches(text: Sql, *forms: str) -> Sql:
    return sql.call("regexp_full_match", text, sql.text("|".join(forms)))

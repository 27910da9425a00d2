"""Dates and times, which are text, moved by a duration; what leaves the years 1 to 9999 is null (FHIRPath §6.6.7).

The precision and the zone of a value stay as they are: the calendar is that of its own zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.amounts import read_amount
from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Sql
from lacustre.views.duckdb.temporal import DATE, timed_parts, where_formed
from lacustre.views.durations import Move, Shift, shift_of
from lacustre.views.ir import Apply, FunctionName, Literal
from lacustre.views.types import kind_of

_DATE_PRECISIONS = {4: "year", 7: "month", 10: "day"}
_TIME_PRECISIONS = {13: "hour", 16: "minute", 19: "second"}
_FILLING = "0001-01-01T00:00:00"
_SECOND = 1_000_000
_MICRO_DIGITS = 6
_SOME_DAY = "2000-01-01T"


def _add(value: Apply, source: Sql, _: Sql) -> Sql:
    [amount] = [read_amount(str(argument.value)) for argument in value.arguments if isinstance(argument, Literal)]
    shift = shift_of(amount)
    match kind_of(value.source.type):
        case "date":
            return _moved_date(source, shift)
        case "time":
            whole = sql.concat(sql.text(_SOME_DAY), source)
            return sql.call("substr", _moved_moment(whole, shift), sql.number(len(_SOME_DAY) + 1))
        case _:
            timed = sql.compare(">", sql.call("length", source), sql.number(10))
            return sql.case((timed, _moved_moment(source, shift)), default=_moved_date(source, shift))


def _moved_date(value: Sql, shift: Shift) -> Sql:
    length = sql.call("length", value)
    day = sql.try_cast(sql.call("left", _filled(value), sql.number(10)), "TIMESTAMP")
    moved = _by_length(length, {width: _moved(day, shift.move(name)) for width, name in _DATE_PRECISIONS.items()})
    written = sql.call("strftime", _within(moved), sql.text("%Y-%m-%d"))
    return where_formed(DATE, sql.call("left", written, length), value)


def _filled(value: Sql) -> Sql:
    """A partial text with what it lacks."""
    return sql.concat(value, sql.call("substr", sql.text(_FILLING), _plus_one(sql.call("length", value))))


def _plus_one(value: Sql) -> Sql:
    return sql.arithmetic("+", value, sql.number(1))


def _by_length(length: Sql, cases: Mapping[int, Sql]) -> Sql:
    return sql.case(*((sql.compare("=", length, sql.number(width)), case) for width, case in cases.items()))


def _moved(moment: Sql, move: Move) -> Sql:
    steps = (("to_months", move.months), ("to_days", move.days), ("to_microseconds", move.microseconds))
    for function, amount in steps:
        if amount:
            return sql.arithmetic("+", moment, sql.call(function, sql.number(amount)))
    return moment


def _within(moment: Sql) -> Sql:
    """The moment where it is in the calendar."""
    first, last = (sql.cast_to(sql.text(text), "TIMESTAMP") for text in ("0001-01-01", "9999-12-31T23:59:59.999999"))

    def kept(of: sql.Reader) -> Sql:
        inside = sql.all_of(sql.compare(">=", of("m"), first), sql.compare("<=", of("m"), last))
        return sql.case((inside, of("m")))

    return sql.let("w", {"m": moment}, kept)


def _moved_moment(value: Sql, shift: Shift) -> Sql:
    """A text with a time of day: its parts `t` (to the second), `f` (the fraction) and `z` (the zone)."""
    parts = timed_parts(value)
    fractional = bool(shift.move("second").microseconds % _SECOND)

    def read(of: sql.Reader) -> sql.Fields:
        head = _filled(sql.member(of("p"), "t"))
        return {"p": of("p"), "m": sql.try_cast(_with_fraction(of, head) if fractional else head, "TIMESTAMP")}

    def moved(of: sql.Reader) -> sql.Fields:
        length = sql.call("length", sql.member(of("p"), "t"))
        cases = {width: _moved(of("m"), shift.move(name)) for width, name in _TIME_PRECISIONS.items()}
        return {"p": of("p"), "m": _within(_by_length(length, cases))}

    return sql.pipeline("v", {"p": parts}, (read, moved), lambda of: _written(of, shift if fractional else None))


def _with_fraction(of: sql.Reader, head: Sql) -> Sql:
    """With the fraction of a second, null where the database has not so many digits."""
    fraction = sql.member(of("p"), "f")
    short = sql.compare("<=", sql.call("length", fraction), sql.number(_MICRO_DIGITS + 1))
    return sql.case((short, sql.concat(head, fraction)))


def _written(of: sql.Reader, fractional: Shift | None) -> Sql:
    """The moment `m` as precise as the parts `p`, or as precise as the fraction that it was moved by."""
    head, fraction, zone = (sql.member(of("p"), field) for field in "tfz")
    length = sql.call("length", head)
    text = sql.call("left", sql.call("strftime", of("m"), sql.text("%Y-%m-%dT%H:%M:%S")), length)
    if fractional is None:
        return sql.concat(text, fraction, zone)
    least = 3 if fractional.move("second").microseconds % 1000 == 0 else _MICRO_DIGITS
    digits = sql.call("greatest", sql.arithmetic("-", sql.call("length", fraction), sql.number(1)), sql.number(least))
    found = sql.concat(sql.text("."), sql.call("left", sql.call("strftime", of("m"), sql.text("%f")), digits))
    precise = sql.compare("=", length, sql.number(len(_FILLING)))
    return sql.concat(text, sql.case((precise, found), default=sql.text("")), zone)


FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {"add": _add}

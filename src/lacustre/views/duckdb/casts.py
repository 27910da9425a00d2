"""How stored values become those of a column's SQL type, exactly or not at all.

What does not fit is null, and is counted by the view's `lake_misfits`: a cast of DuckDB would round, cut, or read
`15-06-70` as a date of the first century.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lacustre.views.ansi import family_of
from lacustre.views.duckdb import moment_casts, number_casts, sql
from lacustre.views.duckdb.sql import Sql
from lacustre.views.types import UNKNOWN, PartialDates, SqlType, default_type, kind_of

Of: TypeAlias = Callable[[Sql], Sql]
"""An expression over a value that is cheap to name several times."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """`value` is null where a value does not fit; `partial` then tells a partial date, and `cut` tells a moment
    that fits but for digits beyond the microsecond. What is named `once` by `value` need not be worked out beforehand.
    """

    value: Of
    may_fail: bool = True
    once: bool = False
    partial: Of | None = None
    cut: Of | None = None


def may_misfit(found: str, wanted: SqlType) -> bool:
    """Whether values of a FHIR type may not fit a column's SQL type."""
    conversion = conversion_of(found, wanted, "null")
    return conversion is not None and conversion.may_fail


def conversion_of(found: str, wanted: SqlType, partial: PartialDates) -> Conversion | None:
    """The conversion of values of a FHIR type; None where they are of the SQL type as they are stored."""
    if found == UNKNOWN:
        return None
    match family_of(wanted):
        case "text":
            return _to_text(found, wanted)
        case "binary":
            return Conversion(lambda value: _at_most(wanted, from_base64(value), "octet_length"))
        case "boolean":
            return None if kind_of(found) == "boolean" else Conversion(_to_boolean)
        case "number":
            return _to_number(found, wanted)
        case "date" | "moment" | "time":
            return _to_moment(found, wanted, start=partial == "start")


def from_base64(value: Sql) -> Sql:
    return sql.try_(sql.call("from_base64", value))


def _to_text(found: str, wanted: SqlType) -> Conversion | None:
    stored = default_type(found).name if kind_of(found) in ("boolean", "integer") else wanted.name
    if stored == wanted.name:
        return None if wanted.length is None else Conversion(lambda value: _at_most(wanted, value, "length"))
    if wanted.length is None:
        return Conversion(lambda value: sql.cast_to(value, wanted.name), may_fail=False)
    return Conversion(lambda value: _at_most(wanted, sql.cast_to(value, wanted.name), "length"))


def _at_most(wanted: SqlType, value: Sql, measure: str) -> Sql:
    if wanted.length is None:
        return value
    return sql.case((sql.compare("<=", sql.call(measure, value), sql.number(wanted.length)), value))


def _to_boolean(value: Sql) -> Sql:
    return sql.case(
        (sql.compare("=", value, sql.text("true")), sql.TRUE()),
        (sql.compare("=", value, sql.text("false")), sql.FALSE()),
    )


def _to_number(found: str, wanted: SqlType) -> Conversion | None:
    if kind_of(found) != "integer":
        return Conversion(lambda value: number_casts.read_number(value, wanted.name))
    if wanted.name == default_type(found).name:
        return None
    if wanted.name in number_casts.HOLDS_INTEGERS:
        return Conversion(lambda value: sql.cast_to(value, wanted.name), may_fail=False)
    return Conversion(lambda value: sql.try_cast(value, wanted.name))


def _to_moment(found: str, wanted: SqlType, *, start: bool) -> Conversion:
    """An instant has no partial form, and a date no time of day: a text that has is malformed."""
    kind = kind_of(found)
    start = start and kind != "instant"
    if wanted.name == "TIME":
        whole = moment_casts.is_partial_time
        return Conversion(
            lambda value: moment_casts.to_time(value, start=start), partial=whole, cut=moment_casts.is_cut_time
        )
    if wanted.name == "DATE":
        timed = kind != "date"
        undecided = None if kind == "instant" else moment_casts.is_partial_date(timed=timed)
        return Conversion(lambda value: moment_casts.to_date(value, start=start, timed=timed), partial=undecided)
    cut = moment_casts.is_cut_moment
    if wanted.name == "TIMESTAMP":
        undecided = None if kind == "instant" else moment_casts.is_partial_moment
        return Conversion(lambda value: moment_casts.to_local(value, start=start), partial=undecided, cut=cut)
    if kind == "instant":
        return Conversion(moment_casts.instant_to_instant, once=True, cut=cut)
    return Conversion(
        lambda value: moment_casts.to_instant(value, start=start), partial=moment_casts.is_undecided_moment, cut=cut
    )

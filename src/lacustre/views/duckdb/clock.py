"""The moment of the run: the session's variable `lacustre_now` where it is set, else that of the transaction."""

from __future__ import annotations

from datetime import datetime

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.emitter import EMITTERS, Emitter
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Clock

MOMENT_VARIABLE = "lacustre_now"
"""A variable of DuckDB that a run of several statements sets, so that all of them are of one moment."""

_DATE = "%Y-%m-%d"
_TIME = "%H:%M:%S.%g"
_WITH_SHORT_ZONE = len("2015-02-04T14:30:00.000+01")


def fixed_at(moment: datetime) -> str:
    """The statement that makes a moment that of all that follows in a session; it has a time zone."""
    return f"SET VARIABLE {MOMENT_VARIABLE} = TIMESTAMPTZ '{moment.isoformat()}'"


def _emit_clock(_: Emitter, value: Clock) -> Sql:
    fixed = sql.cast_to(sql.call("getvariable", sql.text(MOMENT_VARIABLE)), "TIMESTAMP WITH TIME ZONE")
    moment = sql.coalesce(fixed, sql.call("now"))
    match value.type:
        case "date":
            return sql.call("strftime", moment, sql.text(_DATE))
        case "time":
            return sql.call("strftime", moment, sql.text(_TIME))
        case _:
            written = sql.call("strftime", moment, sql.text(f"{_DATE}T{_TIME}%z"))
            return sql.call("rpad", written, *_padding(written))


def _padding(written: Sql) -> tuple[Sql, Sql]:
    """DuckDB writes the zone +01:00 as `+01`."""
    short = sql.compare("=", sql.call("length", written), sql.number(_WITH_SHORT_ZONE))
    width = sql.case((short, sql.number(_WITH_SHORT_ZONE + 3)), default=sql.call("length", written))
    return sql.cast_to(width, "INTEGER"), sql.text(":00")


EMITTERS[Clock] = _emit_clock

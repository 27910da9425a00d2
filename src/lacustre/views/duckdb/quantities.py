"""Quantities, which are text outside of elements: a magnitude, a space and a unit (`4 'mg'`, `4 days`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lacustre.views.amounts import bounds_of, divisors_of, limits_of, read_amount, scales_of
from lacustre.views.duckdb import decimals, sql
from lacustre.views.duckdb.sql import Sql
from lacustre.views.ir import Apply, FunctionName, Literal

_TABLES = {"bound": bounds_of, "limit": limits_of, "scale": scales_of, "divisor": divisors_of}
_CALENDAR = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}


def compare_texts(operator: str, left: Sql, right: Sql) -> Sql:
    """Compares two quantities of the same unit; null where the units differ."""

    def compared(of: sql.Reader) -> Sql:
        by_value = decimals.compare_decimals(operator, of("lm"), of("rm"))
        return sql.case((sql.compare("=", of("lu"), of("ru")), by_value))

    sides = {"lm": magnitude_of(left), "lu": unit_of(left), "rm": magnitude_of(right), "ru": unit_of(right)}
    return sql.let("q", sides, compared)


def magnitude_of(text: Sql) -> Sql:
    return sql.call("split_part", text, sql.text(" "), sql.number(1))


def unit_of(text: Sql) -> Sql:
    """The UCUM unit; that of a calendar duration, or its name where it has none."""
    unit = sql.call("substr", text, sql.arithmetic("+", sql.call("instr", text, sql.text(" ")), sql.number(1)))
    singular = sql.call("rtrim", unit, sql.text("s"))
    cases = ((sql.compare("=", singular, sql.text(name)), sql.text(ucum)) for name, ucum in _CALENDAR.items())
    quoted = sql.compare("=", sql.call("left", unit, sql.number(1)), sql.text("'"))
    inner = sql.arithmetic("-", sql.call("length", unit), sql.number(2))
    return sql.case((quoted, sql.call("substr", unit, sql.number(2), inner)), *cases, default=singular)


def _quantity(_: Apply, source: Sql, code: Sql) -> Sql:
    return sql.concat(source, sql.text(" '"), code, sql.text("'"))


def _bound(value: Apply, source: Sql, *_: Sql) -> Sql:
    """What the literal comes to in the unit that the source names."""
    text, table = (str(argument.value) for argument in value.arguments if isinstance(argument, Literal))
    bounds = _TABLES[table](read_amount(text), element=value.source.type == "code")
    cases = ((sql.compare("=", source, sql.text(unit)), sql.text(bound)) for unit, bound in bounds.items())
    return sql.case(*cases) if bounds else sql.cast_to(sql.NULL(), "VARCHAR")


FUNCTIONS: Mapping[FunctionName, Callable[..., Sql]] = {
    "quantity": _quantity,
    "magnitude": lambda _, source: magnitude_of(source),
    "unit": lambda _, source: unit_of(source),
    "bound": _bound,
}

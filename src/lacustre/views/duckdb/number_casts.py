"""Texts of numbers as SQL numbers: DECIMAL and integer types hold a value exactly or not at all.

REAL and DOUBLE hold what is nearest, which is what they are for; beyond their range they hold nothing.
"""

from __future__ import annotations

from lacustre.views.duckdb import decimals, sql
from lacustre.views.duckdb.sql import Sql

HOLDS_INTEGERS = frozenset({"BIGINT", "DOUBLE", "FLOAT"})
"""Types in which an integer of 32 bits always has its place."""

_NUMBER = "[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?"


def read_number(text: Sql, wanted: str) -> Sql:
    """The number that a text tells, or null where the type does not hold it."""
    return _approximate(text, wanted) if wanted in ("DOUBLE", "FLOAT") else _exact(text, wanted)


def _exact(text: Sql, wanted: str) -> Sql:
    form = _plain_form(_scale(wanted))
    in_powers = sql.call("regexp_matches", text, sql.text("[eE]"))
    plain = sql.let("q", {"v": decimals.write_plain(text)}, lambda of: _formed(form, of("v"), wanted))
    return sql.case((_matches(text, form), sql.try_cast(text, wanted)), (in_powers, plain))


def _formed(form: str, text: Sql, wanted: str) -> Sql:
    return sql.case((_matches(text, form), sql.try_cast(text, wanted)))


def _approximate(text: Sql, wanted: str) -> Sql:
    """A number that is not 0 is never held as 0."""
    found = sql.try_cast(text, wanted)
    held = sql.some_of(sql.compare("!=", found, sql.number(0)), decimals.is_zero(text))
    return sql.case((sql.all_of(_matches(text, _NUMBER), sql.call("isfinite", found), held), found))


def _matches(text: Sql, form: str) -> Sql:
    return sql.call("regexp_full_match", text, sql.text(form))


def _plain_form(scale: int) -> str:
    """Numbers without exponent that have no more digits after the point than a type holds, zeros aside."""
    digits = f"[0-9]{{1,{scale}}}0*" if scale else "0+"
    return f"[+-]?[0-9]+([.]{digits})?"


def _scale(wanted: str) -> int:
    """The digits that a type holds after the point."""
    return int(wanted.rstrip(")").rpartition(",")[2]) if wanted.startswith("DECIMAL") else 0

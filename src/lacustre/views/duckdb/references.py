"""The key in a literal reference (SQL on FHIR, `getReferenceKey`).

The same references are read as by `lacustre.fhir.references`: relative, or absolute over http, with or without
a version. References to fragments, URNs and searches have no key.
"""

from __future__ import annotations

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Sql

_ID = r"[^\s/?#|]+"
_ANY_TYPE = "[A-Z][A-Za-z]*"
_NOT_IN_ID = ("/", "?", "#", "|", " ")


def reference_key(reference: Sql, type_: str | None) -> Sql:
    """The id in a reference, where it is to this type if one is given; null where it has no such key."""
    wanted = type_ or _ANY_TYPE
    pattern = rf"^(?:[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/)?{wanted}/({_ID})(?:/_history/{_ID})?$"
    exact = _extract(reference, pattern)
    if type_ is None:
        return sql.coalesce(_extract(reference, f"^{wanted}/({_ID})$"), exact)
    rest = sql.call("substr", reference, sql.number(len(type_) + 2))
    plain = sql.all_of(
        sql.call("starts_with", reference, sql.text(f"{type_}/")),
        *(sql.negate(sql.call("contains", rest, sql.text(character))) for character in _NOT_IN_ID),
        sql.compare("!=", rest, sql.text("")),
    )
    return sql.case((plain, rest), default=exact)


def _extract(reference: Sql, pattern: str) -> Sql:
    found = sql.call("regexp_extract", reference, sql.text(pattern), sql.number(1))
    return sql.call("nullif", found, sql.text(""))

"""The key in a literal reference (SQL on FHIR, `getReferenceKey`).

The same references are read as by `lacustre.fhir.references`: relative, or absolute over http, with or without
a version. References to fragments, URNs and searches have no key.
"""

from __future__ import annotations

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Sql

_ID = r"[^\s/?#|]+"
_ANY_TYPE = "[A-Z][A-Za-z]*"


def reference_key(reference: Sql, type_: str | None) -> Sql:
    """The id in a reference, where it is to this type if one is given; null where it has no such key.

    Nearly all references are relative and without version: one function of one column, which DuckDB works out
    once per entry of a dictionary, finds their key.
    """
    wanted = type_ or _ANY_TYPE
    pattern = rf"^(?:[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/)?{wanted}/({_ID})(?:/_history/{_ID})?$"
    longer = sql.some_of(*(sql.call("contains", reference, sql.text(part)) for part in ("://", "/_history/")))
    plain = _extract(reference, f"^{wanted}/({_ID})$")
    return sql.coalesce(plain, sql.case((longer, _extract(reference, pattern))))


def _extract(reference: Sql, pattern: str) -> Sql:
    found = sql.call("regexp_extract", reference, sql.text(pattern), sql.number(1))
    return sql.call("nullif", found, sql.text(""))

"""The key in a literal reference (SQL on FHIR, `getReferenceKey`).

The same references are read as by `lacustre.fhir.references`: relative, or absolute over http, with or without
a version. References to fragments, URNs and searches have no key.
"""

from __future__ import annotations

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.sql import Sql

_ID = r"[^\s/?#|]+"
_VERSION = f"(?:/_history/{_ID})?"
_ANY_TYPE = "[A-Z][A-Za-z]*"
_BASE = r"[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+"


def reference_key(reference: Sql, type_: str | None) -> Sql:
    """The id in a reference, where it is to this type if one is given; null where it has no such key.

    Nearly all references are relative. One function of one column, which DuckDB works out once per entry of a
    dictionary, finds their key, by a pattern in which nothing has to be tried twice. The key of the others is the
    first of a list: slower than `nullif`, but named once, which saves a quarter of the planning.
    """
    key = f"{type_ or _ANY_TYPE}/({_ID}){_VERSION}"
    relative = sql.call("regexp_extract", reference, sql.text(f"^{key}$"), sql.number(1))
    absolute = sql.call("regexp_extract_all", reference, sql.text(f"^{_BASE}/{key}$"), sql.number(1))
    return sql.coalesce(sql.call("nullif", relative, sql.text("")), sql.element(absolute, 1))

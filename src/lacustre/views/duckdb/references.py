"""The key in a literal reference (SQL on FHIR, `getReferenceKey`).

The same references are read as by `lacustre.fhir.references`: relative, or absolute over http, with or without
a version. References to URNs and searches have no key.

`#x` refers to what the resource of the row contains, or in a row of a contained resource, whose id has a `#`, to its
neighbour. What there is to refer to is in `lake_rest`: of a container the contained resources themselves, of one that
is contained the ids and types of all that its container has, where one of these refers to another.
"""

from __future__ import annotations

from lacustre.views.duckdb import sql
from lacustre.views.duckdb.emitter import TABLE
from lacustre.views.duckdb.sql import Sql

_ID = r"[^\s/?#|]+"
_VERSION = f"(?:/_history/{_ID})?"
_ANY_TYPE = "[A-Z][A-Za-z]*"
_BASE = r"[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+"


_LOCAL = r"#[^\s/?#|]+"
_CONTAINED, _NEIGHBOURS = "/contained", "#"
"""Pointers in `lake_rest`."""
_NAMES = '[{"id":"VARCHAR","resourceType":"VARCHAR"}]'


def reference_key(reference: Sql, type_: str | None, container: str | None = None) -> Sql:
    """The id in a reference, where it is to this type if one is given; null where it has no such key.

    `container` is the type of the rows' resources; without it local references have no key.

    Nearly all references are relative. One function of one column, which DuckDB works out once per entry of a
    dictionary, finds their key, by a pattern in which nothing has to be tried twice. The key of the others is the
    first of a list: slower than `nullif`, but named once, which saves a quarter of the planning.
    """
    key = f"{type_ or _ANY_TYPE}/({_ID}){_VERSION}"
    relative = sql.call("regexp_extract", reference, sql.text(f"^{key}$"), sql.number(1))
    absolute = sql.call("regexp_extract_all", reference, sql.text(f"^{_BASE}/{key}$"), sql.number(1))
    found = [sql.call("nullif", relative, sql.text("")), sql.element(absolute, 1)]
    if container is not None:
        found.append(_local_key(reference, type_, container))
    return sql.coalesce(*found)


def _local_key(reference: Sql, type_: str | None, container: str) -> Sql:
    """The key in a local reference, which is looked for in few rows: those where there is no other key."""
    own = sql.column("id", TABLE)
    within = sql.call("contains", own, sql.text("#"))
    holder = sql.call("split_part", own, sql.text("#"), sql.number(1))
    plain = sql.call("split_part", holder, sql.text("/"), sql.number(2))
    key = sql.case((within, holder), default=sql.concat(sql.text(f"{container}/"), own))
    is_local = sql.call("regexp_full_match", reference, sql.text(_LOCAL))
    is_holder = [sql.compare("=", reference, sql.text("#")), within]
    if type_ is not None:
        is_holder.append(sql.call("starts_with", own, sql.text(f"{type_}/")))
    is_there = sql.all_of(is_local, _is_there(reference, type_, within))
    return sql.case((sql.all_of(*is_holder), plain), (is_there, sql.concat(key, reference)))


def _is_there(reference: Sql, type_: str | None, within: Sql) -> Sql:
    """Whether one contained resource has the local id, and is of the type if one is given."""
    pointer = sql.case((within, sql.text(_NEIGHBOURS)), default=sql.text(_CONTAINED))
    here = sql.keep(
        sql.column("lake_rest", TABLE), "e", sql.compare("=", sql.member(sql.item("e"), "pointer"), pointer)
    )
    names = sql.call("from_json", sql.member(sql.element(here, 1), "json"), sql.text(_NAMES))
    local = sql.call("substring", reference, sql.number(2))
    named = sql.keep(names, "c", sql.compare("=", sql.member(sql.item("c"), "id"), local))
    types = sql.transform(named, "c", sql.member(sql.item("c"), "resourceType"))
    if type_ is not None:
        return sql.compare("=", types, sql.array(sql.text(type_)))
    return sql.all_of(sql.compare("=", sql.length_of(types), sql.number(1)), sql.is_not_null(sql.element(types, 1)))

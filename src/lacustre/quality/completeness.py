"""Which Encounters are complete: every type of resource that refers to Encounters was delivered since their export.

An export without a Procedure file and a patient without procedures look alike in the tables. So a type that the lake
has, and that names its Encounter, has to be delivered at or after the export of an Encounter before this one counts
as complete: by a file, or by a manifest whose `request` asked for the type, in which case there was none to deliver.
The export of a file without a manifest is the start of its load. What an interrupted load wrote came with the files
of the load that finished it, the next one that took a file of the same name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import duckdb

from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.quality.references import reference_paths
from lacustre.store.delta import Snapshot
from lacustre.store.scan import bind_table, read_parquet, sql_list

LINKS = ("encounter", "context", "context.encounter")
"""The paths by which resources name the Encounter that they belong to."""

_STARTED = "strptime(left({load}, 16), '%Y%m%dT%H%M%SZ') AT TIME ZONE 'UTC'"


def instant_sql(instant: str) -> str:
    """SQL of an instant as text, in UTC to the millisecond: such texts sort as instants do."""
    return f"strftime(({instant}) AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ')"


_DELIVERED = f"""
CREATE OR REPLACE TEMP TABLE delivered AS
SELECT load, name, json_keys(lines) AS types, {
    instant_sql(f"coalesce(TRY_CAST(nullif(export, '') AS TIMESTAMPTZ), {_STARTED.format(load='load')})")
} AS instant
FROM {{files}} WHERE NOT list_contains({{unfinished}}::VARCHAR[], load)
"""
_BY_EXPORT = f"""
SELECT {{key}} AS key, coalesce(its.instant, later.instant, {instant_sql(_STARTED.format(load="lake_load"))})
    AS exported, sum(rows)::BIGINT
FROM (SELECT {{key}}, lake_load, lake_source.file AS file, count(*) AS rows FROM {{encounters}} GROUP BY ALL)
LEFT JOIN delivered AS its ON its.load = lake_load AND its.name = file
ASOF LEFT JOIN delivered AS later ON later.name = file AND left(lake_load, 16) <= left(later.load, 16) GROUP BY ALL
"""
_MEMBERS = """
SELECT id AS key, regexp_extract(text, '(?:^|/)Patient/([^\\s/?#|]+)(?:/_history/[^\\s/?#|]+)?$', 1) AS patient
FROM (SELECT id, unnest(member).entity.reference AS text FROM fhir."Group")
"""


@dataclass(frozen=True, slots=True)
class Completeness:
    """Of some Encounters: how many, how many of them are complete, and how many wait for each type that is missing."""

    encounters: int = 0
    complete: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LakeCompleteness:
    """`members` is how many patients each Group has, `delivered` when each type was last exported (UTC, ISO 8601)."""

    whole: Completeness
    groups: Mapping[str, Completeness]
    members: Mapping[str, int]
    delivered: Mapping[str, str]


def linked_types(model: FhirModel, shapes: Mapping[str, Shape]) -> list[str]:
    """The types whose resources name their Encounter, of the tables with these shapes."""
    return [name for name, shape in shapes.items() if not {*LINKS}.isdisjoint(_paths(model, name, shape))]


def _paths(model: FhirModel, name: str, shape: Shape) -> list[str]:
    below = {member: shape[member] for member in ("encounter", "context") if member in shape}
    return [".".join(step for step, _ in path) for path in reference_paths(model, name, below)]


def requested_types(request: str, linked: Collection[str]) -> set[str]:
    """The types among some that an export was asked for: those of `_type`, else all."""
    stated = parse_qs(urlsplit(request).query).get("_type", ())
    return {name for part in stated for name in part.split(",")}.intersection(linked) if stated else set(linked)


def assess_completeness(
    connection: duckdb.DuckDBPyConnection,
    model: FhirModel,
    tables: Mapping[str, Snapshot],
    loaded_files: Sequence[str],
    unfinished: Collection[str],
    requests: Mapping[str, str],
    before: Mapping[str, str],
) -> LakeCompleteness:
    """The completeness of all Encounters, and by Group of those of its members.

    `tables` are the FHIR tables that have rows, `loaded_files` the URIs of the table of loaded files; what
    `unfinished` loads delivered does not count. `requests` are those of this load's exports, by instant, and `before`
    says when each type was last delivered as the statement before has it. The cost is that of a few columns of
    Encounter and Group.
    """
    files = (
        read_parquet(loaded_files) if loaded_files else "(SELECT '' AS load, '' AS name, '' AS export, '{}' AS lines)"
    )
    connection.execute(_DELIVERED.format(files=files, unfinished=sql_list(sorted(unfinished))))
    last = dict(
        connection.execute("SELECT unnest(types) AS type, max(instant) FROM delivered GROUP BY type").fetchall()
    )
    linked = linked_types(model, {name: snapshot.shape for name, snapshot in tables.items()})
    asked = [dict.fromkeys(requested_types(request, linked), at) for at, request in requests.items()]
    for delivered in (before, *asked):
        last |= {name: max(at, last.get(name, "")) for name, at in delivered.items()}
    if "Encounter" not in tables:
        return LakeCompleteness(Completeness(), {}, {}, last)
    needed = {name: last[name] for name in linked if name in last}
    encounters = read_parquet(tables["Encounter"].uris)
    whole = _by_key(connection, _BY_EXPORT.format(key="'lake'", encounters=encounters), needed)
    groups, members = _of_groups(connection, tables, needed)
    return LakeCompleteness(whole.get("lake", Completeness()), groups, members, last)


def _of_groups(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Snapshot], needed: Mapping[str, str]
) -> tuple[dict[str, Completeness], dict[str, int]]:
    group = tables.get("Group")
    if group is None or "reference" not in group.shape.get("member", {}).get("entity", {}):
        return {}, {}
    bind_table(connection, "Group", group.uris, group.schema)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE members AS SELECT DISTINCT * FROM ({_MEMBERS}) WHERE patient != ''"
    )
    joined = f"(FROM {read_parquet(tables['Encounter'].uris)} JOIN members ON patient = lake_patient)"
    groups = _by_key(connection, _BY_EXPORT.format(key="key", encounters=joined), needed)
    members = dict(connection.execute("SELECT key, count(*) FROM members GROUP BY key ORDER BY key").fetchall())
    return {name: groups.get(name, Completeness()) for name in members}, members


def _by_key(connection: duckdb.DuckDBPyConnection, query: str, needed: Mapping[str, str]) -> dict[str, Completeness]:
    found: dict[str, list[tuple[str, int]]] = {}
    for key, exported, rows in connection.execute(query).fetchall():
        found.setdefault(key, []).append((exported, rows))
    return {key: _completeness(exports, needed) for key, exports in found.items()}


def _completeness(exports: Sequence[tuple[str, int]], needed: Mapping[str, str]) -> Completeness:
    """`exports` are instants with their numbers of Encounters, `needed` when each type was last delivered."""
    waiting = {name: sum(rows for exported, rows in exports if exported > last) for name, last in needed.items()}
    first = min(needed.values(), default=None)
    complete = sum(rows for exported, rows in exports if first is None or exported <= first)
    shown = {name: rows for name, rows in sorted(waiting.items()) if rows}
    return Completeness(sum(rows for _, rows in exports), complete, shown)

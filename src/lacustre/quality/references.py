"""References that do not resolve: of the rows that some loads wrote, counted by path and target type, in SQL.

Only literal references, `Type/id` relative or absolute, can resolve: where the lake has a resource of that type and
id, of whatever version and server. Contained resources (`#x`), `urn:` and conditional references are counted apart.
References inside contained resources are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.quality.reference_values import Step, count_texts
from lacustre.store.delta import Snapshot
from lacustre.store.reading import LakeFiles
from lacustre.store.scan import read_parquet, sql_text

_ID = r"[^\s/?#|]+"
_RELATIVE = rf"^([A-Z][A-Za-z]*)/({_ID})(?:/_history/{_ID})?$"
_ABSOLUTE = rf"^[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/([A-Z][A-Za-z]*)/({_ID})(?:/_history/{_ID})?$"
_KIND = """CASE WHEN starts_with(reference, '#') THEN 'contained' WHEN starts_with(reference, 'urn:') THEN 'urn'
WHEN contains(reference, '?') THEN 'conditional' ELSE 'unreadable' END"""

_PARSED = f"""
INSERT INTO refs
SELECT {{source}}, path, coalesce(nullif(parts.type, ''), {_KIND}), nullif(parts.id, ''), times FROM (
    SELECT path, reference, times, CASE WHEN contains(reference, '://')
        THEN regexp_extract(reference, {sql_text(_ABSOLUTE)}, ['type', 'id'])
        ELSE regexp_extract(reference, {sql_text(_RELATIVE)}, ['type', 'id']) END AS parts
    FROM found
)
"""


@dataclass(frozen=True, slots=True)
class ReferenceCount:
    """References from one path of a resource type to one type: how many, and how many of them resolve."""

    source: str
    path: str
    target: str
    count: int
    resolved: int


@dataclass(frozen=True, slots=True)
class ReferenceCounts:
    """`literal` ones by path and target; `others`, which cannot be resolved by type and id, by kind."""

    literal: tuple[ReferenceCount, ...]
    others: Mapping[str, int]


def count_references(
    connection: duckdb.DuckDBPyConnection,
    files: LakeFiles,
    model: FhirModel,
    tables: Mapping[str, Snapshot],
    loads: Collection[str],
    *,
    merged: bool = False,
) -> ReferenceCounts:
    """The references in the rows that the loads wrote, and which of them lead to a resource of the tables.

    The rows of a load are those in its segments of the tables; of the other rows, ids alone are read. With `merged`,
    those count too that maintenance has moved into later segments, where they are looked for.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE refs (source VARCHAR, path VARCHAR, target VARCHAR, id VARCHAR, times BIGINT)"
    )
    for resource_type, snapshot in tables.items():
        written = _files_since(snapshot, min(loads, default="")) if merged else written_files(snapshot, loads)
        if written:
            _collect(connection, files, model, resource_type, written, loads if merged else None)
    counted = _counted(connection, {name: snapshot.uris for name, snapshot in tables.items()})
    connection.execute("DROP TABLE refs")
    return counted


def written_files(snapshot: Snapshot, loads: Collection[str]) -> list[str]:
    """The URIs of the files with the rows that some loads wrote, where those are still in segments of their own."""
    return [file.uri for file in snapshot.files if file.partition["lake_segment"] in loads]


def _files_since(snapshot: Snapshot, load: str) -> list[str]:
    """The files whose segments began in the second of a load or later."""
    return [file.uri for file in snapshot.files if file.partition["lake_segment"][:16] >= load[:16]]


def _collect(
    connection: duckdb.DuckDBPyConnection,
    files: LakeFiles,
    model: FhirModel,
    resource_type: str,
    uris: Sequence[str],
    loads: Collection[str] | None,
) -> None:
    """Add the references of the files' rows, counted, to `refs`: of all, or of those that some loads wrote."""
    found = count_texts(files, uris, lambda shape: reference_paths(model, resource_type, shape), loads)
    connection.register("found", found)
    connection.execute(_PARSED.format(source=sql_text(resource_type)))
    connection.unregister("found")


def reference_paths(model: FhirModel, type_name: str, shape: Shape) -> Iterator[tuple[Step, ...]]:
    """The paths of a shape that lead to a Reference with a `reference`, each a step a member."""
    members = model.type(type_name).members
    for name, below in shape.items():
        if name not in members or not below:
            continue
        element, member_type = members[name]
        step = (name, element.many)
        if member_type == "Reference" and "reference" in below:
            yield (step,)
        yield from ((step, *path) for path in reference_paths(model, member_type, below))


def _counted(connection: duckdb.DuckDBPyConnection, files: Mapping[str, list[str]]) -> ReferenceCounts:
    grouped = "SELECT source, path, target, sum(times)::BIGINT FROM refs WHERE {} GROUP BY ALL ORDER BY ALL"
    rows = connection.execute(grouped.format("id IS NOT NULL")).fetchall()
    resolved: dict[tuple[str, str, str], int] = {}
    for target in sorted({target for _, _, target, _ in rows}):
        if target in files:
            found = connection.execute(
                f"SELECT source, path, sum(times)::BIGINT FROM refs "
                f"SEMI JOIN (SELECT id FROM {read_parquet(files[target])}) USING (id) "
                f"WHERE target = {sql_text(target)} GROUP BY ALL"
            ).fetchall()
            resolved |= {(source, path, target): times for source, path, times in found}
    literal = tuple(
        ReferenceCount(source, path, target, times, resolved.get((source, path, target), 0))
        for source, path, target, times in rows
    )
    others = connection.execute(
        "SELECT target, sum(times)::BIGINT FROM refs WHERE id IS NULL GROUP BY ALL ORDER BY ALL"
    )
    return ReferenceCounts(literal, dict(others.fetchall()))

"""Latest version wins: which staged rows a table takes, and which of its rows they replace.

The order of versions of a resource: `lake_updated` (`meta.lastUpdated`, else when the export was made, else when
it was loaded), then `meta.versionId` as a number; among the rest, a later load before an earlier one, and within
a load the later file and line. Only key columns are read, and whole rows where neither hash nor version tells
whether the same resource came again (`lacustre.store.content`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.store.chunks import StagedFile
from lacustre.store.content import RowPlace, same_content
from lacustre.store.delta import DataFile, Snapshot
from lacustre.store.scan import read_parquet, sql_text
from lacustre.store.schema import merge_shapes

KEY_COLUMNS = "id, lake_updated, lake_hash, lake_source"


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What a load does to one table.

    `dropped` maps staged files to the row numbers (from 0) that do not go in; `replaced` maps the table's files to
    the row numbers that newer versions take the place of. Counts are of lines.
    """

    dropped: dict[str, list[int]]
    replaced: dict[str, list[int]]
    inserted: int
    updated: int
    unchanged: int
    superseded: int


_RANKED = """
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT *, row_number() OVER (
    PARTITION BY id
    ORDER BY lake_updated DESC, version DESC NULLS LAST, lake_source.file DESC, lake_source.line DESC
) AS rank FROM ({staged})
"""

_DECIDED = """
CREATE OR REPLACE TEMP TABLE decided AS
SELECT i.id, (i.stamped = e.stamped) AND (NOT i.stamped OR (
    i.lake_updated = e.lake_updated AND i.version IS NOT DISTINCT FROM e.version
)) AS doubtful, i.filename, i.file_row_number, e.filename AS old_filename, e.file_row_number AS old_row, CASE
    WHEN i.rank > 1 THEN 'superseded'
    WHEN e.id IS NULL THEN 'inserted'
    WHEN e.lake_hash = i.lake_hash THEN 'unchanged'
    WHEN (i.lake_updated, coalesce(i.version, -1)) >= (e.lake_updated, coalesce(e.version, -1)) THEN 'updated'
    ELSE 'superseded'
END AS fate
FROM incoming i LEFT JOIN existing e ON e.id = i.id AND i.rank = 1
"""


def plan_merge(
    connection: duckdb.DuckDBPyConnection, model: FhirModel, staged: Sequence[StagedFile], current: Snapshot | None
) -> MergePlan:
    """Decide the fate of every staged row, all of one type, against the table's current version."""
    staged_keys = _keys([str(file.path) for file in staged], merge_shapes(file.shape for file in staged))
    connection.execute(_RANKED.format(staged=staged_keys))
    if current is None or not current.files:
        existing = "SELECT * FROM incoming WHERE false"
    else:
        keys = _keys(current.uris, current.shape)
        existing = f"SELECT * FROM ({keys}) SEMI JOIN incoming USING (id)"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE existing AS {existing}")
    connection.execute(_DECIDED)
    _recognise_content(connection, model, staged[0].resource_type)
    counts = dict(connection.execute("SELECT fate, count(*) FROM decided GROUP BY fate").fetchall())
    plan = MergePlan(
        _rows(connection, "filename", "file_row_number", "fate IN ('unchanged', 'superseded')"),
        _rows(connection, "old_filename", "old_row", "fate = 'updated'"),
        *(int(counts.get(fate, 0)) for fate in ("inserted", "updated", "unchanged", "superseded")),
    )
    connection.execute("DROP TABLE incoming; DROP TABLE existing; DROP TABLE decided")
    return plan


def _recognise_content(connection: duckdb.DuckDBPyConnection, model: FhirModel, resource_type: str) -> None:
    """Turn 'updated' into 'unchanged' where the resource is the one that the table has, in another form."""
    doubtful = connection.execute(
        "SELECT id, filename, file_row_number, old_filename, old_row FROM decided WHERE fate = 'updated' AND doubtful"
    ).fetchall()
    if not doubtful:
        return
    pairs = {key: (RowPlace(file, row), RowPlace(old, old_row)) for key, file, row, old, old_row in doubtful}
    same = sorted(same_content(connection, model, resource_type, pairs))
    connection.register("same_ids", pa.table({"id": pa.array(same, pa.string())}))
    connection.execute(
        "UPDATE decided SET fate = 'unchanged' WHERE fate = 'updated' AND id IN (FROM same_ids)"
    ).fetchall()
    connection.unregister("same_ids")


def _keys(uris: Sequence[str], shape: Shape) -> str:
    """SQL of the key columns; `stamped` says whether the resource itself tells when it was updated."""
    meta = shape.get("meta", {})
    version = "TRY_CAST(meta.versionId AS HUGEINT)" if "versionId" in meta else "NULL::HUGEINT"
    stamped = "meta.lastUpdated IS NOT NULL" if "lastUpdated" in meta else "false"
    return (
        f"SELECT {KEY_COLUMNS}, {version} AS version, coalesce({stamped}, false) AS stamped, filename, file_row_number "
        f"FROM {_numbered(uris)}"
    )


def _numbered(uris: Sequence[str]) -> str:
    return read_parquet(uris, filename=True, file_row_number=True)


def _rows(connection: duckdb.DuckDBPyConnection, name: str, row: str, condition: str) -> dict[str, list[int]]:
    query = f"SELECT {name}, list({row}) FROM decided WHERE {condition} GROUP BY {name}"
    return dict(connection.execute(query).fetchall())


def rewrite(
    connection: duckdb.DuckDBPyConnection, uris: Sequence[str], dropped: dict[str, list[int]], target: str
) -> int:
    """Copy the rows of some files, all but the dropped ones, to one new local file; returns the rows written."""
    pairs = pa.table(
        {
            "name": [name for name in uris for _ in dropped.get(name, ())],
            "row": pa.array([row for name in uris for row in dropped.get(name, ())], pa.int64()),
        }
    )
    connection.register("dropped_rows", pairs)
    connection.execute(
        f"COPY (SELECT * EXCLUDE (filename, file_row_number) FROM {_numbered(uris)} AS kept WHERE NOT EXISTS "
        "(FROM dropped_rows WHERE name = kept.filename AND row = kept.file_row_number)) "
        f"TO {sql_text(target)} (FORMAT parquet, COMPRESSION zstd)"
    ).fetchall()
    connection.unregister("dropped_rows")
    ((rows,),) = connection.execute(f"SELECT count(*) FROM read_parquet({sql_text(target)})").fetchall()
    return int(rows)


def touched_files(current: Snapshot | None, replaced: dict[str, list[int]]) -> list[DataFile]:
    """The table's files that hold a replaced row."""
    return [file for file in current.files if file.uri in replaced] if current else []

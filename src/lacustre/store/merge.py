"""Latest version wins: which staged rows a table takes, and which of its rows they replace or deletions take out.

A version that is not newer than the deletion of its resource does not count. The order of the others: `lake_updated`
(`meta.lastUpdated`, else when the export was made, else when it was loaded), then `meta.versionId` as a number; among
the rest, a later load before an earlier one, and within a load the later file and line. Only key columns are read,
and whole rows where neither hash nor version tells whether the same resource came again (`lacustre.store.content`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from lacustre.fhir.shape import Shape
from lacustre.store.chunks import StagedFile
from lacustre.store.content import content_sql
from lacustre.store.delta import DataFile, Snapshot
from lacustre.store.scan import read_parquet
from lacustre.store.schema import merge_shapes, shape_of

KEY_COLUMNS = "id, lake_updated, lake_hash, lake_source"
_VERSION = "CASE WHEN regexp_full_match(meta.versionId, '[0-9]{1,38}') THEN TRY_CAST(meta.versionId AS HUGEINT) END"

_NO_KEYS = """
SELECT NULL::VARCHAR AS id, NULL::TIMESTAMPTZ AS lake_updated, NULL::BLOB AS lake_hash,
    NULL::STRUCT(file VARCHAR, line BIGINT) AS lake_source, NULL::HUGEINT AS version, NULL::VARCHAR AS stamp,
    NULL::VARCHAR AS filename, NULL::BIGINT AS file_row_number WHERE false
"""


@dataclass(frozen=True, slots=True)
class MergePlan:
    """What a load does to one table.

    `dropped` maps staged files to the row numbers (from 0) that do not go in; `replaced` maps the table's files to
    the row numbers that newer versions or deletions take out. Counts are of lines, `deleted` of the table's rows.
    """

    dropped: dict[str, list[int]]
    replaced: dict[str, list[int]]
    inserted: int
    updated: int
    unchanged: int
    superseded: int
    deleted: int

    @property
    def changes(self) -> bool:
        return bool(self.inserted or self.updated or self.deleted)

    def with_deleted(self, more: int) -> MergePlan:
        return replace(self, deleted=self.deleted + more)


@dataclass(frozen=True, slots=True)
class Deleted:
    """SQL of two relations: `tombstones` (id, deleted) of the type, and the ids that this load deletes, `now`."""

    tombstones: str
    now: str


# ids that occur once, in the staged rows and nowhere else, need no decision: a first load has no others
_SEVERAL = """
CREATE OR REPLACE TEMP TABLE several AS
SELECT id FROM ({staged}) GROUP BY id HAVING count(*) > 1 UNION SELECT id FROM gone
"""

_GONE = """
CREATE OR REPLACE TEMP TABLE gone AS
SELECT * FROM ({tombstones}) WHERE id IN (SELECT id FROM ({staged}) UNION ALL ({now}))
"""

# one pass over the ids of the whole table says which few of its files hold a row that this is about
_HITS = """
CREATE OR REPLACE TEMP TABLE hits AS
SELECT id, file_index FROM {current} SEMI JOIN (SELECT id FROM ({staged}) UNION ALL SELECT id FROM gone) USING (id)
"""

_KNOWN = "INSERT INTO several SELECT id FROM hits ANTI JOIN several USING (id)"

_INCOMING = """
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT *, row_number() OVER (
    PARTITION BY id
    ORDER BY lake_updated DESC, version DESC NULLS LAST, lake_source.file DESC, lake_source.line DESC
) AS rank FROM ({staged}) SEMI JOIN several USING (id)
"""

_EXISTING = "CREATE OR REPLACE TEMP TABLE existing AS SELECT * FROM ({current}) SEMI JOIN several USING (id)"

_DECIDED = """
CREATE OR REPLACE TEMP TABLE decided AS
SELECT i.id, i.stamp IS NOT DISTINCT FROM e.stamp AND i.version IS NOT DISTINCT FROM e.version
        AND (e.lake_updated <= deleted) IS NOT TRUE AS doubtful,
    i.filename, i.file_row_number, e.filename AS old_filename, e.file_row_number AS old_row, CASE
    WHEN i.rank > 1 OR i.lake_updated <= deleted THEN 'superseded'
    WHEN e.id IS NULL THEN 'inserted'
    WHEN e.lake_updated <= deleted THEN 'updated'
    WHEN e.lake_hash = i.lake_hash THEN 'unchanged'
    WHEN (i.lake_updated, coalesce(i.version, -1)) >= (e.lake_updated, coalesce(e.version, -1)) THEN 'updated'
    ELSE 'superseded'
END AS fate
FROM incoming i LEFT JOIN gone USING (id) LEFT JOIN existing e ON e.id = i.id AND i.rank = 1
"""

_DELETED = """
INSERT INTO decided BY NAME
SELECT id, false AS doubtful, e.filename AS old_filename, e.file_row_number AS old_row, 'deleted' AS fate
FROM existing e JOIN gone USING (id)
WHERE e.lake_updated <= deleted AND id NOT IN (SELECT id FROM decided WHERE fate = 'updated')
"""

_DOUBTFUL = "FROM decided WHERE fate = 'updated' AND doubtful"

_RECOGNISED = """
UPDATE decided SET fate = 'unchanged' WHERE fate = 'updated' AND doubtful AND id IN (
    SELECT id FROM ({contents}) GROUP BY id HAVING count(DISTINCT content) = 1
)
"""


def plan_merge(
    connection: duckdb.DuckDBPyConnection, staged: Sequence[StagedFile], current: Snapshot | None, deleted: Deleted
) -> MergePlan:
    """Decide the fate of every staged row, all of one type, against the table's current version."""
    rows = sum(file.rows for file in staged)
    if not _decide(connection, staged, current, deleted):
        return MergePlan({}, {}, rows, 0, 0, 0, 0)
    _recognise_content(connection)
    counts = dict(connection.execute("SELECT fate, count(*)::INT FROM decided GROUP BY fate").fetchall())
    fates = ("updated", "unchanged", "superseded", "deleted")
    updated, unchanged, superseded, gone = (counts.get(fate, 0) for fate in fates)
    plan = MergePlan(
        _rows(connection, "filename", "file_row_number", "fate IN ('unchanged', 'superseded')"),
        _rows(connection, "old_filename", "old_row", "fate IN ('updated', 'deleted')"),
        rows - updated - unchanged - superseded,
        updated,
        unchanged,
        superseded,
        gone,
    )
    connection.execute("DROP TABLE several; DROP TABLE incoming; DROP TABLE existing; DROP TABLE decided")
    return plan


def _decide(
    connection: duckdb.DuckDBPyConnection, staged: Sequence[StagedFile], current: Snapshot | None, deleted: Deleted
) -> bool:
    """Fill the table `decided` with the rows whose id is not new or not alone; says whether there are any."""
    uris = [str(file.path) for file in staged]
    known = current.uris if current is not None else []
    keys = _keys(uris, merge_shapes(file.shape for file in staged))
    ids = _ids(uris)
    connection.execute(_GONE.format(tombstones=deleted.tombstones, staged=ids, now=deleted.now))
    connection.execute(_SEVERAL.format(staged=ids))
    hit = _hit_files(connection, known, ids) if known else []
    if connection.execute("SELECT count(*) FROM several").fetchall() == [(0,)]:
        return False
    connection.execute(_INCOMING.format(staged=keys))
    connection.execute(_EXISTING.format(current=_keys(hit, _shape_of_files(connection, hit))))
    connection.execute(_DECIDED)
    connection.execute(_DELETED)
    return True


def _hit_files(connection: duckdb.DuckDBPyConnection, known: Sequence[str], staged: str) -> list[str]:
    """Add the ids that the table has to `several`; returns the files that hold these rows."""
    # every file has an id, which is a text: it takes no look at all of them to know the columns
    current = read_parquet(known, union_by_name=False)
    connection.execute(_HITS.format(current=current, staged=staged))
    connection.execute(_KNOWN)
    found = connection.execute("SELECT DISTINCT file_index FROM hits ORDER BY file_index").fetchall()
    connection.execute("DROP TABLE hits")
    return [known[index] for (index,) in found]


def _shape_of_files(connection: duckdb.DuckDBPyConnection, uris: Sequence[str]) -> Shape:
    """What some files have of the table's columns, which may be less than it has."""
    return shape_of(connection.sql(f"FROM {read_parquet(uris)} LIMIT 0").to_arrow_table().schema) if uris else {}


def _recognise_content(connection: duckdb.DuckDBPyConnection) -> None:
    """Turn 'updated' into 'unchanged' where the resource is the one that the table has, in another form."""
    files = connection.execute(
        f"SELECT DISTINCT unnest([filename, old_filename]) AS file {_DOUBTFUL} ORDER BY file"
    ).fetchall()
    if not files:
        return
    places = (
        f"SELECT filename AS file, file_row_number AS row {_DOUBTFUL} "
        f"UNION ALL SELECT old_filename, old_row {_DOUBTFUL}"
    )
    contents = content_sql(connection, [name for (name,) in files], places)
    connection.execute(_RECOGNISED.format(contents=contents)).fetchall()


def _ids(uris: Sequence[str]) -> str:
    return f"SELECT id FROM {read_parquet(uris)}" if uris else "SELECT NULL::VARCHAR AS id WHERE false"


def _keys(uris: Sequence[str], shape: Shape) -> str:
    """SQL of the key columns; `stamp` is when the resource itself says that it was updated, whatever that is."""
    if not uris:
        return _NO_KEYS
    meta = shape.get("meta", {})
    version = _VERSION if "versionId" in meta else "NULL::HUGEINT"
    stamp = "meta.lastUpdated" if "lastUpdated" in meta else "NULL::VARCHAR"
    return (
        f"SELECT {KEY_COLUMNS}, {version} AS version, {stamp} AS stamp, filename, file_row_number "
        f"FROM {_numbered(uris)}"
    )


def _numbered(uris: Sequence[str]) -> str:
    return read_parquet(uris, filename=True, file_row_number=True)


def _rows(connection: duckdb.DuckDBPyConnection, name: str, row: str, condition: str) -> dict[str, list[int]]:
    query = f"SELECT {name}, list({row}) FROM decided WHERE {condition} GROUP BY {name}"
    return dict(connection.execute(query).fetchall())


def touched_files(current: Snapshot | None, replaced: dict[str, list[int]]) -> list[DataFile]:
    """The table's files that hold a replaced row."""
    return [file for file in current.files if file.uri in replaced] if current else []

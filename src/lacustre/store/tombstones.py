"""Tombstones: which resources were deleted, and when, so that an older copy does not bring them back.

A version of a resource whose `lake_updated` is not after the deletion does not (re)appear; a newer one does. The
newest deletion of a resource counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from lacustre.store.chunks import write_parquet
from lacustre.store.deletions import Deletion
from lacustre.store.delta import NewFile, Snapshot
from lacustre.store.digest import named, sha256_of
from lacustre.store.scan import read_parquet, sql_text
from lacustre.store.tenant import TenantStore

TOMBSTONE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("deleted", pa.timestamp("us", "UTC")),
        pa.field("source", pa.struct([("file", pa.string()), ("line", pa.int64())])),
        pa.field("load", pa.string()),
    ]
)
"""`deleted` is when the source deleted the resource, as far as it says; `source` where it says so (a line from 1)."""

_PARTITION = pa.field("resource_type", pa.string())


def add_tombstones(
    tenant: TenantStore,
    connection: duckdb.DuckDBPyConnection,
    load: str,
    deletions: Sequence[Deletion],
    files: Sequence[str],
    staging: Path,
) -> None:
    """Append the deletions that the table does not have yet, and keep all of them for `newly_deleted_sql`."""
    connection.register("new_tombstones", _table(deletions, files, load))
    added = []
    known = tenant.tombstones_table.snapshot()
    for name in sorted({deletion.resource_type for deletion in deletions}):
        rows = _unknown(connection, name, known)
        if rows.num_rows:
            path = staging / "tombstones.parquet"
            write_parquet(rows, path)
            target = f"resource_type={name}/{named(load, sha256_of(path))}"
            tenant.store.put(path, f"{tenant.tombstones_table.path}/{target}")
            added.append(NewFile(target, {"resource_type": name}, rows.num_rows, path.stat().st_size))
            path.unlink()
    if added:
        schema = pa.schema([*TOMBSTONE_SCHEMA, _PARTITION])
        tenant.tombstones_table.append(schema, added, {"lacustre_load": load})


def _table(deletions: Sequence[Deletion], files: Sequence[str], load: str) -> pa.Table:
    rows = [
        {
            "resource_type": deletion.resource_type,
            "id": deletion.id,
            "deleted": deletion.deleted,
            "source": {"file": files[deletion.file], "line": deletion.line},
            "load": load,
        }
        for deletion in deletions
    ]
    return pa.Table.from_pylist(rows, pa.schema([*TOMBSTONE_SCHEMA, _PARTITION]))


def _unknown(connection: duckdb.DuckDBPyConnection, resource_type: str, known: Snapshot | None) -> pa.Table:
    """The newest deletion of each id, where the table has none as new."""
    of_type = f"resource_type = {sql_text(resource_type)}"
    old = _files_sql(resource_type, known)
    rows: pa.Table = connection.sql(
        f"SELECT * EXCLUDE (resource_type) FROM new_tombstones AS new WHERE {of_type} "
        f"AND NOT EXISTS (FROM ({old}) AS old WHERE old.id = new.id AND old.deleted >= new.deleted) "
        "QUALIFY row_number() OVER (PARTITION BY id ORDER BY deleted DESC, source.file, source.line) = 1 ORDER BY id"
    ).to_arrow_table()
    return rows.cast(TOMBSTONE_SCHEMA)


def newly_deleted_sql(resource_type: str) -> str:
    """SQL of the ids of a type that this load deletes, after `add_tombstones`."""
    return f"SELECT id FROM new_tombstones WHERE resource_type = {sql_text(resource_type)}"


def tombstones_sql(resource_type: str, snapshot: Snapshot | None) -> str:
    """SQL of `id` and `deleted`, the newest of each resource of a type, in a snapshot of the table."""
    return f"SELECT id, max(deleted) AS deleted FROM ({_files_sql(resource_type, snapshot)}) GROUP BY id"


def _files_sql(resource_type: str, snapshot: Snapshot | None) -> str:
    files = snapshot.files if snapshot else ()
    uris = [file.uri for file in files if file.partition["resource_type"] == resource_type]
    if not uris:
        return "SELECT NULL::VARCHAR AS id, NULL::TIMESTAMPTZ AS deleted WHERE false"
    return f"SELECT id, deleted FROM {read_parquet(uris)}"

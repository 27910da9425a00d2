"""The rejects table: lines that could not be a resource, with where they were and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from lacustre.errors import CommitConflictError
from lacustre.store.chunks import write_parquet
from lacustre.store.delta import COMMIT_ATTEMPTS, NewFile, Snapshot, pause, too_many_conflicts
from lacustre.store.digest import named, sha256_of
from lacustre.store.lines import Reject
from lacustre.store.scan import read_parquet
from lacustre.store.tenant import TenantStore

REJECTS_SCHEMA = pa.schema(
    [
        pa.field("load", pa.string()),
        pa.field("file", pa.string()),
        pa.field("line", pa.int64()),
        pa.field("byte_offset", pa.int64()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("raw", pa.binary()),
    ]
)
"""`line` from 1 (in a Bundle: the entry), `byte_offset` from 0, `raw` the bytes as they were (of an oversized
line, its beginning)."""


def add_rejects(
    tenant: TenantStore,
    connection: duckdb.DuckDBPyConnection,
    load: str,
    rejects: Sequence[Reject],
    files: Sequence[str],
    staging: Path,
) -> None:
    """Append rejects that the table does not have yet: the same line of the same file is kept once."""
    rows = [
        {
            "load": load,
            "file": files[reject.file],
            "line": reject.line,
            "byte_offset": reject.offset,
            "reason": reject.code,
            "detail": reject.detail,
            "raw": reject.data,
        }
        for reject in sorted(rejects, key=lambda reject: (reject.file, reject.line))
    ]
    table = pa.Table.from_pylist(rows, REJECTS_SCHEMA)
    for attempt in range(COMMIT_ATTEMPTS):
        try:
            return _add(tenant, connection, load, table, staging)
        except CommitConflictError:  # another load may have added the same lines
            pause(attempt)
    raise too_many_conflicts(tenant.rejects_table.uri)


def _add(tenant: TenantStore, connection: duckdb.DuckDBPyConnection, load: str, table: pa.Table, staging: Path) -> None:
    known = tenant.rejects_table.snapshot()
    new = _without_known(connection, table, known)
    if new.num_rows == 0:
        return
    path = staging / "rejects.parquet"
    write_parquet(new, path)
    name = named(load, sha256_of(path))
    tenant.store.put(path, f"{tenant.rejects_table.path}/{name}")
    file = NewFile(name, {}, new.num_rows, path.stat().st_size)
    path.unlink()
    after = known.version if known else None
    tenant.rejects_table.commit(REJECTS_SCHEMA, [file], note={"lacustre_load": load}, after=after)


def _without_known(connection: duckdb.DuckDBPyConnection, table: pa.Table, known: Snapshot | None) -> pa.Table:
    if known is None or not known.files:
        return table
    connection.register("new_rejects", table)
    kept: pa.Table = connection.sql(
        f"FROM new_rejects ANTI JOIN {read_parquet(known.uris)} USING (file, line, byte_offset, reason, raw) "
        "ORDER BY file, line"
    ).to_arrow_table()
    connection.unregister("new_rejects")
    return kept.cast(REJECTS_SCHEMA)

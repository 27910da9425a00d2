"""Which files were loaded before: the same bytes of the same export have their effect once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from lacustre.store.chunk_reader import open_source
from lacustre.store.chunks import write_parquet
from lacustre.store.delta import NewFile
from lacustre.store.digest import DigestingReader, named, sha256_of
from lacustre.store.ledger import intents
from lacustre.store.load_result import FileCounts
from lacustre.store.scan import read_parquet, sql_list
from lacustre.store.sources import LINE_ENDINGS, SourceFile
from lacustre.store.tenant import TenantStore

FILES_SCHEMA = pa.schema(
    [
        pa.field("digest", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("export", pa.string()),
        pa.field("name", pa.string()),
        pa.field("load", pa.string()),
        pa.field("lines", pa.string()),
        pa.field("rejects", pa.string()),
        pa.field("deletions", pa.int64()),
    ]
)
"""`digest` is the XXH3-128 of the file as stored, `export` the manifest's transactionTime or "", `lines` resources by
type and `rejects` lines by reason, both as JSON objects."""


def find_loaded(
    tenant: TenantStore, connection: duckdb.DuckDBPyConnection, files: Sequence[SourceFile]
) -> dict[int, FileCounts]:
    """The files, by their position, that a finished load took before.

    A file is read for that only where one of its size and export was loaded.
    """
    found = {}
    known = _known(tenant, connection, files)
    for number, file in enumerate(files):
        candidates = known.get((file.size, file.export), ())
        if candidates:
            digest = _digest(tenant, file)
            for load, name, lines, rejects, deletions, its_digest in candidates:
                if its_digest == digest and name.endswith(LINE_ENDINGS) == file.name.endswith(LINE_ENDINGS):
                    counts = json.loads(lines), json.loads(rejects), deletions
                    found[number] = FileCounts(
                        file.name, file.size, digest, file.export, *counts, file.announced, loaded_by=load
                    )
    return found


def _known(
    tenant: TenantStore, connection: duckdb.DuckDBPyConnection, files: Sequence[SourceFile]
) -> dict[tuple[int, str], list[tuple[str, str, str, str, int, str]]]:
    snapshot = tenant.files_table.snapshot()
    if snapshot is None or not snapshot.files:
        return {}
    sizes = ", ".join(str(size) for size in sorted({file.size for file in files}))
    unfinished = sql_list([intent.id for intent in intents(tenant)])
    rows = connection.execute(
        f"SELECT size, export, load, name, lines, rejects, deletions, digest FROM {read_parquet(snapshot.uris)} "
        f"WHERE size IN ({sizes}) AND NOT list_contains({unfinished}::VARCHAR[], load)"
    ).fetchall()
    known: dict[tuple[int, str], list[tuple[str, str, str, str, int, str]]] = {}
    for size, export, *others in rows:
        known.setdefault((size, export), []).append(tuple(others))
    return known


def _digest(tenant: TenantStore, file: SourceFile) -> str:
    with open_source(file, tenant.store.options) as opened:
        return DigestingReader(opened).hexdigest()


def add_loaded(tenant: TenantStore, load: str, files: Sequence[FileCounts], staging: Path) -> None:
    """Remember the files that a load took; they count as loaded when it is finished."""
    rows = [
        {
            "digest": file.digest,
            "size": file.size,
            "export": file.export,
            "name": file.name,
            "load": load,
            "lines": _json(file.lines),
            "rejects": _json(file.rejects),
            "deletions": file.deletions,
        }
        for file in files
    ]
    path = staging / "files.parquet"
    write_parquet(pa.Table.from_pylist(rows, FILES_SCHEMA), path)
    name = named(load, sha256_of(path))
    tenant.store.put(path, f"{tenant.files_table.path}/{name}")
    tenant.files_table.append(
        FILES_SCHEMA, [NewFile(name, {}, len(rows), path.stat().st_size)], {"lacustre_load": load}
    )


def _json(counts: Mapping[str, int]) -> str:
    return json.dumps(dict(sorted(counts.items())))

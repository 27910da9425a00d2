"""Views on disk: Parquet files by shard and segment, and a manifest that says what they are of.

A build writes its files beside the last one's and then replaces the manifest, in one step: a reader sees the old
build or the new one. Replaced builds stay for a day, for those who opened them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import duckdb

from lacustre.errors import DataError, InputError, StorageError
from lacustre.store.chunks import write_parquet
from lacustre.store.delta import DataFile, Snapshot
from lacustre.store.digest import named, sha256_of
from lacustre.store.objects import storage_error
from lacustre.store.operation import new_operation_id
from lacustre.store.reading import lake_files
from lacustre.store.retention import GRACE, Retention
from lacustre.store.scan import PARQUET, bind_table, connect, read_parquet, sql_text
from lacustre.store.schema import PARTITION_SCHEMA
from lacustre.store.staging import staging_folder
from lacustre.store.tenant import TenantStore
from lacustre.store.vacuum import Freed
from lacustre.views.compile import CompiledView, compile_view
from lacustre.views.definition import ViewDefinition
from lacustre.views.erased_meanwhile import ErasureGuard
from lacustre.views.manifest import (
    ReplacedBuild,
    ViewColumn,
    ViewFile,
    ViewManifest,
    manifest_path,
    read_manifest,
)
from lacustre.views.old_builds import remove_builds

RUNTIME_FAULT = "LACUSTRE:"
"""How compiled SQL begins the message of a fault that only the data could show."""


def compile_for(tenant: TenantStore, view: ViewDefinition, snapshot: Snapshot | None) -> CompiledView:
    """The view compiled for what its table holds now, with the lineage columns."""
    return compile_view(view, tenant.model, snapshot.shape if snapshot else {}, lineage=True)


def build_view(tenant: TenantStore, view: ViewDefinition) -> ViewManifest:
    """Build a view from the newest version of its table.

    Raises ViewDefinitionError where it does not compile, InputError where another view has its name but for case,
    DataError where the data contradict it (several values in a column that is not a collection), StorageError, also
    where a patient is erased meanwhile.
    """
    started = time.monotonic()
    guard = ErasureGuard(tenant, view.name)
    table = tenant.fhir_table(view.resource)
    snapshot = table.snapshot()
    compiled = compile_for(tenant, view, snapshot)
    build = new_operation_id()
    _refuse_twin(tenant, compiled.name)
    previous = _previous(tenant, compiled.name)
    files = tuple(_write_files(tenant, compiled, snapshot, build)) if snapshot else ()
    source, written = (table.name, snapshot.version) if snapshot else None, [file.path for file in files]
    guard.refuse(source, written)
    manifest = ViewManifest(
        compiled.name,
        compiled.resource,
        compiled.hash,
        build,
        datetime.now(UTC).isoformat(timespec="seconds"),
        snapshot.version if snapshot else None,
        snapshot.rows if snapshot else 0,
        sum(file.rows for file in files),
        round(time.monotonic() - started, 3),
        tuple(
            ViewColumn(column.name, column.type, column.sql_type, column.collection, column.description)
            for column in compiled.columns
        ),
        files,
        compiled.sql,
        view.definition,
        _earlier(previous),
    )
    tenant.store.write(manifest_path(tenant, compiled.name), manifest.to_json())
    guard.refuse(source, [manifest_path(tenant, compiled.name), *written])
    lake_files(tenant.store).remember(file.stored(tenant.store) for file in files)
    remove_builds(tenant, manifest.view, manifest, Retention().before(GRACE), Freed())
    return manifest


def _earlier(previous: ViewManifest | None) -> tuple[ReplacedBuild, ...]:
    """The builds that somebody may still read: those that were replaced in the last day, or just now."""
    if previous is None:
        return ()
    before = Retention().before(GRACE).isoformat()
    kept = [build for build in previous.earlier if build.replaced > before]
    return (*kept, ReplacedBuild(previous.build, Retention().before(timedelta()).isoformat()))


def _previous(tenant: TenantStore, view: str) -> ViewManifest | None:
    """The manifest of the build before; a damaged one is replaced by this build's."""
    try:
        return read_manifest(tenant, view)
    except StorageError:
        return None


def _refuse_twin(tenant: TenantStore, view: str) -> None:
    """To SQL a view `Patient` is the view `patient`: a lake with both could not be queried."""
    for name in tenant.store.folders(tenant.views_path):
        if name != view and name.casefold() == view.casefold():
            message = f"the lake has a view {name}, which SQL cannot tell from {view}"
            where = tenant.store.uri(f"{tenant.views_path}/{name}")
            raise InputError("view_name_taken", message, f"rename the new one, or remove {where}")


def _write_files(tenant: TenantStore, compiled: CompiledView, source: Snapshot, build: str) -> Iterator[ViewFile]:
    folder = f"{tenant.views_path}/{compiled.name}/{build}"
    stored = lake_files(tenant.store)
    with (
        connect(tenant.store, time_zone=tenant.settings.time_zone, files=stored) as connection,
        staging_folder(tenant, f"{compiled.name}-{build}") as staging,
    ):
        columns = staging / "columns.parquet"
        write_parquet(source.schema.empty_table().drop_columns(PARTITION_SCHEMA.names), columns)
        connection.execute(f"SET temp_directory = {sql_text(str(staging))}")
        stored.checked(source.files)
        for (shard, segment), files in _partitions(source.files):
            uris = _with_every_column(connection, [file.uri for file in files], str(columns))
            bind_table(connection, compiled.resource, uris, source.schema)
            local = staging / "part.parquet"
            rows = run_view(connection, compiled, local)
            if rows:
                name = named(compiled.name, sha256_of(local))
                path = f"{folder}/lake_shard={shard}/lake_segment={segment}/{name}"
                size = local.stat().st_size
                tenant.store.put(local, path)
                local.unlink()  # the file of the lake may be the same one under two names
                yield ViewFile(path, shard, segment, rows, size)


def _with_every_column(connection: duckdb.DuckDBPyConnection, uris: list[str], columns: str) -> list[str]:
    """The files, and where they lack a column or field of the table, the file without rows that has them all."""

    def types(files: list[str]) -> set[tuple[str, str]]:
        return {(name, kind) for name, kind, *_ in connection.sql(f"DESCRIBE FROM {read_parquet(files)}").fetchall()}

    return uris if types(uris) == types([columns]) else [*uris, columns]


def _partitions(files: Sequence[DataFile]) -> list[tuple[tuple[str, str], list[DataFile]]]:
    def partition(file: DataFile) -> tuple[str, str]:
        return _partition_of(file.partition)

    return [(key, list(members)) for key, members in groupby(sorted(files, key=partition), partition)]


def _partition_of(values: Mapping[str, str]) -> tuple[str, str]:
    return values["lake_shard"], values["lake_segment"]


def run_view(connection: duckdb.DuckDBPyConnection, compiled: CompiledView, target: Path) -> int:
    """Write the view's rows over the bound table to a local Parquet file; returns their number."""
    try:
        ((rows,),) = connection.execute(f"COPY ({compiled.sql}) TO {sql_text(str(target))} ({PARQUET})").fetchall()
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise storage_error("build view", compiled.name, error) from error
    except duckdb.Error as error:
        raise runtime_fault(compiled.name, error) from None
    return int(rows)


def failed_views(errors: Sequence[DataError]) -> DataError:
    """One error for all the views that could not be built."""
    if len(errors) == 1:
        return errors[0]
    message = f"{len(errors)} views failed\n" + "\n".join(f"{error.code}: {error.message}" for error in errors)
    return DataError(errors[0].code, message, errors[0].hint)


def runtime_fault(view: str, error: duckdb.Error) -> DataError:
    """The error of a view that met data which it cannot represent; it never quotes a value."""
    _, found, message = str(error).partition(RUNTIME_FAULT)
    if found:
        return DataError("view_contradicts_data", f"view {view}: {message.strip()}", "see the view's path and its data")
    return DataError("view_failed", f"view {view} failed: {type(error).__name__}", "report a defect of the compiler")

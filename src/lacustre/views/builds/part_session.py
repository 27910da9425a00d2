"""The work of a build: rows of views over some parts of one table, as Parquet files.

Planning a view takes longer than making the rows of a small part, so small parts are made together: their number is
kept in `lake_source` on the way, and the rows are laid apart at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

import duckdb

from lacustre.errors import DataError
from lacustre.store.chunks import write_parquet
from lacustre.store.delta import Snapshot
from lacustre.store.objects import storage_error
from lacustre.store.operation import new_operation_id
from lacustre.store.reading import lake_files
from lacustre.store.scan import PARQUET, bind_table, connect, read_parquet, sql_name, sql_text
from lacustre.store.schema import PARTITION_SCHEMA
from lacustre.store.staging import staging_folder
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.building import ViewBuild
from lacustre.views.builds.parts import SourcePart
from lacustre.views.duckdb.clock import fixed_at

BATCH_ROWS = 50_000
BATCH_PARTS = 100
RUNTIME_FAULT = "LACUSTRE:"
"""How compiled SQL begins the message of a fault that only the data could show."""

Batch: TypeAlias = tuple[list[SourcePart], tuple[ViewBuild, ...]]
_NUMBERED = "numbered"
_APART = "SELECT * REPLACE ({'file': lake_source.file, 'line': lake_source.line} AS lake_source) FROM made"


def batches(changed: Sequence[tuple[SourcePart, tuple[ViewBuild, ...]]]) -> Iterator[Batch]:
    """Neighbouring parts that the same builds lack, as many together as are small."""
    for builds, members in groupby(changed, lambda entry: entry[1]):
        parts: list[SourcePart] = []
        for part, _ in members:
            if parts and (len(parts) == BATCH_PARTS or sum(one.rows for one in parts) + part.rows > BATCH_ROWS):
                yield parts, builds
                parts = []
            parts.append(part)
        yield parts, builds


class PartSessions(AbstractContextManager["PartSessions"]):
    """What opens sessions at a moment; they share a DuckDB, which takes longer to start than small parts to make."""

    def __init__(self, tenant: TenantStore, moment: datetime) -> None:
        self.moment = moment
        self._tenant, self._files = tenant, lake_files(tenant.store)
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._ended = ExitStack()

    def __exit__(self, *_: object) -> None:
        self._ended.close()

    @contextmanager
    def opened(self, snapshot: Snapshot, parts: Sequence[SourcePart]) -> Iterator[PartSession]:
        """A session that reads the files of some parts, which are checked first; raises StorageError."""
        if self._connection is None:
            self._connection = self._started()
        self._files.checked(file for part in parts for file in part.files)
        with staging_folder(self._tenant, new_operation_id()) as staging:
            yield PartSession(self._connection, snapshot, staging)

    def _started(self) -> duckdb.DuckDBPyConnection:
        zone = self._tenant.settings.time_zone
        connection = self._ended.enter_context(connect(self._tenant.store, time_zone=zone, files=self._files))
        spilled = self._ended.enter_context(staging_folder(self._tenant, new_operation_id()))
        connection.execute(f"SET temp_directory = {sql_text(str(spilled))}; CREATE SCHEMA fhir")
        connection.execute(fixed_at(self.moment))
        return connection


class PartSession:
    """A DuckDB session that makes the parts of views from those of one table, at a version."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, staging: Path) -> None:
        self._connection, self._schema = connection, snapshot.schema
        self._local, self._columns = staging / "part.parquet", str(staging / "columns.parquet")
        write_parquet(snapshot.schema.empty_table().drop_columns(PARTITION_SCHEMA.names), Path(self._columns))
        self._every_column = self._types([self._columns])

    def make(self, parts: Sequence[SourcePart], builds: Sequence[ViewBuild]) -> None:
        """Make some parts for some views; a view that cannot be made fails."""
        bound: list[SourcePart] | None = None
        for build in builds:
            with build.timed():
                lacking = [part for part in parts if not build.recover(part, self._local)]
                try:
                    if lacking and lacking != bound:
                        with _failing_as_view(build.name):
                            self._bind(build.compiled.resource, lacking)
                        bound = lacking
                    self._run(build, lacking)
                except DataError as error:
                    build.fail(error)

    def _run(self, build: ViewBuild, parts: Sequence[SourcePart]) -> None:
        if not build.compiled.plan.branches:
            for part in parts:
                build.add_empty(part)
        elif len(parts) == 1:
            rows = write_rows(self._connection, build.name, build.compiled.sql, self._local)
            build.add(parts[0], self._local, rows)
        elif parts:
            self._run_together(build, parts)

    def _run_together(self, build: ViewBuild, parts: Sequence[SourcePart]) -> None:
        keep = f"CREATE OR REPLACE TEMP TABLE made AS {build.compiled.sql}"
        made = apart = execute_view(self._connection, build.name, keep)
        for number, part in enumerate(parts):
            own = f"{_APART} WHERE lake_source.part = {number}"
            rows = write_rows(self._connection, build.name, own, self._local)
            build.add(part, self._local, rows)
            apart -= rows
        if apart:
            message = f"view {build.name}: {apart} of {made} rows belong to no part of the table"
            raise DataError("view_rows_astray", message, "report a defect of Lacustre")

    def _bind(self, resource: str, parts: Sequence[SourcePart]) -> None:
        """Make `fhir."<Type>"` name the rows of some parts; where they are several, `lake_source` has their number."""
        uris = [file.uri for part in parts for file in part.files]
        whole = uris if self._types(uris) == self._every_column else [*uris, self._columns]
        if len(parts) == 1:
            bind_table(self._connection, resource, whole, self._schema)
            return
        bind_table(self._connection, resource, whole, self._schema, into=_NUMBERED, file_index=True)
        part_of_file = [number for number, part in enumerate(parts) for _ in part.files]
        number = f"{part_of_file}[file_index::BIGINT + 1]"
        source = f"{{'file': lake_source.file, 'line': lake_source.line, 'part': {number}}}"
        columns = f"SELECT * EXCLUDE (file_index) REPLACE ({source} AS lake_source)"
        name = sql_name(resource)
        self._connection.execute(f"CREATE OR REPLACE VIEW fhir.{name} AS {columns} FROM {_NUMBERED}.{name}")

    def _types(self, files: list[str]) -> set[tuple[str, str]]:
        described = self._connection.sql(f"DESCRIBE FROM {read_parquet(files)}").fetchall()
        return {(name, kind) for name, kind, *_ in described}


def write_rows(connection: duckdb.DuckDBPyConnection, view: str, query: str, target: Path) -> int:
    """Write the rows of a view's query to a local Parquet file; returns their number; raises as `execute_view`."""
    return execute_view(connection, view, f"COPY ({query}) TO {sql_text(str(target))} ({PARQUET})")


def execute_view(connection: duckdb.DuckDBPyConnection, view: str, statement: str) -> int:
    """Execute a statement with a view's SQL in it; returns the number of rows that it made.

    Raises DataError where the data contradict the view, StorageError.
    """
    with _failing_as_view(view):
        ((rows,),) = connection.execute(statement).fetchall()
    return int(rows)


@contextmanager
def _failing_as_view(view: str) -> Iterator[None]:
    """Raise what DuckDB says within a `with` block as an error of a view."""
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise storage_error("build view", view, error) from error
    except duckdb.Error as error:
        raise runtime_fault(view, error) from None


def runtime_fault(view: str, error: duckdb.Error) -> DataError:
    """The error of a view that met data which it cannot represent; it never quotes a value."""
    _, found, message = str(error).partition(RUNTIME_FAULT)
    if found:
        return DataError("view_contradicts_data", f"view {view}: {message.strip()}", "see the view's path and its data")
    return DataError("view_failed", f"view {view} failed: {type(error).__name__}", "report a defect of the compiler")

"""A lake's Parquet files in DuckDB: read by file list and by column name, written in one way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from lacustre.store.objects import ObjectStore
from lacustre.store.reading import LakeFiles, lake_files

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
"""The options of COPY. Identifiers, most of a view's bytes, come out larger and slower at DuckDB's own level, 3."""


def connect(
    store: ObjectStore, *, time_zone: str = "UTC", threads: int | None = None, files: LakeFiles | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB session that reads the store's files, with the tenant's time zone.

    What `files` gives to read can be read in a session that was made with it alone.
    """
    connection = duckdb.connect(":memory:")
    connection.execute(f"SET TimeZone = {sql_text(time_zone)}")
    connection.execute("SET autoinstall_known_extensions = false")
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        # in Jupyter without ipywidgets the bar is off, and may not even be set
        connection.execute("SET enable_progress_bar = false")
    if threads is not None:
        connection.execute(f"SET threads = {threads}")
    if files is not None or store.remote:
        connection.register_filesystem(files or lake_files(store))
    return connection


def read_parquet(uris: Sequence[str], **options: bool) -> str:
    """SQL of a relation over the files.

    Without `union_by_name`, which may be given as false, fields that only some files have can vanish without a word;
    with the detection of Hive partitions, folders' names would become columns.
    """
    chosen = {"union_by_name": True, "hive_partitioning": False} | options
    listed = ", ".join(f"{name} = {str(value).lower()}" for name, value in chosen.items())
    return f"read_parquet({sql_list(uris)}, {listed})"


def bind_table(
    connection: duckdb.DuckDBPyConnection,
    resource_type: str,
    uris: Sequence[str],
    schema: pa.Schema,
    *,
    into: str = "fhir",
    file_index: bool = False,
) -> None:
    """Make `<into>."<Type>"` name the rows of some files of a table whose schema is `schema`.

    With `file_index` a column of that name says which of the files a row is of, from 0.
    """
    whole = [name for name in map(_nested_struct, schema) if name is not None] if len(uris) > 1 else []
    replaced = ", ".join(f"CASE WHEN id IS NOT NULL THEN {sql_name(name)} END AS {sql_name(name)}" for name in whole)
    columns = f"* REPLACE ({replaced})" if whole else "*"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {into}")
    name = f"{into}.{sql_name(resource_type)}"
    selected = f"{columns}, file_index" if file_index else columns
    connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {selected} FROM {read_parquet(uris)}")


def _nested_struct(field: pa.Field) -> str | None:
    """The column's name, if it is a struct with a struct in it.

    DuckDB 2.0.0 fails on `a.b.c` where a file's struct `a` has no `b` ("INTERNAL Error: ExpressionExecutor::Execute
    called with a result vector of type VARCHAR"), because it reads `c` alone; a CASE makes it read `a` whole.
    """
    import pyarrow as pa

    kind = field.type
    return field.name if pa.types.is_struct(kind) and any(pa.types.is_struct(below.type) for below in kind) else None


def sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def sql_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(sql_text(text) for text in texts) + "]"


def sql_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

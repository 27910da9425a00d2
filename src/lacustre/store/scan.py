"""Reading a lake's Parquet files by DuckDB: always by file list, always by column name."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from lacustre.store.objects import ObjectStore


def connect(store: ObjectStore, *, time_zone: str = "UTC", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB session that reads the store's files, with the tenant's time zone."""
    connection = duckdb.connect(":memory:")
    connection.execute(f"SET TimeZone = {sql_text(time_zone)}")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET enable_progress_bar = false")
    if threads is not None:
        connection.execute(f"SET threads = {threads}")
    if store.remote:
        connection.register_filesystem(store.filesystem)
    return connection


def read_parquet(uris: Sequence[str], **options: bool) -> str:
    """SQL of a relation over the files.

    Without `union_by_name`, fields that only some files have can vanish without a word; with the detection of
    Hive partitions, folders' names would become columns.
    """
    extra = "".join(f", {name} = {str(value).lower()}" for name, value in options.items())
    return f"read_parquet({sql_list(uris)}, union_by_name = true, hive_partitioning = false{extra})"


def sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def sql_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(sql_text(text) for text in texts) + "]"


def sql_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

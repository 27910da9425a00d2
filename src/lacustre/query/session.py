"""A DuckDB session over one tenant: views in schema `main`, raw FHIR tables in `fhir`.

The lineage columns of views are left out of `main` and are there in schema `lineage`. What a session shows is
pinned when it opens: Delta versions and builds do not change under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from lacustre.errors import InputError
from lacustre.store.scan import bind_table, connect, read_parquet, sql_name
from lacustre.store.tenant import TenantStore
from lacustre.views.manifest import ViewManifest, read_manifest

LINEAGE_COLUMNS = ("lake_resource", "lake_patient_key", "lake_source")


def open_session(tenant: TenantStore, query: str | None = None) -> duckdb.DuckDBPyConnection:
    """A session with the views and tables of the tenant; with `query`, only with those that it can name.

    Opening a table reads the footers of its files, which is what the second form saves.
    """
    connection = connect(tenant.store, time_zone=tenant.settings.time_zone)
    connection.execute("CREATE SCHEMA IF NOT EXISTS fhir; CREATE SCHEMA IF NOT EXISTS lineage")
    for name in _mentioned(tenant.store.folders(tenant.views_path), query):
        manifest = read_manifest(tenant, name)
        if manifest is not None:
            _bind_view(connection, tenant, manifest)
    if query is None or "fhir" in query.casefold():
        for resource_type in _mentioned(tenant.resource_types(), query):
            snapshot = tenant.fhir_table(resource_type).snapshot()
            if snapshot is not None and snapshot.files:
                bind_table(connection, resource_type, snapshot.uris, snapshot.schema)
    return connection


def run_query(tenant: TenantStore, query: str) -> duckdb.DuckDBPyRelation:
    """The lazy relation of one query; raises InputError for SQL that DuckDB refuses or that is no query."""
    connection = open_session(tenant, query)
    try:
        relation = connection.sql(query)
    except duckdb.Error as error:
        raise InputError("sql_refused", str(error), "`lacustre tables` lists what can be queried") from None
    if relation is None:
        raise InputError("no_query", "the statement gives no rows", "write a SELECT")
    return relation


def _mentioned(names: Iterable[str], query: str | None) -> list[str]:
    if query is None:
        return list(names)
    words = set(re.findall(r"\w+", query.casefold()))
    return [name for name in names if name.casefold() in words]


def _bind_view(connection: duckdb.DuckDBPyConnection, tenant: TenantStore, manifest: ViewManifest) -> None:
    uris = [tenant.store.uri(file.path) for file in manifest.files]
    source = read_parquet(uris) if uris else f"({_empty(manifest)})"
    name = sql_name(manifest.view)
    columns = ", ".join(sql_name(column.name) for column in manifest.columns)
    connection.execute(f"CREATE VIEW lineage.{name} AS FROM {source}")
    connection.execute(f"CREATE VIEW main.{name} AS SELECT {columns} FROM lineage.{name}")


def _empty(manifest: ViewManifest) -> str:
    lineage = zip(LINEAGE_COLUMNS, ("VARCHAR", "BIGINT", "STRUCT(file VARCHAR, line BIGINT)"), strict=True)
    columns = [*((column.name, column.sql_type) for column in manifest.columns), *lineage]
    return f"SELECT {', '.join(f'NULL::{kind} AS {sql_name(name)}' for name, kind in columns)} WHERE false"

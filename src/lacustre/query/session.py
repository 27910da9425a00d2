"""A DuckDB session over one tenant: views in schema `main`, raw FHIR tables in `fhir`, contained resources in
`contained`.

The lineage columns of views are left out of `main` and are there in schema `lineage`; the lines that were
rejected are in `lake.rejects`. What a session shows is pinned when it opens: Delta versions and builds do not
change under it. A lake of the past has its views as their definitions see its tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import duckdb

from lacustre.errors import InputError, near
from lacustre.store.reading import LakeFiles, Read, lake_files
from lacustre.store.scan import bind_table, connect, read_parquet, sql_name
from lacustre.store.tenant import CONTAINED, TenantStore
from lacustre.views.builds.manifest import ViewManifest, read_manifest

if TYPE_CHECKING:
    from lacustre.store.delta import LakeTable

LINEAGE_COLUMNS = {
    "lake_resource": "VARCHAR",
    "lake_patient_key": "BIGINT",
    "lake_source": "STRUCT(file VARCHAR, line BIGINT)",
    "lake_misfits": "VARCHAR[]",
}
REJECTS = "rejects"
_KINDS = duckdb.StatementType
_QUERIES = frozenset({_KINDS.SELECT, _KINDS.EXPLAIN, _KINDS.CALL, _KINDS.PRAGMA, _KINDS.MULTI})
_CATALOGUE = re.compile(r"\b(show|information_schema|pg_catalog|duckdb_\w+)\b", re.IGNORECASE)
_MISSING = re.compile(r'Table with name (?:"([^"]+)"|(.+?)) does not exist')


def open_session(tenant: TenantStore, query: str | None = None) -> duckdb.DuckDBPyConnection:
    """A session with the views and tables of the tenant; with `query`, only with those that it can name.

    Opening a table reads the footers of its files, which is what the second form saves. The files of what the query
    names are checked at once, others when their data are read.
    """
    files = lake_files(tenant.store)
    connection = new_session(tenant, files)
    named = None if query is None or _CATALOGUE.search(query) else query
    for name in _mentioned(tenant.store.folders(tenant.views_path), named):
        manifest = read_manifest(tenant, name)
        if manifest is not None:
            bind_view(connection, tenant, manifest, _reader(files, name, query))
    if named is None or "fhir" in named.casefold():
        for resource_type in _mentioned(tenant.resource_types(), named):
            table = tenant.fhir_table(resource_type)
            _bind_table(connection, table, "fhir", resource_type, _reader(files, resource_type, query))
    if named is None or CONTAINED in named.casefold():
        for resource_type in _mentioned(tenant.contained_types(), named):
            table = tenant.contained_table(resource_type)
            _bind_table(connection, table, CONTAINED, resource_type, _reader(files, resource_type, query))
    if _mentioned([REJECTS], named):
        _bind_rejects(connection, tenant, _reader(files, REJECTS, query))
    return connection


def new_session(tenant: TenantStore, files: LakeFiles) -> duckdb.DuckDBPyConnection:
    """A session with the schemas of a lake and nothing in them."""
    connection = connect(tenant.store, time_zone=tenant.settings.time_zone, files=files)
    schemas = "fhir", CONTAINED, "lineage", "lake"
    connection.execute("; ".join(f"CREATE SCHEMA {name}" for name in schemas) + "; SET search_path = 'main,lake'")
    return connection


def _reader(files: LakeFiles, name: str, query: str | None) -> Read:
    return files.checked if query is not None and _mentioned([name], query) else files.deferred


def run_query(tenant: TenantStore, query: str) -> duckdb.DuckDBPyRelation:
    """The lazy relation of one query; raises InputError for SQL that DuckDB refuses or that is no query."""
    try:
        _refuse_no_query(query)
        session = open_session(tenant, query)
        session.execute("SET python_enable_replacements = false")  # or FROM tenant would find the variable here
        relation = session.sql(query)
    except duckdb.CatalogException as error:
        raise _not_there(tenant, str(error)) from None
    except duckdb.Error as error:
        raise InputError("sql_refused", str(error), "`lacustre tables` lists what can be queried") from None
    return relation


def _refuse_no_query(query: str) -> None:
    """A session is thrown away after its query: what changes something would have no effect, and look as if."""
    statements = duckdb.extract_statements(query)
    if len(statements) != 1:
        found = "there are several statements" if statements else "there is no statement"
        raise InputError("no_query", found, "write one SELECT")
    if statements[0].type not in _QUERIES:
        raise InputError("no_query", f"{statements[0].type.name} is not a query", "write a SELECT; nothing was changed")


def _not_there(tenant: TenantStore, message: str) -> InputError:
    """The error for a name that DuckDB does not find: its own guesses are of its system tables."""
    missing = _MISSING.search(message)
    if missing is None:
        return InputError("sql_refused", message)
    name = missing[1] or missing[2]
    views, types = tenant.store.folders(tenant.views_path), tenant.resource_types()
    if not views and not types:
        where = f"{tenant.store.uri()} holds nothing of tenant {tenant.tenant.name}"
        hint = "`lacustre load` fills a lake; --lake and --tenant say which one is asked"
        return InputError("sql_refused", f"there is no {name}: {where}", hint)
    hint = "`lacustre tables` lists what can be queried" if views else "no view is built yet: `lacustre views build`"
    contained = (f"{CONTAINED}.{resource_type}" for resource_type in tenant.contained_types())
    names = [*views, *(f"fhir.{resource_type}" for resource_type in types), *contained]
    if name in names:
        return InputError("sql_refused", f'there is no "{name}"', f"write {name} without quotation marks around it all")
    near_names = near(name, names) or near(f"fhir.{name}", names)
    return InputError("sql_refused", f"there is no view or table {name}", f"{near_names or ''} {hint}".strip())


def _mentioned(names: Iterable[str], query: str | None) -> list[str]:
    if query is None:
        return list(names)
    words = set(re.findall(r"\w+", query.casefold()))
    return [name for name in names if name.casefold() in words]


def bind_view(connection: duckdb.DuckDBPyConnection, tenant: TenantStore, manifest: ViewManifest, read: Read) -> None:
    """Have a built view in `main`, and with its lineage columns in `lineage`."""
    source = _past(connection, tenant, manifest, read) if tenant.pinned else _built(tenant, manifest, read)
    name = sql_name(manifest.view)
    columns = ", ".join(sql_name(column.name) for column in manifest.columns)
    connection.execute(f"CREATE VIEW lineage.{name} AS FROM {source or f'({_empty(manifest)})'}")
    connection.execute(f"CREATE VIEW main.{name} AS SELECT {columns} FROM lineage.{name}")


def _built(tenant: TenantStore, manifest: ViewManifest, read: Read) -> str | None:
    uris = read(file.stored(tenant.store) for file in manifest.files)
    return read_parquet(uris) if uris else None


def _past(connection: duckdb.DuckDBPyConnection, tenant: TenantStore, manifest: ViewManifest, read: Read) -> str | None:
    from lacustre.query.past_views import past_view  # noqa: PLC0415  the compiler, which other queries do not need

    statement = past_view(connection, tenant, manifest, read)
    return statement and f"({statement})"


def _bind_table(
    connection: duckdb.DuckDBPyConnection, table: LakeTable, folder: str, resource_type: str, read: Read
) -> None:
    snapshot = table.snapshot()
    if snapshot is not None and snapshot.files:
        bind_table(connection, resource_type, read(snapshot.files), snapshot.schema, into=folder)
    elif snapshot is not None:  # all that it had was deleted
        from lacustre.store.schema import PARTITION_SCHEMA  # noqa: PLC0415  with a table, pyarrow is there already

        empty = snapshot.schema.empty_table().drop_columns(PARTITION_SCHEMA.names)
        name = f"no_{folder}_{resource_type}"
        connection.register(name, empty)
        connection.execute(f"CREATE VIEW {folder}.{sql_name(resource_type)} AS FROM {sql_name(name)}")


def _bind_rejects(connection: duckdb.DuckDBPyConnection, tenant: TenantStore, read: Read) -> None:
    snapshot = tenant.rejects_table.snapshot()
    if snapshot is not None and snapshot.files:
        source = read_parquet(read(snapshot.files))
    else:
        from lacustre.store.rejects import REJECTS_SCHEMA  # noqa: PLC0415  half of the start of a query otherwise

        connection.register("no_rejects", REJECTS_SCHEMA.empty_table())
        source = "no_rejects"
    connection.execute(f"CREATE VIEW lake.{REJECTS} AS FROM {source}")


def _empty(manifest: ViewManifest) -> str:
    columns = [*((column.name, column.sql_type) for column in manifest.columns), *LINEAGE_COLUMNS.items()]
    return f"SELECT {', '.join(f'NULL::{kind} AS {sql_name(name)}' for name, kind in columns)} WHERE false"

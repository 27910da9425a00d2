"""Views of a lake as it was: the definitions of their last builds, over the tables of then."""

from __future__ import annotations

import json

import duckdb

from lacustre.errors import InputError
from lacustre.fhir.shape import CONTAINED
from lacustre.store.reading import Read
from lacustre.store.scan import bind_table, sql_name
from lacustre.store.schema import shape_of
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.manifest import ViewManifest
from lacustre.views.builds.sources import view_tables
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view


def past_view(
    connection: duckdb.DuckDBPyConnection, tenant: TenantStore, manifest: ViewManifest, read: Read
) -> str | None:
    """The SQL of a view over the pinned table, which it binds as `read` says; None where the table had nothing.

    The table is in a schema of its own: that in `fhir` is without contained resources. Raises InputError for a view
    that was built before its manifest kept the definition.
    """
    if not manifest.definition:
        message = f"the view {manifest.view} was built by an older Lacustre, which did not keep its definition"
        raise InputError("no_definition", message, f"`lacustre views build {manifest.view}`")
    snapshot = view_tables(tenant, manifest.resource, contained=manifest.contained).snapshot
    if snapshot is None or not snapshot.files:
        return None
    schema = "past_contained" if manifest.contained else "past"
    bind_table(connection, manifest.resource, read(snapshot.files), snapshot.schema, into=schema)
    # the files of then may lack what the table's schema has
    there = connection.sql(f"FROM {schema}.{sql_name(manifest.resource)} LIMIT 0").to_arrow_table().schema
    view = parse_view(json.loads(manifest.definition), manifest.view)
    shape = {**shape_of(there), CONTAINED: {}}
    return compile_view(view, tenant.model, shape, lineage=True, typing=manifest.typing, schema=schema).sql

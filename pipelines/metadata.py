"""What Dagster shows of a load and of a view: counts, times, schemas, SQL; names and numbers, never data."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from lacustre.fhir.model import FhirModel
from lacustre.lake import Lake, TableInfo
from lacustre.store.load_result import LoadResult, TypeCounts
from lacustre.views.builds.manifest import ViewManifest
from lacustre.views.definition import ViewDefinition

Metadata = dict[str, dg.MetadataValue | dg.TableSchema | str | int | float]
_LONGEST_TYPE = 60


def describe_tables(lake: Lake) -> dict[str, Metadata]:
    """Rows, size, Delta version and schema of each raw table, by resource type."""
    tables = [table for table in lake.tables() if table.schema == "fhir"]
    with lake.session() as session:
        found = {}
        for table in tables:
            columns = session.execute(f'DESCRIBE fhir."{table.name}"').fetchall() if table.rows else []
            schema = _table_schema(lake.settings.model, table.name, {name: kind for name, kind, *_ in columns})
            found[table.name] = _table_metadata(table, schema)
    return found


def _table_metadata(table: TableInfo, schema: dg.TableSchema) -> Metadata:
    return {
        "dagster/row_count": table.rows,
        "dagster/column_schema": schema,
        "bytes": table.bytes,
        "delta version": table.version if table.version is not None else "",
    }


def _table_schema(model: FhirModel, resource_type: str, columns: Mapping[str, str]) -> dg.TableSchema:
    """FHIR elements with their FHIR type, the lake's columns with their SQL type."""
    members = model.type(resource_type).members
    described = []
    for name, sql_type in columns.items():
        if name in members:
            element, type_name = members[name]
            shown, note = f"{type_name}[]" if element.many else type_name, None
        else:
            shown, note = sql_type if len(sql_type) <= _LONGEST_TYPE else "STRUCT", "a column of the lake"
        described.append(dg.TableColumn(name, shown, note))
    return dg.TableSchema(described)


def load_metadata(result: LoadResult, resource_type: str, known: set[str]) -> Metadata:
    """What one load did to one resource type, and what it found beside the types that are assets."""
    counts = result.counts.get(resource_type, TypeCounts())
    others = {name: one.read for name, one in sorted(result.counts.items()) if name not in known and one.rejected == 0}
    metadata: Metadata = {
        "load": result.load,
        "lines read": counts.read,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "superseded": counts.superseded,
        "values kept verbatim": sum(result.rest.get(resource_type, {}).values()),
        "rejects of the load": sum(result.reasons.values()),
        "seconds of the load": round(result.seconds, 2),
    }
    if result.reasons:
        metadata["reject reasons"] = dg.MetadataValue.json(dict(result.reasons))
    if result.ignored:
        metadata["files that no manifest lists"] = len(result.ignored)
    if others:
        metadata["other resource types"] = dg.MetadataValue.json(others)
    return metadata


def definition_metadata(view: ViewDefinition) -> Metadata:
    """What is known of a view before it is built: its columns with their declared FHIR types."""
    columns = [dg.TableColumn(column.name, column.type or "string", column.description) for column in view.output()]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def view_metadata(manifest: ViewManifest) -> Metadata:
    columns = [dg.TableColumn(column.name, column.sql_type, column.description) for column in manifest.columns]
    version = manifest.source_version
    return {
        "dagster/row_count": manifest.rows,
        "dagster/column_schema": dg.TableSchema(columns),
        "rows of the table": manifest.source_rows,
        "delta version of the table": version if version is not None else "no table yet",
        "bytes": sum(file.bytes for file in manifest.files),
        "seconds": manifest.seconds,
        "parts made": f"{manifest.made} of {manifest.parts}",
        "all because of": manifest.whole,
        "state": "fresh",
        "types": manifest.typing.mode,
        "values that do not fit": dg.MetadataValue.json(dict(manifest.misfits)),
        "built": manifest.built,
        "definition": manifest.hash[:12],
        "SQL": dg.MetadataValue.md(f"```sql\n{manifest.sql}\n```"),
    }

"""Value sets and concept maps as tables of a DuckDB session."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from lacustre.store.scan import sql_name
from lacustre.terminology.concept_maps import Translation
from lacustre.terminology.value_sets import Member

VALUE_SET_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("system", "version", "code", "display")),
        pa.field("inactive", pa.bool_()),
    ]
)
"""The columns of a value set; (system, version, code) is unique."""

CONCEPT_MAP_SCHEMA = pa.schema(
    [
        *(pa.field(f"source_{name}", pa.string()) for name in ("system", "version", "code", "display")),
        *(pa.field(f"target_{name}", pa.string()) for name in ("system", "version", "code", "display")),
        pa.field("relationship", pa.string()),
    ]
)
"""The columns of a concept map."""


def create_value_set(connection: duckdb.DuckDBPyConnection, table: str, members: Sequence[Member]) -> None:
    """Make a table of the members; `table` is its name as SQL has it, with its schema."""
    rows = [(each.system, each.version, each.code, each.display, each.inactive) for each in members]
    _create(connection, table, VALUE_SET_SCHEMA, rows)


def create_concept_map(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Translation]) -> None:
    """Make a table of the translations; `table` is its name as SQL has it, with its schema."""
    sides = [((row.source, row.target), row.relationship) for row in rows]
    values = [
        (*(part for side in pair for part in (side.system, side.version, side.code, side.display)), relationship)
        for pair, relationship in sides
    ]
    _create(connection, table, CONCEPT_MAP_SCHEMA, values)


def _create(
    connection: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, rows: Sequence[tuple[object, ...]]
) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    connection.register("lake_terminology", pa.table(arrays, schema=schema))
    connection.execute(f"CREATE TABLE {table} AS FROM {sql_name('lake_terminology')}")
    connection.unregister("lake_terminology")

"""Columns of views as Arrow fields, with the types that DuckDB's Parquet files are read back with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from lacustre.views.schema import SchemaColumn

_TYPES: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "VARCHAR": pa.string(),
        "BLOB": pa.binary(),
        "BOOLEAN": pa.bool_(),
        "SMALLINT": pa.int16(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "DATE": pa.date32(),
        "TIME": pa.time64("us"),
        "TIMESTAMP": pa.timestamp("us"),
        "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
    }
)


def arrow_schema(columns: Iterable[SchemaColumn]) -> pa.Schema:
    """The Arrow schema of the Parquet files of a view with these columns."""
    return pa.schema([_field(column) for column in columns])


def _field(column: SchemaColumn) -> pa.Field:
    item = _item_type(column.sql_type.removesuffix("[]"))
    type_ = pa.list_(pa.field("element", item)) if column.collection else item
    description = {"description": column.description} if column.description else {}
    return pa.field(column.name, type_, column.nullable, metadata={"fhir_type": column.type, **description})


def _item_type(name: str) -> pa.DataType:
    if not name.startswith("DECIMAL"):
        return _TYPES[name]
    precision, scale = name.removeprefix("DECIMAL(").rstrip(")").split(",")
    return pa.decimal128(int(precision), int(scale))

"""Shape of FHIR JSON and Arrow schema of a table: one determines the other, through the FHIR model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

import pyarrow as pa

from lacustre.fhir.model import JSON_KINDS, FhirModel
from lacustre.fhir.shape import Shape

GrowingShape: TypeAlias = dict[str, "GrowingShape"]

REST_TYPE = pa.list_(pa.struct([("pointer", pa.string()), ("json", pa.string())]))

LAKE_SCHEMA = pa.schema(
    [
        pa.field("lake_patient", pa.string()),
        pa.field("lake_patient_key", pa.int64()),
        pa.field("lake_patients", pa.list_(pa.string())),
        pa.field("lake_source", pa.struct([("file", pa.string()), ("line", pa.int64())])),
        pa.field("lake_load", pa.string()),
        pa.field("lake_updated", pa.timestamp("us", "UTC")),
        pa.field("lake_hash", pa.binary()),
        pa.field("lake_rest", REST_TYPE),
    ]
)
"""The columns that the lake adds to every FHIR table, after the FHIR ones."""

CONTAINER = pa.field("lake_container", pa.string())
"""The last column of a table of contained resources: the resource that a row is contained in, as `Type/id`."""

PARTITION_SCHEMA = pa.schema([pa.field("lake_shard", pa.int32()), pa.field("lake_segment", pa.string())])

_TYPED = {"boolean": pa.bool_(), "integer": pa.int32(), "decimal": pa.string(), "string": pa.string()}
_PARSED = {
    "boolean": pa.bool_(),
    "integer": pa.large_string(),
    "decimal": pa.large_string(),
    "string": pa.string(),
}


def fhir_schema(model: FhirModel, resource_type: str, shape: Shape, *, parsed: bool = False) -> pa.Schema:
    """The Arrow schema of the FHIR columns that `shape` needs, in the order of the definition.

    With `parsed`, numbers are marked text (see `lacustre.store.numbers`), told from other text by being
    large strings.
    """
    leaves = _PARSED if parsed else _TYPED
    return pa.schema(_fields(model, resource_type, shape, leaves))


def _fields(model: FhirModel, type_name: str, shape: Shape, leaves: Mapping[str, pa.DataType]) -> list[pa.Field]:
    fields = []
    for name, (element, member_type) in model.type(type_name).members.items():
        if name in shape:
            fields.append(_field(model, name, element.many, member_type, shape[name], leaves))
    return fields


def _field(
    model: FhirModel, name: str, many: bool, member_type: str, shape: Shape, leaves: Mapping[str, pa.DataType]
) -> pa.Field:
    kind = JSON_KINDS.get(member_type)
    inner = leaves[kind] if kind else pa.struct(_fields(model, member_type, shape, leaves))
    return pa.field(name, pa.list_(inner) if many else inner)


def shape_of(schema: pa.Schema) -> Shape:
    """The shape of a table's FHIR columns."""
    lake = {*LAKE_SCHEMA.names, CONTAINER.name, *PARTITION_SCHEMA.names}
    return {field.name: _shape(field.type) for field in schema if field.name not in lake}


def _shape(data_type: pa.DataType) -> Shape:
    if pa.types.is_list(data_type):
        return _shape(data_type.value_type)
    if pa.types.is_struct(data_type):
        return {field.name: _shape(field.type) for field in data_type}
    return {}


def grow_shape(shape: GrowingShape, value: Mapping[str, Any]) -> bool:
    """Add the members of a typed JSON object to a shape; says whether there was a new one."""
    grown = False
    for name, member in value.items():
        below = shape.get(name)
        if below is None:
            below = shape[name] = {}
            grown = True
        for item in member if type(member) is list else (member,):
            if type(item) is dict:
                grown |= grow_shape(below, item)
    return grown


def merge_shapes(shapes: Iterable[Shape]) -> GrowingShape:
    merged: GrowingShape = {}
    for shape in shapes:
        _merge_into(merged, shape)
    return merged


def _merge_into(merged: GrowingShape, shape: Shape) -> None:
    for name, below in shape.items():
        _merge_into(merged.setdefault(name, {}), below)


def covers(wide: Shape, narrow: Shape) -> bool:
    """Whether every member of `narrow` is in `wide`."""
    return all(name in wide and covers(wide[name], below) for name, below in narrow.items())


def table_schema(model: FhirModel, resource_type: str, shape: Shape) -> pa.Schema:
    """The Arrow schema of a table's data files: FHIR columns, then the lake's."""
    return pa.schema([*fhir_schema(model, resource_type, shape), *LAKE_SCHEMA])


def contained_schema(model: FhirModel, resource_type: str, shape: Shape) -> pa.Schema:
    """The Arrow schema of the data files of a table of contained resources."""
    return pa.schema([*table_schema(model, resource_type, shape), CONTAINER])


def partitioned(schema: pa.Schema) -> pa.Schema:
    return cast(pa.Schema, pa.schema([*schema, *PARTITION_SCHEMA]))

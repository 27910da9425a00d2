"""Shapes and schemas say the same."""

from __future__ import annotations

import pyarrow as pa

from lacustre.fhir.model import load_model
from lacustre.fhir.shape import Shape
from lacustre.store.schema import (
    LAKE_SCHEMA,
    covers,
    fhir_schema,
    grow_shape,
    merge_shapes,
    partitioned,
    shape_of,
    table_schema,
)

MODEL = load_model()
SHAPE: Shape = {
    "valueQuantity": {"value": {}, "unit": {}},
    "id": {},
    "component": {"valueInteger": {}, "extension": {"url": {}, "valueBoolean": {}}},
    "_issued": {"extension": {"url": {}}},
}


def test_a_schema_gives_its_shape_back() -> None:
    for schema in (fhir_schema(MODEL, "Observation", SHAPE), table_schema(MODEL, "Observation", SHAPE)):
        assert shape_of(schema) == SHAPE
    assert shape_of(partitioned(table_schema(MODEL, "Observation", SHAPE))) == SHAPE


def test_columns_have_the_kinds_and_the_order_of_the_definition() -> None:
    schema = fhir_schema(MODEL, "Observation", SHAPE)
    assert schema.names == ["id", "_issued", "valueQuantity", "component"]
    assert schema.field("valueQuantity").type == pa.struct([("value", pa.string()), ("unit", pa.string())])
    component = schema.field("component").type
    assert pa.types.is_list(component)
    extension = pa.list_(pa.struct([("url", pa.string()), ("valueBoolean", pa.bool_())]))
    assert component.value_type == pa.struct([("extension", extension), ("valueInteger", pa.int32())])
    assert table_schema(MODEL, "Observation", SHAPE).names[4:] == LAKE_SCHEMA.names


def test_numbers_are_parsed_as_large_text() -> None:
    parsed = fhir_schema(MODEL, "Observation", SHAPE, parsed=True)
    assert parsed.field("valueQuantity").type == pa.struct([("value", pa.large_string()), ("unit", pa.string())])


def test_shapes_grow_once() -> None:
    shape = merge_shapes([{"id": {}}])
    value = {"id": "x", "name": [{"family": "a"}, None, {"given": ["b"]}]}
    assert grow_shape(shape, value)
    assert shape == {"id": {}, "name": {"family": {}, "given": {}}}
    assert not grow_shape(shape, value)
    assert grow_shape(shape, {"name": [{"period": {"start": "1"}}]})


def test_merging_leaves_what_is_merged() -> None:
    first, second = {"a": {"x": {}}}, {"a": {"y": {}}, "b": {}}
    merged = merge_shapes([first, second])
    assert merged == {"a": {"x": {}, "y": {}}, "b": {}}
    assert (first, second) == ({"a": {"x": {}}}, {"a": {"y": {}}, "b": {}})
    assert covers(merged, first)
    assert not covers(first, merged)
    assert not covers({"a": {}}, first)

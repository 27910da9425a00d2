"""FHIR resources as DuckDB tables by the rules of the raw tables, small and exact, without the store.

Members are typed and named from the FHIR model, pruned to what the resources hold, decimals keep their spelling.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from lacustre.fhir.model import JSON_KINDS, Element, FhirModel
from lacustre.fhir.shape import CONTAINED, Shape
from support.fhir_json import Lexeme, loads

ARROW = {"boolean": pa.bool_(), "integer": pa.int32(), "decimal": pa.string(), "string": pa.string()}
LAKE_COLUMNS = {
    "lake_patient_key": pa.int64(),
    "lake_source": pa.struct([("file", pa.string()), ("line", pa.int64())]),
    "lake_rest": pa.list_(pa.struct([("pointer", pa.string()), ("json", pa.string())])),
}


def load_tables(
    connection: duckdb.DuckDBPyConnection, resources: Iterable[str | bytes], model: FhirModel
) -> dict[str, Shape]:
    """Creates `fhir."<Type>"` for every type among the resources; returns the shape of each."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS fhir")
    by_type: dict[str, list[dict[str, Any]]] = {}
    for text in resources:
        resource = loads(text)
        by_type.setdefault(resource["resourceType"], []).append(resource)
    return {type_: load_table(connection, type_, found, model) for type_, found in by_type.items()}


def load_table(
    connection: duckdb.DuckDBPyConnection, type_: str, resources: list[dict[str, Any]], model: FhirModel
) -> Shape:
    shape = merged([shape_of(resource, type_, model) for resource in resources])
    struct = struct_type(shape, type_, model)
    rows = [typed(resource, type_, shape, model) for resource in resources]
    for line, row in enumerate(rows, start=1):
        row |= {"lake_patient_key": line, "lake_source": {"file": f"{type_}.ndjson", "line": line}}
        row["lake_rest"] = _rest(resources[line - 1])
    schema = pa.schema([*struct, *LAKE_COLUMNS.items()])
    connection.register("incoming", pa.Table.from_pylist(rows, schema=schema))
    connection.execute(f'CREATE OR REPLACE TABLE fhir."{type_}" AS FROM incoming')
    connection.unregister("incoming")
    return {**shape, CONTAINED: {}} if any(CONTAINED in resource for resource in resources) else shape


def _rest(resource: dict[str, Any]) -> list[dict[str, str]] | None:
    """What is contained: of each its type and id."""
    contained = resource.get("contained")
    if not isinstance(contained, list):
        return None
    names = [{name: item.get(name) for name in ("resourceType", "id")} for item in contained if isinstance(item, dict)]
    return [{"pointer": "/contained", "json": json.dumps(names)}]


def stored_members(value: Mapping[str, Any], type_: str, model: FhirModel) -> Iterable[tuple[str, Any, Element, str]]:
    """The members that have typed columns: defined ones of the right JSON kind, other than whole resources."""
    members = model.type(type_).members
    for name, member in value.items():
        if name in members and members[name][1] != "Resource":
            element, member_type = members[name]
            items = [item for item in as_list(member) if item is not None]
            if isinstance(member, list) == element.many and items and all(map(kind_test(member_type), items)):
                yield name, member, element, member_type


def kind_test(type_: str) -> Callable[[Any], bool]:
    kinds = {"boolean": bool, "integer": int, "decimal": (int, Lexeme), "string": str}
    expected = kinds[JSON_KINDS[type_]] if type_ in JSON_KINDS else dict
    return lambda item: isinstance(item, expected) and (expected is bool) == isinstance(item, bool)


def shape_of(value: Any, type_: str, model: FhirModel) -> Shape:
    if type_ in JSON_KINDS or not isinstance(value, Mapping):
        return {}
    return {
        name: merged([shape_of(item, member_type, model) for item in as_list(member)])
        for name, member, _, member_type in stored_members(value, type_, model)
    }


def merged(shapes: Iterable[Shape]) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for shape in shapes:
        for name, below in shape.items():
            found[name] = merged([found.get(name, {}), below])
    return found


def struct_type(shape: Shape, type_: str, model: FhirModel) -> pa.StructType:
    members = model.type(type_).members
    fields = []
    for name, below in shape.items():
        element, member_type = members[name]
        primitive = member_type in JSON_KINDS
        found = ARROW[JSON_KINDS[member_type]] if primitive else struct_type(below, member_type, model)
        fields.append(pa.field(name, pa.list_(found) if element.many else found))
    return pa.struct(fields)


def typed(value: Any, type_: str, shape: Shape, model: FhirModel) -> Any:
    if value is None:
        return None
    if type_ in JSON_KINDS:
        return lexeme(value) if JSON_KINDS[type_] == "decimal" else value
    found = {}
    for name, member, element, member_type in stored_members(value, type_, model):
        items = [typed(item, member_type, shape[name], model) for item in as_list(member)]
        found[name] = items if element.many else items[0]
    return found


def lexeme(value: int | Lexeme) -> str:
    return value.text if isinstance(value, Lexeme) else str(value)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

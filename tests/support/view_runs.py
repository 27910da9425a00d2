"""Runs views and single expressions over FHIR JSON, on DuckDB tables made by `typed_tables`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from lacustre.fhir.model import load_model
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view
from support.typed_tables import load_tables

Json = Mapping[str, Any]


def run_view(
    view: Json, resources: Iterable[Json | str], *, version: str = "4.0.1", zone: str = "UTC", lineage: bool = False
) -> list[dict[str, Any]]:
    """The rows of a view; a resource is a mapping, or JSON text where the spelling of numbers matters."""
    model = load_model(version)
    texts = [text if isinstance(text, str) else json.dumps(text) for text in resources]
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        shapes = load_tables(connection, texts, model)
        definition = parse_view(view)
        compiled = compile_view(definition, model, shapes.get(definition.resource, {}), lineage=lineage)
        result = connection.execute(compiled.sql)
        names = [name for name, *_ in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def evaluate(path: str, resource: Json | str, *, zone: str = "UTC", collection: bool = False, **view: Any) -> Any:
    """The value of one expression on one resource, as a column of a view."""
    content = json.loads(resource) if isinstance(resource, str) else resource
    column = {"name": "value", "path": path, "collection": collection}
    definition = {"resource": content["resourceType"], "select": [{"column": [column]}], **view}
    [row] = run_view(definition, [resource], zone=zone)
    return row["value"]

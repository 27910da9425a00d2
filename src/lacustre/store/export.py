"""Rows back to the FHIR JSON they came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from lacustre.errors import InputError
from lacustre.fhir.model import JSON_KINDS, FhirModel
from lacustre.store.delta import Snapshot
from lacustre.store.exact import dump_verbatim
from lacustre.store.numbers import Number
from lacustre.store.reading import lake_files
from lacustre.store.scan import connect, read_parquet
from lacustre.store.schema import LAKE_SCHEMA
from lacustre.store.tenant import TenantStore

BATCH_ROWS = 10_000


def export_resources(tenant: TenantStore, resource_type: str) -> Iterator[bytes]:
    """The resources of a type as NDJSON lines without their line feed, numbers as they were written.

    Raises InputError where the lake has no table of the type.
    """
    snapshot = tenant.fhir_table(resource_type).snapshot()
    if snapshot is None:
        where = f"{tenant.store.uri()} holds no {resource_type} of tenant {tenant.tenant.name}"
        raise InputError("nothing_to_export", where, "`lacustre tables` lists what there is")
    return _export(tenant, resource_type, snapshot)


def _export(tenant: TenantStore, resource_type: str, snapshot: Snapshot) -> Iterator[bytes]:
    if not snapshot.files:
        return
    restore = Restorer(tenant.model, resource_type)
    files = lake_files(tenant.store)
    with connect(tenant.store, files=files) as connection:
        relation = connection.sql(f"FROM {read_parquet(files.checked(snapshot.files))}")
        for batch in relation.to_arrow_reader(BATCH_ROWS):
            yield from restore.lines(batch)


class Restorer:
    """Turns rows of one type's table into JSON."""

    def __init__(self, model: FhirModel, resource_type: str) -> None:
        self._model = model
        self._type = resource_type

    def lines(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        fhir = [name for name in batch.schema.names if name not in LAKE_SCHEMA.names]
        rest = batch.column("lake_rest").to_pylist()
        for row, entries in zip(batch.select(fhir).to_pylist(), rest, strict=True):
            resource = {"resourceType": self._type, **self._object(row, self._type)}
            for entry in entries or ():
                _put(resource, entry["pointer"], orjson.Fragment(entry["json"].encode()))
            yield dump_verbatim(resource).encode()

    def _object(self, value: dict[str, Any], type_name: str) -> dict[str, Any]:
        members = self._model.type(type_name).members
        return {name: self._member(item, members[name][1]) for name, item in value.items() if item is not None}

    def _member(self, value: Any, type_name: str) -> Any:
        if type(value) is list:
            return [None if item is None else self._member(item, type_name) for item in value]
        if type(value) is dict:
            return self._object(value, type_name)
        return Number(value) if JSON_KINDS.get(type_name) == "decimal" else value


def _put(resource: dict[str, Any], pointer: str, value: orjson.Fragment) -> None:
    """Set the value at a JSON pointer (RFC 6901), making the objects on the way."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    target: Any = resource
    for part in parts[:-1]:
        target = target[int(part)] if type(target) is list else target.setdefault(part, {})
    if type(target) is list:
        target[int(parts[-1])] = value
    else:
        target[parts[-1]] = value

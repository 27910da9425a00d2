"""The columns that the lake adds to a FHIR table: whose data a row is, where it came from, how old it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from lacustre.fhir.model import FhirModel
from lacustre.fhir.references import parse_reference, patient_key
from lacustre.store.encode import EncodedType
from lacustre.store.schema import LAKE_SCHEMA

Patients = list[list[str]]
"""Row by row, the distinct patients whose compartment the resource is in, the clinically primary one first."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What the rows of one load have in common.

    `received` (UTC) stands for `meta.lastUpdated` where a resource has none: the manifest's `transactionTime`,
    or the start of the load. `time_zone` is the tenant's.
    """

    tenant: str
    load: str
    received: datetime
    time_zone: str


def add_lake_columns(encoded: EncodedType, files: Sequence[str], model: FhirModel, origin: Origin) -> pa.Table:
    """The table with the lake columns after the FHIR ones; `files` names the file of each row."""
    table, rows = encoded.table, encoded.table.num_rows
    patients = find_patients(table, encoded.resource_type, model)
    keys = [patient_key_of(origin.tenant, found[0]) if found else None for found in patients]
    columns = [
        pa.array([found[0] if found else None for found in patients], pa.string()),
        pa.array(keys, pa.int64()),
        pa.array([found if len(found) > 1 else None for found in patients], pa.list_(pa.string())),
        pa.StructArray.from_arrays(
            [pa.array(files, pa.string()), pa.array([line.number for line in encoded.lines], pa.int64())],
            fields=list(LAKE_SCHEMA.field("lake_source").type),
        ),
        pa.repeat(pa.scalar(origin.load, pa.string()), rows),
        updated_instants(table, origin),
        pa.array([line.digest for line in encoded.lines], pa.binary()),
        encoded.rest,
    ]
    return pa.Table.from_arrays([*table.columns, *columns], schema=pa.schema([*table.schema, *LAKE_SCHEMA]))


@lru_cache(maxsize=1 << 16)
def patient_key_of(tenant: str, patient: str) -> int:
    return patient_key(tenant, patient)


@lru_cache(maxsize=1 << 16)
def _patient_of(reference: str) -> str | None:
    parsed = parse_reference(reference)
    return parsed.id if parsed is not None and parsed.type == "Patient" else None


def find_patients(table: pa.Table, resource_type: str, model: FhirModel) -> Patients:
    """The patients of every row, by the patient compartment of the FHIR version."""
    if resource_type == "Patient":
        return [[identifier] for identifier in table.column("id").to_pylist()]
    found: Patients = [[] for _ in range(table.num_rows)]
    for path in model.compartment(resource_type):
        for row, reference in _references(table, path.split(".")):
            patient = _patient_of(reference)
            if patient is not None and patient not in found[row]:
                found[row].append(patient)
    return found


def _references(table: pa.Table, path: list[str]) -> zip[tuple[int, str]] | tuple[()]:
    """Row number and text of every `reference` at a path of elements."""
    if path[0] not in table.column_names:
        return ()
    array = table.column(path[0]).combine_chunks()
    rows: Any = pa.array(range(len(array)), pa.int64())
    for name in [*path[1:], "reference"]:
        array, rows = _flat(array, rows)
        index = array.type.get_field_index(name) if pa.types.is_struct(array.type) else -1
        if index < 0:
            return ()
        array = pc.struct_field(array, [index])
    array, rows = _flat(array, rows)
    present = array.is_valid()
    return zip(rows.filter(present).to_pylist(), array.filter(present).to_pylist(), strict=True)


def _flat(array: pa.Array, rows: pa.Array) -> tuple[pa.Array, pa.Array]:
    if not pa.types.is_list(array.type):
        return array, rows
    return pc.list_flatten(array), rows.take(pc.list_parent_indices(array))


def updated_instants(table: pa.Table, origin: Origin) -> pa.Array:
    """`meta.lastUpdated` as instants in UTC, microseconds; `received` where there is none to read."""
    received = pa.scalar(origin.received, pa.timestamp("us", "UTC"))
    texts = _meta_member(table, "lastUpdated")
    if texts is None:
        return pa.repeat(received, table.num_rows)
    try:
        instants = texts.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        zone = ZoneInfo(origin.time_zone)
        instants = pa.array(
            [None if text is None else parse_instant(text, zone) for text in texts.to_pylist()],
            pa.timestamp("us", "UTC"),
        )
    return pc.fill_null(instants, received)


def _meta_member(table: pa.Table, name: str) -> pa.Array | None:
    if "meta" not in table.column_names:
        return None
    meta = table.column("meta").combine_chunks()
    index = meta.type.get_field_index(name)
    return None if index < 0 else pc.struct_field(meta, [index])


def parse_instant(text: str, zone: ZoneInfo) -> datetime | None:
    """A FHIR instant or dateTime as an instant: partial dates begin in `zone`; None where it cannot be read."""
    try:
        if len(text) == 4 or len(text) == 7:
            moment = datetime.fromisoformat(f"{text}-01-01"[:10])
        else:
            leap = text[17:19] == "60"
            moment = datetime.fromisoformat(text.replace(":60", ":59", 1) if leap else text)
            moment += timedelta(seconds=leap)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None

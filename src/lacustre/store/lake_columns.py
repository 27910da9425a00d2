"""The columns that the lake adds to a FHIR table: whose data a row is, where it came from, how old it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

_PATIENTS = LAKE_SCHEMA.field("lake_patients").type


@dataclass(frozen=True, slots=True)
class Origin:
    """What the rows of one load have in common; `time_zone` is the tenant's."""

    tenant: str
    load: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """What the rows of one file have in common: its name, and when it was `received` (UTC).

    That stands for `meta.lastUpdated` where a resource has none: the manifest's `transactionTime`, or the start of
    the load.
    """

    name: str
    received: datetime


def add_lake_columns(
    encoded: EncodedType, files: Mapping[int, FileOrigin], model: FhirModel, origin: Origin
) -> pa.Table:
    """The table with the lake columns after the FHIR ones; `files` has the files by number."""
    table, origins = encoded.table, encoded.origins
    patient, patients = find_patients(table, encoded.resource_type, model)
    columns = [
        patient,
        _mapped(patient, lambda identifier: patient_key_of(origin.tenant, identifier), pa.int64()),
        patients,
        pa.StructArray.from_arrays(
            [pa.array([files[file].name for file in origins.files], pa.string()), pa.array(origins.lines, pa.int64())],
            fields=list(LAKE_SCHEMA.field("lake_source").type),
        ),
        pa.repeat(pa.scalar(origin.load, pa.string()), table.num_rows),
        updated_instants(table, _received(origins.files, files), origin.time_zone),
        pa.array(origins.digests, pa.binary()),
        origins.rest,
    ]
    return pa.Table.from_arrays([*table.columns, *columns], schema=pa.schema([*table.schema, *LAKE_SCHEMA]))


@lru_cache(maxsize=1 << 16)
def patient_key_of(tenant: str, patient: str) -> int:
    return patient_key(tenant, patient)


@lru_cache(maxsize=1 << 16)
def _patient_of(reference: str) -> str | None:
    parsed = parse_reference(reference)
    return parsed.id if parsed is not None and parsed.type == "Patient" else None


def _mapped(array: pa.Array, function: Callable[[str], object], target: pa.DataType) -> pa.Array:
    """The function of every text, called once for equal ones; null where the text is."""
    encoded = array.dictionary_encode()
    return pa.array([function(text) for text in encoded.dictionary.to_pylist()], target).take(encoded.indices)


def find_patients(table: pa.Table, resource_type: str, model: FhirModel) -> tuple[pa.Array, pa.Array]:
    """Every row's patient, by the patient compartment of the FHIR version, clinically primary element first.

    And, where the resource is in the compartments of several, the list of these.
    """
    rows = table.num_rows
    if resource_type == "Patient":
        return table.column("id").combine_chunks(), pa.nulls(rows, _PATIENTS)
    primary, several = pa.nulls(rows, pa.string()), dict[int, list[str]]()
    numbers = pa.array(range(rows), pa.int64())
    for path in model.compartment(resource_type):
        found = _references(table, path.split("."))
        if found is None:
            continue
        at, patients = found[0], _mapped(found[1], _patient_of, pa.string())
        at, patients = at.filter(patients.is_valid()), patients.drop_null()
        primary = pc.coalesce(primary, patients.take(pc.index_in(numbers, at)))
        other = pc.not_equal(primary.take(at), patients)
        for row, patient in zip(at.filter(other).to_pylist(), patients.filter(other).to_pylist(), strict=True):
            all_of_row = several.setdefault(row, [primary[row].as_py()])
            if patient not in all_of_row:
                all_of_row.append(patient)
    lists = pa.array([several.get(row) for row in range(rows)], _PATIENTS) if several else pa.nulls(rows, _PATIENTS)
    return primary, lists


def _references(table: pa.Table, path: list[str]) -> tuple[pa.Array, pa.Array] | None:
    """Row number and text of every `reference` at a path of elements."""
    if path[0] not in table.column_names:
        return None
    array = table.column(path[0]).combine_chunks()
    rows: Any = pa.array(range(len(array)), pa.int64())
    for name in [*path[1:], "reference"]:
        array, rows = _flat(array, rows)
        index = array.type.get_field_index(name) if pa.types.is_struct(array.type) else -1
        if index < 0:
            return None
        array = pc.struct_field(array, [index])
    array, rows = _flat(array, rows)
    present = array.is_valid()
    return rows.filter(present), array.filter(present)


def _flat(array: pa.Array, rows: pa.Array) -> tuple[pa.Array, pa.Array]:
    if not pa.types.is_list(array.type):
        return array, rows
    return pc.list_flatten(array), rows.take(pc.list_parent_indices(array))


def _received(numbers: Sequence[int], files: Mapping[int, FileOrigin]) -> pa.Array:
    """When the file of each row was received."""
    instants = {file.received for file in files.values()}
    kind = pa.timestamp("us", "UTC")
    if len(instants) == 1:
        return pa.repeat(pa.scalar(instants.pop(), kind), len(numbers))
    return pa.array([files[number].received for number in numbers], kind)


def updated_instants(table: pa.Table, received: pa.Array, time_zone: str) -> pa.Array:
    """`meta.lastUpdated` as instants in UTC, microseconds; `received` where there is none to read."""
    texts = _meta_member(table, "lastUpdated")
    if texts is None:
        return received
    try:
        instants = texts.cast(received.type)
    except pa.ArrowInvalid:
        zone = ZoneInfo(time_zone)
        instants = pa.array(
            [None if text is None else parse_instant(text, zone) for text in texts.to_pylist()], received.type
        )
    return pc.coalesce(instants, received)


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

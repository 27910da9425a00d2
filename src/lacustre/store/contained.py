"""Contained resources as rows: what `lake_rest` of their containers has, typed.

A row's `id` is the key of the contained resource, `<ContainerType>/<containerId>#<localId>`; its lake columns are the
container's, but for `lake_rest`, which is its own. What cannot be a row is counted by reason, and stays in the
container's `lake_rest` alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.store.encode import EncodedType, Encoder
from lacustre.store.exact import canonical_json, is_usable_id
from lacustre.store.lines import Block, LineReader
from lacustre.store.numbers import Number
from lacustre.store.schema import CONTAINER, LAKE_SCHEMA

POINTER = "/contained"
NEIGHBOURS = "#"
"""Where `lake_rest` of a contained resource has the ids and types of all that its container contains; it is there
where one of these has a local reference."""
COLUMNS = ("id", *LAKE_SCHEMA.names)
"""What is read of a container."""
SLICE_BYTES = 8 << 20
"""How much text is encoded at a time."""
SLICE_RESOURCES = 50_000
_DECODER = json.JSONDecoder(parse_int=Number)
_LOCAL = re.compile(r'"(#|\\u0023)')
"""How a local reference begins, in JSON."""
_BETWEEN = " \t\r\n,"


@dataclass(frozen=True, slots=True)
class ContainedRows:
    """Rows of one type: the typed columns, the lake's, and the container."""

    resource_type: str
    table: pa.Table


@dataclass(slots=True)
class _Slice:
    """Contained resources that wait to be encoded.

    `containers` are rows of containers with `row` counting over all of them; of each type the lines, and for each of
    these the number of the container's row and the local id. `neighbours` of a row are what `NEIGHBOURS` will have.
    """

    containers: list[pa.Table] = field(default_factory=list)
    neighbours: dict[int, str] = field(default_factory=dict)
    rows: int = 0
    size: int = 0
    count: int = 0
    lines: dict[str, list[bytes]] = field(default_factory=dict)
    places: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, resource_type: str, text: str, row: int, local: str) -> None:
        line = text.encode()
        self.lines.setdefault(resource_type, []).append(line)
        self.places.setdefault(resource_type, []).append((row, local))
        self.size += len(line)
        self.count += 1

    @property
    def is_full(self) -> bool:
        return self.size >= SLICE_BYTES or self.count >= SLICE_RESOURCES


class ContainedEncoder:
    """Turns rows of containers into rows of what they contain; `shapes` are those of the tables, by type.

    `malformed` counts by reason what is no row, of containers that the load `load` wrote.
    """

    def __init__(self, model: FhirModel, shapes: Mapping[str, Shape], load: str) -> None:
        self._model, self._load = model, load
        self._reader = LineReader(model)
        self._encoder = Encoder(model, shapes)
        self.malformed: Counter[str] = Counter()

    def encode(self, container_type: str, batches: Iterable[pa.RecordBatch]) -> Iterator[ContainedRows]:
        """The rows of what some containers of one type contain, each type once or several times."""
        waiting = _Slice()
        for batch in batches:
            table, texts = _with_contained(batch)
            loads = table.column("lake_load").to_pylist()
            for row, (text, load) in enumerate(zip(texts, loads, strict=True), waiting.rows):
                faults = self._add(waiting, row, text)
                if load == self._load:
                    self.malformed.update(faults)
            waiting.containers.append(table)
            waiting.rows += table.num_rows
            if waiting.is_full:
                yield from self._encoded(container_type, waiting)
                waiting = _Slice()
        yield from self._encoded(container_type, waiting)

    def _add(self, waiting: _Slice, row: int, text: str) -> list[str]:
        """Add what one container contains; returns the faults."""
        found = split_contained(text)
        if found is None:
            return ["not_a_list"]
        faults, names = [], []
        counts = Counter(local for resource, _ in found if (local := _local_id(resource)) is not None)
        for resource, line in found:
            fault = self._fault(resource, counts)
            if fault is None:
                waiting.add(resource["resourceType"], line, row, resource["id"])
                names.append({"id": resource["id"], "resourceType": resource["resourceType"]})
                nested = resource.get("contained")
                faults += ["nested"] * (len(nested) if isinstance(nested, list) else nested is not None)
            else:
                faults.append(fault)
        if _LOCAL.search(text):
            waiting.neighbours[row] = json.dumps(names)
        return faults

    def _fault(self, resource: Any, counts: Mapping[str, int]) -> str | None:
        """Why a contained resource is no row, or None."""
        if not isinstance(resource, dict):
            return "not_an_object"
        resource_type = resource.get("resourceType")
        if not isinstance(resource_type, str) or not resource_type:
            return "no_resource_type"
        if resource_type not in self._model.resource_types:
            return "unknown_resource_type"
        local = _local_id(resource)
        if local is None:
            return "no_id"
        return "duplicate_id" if counts[local] > 1 else None

    def _encoded(self, container_type: str, waiting: _Slice) -> Iterator[ContainedRows]:
        if not waiting.count:
            return
        containers = pa.concat_tables(waiting.containers)
        for number, lines in enumerate(waiting.lines.values()):
            self._encoder.add(self._reader.read(Block(number, 1, 0, b"\n".join(lines) + b"\n")))
        for encoded in self._encoder.finish():
            places = waiting.places[encoded.resource_type]
            chosen = [places[line - 1] for line in encoded.origins.lines]
            for number, (row, _) in enumerate(chosen):
                if row in waiting.neighbours:
                    encoded.origins.rests.setdefault(number, []).append((NEIGHBOURS, waiting.neighbours[row]))
            yield ContainedRows(encoded.resource_type, _rows(encoded, container_type, containers, chosen))
        self.malformed.update(reject.code for reject in self._encoder.rejects)
        self._encoder.rejects.clear()


def _local_id(resource: Any) -> str | None:
    local = resource.get("id") if isinstance(resource, dict) else None
    return local if is_usable_id(local) else None


def _with_contained(batch: pa.RecordBatch) -> tuple[pa.Table, list[str]]:
    """The rows of containers that have something contained, and its JSON."""
    rest = batch.column("lake_rest")
    entries = pc.list_flatten(rest)
    ours = pc.equal(pc.struct_field(entries, "pointer"), POINTER)
    rows = pc.list_parent_indices(rest).filter(ours)
    texts: list[str] = pc.struct_field(entries, "json").filter(ours).to_pylist()
    return pa.Table.from_batches([batch]).drop_columns(["lake_rest"]).take(rows), texts


def split_contained(text: str) -> list[tuple[Any, str]] | None:
    """The items of a JSON list, each with its own text on one line; None where the text is no list.

    The text is JSON that a load has read. Numbers of the items are not exact, those of the texts are.
    """
    if not text.startswith("["):
        return None
    found: list[tuple[Any, str]] = []
    at, end = 1, len(text)
    while True:
        while at < end and text[at] in _BETWEEN:
            at += 1
        if at >= end or text[at] == "]":
            return found
        try:
            item, after = _DECODER.raw_decode(text, at)
        except ValueError:
            return None
        line = text[at:after]
        found.append((item, canonical_json(line) if "\n" in line else line))
        at = after


def _rows(encoded: EncodedType, container_type: str, containers: pa.Table, places: list[tuple[int, str]]) -> pa.Table:
    """The encoded resources with their keys for ids, and what they have of their containers."""
    owners = containers.take(pa.array([row for row, _ in places], pa.int64()))
    keys = [f"{container_type}/{one}" for one in owners.column("id").to_pylist()]
    ids = [f"{key}#{local}" for key, (_, local) in zip(keys, places, strict=True)]
    table = encoded.table.set_column(
        encoded.table.schema.get_field_index("id"), encoded.table.schema.field("id"), pa.array(ids, pa.string())
    )
    lake = [owners.column(name) for name in LAKE_SCHEMA.names if name != "lake_rest"]
    return pa.Table.from_arrays(
        [*table.columns, *lake, encoded.origins.rest, pa.array(keys, pa.string())],
        schema=pa.schema([*table.schema, *LAKE_SCHEMA, CONTAINER]),
    )

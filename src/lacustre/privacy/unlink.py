"""Other patients' Patient resources without what refers to an erased one: a `link`, an extension, a narrative.

A Patient is read back to the JSON that it came as, cut, and encoded as a load does it. What is cut is the innermost
element of a list that holds the mention (a `link` with its `type`, an extension with its `url`), and where there is
none, the resource's member. Everything else stays, to the digit, and so do the lake's own columns: a hash of the line
as received tells a load that the same line, sent again, is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lacustre.errors import DataError
from lacustre.fhir.model import FhirModel
from lacustre.privacy.mentions import MentionSearch
from lacustre.store.encode import Encoder
from lacustre.store.exact import UnreadableLineError, dump_verbatim, parse_resource
from lacustre.store.export import Restorer
from lacustre.store.lines import Block, LineReader
from lacustre.store.numbers import Number
from lacustre.store.objects import failures, storage_error
from lacustre.store.reading import LakeFiles
from lacustre.store.schema import LAKE_SCHEMA, shape_of
from lacustre.store.typed import widen

Step = str | int
_PATIENT = "Patient"
_WHOLE = frozenset({"id", "meta", "contained", "resourceType"})
"""Members of a resource that cannot go, or to which others refer."""


class UncuttableError(Exception):
    """A resource that cannot be cut without changing what else it says."""


class Unlinker:
    """Cuts Patient resources; `search` knows what is to go."""

    def __init__(self, model: FhirModel, search: MentionSearch) -> None:
        self._model, self._search = model, search

    def rows(self, files: LakeFiles, uri: str, numbers: Sequence[int], schema: pa.Schema) -> pa.Table:
        """Rows of a data file, cut, in the order of their numbers, with the columns of `schema`.

        Raises DataError where one cannot be cut; StorageError.
        """
        try:
            with files.open_uri(uri) as opened, pq.ParquetFile(opened) as file:
                table = widen(file.read(use_threads=False).take(pa.array(sorted(numbers), pa.int64())), schema)
        except failures(pa.ArrowException) as error:
            raise storage_error("read", uri, error) from error
        try:
            return self._encoded([self.cut(line) for line in self._lines(table)], table, schema)
        except (UncuttableError, UnreadableLineError):
            raise DataError(
                "linked_patients",
                "another Patient resource names this one where nothing can be cut out without changing the rest",
                "load it without that mention first, or leave all mentions: --keep-mentions",
            ) from None

    def cut(self, line: bytes) -> dict[str, Any]:
        """The resource of a line without its mentions; raises UncuttableError, UnreadableLineError."""
        resource = parse_resource(line)
        if resource["resourceType"] != _PATIENT:
            raise UncuttableError
        cuts = {_cut(steps) for steps in self._mentions(resource, ())}
        outermost = {steps for steps in cuts if not any(steps[:end] in cuts for end in range(1, len(steps)))}
        for steps in sorted(outermost, key=_position, reverse=True):
            _remove(resource, steps)
        if any(True for _ in self._mentions(resource, ())) or self._search.is_mention("", dump_verbatim(resource)):
            raise UncuttableError
        return resource

    def _mentions(self, value: Any, steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
        if isinstance(value, dict):
            for name, item in value.items():
                yield from self._mentions(item, (*steps, name))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._mentions(item, (*steps, number))
        elif isinstance(value, str) and not isinstance(value, Number):
            path = ".".join(step for step in steps if isinstance(step, str))
            if self._search.is_mention(path, value):
                yield steps

    def _lines(self, table: pa.Table) -> Iterator[bytes]:
        restore = Restorer(self._model, _PATIENT)
        for batch in table.to_batches():
            yield from restore.lines(batch)

    def _encoded(self, resources: Sequence[Mapping[str, Any]], table: pa.Table, schema: pa.Schema) -> pa.Table:
        """The resources as rows, with the lake's columns of the rows that they were."""
        data = b"".join(dump_verbatim(resource).encode() + b"\n" for resource in resources)
        encoder = Encoder(self._model, {_PATIENT: shape_of(schema)})
        encoder.add(LineReader(self._model).read(Block(0, 1, 0, data)))
        (encoded,) = encoder.finish()
        # lines that were read the exact way come after the others
        order = pa.array([line - 1 for line in encoded.origins.lines], pa.int64())
        kept = [table.column(name).take(order) for name in LAKE_SCHEMA.names if name != "lake_rest"]
        columns = [*encoded.table.columns, *kept, encoded.origins.rest]
        cut = widen(pa.Table.from_arrays(columns, schema=pa.schema([*encoded.table.schema, *LAKE_SCHEMA])), schema)
        wanted = [resources[number] for number in order.to_pylist()]
        if encoder.rejects or [parse_resource(line) for line in self._lines(cut)] != wanted:
            raise UncuttableError
        return cut


def _cut(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """What to take out for a mention: the innermost object of a list that it is in, else the resource's member."""
    if steps[0] in _WHOLE:
        raise UncuttableError
    for end in range(len(steps) - 1, 1, -1):
        parent = steps[end - 2]
        if isinstance(steps[end - 1], int) and not (isinstance(parent, str) and parent.startswith("_")):
            return steps[:end]
    return steps[:1]


def _position(steps: tuple[Step, ...]) -> tuple[tuple[str, int], ...]:
    return tuple(("", step) if isinstance(step, int) else (step, 0) for step in steps)


def _remove(resource: dict[str, Any], steps: tuple[Step, ...]) -> None:
    """Take out the value at a place, and what is empty then; nothing happens where it is gone already."""
    path: list[Any] = [resource]
    for step in steps[:-1]:
        path.append(path[-1][step])
    if len(steps) == 1:
        name = str(steps[0]).removeprefix("_")
        resource.pop(name, None)
        resource.pop(f"_{name}", None)
        return
    del path[-1][steps[-1]]
    for depth in range(len(path) - 1, 0, -1):
        if path[depth]:
            return
        _remove_empty(path[depth - 1], steps[depth - 1], steps[depth - 2] if depth > 1 else "")


def _remove_empty(parent: Any, step: Step, name: Step) -> None:
    """Take out what is empty; a list of primitives' extensions (`_given`) keeps its positions."""
    if isinstance(step, int) and str(name).startswith("_"):
        parent[step] = None
    else:
        del parent[step]

"""Lines of one resource type to a typed table, by the typed parser, helped by the exact way where it fails.

The line at fault is found by halving and read the exact way, which widens the schema, moves what does not fit to
`lake_rest`, or rejects the line; then the block is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from lacustre.errors import DataError
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.store.exact import UnreadableLineError
from lacustre.store.lines import Line, LineReader, Reject
from lacustre.store.schema import REST_TYPE, GrowingShape, fhir_schema, grow_shape, merge_shapes
from lacustre.store.typed import MisfitError, read_block, widen

BLOCK_BYTES = 2 << 20
_SEED_LINES = 32
_PATIENCE = 8
"""Misfits of a block that are looked for by halving before all of its lines are read the exact way."""


@dataclass(slots=True)
class EncodedType:
    """Resources of one type as columns: the FHIR ones, and what the lake columns are made of, row by row."""

    resource_type: str
    table: pa.Table
    lines: Sequence[Line]

    @property
    def rest(self) -> pa.Array:
        if not any(line.rest for line in self.lines):
            return pa.nulls(len(self.lines), REST_TYPE)
        entries = [[{"pointer": at, "json": text} for at, text in line.rest] or None for line in self.lines]
        return pa.array(entries, REST_TYPE)

    @property
    def rest_counts(self) -> Counter[str]:
        """How often each path, indices left out, went to `lake_rest`."""
        return Counter(_path(pointer) for line in self.lines for pointer, _ in line.rest)


@dataclass(slots=True)
class Encoder:
    """Encodes lines of one FHIR version; remembers the shapes it saw, so that later ones start from them.

    `rejects` collects lines that turned out not to be resources, `strays` those of another type than was thought.
    """

    model: FhirModel
    shapes: dict[str, GrowingShape] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    strays: list[Line] = field(default_factory=list)

    @classmethod
    def starting_from(cls, model: FhirModel, shapes: Mapping[str, Shape]) -> Encoder:
        return cls(model, {name: merge_shapes([shape]) for name, shape in shapes.items()})

    def encode(self, resource_type: str, lines: list[Line]) -> EncodedType:
        """The typed table of the lines, all of `resource_type`, without the rejects and strays among them."""
        encoding = _Encoding(self, resource_type)
        for line in lines:
            encoding.learn(line)
        blocks = list(_blocks(lines))
        tables = [encoding.block(block) for block in blocks]
        schema = fhir_schema(self.model, resource_type, self.shapes[resource_type])
        table = pa.concat_tables([schema.empty_table(), *(widen(table, schema) for table in tables)])
        return EncodedType(resource_type, table.combine_chunks(), [line for block in blocks for line in block])


class _Encoding:
    """The encoding of one resource type's lines."""

    def __init__(self, encoder: Encoder, resource_type: str) -> None:
        self._encoder, self._type = encoder, resource_type
        self._reader = LineReader(encoder.model)
        self._seeded = resource_type in encoder.shapes
        self._shape = encoder.shapes.setdefault(resource_type, {})

    def learn(self, line: Line) -> None:
        if line.typed is not None:
            grow_shape(self._shape, line.typed)

    def block(self, lines: list[Line]) -> pa.Table:
        """The table of a block; rejects and strays are taken out of `lines`."""
        if not self._seeded:
            self._reread(lines, range(min(_SEED_LINES, len(lines))))
            self._seeded = True
        for _ in range(_PATIENCE):
            found = self._read(lines)
            if isinstance(found, pa.Table):
                return found
            self._reread(lines, range(found, found + 1))
        self._reread(lines, range(len(lines)))
        table = self._read(lines)
        if isinstance(table, pa.Table):
            return table
        raise DataError(
            "typed_encoding_failed",
            f"a {self._type} does not fit the schema that was made for it",
            "this is a defect of Lacustre: report it with the FHIR paths of the resource",
        )

    def _read(self, lines: list[Line]) -> pa.Table | int:
        """The table of the lines, or the index of the first one that does not fit the schema."""
        texts = [line.text for line in lines]
        parsed = fhir_schema(self._encoder.model, self._type, self._shape, parsed=True)
        typed = fhir_schema(self._encoder.model, self._type, self._shape)
        if not texts:
            return typed.empty_table()
        try:
            return read_block(texts, self._type, parsed, typed)
        except MisfitError:
            low, high = 0, len(texts)
        while high - low > 1:
            middle = (low + high) // 2
            try:
                read_block(texts[low:middle], self._type, parsed, typed)
                low = middle
            except MisfitError:
                high = middle
        return low

    def _reread(self, lines: list[Line], indices: range) -> None:
        """Read some of the lines the exact way."""
        gone = []
        for index in indices:
            if lines[index].typed is None and not self._reread_line(lines, index):
                gone.append(index)
        for index in reversed(gone):
            del lines[index]

    def _reread_line(self, lines: list[Line], index: int) -> bool:
        """Whether the line stays."""
        line = lines[index]
        try:
            exact = self._reader.read_exact(line.source, line.index)
        except UnreadableLineError as error:
            self._encoder.rejects.append(line.reject(error))
            return False
        if exact.resource_type != self._type:
            self._encoder.strays.append(exact)
            return False
        lines[index] = exact
        self.learn(exact)
        return True


def _blocks(lines: list[Line]) -> Iterator[list[Line]]:
    block: list[Line] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line.text)
        if size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _path(pointer: str) -> str:
    return ".".join(part for part in pointer.split("/")[1:] if not part.isdigit())

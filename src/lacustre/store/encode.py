"""Lines to typed tables, by the typed parser, helped by the exact way where it fails.

The line at fault is found by halving and read the exact way, which widens the schema, moves what does not fit to
`lake_rest`, or rejects the line; then the others are read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lacustre.errors import DataError, QualityError
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.store.exact import UnreadableLineError
from lacustre.store.lines import ExactLine, LineReader, Lines, RawLines, ReadBlock, Reject, Rest, digests
from lacustre.store.numbers import MARK_BYTES, quote_numbers
from lacustre.store.schema import REST_TYPE, fhir_schema, grow_shape, merge_shapes
from lacustre.store.typed import MisfitError, read_block, widen

BATCH_BYTES = 3 << 20
"""Below the size of a block, so that a block of one type makes a batch."""
MAX_REJECTS = 100_000
"""Rejects of a chunk; more of them than that is not FHIR, and may be a few kilobytes that decompress to gigabytes."""
_SEED_LINES = 32
_PATIENCE = 8
"""Misfits of a batch that are looked for by halving before all of its lines are read the exact way."""


@dataclass(slots=True)
class Origins:
    """Row by row, what the lake columns are made of: file and line number, `lake_hash`; by row number, `lake_rest`."""

    files: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    rests: dict[int, Rest] = field(default_factory=dict)

    def add(self, lines: Lines) -> None:
        block, raw, rows = lines.source.block, lines.source.lines, len(self.files)
        self.files += [block.file] * len(lines.indices)
        self.lines += [block.first_line + index for index in lines.indices]
        self.digests += digests(raw if len(lines.indices) == len(raw) else [raw[index] for index in lines.indices])
        if lines.rests:
            self.rests |= {
                rows + row: lines.rests[index] for row, index in enumerate(lines.indices) if index in lines.rests
            }

    def add_exact(self, line: ExactLine) -> None:
        block = line.source.block
        if line.rest:
            self.rests[len(self.files)] = line.rest
        self.files.append(block.file)
        self.lines.append(block.first_line + line.index)
        self.digests += digests([line.source.lines[line.index]])

    @property
    def rest(self) -> pa.Array:
        """The column `lake_rest`."""
        if not self.rests:
            return pa.nulls(len(self.files), REST_TYPE)
        offsets: list[int | None] = []
        entries: Rest = []
        for row in range(len(self.files)):
            rest = self.rests.get(row, ())
            offsets.append(len(entries) if rest else None)
            entries += rest
        columns = [pa.array([entry[part] for entry in entries], pa.string()) for part in (0, 1)]
        values = pa.StructArray.from_arrays(columns, fields=list(REST_TYPE.value_type))
        return pa.ListArray.from_arrays(pa.array([*offsets, len(entries)], pa.int32()), values)

    @property
    def rest_counts(self) -> Counter[str]:
        """How often each path, indices left out, went to `lake_rest`."""
        return Counter(_path(pointer) for rest in self.rests.values() for pointer, _ in rest)


@dataclass(frozen=True, slots=True)
class EncodedType:
    """Resources of one type as columns: the FHIR ones, and what the lake columns are made of."""

    resource_type: str
    table: pa.Table
    origins: Origins


class Encoder:
    """Encodes lines of one FHIR version; remembers the shapes it saw, so that later ones start from them.

    `rejects` collects lines that turned out not to be resources.
    """

    def __init__(self, model: FhirModel, shapes: Mapping[str, Shape]) -> None:
        self._model = model
        self._reader = LineReader(model)
        self._types: dict[str, _TypeEncoder] = {}
        self._shapes = shapes
        self.rejects: list[Reject] = []

    def add(self, read: ReadBlock) -> None:
        """Raises QualityError for more than MAX_REJECTS rejects since the last `finish`."""
        self.rejects += read.rejects
        if len(self.rejects) > MAX_REJECTS:
            raise QualityError(
                "too_many_rejects",
                f"more than {MAX_REJECTS} lines within a few megabytes cannot be a resource",
                "are these FHIR files? a line holds one resource",
            )
        for lines in read.lines:
            encoder = self._type(lines.resource_type)
            if encoder.add(lines):
                self._encode(encoder)
        for line in read.exact:
            self._type(line.resource_type).add_exact(line)

    def finish(self) -> Iterator[EncodedType]:
        """What the lines since the last time became, by type."""
        for encoder in [*self._types.values()]:
            self._encode(encoder)
        for _, encoder in sorted(self._types.items()):
            if (encoded := encoder.take()) is not None:
                yield encoded

    def _type(self, name: str) -> _TypeEncoder:
        if name not in self._types:
            self._types[name] = _TypeEncoder(TypeParser(self._model, name, self._shapes.get(name, {})))
        return self._types[name]

    def _encode(self, encoder: _TypeEncoder) -> None:
        self.add(encoder.encode(self._reader))


class TypeParser:
    """The typed parser for one resource type, with a schema that grows by what it learns."""

    def __init__(self, model: FhirModel, resource_type: str, shape: Shape) -> None:
        self._model = model
        self.resource_type = resource_type
        self._shape = merge_shapes([shape])
        self._set_schemas()

    def _set_schemas(self) -> None:
        self._parsed = fhir_schema(self._model, self.resource_type, self._shape, parsed=True)
        self.schema = fhir_schema(self._model, self.resource_type, self._shape)

    @property
    def is_new(self) -> bool:
        return not self._shape

    def learn(self, typed: Mapping[str, Any]) -> None:
        if grow_shape(self._shape, typed):
            self._set_schemas()

    def parse(self, text: pa.Buffer, rows: int, marks: int) -> pa.Table:
        """See `read_block`."""
        return read_block(text, rows, marks, self.resource_type, self._parsed, self.schema)


@dataclass(slots=True)
class _TypeEncoder:
    """The lines of one type that wait for their batch, and the batches that were encoded."""

    parser: TypeParser
    waiting: list[Lines] = field(default_factory=list)
    waiting_bytes: int = 0
    exact: list[ExactLine] = field(default_factory=list)
    exact_bytes: int = 0
    patience: int = _PATIENCE
    tables: list[pa.Table] = field(default_factory=list)
    origins: Origins = field(default_factory=Origins)

    def add(self, lines: Lines) -> bool:
        """Whether there are enough lines for a batch now."""
        self.waiting.append(lines)
        self.waiting_bytes += lines.size
        return self.waiting_bytes >= BATCH_BYTES

    def add_exact(self, line: ExactLine) -> None:
        self.parser.learn(line.typed)
        self.exact.append(line)
        self.exact_bytes += len(line.text)
        if self.exact_bytes >= BATCH_BYTES:
            self._encode_exact()

    def take(self) -> EncodedType | None:
        """All that was encoded since the last time."""
        self._encode_exact()
        if not self.tables:
            return None
        table = pa.concat_tables([widen(table, self.parser.schema) for table in self.tables])
        encoded = EncodedType(self.parser.resource_type, table, self.origins)
        self.tables, self.origins = [], Origins()
        return encoded

    def encode(self, reader: LineReader) -> ReadBlock:
        """Encode the waiting lines; gives those that the exact way had to read, of whatever type, and the rejects."""
        batch = _Batch(self.waiting, self.parser, reader)
        self.waiting, self.waiting_bytes = [], 0
        self.patience = batch.fit(self.patience)
        if batch.table is not None:
            self.tables.append(batch.table)
            for lines in batch.lines:
                self.origins.add(lines)
        return ReadBlock([], batch.exact, batch.rejects)

    def _encode_exact(self) -> None:
        lines, self.exact, self.exact_bytes = self.exact, [], 0
        if not lines:
            return
        text = b"\n".join([line.text for line in lines])
        try:
            self.tables.append(self.parser.parse(pa.py_buffer(text), len(lines), text.count(MARK_BYTES)))
        except MisfitError:
            raise DataError(
                "typed_encoding_failed",
                f"a {self.parser.resource_type} does not fit the schema that was made for it",
                "this is a defect of Lacustre: report it with the FHIR paths of the resource",
            ) from None
        for line in lines:
            self.origins.add_exact(line)


class _Batch:
    """Lines of one type on their way into a table; those that do not fit are taken out of `lines`."""

    def __init__(self, lines: list[Lines], parser: TypeParser, reader: LineReader) -> None:
        self.lines = lines
        self.exact: list[ExactLine] = []
        self.rejects: list[Reject] = []
        self.table: pa.Table | None = None
        self._parser, self._reader = parser, reader

    def fit(self, patience: int) -> int:
        """Make the table; gives the patience for the next batch, which data full of surprises shorten."""
        if self._parser.is_new:
            self._read_exact(_SEED_LINES)
        for _ in range(patience):
            misfit = self._parse()
            if misfit is None:
                return min(2 * patience, _PATIENCE)
            source, index = self._take(misfit)
            self._read_line(source, index)
        self._read_exact(self._rows)
        return max(patience // 2, 1)

    @property
    def _rows(self) -> int:
        return sum(len(lines.texts) for lines in self.lines)

    def _parse(self) -> int | None:
        """Set the table; where a line does not fit, the position of the first such instead."""
        rows = self._rows
        if not rows:
            return None
        texts = [lines.text for lines in self.lines]
        text, marks = quote_numbers(texts[0] if len(texts) == 1 else b"\n".join(texts))
        try:
            self.table = self._parser.parse(text, rows, marks)
        except MisfitError:
            return self._first_misfit(text.to_pybytes().split(b"\n"))
        return None

    def _first_misfit(self, texts: list[bytes]) -> int:
        low, high = 0, len(texts)
        while high - low > 1:
            middle = (low + high) // 2
            text = b"\n".join(texts[low:middle])
            try:
                self._parser.parse(pa.py_buffer(text), middle - low, text.count(MARK_BYTES))
                low = middle
            except MisfitError:
                high = middle
        return low

    def _read_exact(self, count: int) -> None:
        """Take the first lines out and read them the exact way."""
        for lines in self.lines:
            taken, count = lines.indices[:count], count - min(count, len(lines.indices))
            lines.drop(len(taken))
            for index in taken:
                self._read_line(lines.source, index)

    def _read_line(self, source: RawLines, index: int) -> None:
        try:
            line = self._reader.read_exact(source, index)
        except UnreadableLineError as error:
            self.rejects.append(source.reject(index, error))
            return
        if line.resource_type == self._parser.resource_type:
            self._parser.learn(line.typed)
        self.exact.append(line)

    def _take(self, position: int) -> tuple[RawLines, int]:
        for lines in self.lines:
            if position < len(lines.texts):
                return lines.source, lines.take(position)
            position -= len(lines.texts)
        raise IndexError(position)


def _path(pointer: str) -> str:
    return ".".join(part for part in pointer.split("/")[1:] if not part.isdigit())

"""Canonical resources of one type to a typed table, by the typed parser, helped by the exact way where it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from lacustre.errors import DataError
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.store.lines import CanonicalLine
from lacustre.store.schema import REST_TYPE, GrowingShape, fhir_schema, grow_shape, merge_shapes
from lacustre.store.typed import MisfitError, read_block, widen

BLOCK_BYTES = 2 << 20
_SEED_LINES = 32
_PATIENCE = 8
"""Misfits of a block that are looked for by halving before all of its lines are read the exact way."""

Reread = Callable[[int], CanonicalLine]
"""Gives the line at an index, read the exact way."""


@dataclass(frozen=True, slots=True)
class EncodedType:
    """Resources of one type as columns: the FHIR ones, and what the lake columns are made of, row by row."""

    resource_type: str
    table: pa.Table
    lines: Sequence[CanonicalLine]
    rest: pa.Array
    rest_counts: Counter[str]
    """How often each path, indices left out, went to `lake_rest`."""


class Encoder:
    """Encodes resources of one FHIR version; remembers the shapes it saw, so that later ones start from them."""

    def __init__(self, model: FhirModel, shapes: Mapping[str, Shape] | None = None) -> None:
        self._model = model
        self._shapes: dict[str, GrowingShape] = {
            name: merge_shapes([shape]) for name, shape in (shapes or {}).items()
        }

    def encode(self, resource_type: str, lines: list[CanonicalLine], reread: Reread) -> EncodedType:
        """The typed table of the lines, which all are of one type; `lines` is brought up to date in place."""
        shape = self._shapes.setdefault(resource_type, {})
        encoding = _Encoding(self._model, resource_type, shape, lines, reread)
        table = encoding.table()
        return EncodedType(
            resource_type,
            table,
            lines,
            _rest_array(lines),
            Counter(_path(pointer) for line in lines for pointer, _ in line.rest),
        )


class _Encoding:
    def __init__(
        self,
        model: FhirModel,
        resource_type: str,
        shape: GrowingShape,
        lines: list[CanonicalLine],
        reread: Reread,
    ) -> None:
        self._model, self._type, self._shape, self._lines = model, resource_type, shape, lines
        self._reread_line = reread
        for line in lines:
            if line.typed is not None:
                grow_shape(shape, line.typed)

    def table(self) -> pa.Table:
        self._reread(range(min(_SEED_LINES, len(self._lines))))
        tables = [self._block(start, end) for start, end in _blocks(self._lines)]
        schema = fhir_schema(self._model, self._type, self._shape)
        return pa.concat_tables([widen(table, schema) for table in tables]).combine_chunks()

    def _block(self, start: int, end: int) -> pa.Table:
        for _ in range(_PATIENCE):
            found = self._read(start, end)
            if isinstance(found, pa.Table):
                return found
            self._reread([found])
        self._reread(range(start, end))
        table = self._read(start, end)
        if isinstance(table, pa.Table):
            return table
        raise DataError(
            "typed_encoding_failed",
            f"a {self._type} does not fit the schema that was made for it",
            "this is a defect of Lacustre: report it with the FHIR paths of the resource",
        )

    def _read(self, start: int, end: int) -> pa.Table | int:
        """The table of the lines, or the index of the first one that does not fit the schema."""
        texts = [line.text for line in self._lines[start:end]]
        parsed = fhir_schema(self._model, self._type, self._shape, parsed=True)
        typed = fhir_schema(self._model, self._type, self._shape)
        low, high = 0, len(texts)
        try:
            return read_block(texts, parsed, typed)
        except MisfitError:
            pass
        while high - low > 1:
            middle = (low + high) // 2
            try:
                read_block(texts[low:middle], parsed, typed)
                low = middle
            except MisfitError:
                high = middle
        return start + low

    def _reread(self, indices: Iterable[int]) -> None:
        for index in indices:
            line = self._lines[index]
            if line.typed is None:
                exact = self._reread_line(index)
                line.text, line.rest, line.typed = exact.text, exact.rest, exact.typed
                grow_shape(self._shape, line.typed or {})


def _blocks(lines: list[CanonicalLine]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for index, line in enumerate(lines):
        size += len(line.text)
        if size >= BLOCK_BYTES:
            yield start, index + 1
            start, size = index + 1, 0
    if start < len(lines):
        yield start, len(lines)


def _rest_array(lines: Sequence[CanonicalLine]) -> pa.Array:
    if not any(line.rest for line in lines):
        return pa.nulls(len(lines), REST_TYPE)
    return pa.array([[{"pointer": at, "json": text} for at, text in line.rest] or None for line in lines], REST_TYPE)


def _path(pointer: str) -> str:
    return ".".join(part for part in pointer.split("/")[1:] if not part.isdigit())

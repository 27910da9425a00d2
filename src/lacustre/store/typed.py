"""Canonical lines of one resource type to an Arrow table, by a typed parser that refuses surprises.

`pyarrow.json` reads with a complete explicit schema and fails on any member or kind that the schema does not
have. The line at fault is found by halving and read the exact way, which widens the schema or moves what does
not fit to `lake_rest`; then the block is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from lacustre.store.numbers import MARK, MARK_BYTES


class MisfitError(ValueError):
    """A block that the schema does not fit."""


def read_block(lines: Sequence[bytes], parsed: pa.Schema, typed: pa.Schema) -> pa.Table:
    """The lines as a table of schema `typed`; raises MisfitError where any line does not fit it.

    `parsed` is the same schema with numbers as marked text.
    """
    block = b"\n".join(lines)
    try:
        table = pj.read_json(
            pa.BufferReader(block),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pj.ParseOptions(explicit_schema=parsed, unexpected_field_behavior="error"),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise MisfitError(str(error)) from None
    if table.num_rows != len(lines):
        raise MisfitError("rows do not match lines")
    numbers = _Numbers()
    columns = [
        numbers.unmark(_single(table.column(field.name)), field.type) for field in typed
    ]
    if numbers.seen != block.count(MARK_BYTES):
        raise MisfitError("a number where text belongs")
    return pa.Table.from_arrays(columns, schema=typed)


def _single(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


class _Numbers:
    """Turns the marked texts of numeric leaves into numbers, and counts them."""

    def __init__(self) -> None:
        self.seen = 0

    def unmark(self, array: pa.Array, target: pa.DataType) -> pa.Array:
        if pa.types.is_large_string(array.type):
            return self._leaf(array, target)
        if pa.types.is_list(array.type):
            values = self.unmark(array.values, target.value_type)
            if values is array.values:
                return array
            return pa.Array.from_buffers(target, len(array), array.buffers()[:2], offset=array.offset, children=[values])
        if pa.types.is_struct(array.type):
            return self._struct(array, target)
        return array

    def _struct(self, array: pa.Array, target: pa.DataType) -> pa.Array:
        children = [
            self.unmark(array.field(index), target.field(index).type) for index in range(target.num_fields)
        ]
        return pa.StructArray.from_arrays(children, fields=list(target), mask=array.is_null())

    def _leaf(self, array: pa.Array, target: pa.DataType) -> pa.Array:
        present = len(array) - array.null_count
        if present == 0:
            return pa.nulls(len(array), target)
        if pc.sum(pc.starts_with(array, MARK)).as_py() != present:
            raise MisfitError("text where a number belongs")
        self.seen += present
        lexemes = pc.utf8_slice_codeunits(array, 1).cast(pa.string())
        if not pa.types.is_integer(target):
            return lexemes
        return _integers(lexemes, target)


def _integers(lexemes: pa.Array, target: pa.DataType) -> pa.Array:
    if pc.any(pc.equal(lexemes, "-0")).as_py():
        raise MisfitError("minus zero is not an integer")
    try:
        return lexemes.cast(target)
    except pa.ArrowInvalid:
        raise MisfitError("not an integer") from None


def widen(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with every column and nested field of `schema`; what it lacks is null."""
    if table.schema.equals(schema):
        return table
    columns = [
        _widen(_single(table.column(field.name)), field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _widen(array: pa.Array, target: pa.DataType) -> pa.Array:
    if array.type.equals(target):
        return array
    if pa.types.is_list(target):
        values = _widen(array.values, target.value_type)
        return pa.Array.from_buffers(target, len(array), array.buffers()[:2], offset=array.offset, children=[values])
    present: dict[str, Any] = {field.name: array.field(index) for index, field in enumerate(array.type)}
    children = [
        _widen(present[field.name], field.type) if field.name in present else pa.nulls(len(array), field.type)
        for field in target
    ]
    return pa.StructArray.from_arrays(children, fields=list(target), mask=array.is_null())

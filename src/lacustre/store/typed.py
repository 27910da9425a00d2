"""Lines of one resource type to an Arrow table, by a typed parser that refuses surprises.

`pyarrow.json` reads with a complete explicit schema and fails on a member or kind that the schema does not have,
and on duplicate keys. What it would accept in silence is checked here or gated in `lacustre.store.lines`.
"""

from __future__ import annotations

import functools
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from lacustre.store.exact import MAX_ID_LENGTH, NOT_IN_ID
from lacustre.store.numbers import MARK

_TYPE_FIELD = pa.field("resourceType", pa.string())


class MisfitError(ValueError):
    """A block that the schema does not fit."""


def read_block(
    text: pa.Buffer, rows: int, marks: int, resource_type: str, parsed: pa.Schema, typed: pa.Schema
) -> pa.Table:
    """Lines of one object each as a table of schema `typed`; raises MisfitError where any does not fit it.

    `rows` is the number of lines, `marks` that of marked numbers; `parsed` is the same schema with these as text.
    """
    table = _parse(text, parsed)
    if table.num_rows != rows:
        raise MisfitError("rows do not match lines")
    _check_identity(table, resource_type)
    numbers = _Numbers()
    columns = [numbers.unmark(_single(table.column(field.name)), field.type) for field in typed]
    if numbers.seen != marks:
        raise MisfitError("a number where text belongs")
    return pa.Table.from_arrays(columns, schema=typed)


def _parse(text: pa.Buffer, parsed: pa.Schema) -> pa.Table:
    schema = pa.schema([_TYPE_FIELD, *parsed])
    try:
        return pj.read_json(
            pa.BufferReader(text),
            read_options=pj.ReadOptions(use_threads=False, block_size=text.size + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        # a message with a piece of bad UTF-8 in it fails to decode
        raise MisfitError(type(error).__name__) from None


def _check_identity(table: pa.Table, resource_type: str) -> None:
    named = pc.fill_null(pc.equal(table.column("resourceType"), resource_type), False)
    if "id" not in table.column_names or not pc.all(named).as_py():
        raise MisfitError("another resource type")
    if not _are_usable_ids(table.column("id")):
        raise MisfitError("no id")


def _are_usable_ids(ids: pa.ChunkedArray) -> bool:
    """Whether all match ID_PATTERN, in steps: its counted repetition takes RE2 long to prepare."""
    if ids.null_count or pc.any(pc.match_substring_regex(ids, NOT_IN_ID)).as_py():
        return False
    lengths = pc.min_max(pc.utf8_length(ids)).as_py()
    return bool(lengths["min"] >= 1 and lengths["max"] <= MAX_ID_LENGTH)


def _single(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


class _Numbers:
    """Turns the marked texts of numeric leaves into numbers, and counts them."""

    def __init__(self) -> None:
        self.seen = 0

    def unmark(self, array: pa.Array, target: pa.DataType) -> pa.Array:
        """The array with its numbers unmarked; raises MisfitError, also for empty lists and objects."""
        if pa.types.is_large_string(array.type):
            return self._leaf(array, target)
        if not pa.types.is_nested(target):
            return array
        _refuse_empty(array)
        if pa.types.is_struct(array.type):
            children = [self.unmark(array.field(index), target.field(index).type) for index in range(target.num_fields)]
            return _with_children(array, target, children)
        if pa.types.is_large_string(array.type.value_type):
            array = _itemised(array, self._lexemes(array.values))
            return _with_values(array, target, _convert(array.values, target.value_type))
        return _with_values(array, target, self.unmark(array.values, target.value_type))

    def _leaf(self, array: pa.Array, target: pa.DataType) -> pa.Array:
        lexemes = self._lexemes(array)
        if pc.any(pc.match_substring(lexemes, ",")).as_py():
            raise MisfitError("a list of numbers without its brackets")
        return _convert(lexemes, target)

    def _lexemes(self, array: pa.Array) -> pa.Array:
        present = len(array) - array.null_count
        if present and pc.sum(pc.starts_with(array, MARK)).as_py() != present:
            raise MisfitError("text where a number belongs")
        self.seen += present
        return pc.utf8_slice_codeunits(array, 1).cast(pa.string())


def _itemised(array: pa.ListArray, lexemes: pa.Array) -> pa.ListArray:
    """The lists with an item for each of their numbers: `["1, 2"]` becomes `["1", "2"]`."""
    target = pa.list_(pa.string())
    if not pc.any(pc.match_substring(lexemes, ",")).as_py():
        return _with_values(array, target, lexemes)
    if lexemes.null_count:
        raise MisfitError("a null in a list of numbers")
    parts = pc.split_pattern(lexemes, ",")
    buffers = [array.buffers()[0], pc.take(parts.offsets, array.offsets).buffers()[1]]
    return pa.Array.from_buffers(target, len(array), buffers, children=[pc.ascii_trim_whitespace(parts.values)])


def _refuse_empty(array: pa.Array) -> None:
    if pa.types.is_list(array.type):
        empty = pc.any(pc.equal(pc.list_value_length(array), 0)).as_py()
    else:
        children = array.flatten()
        filled = any(child.null_count == array.null_count for child in children)
        empty = not filled and _fewest_values(children, array) == 0
    if empty:
        raise MisfitError("an empty list or object")


def _fewest_values(children: list[pa.Array], array: pa.StructArray) -> int:
    """The smallest number of members that an object of the array has."""
    counts = functools.reduce(pc.add, (child.is_valid().cast(pa.int32()) for child in children))
    return int(pc.min(counts.filter(array.is_valid())).as_py() or 0) if array.null_count < len(array) else 1


def _convert(lexemes: pa.Array, target: pa.DataType) -> pa.Array:
    if not pa.types.is_integer(target):
        return lexemes
    if pc.any(pc.equal(lexemes, "-0")).as_py():
        raise MisfitError("minus zero is not an integer")
    try:
        return lexemes.cast(target)
    except pa.ArrowInvalid:
        raise MisfitError("not an integer") from None


def _with_values(array: pa.ListArray, target: pa.DataType, values: pa.Array) -> pa.Array:
    buffers = array.buffers()[:2]
    return pa.Array.from_buffers(target, len(array), buffers, offset=array.offset, children=[values])


def _with_children(array: pa.StructArray, target: pa.StructType, children: list[pa.Array]) -> pa.Array:
    return pa.StructArray.from_arrays(children, fields=list(target), mask=array.is_null())


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
        return _with_values(array, target, _widen(array.values, target.value_type))
    present: dict[str, Any] = {field.name: array.field(index) for index, field in enumerate(array.type)}
    children = [
        _widen(present[field.name], field.type) if field.name in present else pa.nulls(len(array), field.type)
        for field in target
    ]
    return _with_children(array, target, children)

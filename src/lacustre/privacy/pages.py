"""What a column of a Parquet file may hold, told from its pages as they lie on disk.

A column whose pages all point into a dictionary has no other values than that: to search the dictionary is to search
the column, and its rows need not be decoded. Pages of plain values can be searched as bytes. Whatever else a page may
be is `Doubt`: the column has to be decoded (Apache Parquet, "Data Pages", "Encodings", "Thrift compact protocol").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_DATA, _DICTIONARY = 0, 2
_PLAIN, _PLAIN_DICTIONARY, _RLE_DICTIONARY = 0, 2, 8
_TYPE, _SIZE, _STORED, _OF_DATA, _OF_DICTIONARY = 1, 2, 3, 5, 7
"""Fields of a page's header."""
_ENCODING = 2
"""The field of the header within, of either kind."""
_TRUE, _FALSE, _BYTE, _I64, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 6, 7, 8, 12
"""Kinds of fields of the compact protocol; numbers are from `_BYTE` + 1 to `_I64`."""
_MAX_PAGE_BYTES = 1 << 30


class Doubt(Exception):  # noqa: N818  (no error: it says that a column has to be decoded)
    """Pages of a kind that is not read here."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page with values: those of a `dictionary`, or plain ones after their levels.

    `size` is that of the bytes once they are unpacked.
    """

    dictionary: bool
    size: int
    stored: bytes

    def unpacked(self, compression: str) -> bytes:
        """The bytes, of a compression that pyarrow names; raises Doubt."""
        if compression == "UNCOMPRESSED" or self.size == 0:
            return self.stored[: self.size]
        try:
            return bytes(pa.decompress(pa.py_buffer(self.stored), self.size, compression.lower(), asbytes=True))
        except (OSError, ValueError) as error:
            raise Doubt from error


def read_pages(chunk: bytes, at: int = 0) -> Iterator[Page]:
    """The pages with values of a column chunk from an offset on, where one begins; raises Doubt."""
    while at < len(chunk):
        try:
            header, at = _struct(chunk, at)
            kind, stored, size = header[_TYPE], header[_STORED], header[_SIZE]
            encoding = header[_OF_DICTIONARY if kind == _DICTIONARY else _OF_DATA][_ENCODING]
        except (IndexError, KeyError, TypeError) as error:
            raise Doubt from error
        if not _is_known(kind, encoding) or not 0 <= stored <= len(chunk) - at or not 0 <= size <= _MAX_PAGE_BYTES:
            raise Doubt
        if kind == _DICTIONARY or encoding == _PLAIN:
            yield Page(kind == _DICTIONARY, size, chunk[at : at + stored])
        at += stored


def _is_known(kind: int, encoding: int) -> bool:
    if kind == _DICTIONARY:
        return encoding in (_PLAIN, _PLAIN_DICTIONARY)
    return kind == _DATA and encoding in (_PLAIN, _PLAIN_DICTIONARY, _RLE_DICTIONARY)


def read_entries(page: bytes) -> Iterator[bytes]:
    """The values of an unpacked dictionary of texts: each after its length, in four bytes. Raises Doubt."""
    at, end = 0, len(page)
    while at < end:
        start = at + 4
        at = start + int.from_bytes(page[at:start], "little")
        yield page[start:at]
    if at != end:
        raise Doubt


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct by number, and where it ends."""
    found: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        kind = head & 15
        if head > 15:
            number += head >> 4
        else:
            number, at = _number(data, at)
        if _BYTE < kind <= _I64:
            found[number], at = _number(data, at)
        elif kind == _STRUCT:
            found[number], at = _struct(data, at)
        else:
            at = _after(data, at, kind)
    return found, at + 1


def _after(data: bytes, at: int, kind: int) -> int:
    """Where a field ends whose value does not matter."""
    if kind in (_TRUE, _FALSE):
        return at
    if kind == _BYTE:
        return at + 1
    if kind == _DOUBLE:
        return at + 8
    if kind == _BINARY:
        length, at = _unsigned(data, at)
        return at + length
    raise Doubt


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    if value < 128:
        return (value >> 1) ^ -(value & 1), at + 1
    value, at = _unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7

"""Lines of NDJSON, prepared for the typed parser, which is strict enough to vouch for nearly all of them.

A line goes one of three ways. *Direct*: its text with numbers quoted, as it is, to the typed parser, which refuses
duplicate keys, unknown members and wrong kinds. *Cut*: a line with contained resources, whose members that typed
columns never hold are taken out first. *Exact* (`lacustre.store.exact`): whatever the gates here or the typed
parser do not vouch for: nulls, empty values, odd escapes, texts that are not UTF-8, anything unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson

from lacustre.fhir.model import FhirModel
from lacustre.store.exact import (
    MAX_JSON_DEPTH,
    Splitter,
    UnreadableLineError,
    depth_exceeds,
    dump_marked,
    dump_verbatim,
    is_usable_id,
    parse_resource,
    typed_members,
)
from lacustre.store.numbers import MARK_BYTES, quote_numbers, unquote_numbers

_TYPE = re.compile(rb'"resourceType"[ \t]*:[ \t]*"([A-Za-z]+)"')
_ODD_ESCAPE = re.compile(rb"\\u(?:0022|[fF][dD][dD]0)")
_NULL = re.compile(rb"[:\[,]\s*null")


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one file: the file's number in the load, the first line's number (from 1) and byte offset."""

    file: int
    first_line: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that could not be a resource, with the reason's code."""

    file: int
    line: int
    offset: int
    code: str
    detail: str
    data: bytes


@dataclass(slots=True)
class Line:
    """A line that is, or may be, a resource of `resource_type`.

    `text` is for the typed parser: one JSON object, numbers marked. `rest` has the pointers and JSON texts that
    go to `lake_rest`. `typed` is set where the exact way made the text, which then fits.
    """

    resource_type: str
    source: RawLines
    index: int
    text: bytes
    rest: list[tuple[str, str]]
    typed: dict[str, Any] | None = None

    @property
    def number(self) -> int:
        return self.source.block.first_line + self.index

    @property
    def data(self) -> bytes:
        return self.source.lines[self.index]

    @property
    def digest(self) -> bytes:
        """`lake_hash`: BLAKE2b-128 of the line's bytes, white space around it left out."""
        return blake2b(self.data.strip(), digest_size=16).digest()

    def reject(self, error: UnreadableLineError) -> Reject:
        return self.source.reject(self.index, error)


@dataclass(frozen=True, slots=True)
class RawLines:
    """A block and its lines as they came."""

    block: Block
    lines: list[bytes]

    def reject(self, index: int, error: UnreadableLineError) -> Reject:
        offset = self.block.offset + sum(len(line) + 1 for line in self.lines[:index])
        number = self.block.first_line + index
        return Reject(self.block.file, number, offset, error.code, error.detail, self.lines[index])


class LineReader:
    """Prepares blocks of NDJSON for one FHIR version."""

    def __init__(self, model: FhirModel) -> None:
        self._model = model

    def read(self, block: Block) -> tuple[list[Line], list[Reject]]:
        """The lines of a block for the typed parser, in order, and its rejects so far; blank lines are nothing."""
        raw = RawLines(block, block.data.split(b"\n"))
        lines: list[Line] = []
        rejects: list[Reject] = []
        for index, text in enumerate(_gated(block.data, raw.lines)):
            line = self._prepare(raw, index, text) if text else None
            if line is None and raw.lines[index] and not raw.lines[index].isspace():
                try:
                    line = self.read_exact(raw, index)
                except UnreadableLineError as error:
                    rejects.append(raw.reject(index, error))
            if line is not None:
                lines.append(line)
        return lines, rejects

    def read_exact(self, raw: RawLines, index: int) -> Line:
        """The resource on a line, read the exact way; raises UnreadableLineError."""
        resource = parse_resource(raw.lines[index])
        resource_type = resource.pop("resourceType")
        if resource_type not in self._model.resource_types:
            raise UnreadableLineError("unknown_resource_type", f"not a resource type of FHIR {self._model.version}")
        typed, rest = Splitter(self._model, resource_type).split(resource)
        verbatim = [(pointer, dump_verbatim(value)) for pointer, value in rest]
        return Line(resource_type, raw, index, dump_marked(typed), verbatim, typed)

    def _prepare(self, raw: RawLines, index: int, text: bytes) -> Line | None:
        """The line for the direct or the cut way; None where only the exact way is safe."""
        found = _TYPE.search(text)
        resource_type = found[1].decode() if found else ""
        if resource_type not in self._model.resource_types:
            return None
        if not (text.startswith(b"{") and text.endswith(b"}")):
            return None
        if b'"contained"' in text:
            return _cut(self._model, raw, index, text)
        return Line(resource_type, raw, index, text, [])


def _gated(data: bytes, raw: list[bytes]) -> Iterator[bytes]:
    """The lines with their numbers quoted; empty where the exact way must read the line."""
    if _is_suspect(data):
        return (b"" if _is_suspect(line) else quote_numbers(line.strip()) for line in raw)
    if b"\r" in data:
        return (quote_numbers(line.strip()) for line in raw)
    return iter(quote_numbers(data).split(b"\n"))


def _is_suspect(text: bytes) -> bool:
    """Whether the typed parser could misread the text: it takes nulls for absent values, our marks for numbers."""
    if MARK_BYTES in text or (b"\\u" in text and _ODD_ESCAPE.search(text)):
        return True
    if b"null" in text and _NULL.search(text):
        return True
    return not _is_utf8(text)


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _cut(model: FhirModel, raw: RawLines, index: int, text: bytes) -> Line | None:
    """A line without the top-level members that typed columns never hold, which go to `lake_rest`.

    orjson keeps the last of duplicate keys: the number of members before and after tells.
    """
    try:
        resource = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    resource_type = resource.get("resourceType")
    if resource_type not in model.resource_types or not is_usable_id(resource.get("id")):
        return None
    extra = {name: resource.pop(name) for name in sorted(resource.keys() - _direct_members(model, resource_type))}
    kept, cut = orjson.dumps(resource), {name: orjson.dumps(value) for name, value in extra.items()}
    members = kept.count(b'":') + sum(1 + value.count(b'":') for value in cut.values())
    if b'" ' in text or b'"\t' in text or text.count(b'":') != members or depth_exceeds(extra, MAX_JSON_DEPTH):
        return None
    if any("/" in name or "~" in name for name in cut):
        return None
    rest = [(f"/{name}", unquote_numbers(value).decode()) for name, value in cut.items()]
    return Line(resource_type, raw, index, kept, rest)


@cache
def _direct_members(model: FhirModel, resource_type: str) -> frozenset[str]:
    return frozenset({"resourceType", *typed_members(model, resource_type)})

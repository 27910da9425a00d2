"""Lines of NDJSON, prepared for the typed parser, which is strict enough to vouch for nearly all of them.

A line goes one of three ways. *Direct*: as it is, with its numbers quoted, to the typed parser, which refuses
duplicate keys, unknown members and wrong kinds. *Cut*: a line with contained resources, which typed columns never
hold, without them. *Exact* (`lacustre.store.exact`): whatever the gates here or the typed parser do not vouch for:
nulls, empty values, odd escapes, texts that are not UTF-8, anything unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import Any, TypeAlias

import orjson
import pyarrow as pa
import xxhash

from lacustre.fhir.model import FhirModel
from lacustre.store.exact import (
    MAX_JSON_DEPTH,
    MAX_VALUES,
    Splitter,
    UnreadableLineError,
    depth_exceeds,
    dump_marked,
    dump_verbatim,
    is_crowded,
    parse_resource,
)
from lacustre.store.numbers import MARK_BYTES, as_array

_FIRST_TYPE = re.compile(rb'\{"resourceType":"([A-Za-z]+)"')
_TYPE = re.compile(rb'"resourceType"[ \t]*:[ \t]*"([A-Za-z]+)"')
_CONTAINED = re.compile(rb'"contained"[ \t]*:[ \t]*(?=\[)')
_ODD_ESCAPE = re.compile(rb"\\u[fF][dD][dD]0")
_NULL = re.compile(rb"null(?<=[:\[,\s]null)(?=\s*[,\]}])")
_WHITE = b" \t\r"

KEPT_OF_OVERSIZED = 4096
"""Bytes of an oversized line, or of an unreadable document, that the rejects table keeps."""
MAX_KEPT_BYTES = 16 << 20
"""A line that is longer counts as oversized in the rejects table, whatever is wrong with it."""

Rest = list[tuple[str, str]]
"""JSON pointers and the JSON text of what typed columns do not hold."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one file: the file's number in the load, the first line's number (from 1) and byte offset."""

    file: int
    first_line: int
    offset: int
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that could not be a resource, with the reason's code."""

    file: int
    line: int
    offset: int
    code: str
    detail: str
    data: bytes


@dataclass(frozen=True, slots=True)
class RawLines:
    """A block and its lines as they came."""

    block: Block
    lines: list[bytes]
    _offsets: list[int] = field(default_factory=list)

    def reject(self, index: int, error: UnreadableLineError) -> Reject:
        if not self._offsets:
            self._offsets.extend(accumulate((len(line) + 1 for line in self.lines), initial=self.block.offset))
        number, line = self.block.first_line + index, self.lines[index]
        kept = line[:KEPT_OF_OVERSIZED] if error.code == "oversized" or len(line) > MAX_KEPT_BYTES else line
        return Reject(self.block.file, number, self._offsets[index], error.code, error.detail, kept)


def digests(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`lake_hash` of each line: XXH3-128 of its bytes, white space around it left out."""
    return map(xxhash.xxh3_128_digest, map(bytes.strip, lines, repeat(_WHITE)))


@dataclass(slots=True)
class Lines:
    """Lines of one block for the typed parser, which are expected to be resources of one type.

    `indices` are those of the raw lines, `texts` a JSON object each, `rests` (by index) what was cut out of them.
    """

    resource_type: str
    source: RawLines
    indices: Sequence[int]
    texts: list[bytes]
    rests: dict[int, Rest]

    @property
    def text(self) -> bytes | memoryview:
        """The texts, a line feed between them."""
        if self.texts is self.source.lines:
            data = self.source.block.data
            return memoryview(data)[:-1] if data.endswith(b"\n") else data
        return b"\n".join(self.texts)

    @property
    def size(self) -> int:
        return self.source.block.size if self.texts is self.source.lines else sum(map(len, self.texts))

    def drop(self, count: int) -> None:
        """Take the first ones out."""
        self.texts, self.indices = self.texts[count:], self.indices[count:]

    def take(self, position: int) -> int:
        """Take one out; gives its index."""
        index = self.indices[position]
        self.texts = [*self.texts[:position], *self.texts[position + 1 :]]
        self.indices = [*self.indices[:position], *self.indices[position + 1 :]]
        return index


@dataclass(slots=True)
class ExactLine:
    """A line that the exact way read: `text` is canonical JSON of `typed`, with marked numbers."""

    resource_type: str
    source: RawLines
    index: int
    text: bytes
    typed: dict[str, Any]
    rest: Rest


_Prepared: TypeAlias = tuple[str, int, bytes, str | None]
"""Resource type, index, text, and the contained resources that were cut out of it."""


@dataclass(slots=True)
class ReadBlock:
    """A block's lines, by the way that they take, and its rejects so far."""

    lines: list[Lines]
    exact: list[ExactLine]
    rejects: list[Reject]


class LineReader:
    """Prepares blocks of NDJSON for one FHIR version."""

    def __init__(self, model: FhirModel) -> None:
        self._model = model
        self._types = {name.encode(): name for name in model.resource_types}

    def read(self, block: Block) -> ReadBlock:
        """The lines of a block; blank ones are nothing."""
        if not block.data.lstrip(_WHITE + b"\n"):
            return ReadBlock([], [], [])
        raw = RawLines(block, _split(block.data))
        suspect = _is_suspect(block.data) or max(map(len, raw.lines)) > MAX_VALUES
        contained = b'"contained"' in block.data
        if not (suspect or contained) and (name := self._only_type(raw)):
            return ReadBlock([Lines(name, raw, range(len(raw.lines)), raw.lines, {})], [], [])
        return self._read_each(raw, suspect, contained)

    def _only_type(self, raw: RawLines) -> str | None:
        """The type of the lines where all begin with the same one and end with a brace, as exports do."""
        found = _FIRST_TYPE.match(raw.lines[0])
        name = self._types.get(found[1]) if found else None
        if found is None or name is None:
            return None
        same = all(line.startswith(found[0]) and line.endswith(b"}") for line in raw.lines)
        return name if same else None

    def _read_each(self, raw: RawLines, suspect: bool, contained: bool) -> ReadBlock:
        read = ReadBlock([], [], [])
        by_type: dict[str, list[_Prepared]] = {}
        for index, data in enumerate(raw.lines):
            text = data.strip(_WHITE)
            if not text:
                continue
            doubtful = suspect and (is_crowded(text) or _is_suspect(text))
            prepared = None if doubtful else self._prepare(index, text, contained)
            if prepared is not None:
                by_type.setdefault(prepared[0], []).append(prepared)
                continue
            try:
                read.exact.append(self.read_exact(raw, index))
            except UnreadableLineError as error:
                read.rejects.append(raw.reject(index, error))
        read.lines += [_gathered(name, raw, lines) for name, lines in by_type.items()]
        return read

    def read_exact(self, raw: RawLines, index: int) -> ExactLine:
        """The resource on a line, read the exact way; raises UnreadableLineError."""
        resource = parse_resource(raw.lines[index])
        resource_type = resource["resourceType"]
        if resource_type not in self._model.resource_types:
            raise UnreadableLineError("unknown_resource_type", f"not a resource type of FHIR {self._model.version}")
        typed, rest = Splitter(self._model, resource_type).split(resource)
        text = dump_marked({"resourceType": resource_type, **typed})
        return ExactLine(resource_type, raw, index, text, typed, [(at, dump_verbatim(value)) for at, value in rest])

    def _prepare(self, index: int, text: bytes, contained: bool) -> _Prepared | None:
        """The line for the direct or the cut way; None where only the exact way is safe."""
        if not (text.startswith(b"{") and text.endswith(b"}")):
            return None
        value = None
        if contained and b'"contained"' in text:
            cut = _cut_contained(text)
            if cut is None:
                return None
            text, value = cut
        found = _TYPE.search(text)
        name = self._types.get(found[1]) if found else None
        return None if name is None else (name, index, text, value)


def _split(data: bytes) -> list[bytes]:
    """The lines, without a copy of them all for the line feed at their end."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _gathered(name: str, raw: RawLines, lines: list[_Prepared]) -> Lines:
    rests: dict[int, Rest] = {index: [("/contained", value)] for _, index, _, value in lines if value is not None}
    return Lines(name, raw, [line[1] for line in lines], [line[2] for line in lines], rests)


def _is_suspect(text: bytes) -> bool:
    """Whether the typed parser could misread the text: it takes nulls for absent values, our marks for numbers."""
    if b"null" in text and _NULL.search(text):
        return True
    if b"\\" in text and _ODD_ESCAPE.search(text):
        return True
    return not text.isascii() and ((MARK_BYTES[:1] in text and MARK_BYTES in text) or not _is_utf8(text))


def _is_utf8(text: bytes) -> bool:
    """As strict as Python's decoder, thirty times as fast."""
    try:
        as_array(text, pa.large_string()).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _cut_contained(text: bytes) -> tuple[bytes, str] | None:
    """A line without its contained resources, and these; None where that is not sure.

    What stands before them, closed by a brace, is a JSON object: so they are a member of the outermost object. The
    typed parser reads the rest of the line, and refuses the member if there is another one.
    """
    found = _CONTAINED.search(text, text.find(b'"contained"'))
    end = _end_of_list(text, found.end()) if found else 0
    if found is None or not end:
        return None
    head, value, tail = text[: found.start()].rstrip(_WHITE), text[found.end() : end], text[end:].lstrip(_WHITE)
    if head == b"{":
        before, after = head, tail.removeprefix(b",")
    else:
        before, after = head[:-1], tail
    closed = head == b"{" or (head.endswith(b",") and _is_json(before + b"}"))
    if not (closed and tail.startswith((b",", b"}")) and _has_unique_members(value)):
        return None
    return before + after, value.decode()


def _end_of_list(text: bytes, start: int) -> int:
    """Where the list that begins at `start` ends, if no string in it has brackets; 0 where there is no end."""
    end, open_lists = start, 0
    while first := text.find(b"]", end) + 1:
        open_lists += text.count(b"[", end, first) - 1
        end = first
        if not open_lists:
            return end
    return 0


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _has_unique_members(text: bytes) -> bool:
    """Whether the text is JSON that we are sure is without duplicate members, nor too deep below a resource.

    orjson keeps the last of duplicates, so the number of members after a round trip tells; what would let other
    text look like a member, or a member like other text, is left to the exact way.
    """
    if b"\\" in text or b"\t" in text or b"\r" in text or b'" ' in text:
        return False
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    again = orjson.dumps(value)
    if again != text and again.count(b'":') != text.count(b'":'):
        return False
    deep = text.count(b"[") + text.count(b"{") >= MAX_JSON_DEPTH
    return not (deep and depth_exceeds({"contained": value}, MAX_JSON_DEPTH))

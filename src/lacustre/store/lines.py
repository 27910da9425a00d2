"""Lines of NDJSON to canonical resources: a fast way that checks, and an exact way for what it cannot vouch for.

The fast way reads a block of lines with orjson and proves, block by block, that nothing was lost: the number of
members before and after must agree (orjson keeps the last of duplicate keys), and there may be no nulls, empty
values or marks. A block that fails the proof is checked line by line, and the lines that fail are read by
`lacustre.store.exact`.
"""

from __future__ import annotations

import re
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

_ODD_ESCAPE = re.compile(rb"\\u(?:0022|[fF][dD][dD]0)")


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
class CanonicalLine:
    """One resource: its line number, canonical typed text, hash, and what goes to `lake_rest`.

    `typed` is the typed object where the exact way made it, which knows that the text fits.
    """

    resource_type: str
    number: int
    text: bytes
    digest: bytes
    rest: list[tuple[str, str]]
    typed: dict[str, Any] | None = None


@cache
def _known(model: FhirModel, resource_type: str) -> frozenset[str]:
    return frozenset(typed_members(model, resource_type))


class LineReader:
    """Reads blocks of NDJSON for one FHIR version."""

    def __init__(self, model: FhirModel) -> None:
        self._model = model

    def read(self, block: Block) -> tuple[list[CanonicalLine], list[Reject]]:
        """The resources and the rejects of a block, in order; blank lines are nothing."""
        raw = block.data.split(b"\n")
        read = self._read_fast(block.data)
        rejects: list[Reject] = []
        for index, line in enumerate(read):
            if line is None and raw[index] and not raw[index].isspace():
                try:
                    read[index] = self.read_exact(raw[index])
                except UnreadableLineError as error:
                    rejects.append(_reject(block, raw, index, error))
        lines = []
        for index, line in enumerate(read):
            if line is not None:
                line.number = block.first_line + index
                lines.append(line)
        return lines, rejects

    def read_exact(self, data: bytes) -> CanonicalLine:
        """The resource on a line, read the exact way; raises UnreadableLineError."""
        resource = parse_resource(data)
        resource_type = resource.pop("resourceType")
        if resource_type not in self._model.resource_types:
            raise UnreadableLineError(
                "unknown_resource_type", f"not a resource type of FHIR {self._model.version}"
            )
        typed, rest = Splitter(self._model, resource_type).split(resource)
        extra = _pop_extra(resource, _known(self._model, resource_type))
        digest = _digest(dump_marked(resource), dump_marked(extra) if extra else b"")
        verbatim = [(pointer, dump_verbatim(value)) for pointer, value in rest]
        return CanonicalLine(resource_type, 0, dump_marked(typed), digest, verbatim, typed)

    def _read_fast(self, data: bytes) -> list[CanonicalLine | None]:
        """One entry a line: None for a blank line and where only the exact way is safe."""
        if MARK_BYTES in data or (b"\\u" in data and _ODD_ESCAPE.search(data)):
            return [None] * (data.count(b"\n") + 1)
        quoted = quote_numbers(data)
        lines = quoted.split(b"\n")
        read = [self._read_line(line) for line in lines]
        texts = b"".join(line.text for line in read if line is not None)
        if _is_doubtful(quoted, texts, sum(_members(line) for line in read if line is not None)):
            for index, line in enumerate(read):
                if line is not None and _is_doubtful(lines[index], line.text, _members(line)):
                    read[index] = None
        return read

    def _read_line(self, quoted: bytes) -> CanonicalLine | None:
        try:
            resource = orjson.loads(quoted)
        except orjson.JSONDecodeError:
            return None
        if type(resource) is not dict or not is_usable_id(resource.get("id")):
            return None
        resource_type = resource.pop("resourceType", None)
        if type(resource_type) is not str or resource_type not in self._model.resource_types:
            return None
        known = _known(self._model, resource_type)
        if known.issuperset(resource):
            text = orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)
            return CanonicalLine(resource_type, 0, text, _digest(text, b""), [])
        return _with_extra(resource_type, resource, known)


def _with_extra(resource_type: str, resource: dict[str, Any], known: frozenset[str]) -> CanonicalLine | None:
    extra = _pop_extra(resource, known)
    if depth_exceeds(extra, MAX_JSON_DEPTH):
        return None
    text = orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)
    digest = _digest(text, orjson.dumps(extra, option=orjson.OPT_SORT_KEYS))
    rest = [(f"/{name}", orjson.dumps(value)) for name, value in extra.items()]
    if any("~" in name or "/" in name[1:] for name, _ in rest):
        return None
    return CanonicalLine(
        resource_type, 0, text, digest, [(name, unquote_numbers(value).decode()) for name, value in rest]
    )


def _pop_extra(resource: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Take the top-level members out that typed columns never hold."""
    return {name: resource.pop(name) for name in sorted(resource.keys() - known)}


def _members(line: CanonicalLine) -> int:
    """Members of a line beside those in its text: `resourceType`, and the extra ones."""
    return 1 + sum(1 + value.count('":') for _, value in line.rest)


def _is_doubtful(quoted: bytes, text: bytes, others: int) -> bool:
    """Whether a line, or any line of a block, may have duplicate keys, nulls or empty values.

    White space between a quote and what follows would hide a key from the count.
    """
    if b'" ' in quoted or b'"\t' in quoted or b"{}" in text or b"[]" in text:
        return True
    if b"null" in text and (b":null" in text or b"[null" in text or b",null" in text):
        return True
    return quoted.count(b'":') != text.count(b'":') + others


def _digest(text: bytes, extra: bytes) -> bytes:
    """`lake_hash`, version 1: BLAKE2b-128 of the canonical text of the typed members, then, where there are
    others, a line feed and theirs. Canonical: members sorted, no white space, numbers as marked text."""
    return blake2b(b"%b\n%b" % (text, extra) if extra else text, digest_size=16).digest()


def _reject(block: Block, raw: list[bytes], index: int, error: UnreadableLineError) -> Reject:
    offset = block.offset + sum(len(line) + 1 for line in raw[:index])
    return Reject(block.file, block.first_line + index, offset, error.code, error.detail, raw[index])


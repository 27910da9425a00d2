"""The resources in a JSON document: those of a Bundle's entries, or the one that it is.

Only their places are looked for; whether what lies there can be a resource is judged as that of a line, by the same
rules. So one bad entry does not spoil a Bundle, and no number loses its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_SPACE = re.compile(r"[ \t\n\r]*")
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")
_read_value = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Entry:
    """The text of a resource, on one line; `number` from 1, `offset` in bytes from the document's beginning.

    Where `code` is set there is no resource: it says why, `detail` where, and `text` is what is there instead. The
    code `deletion` is that of an entry whose request deletes a resource; `text` is the entry.
    """

    number: int
    offset: int
    text: bytes
    code: str = ""
    detail: str = ""


@dataclass(slots=True)
class _Found:
    start: int
    end: int = -1
    resources: list[tuple[int, int]] = field(default_factory=list)
    deletes: bool = False


def find_entries(data: bytes) -> Iterator[Entry]:
    """The resources of a document, in order, and what is unreadable in it."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        yield Entry(1, 0, data, "not_utf8", f"byte {error.start} of the document")
        return
    scan = _Scan(text)
    scan.run()
    place = _Places(text)
    for number, found in enumerate(scan.entries, 1):
        whole = (found.start, found.end if found.end >= 0 else len(text))
        if found.end < 0:
            yield place.entry(number, whole, scan.code, scan.detail)
        elif found.deletes:
            yield place.entry(number, whole, "deletion")
        elif len(found.resources) == 1:
            yield place.entry(number, found.resources[0])
        elif found.resources:
            yield place.entry(number, whole, "duplicate_keys")
        else:
            yield place.entry(number, whole, "no_resource", "a Bundle entry without a resource")


class _Places:
    """Character positions to bytes, asked for in rising order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._character = self._byte = 0

    def entry(self, number: int, span: tuple[int, int], code: str = "", detail: str = "") -> Entry:
        self._byte += len(self._text[self._character : span[0]].encode())
        self._character = span[0]
        text = self._text[span[0] : span[1]].encode()
        return Entry(number, self._byte, text if code else text.translate(_LINE_BREAKS), code, detail)


class _Scan:
    """One pass over a document; `entries` has the places, an unfinished one where the document cannot be read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_bundle = False
        self.entries: list[_Found] = []
        self.code = self.detail = ""

    def run(self) -> None:
        start = self._space(0)
        try:
            end = self._document(start)
        except json.JSONDecodeError as error:
            self.code, self.detail = "not_json", f"character {error.pos} of the document: {error.msg}"
            self._spoil(start)
        except RecursionError:
            self.code, self.detail = "too_deep", "nested too deeply to be read"
            self._spoil(start)
        else:
            if not self._is_bundle:
                self.entries = [_Found(start, end, [(start, end)])]

    def _document(self, start: int) -> int:
        is_object = self._text.startswith("{", start)
        end = self._object(start, self._member) if is_object else self._value(start)
        if self._space(end) < len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, end)
        return end

    def _spoil(self, start: int) -> None:
        if not self._is_bundle:
            self.entries = [_Found(start)]
        elif not self.entries or self.entries[-1].end >= 0:
            self.entries.append(_Found(self.entries[-1].end if self.entries else start))

    def _member(self, name: str, at: int) -> int:
        if name == "entry" and self._text.startswith("[", at):
            return self._items(at, self._entry)
        end = self._value(at)
        self._is_bundle |= name == "resourceType" and self._text[at:end] == '"Bundle"'
        return end

    def _entry(self, at: int) -> int:
        found = _Found(at)
        self.entries.append(found)

        def member(name: str, at: int) -> int:
            end = self._value(at)
            if name == "resource":
                found.resources.append((at, end))
            elif name == "request":
                found.deletes |= is_delete(json.loads(self._text[at:end]))
            return end

        found.end = self._object(at, member) if self._text.startswith("{", at) else self._value(at)
        return found.end

    def _object(self, at: int, member: Callable[[str, int], int]) -> int:
        def item(at: int) -> int:
            if not self._text.startswith('"', at):
                raise json.JSONDecodeError("Expecting property name", self._text, at)
            name, end = _read_value(self._text, at)
            end = self._space(end)
            if not self._text.startswith(":", end):
                raise json.JSONDecodeError("Expecting ':' delimiter", self._text, end)
            return member(name, self._space(end + 1))

        return self._items(at, item, "}")

    def _items(self, at: int, item: Callable[[int], int], closing: str = "]") -> int:
        """Visit what stands between brackets and commas; gives the end, behind the closing bracket."""
        at = self._space(at + 1)
        if self._text.startswith(closing, at):
            return at + 1
        while True:
            at = self._space(item(at))
            if self._text.startswith(closing, at):
                return at + 1
            if not self._text.startswith(",", at):
                raise json.JSONDecodeError("Expecting ',' delimiter", self._text, at)
            at = self._space(at + 1)

    def _value(self, at: int) -> int:
        return _read_value(self._text, at)[1]

    def _space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at


def is_delete(request: object) -> bool:
    """Whether a Bundle entry's `request` deletes a resource."""
    return isinstance(request, dict) and request.get("method") == "DELETE"

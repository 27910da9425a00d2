"""JSON text read strictly, with the place of everything in it.

Python's reader takes `NaN`, keeps the last of two members of one name and says of no value where it stood. What it
cannot tell is found here, by a reader of the grammar (RFC 8259) that keeps places instead of values.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

MAX_DEPTH = 100
"""Objects and arrays inside each other."""

_TOKEN = re.compile(
    r"[ \t\n\r]*(?P<token>[{}\[\]:,]"
    r'|"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
    r'|[^\s{}\[\]:,"]+|\Z)'
)
_ATOM = re.compile(r"true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MAX_DIGITS = 1_000
_UNIT = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
"""One character of a string as it is written: an escape, two of them for one beyond U+FFFF, or itself."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonTextError(ValueError):
    """JSON text that is not read: what is wrong, and the offset of the character where it is."""

    def __init__(self, code: str, message: str, offset: int, pointer: str = "", hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.pointer = pointer
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Range:
    """Characters of a text: `start` and `end`, which is exclusive, as offsets from 0."""

    start: int
    end: int


class JsonPlaces:
    """Where the values and members of a JSON text stand, by JSON pointer (RFC 6901).

    Raises JsonTextError for text that is not JSON, or that has two members of one name.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]
        scanner = _Scanner(text)
        scanner.document()
        self._values = scanner.values
        self._keys = scanner.keys

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """The line and the column of a character, both from 1, a column being a Unicode code point."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def line(self, number: int) -> str:
        """A line of the text, from 1, without its end."""
        end = self._lines[number] if number < len(self._lines) else len(self._text)
        return self._text[self._lines[number - 1] : end].rstrip("\r\n")

    def value(self, pointer: str) -> Range:
        """The value that a pointer leads to, or the nearest one around it."""
        while pointer and pointer not in self._values:
            pointer = pointer.rpartition("/")[0]
        found = self._values[pointer]
        return found if self._text[found.start] not in "{[" else Range(found.start, found.start + 1)

    def member(self, pointer: str) -> Range:
        """The name of the member that a pointer leads to; the value where it is none."""
        return self._keys.get(pointer) or self.value(pointer)

    def within(self, pointer: str, start: int, end: int) -> Range:
        """A part of the string at a pointer, given in characters of the string."""
        whole = self._values.get(pointer)
        if whole is None or self._text[whole.start] != '"':
            return self.value(pointer)
        inside = whole.start + 1
        ends = [inside + unit.end() for unit in _UNIT.finditer(self._text[inside : whole.end - 1])]
        offsets = [inside, *ends]
        return Range(offsets[min(start, len(ends))], offsets[min(max(start + 1, end), len(ends))])


def read_json(text: str) -> object:
    """The value of a JSON text, its decimals as Decimal; raises JsonTextError for what is not JSON, or ambiguous."""
    if _ESCAPED_SURROGATE.search(text):
        JsonPlaces(text)  # which knows half a pair
    try:
        return json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_with_distinct_names
        )
    except (ValueError, RecursionError) as error:
        JsonPlaces(text)  # which says where
        raise JsonTextError("view_not_json", f"the file is not JSON: {error}", 0) from error


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _with_distinct_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("two members of one name")
    return members


@dataclass(slots=True)
class _Scanner:
    """Walks over a JSON text and notes the range of every value and of every member's name."""

    text: str
    position: int = 0
    depth: int = 0
    values: dict[str, Range] = field(default_factory=dict)
    keys: dict[str, Range] = field(default_factory=dict)

    def document(self) -> None:
        self._value("", *self._next(""))
        token, place = self._next("")
        if token:
            raise _not_json(f"{_shown(token)} follows the end of the document", place.start)

    def _next(self, pointer: str) -> tuple[str, Range]:
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            rest = self.text[self.position :].lstrip(" \t\n\r")
            message = "the string does not end on its line, or has an escape that JSON does not know"
            if rest[0] != '"':
                message = f"the character {rest[0]!r} is not expected"
            raise _not_json(message, len(self.text) - len(rest), pointer)
        self.position = match.end()
        return match["token"], Range(*match.span("token"))

    def _value(self, pointer: str, token: str, place: Range) -> None:
        match token[:1]:
            case "{":
                end = self._nested(self._object, pointer, place)
            case "[":
                end = self._nested(self._array, pointer, place)
            case '"':
                _check_string(token, place, pointer)
                end = place.end
            case _:
                _check_atom(token, place, pointer)
                end = place.end
        self.values[pointer] = Range(place.start, end)

    def _nested(self, read: Callable[[str], int], pointer: str, place: Range) -> int:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"objects and arrays are nested more than {MAX_DEPTH} deep"
            raise JsonTextError("view_too_deep", message, place.start, _shortened(pointer))
        end = read(pointer)
        self.depth -= 1
        return end

    def _object(self, pointer: str) -> int:
        for token, place in self._items("}", pointer):
            if token[:1] != '"':
                raise _not_json(f"the name of a member is expected, not {_shown(token)}", place.start, pointer)
            _check_string(token, place, pointer)
            name = json.loads(token)
            below = f"{pointer}/{escaped(name)}"
            if below in self.keys:
                line = self.text.count("\n", 0, self.keys[below].start) + 1
                message = f"there is a member {name!r} already, on line {line}"
                hint = "readers of JSON take one of them, and not all the same one: remove the wrong one"
                raise JsonTextError("view_duplicate_member", message, place.start, below, hint)
            self.keys[below] = place
            colon, found = self._next(below)
            if colon != ":":
                raise _not_json(f"a colon is expected, not {_shown(colon)}", found.start, below)
            self._value(below, *self._next(below))
        return self.position

    def _array(self, pointer: str) -> int:
        for index, (token, place) in enumerate(self._items("]", pointer)):
            self._value(f"{pointer}/{index}", token, place)
        return self.position

    def _items(self, end: str, pointer: str) -> Iterator[tuple[str, Range]]:
        """The first token of each item of an object or array, whose rest is read before the next is asked for."""
        token, place = self._next(pointer)
        if token == end:
            return
        while True:
            yield token, place
            token, place = self._next(pointer)
            if token == end:
                return
            if token != ",":
                raise _not_json(f"a comma or {end} is expected, not {_shown(token)}", place.start, pointer)
            token, place = self._next(pointer)
            if token == end:
                raise _not_json(f"a comma stands before {end}", place.start, pointer)


def escaped(name: str) -> str:
    """A reference token of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _check_string(token: str, place: Range, pointer: str) -> None:
    if not _ESCAPED_SURROGATE.search(token):
        return
    for unit in _UNIT.finditer(token[1:-1]):
        if _SURROGATE.search(json.loads(f'"{unit[0]}"')):
            raise _not_json(f"{unit[0]} is half a character", place.start + 1 + unit.start(), pointer)


def _check_atom(token: str, place: Range, pointer: str) -> None:
    if not _ATOM.fullmatch(token):
        raise _not_json(f"a value is expected, not {_shown(token)}", place.start, pointer)
    if len(token) > _MAX_DIGITS:
        raise _not_json(f"a number of more than {_MAX_DIGITS} characters", place.start, pointer)


def _not_json(message: str, offset: int, pointer: str = "") -> JsonTextError:
    return JsonTextError("view_not_json", f"the file is not JSON: {message}", offset, pointer)


def _shown(token: str) -> str:
    if not token:
        return "the end of the file"
    return f"`{token[:20]}…`" if len(token) > 20 else f"`{token}`"


def _shortened(pointer: str) -> str:
    """The beginning of a pointer that is too long to be read."""
    return "/".join(pointer.split("/")[:9])

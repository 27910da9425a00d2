"""The file of a ViewDefinition: its text, its JSON, and where in the text a fault stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from lacustre.errors import Diagnostic, InputError, ViewDefinitionError
from lacustre.views.json_text import JsonPlaces, JsonTextError, Range, read_json

MAX_BYTES = 10_000_000
"""A view of 10,000 columns is a tenth of it: what is larger is data, or a mistake."""

_OF_NAMES = frozenset({"view_unknown_member", "view_duplicate_member"})


@dataclass(frozen=True, slots=True)
class ViewSource:
    """A JSON object that was read from a file, and its text."""

    path: str
    text: str
    document: Mapping[str, object]

    def placed(self, error: ViewDefinitionError) -> ViewDefinitionError:
        """The error with the line and the column of each of its diagnostics."""
        places = JsonPlaces(self.text)
        return type(error)([place(diagnostic, places) for diagnostic in error.diagnostics], self.path)


def place(diagnostic: Diagnostic, places: JsonPlaces) -> Diagnostic:
    """The diagnostic with its line and column: of the faulty part of an expression, of a value, or of a name."""
    line, column = places.line_and_column(range_of(diagnostic, places).start)
    return replace(diagnostic, line=line, column=column)


def range_of(diagnostic: Diagnostic, places: JsonPlaces) -> Range:
    """The characters of the text that a diagnostic is about."""
    if diagnostic.expression is not None:
        return places.within(diagnostic.pointer, diagnostic.start, diagnostic.end)
    if diagnostic.code in _OF_NAMES:
        return places.member(diagnostic.pointer)
    return places.value(diagnostic.pointer)


def read_view_source(path: str | Path) -> ViewSource:
    """The JSON object in a file (UTF-8, with or without a byte order mark).

    Raises InputError where there is no such file, ViewDefinitionError, with line and column, where it is not JSON, has
    two members of one name in an object, or is no object.
    """
    text = _read_text(Path(path))
    try:
        document = read_json(text)
    except JsonTextError as error:
        fault = Diagnostic(error.code, error.message, error.pointer, hint=error.hint)
        line, column = _line_and_column(text, error.offset)
        raise ViewDefinitionError([replace(fault, line=line, column=column)], str(path)) from error
    if not isinstance(document, dict):
        fault = Diagnostic("view_not_object", "a JSON object is expected here", line=1, column=1)
        raise ViewDefinitionError([fault], str(path))
    return ViewSource(str(path), text, cast(Mapping[str, object], document))


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise InputError("no_view_definitions", f"{path} cannot be read: {error.strerror}", "give a file") from error
    if size > MAX_BYTES:
        message = f"the file has {size:,} bytes, a ViewDefinition at most {MAX_BYTES:,}"
        hint = "is it a file of resources? `lacustre load` takes those"
        raise ViewDefinitionError([Diagnostic("view_too_large", message, hint=hint)], str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ViewDefinitionError([_not_utf8(data, error.start)], str(path)) from error


def _not_utf8(data: bytes, offset: int) -> Diagnostic:
    line, column = _line_and_column(data[:offset].decode("utf-8-sig", errors="replace"), offset)
    hint = "save the file as UTF-8"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        hint = "it looks like UTF-16: save the file as UTF-8"
    message = f"the byte 0x{data[offset]:02X} is not UTF-8"
    return Diagnostic("view_not_utf8", message, hint=hint, line=line, column=column)


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    """As `JsonPlaces` has it, of a text that it does not take."""
    lines = text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1

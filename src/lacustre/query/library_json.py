"""Library resources in JSON to SqlLibrary and back; every fault of one is collected."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from lacustre.errors import Diagnostic, SqlLibraryError
from lacustre.fhir.canonical import Canonical
from lacustre.query.library import (
    KINDS,
    LIBRARY_TYPES,
    PROFILES,
    SQL_TEXT,
    Dependency,
    Kind,
    Parameter,
    SqlLibrary,
    Variant,
)
from lacustre.query.library_checks import library_faults
from lacustre.views.json_text import JsonPlaces, JsonTextError, read_json

_CONTENT_TYPE = re.compile(r"application/sql\s*(;.*)?", re.IGNORECASE)
_DIALECT = re.compile(r";\s*dialect\s*=\s*\"?([A-Za-z0-9_-]+)\"?\s*(?=;|$)", re.IGNORECASE)

T = TypeVar("T")


def parse_library(document: Mapping[str, Any], source: str = "library", name: str = "") -> SqlLibrary:
    """The SQLQuery or SQLView of a JSON object; `name` is used where it has none.

    Raises SqlLibraryError with every fault, each with its JSON pointer.
    """
    reader = _Reader()
    library = reader.library(document, source, name)
    faults = [*reader.faults, *library_faults(library)]
    if faults:
        raise SqlLibraryError(faults, source)
    return library


def read_library(text: str, source: str, name: str = "") -> SqlLibrary:
    """The Library in a JSON text; its faults have the lines and columns of the text."""
    try:
        document = read_json(text)
    except JsonTextError as error:
        fault = Diagnostic("library_not_json", error.message, error.pointer, hint=error.hint)
        raise SqlLibraryError([fault], source) from error
    if not isinstance(document, dict):
        raise SqlLibraryError([Diagnostic("library_not_object", "a JSON object is expected here")], source)
    try:
        return parse_library(document, source, name)
    except SqlLibraryError as error:
        places = JsonPlaces(text)
        raise SqlLibraryError([_placed(fault, places) for fault in error.diagnostics], source) from None


def _placed(fault: Diagnostic, places: JsonPlaces) -> Diagnostic:
    line, column = places.line_and_column(places.value(fault.pointer).start)
    return replace(fault, line=line, column=column)


class _Reader:
    """Reads the members that an SQLQuery or SQLView is made of; what cannot be read is a fault and is left out."""

    def __init__(self) -> None:
        self.faults: list[Diagnostic] = []

    def library(self, document: Mapping[str, Any], source: str, name: str) -> SqlLibrary:
        if document.get("resourceType") != "Library":
            self._fault("library_resource_type", "/resourceType", "this is not a Library")
        return SqlLibrary(
            name=self._text(document, "name", "") or name,
            kind=self._kind(document),
            variants=self._items(document, "content", self._variant),
            dependencies=self._items(document, "relatedArtifact", self._dependency),
            parameters=self._items(document, "parameter", self._parameter),
            url=self._text(document, "url", ""),
            version=self._text(document, "version", ""),
            title=self._text(document, "title", ""),
            description=self._text(document, "description", ""),
            status=self._text(document, "status", "") or "draft",
            authors=self._items(document, "author", self._author),
            publisher=self._text(document, "publisher", ""),
            source=source,
        )

    def _fault(self, code: str, pointer: str, message: str, hint: str | None = None) -> None:
        self.faults.append(Diagnostic(code, message, pointer, hint=hint))

    def _object(self, value: object, pointer: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._fault("library_not_object", pointer, "a JSON object is expected here")
        return {}

    def _items(
        self, owner: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any], str], T | None], pointer: str = ""
    ) -> tuple[T, ...]:
        value = owner.get(name, [])
        if not isinstance(value, list):
            self._fault("library_not_array", f"{pointer}/{name}", f"{name} is an array")
            return ()
        places = ((self._object(item, place), place) for place, item in _numbered(value, f"{pointer}/{name}"))
        items = [read(item, place) for item, place in places if item]
        return tuple(item for item in items if item is not None)

    def _text(self, owner: Mapping[str, Any], name: str, pointer: str, *, required: str = "") -> str | None:
        """The text of a member; where it is `required`, that says the code of its absence."""
        value = owner.get(name)
        if isinstance(value, str) and value:
            return value
        if value is not None:
            self._fault("library_not_string", f"{pointer}/{name}", f"{name} is a string that is not empty")
        elif required:
            self._fault(required, pointer, f"there is no {name}")
        return None

    def _kind(self, document: Mapping[str, Any]) -> Kind:
        type_ = self._object(document.get("type", {}), "/type")
        codings = self._items(type_, "coding", lambda coding, _: coding, "/type")
        for coding in codings:
            if coding.get("system") == LIBRARY_TYPES and coding.get("code") in KINDS:
                return cast(Kind, coding["code"])
        hint = f"its type is {' or '.join(KINDS)} of the system {LIBRARY_TYPES}"
        self._fault("library_type", "/type", "the Library is neither an SQLQuery nor an SQLView", hint)
        return "sql-query"

    def _author(self, owner: Mapping[str, Any], pointer: str) -> str | None:
        return self._text(owner, "name", pointer)

    def _parameter(self, owner: Mapping[str, Any], pointer: str) -> Parameter | None:
        name = self._text(owner, "name", pointer, required="parameter_name")
        type_ = self._text(owner, "type", pointer, required="parameter_type")
        use = self._text(owner, "use", pointer, required="parameter_use")
        if use not in (None, "in"):
            self._fault("parameter_use", f"{pointer}/use", f"the use of a parameter is in, not {use}")
        if owner.get("max", "1") != "1":
            self._fault("parameter_repeats", f"{pointer}/max", "a parameter has one value", "max is 1")
        if name is None or type_ is None:
            return None
        return Parameter(name, type_, self._text(owner, "documentation", pointer))

    def _dependency(self, owner: Mapping[str, Any], pointer: str) -> Dependency | None:
        type_ = self._text(owner, "type", pointer, required="dependency_type")
        if type_ not in (None, "depends-on"):
            self._fault("dependency_type", f"{pointer}/type", f"the type is depends-on, not {type_}")
        resource = self._text(owner, "resource", pointer, required="dependency_resource")
        label = self._text(owner, "label", pointer, required="dependency_label")
        if resource is None or label is None:
            return None
        return Dependency(label, Canonical.parse(resource), pointer)

    def _variant(self, owner: Mapping[str, Any], pointer: str) -> Variant | None:
        content_type = self._text(owner, "contentType", pointer, required="content_type")
        if content_type is not None and not _CONTENT_TYPE.fullmatch(content_type):
            hint = "application/sql, or application/sql;dialect=duckdb"
            self._fault("content_type", f"{pointer}/contentType", "the content is not SQL", hint)
        sql = self._data(owner, pointer)
        shown = self._shown(owner, pointer)
        if sql is None:
            return None
        if shown is not None and _plain(shown) != _plain(sql):
            hint = "readers would see another query than the one that runs"
            self._fault("sql_text_differs", pointer, "the extension sql-text and data hold different SQL", hint)
        dialect = _DIALECT.search(content_type or "")
        return Variant(dialect[1].lower() if dialect else None, sql, pointer)

    def _data(self, owner: Mapping[str, Any], pointer: str) -> str | None:
        data = self._text(owner, "data", pointer, required="content_data")
        if data is None:
            return None
        try:
            return base64.b64decode("".join(data.split()), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            self._fault("content_data", f"{pointer}/data", "the data are not UTF-8 text in base64")
            return None

    def _shown(self, owner: Mapping[str, Any], pointer: str) -> str | None:
        texts = [
            self._text(extension, "valueString", place, required="sql_text")
            for extension, place in self._items(owner, "extension", lambda item, place: (item, place), pointer)
            if extension.get("url") == SQL_TEXT
        ]
        if len(texts) > 1:
            self._fault("sql_text", f"{pointer}/extension", "there are several extensions sql-text")
        return texts[0] if texts else None


def _numbered(values: list[object], pointer: str) -> Iterator[tuple[str, object]]:
    return ((f"{pointer}/{index}", value) for index, value in enumerate(values))


def _plain(sql: str) -> str:
    """SQL without what editors and other systems change: the ends of lines, and white space around it all."""
    return sql.replace("\r\n", "\n").strip()


def library_json(library: SqlLibrary) -> dict[str, Any]:
    """The Library resource, with `sql-text` beside the encoded SQL, as builders of Libraries write it."""
    profile = "SQLView" if library.kind == "sql-view" else "SQLQuery"
    members: dict[str, Any] = {
        "resourceType": "Library",
        "meta": {"profile": [f"{PROFILES}{profile}"]},
        "url": library.url,
        "version": library.version,
        "name": library.name,
        "title": library.title,
        "status": library.status,
        "type": {"coding": [{"system": LIBRARY_TYPES, "code": library.kind}]},
        "publisher": library.publisher,
        "description": library.description,
        "author": [{"name": name} for name in library.authors],
        "relatedArtifact": [_artifact(dependency) for dependency in library.dependencies],
        "parameter": [_declaration(parameter) for parameter in library.parameters],
        "content": [_attachment(variant) for variant in library.variants],
    }
    return {name: value for name, value in members.items() if value}


def _artifact(dependency: Dependency) -> dict[str, str]:
    return {"type": "depends-on", "resource": str(dependency.canonical), "label": dependency.label}


def _declaration(parameter: Parameter) -> dict[str, str]:
    documentation = {"documentation": parameter.documentation} if parameter.documentation else {}
    return {"name": parameter.name, "use": "in", **documentation, "type": parameter.type}


def _attachment(variant: Variant) -> dict[str, Any]:
    dialect = f";dialect={variant.dialect}" if variant.dialect else ""
    return {
        "extension": [{"url": SQL_TEXT, "valueString": variant.sql}],
        "contentType": f"application/sql{dialect}",
        "data": base64.b64encode(variant.sql.encode()).decode("ascii"),
    }

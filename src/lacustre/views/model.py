"""JSON to ViewDefinition: everything that can be checked without a FHIR model, every fault collected."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from lacustre.errors import Diagnostic, FhirPathSyntaxError, SettingsError, ViewDefinitionError
from lacustre.fhir.model import load_model
from lacustre.fhirpath import near_hint, parse_expression
from lacustre.fhirpath.ast import EmptySet, Span
from lacustre.views.bind import bind_view
from lacustre.views.constants import FORM_HINTS, read_constant
from lacustre.views.declared_types import read_declared_types
from lacustre.views.definition import (
    CONSTANT_TYPES,
    RESOURCE_TYPES,
    Column,
    Constant,
    FhirPath,
    Iteration,
    IterationKind,
    Select,
    Tag,
    ViewDefinition,
    Where,
)
from lacustre.views.json_text import escaped
from lacustre.views.view_source import read_view_source

__all__ = ["ViewDefinition", "load_view", "parse_view"]

MAX_NESTING = 20
"""Selects inside selects."""

LAKE_PREFIX = "lake_"
"""What the names of columns begin with that built views have beside their own."""

_SQL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_CANONICAL = ("http://hl7.org/fhir/StructureDefinition/", "http://hl7.org/fhirpath/System.")
_ITERATIONS: tuple[IterationKind, ...] = ("forEach", "forEachOrNull", "repeat")
_SELECT_MEMBERS = frozenset({"column", "select", "unionAll", *_ITERATIONS})
_COLUMN_MEMBERS = frozenset({"name", "path", "type", "collection", "description", "tag", "tags"})
_CONSTANT_MEMBERS = {f"value{name[0].upper()}{name[1:]}": name for name in CONSTANT_TYPES}
_RESERVED_CONSTANTS = frozenset({"rowIndex", "resource", "rootResource", "context", "ucum", "sct", "loinc"})
_ANYWHERE = frozenset({"id", "extension", "modifierExtension", "fhir_comments"})
_BESIDE_OTHERS = frozenset(
    {"fhirpath_syntax", "sql_name", "view_unknown_member", "column_duplicate", "column_reserved"}
    | {"constant_reserved"}
)
_NOTHING = FhirPath("{}", EmptySet(Span(0, 2)), "")

T = TypeVar("T")


def parse_view(document: Mapping[str, object], source: str = "view") -> ViewDefinition:
    """The ViewDefinition of a JSON object.

    Raises ViewDefinitionError with every fault of structure and syntax, each with its JSON pointer;
    FhirPathSyntaxError where all of them are faults of syntax. Where the structure holds, the expressions that
    can be read are bound as well, so that a fault of syntax hides none of meaning.
    """
    reader = _Reader()
    try:
        view = reader.view(document, source)
    except RecursionError:
        raise ViewDefinitionError([Diagnostic("view_too_deep", "the document is nested too deeply")], source) from None
    if not _is_unicode(view.definition):
        reader.faults.append(Diagnostic("view_not_text", "half of a surrogate pair is no character"))
    if _leave_the_structure(reader.faults):
        reader.check_columns(view.selects)
    if reader.faults and _leave_the_structure(reader.faults):
        reader.faults += _semantic_faults(view)
    if reader.faults:
        raise (FhirPathSyntaxError if _are_of_syntax(reader.faults) else ViewDefinitionError)(reader.faults, source)
    return view


def _are_of_syntax(faults: list[Diagnostic]) -> bool:
    return all(fault.code == "fhirpath_syntax" for fault in faults)


def _leave_the_structure(faults: list[Diagnostic]) -> bool:
    """Whether what else is wrong can be told beside these faults."""
    return all(fault.code in _BESIDE_OTHERS for fault in faults)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _semantic_faults(view: ViewDefinition) -> tuple[Diagnostic, ...]:
    """The faults of meaning in the release that the view names, else in the default one."""
    try:
        bind_view(view, load_model(*view.fhir_versions[:1]))
    except ViewDefinitionError as error:
        return error.diagnostics
    except SettingsError:
        return ()
    return ()


def load_view(path: str | Path) -> ViewDefinition:
    """The ViewDefinition in a JSON file; raises as `read_view_source` and `parse_view` do, with lines and columns."""
    source = read_view_source(path)
    try:
        return parse_view(source.document, source.path)
    except ViewDefinitionError as error:
        raise source.placed(error) from None


def _not_an_object(pointer: str) -> Diagnostic:
    return Diagnostic("view_not_object", "a JSON object is expected here", pointer)


class _Reader:
    """Reads the members of a ViewDefinition; what cannot be read is a fault and is left out."""

    def __init__(self) -> None:
        self.faults: list[Diagnostic] = []

    def view(self, document: Mapping[str, object], source: str) -> ViewDefinition:
        self._check_resource_type(document)
        if not document.get("resource"):
            self._fault("view_resource_missing", "/resource", "the resource type of the view is missing")
        if not document.get("select"):
            self._fault("view_select_missing", "/select", "the view selects nothing")
        types, partial_dates = read_declared_types(document, self._fault)
        return ViewDefinition(
            name=self._sql_name(document, "") or "view",
            resource=self._text(document, "resource", "") or "",
            selects=self._list(document, "select", "", self._select),
            where=self._list(document, "where", "", self._where),
            constants=self._constants(document),
            fhir_versions=self._texts(document, "fhirVersion", ""),
            title=self._text(document, "title", ""),
            description=self._text(document, "description", ""),
            url=self._text(document, "url", ""),
            definition=json.dumps(document, sort_keys=True, default=str, ensure_ascii=False),
            source=source,
            types=types,
            partial_dates=partial_dates,
        )

    def check_columns(self, selects: tuple[Select, ...]) -> None:
        """Names are unique in a view and not the lake's, and the branches of a union agree in names and order."""
        names = Counter(column.name.casefold() for select in selects for column in select.output())
        if not names:
            self._fault("view_without_columns", "/select", "the view has no column")
        for column in (column for select in selects for column in select.output()):
            if names[column.name.casefold()] > 1:
                self._fault("column_duplicate", f"{column.pointer}/name", f"two columns named {column.name}")
            if column.name.casefold().startswith(LAKE_PREFIX):
                message = f"{column.name}: names with {LAKE_PREFIX} are those of the lineage columns"
                self._fault("column_reserved", f"{column.pointer}/name", message, "give another name")
        for select in selects:
            self._check_union(select)

    def _check_union(self, select: Select) -> None:
        for nested in (*select.selects, *select.union):
            self._check_union(nested)
        expected = [column.name for column in select.union[0].output()] if select.union else []
        for branch in select.union[1:]:
            found = [column.name for column in branch.output()]
            if found != expected:
                message = f"the columns of this branch are {_listed(found)}, of the first {_listed(expected)}"
                hint = "every branch of a union has the same columns in the same order"
                self._fault("union_mismatch", branch.pointer, message, hint)

    def _fault(self, code: str, pointer: str, message: str, hint: str | None = None) -> None:
        self.faults.append(Diagnostic(code, message, pointer, hint=hint))

    def _check_resource_type(self, document: Mapping[str, object]) -> None:
        found = document.get("resourceType", "ViewDefinition")
        if not isinstance(found, str) or found not in RESOURCE_TYPES:
            self._fault("view_resource_type", "/resourceType", f"{_shown(found)} is not a ViewDefinition")

    def _object(self, value: object, pointer: str, known: frozenset[str]) -> Mapping[str, object]:
        if not isinstance(value, Mapping):
            self.faults.append(_not_an_object(pointer))
            return {}
        for name in value:
            if name not in known and name not in _ANYWHERE and not name.startswith("_"):
                hint = near_hint(name, known)
                self._fault("view_unknown_member", f"{pointer}/{escaped(name)}", f"no member {name!r}", hint)
        return value

    def _list(
        self, owner: Mapping[str, object], name: str, pointer: str, read: Callable[[object, str], T | None]
    ) -> tuple[T, ...]:
        value = owner.get(name, [])
        if not isinstance(value, list):
            self._fault("view_not_array", f"{pointer}/{name}", f"{name} is an array")
            return ()
        items = (read(item, f"{pointer}/{name}/{index}") for index, item in enumerate(value))
        return tuple(item for item in items if item is not None)

    def _text(self, owner: Mapping[str, object], name: str, pointer: str) -> str | None:
        value = owner.get(name)
        if value is None or isinstance(value, str):
            return value
        self._fault("view_not_string", f"{pointer}/{name}", f"{name} is a string, not {_kind(value)}")
        return None

    def _texts(self, owner: Mapping[str, object], name: str, pointer: str) -> tuple[str, ...]:
        return self._list(owner, name, pointer, self._string)

    def _string(self, value: object, pointer: str) -> str | None:
        if isinstance(value, str):
            return value
        self._fault("view_not_string", pointer, f"a string is expected here, not {_kind(value)}")
        return None

    def _sql_name(self, owner: Mapping[str, object], pointer: str) -> str | None:
        name = self._text(owner, "name", pointer)
        if name is not None and not _SQL_NAME.fullmatch(name):
            hint = "a letter, then letters, digits and underscores"
            self._fault("sql_name", f"{pointer}/name", f"{name!r} is not a name for SQL", hint)
        return name

    def _required_name(self, owner: Mapping[str, object], pointer: str, what: str) -> str:
        if owner.get("name") is None:
            self._fault("name_missing", pointer, f"{what} has no name")
        return self._sql_name(owner, pointer) or ""

    def _path(self, value: object, pointer: str) -> FhirPath | None:
        if not isinstance(value, str):
            self._fault("path_not_string", pointer, f"a FHIRPath expression is a string, not {_kind(value)}")
            return None
        try:
            return FhirPath(value, parse_expression(value), pointer)
        except FhirPathSyntaxError as error:
            found = error.diagnostics[0]
            fault = Diagnostic(found.code, found.message, pointer, found.expression, found.start, found.end, found.hint)
            self.faults.append(fault)
            return None

    def _required_path(self, owner: Mapping[str, object], pointer: str) -> FhirPath:
        if "path" not in owner:
            self._fault("path_missing", pointer, "the path is missing")
            return _NOTHING
        return self._path(owner["path"], f"{pointer}/path") or _NOTHING

    def _where(self, value: object, pointer: str) -> Where:
        owner = self._object(value, pointer, frozenset({"path", "description"}))
        return Where(self._required_path(owner, pointer), self._text(owner, "description", pointer))

    def _select(self, value: object, pointer: str) -> Select | None:
        if pointer.count("/") > 2 * MAX_NESTING:
            self._fault("view_too_deep", pointer, f"selects are nested at most {MAX_NESTING} deep")
            return None
        owner = self._object(value, pointer, _SELECT_MEMBERS)
        select = Select(
            pointer=pointer,
            iteration=self._iteration(owner, pointer),
            columns=self._list(owner, "column", pointer, self._column),
            selects=self._list(owner, "select", pointer, self._select),
            union=self._list(owner, "unionAll", pointer, self._select),
        )
        if not (select.columns or select.selects or select.union):
            self._fault("select_empty", pointer, "a select without column, select or unionAll")
        return select

    def _iteration(self, owner: Mapping[str, object], pointer: str) -> Iteration | None:
        kinds = [kind for kind in _ITERATIONS if kind in owner]
        if not kinds:
            return None
        if len(kinds) > 1:
            hint = "nest a second select"
            self._fault("iteration_ambiguous", pointer, f"both {' and '.join(kinds)} in one select", hint)
        kind = kinds[0]
        if kind == "repeat":
            return Iteration(kind, self._repeat_paths(owner, pointer))
        path = self._path(owner[kind], f"{pointer}/{kind}")
        return Iteration(kind, (path or _NOTHING,))

    def _repeat_paths(self, owner: Mapping[str, object], pointer: str) -> tuple[FhirPath, ...]:
        if owner["repeat"] == []:
            self._fault("repeat_empty", f"{pointer}/repeat", "repeat has no path")
        return self._list(owner, "repeat", pointer, self._path)

    def _column(self, value: object, pointer: str) -> Column:
        owner = self._object(value, pointer, _COLUMN_MEMBERS)
        collection = owner.get("collection", False)
        if not isinstance(collection, bool):
            self._fault("view_not_boolean", f"{pointer}/collection", "collection is true or false")
        tags = "tag" if "tag" in owner else "tags"
        return Column(
            name=self._required_name(owner, pointer, "the column"),
            path=self._required_path(owner, pointer),
            pointer=pointer,
            type=_type_name(self._text(owner, "type", pointer)),
            collection=collection is True,
            description=self._text(owner, "description", pointer),
            tags=self._list(owner, tags, pointer, self._tag),
        )

    def _tag(self, value: object, pointer: str) -> Tag:
        owner = self._object(value, pointer, frozenset({"name", "value"}))
        return Tag(self._text(owner, "name", pointer) or "", self._text(owner, "value", pointer) or "", pointer)

    def _constants(self, document: Mapping[str, object]) -> tuple[Constant, ...]:
        constants = self._list(document, "constant", "", self._constant)
        names = Counter(constant.name for constant in constants)
        for constant in constants:
            if names[constant.name] > 1:
                self._fault("constant_duplicate", constant.pointer, f"two constants named {constant.name}")
        return constants

    def _constant(self, value: object, pointer: str) -> Constant | None:
        owner = self._object(value, pointer, frozenset({"name", *_CONSTANT_MEMBERS}))
        name = self._required_name(owner, pointer, "the constant")
        if name in _RESERVED_CONSTANTS:
            self._fault("constant_reserved", f"{pointer}/name", f"%{name} has a meaning of its own")
        given = [member for member in owner if member in _CONSTANT_MEMBERS]
        if len(given) != 1:
            found = "no value" if not given else f"{len(given)} values"
            self._fault("constant_value", pointer, f"the constant {name} has {found}, not one")
            return None
        type_ = _CONSTANT_MEMBERS[given[0]]
        constant = read_constant(type_, owner[given[0]])
        if constant is None:
            message = f"{_shown(owner[given[0]])} is not a value of type {type_}"
            self._fault("constant_value", f"{pointer}/{given[0]}", message, FORM_HINTS.get(type_))
            return None
        return Constant(name, type_, constant, pointer)


def _type_name(declared: str | None) -> str | None:
    if declared is None:
        return None
    for prefix in _CANONICAL:
        if declared.startswith(prefix):
            name = declared.removeprefix(prefix)
            return name[0].lower() + name[1:] if prefix.endswith("System.") else name
    return declared


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _shown(value: object) -> str:
    """A short value itself, else its kind."""
    text = repr(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if 0 < len(text) <= 60 else _kind(value)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds: Iterator[tuple[tuple[type, ...], str]] = iter(
        (
            ((bool,), "a boolean"),
            ((int, float, Decimal), "a number"),
            ((str,), "a string"),
            ((list,), "an array"),
        )
    )
    return next((name for types, name in kinds if isinstance(value, types)), "an object")

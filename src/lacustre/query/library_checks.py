"""What must hold for an SQLQuery or SQLView, whether it comes from JSON or from an annotated SQL file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from lacustre.errors import Diagnostic, near
from lacustre.query.library import PARAMETER_TYPES, SQL_NAME, STATUSES, SqlLibrary
from lacustre.query.sql_parser import reserved_words

_NAME_HINT = "a letter, then letters, digits and underscores"


def library_faults(library: SqlLibrary) -> list[Diagnostic]:
    """The faults of names, types and numbers; those of the SQL are found where it is run or built."""
    return [*_own(library), *_contents(library), *_labels(library), *_parameters(library)]


def _own(library: SqlLibrary) -> Iterator[Diagnostic]:
    if not SQL_NAME.fullmatch(library.name):
        yield Diagnostic("library_name", f"{library.name!r} is not a name for SQL", "/name", hint=_NAME_HINT)
    if library.status not in STATUSES:
        hint = near(library.status, STATUSES) or f"one of {', '.join(STATUSES)}"
        yield Diagnostic("library_status", f"{library.status!r} is not a status", "/status", hint=hint)
    if library.kind == "sql-view" and library.url is None:
        hint = "queries depend on it by its canonical"
        yield Diagnostic("library_url", "the SQLView has no url", "/url", hint=hint)


def _contents(library: SqlLibrary) -> Iterator[Diagnostic]:
    if not library.variants:
        yield Diagnostic("content_missing", "the Library has no SQL that can be read", "/content")
    dialects = Counter(variant.dialect for variant in library.variants)
    for variant in library.variants:
        if dialects[variant.dialect] > 1:
            message = f"there are several contents for {variant.dialect or 'every dialect'}"
            yield Diagnostic("content_duplicate", message, variant.pointer)
        if not variant.sql.strip():
            yield Diagnostic("content_data", "the SQL is empty", variant.pointer)


def _labels(library: SqlLibrary) -> Iterator[Diagnostic]:
    labels = Counter(dependency.label.casefold() for dependency in library.dependencies)
    for dependency in library.dependencies:
        label, pointer = dependency.label, f"{dependency.pointer}/label"
        if not SQL_NAME.fullmatch(label):
            yield Diagnostic("label_name", f"{label!r} is not a name for SQL", pointer, hint=_NAME_HINT)
        elif label.casefold() in reserved_words():
            yield Diagnostic("label_reserved", f"{label} is a word of SQL", pointer, hint="give another label")
        if not re.fullmatch(r"\S+", dependency.canonical.url):
            message = "the canonical is empty, or has white space"
            yield Diagnostic("dependency_resource", message, f"{dependency.pointer}/resource")
        if labels[label.casefold()] > 1:
            yield Diagnostic("label_duplicate", f"two dependencies are labelled {label}", pointer)


def _parameters(library: SqlLibrary) -> Iterator[Diagnostic]:
    if library.kind == "sql-view" and library.parameters:
        hint = "a query that depends on it may have parameters"
        yield Diagnostic("view_with_parameters", "an SQLView has no parameters", "/parameter", hint=hint)
    names = Counter(parameter.name.casefold() for parameter in library.parameters)
    for index, parameter in enumerate(library.parameters):
        pointer = f"/parameter/{index}"
        if not SQL_NAME.fullmatch(parameter.name):
            message = f"{parameter.name!r} is not a name for SQL"
            yield Diagnostic("parameter_name", message, f"{pointer}/name", hint=_NAME_HINT)
        if names[parameter.name.casefold()] > 1:
            yield Diagnostic("parameter_duplicate", f"two parameters are named {parameter.name}", pointer)
        if parameter.type not in PARAMETER_TYPES:
            hint = near(parameter.type, PARAMETER_TYPES) or f"one of {', '.join(PARAMETER_TYPES)}"
            message = f"a parameter has no type {parameter.type!r}"
            yield Diagnostic("parameter_type", message, f"{pointer}/type", hint=hint)

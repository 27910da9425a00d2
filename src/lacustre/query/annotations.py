"""SQL files whose comments say what a Library would: `-- @param: since date First day`, in both directions.

The annotations are those of the specification (SQL on FHIR 3.0.0-ballot, SQLQuery, "SQL Annotations"), and three that
it lacks: `@url` and `@type`, without which no file could be an SQLView, and `@dialect`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from lacustre.errors import Diagnostic, SqlLibraryError, near
from lacustre.fhir.canonical import Canonical
from lacustre.query.library import KINDS, Dependency, Kind, Parameter, SqlLibrary, Variant
from lacustre.query.library_checks import library_faults
from lacustre.query.sql_parser import tokens

_ANNOTATION = re.compile(r"^[ \t*-]*@(?P<key>\w+)[ \t]*:[ \t]*(?P<value>.*?)[ \t\r]*$", re.MULTILINE)
_MARK = re.compile(r"/(?=\*)|\*(?=/)")
"""The first characters of what begins and ends a comment, which DuckDB nests."""
_DEPENDENCY = re.compile(r"(?P<canonical>\S+)(?:\s+as\s+(?P<label>\S+))?", re.IGNORECASE)
_SINGLE = ("name", "url", "version", "title", "status", "publisher", "description", "type", "dialect")
_REPEATED = ("author", "param", "relatedDependency")
_MEMBERS = {"param": "parameter", "relatedDependency": "relatedArtifact"}


@dataclass(frozen=True, slots=True)
class AnnotatedSql:
    """What was read from an SQL file, and what may be wrong with its annotations."""

    library: SqlLibrary
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Annotation:
    key: str
    value: str
    line: int


@dataclass(slots=True)
class _Found:
    """The annotations of a file, by key, and the faults of reading them."""

    single: dict[str, _Annotation] = field(default_factory=dict)
    repeated: dict[str, list[_Annotation]] = field(default_factory=dict)
    faults: list[Diagnostic] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def text(self, key: str) -> str | None:
        found = self.single.get(key)
        return found.value if found else None

    def add(self, annotation: _Annotation) -> None:
        key = annotation.key
        if key in _REPEATED:
            self.repeated.setdefault(key, []).append(annotation)
        elif key not in _SINGLE:
            hint = near(key, (*_SINGLE, *_REPEATED))
            self.warnings.append(f"line {annotation.line}: no annotation @{key}" + (f", {hint}" if hint else ""))
        elif key in self.single:
            self.fault("annotation_twice", annotation, f"@{key} is also on line {self.single[key].line}")
        elif not annotation.value:
            self.fault("annotation_empty", annotation, f"@{key} says nothing")
        else:
            self.single[key] = annotation

    def fault(self, code: str, annotation: _Annotation, message: str, hint: str | None = None) -> None:
        self.faults.append(Diagnostic(code, message, f"/@{annotation.key}", hint=hint, line=annotation.line, column=1))

    def line_of(self, pointer: str) -> int:
        """The line of the annotation that made the member of a Library at a pointer, or 0."""
        key, _, index = pointer.strip("/").partition("/")
        for name, member in _MEMBERS.items():
            if member == key and index.split("/")[0].isdigit():
                return self.repeated[name][int(index.split("/")[0])].line
        return self.single[key].line if key in self.single else 0


def read_annotated_sql(sql: str, source: str, file_name: str = "") -> AnnotatedSql:
    """The SQLQuery or SQLView of an SQL file; without `@name` the file's name is its name.

    The SQL is the whole text, with its comments. Raises SqlLibraryError with every fault and its line.
    """
    text = sql.strip("\r\n")
    found = _annotations(text)
    library = SqlLibrary(
        name=found.text("name") or _name_of(file_name),
        kind=_kind(found),
        variants=(Variant(_dialect(found), text, "/content/0"),),
        dependencies=tuple(_dependencies(found)),
        parameters=tuple(_parameters(found)),
        url=found.text("url"),
        version=found.text("version"),
        title=found.text("title"),
        description=found.text("description"),
        status=found.text("status") or "draft",
        authors=tuple(annotation.value for annotation in found.repeated.get("author", ())),
        publisher=found.text("publisher"),
        source=source,
    )
    faults = [*found.faults, *(_on_line(fault, found) for fault in library_faults(library))]
    if faults:
        raise SqlLibraryError(faults, source)
    return AnnotatedSql(library, tuple(found.warnings))


def _on_line(fault: Diagnostic, found: _Found) -> Diagnostic:
    line = found.line_of(fault.pointer)
    return replace(fault, line=line, column=1) if line else fault


def _name_of(file_name: str) -> str:
    return re.sub(r"[-. ]", "_", Path(file_name).stem)


def _annotations(text: str) -> _Found:
    found = _Found()
    for comment in _comments(text):
        for match in _ANNOTATION.finditer(comment.inside):
            line = text.count("\n", 0, comment.start + 2 + match.start("key")) + 1
            found.add(_Annotation(match["key"], match["value"], line))
    return found


@dataclass(frozen=True, slots=True)
class _Comment:
    """A comment from `start` to `end` in characters, and its text between the marks."""

    start: int
    end: int
    inside: str


def _comments(text: str) -> Iterator[_Comment]:
    data = text.encode(errors="replace")
    for token in tokens(data):
        if token.kind == duckdb.token_type.comment:
            start, whole = len(data[: token.start].decode()), data[token.start : token.end].decode()
            inside = whole[2:].removesuffix("*/") if whole.startswith("/*") else whole[2:]
            yield _Comment(start, start + len(whole), inside)


def _kind(found: _Found) -> Kind:
    for kind in KINDS:
        if found.text("type") in (kind, None):
            return kind
    hint = f"one of {', '.join(KINDS)}"
    found.fault("library_type", found.single["type"], f"no type {found.text('type')!r}", hint)
    return "sql-query"


def _dialect(found: _Found) -> str | None:
    dialect = found.text("dialect")
    if dialect is not None and not re.fullmatch(r"[A-Za-z0-9-]+", dialect):
        found.fault("content_type", found.single["dialect"], f"{dialect!r} is not a dialect", "as duckdb")
        return None
    return dialect.lower() if dialect else None


def _parameters(found: _Found) -> Iterator[Parameter]:
    for annotation in found.repeated.get("param", ()):
        name, type_, documentation = (*annotation.value.split(None, 2), "", "")[:3]
        if not type_:
            hint = "@param: name type description"
            found.fault("parameter_type", annotation, "a parameter has a name and a type", hint)
        yield Parameter(name, type_ or "string", documentation or None)


def _dependencies(found: _Found) -> Iterator[Dependency]:
    for index, annotation in enumerate(found.repeated.get("relatedDependency", ())):
        match = _DEPENDENCY.fullmatch(annotation.value)
        if match is None:
            hint = "@relatedDependency: https://example.org/ViewDefinition/patient as patient"
            found.fault("dependency_resource", annotation, "a dependency is a canonical, and a label after `as`", hint)
        canonical = Canonical.parse(match["canonical"] if match else "none")
        label = match["label"] if match and match["label"] else canonical.url.rstrip("/").rpartition("/")[2]
        yield Dependency(label, canonical, f"/relatedArtifact/{index}")


def write_annotated_sql(library: SqlLibrary, variant: Variant) -> AnnotatedSql:
    """The SQL with annotations that say what the Library does: the text itself where its own comments do so.

    Where they do not, the Library counts: its annotations go to the top, and those of the text away.
    """
    warnings = list(_lost(library, variant))
    if _agrees(library, variant):
        return AnnotatedSql(replace(library, variants=(variant,)), tuple(warnings))
    lines = [f"-- @{key}: {_one_line(value)}" for key, value in _header(library, variant) if value.strip()]
    text = "\n".join([*lines, "", _without_annotations(variant.sql)])
    made = replace(variant, sql=text)
    return AnnotatedSql(replace(library, variants=(made,)), tuple(warnings))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _agrees(library: SqlLibrary, variant: Variant) -> bool:
    """Whether the text's own annotations make this very Library."""
    try:
        read = read_annotated_sql(variant.sql, library.source, library.name).library
    except SqlLibraryError:
        return False
    made = read.variants[0]
    return _described(read) == _described(library) and (made.dialect, made.sql) == (variant.dialect, variant.sql)


def _described(library: SqlLibrary) -> tuple[object, ...]:
    dependencies = tuple((dependency.label, dependency.canonical) for dependency in library.dependencies)
    return (replace(library, variants=(), dependencies=(), source=""), dependencies)


def _header(library: SqlLibrary, variant: Variant) -> Iterator[tuple[str, str]]:
    members: Mapping[str, str | None] = {
        "name": library.name,
        "type": library.kind if library.kind != KINDS[0] else None,
        "url": library.url,
        "title": library.title,
        "description": library.description,
        "version": library.version,
        "status": library.status,
        "publisher": library.publisher,
        "dialect": variant.dialect,
    }
    yield from ((key, value) for key, value in members.items() if value)
    yield from (("author", author) for author in library.authors)
    for dependency in library.dependencies:
        yield "relatedDependency", f"{dependency.canonical} as {dependency.label}"
    for parameter in library.parameters:
        yield "param", f"{parameter.name} {parameter.type} {parameter.documentation or ''}"


def _without_annotations(sql: str) -> str:
    """The SQL without its annotations; what a comment said beside them stays.

    A comment between marks stays one: before `--` a minus would become a comment too, and after its end of line two
    texts would become one.
    """
    text = sql.strip("\n")
    pieces, end = [], 0
    for comment in _comments(text):
        pieces.append(text[end : comment.start])
        end = comment.end
        if _ANNOTATION.search(comment.inside):
            pieces.append(_prose(_ANNOTATION.sub("", comment.inside)))
        else:
            pieces.append(text[comment.start : comment.end])
    return "".join([*pieces, text[end:]]).strip()


def _prose(text: str) -> str:
    lines = (line.strip(" \t\r*") for line in text.split("\n"))
    prose = _MARK.sub(r"\g<0> ", "\n".join(line for line in lines if line))
    return f"/* {prose} */" if prose else " "


def _lost(library: SqlLibrary, variant: Variant) -> Sequence[str]:
    """What annotations cannot say."""
    said = {
        "url": library.url,
        "version": library.version,
        "title": library.title,
        "description": library.description,
        "publisher": library.publisher,
        **{f"name of author {number}": author for number, author in enumerate(library.authors, 1)},
        **{f"documentation of {parameter.name}": parameter.documentation for parameter in library.parameters},
    }
    lost = [f"the white space of the {what}" for what, text in said.items() if text and text != _one_line(text)]
    if len(library.variants) > 1:
        others = [str(other.dialect or "every engine") for other in library.variants if other != variant]
        lost.append(f"the SQL for {', '.join(others)}")
    return [f"annotations do not hold {what}" for what in lost]

"""The records of an SQLQuery and an SQLView: Library resources that hold SQL (SQL on FHIR 3.0.0-ballot)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lacustre.errors import Diagnostic, SqlLibraryError
from lacustre.fhir.canonical import Canonical

LIBRARY_TYPES = "http://hl7.org/fhir/uv/sql-on-fhir/CodeSystem/LibraryTypesCodes"
PROFILES = "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/"
SQL_TEXT = f"{PROFILES}sql-text"
DIALECT = "duckdb"
"""The dialect that is run here."""

STATUSES = ("draft", "active", "retired", "unknown")
SQL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""What a label, a parameter and a Library are named (invariant `sql-name`)."""

Kind: TypeAlias = Literal["sql-query", "sql-view"]
KINDS: tuple[Kind, ...] = ("sql-query", "sql-view")

PARAMETER_TYPES = (
    *("boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer", "integer64"),
    *("markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid"),
)
"""The FHIR types that a parameter may have: the six of the specification, and those that are like them."""


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    documentation: str | None = None


@dataclass(frozen=True, slots=True)
class Dependency:
    """What the SQL calls `label` is the view, value set or concept map of a canonical."""

    label: str
    canonical: Canonical
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """The SQL for a dialect, or, where it is None, for every engine."""

    dialect: str | None
    sql: str
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class SqlLibrary:
    """An SQLQuery or SQLView. `source` is the file it was read from."""

    name: str
    kind: Kind
    variants: tuple[Variant, ...]
    dependencies: tuple[Dependency, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    url: str | None = None
    version: str | None = None
    title: str | None = None
    description: str | None = None
    status: str = "draft"
    authors: tuple[str, ...] = ()
    publisher: str | None = None
    source: str = "library"

    def variant(self) -> Variant:
        """The SQL to run: that for DuckDB, else that for every engine.

        Raises SqlLibraryError where there is neither: SQL is not translated by guessing.
        """
        for wanted in (DIALECT, None):
            for variant in self.variants:
                if variant.dialect == wanted:
                    return variant
        found = ", ".join(str(variant.dialect) for variant in self.variants)
        message = f"the SQL is there for {found}, neither for {DIALECT} nor without a dialect"
        hint = f"add a content of type application/sql;dialect={DIALECT}, or application/sql"
        raise SqlLibraryError([Diagnostic("no_dialect", message, "/content", hint=hint)], self.source)

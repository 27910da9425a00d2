"""Runs an SQLQuery: a DuckDB session that has its tables under their labels, and nothing else that it may read.

Each Library has a schema of its own, in which its labels are views, so that two Libraries may call different things
by one name. The search path is that schema alone. SQLViews are views of their SQL, bound in their own schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from lacustre.errors import InputError
from lacustre.query.comparisons import refuse_mixed
from lacustre.query.dependencies import ConceptMapTable, Resolved, Source, ValueSetTable, resolve
from lacustre.query.library import SqlLibrary
from lacustre.query.library_files import QueryFolder, default_queries, read_library_file, read_query_folder
from lacustre.query.parameters import Value, bind_values, without_values
from lacustre.query.session import bind_view, new_session
from lacustre.store.reading import LakeFiles, lake_files
from lacustre.store.scan import sql_name
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.manifest import ViewManifest

_RESULT = sql_name("lake:result")
"""What an SQLView is in its schema: no label, and nothing that SQL may name without being refused."""

_LOCKED = (
    "SET python_enable_replacements = false",
    "SET autoload_known_extensions = false",
    "SET lock_configuration = true",
)


def find_library(query: str | Path, folder: Path | None = None) -> tuple[SqlLibrary, QueryFolder]:
    """The Library of a name in a folder, or in a file, with the folder that its dependencies are looked for in.

    A file is what has its suffix, .sql or .json. Its dependencies are looked for in the folder, where none is given in
    the default one where the file lies in that, else among the files beside it.
    Raises InputError, SqlLibraryError.
    """
    path = Path(query)
    if path.suffix not in (".sql", ".json"):
        found = read_query_folder(folder or default_queries())
        return found.library(str(query)), found
    library = read_library_file(path)
    around = folder or default_queries()
    inside = around.is_dir() and around.resolve() in path.resolve().parents
    return library, read_query_folder(around) if folder or inside else read_query_folder(path.parent, deep=False)


def run_library(
    tenant: TenantStore, query: str | Path, given: Mapping[str, object], folder: Path | None = None
) -> duckdb.DuckDBPyRelation:
    """The lazy relation of an SQLQuery or SQLView with the values of its parameters.

    Raises InputError for what cannot be found, resolved or bound, SqlLibraryError for a Library or SQL at fault,
    TerminologyError. No value is told in an error.
    """
    library, around = find_library(query, folder)
    resolved = resolve(tenant, library, around)
    values = bind_values(library.parameters, given)
    try:
        return _open(tenant, resolved, values)
    except duckdb.Error as error:
        raise _refused(library, error, {**given, **values}) from None


def _open(tenant: TenantStore, resolved: Resolved, values: Mapping[str, Value]) -> duckdb.DuckDBPyRelation:
    files = lake_files(tenant.store)
    connection = new_session(tenant, files)
    binder = _Binder(tenant, connection, files)
    schema = binder.bind(resolved)
    connection.execute(f"SET search_path = {sql_name(schema)}")
    for setting in _LOCKED:
        connection.execute(setting)
    statement = resolved.statement
    relation = connection.sql(statement.sql, params=dict(values))
    refuse_mixed(connection, statement.tree, values, resolved.library.name)
    return relation


def _refused(library: SqlLibrary, error: duckdb.Error, values: Mapping[str, object]) -> InputError:
    """DuckDB's error, which quotes what it could not convert."""
    message = without_values(str(error), values)
    return InputError("sql_refused", f"{library.name}: {message}", "`lacustre queries show` shows the SQL")


@dataclass
class _Binder:
    """Makes the schemas of Libraries in a session."""

    tenant: TenantStore
    connection: duckdb.DuckDBPyConnection
    files: LakeFiles
    _schemas: dict[str, str] = field(default_factory=dict)
    _views: set[str] = field(default_factory=set)

    def bind(self, resolved: Resolved) -> str:
        """Have the labels of a Library as views in a schema, whose name is returned."""
        source = resolved.library.source
        if source not in self._schemas:
            schema = f"library_{len(self._schemas)}"
            self._schemas[source] = schema
            self.connection.execute(f"CREATE SCHEMA {schema}")
            for label, table in resolved.tables:
                if label in resolved.statement.tables:
                    self._label(f"{schema}.{sql_name(label)}", table)
        return self._schemas[source]

    def _label(self, name: str, table: Source) -> None:
        match table:
            case ValueSetTable(members):
                from lacustre.terminology.relations import create_value_set  # noqa: PLC0415  pyarrow comes with it

                create_value_set(self.connection, name, members)
            case ConceptMapTable(rows):
                from lacustre.terminology.relations import create_concept_map  # noqa: PLC0415

                create_concept_map(self.connection, name, rows)
            case Resolved():
                self.connection.execute(f"CREATE VIEW {name} AS FROM {self._result(table)}")
            case ViewManifest():
                self._bind_view(table)
                self.connection.execute(f"CREATE VIEW {name} AS FROM main.{sql_name(table.view)}")

    def _bind_view(self, manifest: ViewManifest) -> None:
        if manifest.view not in self._views:
            self._views.add(manifest.view)
            bind_view(self.connection, self.tenant, manifest, self.files.checked)

    def _result(self, resolved: Resolved) -> str:
        """The view of an SQLView's SQL, as SQL names it."""
        known = resolved.library.source in self._schemas
        schema = self.bind(resolved)
        name = f"{schema}.{_RESULT}"
        if not known:
            self.connection.execute(f"SET search_path = {sql_name(schema)}")
            try:
                self.connection.execute(f"CREATE VIEW {name} AS {resolved.statement.sql}\n")
            except duckdb.Error as error:
                raise _refused(resolved.library, error, {}) from None
        return name

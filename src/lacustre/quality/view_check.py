"""ViewDefinition files held against the specification and against a lake.

The rows of a view are counted by the SQL that a build would run: each view is one scan of the columns that it reads.
(One statement over all views of a table, or over a copy of what they read, takes as long: measured.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lacustre.errors import DataError, Diagnostic, InputError, ViewDefinitionError
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.quality.column_counts import ColumnCounts, as_views_are_built, count_columns
from lacustre.store.reading import lake_files
from lacustre.store.scan import bind_table, connect, sql_name
from lacustre.store.schema import shape_of
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.misfits import tell_misfits
from lacustre.views.builds.sources import asks_for_contained, view_tables
from lacustre.views.check.coverage import check_coverage
from lacustre.views.check.definition import CheckedDefinition, check_definition, model_of, resource_of
from lacustre.views.check.findings import CheckedColumn, CheckedView, CheckReport, Finding
from lacustre.views.definition import ViewDefinition
from lacustre.views.types import SPEC, Typing
from lacustre.views.view_source import read_view_source

_FAULTY_COLUMN = re.compile(r"column (\w+)")


@dataclass(frozen=True, slots=True)
class _Held:
    """The lake that views are held against: the types that it has tables of, its built views, by folded name."""

    tenant: TenantStore
    types: frozenset[str]
    built: Mapping[str, str]
    typing: Typing


def check_views(tenant: TenantStore, paths: Sequence[Path], typing: Typing = SPEC) -> CheckReport:
    """Check the files, and all `.json` files of folders; without tables, against the specification alone.

    `typing` is how a build would type the columns: values that do not fit are found.

    Raises InputError for a path that is not there, StorageError.
    """
    tenant = as_views_are_built(tenant)
    types = frozenset(tenant.resource_types())
    built = {name.casefold(): name for name in tenant.store.folders(tenant.views_path)}
    held = _Held(tenant, types, built, typing)
    named: dict[str, Path] = {}
    views = tuple(_check_file(held, path, named) for path in _files(paths))
    return CheckReport(views, tenant.store.uri() if types else None)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise InputError("no_view_definitions", f"there is no {path}", "give files or folders of ViewDefinitions")
        found = sorted(path.rglob("*.json")) if path.is_dir() else [path]
        if not found:
            raise InputError("no_view_definitions", f"{path} has no .json file", "one ViewDefinition a file")
        yield from found


def _check_file(held: _Held, path: Path, named: dict[str, Path]) -> CheckedView:
    try:
        source = read_view_source(path)
    except ViewDefinitionError as error:
        findings = tuple(Finding("error", fault, fault.line, fault.column) for fault in error.diagnostics)
        return CheckedView(str(path), "", "", findings)
    model = held.tenant.model if held.types else model_of(source.document)
    with _Table(held.tenant) as table:
        checked = check_definition(source, model, table.shape_for, held.typing)
        counts = _count(table, checked, model)
    resource = resource_of(source.document)
    if checked.view and source.document.get("name"):
        checked.findings.add("error", *_clashes(checked.view.name, path, named, held.built))
    if held.types and checked.compiled and not table.shape:
        message = f"the lake has no {resource}: the view has no row"
        checked.findings.add("warning", Diagnostic("table_missing", message, "/resource"))
    name, rows = checked.view.name if checked.view else "", counts.rows if counts else None
    columns = counts.columns if counts else _uncounted(checked)
    return CheckedView(str(path), name, resource, checked.findings.found(), columns, rows)


def _clashes(name: str, path: Path, named: dict[str, Path], built: Mapping[str, str]) -> Iterator[Diagnostic]:
    """SQL does not tell names that differ in case alone: neither those of the files, nor those of built views."""
    other = named.setdefault(name.casefold(), path)
    if other is not path:
        yield Diagnostic("view_name_clash", f"{other} defines a view of this name", "/name", hint="give another name")
    taken = built.get(name.casefold(), name)
    if taken != name:
        message = f"the lake has a view {taken}, which SQL cannot tell from {name}"
        yield Diagnostic("view_name_taken", message, "/name", hint="give another name")


def _uncounted(checked: CheckedDefinition) -> tuple[CheckedColumn, ...]:
    columns = checked.compiled.columns if checked.compiled else ()
    return tuple(CheckedColumn(column.name, column.type) for column in columns)


class _Table:
    """What a view reads of a lake, in a session: a table, with contained resources where its definition asks for them.

    `shape` is empty where there is nothing to read.
    """

    def __init__(self, tenant: TenantStore) -> None:
        self._tenant = tenant
        files = lake_files(tenant.store)
        self.session = connect(tenant.store, time_zone=tenant.settings.time_zone, files=files)
        self._files = files
        self.shape: Shape = {}

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def shape_for(self, view: ViewDefinition) -> Shape:
        """Bind what the view reads; raises DataError where contained resources that it wants are not extracted."""
        resource = view.resource
        if resource not in self._tenant.model.resource_types:
            return {}
        snapshot = view_tables(self._tenant, resource, contained=asks_for_contained(view)).snapshot
        if snapshot is not None and snapshot.files:
            bind_table(self.session, resource, self._files.checked(snapshot.files), snapshot.schema)
            # the files may lack what the table had once
            there = self.session.sql(f"FROM fhir.{sql_name(resource)} LIMIT 0").to_arrow_table().schema
            self.shape = shape_of(there)
        return self.shape


def _count(table: _Table, checked: CheckedDefinition, model: FhirModel) -> ColumnCounts | None:
    """How far the columns are filled; what that shows is added to the findings.

    None where the view does not compile or fails, or where there is nothing to count.
    """
    if checked.compiled is None or not table.shape:
        return None
    try:
        counts = count_columns(table.session, checked.compiled)
    except DataError as error:
        checked.findings.add("error", _contradiction(checked, error))
        return None
    unfit = {note.partition(":")[0] for note in counts.misfits}
    columns = {
        column.name: replace(column, filled=None) if column.name in unfit else column for column in counts.columns
    }
    for level, diagnostic in check_coverage(checked, columns, counts.rows, table.shape, model):
        checked.findings.add(level, diagnostic)
    checked.findings.add("warning", *_misfits(checked, counts))
    return counts


def _misfits(checked: CheckedDefinition, counts: ColumnCounts) -> Iterator[Diagnostic]:
    """The values that do not fit the type of their column, which a build counts too."""
    assert checked.compiled is not None
    types = {column.name: column.sql_type for column in checked.compiled.columns}
    for note, count in counts.misfits.items():
        name, _, kind = note.partition(":")
        message = tell_misfits(name, kind, count, types[name])
        yield _at_column(checked, name, Diagnostic("values_misfit", message))


def _at_column(checked: CheckedDefinition, name: str, fault: Diagnostic) -> Diagnostic:
    """The diagnostic at the path of a column; as it is where there is no such column."""
    for expression in checked.expressions:
        if expression.column is not None and expression.column[0].name == name:
            return expression.path.fault(fault.code, fault.message, expression.path.tree.span, fault.hint)
    return fault


def _contradiction(checked: CheckedDefinition, error: DataError) -> Diagnostic:
    """The error of a build that the data contradict, at the column which it names."""
    named = _FAULTY_COLUMN.search(error.message)
    fault = Diagnostic(error.code, error.message, hint=error.hint)
    return _at_column(checked, named[1], fault) if named else fault

"""What an SQLQuery depends on: each canonical to the one thing that it means, through SQLViews to any depth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from lacustre.errors import InputError, ViewDefinitionError, near
from lacustre.fhir.canonical import Canonical
from lacustre.query.library import Dependency, SqlLibrary
from lacustre.query.library_files import QueryFolder
from lacustre.query.statement import Statement, read_statement
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.manifest import ViewManifest, built_views

if TYPE_CHECKING:
    from lacustre.terminology.concept_maps import Translation
    from lacustre.terminology.resources import Terminology
    from lacustre.terminology.value_sets import Member

MAX_DEPTH = 32
"""SQLViews below each other."""

MAX_PARTS = 2_000
"""Queries that a query is made of, when each SQLView is put in wherever it is read."""


@dataclass(frozen=True, slots=True)
class ValueSetTable:
    members: Sequence[Member]


@dataclass(frozen=True, slots=True)
class ConceptMapTable:
    rows: Sequence[Translation]


@dataclass(frozen=True)
class Resolved:
    """A Library with its checked SQL and what each of its labels means."""

    library: SqlLibrary
    statement: Statement
    tables: tuple[tuple[str, Source], ...]

    @cached_property
    def parts(self) -> int:
        """How many queries this one is made of, those of SQLViews counted wherever they are read."""
        below = {label: table.parts for label, table in self.tables if isinstance(table, Resolved)}
        return 1 + sum(times * below.get(label, 0) for label, times in self.statement.tables.items())


Source: TypeAlias = "ViewManifest | Resolved | ValueSetTable | ConceptMapTable"


def resolve(tenant: TenantStore, library: SqlLibrary, folder: QueryFolder) -> Resolved:
    """Resolve all that a Library depends on; each Library and canonical once.

    Canonicals are looked up among the SQLViews and the terminology of the folder, the built views, and the terminology
    of the lake. Raises SqlLibraryError for SQL at fault, InputError for what is not there, not built, means several
    things, or depends on itself.
    """
    return _Resolver(tenant, folder).library(library, ())


@dataclass
class _Resolver:
    tenant: TenantStore
    folder: QueryFolder
    _done: dict[str, Resolved] = field(default_factory=dict)
    _terms: dict[Canonical, ValueSetTable | ConceptMapTable] = field(default_factory=dict)

    def library(self, library: SqlLibrary, above: tuple[SqlLibrary, ...]) -> Resolved:
        path = (*above, library)
        if library in above:
            chain = " → ".join(each.name for each in path[path.index(library) :])
            raise InputError("dependency_cycle", f"SQLViews depend on each other: {chain}", "break the circle")
        if len(path) > MAX_DEPTH:
            raise InputError("dependencies_too_deep", f"more than {MAX_DEPTH} SQLViews depend on each other in a row")
        if library.source not in self._done:
            statement = read_statement(library)
            tables = tuple((each.label, self._source(each, library, path)) for each in library.dependencies)
            resolved = self._done[library.source] = Resolved(library, statement, tables)
            if resolved.parts > MAX_PARTS:
                message = f"{library.name} is made of {resolved.parts:,} queries, at most {MAX_PARTS:,} are run"
                raise InputError("dependencies_too_many", message, "SQLViews multiply where each reads another twice")
        return self._done[library.source]

    def _source(self, dependency: Dependency, library: SqlLibrary, path: tuple[SqlLibrary, ...]) -> Source:
        found = self._artefacts(dependency.canonical)
        if len(found) > 1:
            message = (
                f"{dependency.canonical}, which {library.name} depends on, may mean {' or '.join(map(_named, found))}"
            )
            raise InputError("dependency_ambiguous", message, "name the version after a |, or give them other urls")
        if not found:
            return self._table(dependency) or self._raise_not_found(dependency, library)
        artefact = found[0]
        if isinstance(artefact, ViewManifest):
            return artefact
        if artefact.kind == "sql-query":
            message = f"{library.name} depends on {artefact.name}, which is an SQLQuery"
            raise InputError("dependency_is_query", message, "only SQLViews can be depended on")
        return self.library(artefact, path)

    def _artefacts(self, canonical: Canonical) -> list[SqlLibrary | ViewManifest]:
        return [
            *(library for library in self.folder.libraries if canonical.means(library.url, library.version)),
            *(manifest for manifest, own in self._built if canonical.means(own.url, own.version)),
        ]

    @cached_property
    def _built(self) -> list[tuple[ViewManifest, Canonical]]:
        return [(manifest, _canonical_of(manifest.definition)) for manifest in built_views(self.tenant)]

    @cached_property
    def _terminology(self) -> Terminology:
        # with tables come pyarrow and deltalake, which queries over views do not need
        from lacustre.terminology.lake_resources import LakeResources  # noqa: PLC0415
        from lacustre.terminology.resources import ResourceFiles, Terminology  # noqa: PLC0415

        return Terminology(ResourceFiles(self.folder.terminology), LakeResources(self.tenant))

    def _table(self, dependency: Dependency) -> ValueSetTable | ConceptMapTable | None:
        """The terminology that a canonical means; a value set where it should be both."""
        from lacustre.terminology.concept_maps import concept_map_rows  # noqa: PLC0415
        from lacustre.terminology.value_sets import value_set_members  # noqa: PLC0415

        canonical = dependency.canonical
        known = self._terms.get(canonical)
        if known is None and self._terminology.find("ValueSet", canonical):
            known = ValueSetTable(value_set_members(self._terminology, canonical))
        if known is None and self._terminology.find("ConceptMap", canonical):
            known = ConceptMapTable(concept_map_rows(self._terminology, canonical))
        if known is not None:
            self._terms[canonical] = known
        return known

    def _raise_not_found(self, dependency: Dependency, library: SqlLibrary) -> NoReturn:
        canonical = dependency.canonical
        about = f"{library.name} depends on {canonical}, labelled {dependency.label}"
        defined = dict(_defined())
        for name, own in defined.items():
            if canonical.means(own.url, own.version):
                hint = f"`lacustre views build {name}`"
                raise InputError("view_not_built", f"{about}: the view {name} is not built", hint)
        urls = {own.url for own in (*defined.values(), *(own for _, own in self._built)) if own.url}
        urls |= {each.url for each in self.folder.libraries if each.url}
        where = f"in {self.folder.folder}, among the built views and in the lake's terminology"
        hint = near(canonical.url, urls) or "put the SQLView or ValueSet beside the query, or build the view"
        for path, error in self.folder.faulty.items():
            hint = f"perhaps it is in {path}, which is at fault: {error.diagnostics[0].message}"
        raise InputError("dependency_not_found", f"{about}, which was not found {where}", hint)


def _named(found: SqlLibrary | ViewManifest) -> str:
    if isinstance(found, ViewManifest):
        return f"the view {found.view}"
    return f"the {found.kind} {found.name} of {found.source}"


def _canonical_of(definition: str) -> Canonical:
    """The url and version of a ViewDefinition's JSON; empty where it has none."""
    members = json.loads(definition) if definition else {}
    url, version = members.get("url"), members.get("version")
    return Canonical(url if isinstance(url, str) else "", version if isinstance(version, str) else None)


def _defined() -> Iterator[tuple[str, Canonical]]:
    """The views that could be built, with their canonicals; those that cannot be read are left out."""
    from lacustre.views.catalog import default_views, find_views  # noqa: PLC0415  the compiler comes with it
    from lacustre.views.model import load_view  # noqa: PLC0415

    for name, path in find_views(default_views()).items():
        try:
            yield name, _canonical_of(load_view(path).definition)
        except ViewDefinitionError:
            continue

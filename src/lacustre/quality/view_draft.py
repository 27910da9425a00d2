"""A first ViewDefinition of a table: what there is, counted by the views that the compiler makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from lacustre.errors import InputError, ViewDefinitionError, near
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.quality.column_counts import ColumnCounts, as_views_are_built, count_columns
from lacustre.query.session import open_session
from lacustre.store.scan import sql_name, sql_text
from lacustre.store.schema import shape_of
from lacustre.store.tenant import TenantStore
from lacustre.views.bound import Each
from lacustre.views.compile import CompiledView, compile_view
from lacustre.views.draft import Candidate, DraftFacts, Draughtsman, Facts, Probe, draft_document
from lacustre.views.draft.names import snake_case
from lacustre.views.model import parse_view
from lacustre.views.paths import place_of_focus, shape_at
from lacustre.views.types import kind_of

MIN_SHARE = 0.05
"""A column is drafted where at least this share of the rows has a value, unless another is asked for."""

_POSITION = Candidate("position", "%rowIndex", "integer", "place among the items, from 0")
MAX_FREQUENT = 50
_ROUNDS = 4
_TARGET = r"(?:^|/)([A-Z][A-Za-z]+)/[^/?#]+(?:/_history/[^/]+)?$"


@dataclass(frozen=True, slots=True)
class DraftOptions:
    """`for_each` is the path of a repeating element that gives the rows; `rows` how many resources are looked at, all
    where None; `share` from 0 to 1."""

    for_each: str | None = None
    share: float = MIN_SHARE
    rows: int | None = None


def draft_view(tenant: TenantStore, resource_type: str, options: DraftOptions) -> dict[str, Any]:
    """The ViewDefinition, as a JSON object, of the elements that the table of a type really fills.

    The same table gives the same draft. Raises InputError where there is no such table, or the path of `for_each` is
    none; StorageError.
    """
    if not 0 <= options.share <= 1:
        raise InputError("bad_share", f"{options.share} is no share of the rows", "0.05 is 1 in 20")
    tenant = as_views_are_built(tenant)
    snapshot = tenant.fhir_table(resource_type).snapshot()
    if snapshot is None or not snapshot.rows:
        hint = near(resource_type, tenant.resource_types()) or "`lacustre tables` lists what there is"
        raise InputError("no_such_table", f"the lake has no {resource_type}", hint)
    with closing(open_session(tenant, f"fhir.{sql_name(resource_type)}")) as session:
        if options.rows is not None:
            _take_sample(session, resource_type, options.rows)
        # the files may lack what the table had once
        there = session.sql(f"FROM fhir.{sql_name(resource_type)} LIMIT 0").to_arrow_table().schema
        return _Draft(session, tenant.model, resource_type, shape_of(there), options).document()


def _take_sample(session: duckdb.DuckDBPyConnection, resource_type: str, rows: int) -> None:
    """Keep the resources of the smallest hashes: the same ones each time, and none more likely than another."""
    table = f"fhir.{sql_name(resource_type)}"
    session.execute(f"CREATE TEMP TABLE picked AS SELECT lake_hash FROM {table} ORDER BY lake_hash LIMIT {rows:d}")
    session.execute(f"ALTER VIEW {table} RENAME TO whole")
    session.execute(f"CREATE VIEW {table} AS FROM fhir.whole WHERE lake_hash IN (FROM temp.picked)")


class _Draft:
    """One draft: asks what is there, lists columns, counts them, keeps those that are filled."""

    def __init__(
        self,
        session: duckdb.DuckDBPyConnection,
        model: FhirModel,
        resource: str,
        shape: Shape,
        options: DraftOptions,
    ) -> None:
        self._session = session
        self._model = model
        self._resource = resource
        self._shape = shape
        self._options = options

    def document(self) -> dict[str, Any]:
        type_, shape = self._focus()
        facts = Facts(self._rows(self._options.for_each))
        draughtsman = self._learn(type_, shape, facts)
        keys = self._keys()
        listed = [
            column for column in self._list(draughtsman, type_, shape) if column.path not in {k.path for k in keys}
        ]
        kept = self._kept(listed, draughtsman.constants)
        resources = facts.rows if self._options.for_each is None else self._rows(None)
        of = DraftFacts(self._resource, self._model.version, self._options.for_each)
        said = f"Drafted from {resources} {self._resource} resources"
        if self._options.for_each is not None:
            said += f", {facts.rows} items of {self._options.for_each}"
        left = f"; what fewer than {100 * self._options.share:g} % of the rows have is left out."
        return draft_document(of, keys, kept, draughtsman.constants, said + left)

    def _focus(self) -> tuple[str, Shape]:
        """The type that the rows stand on, and the shape below it; raises InputError for a path that leads to none."""
        path = self._options.for_each
        if path is None:
            return self._resource, self._shape
        try:
            compiled = self._compile(["%rowIndex"], path, "integer")
        except ViewDefinitionError as error:
            raise InputError(
                "bad_for_each", f"{path}: {error.diagnostics[0].message}", error.diagnostics[0].hint
            ) from None
        iteration = compiled.ir.selects[0].iteration
        if not isinstance(iteration, Each) or not iteration.source.many:
            raise InputError("bad_for_each", f"{path} is no element that repeats", "leave --for-each out")
        return iteration.variable.type, shape_at(place_of_focus(compiled.ir), self._shape)

    def _learn(self, type_: str, shape: Shape, facts: Facts) -> Draughtsman:
        """Ask until nothing new is to be asked: what is known of elements decides which are looked at."""
        known: set[Probe] = set()
        draughtsman = Draughtsman(self._model, facts, self._options.share)
        for _ in range(_ROUNDS):
            draughtsman.probes.clear()
            self._list(draughtsman, type_, shape)
            asked = [probe for probe in dict.fromkeys(draughtsman.probes) if probe not in known]
            if not asked:
                break
            self._ask(asked, facts, self._options.for_each, draughtsman.constants)
            known.update(asked)
        return draughtsman

    def _list(self, draughtsman: Draughtsman, type_: str, shape: Shape) -> list[Candidate]:
        if kind_of(type_) != "complex":
            return [_POSITION, Candidate("value", "$this", type_)]
        first = [_POSITION] if self._options.for_each is not None else []
        return [*first, *draughtsman.columns(type_, shape)]

    def _ask(self, probes: Sequence[Probe], facts: Facts, for_each: str | None, constants: dict[str, str]) -> None:
        times = [probe for probe in probes if probe.kind == "times"]
        if times:
            view = self._compile([probe.column for probe in times], for_each, "integer", constants)
            found = self._fetch(f"SELECT {', '.join(f'max(c{n})' for n in range(len(times)))} FROM ({view.sql})")
            facts.times |= {probe.path: most or 0 for probe, most in zip(times, found[0], strict=True)}
        listed = [probe for probe in probes if probe.kind != "times"]
        if listed:
            view = self._compile([probe.column for probe in listed], for_each, None, constants)
            for number, probe in enumerate(listed):
                facts.values[probe.kind, probe.path] = dict(self._fetch(_frequent(view, f"c{number}", probe)))

    def _keys(self) -> list[Candidate]:
        """The key of the resource, that of its patient, and the position of the item where rows are items."""
        inner = self._options.for_each is not None
        name = f"{self._resource}_id" if inner else "id"
        keys = [Candidate(snake_case(name), "getResourceKey()", "id", f"key of the {self._resource}")]
        patient = self._patient_path()
        if patient is not None:
            keys.append(Candidate("patient_id", patient, "string", "key of the Patient"))
        return keys

    def _patient_path(self) -> str | None:
        """The first reference of the patient compartment that leads to a Patient."""
        if self._resource == "Patient":
            return None
        for path in self._model.compartment(self._resource):
            facts, probe = Facts(1), Probe("targets", path)
            try:
                self._ask([probe], facts, None, {})
            except ViewDefinitionError:
                continue  # the name of a JSON member of a choice, which is no path
            if "Patient" in facts.values[probe.kind, path]:
                key = f"{path}.getReferenceKey(Patient)"
                return f"{key}.first()" if self._repeats(path) else key
        return None

    def _repeats(self, path: str) -> bool:
        steps = path.split(".")
        return any(self._model.resolve(".".join((self._resource, *steps[: n + 1]))).many for n in range(len(steps)))

    def _kept(self, columns: Sequence[Candidate], constants: dict[str, str]) -> list[Candidate]:
        """The columns that enough rows have, in the order of the type, each with its share in its note."""
        if not columns:
            return []
        counts = self._count(columns, constants)
        least = max(1, self._options.share * counts.rows)
        kept = []
        for column, counted in zip(columns, counts.columns, strict=True):
            filled = counted.filled or 0
            if filled >= least:
                share = f"filled in {_percent(filled, counts.rows)} rows"
                kept.append(replace(column, note=f"{column.note}; {share}" if column.note else share))
        return kept

    def _count(self, columns: Sequence[Candidate], constants: dict[str, str]) -> ColumnCounts:
        paths = [column.presence or column.path for column in columns]
        types = ["boolean" if column.presence else column.type for column in columns]
        view = self._compile(paths, self._options.for_each, types, constants)
        return count_columns(self._session, view)

    def _rows(self, for_each: str | None) -> int:
        view = self._compile(["%rowIndex"], for_each, "integer")
        return int(self._fetch(f"SELECT count(*) FROM ({view.sql})")[0][0])

    def _compile(
        self,
        paths: Sequence[str],
        for_each: str | None,
        types: str | Sequence[str] | None,
        constants: dict[str, str] | None = None,
    ) -> CompiledView:
        """A view with columns `c0`, `c1`, …, of these types; collections of strings where none is given."""
        declared = [types] * len(paths) if isinstance(types, str) else types
        kinds: list[dict[str, Any]] = (
            [{"collection": True}] * len(paths) if declared is None else [{"type": type_} for type_ in declared]
        )
        numbered = enumerate(zip(paths, kinds, strict=True))
        columns = [{"name": f"c{number}", "path": path, **kind} for number, (path, kind) in numbered]
        select: dict[str, Any] = {"column": columns} | ({"forEach": for_each} if for_each else {})
        constant = [{"name": name, "valueUri": value} for name, value in (constants or {}).items()]
        document = {"resource": self._resource, "select": [select], "constant": constant}
        return compile_view(parse_view(document, "draft"), self._model, self._shape)

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        return self._session.execute(query).fetchall()


def _frequent(view: CompiledView, column: str, probe: Probe) -> str:
    """SQL of the values of a column and in how many rows each is, the most frequent first."""
    values = f"list_distinct({column})"
    if probe.kind == "targets":
        values = f"list_distinct(list_transform({column}, lambda x: regexp_extract(x, {sql_text(_TARGET)}, 1)))"
    each = f"SELECT unnest({values}) AS value FROM ({view.sql})"
    return (
        f"SELECT value, count(*) AS times FROM ({each}) WHERE value <> '' GROUP BY value"
        f" ORDER BY times DESC, value LIMIT {MAX_FREQUENT}"
    )


def _percent(count: int, rows: int) -> str:
    share = 100 * count / rows
    return "all" if count == rows else f"{min(share, 99.9):.{0 if 10 <= share < 99 else 1}f} % of the"

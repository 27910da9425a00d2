"""The views: what they cost against SQL written by hand, forEachOrNull against forEach, and compiling."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.data import SAMPLE_VIEWS
from benchmarks.measure import Figure, best_of_turns, seconds
from lacustre import Lake
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.store.objects import ObjectStore
from lacustre.store.scan import PARQUET
from lacustre.store.tenant import TenantStore
from lacustre.tenancy import TenantId
from lacustre.views.builds.manifest import ViewManifest
from lacustre.views.catalog import find_views, starter_views
from lacustre.views.compile import compile_view
from lacustre.views.model import ViewDefinition, load_view, parse_view

HAND_WRITTEN = Path(__file__).with_name("hand_written")
HAND_WRITTEN_TARGET = 1.25
COMPILE_TARGET = 20.0
OR_NULL_TARGET = 3.0
GROWTH_TARGET = 4.4


@dataclass(frozen=True, slots=True)
class BuiltView:
    """A built view beside the session in which its table can be read.

    `manifest.sql` is what was built; `compiled` has no lineage columns, which nobody writes by hand.
    """

    manifest: ViewManifest
    compiled: str
    session: duckdb.DuckDBPyConnection

    @property
    def name(self) -> str:
        return self.manifest.view

    @property
    def hand_written(self) -> str:
        return (HAND_WRITTEN / f"{self.name}.sql").read_text(encoding="utf-8")


def build_all(base: Lake, sample: Lake) -> list[BuiltView]:
    """Every starter view, built on the set that has rows for it."""
    names = list(find_views(starter_views()))
    built = []
    for lake, chosen in (
        (base, [name for name in names if name not in SAMPLE_VIEWS]),
        (sample, [name for name in names if name in SAMPLE_VIEWS]),
    ):
        manifests = lake.build_views(*chosen, definitions=starter_views())
        session = lake.session()
        tables = table_shapes(lake)
        built += [BuiltView(manifest, _compiled(_starter(manifest.view), tables), session) for manifest in manifests]
    return sorted(built, key=lambda view: view.name)


@dataclass(frozen=True, slots=True)
class TableShapes:
    """The FHIR model of a lake and the shape of each of its tables."""

    model: FhirModel
    shapes: Mapping[str, Shape]

    def of(self, resource_type: str) -> Shape:
        return self.shapes.get(resource_type, {})


def table_shapes(lake: Lake) -> TableShapes:
    tenant = TenantStore(ObjectStore(lake.uri), TenantId(lake.tenant))
    snapshots = {name: tenant.fhir_table(name).snapshot() for name in tenant.resource_types()}
    return TableShapes(tenant.model, {name: found.shape for name, found in snapshots.items() if found is not None})


def _starter(name: str) -> ViewDefinition:
    return load_view(find_views(starter_views())[name])


def _compiled(view: ViewDefinition, tables: TableShapes, *, lineage: bool = False) -> str:
    return compile_view(view, tables.model, tables.of(view.resource), lineage=lineage).sql


def assert_equal_rows(view: BuiltView) -> None:
    """SystemExit where columns, types or rows (as multisets) of the compiled and hand-written SQL differ."""
    ours, theirs = (view.session.sql(sql) for sql in (view.compiled, view.hand_written))
    if (ours.columns, ours.types) != (theirs.columns, theirs.types):
        raise SystemExit(f"{view.name}: other columns than the hand-written SQL has")
    difference = view.session.sql(
        f"(({view.compiled}) EXCEPT ALL ({view.hand_written}))"
        f" UNION ALL (({view.hand_written}) EXCEPT ALL ({view.compiled}))"
    )
    ((different,),) = difference.aggregate("count(*)").fetchall()
    if different:
        raise SystemExit(f"{view.name}: {different} rows differ from those of the hand-written SQL")


def hand_written_figures(views: Sequence[BuiltView], budget: float) -> list[Figure]:
    figures = []
    for view in views:
        assert_equal_rows(view)
        ours, theirs, lineage = _copy_times(view.session, [view.compiled, view.hand_written, view.manifest.sql], budget)
        detail = f"{view.manifest.rows} rows: {ours * 1e3:.1f} ms against {theirs * 1e3:.1f} ms"
        detail += f"; with lineage columns {lineage * 1e3:.1f} ms"
        figures.append(
            Figure("views against SQL by hand", view.name, ours / theirs, target=HAND_WRITTEN_TARGET, detail=detail)
        )
    return figures


def or_null_figures(base: Lake, views: Sequence[BuiltView], budget: float) -> list[Figure]:
    """Each view of the base set that runs over `forEach`, against itself with `forEachOrNull`."""
    tables = table_shapes(base)
    twins = [(view, _or_null_twin(view.name)) for view in views if view.name not in SAMPLE_VIEWS]
    return [_or_null_figure(view, twin, tables, budget) for view, twin in twins if twin is not None]


def _or_null_twin(name: str) -> ViewDefinition | None:
    text = find_views(starter_views())[name].read_text(encoding="utf-8")
    return parse_view(json.loads(text.replace('"forEach":', '"forEachOrNull":'))) if '"forEach":' in text else None


def _or_null_figure(view: BuiltView, twin: ViewDefinition, tables: TableShapes, budget: float) -> Figure:
    ours = _compiled(twin, tables)
    queries = [ours, view.compiled, _compiled(twin, tables, lineage=True), view.manifest.sql]
    with_null, without, *lineage = _copy_times(view.session, queries, budget)
    ((rows,),) = view.session.sql(f"SELECT count(*) FROM ({ours})").fetchall()
    detail = f"{rows} rows in {with_null * 1e3:.1f} ms, {view.manifest.rows} in {without * 1e3:.1f} ms"
    detail += f"; with lineage columns {lineage[0] / lineage[1]:.2f}"
    section = "forEachOrNull against forEach"
    return Figure(section, view.name, with_null / without, target=OR_NULL_TARGET, detail=detail)


def growth_figure(base: Lake, quarter: Lake, factor: float) -> Figure:
    """The build of the base set's views on the whole against that on the quarter."""
    names = [name for name in find_views(starter_views()) if name not in SAMPLE_VIEWS]
    whole, part = (
        seconds(lambda lake=lake: lake.build_views(*names, definitions=starter_views(), whole=True))
        for lake in (base, quarter)
    )
    return Figure(
        "views",
        "time for four times the data",
        whole / part * 4 / factor,
        target=GROWTH_TARGET,
        detail=f"{len(names)} views in {whole:.1f} s against {part:.1f} s",
    )


def compile_figure(lake: Lake) -> Figure:
    """Compiling alone, of every view over the shape of its table, the first time."""
    tables = table_shapes(lake)
    times = {}
    for name in find_views(starter_views()):
        view = _starter(name)
        times[name] = seconds(lambda view=view: _compiled(view, tables, lineage=True))
    slowest = max(times, key=lambda name: times[name])
    mean = sum(times.values()) / len(times)
    detail = f"slowest {slowest}: {times[slowest] * 1e3:.0f} ms"
    return Figure("command", "compile time per view", mean * 1e3, "ms", target=COMPILE_TARGET, detail=detail)


def _copy_times(session: duckdb.DuckDBPyConnection, queries: Sequence[str], budget: float) -> list[float]:
    """Shortest seconds of writing each query's rows to Parquet, as a build does."""
    with TemporaryDirectory() as folder:
        statements = [
            f"COPY ({query}) TO '{folder}/{number}.parquet' ({PARQUET})" for number, query in enumerate(queries)
        ]
        return best_of_turns(
            [lambda statement=statement: session.execute(statement).fetchall() for statement in statements], budget
        )

"""Whether a view over resources comes out of Lacustre as the oracle says it must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import duckdb

from lacustre import Lake
from lacustre.errors import DataError, UnsupportedFunctionError, ViewDefinitionError
from lacustre.fhir.model import load_model
from lacustre.views.builds.part_session import runtime_fault
from lacustre.views.compile import compile_view
from lacustre.views.model import parse_view
from support.fhir_json import dumps
from support.oracle import OracleError, Table, evaluate_view
from support.rows import unmatched
from support.typed_tables import load_table

Json: TypeAlias = dict[str, Any]
Run: TypeAlias = Callable[[Json, Sequence[Json]], Table]
"""Runs a view over resources; raises ViewDefinitionError where it refuses the view, DataError where the data do."""

ZONE = ZoneInfo("Europe/Paris")
"""The time zone of a tenant that names none."""


@dataclass(frozen=True)
class OnTypedTables:
    """Runs views over small tables in one DuckDB connection, without the store."""

    connection: duckdb.DuckDBPyConnection

    def __call__(self, view: Json, resources: Sequence[Json]) -> Table:
        definition, model = parse_view(view), load_model()
        shape = load_table(self.connection, definition.resource, list(resources), model)
        compiled = compile_view(definition, model, shape)
        try:
            rows = self.connection.execute(compiled.sql).fetchall()
        except duckdb.Error as error:
            raise runtime_fault(compiled.name, error) from error
        return table([column.name for column in compiled.columns], rows)


@dataclass(frozen=True)
class OnLakes:
    """Runs views as users do: each over a lake of its own, with resources that were loaded from a file."""

    folder: Path

    def __call__(self, view: Json, resources: Sequence[Json]) -> Table:
        place = self.folder / str(len(list(self.folder.iterdir())))
        (place / "views").mkdir(parents=True)
        (place / "views" / f"{view['name']}.json").write_text(dumps(view), "utf-8")
        (place / "lines.ndjson").write_text("".join(f"{dumps(resource)}\n" for resource in resources), "utf-8")
        lake = Lake.open(place / "lake")
        lake.load(place / "lines.ndjson", processes=1)
        lake.build_views(definitions=place / "views")
        found = lake.sql(f"SELECT * FROM {view['name']}")
        return table(found.columns, found.fetchall())


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    return Table(tuple(names), [dict(zip(names, row, strict=True)) for row in rows])


def outcome(run: Run, view: Json, resources: Sequence[Json]) -> Table | ViewDefinitionError | DataError:
    try:
        return run(view, resources)
    except (ViewDefinitionError, DataError) as fault:
        return fault


def verdict(view: Json, resources: Sequence[Json], *, lazy: bool) -> Table | OracleError:
    try:
        return evaluate_view(view, resources, zone=ZONE, lazy=lazy)
    except OracleError as fault:
        return fault


def assert_agreement(run: Run, view: Json, resources: Sequence[Json]) -> Table | OracleError | None:
    """What the oracle says of a view; fails where `run` gives other rows, or where only one of them finds a fault.

    None, which the caller counts, where the run refuses by name what the oracle can do. What cannot be evaluated is a
    fault even where no row depends on it, but a run need find it only where one does.
    """
    case = f"\nview: {dumps(view)}\nresources: {dumps(resources)}"
    found = outcome(run, view, resources)
    expected = verdict(view, resources, lazy=isinstance(found, Table))
    if isinstance(found, Table):
        assert isinstance(expected, Table), f"rows where the oracle says: {expected}{case}"
        assert found.columns == expected.columns, case
        missing, surplus = unmatched(expected.rows, found.rows)
        assert not missing and not surplus, f"missing rows: {missing}\nsurplus rows: {surplus}{case}"
    elif isinstance(expected, Table) and isinstance(found, UnsupportedFunctionError):
        return None
    else:
        assert found.code != "view_failed", f"{found.__cause__}{case}"
        assert isinstance(expected, OracleError), f"rows where the run says: {found}{case}"
    return expected

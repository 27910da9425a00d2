"""How far the columns of a compiled view are filled, without building it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from lacustre.errors import QualityError
from lacustre.store.ledger import publishable
from lacustre.store.objects import storage_error
from lacustre.store.scan import sql_name
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.part_session import runtime_fault
from lacustre.views.check.findings import CheckedColumn
from lacustre.views.compile import CompiledView, OutputColumn
from lacustre.views.duckdb.columns import MISFITS


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """The rows of a view, and its columns in their order with the rows in which each has a value.

    `misfits` counts the values that do not fit the SQL type of their column, by note (`lacustre.views.builds.misfits`).
    """

    rows: int
    columns: tuple[CheckedColumn, ...]
    misfits: Mapping[str, int]


def as_views_are_built(tenant: TenantStore) -> TenantStore:
    """The tenant as a build would read it: its newest published version; as it is, where all of them are held."""
    if tenant.pinned:
        return tenant
    try:
        return publishable(tenant)
    except QualityError:
        return tenant


def count_columns(session: duckdb.DuckDBPyConnection, view: CompiledView) -> ColumnCounts:
    """Count over the table that is bound in the session.

    An empty list is no value. Raises DataError where the data contradict the view, StorageError.
    """
    counted = ", ".join(map(_count_of, view.columns))
    noted = f"SELECT unnest({MISFITS}) AS note FROM ({view.sql}) AS v"
    misfits: list[tuple[str, int]] = []
    try:
        found = session.execute(f"SELECT count(*), {counted} FROM ({view.sql}) AS v").fetchall()
        if view.misfits:
            misfits = session.execute(f"SELECT note, count(*) FROM ({noted}) GROUP BY note ORDER BY note").fetchall()
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise storage_error("check view", view.name, error) from error
    except duckdb.Error as error:
        raise runtime_fault(view.name, error) from None
    [(rows, *filled)] = found
    columns = zip(view.columns, filled, strict=True)
    counts = tuple(CheckedColumn(column.name, column.type, count) for column, count in columns)
    return ColumnCounts(rows, counts, dict(misfits))


def _count_of(column: OutputColumn) -> str:
    name = sql_name(column.name)
    return f"count(*) FILTER (len({name}) > 0)" if column.collection else f"count({name})"

"""A built view as an object to look at: its schema and first rows in a notebook, its rows as a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from lacustre.errors import InputError, near
from lacustre.query.session import run_query
from lacustre.store.scan import sql_name
from lacustre.store.tenant import TenantStore
from lacustre.views.builds.manifest import ViewColumn, ViewManifest
from lacustre.views.builds.stale import ViewState

if TYPE_CHECKING:
    import duckdb
    import polars
    import pyarrow as pa

SHOWN_ROWS = 5
_SHOWN_CHARACTERS = 40


class BuiltView:
    """A built view. Shown in a notebook or printed, it is its columns with their meaning, and its first rows.

    Lineage columns are hidden. What it gives is what the lake has when it is asked.
    """

    def __init__(self, tenant: TenantStore, state: ViewState, manifest: ViewManifest) -> None:
        self._tenant = tenant
        self._state = state
        self._manifest = manifest

    @property
    def name(self) -> str:
        return self._manifest.view

    @property
    def rows(self) -> int:
        return self._manifest.rows

    @property
    def columns(self) -> tuple[ViewColumn, ...]:
        """Name, FHIR type, SQL type, whether it is a list, description."""
        return self._manifest.columns

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows."""
        return self._query(0).to_arrow_table().schema

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The rows as a lazy DuckDB relation."""
        return self._query(None)

    def pl(self) -> polars.DataFrame:
        """All rows, in polars."""
        frame: polars.DataFrame = self.relation().pl()
        return frame

    def df(self) -> Any:
        """All rows, in pandas, which has to be installed."""
        return self.relation().df()

    def head(self, rows: int = SHOWN_ROWS) -> polars.DataFrame:
        """The first rows, in polars."""
        frame: polars.DataFrame = self._query(rows).pl()
        return frame

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        width = max(len(column.name) for column in self.columns)
        kinds = [_kind(column) for column in self.columns]
        of_kinds = max(map(len, kinds))
        lines = [self._title()]
        for column, kind in zip(self.columns, kinds, strict=True):
            lines.append(f"  {column.name:<{width}}  {kind:<{of_kinds}}  {column.description or ''}".rstrip())
        return "\n".join([*lines, str(self.head())])

    def _repr_html_(self) -> str:
        described = [(column.name, _kind(column), column.sql_type, column.description or "") for column in self.columns]
        head = self._query(SHOWN_ROWS)
        rows = [[_shown(value) for value in row] for row in head.fetchall()]
        return (
            f"<p><b>{escape(self.name)}</b>: {escape(self._title().partition(': ')[2])}</p>"
            + _table(("column", "FHIR type", "SQL type", "description"), described)
            + f"<p>{'The first rows' if self.rows > SHOWN_ROWS else 'All rows'}</p>"
            + _table(head.columns, rows)
        )

    def _title(self) -> str:
        count = f"{self.rows} row{'' if self.rows == 1 else 's'} of {self._manifest.resource}"
        why = f" ({self._state.reason})" if self._state.reason else ""
        return f"{self.name}: {count}, {self._state.state}{why}, built {self._manifest.built}"

    def _query(self, limit: int | None) -> duckdb.DuckDBPyRelation:
        limited = "" if limit is None else f" LIMIT {limit}"
        return run_query(self._tenant, f"FROM main.{sql_name(self.name)}{limited}")


def find_view(tenant: TenantStore, states: Sequence[ViewState], name: str) -> BuiltView:
    """The built view of a name; raises InputError where there is none, or its first build is not finished."""
    for state in states:
        if state.view == name and state.manifest is not None:
            return BuiltView(tenant, state, state.manifest)
    built = [state.view for state in states if state.manifest is not None]
    hint = near(name, built) or (f"there are {', '.join(built)}" if built else "build views: `lacustre views build`")
    raise InputError("unknown_view", f"there is no built view {name!r}", hint)


def _kind(column: ViewColumn) -> str:
    return f"{column.type} *" if column.collection else column.type


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"{text[:_SHOWN_CHARACTERS]}…" if len(text) > _SHOWN_CHARACTERS else text


def _table(names: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

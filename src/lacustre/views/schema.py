"""The schema of a view, from its definition alone: nothing is read and nothing is run.

It is that of the Parquet files which a build writes, the hidden lineage columns left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from lacustre.fhir.model import FhirModel
from lacustre.store.scan import sql_name, sql_text
from lacustre.views.bound import BoundColumn, BoundSelect, Each, Iteration, When
from lacustre.views.compile import compile_view
from lacustre.views.definition import ViewDefinition
from lacustre.views.duckdb import may_misfit
from lacustre.views.ir import ROOT, Count, Exists, Member, RowIndex, Variable
from lacustre.views.ir import Literal as LiteralValue
from lacustre.views.types import SPEC, Typing

if TYPE_CHECKING:
    import pyarrow as pa

SchemaForm: TypeAlias = Literal["arrow", "sql", "json"]


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    """`type` is the FHIR type, `sql_type` DuckDB's. What is not `nullable` has a value in every row of every build."""

    name: str
    type: str
    sql_type: str
    nullable: bool
    collection: bool
    description: str | None


@dataclass(frozen=True, slots=True)
class ViewSchema:
    """The columns of a view in output order."""

    view: str
    resource: str
    typing: Typing
    columns: tuple[SchemaColumn, ...]

    def sql(self) -> str:
        """A CREATE TABLE in DuckDB's types, and the descriptions of its columns."""
        table = sql_name(self.view)
        columns = (
            f"    {sql_name(column.name)} {column.sql_type}{'' if column.nullable else ' NOT NULL'}"
            for column in self.columns
        )
        comments = (
            f"COMMENT ON COLUMN {table}.{sql_name(column.name)} IS {sql_text(column.description)};\n"
            for column in self.columns
            if column.description
        )
        body = ",\n".join(columns)
        return f"CREATE TABLE {table} (\n{body}\n);\n{''.join(comments)}"

    def arrow(self) -> pa.Schema:
        """The schema of the Parquet files; the metadata of a field are its FHIR type and description.

        A file also says of other fields that they have no null, where its rows happen to have none.
        """
        from lacustre.views.arrow_types import arrow_schema  # noqa: PLC0415  pyarrow is slow to start

        return arrow_schema(self.columns)

    def json(self) -> str:
        """A list of the columns."""
        return json.dumps([asdict(column) for column in self.columns], indent=2, ensure_ascii=False)

    def show(self, form: SchemaForm) -> str:
        """The schema as text."""
        match form:
            case "arrow":
                return str(self.arrow().to_string(show_field_metadata=False))
            case "sql":
                return self.sql()
            case "json":
                return self.json()


def view_schema(view: ViewDefinition, model: FhirModel, typing: Typing = SPEC) -> ViewSchema:
    """The schema of what a build of the view would write; raises ViewDefinitionError with every fault of the view."""
    compiled = compile_view(view, model, {}, typing=typing)
    flags = [flag for select in compiled.ir.selects for flag in _nullable_flags(select, nulled=False)]
    columns = tuple(
        SchemaColumn(column.name, column.type, column.sql_type, nullable, column.collection, column.description)
        for column, nullable in zip(compiled.columns, flags, strict=True)
    )
    return ViewSchema(compiled.name, compiled.resource, compiled.typing, columns)


def _nullable_flags(select: BoundSelect, *, nulled: bool) -> Iterator[bool]:
    """Whether each output column may be null; `nulled` says that a `forEachOrNull` is around the select."""
    nulled = nulled or _keeps_rows(select.iteration)
    yield from (_is_nullable(column, nulled=nulled) for column in select.columns)
    for nested in select.selects:
        yield from _nullable_flags(nested, nulled=nulled)
    branches = [list(_nullable_flags(branch, nulled=nulled)) for branch in select.union]
    yield from map(any, zip(*branches, strict=True))


def _keeps_rows(iteration: Iteration | None) -> bool:
    return isinstance(iteration, Each | When) and iteration.or_null


def _is_nullable(column: BoundColumn, *, nulled: bool) -> bool:
    if may_misfit(column.value.type, column.sql):
        return not column.collection or nulled
    if isinstance(column.value, RowIndex):
        return False
    return nulled or not (column.collection or _is_always_there(column))


def _is_always_there(column: BoundColumn) -> bool:
    """Whether a value is there in every row: every resource of a lake has its id."""
    value = column.value
    if isinstance(value, Member):
        return value.name == "id" and isinstance(value.source, Variable) and value.source.key == ROOT
    return isinstance(value, LiteralValue | Exists | Count)

"""The compiler: ViewDefinition to DuckDB SQL, as a pipeline of functions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lacustre.errors import Diagnostic, ViewDefinitionError
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import Shape
from lacustre.views.bind import bind_view
from lacustre.views.bound import BoundView
from lacustre.views.definition import Tag, ViewDefinition
from lacustre.views.duckdb import build_statement
from lacustre.views.paths import required_paths
from lacustre.views.plan import Plan, plan_view
from lacustre.views.types import sql_type

COMPILER_VERSION = "1"
"""Part of every view's hash: raised when the same definition comes to mean other rows."""


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """`type` is the FHIR type, `sql_type` DuckDB's; a collection is a list."""

    name: str
    type: str
    sql_type: str
    collection: bool
    description: str | None
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledView:
    """A view as SQL over `fhir."<resource>"`.

    `paths` are the JSON paths that the view reads, `hash` identifies the definition, the FHIR release and the
    compiler's version, whatever the table holds. `warnings` name what is legal but most likely not meant.
    """

    name: str
    resource: str
    sql: str
    columns: tuple[OutputColumn, ...]
    paths: tuple[str, ...]
    hash: str
    warnings: tuple[Diagnostic, ...]
    ir: BoundView
    plan: Plan


def compile_view(view: ViewDefinition, model: FhirModel, shape: Shape, *, lineage: bool = False) -> CompiledView:
    """The SQL of a view over a table of this shape; an empty shape stands for a table that is not there.

    With `lineage` three columns follow the view's own: `lake_resource`, `lake_patient_key`, `lake_source`.
    Raises ViewDefinitionError with every fault of the view.
    """
    try:
        bound = bind_view(view, model)
        plan = plan_view(bound, shape)
        statement = build_statement(plan, lineage=lineage).sql(dialect="duckdb", pretty=True)
    except RecursionError:
        fault = Diagnostic("view_too_deep", "the view and its expressions are nested too deeply", "/select")
        raise ViewDefinitionError([fault], view.source) from None
    return CompiledView(
        name=view.name,
        resource=view.resource,
        sql=statement,
        columns=tuple(
            OutputColumn(
                column.name,
                column.type,
                sql_type(column.type, collection=column.collection),
                column.collection,
                column.description,
                column.tags,
            )
            for column in bound.output()
        ),
        paths=required_paths(bound),
        hash=_hash(view, model, lineage=lineage),
        warnings=bound.warnings,
        ir=bound,
        plan=plan,
    )


def _hash(view: ViewDefinition, model: FhirModel, *, lineage: bool) -> str:
    identity = "\n".join((COMPILER_VERSION, model.version, str(lineage), view.definition))
    return hashlib.sha256(identity.encode()).hexdigest()

"""The compiler: ViewDefinition to DuckDB SQL, as a pipeline of functions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version

from lacustre.errors import Diagnostic, ViewDefinitionError
from lacustre.fhir.model import FhirModel
from lacustre.fhir.shape import CONTAINED, Shape
from lacustre.views.bind import bind_view
from lacustre.views.bound import BoundView
from lacustre.views.definition import Tag, ViewDefinition
from lacustre.views.duckdb import build_statement, may_misfit
from lacustre.views.functions.clock import CLOCK_WARNING
from lacustre.views.paths import required_paths
from lacustre.views.plan import Plan, plan_view
from lacustre.views.prune import MAX_LEVELS, TooManyLevelsError
from lacustre.views.types import SPEC, Typing

COMPILER_VERSION = "3"
"""Part of every view's hash, as the release is: raised when a definition comes to mean other rows within a release."""
_RELEASE = version("lacustre")


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

    `paths` are the JSON paths that the view reads, `hash` identifies the definition, the FHIR release, the compiler's
    version and whether the table holds contained resources, whatever else it holds. `warnings` name what is legal but
    most likely not meant. With `misfits` the rows have `lake_misfits`, the names of columns whose value did not fit
    (see `views.misfits`).
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
    typing: Typing = SPEC
    misfits: bool = False

    @property
    def depends_on_clock(self) -> bool:
        """Whether a row may be another tomorrow, from the same data."""
        return any(warning.code == CLOCK_WARNING for warning in self.warnings)


def compile_view(
    view: ViewDefinition,
    model: FhirModel,
    shape: Shape,
    *,
    lineage: bool = False,
    typing: Typing = SPEC,
    schema: str = "fhir",
) -> CompiledView:
    """The SQL of a view over `<schema>."<Type>"` of a shape; an empty shape stands for a table that is not there.

    With `lineage` three columns follow the view's own, `lake_resource`, `lake_patient_key` and `lake_source`, and
    where values may not fit the type of their column, `lake_misfits`. `typing` is what the view itself leaves open.
    Raises ViewDefinitionError with every fault of the view.
    """
    try:
        bound = check_view(view, model, typing)
        plan = plan_view(bound, shape)
        misfits = lineage and any(may_misfit(column.value.type, column.sql) for column in bound.every_column())
        tree = build_statement(plan, lineage=lineage, misfits=misfits, schema=schema)
        statement = tree.sql(dialect="duckdb", pretty=True)
    except RecursionError:
        raise _too_deep(view) from None
    except TooManyLevelsError:
        message = f"the paths of repeat lead to more than {MAX_LEVELS} places of the table"
        fault = Diagnostic("repeat_too_large", message, "/select", hint="name fewer paths")
        raise ViewDefinitionError([fault], view.source) from None
    return CompiledView(
        name=view.name,
        resource=view.resource,
        sql=statement,
        columns=tuple(
            OutputColumn(
                column.name,
                column.type,
                column.sql_type,
                column.collection,
                column.description,
                column.tags,
            )
            for column in bound.output()
        ),
        paths=required_paths(bound),
        hash=_hash(view, model, bound.typing, lineage=lineage, contained=CONTAINED in shape),
        warnings=bound.warnings,
        ir=bound,
        plan=plan,
        typing=bound.typing,
        misfits=misfits,
    )


def check_view(view: ViewDefinition, model: FhirModel, typing: Typing = SPEC) -> BoundView:
    """The view with the FHIR types of its paths; raises ViewDefinitionError with every fault of the view."""
    try:
        return bind_view(view, model, typing)
    except RecursionError:
        raise _too_deep(view) from None


def _too_deep(view: ViewDefinition) -> ViewDefinitionError:
    fault = Diagnostic("view_too_deep", "the view and its expressions are nested too deeply", "/select")
    return ViewDefinitionError([fault], view.source)


def _hash(view: ViewDefinition, model: FhirModel, typing: Typing, *, lineage: bool, contained: bool) -> str:
    chosen = (str(lineage), str(contained), typing.mode, typing.partial)
    identity = "\n".join((_RELEASE, COMPILER_VERSION, model.version, *chosen, view.definition))
    return hashlib.sha256(identity.encode()).hexdigest()

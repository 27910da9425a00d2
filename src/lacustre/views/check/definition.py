"""A definition against the specification: what the compiler finds, and what is legal and most likely not meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lacustre.errors import Diagnostic, ViewDefinitionError
from lacustre.fhir.model import RELEASES, FhirModel, load_model
from lacustre.fhir.shape import Shape
from lacustre.fhirpath import ast
from lacustre.views.check.expressions import BoundExpression, bound_expressions, nodes, written_expressions
from lacustre.views.check.findings import Findings
from lacustre.views.check.keywords import is_reserved
from lacustre.views.check.profiles import check_profiles
from lacustre.views.compile import CompiledView, compile_view
from lacustre.views.definition import ViewDefinition
from lacustre.views.model import parse_view
from lacustre.views.types import SPEC, UNKNOWN, Typing, kind_of
from lacustre.views.view_source import ViewSource

_IDENTITY = {
    "url": "others refer to a view by its url: a query, a server, a report",
    "name": "tables are named after it: without it, the view is built as `view`",
    "status": "the specification wants one of draft, active, retired, unknown",
}


ShapeFor: TypeAlias = Callable[[ViewDefinition], Shape]
"""The shape of what a view reads, an empty one where there is no table; may raise ViewDefinitionError."""


@dataclass(frozen=True, slots=True)
class CheckedDefinition:
    """A definition and what its text alone says; `compiled` is None where it does not compile.

    `expressions` are those of the compiled view.
    """

    source: ViewSource
    findings: Findings
    view: ViewDefinition | None = None
    compiled: CompiledView | None = None
    expressions: tuple[BoundExpression, ...] = ()


def model_of(document: Mapping[str, object]) -> FhirModel:
    """The FHIR release that a definition names first, of those that are known; the default one where there is none."""
    versions = document.get("fhirVersion")
    named = [name for name in versions if isinstance(name, str)] if isinstance(versions, list) else []
    known = [name for name in named if name.strip().upper() in RELEASES]
    return load_model(*known[:1])


def resource_of(document: Mapping[str, object]) -> str:
    """The resource type that a definition names, or an empty string."""
    resource = document.get("resource")
    return resource if isinstance(resource, str) else ""


def check_definition(
    source: ViewSource, model: FhirModel, shape_for: ShapeFor, typing: Typing = SPEC
) -> CheckedDefinition:
    """Everything that can be said of a definition over the table that it reads."""
    findings = Findings(source)
    findings.add("note", *_missing_identity(source.document))
    try:
        view = parse_view(source.document, source.path)
    except ViewDefinitionError as error:
        findings.add("error", *error.diagnostics)
        return CheckedDefinition(source, findings)
    findings.add("warning", *_unused_constants(view))
    findings.add("note", *_reserved_names(view))
    for level, diagnostic in check_profiles(source.document, view):
        findings.add(level, diagnostic)
    try:
        compiled = compile_view(view, model, shape_for(view), lineage=True, typing=typing)
    except ViewDefinitionError as error:
        findings.add("error", *error.diagnostics)
        return CheckedDefinition(source, findings, view)
    findings.add("warning", *compiled.warnings)
    expressions = tuple(bound_expressions(view, compiled.ir))
    findings.add("note", *_wider_types(expressions))
    return CheckedDefinition(source, findings, view, compiled, expressions)


def _missing_identity(document: Mapping[str, object]) -> Iterator[Diagnostic]:
    for member, hint in _IDENTITY.items():
        if not document.get(member):
            yield Diagnostic(f"view_{member}_missing", f"the view has no {member}", hint=hint)


def _unused_constants(view: ViewDefinition) -> Iterator[Diagnostic]:
    trees = (path.tree for path in written_expressions(view))
    used = {node.name for tree in trees for node in nodes(tree) if isinstance(node, ast.Constant)}
    for constant in view.constants:
        if constant.name not in used:
            message = f"no expression uses the constant %{constant.name}"
            yield Diagnostic("constant_unused", message, f"{constant.pointer}/name", hint="remove it, or use it")


def _reserved_names(view: ViewDefinition) -> Iterator[Diagnostic]:
    named = [(column.name, f"{column.pointer}/name") for column in view.output()]
    for name, pointer in [(view.name, "/name"), *named]:
        if is_reserved(name):
            message = f"{name} is a word of SQL: a query has to quote it"
            yield Diagnostic("name_reserved", message, pointer, hint=f'"{name}", or another name')


def _wider_types(expressions: tuple[BoundExpression, ...]) -> Iterator[Diagnostic]:
    for expression in expressions:
        if expression.column is None:
            continue
        column, bound = expression.column
        found = bound.value.type
        if column.type is not None and found != UNKNOWN and kind_of(found) != kind_of(column.type):
            message = f"{column.name} is declared {column.type}, its path yields {found}"
            yield Diagnostic("type_wider", message, f"{column.pointer}/type", hint=f"declare {found}")

"""What a definition claims in `meta.profile`, held against what it is (SQL on FHIR 3.0.0-ballot, profiles).

Where the specification contradicts itself we read it so: the Shareable list of operators means all six comparisons and
boolean literals as well, which its tests use; the Tabular list of primitive types means all of them, `date` and `uri`
included, and a column without a type has that of its path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lacustre.errors import Diagnostic
from lacustre.fhirpath import ast
from lacustre.views.check.expressions import columns_of, nodes, written_expressions
from lacustre.views.check.findings import Level
from lacustre.views.definition import FhirPath, ViewDefinition
from lacustre.views.types import kind_of

_PLACES = (
    "http://hl7.org/fhir/uv/sql-on-fhir/StructureDefinition/",
    "https://sql-on-fhir.org/ig/StructureDefinition/",
)
_SHAREABLE_FUNCTIONS = frozenset(
    {"where", "exists", "empty", "extension", "ofType", "first", "not", "getResourceKey", "getReferenceKey"}
)
_EXPERIMENTAL_FUNCTIONS = frozenset({"join", "lowBoundary", "highBoundary"})
_SHAREABLE_OPERATORS = frozenset(["and", "or", "+", "-", "*", "/", "=", "!=", ">", ">=", "<", "<="])
_SHAREABLE_LITERALS = frozenset({"string", "integer", "decimal", "boolean"})

Claim = tuple[Level, Diagnostic]


def check_profiles(document: Mapping[str, object], view: ViewDefinition) -> Iterator[Claim]:
    """What a definition lacks of the profiles that it claims; what it claims of others is not looked at."""
    claims = set(_claims(document))
    if "ShareableViewDefinition" in claims:
        yield from _check_shareable(document, view)
    if "TabularViewDefinition" in claims:
        yield from _check_tabular(view)


def _claims(document: Mapping[str, object]) -> Iterator[str]:
    meta = document.get("meta")
    profiles = meta.get("profile") if isinstance(meta, Mapping) else None
    for profile in profiles if isinstance(profiles, list) else ():
        for place in _PLACES:
            if isinstance(profile, str) and profile.startswith(place):
                yield profile.removeprefix(place).partition("|")[0]


def _check_shareable(document: Mapping[str, object], view: ViewDefinition) -> Iterator[Claim]:
    for member in ("url", "name", "fhirVersion"):
        if not document.get(member):
            message = f"a shareable view has a {member}"
            yield "error", Diagnostic("shareable_member_missing", message, "/meta/profile", hint="add it")
    for column in columns_of(view):
        if column.type is None:
            message = f"a column of a shareable view has a type: {column.name} has none"
            yield "error", Diagnostic("shareable_type_missing", message, column.pointer, hint="add its type")
    for path in written_expressions(view):
        for node in nodes(path.tree):
            yield from _check_shareable_node(path, node)


def _check_shareable_node(path: FhirPath, node: ast.Expression) -> Iterator[Claim]:
    """What is beyond the part of FHIRPath that every runner of shareable views has."""
    code, where = "shareable_expression", "not every runner of shareable views has it"
    match node:
        case ast.Call(name=name) if name in _EXPERIMENTAL_FUNCTIONS:
            message = f"{name}() is experimental in the specification"
            yield "note", path.fault("shareable_experimental", message, node.name_span, where)
        case ast.Call(name=name) if name not in _SHAREABLE_FUNCTIONS:
            yield "warning", path.fault(code, f"{name}() is beyond the shareable functions", node.name_span, where)
        case ast.Binary(operator=operator) if operator not in _SHAREABLE_OPERATORS:
            message = f"`{operator}` is beyond the shareable operators"
            yield "warning", path.fault(code, message, node.operator_span, where)
        case ast.Chain(operator=operator) if operator not in _SHAREABLE_OPERATORS:
            yield "warning", path.fault(code, f"`{operator}` is beyond the shareable operators", node.span, where)
        case ast.TypeTest(operator=operator):
            message = f"`{operator}` is beyond the shareable operators"
            yield "warning", path.fault(code, message, node.type_span, "write ofType(…)" if operator == "as" else where)
        case ast.Literal(kind=kind) if kind not in _SHAREABLE_LITERALS:
            message = f"a {kind} literal is beyond the shareable literals"
            yield "warning", path.fault(code, message, node.span, "define a constant")
        case ast.Quantity() | ast.EmptySet():
            yield "warning", path.fault(code, "this literal is beyond the shareable literals", node.span, where)
        case _:
            pass


def _check_tabular(view: ViewDefinition) -> Iterator[Claim]:
    for column in columns_of(view):
        if column.collection:
            message = f"a tabular view has no collections: {column.name} is one"
            hint = "take first() or join(), or give each item a row with forEach"
            yield "error", Diagnostic("tabular_collection", message, f"{column.pointer}/collection", hint=hint)
        if column.type is not None and kind_of(column.type) == "complex":
            message = f"a tabular view has primitive columns only: {column.name} is a {column.type}"
            yield "error", Diagnostic("tabular_complex", message, f"{column.pointer}/type", hint="select its elements")

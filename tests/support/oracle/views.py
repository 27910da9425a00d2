"""The view algorithm of SQL on FHIR (ViewDefinition, "Processing Algorithm"), over one resource at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import Any, TypeAlias

from lacustre.fhir.model import FhirModel, load_model
from support.fhir_json import Lexeme
from support.oracle.fhirpath import check, evaluate, possible_truths, truth
from support.oracle.nodes import Node, Nodes, Scope, of_row, with_row_index
from support.oracle.parser import OracleError, Tree, Variable, parse, walk

Row: TypeAlias = dict[str, Any]
Select: TypeAlias = Mapping[str, Any]

ITERATIONS = ("forEach", "forEachOrNull", "repeat")
SQL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
CONSTANT_TYPES = {
    "Base64Binary", "Boolean", "Canonical", "Code", "Date", "DateTime", "Decimal", "Id", "Instant", "Integer",
    "Integer64", "Oid", "String", "PositiveInt", "Time", "UnsignedInt", "Uri", "Url", "Uuid",
}  # fmt: skip

parse_cached = lru_cache(maxsize=4096)(parse)


@dataclass(frozen=True)
class Table:
    """What a view gives: the names of its columns in order, and its rows in no promised order."""

    columns: tuple[str, ...]
    rows: list[Row]


def evaluate_view(
    view: Mapping[str, Any],
    resources: Iterable[Mapping[str, Any]],
    model: FhirModel | None = None,
    zone: tzinfo = UTC,
    lazy: bool = False,
) -> Table:
    """The rows of a view over parsed resources (`support.fhir_json.loads`, or numbers as Decimal).

    Values are bool, int, str, Lexeme (a decimal that was only read), Decimal (a computed one), JSON objects
    for complex values, None, and lists of these for collections. `zone` is where times without an offset are.
    Raises OracleError where the view is wrong or cannot be evaluated on one of the resources; with `lazy` only
    where a row depends on what cannot be evaluated.
    """
    model = model or load_model()
    constants = read_constants(view)
    validate(view, set(constants), model)
    scope = with_row_index(Scope(model, constants, zone, lazy=lazy), 0)
    nodes = [Node(r, view["resource"]) for r in resources if r.get("resourceType") == view["resource"]]
    rows = [row for node in nodes for row in resource_rows(view, node, of_row(scope, node))]
    for fault in (value for row in rows for value in row.values() if isinstance(value, OracleError)):
        raise fault
    return Table(tuple(view_columns(view)), rows)


def read_constants(view: Mapping[str, Any]) -> dict[str, Node]:
    found = {}
    for constant in view.get("constant") or ():
        values = [key for key in constant if key.startswith("value")]
        if len(values) != 1 or values[0].removeprefix("value") not in CONSTANT_TYPES:
            raise OracleError("a constant needs one value of a primitive type")
        type_ = values[0].removeprefix("value")
        found[f"%{sql_name(constant.get('name'))}"] = Node(constant[values[0]], type_[0].lower() + type_[1:])
    return found


# Validation


def validate(view: Mapping[str, Any], constants: set[str], model: FhirModel) -> None:
    if view.get("resource") not in model.resource_types:
        raise OracleError("a view needs a resource type")
    defined = {"$this", "%rowIndex", *constants}
    for criterion in view.get("where") or ():
        validate_expression(criterion.get("path"), defined)
    names = list(view_columns(view))
    if len(set(names)) != len(names):
        raise OracleError("column names must be unique")
    for select in view["select"]:
        validate_select(select, defined)


def view_columns(view: Mapping[str, Any]) -> Iterator[str]:
    selects = view.get("select")
    if not isinstance(selects, list) or not selects:
        raise OracleError("a view needs a select")
    for select in selects:
        yield from select_columns(select)


def validate_select(select: Select, defined: set[str]) -> None:
    if sum(key in select for key in ITERATIONS) > 1:
        raise OracleError("at most one of forEach, forEachOrNull and repeat")
    repeat = select.get("repeat", [])
    if not isinstance(repeat, list):
        raise OracleError("repeat must be a list")
    paths = [select[key] for key in ("forEach", "forEachOrNull") if key in select] + repeat
    for path in paths + [column.get("path") for column in select.get("column") or ()]:
        validate_expression(path, defined)
    for nested in (*(select.get("select") or ()), *(select.get("unionAll") or ())):
        validate_select(nested, defined)


def validate_expression(path: object, defined: set[str]) -> None:
    for part in walk(parse(path)):
        check(part, defined)


def select_columns(select: Select) -> list[str]:
    """Column names in order: own columns, nested selects, then those of unionAll's branches, which agree."""
    names = [sql_name(column.get("name")) for column in select.get("column") or ()]
    names += [name for nested in select.get("select") or () for name in select_columns(nested)]
    branches = [select_columns(branch) for branch in select.get("unionAll") or ()]
    if any(branch != branches[0] for branch in branches):
        raise OracleError("the branches of a unionAll must have the same columns in the same order")
    return names + (branches[0] if branches else [])


def sql_name(name: object) -> str:
    if not isinstance(name, str) or not SQL_NAME.fullmatch(name):
        raise OracleError(f"{name!r} is not a valid name")
    return name


# Rows


def resource_rows(view: Mapping[str, Any], node: Node, scope: Scope) -> list[Row]:
    if not scope.lazy:
        rows = view_rows(view, node, scope)  # a database may look for its rows before it leaves some out
        return rows if passes(view, node, scope) else []
    try:
        return view_rows(view, node, scope) if passes(view, node, scope) else []
    except OracleError as fault:
        return [dict.fromkeys(row, fault) for row in view_rows(view, node, scope)]


def passes(view: Mapping[str, Any], node: Node, scope: Scope) -> bool:
    criteria = [parse_cached(criterion["path"]) for criterion in view.get("where") or ()]
    if scope.lazy and any(True not in possible_truths(criterion, [node], scope) for criterion in criteria):
        return False
    truths = [truth(evaluate(criterion, [node], scope)) for criterion in criteria]
    return all(truths)


def view_rows(view: Mapping[str, Any], node: Node, scope: Scope) -> list[Row]:
    return merge([select_rows(select, node, scope) for select in view["select"]])


def select_rows(select: Select, node: Node, scope: Scope) -> list[Row]:
    """The rows of a select; a lazy scope puts faults in the place of values."""
    try:
        foci = select_foci(select, node, scope)
    except OracleError as fault:
        if not scope.lazy:
            raise
        return [dict.fromkeys(select_columns(select), fault)]
    if foci is None:
        return focus_rows(select, node, scope)
    if not foci and "forEachOrNull" in select:
        return [null_row(select)]
    return [row for i, focus in enumerate(foci) for row in focus_rows(select, focus, with_row_index(scope, i))]


def select_foci(select: Select, node: Node, scope: Scope) -> Nodes | None:
    """The nodes that a select iterates over; None where it does not iterate."""
    for key in ("forEach", "forEachOrNull"):
        if key in select:
            return evaluate(parse_cached(select[key]), [node], scope)
    if "repeat" in select:
        paths = [parse_cached(path) for path in select["repeat"]]
        return list(traverse(node, paths, replace(scope, lenient=True)))
    return None


def traverse(node: Node, paths: Sequence[Tree], scope: Scope) -> Iterator[Node]:
    """Depth first, a node before its descendants, the starting node left out, only objects."""
    for path in paths:
        for child in evaluate(path, [node], scope):
            if isinstance(child.value, Mapping):
                yield child
                yield from traverse(child, paths, scope)


def focus_rows(select: Select, focus: Node, scope: Scope) -> list[Row]:
    parts = [[{c["name"]: cell(c, focus, scope) for c in select.get("column") or ()}]]
    parts += [select_rows(nested, focus, scope) for nested in select.get("select") or ()]
    if select.get("unionAll"):
        parts.append([row for branch in select["unionAll"] for row in select_rows(branch, focus, scope)])
    return merge(parts)


def merge(parts: Sequence[list[Row]]) -> list[Row]:
    """The Cartesian product of the parts, each combination as one row."""
    return [{name: value for row in rows for name, value in row.items()} for rows in product(*parts)]


def null_row(select: Select) -> Row:
    row = {c["name"]: null_value(c) for c in select.get("column") or ()}
    for nested in (*(select.get("select") or ()), *(select.get("unionAll") or ())[:1]):
        row |= null_row(nested)
    return row


def null_value(column: Mapping[str, Any]) -> Any:
    """Null, but for a column that is the row's index: 0, which as a collection is a list of one."""
    if parse_cached(column["path"]) != Variable("%rowIndex"):
        return None
    return [0] if column.get("collection") else 0


def cell(column: Mapping[str, Any], focus: Node, scope: Scope) -> Any:
    try:
        return column_value(column, focus, scope)
    except OracleError as fault:
        if not scope.lazy:
            raise
        return fault


def column_value(column: Mapping[str, Any], focus: Node, scope: Scope) -> Any:
    nodes = evaluate(parse_cached(column["path"]), [focus], scope)
    values = [output(node) for node in nodes if node.value is not None]
    if column.get("collection"):
        return values
    if len(values) > 1:
        raise OracleError(f"column {column['name']} has {len(values)} values and is no collection")
    return values[0] if values else None


def output(node: Node) -> Any:
    """A value as it leaves the view: a decimal that JSON wrote as an integer is still a decimal."""
    if node.type == "decimal" and isinstance(node.value, int):
        return Lexeme(str(node.value))
    if node.type == "System.Decimal":
        return Decimal(node.value)
    return node.value

"""The SQL of an SQLQuery or SQLView before it runs: one statement, a query, of its own tables only.

What a query may do is listed, not what it may not: kinds of nodes, table functions. DuckDB's own parser gives the
tree, so that nothing is read one way here and another way when it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from lacustre.errors import Diagnostic, SqlLibraryError, near
from lacustre.query.library import SqlLibrary, Variant
from lacustre.query.placeholders import Placed, place_parameters
from lacustre.query.sql_parser import fault_at

TABLE_FUNCTIONS = frozenset({"generate_series", "json_each", "json_tree", "range", "unnest"})
"""What may stand for a table beside the labels: functions of their arguments alone."""

_SETTINGS = ("getenv", "getvariable", "in_search_path", "stats", "vector_type", "which_secret", "write_log")
_SEQUENCES = ("currval", "nextval", "setseed", "setval")
_SQL_IN_TEXT = ("json_execute_serialized_sql", "json_serialize_plan", "json_serialize_sql", "query", "query_table")
_OTHERS = ("error", "index_key", "json_deserialize_sql", "parse_duckdb_log_message", "sleep_ms")
_MACROS = ("assert_true", "format_type", "get_block_size")
REFUSED_FUNCTIONS = frozenset((*_SETTINGS, *_SEQUENCES, *_SQL_IN_TEXT, *_OTHERS, *_MACROS))
"""Functions that reach beyond their arguments: into settings, sequences, catalogues, logs, errors, or SQL in a text."""

REFUSED_PREFIXES = ("__internal_", "current_", "duckdb_", "has_", "inet_", "pg_", "pragma_", "read_")
_CLOCK = ("current_date", "current_localtime", "current_localtimestamp", "current_time", "current_timestamp")
_PURE = frozenset((*_CLOCK, "pg_typeof"))
_QUERIES = ("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE")
_SOURCES = ("BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY", "TABLE_FUNCTION")
_MODIFIERS = ("DISTINCT_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER")
_ORDERS = ("ASCENDING", "DESCENDING", "ORDER_DEFAULT")
_NODES = frozenset((*_QUERIES, *_SOURCES, *_MODIFIERS, *_ORDERS))


@dataclass(frozen=True, slots=True)
class Statement:
    """Checked SQL with DuckDB's parameters, its tree, and the labels that it reads, with how often."""

    sql: str
    tree: Mapping[str, Any]
    tables: Mapping[str, int]


def read_statement(library: SqlLibrary) -> Statement:
    """The SQL of a Library for DuckDB, checked.

    Raises SqlLibraryError with every fault, where it shows in the SQL.
    """
    variant = library.variant()
    declared = [parameter.name for parameter in library.parameters]
    labels = {dependency.label.casefold(): dependency.label for dependency in library.dependencies}
    placed = place_parameters(variant.sql, declared)
    walk = _Walk(variant.sql.encode(errors="replace"), labels)
    walk.check(placed.parsed.statements)
    faults = [*placed.faults, *_refusals(placed, variant.sql), *walk.faults, *_unused(library, placed)]
    if faults:
        faults.sort(key=lambda fault: (fault.expression is None, fault.start))
        raise SqlLibraryError(faults, _source(library, variant))
    return Statement(placed.sql, placed.parsed.statements[0], walk.tables)


def _source(library: SqlLibrary, variant: Variant) -> str:
    place = f" at {variant.pointer}" if len(library.variants) > 1 else ""
    return f"{library.source}, SQL of {library.name}{place}"


def _unused(library: SqlLibrary, placed: Placed) -> Iterator[Diagnostic]:
    """A value that has no effect looks as if it had one."""
    for parameter in library.parameters:
        if parameter.name not in placed.used and placed.parsed.statements:
            message = f"the parameter {parameter.name} is declared, and no :{parameter.name} is in the SQL"
            yield Diagnostic("parameter_unused", message, hint="use it, or remove the declaration")


def _refusals(placed: Placed, sql: str) -> list[Diagnostic]:
    if placed.parsed.statements or (placed.faults and placed.parsed.error == "unread"):
        return []
    return [_refusal(placed, sql.encode(errors="replace"))]


def _refusal(placed: Placed, data: bytes) -> Diagnostic:
    """The fault of a text that DuckDB does not parse, or that is no query."""
    parsed = placed.parsed
    if parsed.error == "unreadable":
        return Diagnostic("sql_syntax", "the SQL cannot be read: it is nested too deeply, or is no text")
    if parsed.error != "not implemented":
        message = parsed.message or "there is no statement"
        hint = "a placeholder is :name where a value stands; write (:name) where a unit or type is before or after"
        return fault_at("sql_syntax", message, data, parsed.position, hint if b":" in data else None)
    try:
        statements = duckdb.extract_statements(placed.sql)
    except duckdb.Error:
        statements = []
    if len(statements) > 1:
        return Diagnostic("several_statements", f"there are {len(statements)} statements", hint="write one SELECT")
    kind = statements[0].type.name if statements else "this"
    hint = "name the values of a PIVOT with IN" if kind == "MULTI" else "write a SELECT"
    return Diagnostic("not_a_query", f"{kind} is not a query", hint=hint)


class _Walk:
    """Goes through every node of the trees, wherever it stands."""

    def __init__(self, data: bytes, labels: Mapping[str, str]) -> None:
        self.faults: list[Diagnostic] = []
        self.tables: Counter[str] = Counter()
        self._data = data
        self._labels = labels
        self._of_tables: set[int] = set()

    def check(self, statements: Collection[Mapping[str, Any]]) -> None:
        if len(statements) > 1:
            self._fault("several_statements", f"there are {len(statements)} statements", {}, "write one SELECT")
        for node, named in _nodes(statements):
            self._check(node, named)

    def _fault(self, code: str, message: str, node: Mapping[str, Any], hint: str | None = None) -> None:
        fault = fault_at(code, message, self._data, node.get("query_location"), hint)
        if fault not in self.faults:
            self.faults.append(fault)

    def _check(self, node: Mapping[str, Any], named: frozenset[str]) -> None:
        kind = node.get("type")
        if "function_name" in node and id(node) not in self._of_tables:
            self._check_function(node)
        if "class" in node or not isinstance(kind, str):
            return
        if kind not in _NODES:
            what = kind.removesuffix("_NODE").removesuffix("_QUERY").removesuffix("_REF").replace("_", " ")
            self._fault("not_a_query", f"{what} is not part of a query", node, "write a SELECT")
        elif kind == "BASE_TABLE":
            self._check_table(node, named)
        elif kind == "TABLE_FUNCTION":
            self._check_table_function(node)

    def _check_table(self, node: Mapping[str, Any], named: frozenset[str]) -> None:
        name = node["table_name"]
        qualified = ".".join(part for part in (node["catalog_name"], node["schema_name"], name) if part)
        key = name.casefold()
        if node.get("at_clause") is not None:
            self._fault("not_a_query", "AT is not part of a query", node)
        if qualified == name and key in named:
            return
        if qualified == name and key in self._labels:
            self.tables[self._labels[key]] += 1
            return
        labels = sorted(self._labels.values())
        hint = near(name, labels) or f"its tables are those of its dependencies: {', '.join(labels) or 'none'}"
        self._fault("table_unknown", f"no dependency is labelled {qualified}", node, hint)

    def _check_table_function(self, node: Mapping[str, Any]) -> None:
        function = node.get("function") or {}
        name = str(function.get("function_name", "this")).casefold()
        self._of_tables.add(id(function))
        if name not in TABLE_FUNCTIONS:
            hint = f"its tables are those of its dependencies, and {', '.join(sorted(TABLE_FUNCTIONS))}"
            self._fault("function_refused", f"a query does not read from {name}", function or node, hint)

    def _check_function(self, node: Mapping[str, Any]) -> None:
        name = str(node["function_name"]).casefold()
        refused = name in REFUSED_FUNCTIONS or name.startswith(REFUSED_PREFIXES)
        if refused and name not in _PURE:
            self._fault("function_refused", f"a query does not call {name}", node, "it reaches beyond its arguments")


def _nodes(tree: object) -> Iterator[tuple[Mapping[str, Any], frozenset[str]]]:
    """Every object in a tree, with the names that the WITH clauses around it give to tables there.

    Such a name holds in the clauses after it, in what they stand before, and, of a recursive one, in its second part.
    """
    waiting: list[tuple[object, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, named = waiting.pop()
        if isinstance(node, list | tuple):
            waiting.extend((item, named) for item in reversed(node))
        elif isinstance(node, Mapping):
            for entry in _ctes(node):
                waiting.append((entry["value"], named))
                named |= {entry["key"].casefold()}
            yield node, named
            recursive = {str(node["cte_name"]).casefold()} if node.get("type") == "RECURSIVE_CTE_NODE" else set()
            for key, value in node.items():
                if key != "cte_map":
                    waiting.append((value, named | recursive if key == "right" else named))


def _ctes(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = node.get("cte_map")
    return found["map"] if isinstance(found, Mapping) else []

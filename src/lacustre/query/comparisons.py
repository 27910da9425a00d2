"""Text that is compared with a number: DuckDB's `=` and `IN` cast the text, and round it.

`value_quantity = :n` with the integer 7 holds for the text '7.449', silently; `<` and `COALESCE` refuse such a pair. So
every `=`, `<>`, `IN`, `IS DISTINCT FROM` and `nullif` with a parameter in it is bound once more as a `COALESCE` of its
sides. So are those of two columns, since a column may be a parameter's: `WITH p AS (SELECT :n AS n)`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import duckdb

from lacustre.errors import InputError
from lacustre.query.sql_parser import deparse

_EQUALITIES = frozenset(
    {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM", "COMPARE_IN"}
)
_VARYING = frozenset({"COLUMN_REF", "PARAMETER", "SUBQUERY"})
"""The classes of nodes without which an expression is a literal."""
_MIXED = re.compile(r"Cannot mix values of type (.+?) and (.+?) in COALESCE")
_NUMERIC = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|DECIMAL|DOUBLE|FLOAT")
_TEXT = "VARCHAR"


def refuse_mixed(
    connection: duckdb.DuckDBPyConnection, tree: Mapping[str, Any], values: Mapping[str, object], name: str
) -> None:
    """Raise InputError where a comparison for equality, in a query with parameters, has text on one side alone.

    Comparisons with literals are left as they are written.
    """
    try:
        probe = _probed(tree)
        if values and "OPERATOR_COALESCE" in json.dumps(probe):
            connection.sql(deparse(probe), params=dict(values))
    except RecursionError:
        raise InputError("sql_too_deep", f"{name}: the SQL is nested too deeply to be checked") from None
    except duckdb.Error as error:
        mixed = _MIXED.search(str(error))
        others = [kind for kind in mixed.groups() if _TEXT not in kind] if mixed else []
        if len(others) == 1:
            (other,) = others
            message = f"{name}: text is compared with a value of type {other}, and would be rounded to it"
            raise InputError("text_compared", message, f"write TRY_CAST(column AS {_wide(other)})") from None


def _wide(kind: str) -> str:
    """A type that text can be cast to without being rounded to the value that it is compared with."""
    return "DECIMAL(18, 6)" if _NUMERIC.match(kind) else kind


def _probed(node: Any) -> Any:
    """The tree with strict comparisons; the errors of what else it may change are of no interest."""
    if isinstance(node, list):
        return [_probed(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: _probed(value) for name, value in node.items()}
    kind = node.get("type")  # an object where the node is a value
    nullif = str(node.get("function_name")).casefold() == "nullif"
    if not nullif and not (isinstance(kind, str) and kind in _EQUALITIES):
        return made
    sides = _sides(made)
    if sum(_has(side, _VARYING) for side in sides) < 2 and not _has(node, {"PARAMETER"}):
        return made
    place = {name: made[name] for name in ("query_location", "query_location_length")}
    alias = made["alias"] if nullif else ""
    both = {"class": "OPERATOR", "type": "OPERATOR_COALESCE", "alias": alias, **place, "children": sides}
    if nullif:
        return both
    return {"class": "OPERATOR", "type": "OPERATOR_IS_NULL", "alias": made["alias"], **place, "children": [both]}


def _sides(node: Mapping[str, Any]) -> list[Any]:
    if "arguments" in node:
        return [argument["expression"] for argument in node["arguments"]]
    return list(node["children"]) if "children" in node else [node["left"], node["right"]]


def _has(node: Any, classes: Collection[str]) -> bool:
    if isinstance(node, dict):
        return node.get("class") in classes or any(_has(value, classes) for value in node.values())
    return isinstance(node, list) and any(_has(item, classes) for item in node)

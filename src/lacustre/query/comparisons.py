"""Text that is compared with a number: DuckDB's `=` and `IN` cast the text, and round it.

`value_quantity = :n` with the integer 7 holds for the text '7.449', silently; `<` and `COALESCE` refuse such a pair. So
every `=`, `<>`, `IN` and `IS DISTINCT FROM` with a parameter in it is bound once more as a `COALESCE` of its sides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import duckdb

from lacustre.errors import InputError
from lacustre.query.sql_parser import deparse

_EQUALITIES = frozenset(
    {"COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM", "COMPARE_IN"}
)
_MIXED = re.compile(r"Cannot mix values of type (.+?) and (.+?) in COALESCE")
_TEXT = "VARCHAR"


def refuse_mixed(
    connection: duckdb.DuckDBPyConnection, tree: Mapping[str, Any], values: Mapping[str, object], name: str
) -> None:
    """Raise InputError where a parameter's comparison for equality has text on one side, and none on the other."""
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
            message = f"{name}: text is compared with a parameter of type {other}, and would be rounded to it"
            raise InputError("text_compared", message, f"TRY_CAST(column AS {other}) says what is meant") from None


def _probed(node: Any) -> Any:
    """The tree with strict comparisons; the errors of what else it may change are of no interest."""
    if isinstance(node, list):
        return [_probed(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {name: _probed(value) for name, value in node.items()}
    if node.get("type") not in _EQUALITIES or not _has_parameter(node):
        return made
    sides = made["children"] if "children" in made else [made["left"], made["right"]]
    place = {name: made[name] for name in ("query_location", "query_location_length")}
    both = {"class": "OPERATOR", "type": "OPERATOR_COALESCE", "alias": "", **place, "children": sides}
    return {"class": "OPERATOR", "type": "OPERATOR_IS_NULL", "alias": made["alias"], **place, "children": [both]}


def _has_parameter(node: Any) -> bool:
    if isinstance(node, dict):
        return node.get("class") == "PARAMETER" or any(map(_has_parameter, node.values()))
    return isinstance(node, list) and any(map(_has_parameter, node))

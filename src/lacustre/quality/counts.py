"""What expectations need to know of a view, counted by DuckDB.

Great Expectations asks for numbers by name ("metrics"): how many rows, how many nulls, how many values out of a
set. Here each of these names is SQL. Counts are all that leaves the database: no value of a row can reach a result,
a page or a log, and the memory needed does not grow with the view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb

from lacustre.errors import SettingsError
from lacustre.store.scan import sql_name, sql_text

Arguments = Mapping[str, Any]
Metric = tuple[str, Arguments]

UNEXPECTED = ".unexpected_count"
MACROS = """
CREATE OR REPLACE TEMP MACRO known_part(a, b) AS left(a, least(length(a), length(b), 10));
CREATE OR REPLACE TEMP MACRO is_before(a, b) AS
    CASE WHEN length(a) > 10 AND length(b) > 10 THEN TRY_CAST(a AS TIMESTAMPTZ) < TRY_CAST(b AS TIMESTAMPTZ)
         ELSE known_part(a, b) < known_part(b, a) END
"""
"""`is_before` of two FHIR dates: as instants where both have a time, else by the part that both have."""


def count_metrics(connection: duckdb.DuckDBPyConnection, view: str, metrics: Iterable[Metric]) -> list[float | None]:
    """The value of each metric over the view.

    Raises SettingsError for a metric that is not known here, and duckdb.Error for SQL of a suite that cannot be run.
    """
    connection.execute(MACROS)
    terms = [_term(view, name, arguments) for name, arguments in metrics]
    # the first term makes it one row, also where all others are subqueries
    row = connection.execute(f"SELECT {', '.join(['count(*)', *terms])} FROM {sql_name(view)}").fetchone()
    return list((row or ())[1:])


def _term(view: str, name: str, arguments: Arguments) -> str:
    if name.removesuffix(UNEXPECTED) in _UNEXPECTED_ROWS and name.endswith(UNEXPECTED):
        condition = _UNEXPECTED_ROWS[name.removesuffix(UNEXPECTED)](arguments)
        return f"count(*) FILTER (WHERE {condition})"
    if name not in _NUMBERS:
        known = ", ".join(sorted({*_UNEXPECTED_ROWS, *_NUMBERS}))
        raise SettingsError("unsupported_expectation", f"{name} cannot be counted", f"these can: {known}")
    return _NUMBERS[name](sql_name(view), arguments)


def _column(arguments: Arguments, name: str = "column") -> str:
    return sql_name(arguments[name])


def _not_null(arguments: Arguments) -> str:
    return f"{_column(arguments)} IS NULL"


def _in_set(arguments: Arguments) -> str:
    values = ", ".join(sql_text(str(value)) for value in arguments["value_set"])
    return f"CAST({_column(arguments)} AS VARCHAR) NOT IN ({values})"


def _match_regex(arguments: Arguments) -> str:
    return f"NOT regexp_matches({_column(arguments)}, {sql_text(arguments['regex'])})"


def _between(arguments: Arguments) -> str:
    limits = (("min_value", "<", "strict_min"), ("max_value", ">", "strict_max"))
    outside = [
        _beyond(_column(arguments), arguments[name], sign + "=" * bool(arguments.get(strict)))
        for name, sign, strict in limits
        if arguments.get(name) is not None
    ]
    return " OR ".join(outside)


def _beyond(column: str, limit: Any, sign: str) -> str:
    """Numbers compare as numbers; dates as texts, which is how FHIR writes them."""
    if isinstance(limit, int | float):
        return f"TRY_CAST({column} AS DOUBLE) {sign} {limit}"
    return f"CAST({column} AS VARCHAR) {sign} {sql_text(str(limit))}"


def _a_after_b(arguments: Arguments) -> str:
    later, earlier = _column(arguments, "column_A"), _column(arguments, "column_B")
    wrong = f"is_before({later}, {earlier})"
    return wrong if arguments.get("or_equal") else f"NOT is_before({earlier}, {later})"


def _both_known(_view: str, arguments: Arguments) -> str:
    columns = (_column(arguments, name) for name in ("column_A", "column_B"))
    return f"count(*) FILTER (WHERE {' AND '.join(f'{column} IS NOT NULL' for column in columns)})"


def _repeated(view: str, columns: Iterable[str]) -> str:
    """The rows whose values occur in other rows too."""
    names = [sql_name(column) for column in columns]
    known = " AND ".join(f"{name} IS NOT NULL" for name in names)
    groups = f"SELECT count(*) AS n FROM {view} WHERE {known} GROUP BY {', '.join(names)} HAVING n > 1"
    return f"(SELECT coalesce(sum(n), 0)::BIGINT FROM ({groups}))"


def _rows_of_query(view: str, arguments: Arguments) -> str:
    return f"(SELECT count(*) FROM ({arguments['unexpected_rows_query'].format(batch=view)}))"


_UNEXPECTED_ROWS: dict[str, Callable[[Arguments], str]] = {
    "column_values.nonnull": _not_null,
    "column_values.in_set": _in_set,
    "column_values.match_regex": _match_regex,
    "column_values.between": _between,
    "column_pair_values.a_greater_than_b": _a_after_b,
}
_NUMBERS: dict[str, Callable[[str, Arguments], str]] = {
    "table.row_count": lambda _, __: "count(*)",
    "column.non_null_proportion": lambda _, given: f"count({_column(given)}) / greatest(count(*), 1)",
    "column_values.unique.unexpected_count": lambda view, given: _repeated(view, [given["column"]]),
    "compound_columns.unique.unexpected_count": lambda view, given: _repeated(view, given["column_list"]),
    "column_pair_values.a_greater_than_b.filtered_row_count": _both_known,
    "compound_columns.unique.filtered_row_count": lambda _, __: "count(*)",
    "unexpected_rows_query.row_count": _rows_of_query,
    # the rows themselves, which Great Expectations would ask for: they stay where they are
    "unexpected_rows_query.table": lambda _, __: "NULL",
}

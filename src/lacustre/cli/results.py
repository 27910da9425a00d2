"""Query results on the terminal and in files."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb

from lacustre.cli import output
from lacustre.errors import InputError
from lacustre.query.results import Format, format_of, write_result


def print_relation(relation: duckdb.DuckDBPyRelation, form: Format | str | None, to: Path | None, limit: int) -> None:
    """Write a relation to a file, or print it as a table or as text."""
    try:
        if to is not None:
            rows = write_result(relation, to, _chosen(form, to))
            output.err.print(f"{rows} rows written to {to}")
        elif form is None or form == "table":
            _print_table(relation, limit)
        else:
            _print_text(relation, form)
    except duckdb.Error as error:
        raise InputError("sql_failed", str(error)) from None


def _chosen(form: str | None, to: Path) -> Format:
    if form is None:
        return format_of(to)
    if form == "table":
        raise InputError("unknown_format", "a table is for the terminal", "choose csv, json, ndjson or parquet")
    return form  # type: ignore[return-value]


def _print_table(relation: duckdb.DuckDBPyRelation, limit: int) -> None:
    columns = relation.columns
    rows = relation.limit(limit + 1).fetchall()
    output.table("", columns, rows[:limit])
    if len(rows) > limit:
        output.err.print(f"… the first {limit} rows; --limit shows more, --output writes all", style="dim")
    else:
        output.err.print(f"{len(rows)} row" + ("s" if len(rows) != 1 else ""), style="dim")


def _print_text(relation: duckdb.DuckDBPyRelation, form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"result.{form}"
        write_result(relation, path, form)  # type: ignore[arg-type]
        with path.open("rb") as result:
            while data := result.read(1 << 20):
                sys.stdout.buffer.write(data)

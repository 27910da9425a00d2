"""Query results written out: CSV, JSON, NDJSON, Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import duckdb

from lacustre.errors import InputError
from lacustre.store.scan import PARQUET, sql_text

Format = Literal["csv", "json", "ndjson", "parquet"]
_COPY_OPTIONS: dict[str, str] = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY",
    "ndjson": "FORMAT json",
    "parquet": PARQUET,
}


def format_of(path: Path) -> Format:
    """The format that a file's ending asks for; raises InputError for another ending."""
    for name in ("csv", "json", "ndjson", "parquet"):
        if path.suffix == f".{name}":
            return name
    raise InputError(
        "unknown_format", f"{path.name}: no known format", "end the name in .parquet, .csv, .json or .ndjson"
    )


def require_place(path: Path) -> None:
    """Raise InputError where no file can be: before the work whose result it shall hold."""
    if path.is_dir():
        raise InputError("cannot_write", f"{path} is a folder", "give the name of a file")
    if not path.parent.is_dir():
        raise InputError("cannot_write", f"there is no folder {path.parent}", "create it, or give another one")


def write_result(relation: duckdb.DuckDBPyRelation, path: Path | str, form: Format) -> int:
    """Write a relation to a local file; returns the rows written."""
    written = relation.query("result", f"COPY result TO {sql_text(str(path))} ({_COPY_OPTIONS[form]})")
    return int(written.fetchall()[0][0]) if written is not None else 0

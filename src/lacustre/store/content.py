"""Whether two rows are the same resource, whatever its members' order and white space were.

`lake_hash` tells the same line again. A resource that comes back in another form has another hash; where its version
does not tell either, the two rows are compared by content: typed columns by their values, `lake_rest` as JSON with
members in any order and numbers as text. Only such rows pay for that.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
from duckdb.func import ARROW

from lacustre.store.exact import canonical_json
from lacustre.store.scan import read_parquet, sql_name
from lacustre.store.schema import LAKE_SCHEMA

_REST_SQL = "STRUCT(pointer VARCHAR, json VARCHAR)[]"


def define_canonical_rest(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the SQL function `canonical_rest(lake_rest)`: one text for all spellings of the same content."""
    connection.create_function("canonical_rest", _canonical_rest, [_REST_SQL], "VARCHAR", type=ARROW)


def _canonical_rest(rests: pa.ChunkedArray) -> pa.Array:
    return pa.array(
        ["\n".join(sorted(f"{e['pointer']} {canonical_json(e['json'])}" for e in rest)) for rest in rests.to_pylist()],
        pa.string(),
    )


def content_sql(connection: duckdb.DuckDBPyConnection, uris: list[str], places: str) -> str:
    """SQL of `id` and `content` (a digest) of the rows of some files at `places`, a relation of (file, row).

    All rows to compare come from one relation, since the digest is of all columns that it has.
    """
    rows = read_parquet(uris, filename=True, file_row_number=True)
    names = [name for name, *_ in connection.execute(f"DESCRIBE FROM {rows}").fetchall()]
    lake = {*LAKE_SCHEMA.names, "filename", "file_row_number"}
    columns = ", ".join(sql_name(name) for name in names if name not in lake)
    return (
        f"SELECT id, md5(to_json(row({columns})) || coalesce(canonical_rest(lake_rest), '')) AS content "
        f"FROM {rows} AS candidate SEMI JOIN ({places}) AS place "
        "ON place.file = candidate.filename AND place.row = candidate.file_row_number"
    )

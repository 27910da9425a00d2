"""Whether two rows are the same resource, whatever its members' order and white space were.

`lake_hash` tells the same line again. A resource that comes back in another form has another hash; where its version
does not tell either, the two are compared by content. Only such rows pay for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from lacustre.fhir.model import FhirModel
from lacustre.store.exact import dump_marked, parse_resource
from lacustre.store.export import Restorer
from lacustre.store.scan import read_parquet

BATCH_PAIRS = 5_000


@dataclass(frozen=True, slots=True)
class RowPlace:
    """A row by its file and its number in it, from 0."""

    file: str
    row: int


def same_content(
    connection: duckdb.DuckDBPyConnection, model: FhirModel, resource_type: str, pairs: Mapping[str, Sequence[RowPlace]]
) -> set[str]:
    """The ids of `pairs` whose two rows hold the same resource."""
    same: set[str] = set()
    ids = sorted(pairs)
    restorer = Restorer(model, resource_type)
    for start in range(0, len(ids), BATCH_PAIRS):
        batch = ids[start : start + BATCH_PAIRS]
        sides = [dict(_contents(connection, restorer, [pairs[key][side] for key in batch])) for side in (0, 1)]
        same |= {key for key in batch if sides[0][key] == sides[1][key]}
    return same


def _contents(
    connection: duckdb.DuckDBPyConnection, restorer: Restorer, places: Sequence[RowPlace]
) -> Iterator[tuple[str, bytes]]:
    """The id and the canonical text of each row."""
    wanted = pa.table({"file": [place.file for place in places], "row": [place.row for place in places]})
    connection.register("wanted_rows", wanted)
    files = sorted({place.file for place in places})
    rows = connection.sql(
        f"SELECT * EXCLUDE (filename, file_row_number) FROM {read_parquet(files, filename=True, file_row_number=True)} "
        "AS candidate SEMI JOIN wanted_rows ON file = candidate.filename AND row = candidate.file_row_number"
    ).to_arrow_table()
    connection.unregister("wanted_rows")
    for batch in rows.to_batches():
        for key, line in zip(batch.column("id").to_pylist(), restorer.lines(batch), strict=True):
            yield key, dump_marked(parse_resource(line))

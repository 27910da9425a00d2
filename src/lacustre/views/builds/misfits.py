"""Values that did not fit the SQL type of their column, counted: each is null, or cut, and told of.

The hidden column `lake_misfits` of a built view has, per row, the names of the columns to which it happened:
`onset` for a value that does not fit, `onset:partial` for a partial date under the rule `null`, `onset:cut` for a
time that is there but for what it has beyond the microsecond. A collection has a name for each such item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq

from lacustre.store.scan import sql_name, sql_text
from lacustre.views.duckdb.columns import CUT, MISFITS, PARTIAL


def count_misfits(path: Path) -> Counter[str]:
    """How often each note stands in `lake_misfits` of a local Parquet file; nothing where it has no such column."""
    found: Counter[str] = Counter()
    with pq.ParquetFile(path) as file:
        if MISFITS in file.schema_arrow.names:
            for batch in file.iter_batches(columns=[MISFITS]):
                notes = batch.column(0).flatten().value_counts()
                found.update({note["values"]: note["counts"] for note in notes.to_pylist()})
    return found


def describe_misfits(misfits: Mapping[str, int], types: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each note with a sentence on its count; `types` are the SQL types of the columns by name."""
    for note, count in sorted(misfits.items()):
        column, _, kind = note.partition(":")
        yield note, tell_misfits(column, kind, count, types.get(column, "its type"))


def rows_of_misfit(view: str, note: str) -> str:
    """The query of the rows of a built view that have a note, with where they come from."""
    return f"SELECT * FROM lineage.{sql_name(view)} WHERE list_contains({MISFITS}, {sql_text(note)})"


def tell_misfits(column: str, kind: str, count: int, type_: str) -> str:
    """What happened to how many values of a column; `kind` is what follows its name in a note."""
    one, item_type = count == 1, type_.removesuffix("[]")
    if kind == PARTIAL:
        return f"{count} partial {'date' if one else 'dates'} of {column} became null in {item_type}"
    subject = f"{count} {'value' if one else 'values'} of {column}"
    if kind == CUT:
        return f"{subject} {'was' if one else 'were'} cut to microseconds"
    return f"{subject} {'does' if one else 'do'} not fit {item_type} and became null"

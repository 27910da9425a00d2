"""The texts of references in data files, counted: only their own columns are read, also where they lie within lists.

DuckDB reads whole lists of objects where one member of each is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.fhir.shape import Shape
from lacustre.store.objects import failures, storage_error
from lacustre.store.reading import LakeFiles
from lacustre.store.schema import shape_of

Step = tuple[str, bool]
"""The name of a member, and whether it repeats."""
Paths = Callable[[Shape], Iterable[Sequence[Step]]]
READERS = 4
"""Files that are read at a time, since those in a bucket are waited for."""
COUNTED = pa.schema([("path", pa.string()), ("reference", pa.string()), ("times", pa.int64())])


def count_texts(files: LakeFiles, uris: Sequence[str], paths: Paths, loads: Collection[str] | None = None) -> pa.Table:
    """References and how often they occur, by path, apart for each row group: the schema is COUNTED.

    `paths` gives those that the shape of a file has; with `loads`, their rows alone count. Raises StorageError.
    """
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda uri: list(_of_file(files, uri, paths, loads)), uris)
        return pa.concat_tables([COUNTED.empty_table(), *(table for tables in found for table in tables)])


def shown(path: Sequence[Step]) -> str:
    return ".".join(name for name, _ in path)


def _of_file(files: LakeFiles, uri: str, paths: Paths, loads: Collection[str] | None) -> Iterator[pa.Table]:
    try:
        with files.open_uri(uri) as opened, pq.ParquetFile(opened, pre_buffer=True) as file:
            wanted = list(paths(shape_of(file.schema_arrow)))
            columns = ["lake_load", *map(_column, wanted)]
            for group in range(file.num_row_groups if wanted else 0):
                rows = file.read_row_group(group, columns, use_threads=False)
                if loads is not None:
                    rows = rows.filter(pc.is_in(rows.column("lake_load"), pa.array(sorted(loads), pa.string())))
                yield from (_counted(path, rows) for path in wanted)
    except failures(pa.ArrowInvalid) as error:
        raise storage_error("read", uri, error) from error


def _column(path: Sequence[Step]) -> str:
    """The name that Parquet has for the column of the texts."""
    return ".".join(f"{name}.list.element" if many else name for name, many in path) + ".reference"


def _counted(path: Sequence[Step], rows: pa.Table) -> pa.Table:
    counts = _texts(rows, path).drop_null().value_counts()
    names = pa.repeat(pa.scalar(shown(path), pa.string()), len(counts))
    return pa.Table.from_arrays([names, counts.field("values"), counts.field("counts")], schema=COUNTED)


def _texts(rows: pa.Table, path: Sequence[Step]) -> pa.ChunkedArray:
    found: pa.ChunkedArray | None = None
    for name, many in path:
        found = rows.column(name) if found is None else pc.struct_field(found, name)
        found = pc.list_flatten(found) if many else found
    return pc.struct_field(found, "reference")

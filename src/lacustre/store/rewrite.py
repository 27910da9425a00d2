"""Data files copied without some of their rows, or several into one: batch by batch, in little memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.store.chunks import ROW_GROUP_ROWS, WRITER_OPTIONS
from lacustre.store.objects import ObjectStore, failures, storage_error
from lacustre.store.reading import LakeFiles
from lacustre.store.typed import widen

BATCH_ROWS = 8192
GROUP_BYTES = 32 << 20
"""How large a row group is at least, in memory, but for the last one of a file."""


def rewrite(
    store: ObjectStore | LakeFiles,
    uris: Sequence[str],
    dropped: Mapping[str, Sequence[int]],
    schema: pa.Schema,
    target: Path,
) -> int:
    """Copy the rows of some files, all but the dropped ones, to one local file; returns the rows written.

    `dropped` has row numbers from 0 by URI, in any order. `schema` has the columns of all the files. Raises
    StorageError.
    """
    try:
        return _rewrite(store, uris, dropped, schema, target)
    except failures(pa.ArrowInvalid) as error:
        raise storage_error("rewrite", ", ".join(uris), error) from error


def _rewrite(
    store: ObjectStore | LakeFiles,
    uris: Sequence[str],
    dropped: Mapping[str, Sequence[int]],
    schema: pa.Schema,
    target: Path,
) -> int:
    written = 0
    with pq.ParquetWriter(target, schema, **WRITER_OPTIONS) as writer:
        for group in _row_groups(_widened_rows(store, uris, dropped, schema)):
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            written += group.num_rows
    return written


def _row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The rows in larger tables: each becomes a row group, and readers pay for each."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(one.nbytes for one in waiting) >= GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _widened_rows(
    store: ObjectStore | LakeFiles, uris: Sequence[str], dropped: Mapping[str, Sequence[int]], schema: pa.Schema
) -> Iterator[pa.Table]:
    for uri in uris:
        for batch in _kept_rows(store, uri, sorted(dropped.get(uri, ()))):
            yield widen(pa.Table.from_batches([batch]), schema)


def _kept_rows(store: ObjectStore | LakeFiles, uri: str, dropped: Sequence[int]) -> Iterator[pa.RecordBatch]:
    first = 0
    with store.open_uri(uri) as opened, pq.ParquetFile(opened) as file:
        for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
            gone = dropped[bisect_left(dropped, first) : bisect_left(dropped, first + batch.num_rows)]
            rows = pa.array(range(first, first + batch.num_rows), pa.int64())
            kept = batch.filter(pc.invert(pc.is_in(rows, pa.array(gone, pa.int64())))) if gone else batch
            if kept.num_rows:
                yield kept
            first += batch.num_rows

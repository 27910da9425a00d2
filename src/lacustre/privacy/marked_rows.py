"""Which rows of a data file an erasure takes out, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.privacy.leaves import Leaf, leaves
from lacustre.privacy.subject import Subject
from lacustre.store.objects import ObjectStore, failures, storage_error

BATCH_ROWS = 16_384
_UNREAD = {"lake_hash", "lake_load", "lake_patient_key", "lake_source", "lake_updated"}
_UNSEARCHED = {"lake_patient", "lake_patients", "lake_rest.pointer"}

Marker = Callable[["FileMarks", pa.RecordBatch, int], None]
"""Marks rows of a batch, whose first row has a number in its file."""


@dataclass(slots=True)
class FileMarks:
    """Rows of one file by number, from 0, and how many there are of each kind.

    `own` rows are in the patient's compartment alone, `shared` ones also in others'. `mentions` are rows of nobody
    that refer to the compartment, `others_mentions` those of other patients, `linked` other Patient resources.
    """

    rows: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, rows: Sequence[int]) -> None:
        new = set(rows) - self.rows
        self.rows |= new
        if new:
            self.counts[kind] += len(new)


def mark_rows(store: ObjectStore, uri: str, mark: Marker) -> FileMarks:
    """Go through a file, batch by batch; raises StorageError."""
    marks, first = FileMarks(), 0
    try:
        with store.open_uri(uri) as opened, pq.ParquetFile(opened, pre_buffer=True) as file:
            columns = [name for name in file.schema_arrow.names if name not in _UNREAD]
            for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                mark(marks, batch, first)
                first += batch.num_rows
    except failures(pa.ArrowInvalid) as error:
        raise storage_error("read", uri, error) from error
    return marks


class ResourceMarker:
    """Marks the rows of a FHIR table: those of the compartment and those that refer to it."""

    def __init__(self, subject: Subject, resource_type: str, *, mentions: bool) -> None:
        self._id, self._type, self._mentions = subject.id, resource_type, mentions
        self._finder = subject.tokens.finder()
        self._key = subject.key
        self._keys = pa.array(sorted(subject.tokens.keys), pa.string())
        self._texts = pa.array(sorted(subject.tokens.texts), pa.string())
        self.erased: set[str] = set()
        """The keys of the marked resources, `Type/id`."""

    def __call__(self, marks: FileMarks, batch: pa.RecordBatch, first: int) -> None:
        self._mark(marks, batch, first)
        numbers = pa.array([row - first for row in sorted(marks.rows) if row >= first], pa.int64())
        self.erased |= {f"{self._type}/{one}" for one in batch.column("id").take(numbers).to_pylist()}

    def _mark(self, marks: FileMarks, batch: pa.RecordBatch, first: int) -> None:
        own = self._own(batch)
        several = batch.column("lake_patients").is_valid()
        marks.add("own", _numbers(pc.and_(own, pc.invert(several)), first))
        marks.add("shared", _numbers(pc.and_(own, several), first))
        if self._mentions:
            self._mark_mentions(marks, batch, first)

    def _own(self, batch: pa.RecordBatch) -> Any:
        primary = pc.fill_null(pc.equal(batch.column("lake_patient"), self._id), False)
        lists = batch.column("lake_patients")
        if lists.null_count == len(lists):
            return primary
        among = pc.equal(pc.list_flatten(lists), self._id)
        rows = pc.unique(pc.list_parent_indices(lists).filter(among))
        return pc.or_(primary, pc.is_in(pa.array(range(batch.num_rows), rows.type), rows))

    def _mark_mentions(self, marks: FileMarks, batch: pa.RecordBatch, first: int) -> None:
        found: set[int] = set()
        for leaf in leaves(batch, first):
            if leaf.is_text and leaf.path not in _UNSEARCHED:
                found.update(self._mentioning(leaf))
        rows = sorted(found - marks.rows)
        if self._type == "Patient":
            marks.add("linked", rows)
            return
        owners = batch.column("lake_patient").take(pa.array([row - first for row in rows], pa.int64()))
        marks.add("others_mentions", [row for row, owner in zip(rows, owners.to_pylist(), strict=True) if owner])
        marks.add("mentions", rows)

    def _mentioning(self, leaf: Leaf) -> list[int]:
        rows: list[int] = []
        if leaf.path.endswith(".reference"):
            rows += leaf.rows_where(pc.is_in(leaf.values, self._keys))
            doubtful = pc.match_substring_regex(leaf.values, "://|/_history/")
        elif leaf.path == "lake_rest.json":
            doubtful = pc.match_substring(leaf.values, "/")
        else:
            if "identifier" in leaf.path:
                rows += leaf.rows_where(pc.is_in(leaf.values, self._texts))
            doubtful = pc.match_substring(leaf.values, self._key)
        if doubtful.true_count:
            found = zip(leaf.values.filter(doubtful).to_pylist(), leaf.rows_where(doubtful), strict=True)
            rows += [row for text, row in found if self._finder.mentions(text.encode())]
        return rows


class TextMarker:
    """Marks the rows of a table without patients whose texts contain a token, or whose `id` is one of some."""

    def __init__(self, subject: Subject, ids: frozenset[str] = frozenset()) -> None:
        self._finder = subject.tokens.finder()
        self._ids = pa.array(sorted(ids), pa.string())

    def __call__(self, marks: FileMarks, batch: pa.RecordBatch, first: int) -> None:
        for leaf in leaves(batch, first):
            if leaf.path == "id":
                marks.add("own", leaf.rows_where(pc.is_in(leaf.values, self._ids)))
            elif leaf.is_text:
                values = zip(leaf.values.to_pylist(), leaf.find_rows().to_pylist(), strict=True)
                found = [row for value, row in values if value is not None and _bytes(value) in self._finder]
                marks.add("own", found)


def _numbers(mask: Any, first: int) -> list[int]:
    return [int(row) + first for row in pc.indices_nonzero(mask).to_pylist()]


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()

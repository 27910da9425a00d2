"""Which rows of a data file an erasure takes out, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.privacy.leaves import leaves
from lacustre.privacy.mentions import MentionSearch, is_searched
from lacustre.privacy.subject import Compartment, OwnRow, Subject
from lacustre.store.delta import DataFile
from lacustre.store.objects import failures, storage_error
from lacustre.store.reading import LakeFiles

BATCH_ROWS = 16_384


@dataclass(slots=True)
class FileMarks:
    """Rows of one file by number, from 0, and how many there are of each kind.

    `own` rows are in the patient's compartment alone, `shared` ones also in others'. `mentions` are rows of nobody
    that refer to the compartment, `others_mentions` those of other patients. These `rows` go. `unlinked` are the
    numbers of other Patient resources, which stay without what refers to the compartment.
    """

    rows: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    unlinked: list[int] = field(default_factory=list)

    def add(self, kind: str, rows: Sequence[int]) -> None:
        new = set(rows) - self.rows
        self.rows |= new
        if new:
            self.counts[kind] += len(new)


class Marker(Protocol):
    """Marks the rows of files of one table."""

    def mark(self, files: Sequence[DataFile]) -> Mapping[str, FileMarks]:
        """The marks by the files' paths; raises StorageError."""


class ResourceMarker:
    """Marks the rows of a FHIR table: those of the compartment and those that refer to it."""

    def __init__(
        self, subject: Subject, resource_type: str, files: LakeFiles, own: Compartment, search: MentionSearch | None
    ) -> None:
        """Without a `search` what refers to the compartment stays."""
        self._subject, self._type = subject, resource_type
        self._files, self._compartment, self._search = files, own, search
        self.erased: set[str] = set()
        """The keys of the marked resources, `Type/id`."""

    def mark(self, files: Sequence[DataFile]) -> dict[str, FileMarks]:
        own = self._compartment.rows([file.uri for file in files])
        self._files.ranged(files)
        return {file.path: self._marks(file.uri, own[file.uri]) for file in files}

    def _marks(self, uri: str, own: Sequence[OwnRow]) -> FileMarks:
        marks = FileMarks()
        marks.add("own", [row.number for row in own if not row.shared])
        marks.add("shared", [row.number for row in own if row.shared])
        self.erased |= {f"{self._type}/{row.id}" for row in own}
        if self._search is not None:
            try:
                self._add_mentions(marks, uri, self._search)
            except failures(pa.ArrowException, EOFError) as error:
                raise storage_error("read", uri, error) from error
        return marks

    def _add_mentions(self, marks: FileMarks, uri: str, search: MentionSearch) -> None:
        with self._files.open_uri(uri) as opened:
            suspects = search.suspects(opened, pq.read_metadata(opened))
        if not suspects:
            return
        with self._files.open_uri(uri) as opened, pq.ParquetFile(opened, pre_buffer=True) as file:
            first = 0
            for batch in file.iter_batches(BATCH_ROWS, columns=[*suspects, "id", "lake_patient"], use_threads=False):
                found = {
                    row
                    for leaf in leaves(batch)
                    if leaf.is_text and is_searched(leaf.path)
                    for row in search.rows(leaf)
                }
                self._add(marks, batch, first, [row for row in sorted(found) if row + first not in marks.rows])
                first += batch.num_rows

    def _add(self, marks: FileMarks, batch: pa.RecordBatch, first: int, rows: Sequence[int]) -> None:
        """Add the rows of a batch that are not the patient's."""
        numbers = [row + first for row in rows]
        if self._type == "Patient":
            marks.unlinked += numbers
            return
        names, owners = (batch.column(name).take(pa.array(rows, pa.int64())) for name in ("id", "lake_patient"))
        self.erased |= {f"{self._type}/{one}" for one in names.to_pylist()}
        owned = [row for row, owner in zip(numbers, owners.to_pylist(), strict=True) if owner]
        marks.add("others_mentions", owned)
        marks.add("mentions", numbers)


class TextMarker:
    """Marks the rows of a table without patients whose texts contain a token, or whose `id` is one of some.

    `ids` are those of the compartment by type: a file of a partition has those of one `resource_type`.
    """

    def __init__(self, subject: Subject, files: LakeFiles, ids: Mapping[str, frozenset[str]] | None = None) -> None:
        self._finder, self._files = subject.tokens.finder(), files
        self._ids = {name: pa.array(sorted(some), pa.string()) for name, some in (ids or {}).items()}

    def mark(self, files: Sequence[DataFile]) -> dict[str, FileMarks]:
        self._files.ranged(files)
        return {file.path: self._marks(file) for file in files}

    def _marks(self, file: DataFile) -> FileMarks:
        marks, first = FileMarks(), 0
        try:
            with self._files.open_uri(file.uri) as opened, pq.ParquetFile(opened, pre_buffer=True) as parquet:
                for batch in parquet.iter_batches(BATCH_ROWS, use_threads=False):
                    self._add(marks, batch, first, self._ids.get(file.partition.get("resource_type", "")))
                    first += batch.num_rows
        except failures(pa.ArrowException) as error:
            raise storage_error("read", file.uri, error) from error
        return marks

    def _add(self, marks: FileMarks, batch: pa.RecordBatch, first: int, ids: pa.Array | None) -> None:
        for leaf in leaves(batch, first):
            if leaf.path == "id":
                marks.add("own", leaf.rows_where(pc.is_in(leaf.values, ids)) if ids is not None else [])
            elif leaf.is_text:
                values = zip(leaf.values.to_pylist(), leaf.find_rows().to_pylist(), strict=True)
                found = [row for value, row in values if value is not None and _bytes(value) in self._finder]
                marks.add("own", found)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()

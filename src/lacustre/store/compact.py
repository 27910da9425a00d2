"""Small files of a table into larger ones: the same rows, one commit.

Only small files are merged, and a file only with others that have at least half of its bytes together: a byte is
written again a few times in its life, however often a table is maintained, and few small files stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa

from lacustre.errors import StorageError
from lacustre.store.delta import DataFile, LakeTable, NewFile, Snapshot
from lacustre.store.maintained_table import MaintainedTable
from lacustre.store.operation import Operation
from lacustre.store.placed_files import PlacedFiles, until_committed
from lacustre.store.schema import PARTITION_SCHEMA, table_schema
from lacustre.store.tenant import TenantStore

SMALL_BYTES = 32 << 20
"""Files from this size on are not merged."""
TARGET_BYTES = 128 << 20
"""How large a merged file becomes at most, about."""
LARGEST_SHARE = 2
"""How many times as large as the others together the largest of the merged files may be."""

Rows = Mapping[str, Sequence[int]]
"""Row numbers, from 0, by the URI of their file."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """What happened to a table: files and bytes of its newest version before and after, and rows taken out."""

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_expired: int


@dataclass(frozen=True, slots=True)
class Merge:
    """Files of one partition and the one that has their rows; None where no row is left."""

    inputs: tuple[DataFile, ...]
    output: NewFile | None


def compact_table(running: Operation, table: LakeTable, expired: Rows | None = None) -> Compaction | None:
    """Merge the small files of a table, without the `expired` rows; None where nothing is to be done.

    Loads may commit meanwhile: what they replace is left as they have it. Raises StorageError, `damaged_file` for a
    file whose bytes are not those that were written.
    """
    snapshot = table.snapshot()
    if snapshot is None:
        return None
    work = _TableCompaction(running, table, snapshot, expired or {})
    work.put()
    return work.commit()


class _TableCompaction:
    def __init__(self, running: Operation, table: LakeTable, snapshot: Snapshot, expired: Rows) -> None:
        self._operation, self._expired = running, expired
        self._table = MaintainedTable.of(table)
        self._table.data_change = bool(expired)
        self._first = self._current = snapshot
        self._merges: list[Merge] = []
        self._placed = PlacedFiles(running.tenant.store, table, running.staging, running.id)

    def put(self) -> None:
        """Put the merged files in place; a failure takes them away again."""
        schema = file_schema(self._operation.tenant, self._table.name, self._first)
        with ExitStack() as undo:
            undo.callback(self._discard, self._merges)
            for group in groups(self._first.files, set(self._expired)):
                self._merges.append(self._merge(group, schema))
            undo.pop_all()

    def _discard(self, merges: Sequence[Merge]) -> None:
        self._placed.discard(merge.output for merge in merges if merge.output)

    def _merge(self, group: tuple[DataFile, ...], schema: pa.Schema) -> Merge:
        uris = self._placed.files.checked(group)
        partition = dict(group[0].partition)
        if "lake_segment" in partition:
            partition["lake_segment"] = self._operation.id
        merge = Merge(group, self._placed.rewrite(len(self._merges), uris, self._expired, schema, partition))
        wanted = sum(file.rows - len(self._expired.get(file.uri, ())) for file in group)
        if (merge.output.rows if merge.output else 0) != wanted:
            self._discard([merge])
            raise StorageError("rows_differ", f"files of {self._table.uri} have other rows than its log says")
        return merge

    def commit(self) -> Compaction | None:
        until_committed(self._commit, self._plan_again, self._table.uri)
        return self._summary() if self._merges else None

    def _commit(self) -> None:
        if self._merges:
            added = [merge.output for merge in self._merges if merge.output]
            removed = [file for merge in self._merges for file in merge.inputs]
            note = {"lacustre_load": self._operation.id}
            self._table.commit(self._current.schema, added, removed, note, after=self._current.version)

    def _plan_again(self) -> None:
        """Keep the merges whose files the other writer has left in the table."""
        current = self._table.snapshot()
        assert current is not None
        present = {file.path for file in current.files}
        kept = [merge for merge in self._merges if all(file.path in present for file in merge.inputs)]
        self._discard([merge for merge in self._merges if merge not in kept])
        self._merges, self._current = kept, current

    def _summary(self) -> Compaction:
        removed = [file for merge in self._merges for file in merge.inputs]
        added = [merge.output for merge in self._merges if merge.output]
        before, size = len(self._current.files), sum(file.size for file in self._current.files)
        change = sum(file.size for file in added) - sum(file.size for file in removed)
        rows = sum(file.rows for file in removed) - sum(file.rows for file in added)
        return Compaction(self._table.name, before, before - len(removed) + len(added), size, size + change, rows)


def file_schema(tenant: TenantStore, name: str, snapshot: Snapshot) -> pa.Schema:
    """The schema of a table's data files, as whoever wrote them had it."""
    folder, _, resource_type = name.partition("/")
    if folder == "fhir":
        return table_schema(tenant.model, resource_type, snapshot.shape)
    partition = {*PARTITION_SCHEMA.names, *(column for file in snapshot.files for column in file.partition)}
    return pa.schema([field for field in snapshot.schema if field.name not in partition])


def groups(files: Sequence[DataFile], touched: set[str]) -> Iterator[tuple[DataFile, ...]]:
    """The files to write as one, and alone those that have to be written anyway, by URI."""
    ordered = sorted(files, key=_home)
    for _, members in groupby(ordered, _home):
        mine = list(members)
        merged = {file.path for file in _worth_merging([file for file in mine if file.size < SMALL_BYTES])}
        chosen = [file for file in mine if file.path in merged or file.uri in touched]
        for group in _packed(chosen):
            if len(group) > 1 or group[0].uri in touched:
                yield group


def _home(file: DataFile) -> tuple[tuple[str, str], ...]:
    """What files have in common that may be merged: all of their partition but the segment."""
    return tuple(sorted((name, value) for name, value in file.partition.items() if name != "lake_segment"))


def _worth_merging(files: Sequence[DataFile]) -> Sequence[DataFile]:
    """As many of the files, the smallest first, as the rule for the largest allows."""
    ordered, others, count = sorted(files, key=lambda file: file.size), 0, 0
    for number, file in enumerate(ordered):
        if file.size <= LARGEST_SHARE * others:
            count = number + 1
        others += file.size
    return ordered[:count]


def _packed(files: Sequence[DataFile]) -> Iterator[tuple[DataFile, ...]]:
    pack: list[DataFile] = []
    for file in sorted(files, key=lambda file: file.path):
        if pack and sum(member.size for member in pack) + file.size > TARGET_BYTES:
            yield tuple(pack)
            pack = []
        pack.append(file)
    if pack:
        yield tuple(pack)

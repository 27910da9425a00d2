"""The rows of one table taken out: one commit, planned again where somebody else commits first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from lacustre.privacy.marked_rows import FileMarks, Marker
from lacustre.privacy.subject import data_files
from lacustre.privacy.unlink import Unlinker
from lacustre.store.chunks import write_parquet
from lacustre.store.compact import file_schema
from lacustre.store.delta import DataFile, LakeTable, NewFile, Snapshot
from lacustre.store.ledger import intents
from lacustre.store.maintained_table import LAST_CHECKPOINT, LOG, PART_OF_LOG
from lacustre.store.operation import Operation
from lacustre.store.placed_files import PlacedFiles, until_committed

WRITERS = 2
"""Files that are written at a time."""


class TableErasure:
    """Takes the rows out that `marker` finds; `versions` are those before and after the commit.

    `unlinker` cuts the rows that stay without what refers to the patient: `unlinked` are these, once they are found.
    """

    def __init__(self, running: Operation, table: LakeTable, marker: Marker, unlinker: Unlinker | None = None) -> None:
        self._operation, self._table, self._marker, self._unlinker = running, table, marker, unlinker
        self._placed = PlacedFiles(running.tenant.store, table, running.staging, running.id)
        self._marks: dict[str, FileMarks] = {}
        self._cut: dict[str, pa.Table] = {}
        self._removed: list[DataFile] = []
        self._added: list[NewFile] = []
        self._current: Snapshot | None = None
        self.versions: tuple[int, int] | None = None

    @property
    def unlinked(self) -> pa.Table | None:
        """The rows that stay, as they will be."""
        return pa.concat_tables(self._cut.values()) if self._cut else None

    def look(self) -> Counter[str]:
        """Find the rows in the newest version, and count them by kind, without a change.

        Raises DataError where one that is to stay cannot be cut; StorageError.
        """
        self._current = self._table.snapshot()
        files = self._current.files if self._current else ()
        new = self._marker.mark([file for file in files if file.path not in self._marks])
        self._marks = {file.path: new.get(file.path) or self._marks[file.path] for file in files}
        self._cut = {file.path: self._cut.get(file.path) or self._unlink(file) for file in files if self._stays(file)}
        return self._counts()

    def run(self) -> Counter[str]:
        """Take out what `look` found; returns how many by kind. Raises StorageError."""
        until_committed(self._commit, self._look_again, self._table.uri)
        return self._counts()

    def _counts(self) -> Counter[str]:
        counts = sum((marks.counts for marks in self._marks.values()), Counter[str]())
        cut = sum(len(rows) for rows in self._cut.values())
        return counts + Counter(unlinked=cut)

    @property
    def rewritten(self) -> int:
        """How many files were written anew."""
        return len(self._added)

    def _stays(self, file: DataFile) -> bool:
        return bool(self._marks[file.path].unlinked)

    def _unlink(self, file: DataFile) -> pa.Table:
        assert self._unlinker is not None
        assert self._current is not None
        numbers = self._marks[file.path].unlinked
        return self._unlinker.rows(self._placed.files, file.uri, numbers, self._schema(self._current))

    def _commit(self) -> None:
        if self._current is None:
            return
        self._removed = [file for file in self._current.files if self._marks[file.path].rows or self._stays(file)]
        if not self._removed:
            return
        self._put(self._current)
        note = {"lacustre_load": self._operation.id}
        before = self._current.version
        after = self._table.commit(self._current.schema, self._added, self._removed, note, after=before)
        self.versions = before, after

    def _put(self, current: Snapshot) -> None:
        schema = self._schema(current)
        self._placed.files.checked(self._removed)
        with ThreadPoolExecutor(WRITERS) as threads:
            done = [threads.submit(self._write, number, file, schema) for number, file in enumerate(self._removed)]
        # nothing is forgotten that has to be taken away again if one has failed
        self._added = [file for one in done if one.exception() is None and (file := one.result()) is not None]
        for one in done:
            one.result()

    def _write(self, number: int, file: DataFile, schema: pa.Schema) -> NewFile | None:
        marks, uris = self._marks[file.path], [file.uri]
        dropped = {file.uri: sorted({*marks.rows, *marks.unlinked})}
        if file.path in self._cut:
            cut = self._operation.staging / f"cut-{number}.parquet"
            write_parquet(self._cut[file.path], cut)
            uris.append(str(cut))
        return self._placed.rewrite(number, uris, dropped, schema, file.partition)

    def _schema(self, current: Snapshot) -> pa.Schema:
        return file_schema(self._operation.tenant, self._table.name, current)

    def _look_again(self) -> None:
        self._placed.discard(self._added)
        self._removed, self._added = [], []
        self.look()


def unneeded_files(running: Operation, table: LakeTable, ended: frozenset[str]) -> Iterator[str]:
    """The paths, in the lake, of files that the newest version lacks, but for those of unfinished operations.

    `ended` are unfinished ones that do not run any more. What is listed before the operations, and these before the
    table, can be of no commit that the last look missed.
    """
    store = running.tenant.store
    uris = data_files(running.tenant, table)
    others = [intent.id for intent in intents(running.tenant) if intent.id not in {running.id, *ended}]
    snapshot = table.snapshot()
    needed = set(snapshot.uris if snapshot else ())
    for uri in uris:
        if uri not in needed and not any(operation in uri.rpartition("/")[2] for operation in others):
            yield uri.removeprefix(f"{store.root}/")
    if not others:
        yield from _left_in_log(running, table)


def _left_in_log(running: Operation, table: LakeTable) -> Iterator[str]:
    """The files in a table's log that killed writers left there, which are no part of it."""
    for path, _ in running.tenant.store.walk(f"{table.path}/{LOG}"):
        name = path.rpartition("/")[2]
        if not PART_OF_LOG.fullmatch(name) and name != LAST_CHECKPOINT:
            yield path

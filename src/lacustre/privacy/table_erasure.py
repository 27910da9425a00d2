"""The rows of one table taken out: one commit, planned again where somebody else commits first."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator

from lacustre.privacy.marked_rows import FileMarks
from lacustre.privacy.subject import data_files
from lacustre.store.compact import file_schema
from lacustre.store.delta import DataFile, LakeTable, NewFile, Snapshot
from lacustre.store.digest import READ_BYTES
from lacustre.store.ledger import intents
from lacustre.store.maintained_table import LAST_CHECKPOINT, LOG, PART_OF_LOG
from lacustre.store.objects import ObjectStore
from lacustre.store.operation import Operation
from lacustre.store.placed_files import PlacedFiles, until_committed
from lacustre.store.sealed import damaged

Mark = Callable[[DataFile], FileMarks]


class TableErasure:
    """Takes the rows out that `mark` finds in each file; `versions` are those before and after the commit."""

    def __init__(self, running: Operation, table: LakeTable, mark: Mark) -> None:
        self._operation, self._table, self._mark = running, table, mark
        self._placed = PlacedFiles(running.tenant.store, table, running.staging, running.id)
        self._marks: dict[str, FileMarks] = {}
        self._removed: list[DataFile] = []
        self._added: list[NewFile] = []
        self._current: Snapshot | None = None
        self.versions: tuple[int, int] | None = None

    def look(self) -> Counter[str]:
        """Find the rows in the newest version, and count them by kind, without a change."""
        self._current = self._table.snapshot()
        files = self._current.files if self._current else ()
        known = self._marks
        self._marks = {file.path: known.get(file.path) or self._mark(file) for file in files}
        return sum((marks.counts for marks in self._marks.values()), Counter())

    def run(self) -> Counter[str]:
        """Take out what `look` found; returns how many by kind. Raises StorageError."""
        until_committed(self._commit, self._look_again, self._table.uri)
        return sum((marks.counts for marks in self._marks.values()), Counter())

    @property
    def rewritten(self) -> int:
        """How many files were written anew."""
        return len(self._added)

    def _commit(self) -> None:
        if self._current is None:
            return
        self._removed = [file for file in self._current.files if self._marks[file.path].rows]
        if not self._removed:
            return
        self._put(self._current)
        note = {"lacustre_load": self._operation.id}
        before = self._current.version
        after = self._table.commit(self._current.schema, self._added, self._removed, note, after=before)
        self.versions = before, after

    def _put(self, current: Snapshot) -> None:
        schema, store = file_schema(self._operation.tenant, self._table.name, current), self._operation.tenant.store
        for number, file in enumerate(self._removed):
            _require_whole(store, file, f"{self._table.path}/{file.path}")
            dropped = {file.uri: sorted(self._marks[file.path].rows)}
            added = self._placed.rewrite(number, [file.uri], dropped, schema, file.partition)
            self._added += [added] if added else []

    def _look_again(self) -> None:
        self._placed.discard(self._added)
        self._removed, self._added = [], []
        self.look()


def _require_whole(store: ObjectStore, file: DataFile, path: str) -> None:
    """Or what is left of a damaged file would pass for a sound one."""
    digest = hashlib.sha256()
    with store.open_uri(file.uri) as opened:
        while data := opened.read(READ_BYTES):
            digest.update(data)
    if file.sha256 not in (None, digest.hexdigest()):
        raise damaged(path)


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

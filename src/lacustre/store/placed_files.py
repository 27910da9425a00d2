"""Data files that an operation puts into a table's folder, where nobody sees them before its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from lacustre.errors import CommitConflictError
from lacustre.store.delta import COMMIT_ATTEMPTS, LakeTable, NewFile, pause, too_many_conflicts
from lacustre.store.digest import named, sha256_of
from lacustre.store.objects import ObjectStore
from lacustre.store.reading import lake_files
from lacustre.store.rewrite import rewrite

T = TypeVar("T")


class PlacedFiles:
    """Where one operation puts the files of one table, from any thread; `staging` is a local folder.

    What is rewritten has to be checked by `files` first, or what is left of a damaged file would be a sound one.
    """

    def __init__(self, store: ObjectStore, table: LakeTable, staging: Path, operation: str) -> None:
        self._store, self._table, self._staging, self._operation = store, table, staging, operation
        self.files = lake_files(store)

    def put(self, number: int, local: Path, rows: int, sha256: str, partition: Mapping[str, str]) -> NewFile:
        """Put a finished local file in its partition's folder; `number` tells it from the operation's others."""
        return self.put_as(f"{number:06d}-{self._operation}", local, rows, sha256, partition)

    def put_as(self, stem: str, local: Path, rows: int, sha256: str, partition: Mapping[str, str]) -> NewFile:
        """Put a finished local file under a name that begins with `stem`, which has the operation's id."""
        folder = "".join(f"{name}={value}/" for name, value in partition.items())
        path = f"{folder}{named(stem, sha256)}"
        self._store.put(local, f"{self._table.path}/{path}")
        return NewFile(path, partition, rows, local.stat().st_size)

    def rewrite(
        self,
        number: int,
        uris: Sequence[str],
        dropped: Mapping[str, Sequence[int]],
        schema: pa.Schema,
        partition: Mapping[str, str],
    ) -> NewFile | None:
        """Put the rows of some files, all but the dropped ones (numbers from 0 by URI), as one; None without any."""
        target = self._staging / f"rewritten-{number}.parquet"
        try:
            rows = rewrite(self.files, uris, dropped, schema, target)
            return self.put(number, target, rows, sha256_of(target), partition) if rows else None
        finally:
            target.unlink(missing_ok=True)

    def discard(self, files: Iterable[NewFile]) -> None:
        """Take files away again that no commit has shown."""
        for file in files:
            self._store.remove(f"{self._table.path}/{file.path}")


def until_committed(commit: Callable[[], T], plan_again: Callable[[], None], uri: str) -> T:
    """Commit; where another writer was faster, wait a moment, plan again and try again. Raises StorageError."""
    for attempt in range(COMMIT_ATTEMPTS):
        try:
            return commit()
        except CommitConflictError:
            pause(attempt)
            plan_again()
    raise too_many_conflicts(uri)

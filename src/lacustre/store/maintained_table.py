"""A Delta table as maintenance sees it: rows that only move, checkpoints, and what the log says of its files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lacustre.errors import StorageError
from lacustre.store.delta import DataFile, LakeTable, NewFile
from lacustre.store.objects import storage_error

_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
LOG = "_delta_log/"
PART_OF_LOG = re.compile(r"\d{20}\.(json|checkpoint\.parquet)")
LAST_CHECKPOINT = "_last_checkpoint"
PARALLEL = 8


class MaintainedTable(LakeTable):
    """A table of which files are merged and removed; without `data_change` its commits say that no row changed."""

    @classmethod
    def of(cls, table: LakeTable) -> MaintainedTable:
        return cls(table._store, table.path, table.name, table._partition_by)

    data_change = False

    def _add(self, file: NewFile) -> AddAction:  # type: ignore[override]
        return replace(LakeTable._add(file), data_change=self.data_change)

    def _remove(self, file: DataFile) -> RemoveAction:  # type: ignore[override]
        action = LakeTable._remove(file)
        facts = action.deletion_timestamp, action.size, action.partition_values
        return RemoveAction(action.path, self.data_change, *facts)

    def checkpoint(self) -> dict[str, str]:
        """Write a checkpoint of the newest version, so that readers open one file of the log.

        Returns the SHA-256, by path below the table's folder, of what was written.
        """
        table = self._open()
        assert table is not None
        try:
            table.create_checkpoint()
        except (DeltaError, OSError) as error:
            raise storage_error("write a checkpoint of", self.uri, error) from error
        names = [f"{LOG}{table.version():020d}.checkpoint.parquet", f"{LOG}{LAST_CHECKPOINT}"]
        # `_last_checkpoint` is not written again where the checkpoint is there: readers do without it
        found = {name: self._store.read(f"{self.path}/{name}") for name in names}
        return {name: sha256(data).hexdigest() for name, data in found.items() if data is not None}

    def log(self) -> list[str]:
        """The names of the files of the log, sorted."""
        return sorted(path.rsplit("/", 1)[1] for path, _ in self._store.walk(f"{self.path}/{LOG}"))

    def files_since(self, version: int) -> set[str]:
        """The data files, as paths in the table, of a version, or the first that is left, and of all later ones."""
        log = self.log()
        version = max(version, first_version(log))
        first = self.snapshot(version)
        if first is None:
            raise StorageError("missing_version", f"the log of {self.uri} lacks version {version}")
        found = {file.path for file in first.files}
        for actions in self._entries(number for number in entry_versions(log) if number > version):
            found |= {unquote(action["add"]["path"]) for action in actions if "add" in action}
        return found

    def same_rows(self, one: int, other: int) -> bool:
        """Whether two versions hold the same rows and columns, as far as the log knows: only files were merged."""
        first, last = sorted((one, other))
        try:
            entries = list(self._entries(range(first + 1, last + 1)))
        except StorageError:
            return False  # entries of versions that are gone
        changes = (change for actions in entries for action in actions for change in action.items())
        return not any(kind == "metaData" or body.get("dataChange") for kind, body in changes)

    def added_since(self, one: int, other: int) -> tuple[set[str], bool]:
        """The data files, as paths in the table, that came after a version up to another, and whether they only moved.

        Raises StorageError where the log's entries are gone.
        """
        added, moved = set[str](), True
        for actions in self._entries(range(one + 1, other + 1)):
            for action in actions:
                if "add" in action:
                    added.add(unquote(action["add"]["path"]))
                moved &= not any(action.get(kind, {}).get("dataChange") for kind in ("add", "remove"))
        return added, moved

    def _entries(self, versions: Iterable[int]) -> Iterator[list[dict[str, Any]]]:
        names = [f"{LOG}{version:020d}.json" for version in versions]
        with ThreadPoolExecutor(PARALLEL) as pool:
            for data in pool.map(self._read, names):
                yield [json.loads(line) for line in data.splitlines()]

    def _read(self, name: str) -> bytes:
        data = self._store.read(f"{self.path}/{name}")
        if data is None:
            raise StorageError("missing_file", f"{self.path}/{name} is missing", "restore it from a backup")
        return data


def entry_versions(log: Iterable[str]) -> list[int]:
    """The versions whose entries are among the names of a log's files, ascending."""
    return sorted(int(match[1]) for match in map(_ENTRY.fullmatch, log) if match)


def checkpoint_versions(log: Iterable[str]) -> list[int]:
    """The versions that have a checkpoint and their entry among the names of a log's files, ascending."""
    found = {int(match[1]) for match in map(_CHECKPOINT.fullmatch, log) if match}
    return [version for version in entry_versions(log) if version in found]


def first_version(log: Sequence[str]) -> int:
    """The first version that the files of a log can show."""
    return 0 if 0 in entry_versions(log) else min(checkpoint_versions(log), default=0)


def first_needed(log: Sequence[str], version: int) -> int:
    """The first version of which the files are needed to show `version`: that of the newest checkpoint up to it."""
    return max((number for number in checkpoint_versions(log) if number <= version), default=0)

"""Removal of what no kept version of a lake needs, while others read and write.

Two rules make it safe without a lock. A version is given up first, in the ledger, and removed a day later, so that who
opened it before has a day to read it. And what no version has, because its writer was killed or is still at work, is
removed when it is a day old. The order leaves nothing behind that later runs could not find: data files before the
part of the log that names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from lacustre.store.ledger import intents
from lacustre.store.maintained_table import LAST_CHECKPOINT, LOG, PART_OF_LOG, MaintainedTable, first_needed
from lacustre.store.objects import ObjectStore, failures, storage_error
from lacustre.store.tenant import TenantStore


@dataclass(slots=True)
class Freed:
    """What was removed: data files, their bytes, and other files (of logs, ledger and killed writers)."""

    files: int = 0
    bytes: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True)
class OldFile:
    """A file of a store that came to its place before an instant; `path` is below the store's root, `size` in bytes."""

    path: str
    size: int


def old_files(store: ObjectStore, folder: str, before: datetime) -> Iterator[OldFile]:
    """The files below a folder that came to their places before an instant, in the order of their paths."""
    root = store.root.removeprefix("s3://")
    try:
        found = store.filesystem.find(store.uri(folder), detail=True)
    except failures(ValueError) as error:
        raise storage_error("list", store.uri(folder), error) from error
    for name, details in sorted(found.items()):
        if _placed(details) < before:
            yield OldFile(name[len(root) + 1 :], int(details["size"]))


def _placed(details: dict[str, object]) -> datetime:
    """When a file came to its place: a link to an older staged file changes its inode (`created`), not its content."""
    uploaded = details.get("LastModified")
    if isinstance(uploaded, datetime):
        return uploaded
    return datetime.fromtimestamp(float(str(details["created"])), UTC)


def vacuum_table(tenant: TenantStore, table: MaintainedTable, version: int, before: datetime, freed: Freed) -> None:
    """Remove what no version of a table from `version` on needs and what came to its place before an instant.

    Of a table that was never made, because its writer was killed, that is all that is old.
    """
    needed = table.files_since(version) if table.version() is not None else set()
    running = [intent.id for intent in intents(tenant)]
    found = list(old_files(tenant.store, table.path, before))
    for file in found:
        path = file.path.removeprefix(f"{table.path}/")
        if path in needed or path.startswith(LOG) or any(operation in path for operation in running):
            continue
        tenant.store.remove(file.path)
        freed.files += 1
        freed.bytes += file.size
    first = first_needed(table.log(), version)
    for file in found:
        name = file.path.removeprefix(f"{table.path}/{LOG}")
        if name != file.path and not _shows(name, first):
            tenant.store.remove(file.path)
            freed.others += 1


def _shows(name: str, first: int) -> bool:
    """Whether a file of a log is needed to show the versions from `first` on; a killed writer's is not."""
    return int(name[:20]) >= first if PART_OF_LOG.fullmatch(name) else name == LAST_CHECKPOINT

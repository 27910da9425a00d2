"""Deletion of single resources that somebody asks for, by the same way as those of an export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from lacustre.errors import InputError
from lacustre.store.contained_tables import extract_contained
from lacustre.store.deletions import Deletion, DeletionReader, read_keys
from lacustre.store.load_result import LoadResult
from lacustre.store.objects import storage_error
from lacustre.store.operation import Operation, operation
from lacustre.store.salted import interrupted, salted
from lacustre.store.table_changes import TableChanges
from lacustre.store.tenant import TenantStore
from lacustre.store.tombstones import add_tombstones

KIND = "delete"
REQUEST = "lacustre delete"
"""What tombstones name as their source."""


def delete_resources(tenant: TenantStore, keys: Sequence[str], key_file: Path | None, at: datetime) -> LoadResult:
    """Delete the resources that are named, each `Type/id`, here or in a file.

    Raises InputError, before anything is deleted, where one names no resource or there is none.
    """
    settings = tenant.settings
    reader = DeletionReader(settings.model, ZoneInfo(settings.time_zone))
    deletions = read_keys(iter(keys), reader, at)
    if key_file is not None:
        try:
            with key_file.open(encoding="utf-8") as lines:
                deletions += read_keys(lines, reader, at)
        except (OSError, UnicodeDecodeError) as error:
            raise storage_error("read", str(key_file), error) from error
    if not deletions:
        raise InputError("nothing_to_delete", "no resource is named", "name each one: Patient/123")
    with operation(tenant, KIND, settings.time_zone) as running:
        return _delete(running, deletions)


def _delete(begun: Operation, deletions: Sequence[Deletion]) -> LoadResult:
    keys = sorted({f"{deletion.resource_type}/{deletion.id}" for deletion in deletions})
    mine = interrupted(begun.tenant, KIND, "\n".join(keys))
    running = begun if mine is None else replace(begun, id=mine.id, started=mine.started)
    result = LoadResult(running.id, running.tenant.tenant.name, deletions=len(keys))
    covers = mine.covers if mine else (salted("\n".join(keys)),)
    running.begin(covers)
    changes = TableChanges(running, {}, {deletion.resource_type for deletion in deletions})
    kept = changes.suppression.without_deletions(deletions)
    add_tombstones(running.tenant, running.connection, running.id, kept, [REQUEST], running.staging)
    changes.put(lambda _stage, _share: None)
    changes.commit(covers)
    for resource_type, plan in changes.plans.items():
        result.of(resource_type).deleted = plan.deleted
    result.contained = extract_contained(running, lambda: running.begin(covers))
    result.settle(running.finish((), counts=result.counts_by_type(), contained=result.contained.of))
    return result

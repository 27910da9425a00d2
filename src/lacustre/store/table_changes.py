"""The tables of a load, changed one commit each: planned, put, shown, and planned again where somebody was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import duckdb

from lacustre.store.chunks import StagedFile
from lacustre.store.delta import Snapshot
from lacustre.store.merge import Deleted, MergePlan, plan_merge
from lacustre.store.objects import storage_error
from lacustre.store.operation import Operation
from lacustre.store.placed_files import until_committed
from lacustre.store.suppressed import Suppression
from lacustre.store.table_write import TableWrite
from lacustre.store.tombstones import newly_deleted_sql, tombstones_sql


class TableChanges:
    """What one operation does to the FHIR tables: `staged` files by resource type, and types with `deletions`."""

    def __init__(self, operation: Operation, staged: Mapping[str, Sequence[StagedFile]], deletions: set[str]) -> None:
        self._operation, self._staged = operation, staged
        self._types = sorted({*staged, *deletions})
        self.suppression = Suppression(operation.tenant)
        self._writes: dict[str, TableWrite] = {}
        self._seen: dict[str, int | None] = {}
        self.plans: dict[str, MergePlan] = {}

    def put(self, report: Callable[[str, float], None]) -> None:
        """Put the data files of all tables in place; a failure takes them away again."""
        with ExitStack() as undo:
            for position, resource_type in enumerate(self._types):
                report(f"writing {resource_type}", position / len(self._types))
                undo.callback(self._discard, resource_type)
                self.plans[resource_type] = self._put(resource_type)
            undo.pop_all()

    def commit(self, covers: Sequence[str]) -> None:
        """Show all that was put.

        That more follows is noted before each table, since somebody may have published what there was so far.
        Raises StorageError where the store fails, or other writers win every race; what is shown by then stays, and
        the same operation again does the rest.
        """
        for resource_type in self._types:
            self._operation.begin(covers)
            self._commit(resource_type)

    def _commit(self, resource_type: str) -> None:
        plan = self._show(resource_type, self.plans[resource_type])
        while self._seen[resource_type] != self._operation.tenant.tombstones_table.version():
            # deletions that came since the plan may be of what was just committed
            plan = plan.with_deleted(self._show(resource_type, self._put(resource_type)).deleted)
        self.plans[resource_type] = plan

    def _show(self, resource_type: str, plan: MergePlan) -> MergePlan:
        """Commit what was put; returns the plan that it was put by in the end."""

        def plan_again() -> None:
            nonlocal plan
            self._discard(resource_type)
            plan = self._put(resource_type)

        def commit() -> None:
            self.suppression.require_applied(resource_type)
            self._operation.written.extend(self._writes[resource_type].commit())

        until_committed(commit, plan_again, self._writes[resource_type].table.uri)
        return plan

    def _discard(self, resource_type: str) -> None:
        if resource_type in self._writes:
            self._writes[resource_type].discard()

    def _put(self, resource_type: str) -> MergePlan:
        operation = self._operation
        write = TableWrite(operation.tenant, resource_type, operation.staging, operation.id)
        self._writes[resource_type] = write
        tombstones = operation.tenant.tombstones_table.snapshot()
        self._seen[resource_type] = tombstones.version if tombstones else None
        staged = self.suppression.without(resource_type, self._staged.get(resource_type, ()))
        current = write.table.snapshot()
        operation.files.ranged([*(current.files if current else ()), *(tombstones.files if tombstones else ())])
        plan = self._plan(resource_type, staged, current, tombstones)
        if plan.changes:
            write.put(staged, current, plan)
        return plan

    def _plan(
        self,
        resource_type: str,
        staged: Sequence[StagedFile],
        current: Snapshot | None,
        tombstones: Snapshot | None,
    ) -> MergePlan:
        deleted = Deleted(tombstones_sql(resource_type, tombstones), newly_deleted_sql(resource_type))
        try:
            return plan_merge(self._operation.connection, staged, current, deleted)
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise storage_error("merge", resource_type, error) from error

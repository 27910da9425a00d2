"""The files of one table that a load adds and takes away: put in place first, shown by one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from lacustre.fhir.shape import Shape
from lacustre.store.chunks import StagedFile
from lacustre.store.delta import DataFile, NewFile, Snapshot
from lacustre.store.digest import named, sha256_of
from lacustre.store.merge import MergePlan, touched_files
from lacustre.store.rewrite import rewrite
from lacustre.store.schema import merge_shapes, partitioned, table_schema
from lacustre.store.tenant import TenantStore

SMALL_FILE_BYTES = 512 << 10
"""Staged files with fewer bytes are written together."""


class TableWrite:
    """Puts staged files into a table, without the rows that a plan drops or replaces, and commits them.

    The staged files stay where they are, since a commit that loses a race has to be planned and put again.
    """

    def __init__(self, tenant: TenantStore, resource_type: str, staging: Path, load: str) -> None:
        self.table, self.resource_type = tenant.fhir_table(resource_type), resource_type
        self._tenant, self._staging, self._load = tenant, staging, load
        self._after: int | None = None
        self._shape: Shape = {}
        self._added: list[NewFile] = []
        self._removed: list[DataFile] = []

    def commit(self) -> None:
        """Show the files that were put and hide those that they replace, if there are any.

        Raises CommitConflictError where somebody else committed since they were planned.
        """
        if self._added or self._removed:
            schema = partitioned(self._schema(self._shape))
            note = {"lacustre_load": self._load}
            self.table.commit(schema, self._added, self._removed, note, after=self._after)

    def discard(self) -> None:
        """Take away the files that were put."""
        for file in self._added:
            self._tenant.store.remove(f"{self.table.path}/{file.path}")
        self._added, self._removed = [], []

    def put(self, staged: Sequence[StagedFile], current: Snapshot | None, plan: MergePlan) -> None:
        """Write the files into the table's folder, where nobody sees them yet."""
        self._after = current.version if current else None
        self._shape = merge_shapes(file.shape for file in staged)
        for shard in sorted({file.shard for file in staged}):
            mine = [file for file in staged if file.shard == shard]
            for group in _groups(mine, plan.dropped):
                self._add(group, shard, plan)
        self._removed = touched_files(current, plan.replaced)
        if current is not None:
            for file in self._removed:
                self._rewrite([file.uri], plan.replaced, current.shape, dict(file.partition))

    def _schema(self, shape: Shape) -> pa.Schema:
        return table_schema(self._tenant.model, self.resource_type, shape)

    def _add(self, group: list[StagedFile], shard: int, plan: MergePlan) -> None:
        partition = {"lake_shard": str(shard), "lake_segment": self._load}
        uris = [str(file.path) for file in group]
        if len(group) > 1 or uris[0] in plan.dropped:
            self._rewrite(uris, plan.dropped, merge_shapes(file.shape for file in group), partition)
        else:
            self._put(group[0].path, group[0].rows, group[0].sha256, partition)

    def _rewrite(
        self,
        uris: Sequence[str],
        dropped: Mapping[str, Sequence[int]],
        shape: Shape,
        partition: Mapping[str, str],
    ) -> None:
        target = self._staging / "rewritten.parquet"
        rows = rewrite(self._tenant.store, uris, dropped, self._schema(shape), target)
        if rows:
            self._put(target, rows, sha256_of(target), partition)
        target.unlink(missing_ok=True)

    def _put(self, local: Path, rows: int, sha256: str, partition: Mapping[str, str]) -> None:
        folder = "/".join(f"{name}={value}" for name, value in partition.items())
        path = f"{folder}/{named(f'{len(self._added):06d}-{self._load}', sha256)}"
        self._tenant.store.put(local, f"{self.table.path}/{path}")
        self._added.append(NewFile(path, partition, rows, local.stat().st_size))


def _groups(staged: Sequence[StagedFile], dropped: Mapping[str, list[int]]) -> Iterator[list[StagedFile]]:
    """Files to write together: small ones with their neighbours, large ones alone; none that is wholly dropped."""
    group: list[StagedFile] = []
    for file in sorted(staged, key=lambda file: file.path):
        if len(dropped.get(str(file.path), ())) == file.rows:
            continue
        if file.size >= SMALL_FILE_BYTES:
            yield [file]
            continue
        group.append(file)
        if sum(member.size for member in group) >= SMALL_FILE_BYTES * 4:
            yield group
            group = []
    if group:
        yield group

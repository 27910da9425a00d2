"""The files of one table that a load adds and takes away: put in place first, shown by one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from lacustre.fhir.shape import Shape
from lacustre.store.chunks import StagedFile
from lacustre.store.delta import DataFile, NewFile, Snapshot
from lacustre.store.merge import MergePlan, touched_files
from lacustre.store.rewrite import rewrite
from lacustre.store.schema import merge_shapes, partitioned, table_schema
from lacustre.store.tenant import TenantStore

SMALL_FILE_BYTES = 512 << 10
"""Staged files with fewer bytes are written together."""


class TableWrite:
    """Moves staged files into a table, without the rows that a plan drops or replaces, and commits them."""

    def __init__(self, tenant: TenantStore, resource_type: str, staging: Path, load: str) -> None:
        self.table, self.resource_type = tenant.fhir_table(resource_type), resource_type
        self._tenant, self._staging, self._load = tenant, staging, load
        self._shape: Shape = {}
        self._added: list[NewFile] = []
        self._removed: list[DataFile] = []

    def commit(self) -> None:
        """Show the files that were put; nothing happens where there are none."""
        if self._added:
            schema = partitioned(self._schema(self._shape))
            self.table.commit(schema, self._added, self._removed, {"lacustre_load": self._load})

    def discard(self) -> None:
        """Take away the files that were put."""
        for file in self._added:
            self._tenant.store.remove(f"{self.table.path}/{file.path}")

    def put(self, staged: Sequence[StagedFile], current: Snapshot | None, plan: MergePlan) -> None:
        """Write the files into the table's folder, where nobody sees them yet."""
        self._shape = merge_shapes(file.shape for file in staged)
        for shard in sorted({file.shard for file in staged}):
            mine = [file for file in staged if file.shard == shard]
            for group in _groups(mine, plan.dropped):
                self._add(group, shard, plan)
        self._removed = touched_files(current, plan.replaced)
        if current is not None:
            for number, file in enumerate(self._removed):
                stem = f"kept-{number:06d}"
                self._rewrite([file.uri], plan.replaced, current.shape, dict(file.partition), stem)

    def _schema(self, shape: Shape) -> pa.Schema:
        return table_schema(self._tenant.model, self.resource_type, shape)

    def _add(self, group: list[StagedFile], shard: int, plan: MergePlan) -> None:
        partition = {"lake_shard": str(shard), "lake_segment": self._load}
        uris = [str(file.path) for file in group]
        if len(group) > 1 or uris[0] in plan.dropped:
            shape = merge_shapes(file.shape for file in group)
            self._rewrite(uris, plan.dropped, shape, partition, group[0].path.stem)
        else:
            self._move(group[0].path, group[0].rows, partition, group[0].path.stem)

    def _rewrite(
        self,
        uris: Sequence[str],
        dropped: Mapping[str, Sequence[int]],
        shape: Shape,
        partition: Mapping[str, str],
        stem: str,
    ) -> None:
        target = self._staging / f"{stem}-rewritten.parquet"
        rows = rewrite(self._tenant.store, uris, dropped, self._schema(shape), target)
        if rows:
            self._move(target, rows, partition, stem)
        else:
            target.unlink()

    def _move(self, local: Path, rows: int, partition: Mapping[str, str], stem: str) -> None:
        folder = "/".join(f"{name}={value}" for name, value in partition.items())
        path = f"{folder}/{stem}-{self._load}.parquet"
        size = local.stat().st_size
        self._tenant.store.put(local, f"{self.table.path}/{path}")
        self._added.append(NewFile(path, partition, rows, size))


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

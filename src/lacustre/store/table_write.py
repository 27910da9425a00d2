"""The files of one table that a load adds and takes away: put in place first, shown by one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lacustre.fhir.shape import Shape
from lacustre.store.chunks import StagedFile
from lacustre.store.delta import DataFile, NewFile, Snapshot
from lacustre.store.digest import sha256_in
from lacustre.store.merge import MergePlan, touched_files
from lacustre.store.placed_files import PlacedFiles
from lacustre.store.reading import StoredFile
from lacustre.store.schema import merge_shapes, partitioned, table_schema
from lacustre.store.tenant import TenantStore

SMALL_FILE_BYTES = 512 << 10
"""Staged files with fewer bytes are written together."""
WRITERS = 4
"""Files that are written at a time: Parquet is read and written outside of Python's lock, and uploads wait."""


Rows = Mapping[str, list[int]]
"""Row numbers from 0, by the URI or path of their file."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to write: the rows of others but for the dropped ones, or `whole`, a staged file as it is."""

    uris: Sequence[str]
    dropped: Rows
    shape: Shape
    partition: Mapping[str, str]
    whole: StagedFile | None = None


class TableWrite:
    """Puts staged files into a table, without the rows that a plan drops or replaces, and commits them.

    The staged files stay where they are, since a commit that loses a race has to be planned and put again.
    """

    def __init__(self, tenant: TenantStore, resource_type: str, staging: Path, load: str) -> None:
        self.table, self.resource_type = tenant.fhir_table(resource_type), resource_type
        self._tenant, self._load = tenant, load
        self._placed = PlacedFiles(tenant.store, self.table, staging, load)
        self._after: int | None = None
        self._shape: Shape = {}
        self._added: list[NewFile] = []
        self._removed: list[DataFile] = []

    def commit(self) -> list[StoredFile]:
        """Show the files that were put, which it returns, and hide those that they replace, if there are any.

        Raises CommitConflictError where somebody else committed since they were planned.
        """
        if self._added or self._removed:
            schema = partitioned(self._schema(self._shape))
            note = {"lacustre_load": self._load}
            self.table.commit(schema, self._added, self._removed, note, after=self._after)
        return [StoredFile(f"{self.table.uri}/{file.path}", file.size, sha256_in(file.path)) for file in self._added]

    def discard(self) -> None:
        """Take away the files that were put."""
        self._placed.discard(self._added)
        self._added, self._removed = [], []

    def put(self, staged: Sequence[StagedFile], current: Snapshot | None, plan: MergePlan) -> None:
        """Write the files into the table's folder, where nobody sees them yet, several at a time."""
        self._after = current.version if current else None
        self._shape = merge_shapes(file.shape for file in staged)
        self._removed = touched_files(current, plan.replaced)
        self._placed.files.checked(self._removed)
        jobs = [*self._new(staged, plan.dropped), *self._kept(current.shape if current else {}, plan.replaced)]
        with ThreadPoolExecutor(WRITERS) as threads:
            done = [threads.submit(self._write, number, job) for number, job in enumerate(jobs)]
        # nothing is forgotten that has to be taken away again if one has failed
        self._added = [file for one in done if one.exception() is None and (file := one.result()) is not None]
        for one in done:
            one.result()

    def _new(self, staged: Sequence[StagedFile], dropped: Rows) -> Iterator[_Job]:
        for shard in sorted({file.shard for file in staged}):
            partition = {"lake_shard": str(shard), "lake_segment": self._load}
            for group in _groups([file for file in staged if file.shard == shard], dropped):
                uris = [str(file.path) for file in group]
                whole = group[0] if len(group) == 1 and uris[0] not in dropped else None
                yield _Job(uris, dropped, merge_shapes(file.shape for file in group), partition, whole)

    def _kept(self, shape: Shape, replaced: Rows) -> Iterator[_Job]:
        for file in self._removed:
            yield _Job([file.uri], replaced, shape, file.partition)

    def _schema(self, shape: Shape) -> pa.Schema:
        return table_schema(self._tenant.model, self.resource_type, shape)

    def _write(self, number: int, job: _Job) -> NewFile | None:
        """Put the file of a job, or nothing where no row is left."""
        if job.whole is not None:
            return self._placed.put(number, job.whole.path, job.whole.rows, job.whole.sha256, job.partition)
        return self._placed.rewrite(number, job.uris, job.dropped, self._schema(job.shape), job.partition)


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

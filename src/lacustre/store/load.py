"""A load: FHIR NDJSON into the tables of a tenant, lossless, every line accounted for."""

from __future__ import annotations

import math
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import duckdb

from lacustre.errors import QualityError, StorageError
from lacustre.settings import DEFAULT_MAX_REJECTS
from lacustre.store.chunk_reader import CHUNK_BYTES, MAX_LINE_BYTES, ChunkReader
from lacustre.store.chunks import ChunkResult, ChunkSettings, StagedFile
from lacustre.store.content import define_canonical_rest
from lacustre.store.delta import Snapshot
from lacustre.store.lake_columns import Origin
from lacustre.store.lines import Reject
from lacustre.store.merge import plan_merge
from lacustre.store.rejects import add_rejects
from lacustre.store.scan import connect, sql_text
from lacustre.store.sources import Source, find_source
from lacustre.store.staging import staging_folder
from lacustre.store.table_write import TableWrite
from lacustre.store.tenant import TenantStore
from lacustre.store.workers import encode_chunks
from lacustre.tenancy import RequestedSettings, TenantSettings

MAX_PROCESSES = 8
MERGE_MEMORY = "1GB"
"""What the queries over keys and contents may take before they use the disk."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the load that is done, from 0 to 1."""


@dataclass(slots=True)
class TypeCounts:
    """Lines of one resource type, by their fate; `read` is their sum."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: int = 0

    @property
    def loaded(self) -> int:
        return self.inserted + self.updated


UNREADABLE = "(unreadable)"
SHORTEST_RESOURCE_BYTES = len('{"resourceType":"List","id":"1"}')


@dataclass(slots=True)
class LoadResult:
    """What a load did: counts by resource type, what went to `lake_rest` by path, rejects by reason code."""

    load: str
    tenant: str
    counts: dict[str, TypeCounts] = field(default_factory=dict)
    rest: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0
    ignored: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def total(self, name: str) -> int:
        return sum(getattr(counts, name) for counts in self.counts.values())


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load.

    `max_rejects` is a share of the lines; `processes` None means as many as there are cores; longer lines than
    `max_line_bytes` are rejected.
    """

    requested: RequestedSettings = field(default_factory=RequestedSettings)
    max_rejects: float = DEFAULT_MAX_REJECTS
    processes: int | None = None
    progress: Progress | None = None
    max_line_bytes: int = MAX_LINE_BYTES


def load_source(tenant: TenantStore, places: Sequence[str], options: LoadOptions) -> LoadResult:
    """Load everything that `places` name into the tenant's tables.

    Raises QualityError, with the tables as they were, where more than `max_rejects` of the lines cannot be a
    resource; InputError, ManifestError, SettingsError for what the caller can fix; StorageError.
    """
    started = time.monotonic()
    source = find_source(places, tenant.store.options)
    tenant.store.require()
    settings = options.requested.settle(tenant.fixed_settings())
    load = new_load_id()
    with staging_folder(tenant, load) as staging, connect(tenant.store, time_zone=settings.time_zone) as connection:
        connection.execute(f"SET memory_limit = '{MERGE_MEMORY}'")
        connection.execute(f"SET temp_directory = {sql_text(str(staging))}")
        define_canonical_rest(connection)
        result = _Load(tenant, settings, source, load, staging, connection, options).run()
    result.seconds = time.monotonic() - started
    return result


def new_load_id() -> str:
    """Names sort by time: `20261231T235959Z-1f2e`."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


class _Load:
    def __init__(
        self,
        tenant: TenantStore,
        settings: TenantSettings,
        source: Source,
        load: str,
        staging: Path,
        connection: duckdb.DuckDBPyConnection,
        options: LoadOptions,
    ) -> None:
        self._tenant, self._settings, self._source, self._options = tenant, settings, source, options
        self._load, self._staging, self._connection = load, staging, connection
        self._rejects: list[Reject] = []
        self._staged: dict[str, list[StagedFile]] = {}
        self._result = LoadResult(load, tenant.tenant.name, files=len(source.files), ignored=list(source.ignored))

    def run(self) -> LoadResult:
        snapshots = self._snapshots()
        self._encode(snapshots)
        self._check_rejects()
        self._tenant.fix_settings(self._options.requested)
        for write in self._write():
            write.commit()
        self._report("done", 1.0)
        return self._result

    def _snapshots(self) -> dict[str, Snapshot]:
        found = {name: self._tenant.fhir_table(name).snapshot() for name in self._tenant.resource_types()}
        return {name: snapshot for name, snapshot in found.items() if snapshot is not None}

    def _encode(self, snapshots: Mapping[str, Snapshot]) -> None:
        reader = ChunkReader(self._source, self._tenant.store.options, self._options.max_line_bytes)
        origin = Origin(
            self._tenant.tenant.name,
            self._load,
            self._source.received or datetime.now(UTC),
            self._settings.time_zone,
        )
        settings = ChunkSettings(self._settings.fhir_version, self._settings.shards, origin, self._staging)
        shapes = {name: snapshot.shape for name, snapshot in snapshots.items()}
        outcomes = encode_chunks(reader.chunks(), settings, shapes, self._processes())
        for done, outcome in enumerate(outcomes, 1):
            self._collect(outcome)
            self._check_rejects_so_far()
            self._report("reading", 0.9 * self._share_read(reader, done))
        self._rejects += reader.rejects
        self._result.bytes = reader.bytes_read
        self._result.reasons = Counter(reject.code for reject in self._rejects)
        if self._rejects:
            count = len(self._rejects)
            self._result.counts[UNREADABLE] = TypeCounts(read=count, rejected=count)

    def _share_read(self, reader: ChunkReader, chunks_done: int) -> float:
        return min(1.0, chunks_done * CHUNK_BYTES / max(reader.bytes_read, self._source.size, 1))

    def _processes(self) -> int:
        """One process per two chunks at most: a process takes half a second to start."""
        wanted = self._options.processes or min(os.cpu_count() or 1, MAX_PROCESSES)
        size = self._source.size * (10 if self._is_compressed else 1)
        return max(1, min(wanted, size // CHUNK_BYTES))

    @property
    def _is_compressed(self) -> bool:
        return any(file.uri.endswith(".gz") for file in self._source.files)

    def _collect(self, outcome: ChunkResult) -> None:
        self._rejects += outcome.rejects
        for name, read in outcome.read.items():
            self._result.counts.setdefault(name, TypeCounts()).read += read
        for name, counts in outcome.rest.items():
            self._result.rest.setdefault(name, Counter()).update(counts)
        for file in outcome.staged:
            self._staged.setdefault(file.resource_type, []).append(file)

    def _check_rejects_so_far(self) -> None:
        """Refuse as soon as it is sure, so that a source that is not FHIR at all need not fit into memory."""
        rejected = len(self._rejects)
        other = self._source.size // SHORTEST_RESOURCE_BYTES
        if not self._is_compressed and rejected > self._options.max_rejects * (rejected + other):
            self._refuse(rejected + self._result.total("read"), "the first ")

    def _check_rejects(self) -> None:
        read, rejected = self._result.total("read"), len(self._rejects)
        if rejected and rejected > self._options.max_rejects * read:
            self._refuse(read)

    def _refuse(self, read: int, which: str = "") -> NoReturn:
        rejected, first = len(self._rejects), min(self._rejects, key=lambda reject: (reject.file, reject.line))
        reasons = Counter(reject.code for reject in self._rejects).most_common()
        raise QualityError(
            "too_many_rejects",
            f"{rejected} of {which}{read} lines cannot be a resource "
            f"({', '.join(f'{code} {count}' for code, count in reasons)}); the tables are as they were. "
            f"The first: {self._source.files[first.file].name} line {first.line}"
            + (f", {first.detail}" if first.detail else ""),
            f"mend the source, or accept them: --max-rejects {_next_share(rejected / read)}"
            if rejected < read
            else "are these FHIR files? a line holds one resource",
        )

    def _write(self) -> list[TableWrite]:
        """Put the data files of all tables in place, to be committed; a failure takes them away again."""
        writes: list[TableWrite] = []
        with ExitStack() as undo:
            for position, resource_type in enumerate(sorted(self._staged)):
                self._report(f"writing {resource_type}", 0.9 + 0.1 * position / len(self._staged))
                writes.append(TableWrite(self._tenant, resource_type, self._staging, self._load))
                undo.callback(writes[-1].discard)
                self._merge(writes[-1])
            if self._rejects:
                names = [file.name for file in self._source.files]
                add_rejects(self._tenant, self._connection, self._load, self._rejects, names, self._staging)
            undo.pop_all()
        return writes

    def _merge(self, write: TableWrite) -> None:
        current, staged = write.table.snapshot(), self._staged[write.resource_type]
        try:
            plan = plan_merge(self._connection, staged, current)
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise StorageError("storage_failed", f"cannot merge {write.resource_type}: {error}") from error
        counts = self._result.counts[write.resource_type]
        counts.inserted, counts.updated = plan.inserted, plan.updated
        counts.unchanged, counts.superseded = plan.unchanged, plan.superseded
        if plan.inserted or plan.updated:
            write.put(staged, current, plan)

    def _report(self, stage: str, share: float) -> None:
        if self._options.progress is not None:
            self._options.progress(stage, share)


def _next_share(share: float) -> str:
    """The share, rounded up to two significant digits."""
    step = 10.0 ** (math.floor(math.log10(share)) - 1)
    return f"{min(1.0, math.ceil(share / step) * step):.6g}"

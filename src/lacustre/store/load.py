"""A load: FHIR NDJSON into the tables of a tenant, lossless, every line accounted for, one effect however often."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from lacustre.errors import QualityError
from lacustre.fhir.shape import Shape
from lacustre.settings import DEFAULT_MAX_REJECTS
from lacustre.store.chunk_reader import CHUNK_BYTES, MAX_LINE_BYTES, ChunkReader
from lacustre.store.chunks import ChunkResult, ChunkSettings, StagedFile
from lacustre.store.contained_tables import extract_contained
from lacustre.store.deletions import DeletionReader
from lacustre.store.lake_columns import Origin
from lacustre.store.ledger import Reason, intents
from lacustre.store.lines import Reject
from lacustre.store.load_result import UNREADABLE, FileCounts, LoadResult
from lacustre.store.loaded_files import add_loaded, find_loaded
from lacustre.store.operation import Operation, operation
from lacustre.store.rejects import add_rejects
from lacustre.store.sources import Source, SourceFile, find_source
from lacustre.store.table_changes import TableChanges
from lacustre.store.tenant import TenantStore
from lacustre.store.tombstones import add_tombstones
from lacustre.store.workers import encode_chunks
from lacustre.tenancy import RequestedSettings, TenantSettings

MAX_PROCESSES = 8
COMPRESSION = 10
"""How much larger the text of FHIR JSON is than its gzip, about."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the load that is done, from 0 to 1."""

Judge = Callable[[TenantStore, Source, LoadResult], tuple[Mapping[str, Any], Sequence[Reason]]]
"""Gives the statement of a load that has committed, and the reasons to hold it back, if there are any."""

MAX_HELD_BYTES = 128 << 20
"""Rejected lines are kept in memory until the load commits: beyond so many bytes of them it is refused."""
SHORTEST_RESOURCE_BYTES = len('{"resourceType":"List","id":"1"}')


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load.

    `max_rejects` is a share of the lines; `processes` None means as many as there are cores; longer lines than
    `max_line_bytes` are rejected; `again` takes files that were loaded before once more.
    """

    requested: RequestedSettings = field(default_factory=RequestedSettings)
    max_rejects: float = DEFAULT_MAX_REJECTS
    processes: int | None = None
    progress: Progress | None = None
    max_line_bytes: int = MAX_LINE_BYTES
    again: bool = False
    judge: Judge | None = None


def load_source(tenant: TenantStore, places: Sequence[str], options: LoadOptions) -> LoadResult:
    """Load everything that `places` name into the tenant's tables.

    Raises QualityError, with the tables as they were, where more than `max_rejects` of the lines cannot be a
    resource; InputError, ManifestError, SettingsError for what the caller can fix; StorageError.
    """
    started = time.monotonic()
    source = find_source(places, tenant.store.options)
    settings = options.requested.settle(tenant.fixed_settings())
    with operation(tenant, "load", settings.time_zone) as running:
        result = _Load(running, settings, source, options).run()
    result.seconds = time.monotonic() - started
    return result


class _Load:
    def __init__(self, running: Operation, settings: TenantSettings, source: Source, options: LoadOptions) -> None:
        self._running, self._settings, self._source, self._options = running, settings, source, options
        self._tenant = running.tenant
        self._rejects: list[Reject] = []
        self._held = 0
        self._read: dict[int, Counter[str]] = {}
        self._staged: dict[str, list[StagedFile]] = {}
        name = self._tenant.tenant.name
        self._result = LoadResult(running.id, name, files=len(source.files), ignored=list(source.ignored))

    def run(self) -> LoadResult:
        loaded = {} if self._options.again else find_loaded(self._tenant, self._running.connection, self._source.files)
        reader = self._encode({n: file for n, file in enumerate(self._source.files) if n not in loaded})
        self._count(reader, loaded)
        self._check_rejects()
        if self._has_effect(loaded):
            self._tenant.fix_settings(self._options.requested)
            self._apply(reader)
        else:
            self._result.tell_state(self._tenant)
        self._report("done", 1.0)
        return self._result

    def _has_effect(self, loaded: Mapping[int, FileCounts]) -> bool:
        """Whether there is anything to load or to judge, or an interrupted load of the same files to finish."""
        if len(loaded) < len(self._source.files) or (self._source.errors and not loaded):
            return True
        covers = set(self._covers())
        return any(intent.kind == "load" and covers.issuperset(intent.covers) for intent in intents(self._tenant))

    def _covers(self) -> list[str]:
        return sorted({file.cover for file in self._result.sources})

    def _apply(self, reader: ChunkReader) -> None:
        """Everything that others can see, in an order in which a crash at any point is known and can be made good."""
        running, names = self._running, [file.name for file in self._source.files]
        taken = [file for file in self._result.sources if not file.loaded_by]
        covers = self._covers()
        if reader.deletions:
            running.begin(covers)
        deleted = {deletion.resource_type for deletion in reader.deletions}
        changes = TableChanges(running, self._staged, deleted)
        deletions = changes.suppression.without_deletions(reader.deletions)
        add_tombstones(self._tenant, running.connection, running.id, deletions, names, running.staging)
        changes.put(lambda stage, share: self._report(stage, 0.9 + 0.1 * share))
        running.begin(covers)
        if self._rejects:
            rejects = changes.suppression.without_bytes(self._rejects)
            add_rejects(self._tenant, running.connection, running.id, rejects, names, running.staging)
        changes.commit(covers)
        for resource_type, plan in changes.plans.items():
            counts = self._result.of(resource_type)
            counts.inserted += plan.inserted
            counts.updated += plan.updated
            counts.unchanged += plan.unchanged
            counts.superseded += plan.superseded
            counts.deleted += plan.deleted
            counts.suppressed += changes.suppression.dropped[resource_type]
        self._result.suppressed = changes.suppression.statement
        self._result.contained = extract_contained(running, lambda: running.begin(covers))
        if taken:
            add_loaded(self._tenant, running.id, taken, running.staging)
        self._record(covers)

    def _record(self, covers: Sequence[str]) -> None:
        statement, reasons = (
            self._options.judge(self._tenant, self._source, self._result) if self._options.judge else ({}, ())
        )
        contained = self._result.contained
        counts, statement = self._result.counts_by_type(), {**statement, **self._result.suppressed}
        members = {"counts": counts, "statement": {**statement, **contained.statement}, "contained": contained.of}
        record = self._running.finish(covers, **members, reasons=tuple(reasons))
        self._result.settle(record)

    def _encode(self, files: Mapping[int, SourceFile]) -> ChunkReader:
        settings, zone = self._settings, self._settings.time_zone
        started = datetime.fromisoformat(self._running.started)
        deletions = DeletionReader(settings.model, ZoneInfo(zone))
        reader = ChunkReader(files, started, deletions, self._tenant.store.options, self._options.max_line_bytes)
        origin = Origin(self._tenant.tenant.name, self._running.id, zone)
        chunk_settings = ChunkSettings(settings.fhir_version, settings.shards, origin, self._running.staging)
        size = sum(file.size * (COMPRESSION if file.uri.endswith(".gz") else 1) for file in files.values())
        processes = self._processes(size)
        outcomes = encode_chunks(reader.chunks(processes), chunk_settings, self._shapes(), processes)
        for done, outcome in enumerate(outcomes, 1):
            self._collect(outcome)
            self._check_rejects_so_far(files)
            read = done * CHUNK_BYTES / max(reader.bytes_read, size, 1)
            self._report("reading", 0.9 * min(1.0, read))
        self._rejects += reader.rejects
        return reader

    def _shapes(self) -> dict[str, Shape]:
        found = {name: self._tenant.fhir_table(name).snapshot() for name in self._tenant.resource_types()}
        return {name: snapshot.shape for name, snapshot in found.items() if snapshot is not None}

    def _processes(self, size: int) -> int:
        """One process per two chunks at most: a process takes half a second to start."""
        wanted = self._options.processes or min(os.cpu_count() or 1, MAX_PROCESSES)
        return max(1, min(wanted, size // CHUNK_BYTES))

    def _collect(self, outcome: ChunkResult) -> None:
        self._rejects += outcome.rejects
        self._held += sum(len(reject.data) for reject in outcome.rejects)
        for name, by_file in outcome.read.items():
            for number, read in by_file.items():
                self._read.setdefault(number, Counter())[name] += read
        for name, counts in outcome.rest.items():
            self._result.rest.setdefault(name, Counter()).update(counts)
        for file in outcome.staged:
            self._staged.setdefault(file.resource_type, []).append(file)

    def _count(self, reader: ChunkReader, loaded: Mapping[int, FileCounts]) -> None:
        """Fill the result with what was read, now or by the earlier loads of the same files."""
        rejects: dict[int, Counter[str]] = {}
        for reject in self._rejects:
            rejects.setdefault(reject.file, Counter())[reject.code] += 1
        deletions = Counter(deletion.file for deletion in reader.deletions)
        for number, file in enumerate(self._source.files):
            counts = loaded.get(number) or FileCounts(
                file.name,
                file.size,
                reader.digests[number],
                file.export,
                self._read.get(number, {}),
                rejects.get(number, {}),
                deletions[number],
                file.announced,
            )
            self._add(counts)
        self._result.bytes = reader.bytes_read

    def _add(self, file: FileCounts) -> None:
        self._result.sources.append(file)
        self._result.deletions += file.deletions
        self._result.reasons.update(file.rejects)
        for name, read in file.lines.items():
            counts = self._result.of(name)
            counts.read += read
            counts.unchanged += read if file.loaded_by else 0
        if rejected := sum(file.rejects.values()):
            unreadable = self._result.of(UNREADABLE)
            unreadable.read += rejected
            unreadable.rejected += rejected

    def _check_rejects_so_far(self, files: Mapping[int, SourceFile]) -> None:
        """Refuse as soon as it is sure, so that a source that is not FHIR at all need not fit into memory."""
        rejected = len(self._rejects)
        other = sum(file.size for file in self._source.files) // SHORTEST_RESOURCE_BYTES
        compressed = any(file.uri.endswith(".gz") for file in files.values())
        sure = not compressed and rejected > self._options.max_rejects * (rejected + other)
        if sure or self._held > MAX_HELD_BYTES:
            read = rejected + sum(sum(counts.values()) for counts in self._read.values())
            self._refuse(read, "the first ")

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

    def _report(self, stage: str, share: float) -> None:
        if self._options.progress is not None:
            self._options.progress(stage, share)


def _next_share(share: float) -> str:
    """The share, rounded up to two significant digits."""
    step = 10.0 ** (math.floor(math.log10(share)) - 1)
    return f"{min(1.0, math.ceil(share / step) * step):.6g}"

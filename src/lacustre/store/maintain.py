"""Maintenance: small files are merged, versions beyond the retention given up, and what nobody needs is removed.

The order makes a crash harmless at any point: what is merged is as good as before; then a record gives the old
versions up, so that nobody opens them any more; a day later (`grace`) the next run removes what only they needed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lacustre.errors import SettingsError
from lacustre.store.compact import Compaction, Rows, compact_table
from lacustre.store.contained_tables import extract_contained
from lacustre.store.delta import LakeTable, Snapshot
from lacustre.store.ledger import Record, forget_versions, intents, newest, published, read_record, records
from lacustre.store.maintained_table import (
    LOG,
    PART_OF_LOG,
    MaintainedTable,
    checkpoint_versions,
    entry_versions,
    first_needed,
)
from lacustre.store.operation import Operation, operation
from lacustre.store.retention import Retention
from lacustre.store.scan import read_parquet, sql_text
from lacustre.store.tenant import CONTAINED, TenantStore
from lacustre.store.vacuum import Freed, vacuum_table

CHECKPOINT_ENTRIES = 10
"""How many entries of a log readers may have to open before it gets a checkpoint."""


@dataclass(slots=True)
class MaintainResult:
    """What maintenance did: `version` is the lake's new one, None where nothing changed; `kept_from` the oldest one
    that is kept, which was finished at `kept_since`; `given_up` counts the versions that this run gave up.
    """

    version: int | None = None
    kept_from: int | None = None
    kept_since: str | None = None
    given_up: int = 0
    compactions: list[Compaction] = field(default_factory=list)
    freed: Freed = field(default_factory=Freed)
    seconds: float = 0.0


def maintain(tenant: TenantStore, retention: Retention) -> MaintainResult:
    """Merge small files, give up old versions, remove what they needed.

    Others may read and write meanwhile. Raises SettingsError for a bad retention, StorageError; what was done by
    then is whole, and the next run does the rest.
    """
    if not (retention.keep_days >= 0 and retention.keep_rejects_days >= 0):  # which no NaN is
        raise SettingsError("bad_retention", "nothing can be kept for less than no time", "give 0 days or more")
    tenant.store.require()
    started = time.monotonic()
    with operation(tenant, "maintain", tenant.settings.time_zone) as running:
        result = _Maintenance(running, retention).run()
    result.seconds = time.monotonic() - started
    return result


class _Maintenance:
    def __init__(self, running: Operation, retention: Retention) -> None:
        self._operation, self._retention = running, retention
        self._tenant = running.tenant
        self._tables = self._made_tables()
        self._contained: Mapping[str, int] = {}
        self._result = MaintainResult()

    def run(self) -> MaintainResult:
        self._compact()
        self._extract_contained()
        settled = self._settled()
        last = newest(self._tenant)
        horizon = self._horizon(last) if last else None
        self._result.given_up = horizon.number - last.kept_from if horizon and last else 0
        extracted = last is not None and any(last.contained.get(name) != at for name, at in self._contained.items())
        if self._result.compactions or self._result.given_up or extracted or (last and self._is_unrecorded(last)):
            last = self._give_up(horizon)
        self._remove(settled)
        if last is not None:
            self._tell(last)
        self._report("done", 1.0)
        return self._result

    def _horizon(self, last: Record) -> Record:
        """The oldest version to keep: current at the beginning of the retention, and not after a published one.

        Versions with the same tables as that one cost nothing, and stay.
        """
        cutoff, seen = self._retention.days_before(self._retention.keep_days), False
        oldest = read_record(self._tenant, last.kept_from)
        for record in records(self._tenant):
            seen |= record.state == "published"
            if record.number <= oldest.number:
                break
            if seen and datetime.fromisoformat(record.finished) <= cutoff:
                return oldest if record.tables == oldest.tables else record
        return oldest

    def _compact(self) -> None:
        own = [table for table in self._tables if not table.name.startswith(f"{CONTAINED}/")]
        for position, table in enumerate(own):
            self._report(f"merging {table.name}", 0.7 * position / len(own))
            expired = self._expired_rejects(table.snapshot()) if table.name == "rejects" else {}
            done = compact_table(self._operation, table, expired)
            if done is not None:
                self._result.compactions.append(done)

    def _extract_contained(self) -> None:
        """Make the tables of contained resources anew where the FHIR tables have other files, or from the beginning."""
        self._report("extracting contained resources", 0.7)
        self._contained = extract_contained(self._operation).of
        self._tables = self._made_tables()

    def _made_tables(self) -> list[LakeTable]:
        return [table for table in self._tenant.tables() if table.version() is not None]

    def _expired_rejects(self, rejects: Snapshot | None) -> Rows:
        """The rejected lines of loads that are too old, and older than a published version."""
        trusted = published(self._tenant)
        if rejects is None or not rejects.files or trusted is None:
            return {}
        cutoff = self._retention.days_before(self._retention.keep_rejects_days)
        written = cutoff.isoformat(timespec="seconds")[:19].replace("-", "").replace(":", "")  # years with four digits
        oldest = min(f"{written}Z", trusted.id)
        uris = self._operation.files.checked(rejects.files)
        source = read_parquet(uris, filename=True, file_row_number=True)
        query = f"SELECT filename, list(file_row_number) FROM {source} WHERE load < {sql_text(oldest)} GROUP BY ALL"
        return dict(self._operation.connection.execute(query).fetchall())

    def _give_up(self, horizon: Record | None) -> Record:
        """Write the record, with the digests of those files of the logs whose own records go."""
        kept_from = horizon.number if horizon else 1
        sealed = {**self._inherited(horizon), **self._checkpoints()}
        tables = {done.table: {"files": [done.files_before, done.files_after]} for done in self._result.compactions}
        expired = sum(done.rows_expired for done in self._result.compactions)
        statement = {"merged": tables, "kept_from": kept_from, "expired_rejects": expired}
        members = {"statement": statement, "kept_from": kept_from, "sealed": sealed, "contained": self._contained}
        record = self._operation.finish((), **members)
        self._result.version = record.number
        return record

    def _checkpoints(self) -> dict[str, str]:
        """The digests, by path, of checkpoints for the logs that are long to read, or have one that no record knows."""
        found: dict[str, str] = {}
        unsealed = self._unsealed()
        for table in map(MaintainedTable.of, self._tables):
            log = table.log()
            newest_one = max(checkpoint_versions(log), default=-1)
            entries = sum(version > newest_one for version in entry_versions(log))
            if entries >= CHECKPOINT_ENTRIES or table.name in unsealed:
                found |= {f"{table.name}/{name}": digest for name, digest in table.checkpoint().items()}
        return found

    def _is_unrecorded(self, last: Record) -> bool:
        """Whether an operation that leaves no note was killed before its record: what it did has no digests yet."""
        if intents(self._tenant):
            return False  # who commits at present will say so
        return any(last.tables.get(table.name) != table.version() for table in self._tables) or bool(self._unsealed())

    def _unsealed(self) -> set[str]:
        """The tables whose newest checkpoint no record knows; none while others may be about to write theirs."""
        waiting: dict[str, str] = {}
        for table in map(MaintainedTable.of, self._tables):
            version = max(checkpoint_versions(table.log()), default=None)
            if version is not None:
                waiting[f"{table.name}/{LOG}{version:020d}.checkpoint.parquet"] = table.name
        if intents(self._tenant):
            return set()
        for record in records(self._tenant) if waiting else ():
            waiting = {path: name for path, name in waiting.items() if path not in record.sealed}
            if not waiting:
                break
        return set(waiting.values())

    def _inherited(self, horizon: Record | None) -> dict[str, str]:
        """What the records that go say of files of logs that stay, because kept versions need them."""
        sealed: dict[str, str] = {}
        if horizon is None:
            return sealed
        tables = map(MaintainedTable.of, self._tables)
        first = {table.name: first_needed(table.log(), horizon.tables.get(table.name, 0)) for table in tables}
        for record in records(self._tenant):
            if record.number < horizon.number:
                stays = {path: digest for path, digest in record.sealed.items() if _stays(path, first)}
                sealed = {**stays, **sealed}
        return sealed

    def _settled(self) -> Record | None:
        """The version before which all are given up for so long that nobody reads them any more."""
        before = self._retention.before(self._retention.grace)
        for record in records(self._tenant):
            if datetime.fromisoformat(record.finished) <= before:
                return read_record(self._tenant, record.kept_from)
        return None

    def _remove(self, settled: Record | None) -> None:
        """Remove what only versions before the settled one needed, and what killed writers left."""
        before, freed = self._retention.before(self._retention.grace), self._result.freed
        versions = settled.tables if settled else {}
        if settled is not None:
            freed.others += forget_versions(self._tenant, settled.number)
        tables = self._tenant.tables()
        for position, table in enumerate(tables):
            self._report(f"removing from {table.name}", 0.8 + 0.2 * position / len(tables))
            vacuum_table(self._tenant, MaintainedTable.of(table), versions.get(table.name, 0), before, freed)
        freed.others += self._tenant.store.remove_unfinished(self._tenant.tenant.root, self._retention.grace)

    def _tell(self, last: Record) -> None:
        oldest = read_record(self._tenant, last.kept_from)
        self._result.kept_from, self._result.kept_since = oldest.number, oldest.finished

    def _report(self, stage: str, share: float) -> None:
        if self._retention.progress is not None:
            self._retention.progress(stage, share)


def _stays(path: str, first: Mapping[str, int]) -> bool:
    """Whether a file that a record seals is needed by versions that are kept; `first` has those of the logs."""
    table, _, name = path.rpartition(f"/{LOG}")
    return not PART_OF_LOG.fullmatch(name) or int(name[:20]) >= first.get(table, 0)

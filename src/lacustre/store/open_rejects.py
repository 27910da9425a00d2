"""Rejected lines that are still open: found by key or place, shown, and taken out once a corrected line is loaded.

A reject's key is the first 16 hexadecimal digits of the MD5 of its load, file and line, a line feed between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import duckdb
import pyarrow as pa

from lacustre.errors import InputError, StorageError
from lacustre.store.delta import DataFile, Snapshot
from lacustre.store.operation import Operation, operation
from lacustre.store.placed_files import PlacedFiles, until_committed
from lacustre.store.reading import LakeFiles, lake_files
from lacustre.store.rejects import REJECTS_SCHEMA
from lacustre.store.scan import connect, read_parquet
from lacustre.store.tenant import TenantStore

KEY_SQL = "left(md5(concat_ws(chr(10), load, file, line)), 16)"
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which rejects: those of a load, of a file, of a reason; None for any."""

    load: str | None = None
    file: str | None = None
    reason: str | None = None

    @property
    def condition(self) -> str:
        return "load = coalesce($load, load) AND file = coalesce($file, file) AND reason = coalesce($reason, reason)"

    @property
    def parameters(self) -> dict[str, str | None]:
        return {"load": self.load, "file": self.file, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """The open rejects of one load, file and reason: how many, and the first line."""

    load: str
    file: str
    reason: str
    lines: int
    first: int


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """One open reject; `raw` has the line's bytes as they were (of an oversized one, its beginning)."""

    key: str
    load: str
    file: str
    line: int
    reason: str
    detail: str
    raw: bytes


def group_rejects(tenant: TenantStore, chosen: RejectFilter) -> list[RejectGroup]:
    """The open rejects by load, file and reason, the newest load first."""
    with _open_rejects(tenant) as (connection, rejects, _):
        rows = connection.execute(
            f"SELECT load, file, reason, count(*), min(line) FROM {rejects} WHERE {chosen.condition} "
            "GROUP BY ALL ORDER BY load DESC, file, reason",
            chosen.parameters,
        ).fetchall()
        return [RejectGroup(*row) for row in rows]


def find_rejects(tenant: TenantStore, chosen: RejectFilter) -> Iterator[RejectedLine]:
    """The open rejects, by load, file and line."""
    yield from _lines(tenant, chosen.condition, chosen.parameters)


def read_reject(tenant: TenantStore, name: str) -> RejectedLine:
    """The open reject of a key, or of `file:line`; raises InputError where there is none, or several."""
    file, _, line = name.rpartition(":")
    number = int(line) if line.isdecimal() and len(line) < 19 else -1
    parameters = {"key": name, "file": file, "line": number}
    found = list(_lines(tenant, f"{KEY_SQL} = $key OR (file = $file AND line = $line)", parameters))
    if not found:
        raise InputError("no_such_reject", f"no open reject is {name}", "`lacustre rejects list --lines` shows them")
    if len(found) > 1:
        keys = ", ".join(reject.key for reject in found)
        raise InputError("several_rejects", f"{len(found)} loads rejected {name}", f"name one by its key: {keys}")
    return found[0]


def _lines(tenant: TenantStore, condition: str, parameters: Mapping[str, object]) -> Iterator[RejectedLine]:
    with _open_rejects(tenant) as (connection, rejects, _):
        cursor = connection.execute(
            f"SELECT {KEY_SQL}, load, file, line, reason, coalesce(detail, ''), raw FROM {rejects} "
            f"WHERE {condition} ORDER BY load, file, line",
            parameters,
        )
        while rows := cursor.fetchmany(_AT_ONCE):
            for row in rows:
                yield RejectedLine(*row)


@contextmanager
def _open_rejects(tenant: TenantStore) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, LakeFiles]]:
    """A session, the SQL of the rejects table, and the files of the lake that the session can read."""
    snapshot, files = tenant.rejects_table.snapshot(), lake_files(tenant.store)
    with connect(tenant.store, files=files) as connection:
        if snapshot is None or not snapshot.files:
            connection.register("no_rejects", REJECTS_SCHEMA.empty_table())
            yield connection, "no_rejects", files
        else:
            yield connection, read_parquet(files.checked(snapshot.files)), files


def received_instants(tenant: TenantStore, keys: Sequence[str]) -> dict[str, str]:
    """When the files of some open rejects were received, by key: the export's instant, or the start of the load.

    A load that was interrupted has no files: those of the one that finished it are the first of the name after it.
    """
    loaded = tenant.files_table.snapshot()
    with _open_rejects(tenant) as (connection, rejects, stored):
        known = stored.checked(loaded.files if loaded else ())
        files = read_parquet(known) if known else "(SELECT '' AS load, '' AS name, '' AS export)"
        connection.register("wanted", pa.table({"wanted": pa.array(keys, pa.string())}))
        rows = connection.execute(
            f"""
            SELECT key, coalesce(nullif(arg_min_null(export, loaded.load), ''),
                any_value(strftime(strptime(left(rejected.load, 16), '%Y%m%dT%H%M%SZ'), '%Y-%m-%dT%H:%M:%SZ')))
            FROM (SELECT {KEY_SQL} AS key, load, file FROM {rejects}) AS rejected SEMI JOIN wanted ON key = wanted
            LEFT JOIN {files} AS loaded ON loaded.load >= rejected.load AND name = file GROUP BY key
            """
        ).fetchall()
    return dict(rows)


def settle_rejects(tenant: TenantStore, keys: Sequence[str], corrected_by: str) -> int:
    """Take rejects out of the table, since a load has their corrected lines; returns how many there were.

    It is one commit, which needs no intent: a crash leaves all of it or nothing to do again.
    """
    covers = [sha256("\n".join(sorted(keys)).encode()).hexdigest()]
    with operation(tenant, "settle", tenant.settings.time_zone) as running:
        running.connection.register("settled", pa.table({"settled": pa.array(keys, pa.string())}))
        removal = _Removal(running)
        until_committed(removal.commit, removal.plan_again, tenant.rejects_table.uri)
        running.finish(covers, statement={"settled": removal.rows, "corrected_by": corrected_by})
    return removal.rows


class _Removal:
    """Takes the rows whose keys are in the relation `settled` out of the rejects table."""

    def __init__(self, running: Operation) -> None:
        self._running, self._table = running, running.tenant.rejects_table
        self._placed = PlacedFiles(running.tenant.store, self._table, running.staging, running.id)
        self._plan()

    def _plan(self) -> None:
        self._snapshot = self._table.snapshot()
        self._dropped = self._rows_to_drop(self._snapshot)
        self.rows = sum(map(len, self._dropped.values()))
        rest = [
            self._placed.rewrite(number, [uri], self._dropped, REJECTS_SCHEMA, {})
            for number, uri in enumerate(self._dropped)
        ]
        self._added = [file for file in rest if file is not None]

    def _rows_to_drop(self, snapshot: Snapshot | None) -> dict[str, list[int]]:
        if snapshot is None or not snapshot.files:
            return {}
        source = read_parquet(self._running.files.checked(snapshot.files), filename=True, file_row_number=True)
        query = f"SELECT filename, list(file_row_number) FROM {source} SEMI JOIN settled ON {KEY_SQL} = settled"
        try:
            return dict(self._running.connection.execute(f"{query} GROUP BY filename").fetchall())
        except duckdb.IOException as error:
            raise StorageError("storage_failed", f"cannot read the rejects: {error}", transient=True) from error

    def plan_again(self) -> None:
        self._placed.discard(self._added)
        self._plan()

    def commit(self) -> None:
        if self._snapshot is not None and self._dropped:
            note = {"lacustre_load": self._running.id}
            self._table.commit(REJECTS_SCHEMA, self._added, self._removed(), note, after=self._snapshot.version)

    def _removed(self) -> list[DataFile]:
        return [file for file in self._snapshot.files if file.uri in self._dropped] if self._snapshot else []

"""The ledger of a tenant: a numbered record of each finished operation, and a note of each unfinished one.

Record `n` is written with put-if-absent, so the numbers are an order that all writers share: the lake's versions. A
record has the Delta version of every table at its end, so a reader can pin all of them at once. Before its first
commit an operation leaves an *intent*, which goes away with its record: what a crash leaves half done is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from lacustre.errors import InputError, QualityError, StorageError
from lacustre.store.delta import COMMIT_ATTEMPTS, pause, too_many_conflicts
from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore

State = Literal["published", "held"]
UNFINISHED = "unfinished"
_NUMBER = re.compile(r"/ledger/(\d{10})\.json$")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an operation's result is held: a stable code, the operation it is of, and what was found, in words."""

    code: str
    operation: str
    detail: str


@dataclass(frozen=True, slots=True)
class Intent:
    """An operation that began to commit; `covers` are digests of what it reads, by which its repetition is known."""

    id: str
    kind: str
    started: str
    covers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A finished operation.

    `started` and `finished` are in UTC (ISO 8601). `tables` has the Delta version of every table of the tenant by
    its path below the tenant's folder. `sealed` has the SHA-256 of each small file (Delta log, settings) that
    appeared since the record before. `counts` are lines by resource type and fate; `previous` is the SHA-256 of the
    record before.
    """

    id: str
    kind: str
    started: str
    finished: str
    covers: tuple[str, ...] = ()
    state: State = "published"
    reasons: tuple[Reason, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    statement: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)
    sealed: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    previous: str = ""

    @classmethod
    def read(cls, members: dict[str, Any]) -> Record:
        members["reasons"] = tuple(Reason(**reason) for reason in members["reasons"])
        return cls(**(members | {"covers": tuple(members["covers"])}))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def records(tenant: TenantStore) -> Iterator[Record]:
    """The records, the newest first."""
    for number in reversed(numbers(tenant)):
        yield _read(tenant, number)


def numbers(tenant: TenantStore) -> list[int]:
    """The numbers of all records, ascending."""
    found = (_NUMBER.search(path) for path, _ in tenant.store.walk(tenant.ledger_path))
    return [int(match[1]) for match in found if match]


def newest(tenant: TenantStore) -> Record | None:
    return next(records(tenant), None)


def published(tenant: TenantStore) -> Record | None:
    """The newest record whose state of the lake views may be built from."""
    return next((record for record in records(tenant) if record.state == "published"), None)


def publishable(tenant: TenantStore) -> TenantStore:
    """The tenant as its newest published record has it, for what is built from its tables.

    The newest versions where there is no record at all. Raises QualityError where every version is held.
    """
    newest_record = newest(tenant)
    if newest_record is None:
        return tenant
    record = newest_record if newest_record.state == "published" else published(tenant)
    if record is None:
        held = "; ".join(f"{reason.code}: {reason.detail}" for reason in newest_record.reasons)
        raise QualityError(
            "nothing_published",
            f"every version of the tenant {tenant.tenant.name} is held ({held})",
            "`lacustre loads show` says more, `lacustre loads publish` releases it",
        )
    return tenant.at(record.tables)


def record_at(tenant: TenantStore, at: int | datetime) -> Record:
    """The record with a number, or the newest that was finished by an instant; raises InputError without one."""
    if isinstance(at, int):
        if at in numbers(tenant):
            return _read(tenant, at)
        raise InputError("no_such_version", f"the lake has no version {at}", "`lacustre loads list` shows them")
    for record in records(tenant):
        if datetime.fromisoformat(record.finished) <= at:
            return record
    raise InputError("no_such_version", f"the lake has no version as old as {at.isoformat()}")


def append_record(tenant: TenantStore, draft: Record) -> Record:
    """Give a finished operation the next number and write it; its intent, and those that it covers, are closed.

    `tables` of the draft are joined with those of the record before. The state is `held` while there are reasons:
    the draft's own, those of earlier operations that nobody released, and operations that are not finished.
    """
    for attempt in range(COMMIT_ATTEMPTS):
        before = newest(tenant)
        open_intents = [intent for intent in intents(tenant) if not _closes(draft, intent)]
        record = _following(tenant, draft, before, open_intents)
        if tenant.store.create(_path(tenant, record.number), seal(asdict(record))):
            for intent in intents(tenant):
                if _closes(draft, intent):
                    tenant.store.remove(_intent_path(tenant, intent.id))
            return record
        pause(attempt)
    raise too_many_conflicts(tenant.store.uri(tenant.ledger_path))


def _closes(draft: Record, intent: Intent) -> bool:
    """Whether an operation finishes what an intent began: its own, or another with the same sources."""
    return intent.id == draft.id or (intent.kind == draft.kind and set(intent.covers) <= set(draft.covers))


def _following(tenant: TenantStore, draft: Record, before: Record | None, unfinished: Iterable[Intent]) -> Record:
    inherited = [reason for reason in (before.reasons if before else ()) if reason.code != UNFINISHED]
    waiting = [
        Reason(UNFINISHED, intent.id, f"the {intent.kind} that began at {intent.started} is not finished")
        for intent in unfinished
    ]
    kept = () if draft.kind == "release" else (*inherited, *draft.reasons, *waiting)
    tables = _joined(before.tables if before else {}, draft.tables)
    return replace(
        draft,
        number=before.number + 1 if before else 1,
        previous=sha256(seal(asdict(before))).hexdigest() if before else "",
        reasons=tuple(kept),
        state="held" if kept else "published",
        tables=tables,
        sealed={**draft.sealed, **_new_log_files(tenant, before.tables if before else {}, tables)},
    )


def _joined(*vectors: Mapping[str, int]) -> dict[str, int]:
    paths = sorted({path for vector in vectors for path in vector})
    return {path: max(vector.get(path, -1) for vector in vectors) for path in paths}


def _new_log_files(tenant: TenantStore, before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, str]:
    """The SHA-256 of the log files of each table from one vector of versions to the next."""
    found = {}
    for table, version in after.items():
        first = before.get(table, -1) + 1
        names = [f"{number:020d}.json" for number in range(first, version + 1)]
        checkpoints = [f"{number:020d}.checkpoint.parquet" for number in range(first, version + 1) if number % 100 == 0]
        for name in (*names, *checkpoints, *(["_last_checkpoint"] if checkpoints else [])):
            path = f"{tenant.tenant.root}/{table}/_delta_log/{name}"
            data = tenant.store.read(path)
            if data is not None:
                found[path.removeprefix(f"{tenant.tenant.root}/")] = sha256(data).hexdigest()
    return found


def open_intent(tenant: TenantStore, intent: Intent) -> None:
    tenant.store.write(_intent_path(tenant, intent.id), seal(asdict(intent)))


def intents(tenant: TenantStore) -> list[Intent]:
    """The operations that began to commit and have no record yet: running ones, and those that a crash ended."""
    found = []
    for path, _ in tenant.store.walk(f"{tenant.ledger_path}/open"):
        data = tenant.store.read(path)
        if data is not None:  # else finished meanwhile
            members = unseal(data, path)
            found.append(Intent(**(members | {"covers": tuple(members["covers"])})))
    return found


def _intent_path(tenant: TenantStore, operation: str) -> str:
    return f"{tenant.ledger_path}/open/{operation}.json"


def _path(tenant: TenantStore, number: int) -> str:
    return f"{tenant.ledger_path}/{number:010d}.json"


def _read(tenant: TenantStore, number: int) -> Record:
    path = _path(tenant, number)
    data = tenant.store.read(path)
    if data is None:
        raise StorageError("missing_file", f"{path} is missing", "restore it from a backup")
    return Record.read(unseal(data, path))

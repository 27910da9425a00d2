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
from lacustre.store.maintained_table import LAST_CHECKPOINT, LOG, PART_OF_LOG
from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore

State = Literal["published", "held"]
UNFINISHED = "unfinished"
RELEASE = "release"
"""The kind of a record that takes its reasons away from those of the record before."""
RECEIPTS = frozenset({"erase"})
"""The kinds of operations whose records stay when their versions are given up."""
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
    record before. Versions before `kept_from` are given up: what only they need may be gone.
    A draft gives all earlier ones up by a number beyond its own. `contained` has the versions of the FHIR tables that
    the tables of contained resources are made of.
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
    kept_from: int = 1
    contained: Mapping[str, int] = field(default_factory=dict)

    @property
    def members(self) -> dict[str, Any]:
        """What is written; records of an older Lacustre, and of lakes without FHIR tables, have no `contained`."""
        return {name: value for name, value in asdict(self).items() if value or name != "contained"}

    @classmethod
    def read(cls, members: dict[str, Any]) -> Record:
        members["reasons"] = tuple(Reason(**reason) for reason in members["reasons"])
        return cls(**(members | {"covers": tuple(members["covers"])}))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def records(tenant: TenantStore) -> Iterator[Record]:
    """The records, the newest first, but for those of given-up versions that maintenance removes meanwhile."""
    kept_from = 1
    for number in reversed(numbers(tenant)):
        record = _find(tenant, number)
        if record is None and number >= kept_from:
            raise _missing(_path(tenant, number))
        if record is not None:
            kept_from = max(kept_from, record.kept_from)
            yield record


def _kept(tenant: TenantStore) -> Iterator[Record]:
    """The records of the versions that are kept, the newest first."""
    kept_from = 1
    for record in records(tenant):
        kept_from = max(kept_from, record.kept_from)
        if record.number >= kept_from:
            yield record


def numbers(tenant: TenantStore) -> list[int]:
    """The numbers of all records, ascending."""
    found = (_NUMBER.search(path) for path, _ in tenant.store.walk(tenant.ledger_path))
    return [int(match[1]) for match in found if match]


def newest(tenant: TenantStore) -> Record | None:
    return next(records(tenant), None)


def published(tenant: TenantStore) -> Record | None:
    """The newest record whose state of the lake views may be built from."""
    return next((record for record in _kept(tenant) if record.state == "published"), None)


def publishable(tenant: TenantStore) -> TenantStore:
    """The tenant as its newest published record has it, for what is built from its tables.

    The newest versions where there is no record at all. Raises QualityError where every version is held.
    """
    newest_record = newest(tenant)
    if newest_record is None:
        waiting = "; ".join(reason.detail for reason in unfinished_reasons(tenant))
        if waiting:
            raise QualityError("nothing_published", waiting, "do the same again, which finishes it")
        return tenant
    record = newest_record if newest_record.state == "published" else published(tenant)
    if record is None:
        held = "; ".join(f"{reason.code}: {reason.detail}" for reason in newest_record.reasons)
        raise QualityError(
            "nothing_published",
            f"every version of the tenant {tenant.tenant.name} is held ({held})",
            "`lacustre loads show` says more, `lacustre loads publish` releases it",
        )
    return tenant.at(record.tables, record.contained)


def record_at(tenant: TenantStore, at: int | datetime) -> Record:
    """The record with a number, or the newest that was finished by an instant.

    Raises InputError where there never was one (`no_such_version`), or it is beyond the retention (`version_gone`).
    """
    last = newest(tenant)
    if last is not None and isinstance(at, int) and last.kept_from <= at <= last.number:
        return read_record(tenant, at)
    if last is not None and not isinstance(at, int):
        for record in _kept(tenant):
            if datetime.fromisoformat(record.finished) <= at:
                return record
    raise _not_kept(tenant, at, last)


def _not_kept(tenant: TenantStore, at: int | datetime, last: Record | None) -> InputError:
    called = f"version {at}" if isinstance(at, int) else f"version as old as {at.isoformat()}"
    if last is None or last.kept_from == 1 or (isinstance(at, int) and not 0 < at < last.kept_from):
        return InputError("no_such_version", f"the lake has no {called}", "`lacustre loads list` shows them")
    kept = f"versions {last.kept_from} to {last.number} are kept, since {read_record(tenant, last.kept_from).finished}"
    return InputError("version_gone", f"{called} is beyond the retention: {kept}", "`lacustre loads list` shows them")


def forget_versions(tenant: TenantStore, kept_from: int) -> int:
    """Remove the records before a number, the oldest first, but for those of erasures; returns how many."""
    gone = [record for record in records(tenant) if record.number < kept_from and record.kind not in RECEIPTS]
    for record in reversed(gone):
        tenant.store.remove(_path(tenant, record.number))
    return len(gone)


def append_record(tenant: TenantStore, draft: Record) -> Record:
    """Give a finished operation the next number and write it; its intent, and those that it covers, are closed.

    `tables` of the draft are joined with those of the record before. The state is `held` while there are reasons:
    the draft's own, those of earlier operations that nobody released, and operations that are not finished. A draft
    of a release has the reasons that it takes away, and closes the intents among them.
    """
    for attempt in range(COMMIT_ATTEMPTS):
        before = newest(tenant)
        open_intents = [intent for intent in intents(tenant) if not _closes(draft, intent)]
        record = _following(tenant, draft, before, open_intents)
        record = replace(record, kept_from=min(record.kept_from, record.number))
        if tenant.store.create(_path(tenant, record.number), seal(record.members)):
            for intent in _notes(tenant):
                if _closes(draft, intent) or _is_recorded(tenant, intent):
                    tenant.store.remove(_intent_path(tenant, intent.id))
            return record
        pause(attempt)
    raise too_many_conflicts(tenant.store.uri(tenant.ledger_path))


def _closes(draft: Record, intent: Intent) -> bool:
    """Whether an operation finishes what an intent began: its own, or another with the same sources, or a release."""
    if draft.kind == RELEASE:
        return intent.id == draft.id or _unfinished(intent) in draft.reasons
    return intent.id == draft.id or (intent.kind == draft.kind and set(intent.covers) <= set(draft.covers))


def _unfinished(intent: Intent) -> Reason:
    return Reason(UNFINISHED, intent.id, f"the {intent.kind} that began at {intent.started} is not finished")


def unfinished_reasons(tenant: TenantStore) -> list[Reason]:
    """A reason to hold for each operation that began to commit and has no record yet."""
    return [_unfinished(intent) for intent in intents(tenant)]


def _following(tenant: TenantStore, draft: Record, before: Record | None, unfinished: Iterable[Intent]) -> Record:
    inherited = [reason for reason in (before.reasons if before else ()) if reason.code != UNFINISHED]
    found = [*inherited, *map(_unfinished, unfinished)]
    kept = [one for one in found if one not in draft.reasons] if draft.kind == RELEASE else [*found, *draft.reasons]
    tables = _joined(before.tables if before else {}, draft.tables)
    return replace(
        draft,
        number=before.number + 1 if before else 1,
        # clocks differ: an instant must find the records in the order of their numbers
        finished=max(draft.finished, before.finished) if before else draft.finished,
        previous=sha256(seal(before.members)).hexdigest() if before else "",
        reasons=tuple(kept),
        state="held" if kept else "published",
        tables=tables,
        kept_from=max(draft.kept_from, before.kept_from if before else 1),
        contained=_joined(before.contained if before else {}, draft.contained),
        sealed={
            **draft.sealed,
            **_settings(tenant, before),
            **_new_log_files(tenant, before.tables if before else {}, tables),
        },
    )


def _settings(tenant: TenantStore, before: Record | None) -> dict[str, str]:
    """The SHA-256 of the settings, which never change, handed on from record to record."""
    name = "tenant.json"
    if before is not None and name in before.sealed:
        return {name: before.sealed[name]}
    data = tenant.store.read(tenant.settings_path)
    return {} if data is None else {name: sha256(data).hexdigest()}


def _joined(*vectors: Mapping[str, int]) -> dict[str, int]:
    paths = sorted({path for vector in vectors for path in vector})
    return {path: max(vector.get(path, -1) for vector in vectors) for path in paths}


def _new_log_files(tenant: TenantStore, before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, str]:
    """The SHA-256 of the log files of each table from one vector of versions to the next."""
    found = {}
    for table, version in after.items():
        first = before.get(table, -1) + 1
        if version < first:
            continue
        log = [path.rsplit("/", 1)[1] for path, _ in tenant.store.walk(f"{tenant.tenant.root}/{table}/{LOG}")]
        names = [name for name in log if PART_OF_LOG.fullmatch(name) and first <= int(name[:20]) <= version]
        checkpointed = any(name.endswith(".parquet") for name in names)
        for name in (*names, *([LAST_CHECKPOINT] if checkpointed else [])):
            path = f"{tenant.tenant.root}/{table}/{LOG}{name}"
            data = tenant.store.read(path)
            if data is not None:
                found[path.removeprefix(f"{tenant.tenant.root}/")] = sha256(data).hexdigest()
    return found


def open_intent(tenant: TenantStore, intent: Intent) -> None:
    tenant.store.write(_intent_path(tenant, intent.id), seal(asdict(intent)))


def intents(tenant: TenantStore) -> list[Intent]:
    """The operations that began to commit and have no record yet: running ones, and those that a crash ended."""
    return [intent for intent in _notes(tenant) if not _is_recorded(tenant, intent)]


def _notes(tenant: TenantStore) -> list[Intent]:
    found = []
    for path, _ in tenant.store.walk(f"{tenant.ledger_path}/open"):
        data = tenant.store.read(path)
        if data is not None:  # else finished meanwhile
            members = unseal(data, path)
            found.append(Intent(**(members | {"covers": tuple(members["covers"])})))
    return found


def _is_recorded(tenant: TenantStore, intent: Intent) -> bool:
    """Whether an operation has its record, and only its note was left behind by a crash."""
    for record in records(tenant):
        if record.id == intent.id or record.finished < intent.started:
            return record.id == intent.id
    return False


def _intent_path(tenant: TenantStore, operation: str) -> str:
    return f"{tenant.ledger_path}/open/{operation}.json"


def _path(tenant: TenantStore, number: int) -> str:
    return f"{tenant.ledger_path}/{number:010d}.json"


def read_record(tenant: TenantStore, number: int) -> Record:
    """The record with a number; raises StorageError where it is missing or damaged."""
    record = _find(tenant, number)
    if record is None:
        raise _missing(_path(tenant, number))
    return record


def _find(tenant: TenantStore, number: int) -> Record | None:
    path = _path(tenant, number)
    data = tenant.store.read(path)
    return None if data is None else Record.read(unseal(data, path))


def _missing(path: str) -> StorageError:
    return StorageError("missing_file", f"{path} is missing", "restore it from a backup")

"""Erased patients who stay away: loads know them by keyed digests, and leave out what is theirs alone.

`tenants/<t>/suppressed/` has a sealed file for each erasure, and the key. The digest is HMAC-SHA-256 of `Patient/id`:
without the key no id can be tried. Whoever can read the tenant's folder has the key as well, and can try ids.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lacustre.errors import CommitConflictError, InputError, StorageError
from lacustre.store.chunks import StagedFile, write_parquet
from lacustre.store.deletions import Deletion
from lacustre.store.digest import sha256_of
from lacustre.store.ledger import Record
from lacustre.store.lines import Reject
from lacustre.store.objects import failures, storage_error
from lacustre.store.operation import operation
from lacustre.store.sealed import seal, unseal
from lacustre.store.tenant import TenantStore

FOLDER = "suppressed"
KIND = "lift"
_KEY = "key.json"
_NAMED = re.compile(rb'Patient\\?/([^\s/?#|"\\]{1,128})')
_ID = re.compile(rb'"id"\s*:\s*"([^"\\]{1,128})"')
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An erased patient: the digest, since when, the erasure's id, and the number of the request."""

    digest: str
    since: str
    operation: str
    request_id: str

    @property
    def name(self) -> str:
        """What people are shown of the digest."""
        return self.digest[:_SHOWN]


def suppressed_patients(tenant: TenantStore) -> list[Suppressed]:
    """Who stays away, in the order of the erasures; raises StorageError."""
    return [entry for entry, _ in _entries(tenant, _paths(tenant))]


def suppress(tenant: TenantStore, patient: str, operation_id: str, since: str, request_id: str) -> dict[str, str]:
    """Put a patient's id on the list, once or again; returns the SHA-256 of the files, for the ledger."""
    tenant.store.create(_path(tenant, _KEY), seal({"key": secrets.token_hex(32)}))
    entry = Suppressed(_digest(_key(tenant), patient), since, operation_id, request_id)
    name = f"{operation_id}.json"
    tenant.store.write(_path(tenant, name), seal(asdict(entry)))
    found = {one: tenant.store.read(_path(tenant, one)) for one in (_KEY, name)}
    return {f"{FOLDER}/{one}": sha256(data).hexdigest() for one, data in found.items() if data is not None}


def lift(tenant: TenantStore, patient: str, reason: str) -> Record:
    """Take a patient's id off the list, so that loads take the patient again; the ledger says that and why.

    Raises InputError where the id is not on the list.
    """
    with operation(tenant, KIND, tenant.settings.time_zone) as running:
        paths = _paths(tenant)
        digest = _digest(_key(tenant), patient) if paths else ""
        found = [(entry, path) for entry, path in _entries(tenant, paths) if entry.digest == digest]
        if not found:
            raise InputError("not_suppressed", "the patient is not on the list", "is it the right tenant?")
        gone = {path.removeprefix(f"{tenant.tenant.root}/"): "" for _, path in found}
        statement = {"erasures": [entry.operation for entry, _ in found], "reason": reason}
        record = running.finish((), statement=statement, sealed=gone)
        for _, path in found:  # the same call again, where a crash comes before it
            tenant.store.remove(path)
    return record


def _path(tenant: TenantStore, name: str) -> str:
    return f"{tenant.tenant.root}/{FOLDER}/{name}"


def _paths(tenant: TenantStore) -> tuple[str, ...]:
    """The files of the list, without the key."""
    found = (path for path, _ in tenant.store.walk(f"{tenant.tenant.root}/{FOLDER}"))
    return tuple(path for path in found if not path.endswith(f"/{_KEY}"))


def _entries(tenant: TenantStore, paths: Sequence[str]) -> list[tuple[Suppressed, str]]:
    read = ((tenant.store.read(path), path) for path in paths)
    return [(Suppressed(**unseal(data, path)), path) for data, path in read if data is not None]


def _key(tenant: TenantStore) -> bytes:
    path = _path(tenant, _KEY)
    data = tenant.store.read(path)
    if data is None:
        raise StorageError("missing_file", f"{path} is missing", "restore it from a backup")
    return bytes.fromhex(unseal(data, path)["key"])


def _digest(key: bytes, patient: str) -> str:
    return hmac.digest(key, f"Patient/{patient}".encode(), "sha256").hex()


class Suppression:
    """The list as one load applies it, and what it left out; nothing but a look for the list where that is empty.

    `dropped` counts resources by type; `shared` those that stay since they are in others' compartments as well;
    `deletions` of suppressed patients and `rejects` without their bytes are counted too.
    """

    def __init__(self, tenant: TenantStore) -> None:
        self._tenant = tenant
        self._paths: tuple[str, ...] | None = None
        self._digests: set[str] = set()
        self._key = b""
        self._known: dict[str, bool] = {}
        self._applied: dict[str, tuple[str, ...]] = {}
        self.dropped: Counter[str] = Counter()
        self.shared: Counter[str] = Counter()
        self.deletions = 0
        self.rejects = 0

    @property
    def statement(self) -> dict[str, Any]:
        """What the list did to the load; empty where that is nothing."""
        counts = {"dropped": dict(+self.dropped), "shared": dict(+self.shared)}
        found = {**counts, "deletions": self.deletions, "rejects": self.rejects}
        return {"suppressed": found} if any(found.values()) else {}

    def without(self, resource_type: str, staged: Sequence[StagedFile]) -> list[StagedFile]:
        """Staged files of a type without the resources of suppressed patients only; others are as they were."""
        if not staged:
            return []
        paths = self._applied[resource_type] = self._read()
        self.dropped[resource_type] = self.shared[resource_type] = 0
        try:
            return [kept for file in staged if (kept := self._kept(file)) is not None] if paths else [*staged]
        except failures(pa.ArrowException) as error:
            raise storage_error("read", str(staged[0].path.parent), error) from error

    def require_applied(self, resource_type: str) -> None:
        """Raise CommitConflictError where an erasure put somebody on the list since it was applied to the type."""
        if resource_type in self._applied and self._applied[resource_type] != (paths := _paths(self._tenant)):
            self._take(paths)
            raise CommitConflictError(self._tenant.store.uri(_path(self._tenant, "")), len(paths))

    def without_deletions(self, deletions: Sequence[Deletion]) -> list[Deletion]:
        """The deletions but for those of suppressed patients, which would name them."""
        kept = [one for one in deletions if one.resource_type != "Patient" or not (self._read() and self._has(one.id))]
        self.deletions = len(deletions) - len(kept)
        return kept

    def without_bytes(self, rejects: Sequence[Reject]) -> list[Reject]:
        """The rejects, those that name a suppressed patient without the bytes of the line."""
        if not rejects or not self._read():
            return list(rejects)
        found = [replace(reject, data=b"") if self._names_one(reject.data) else reject for reject in rejects]
        self.rejects = sum(1 for reject, kept in zip(rejects, found, strict=True) if reject.data and not kept.data)
        return found

    def _names_one(self, data: bytes) -> bool:
        names = {*_NAMED.findall(data), *(_ID.findall(data) if b'"Patient"' in data else ())}
        return any(self._has(name.decode(errors="replace")) for name in names)

    def _read(self) -> tuple[str, ...]:
        if self._paths is None:
            self._take(_paths(self._tenant))
        assert self._paths is not None
        return self._paths

    def _take(self, paths: tuple[str, ...]) -> None:
        self._paths, self._known = paths, {}
        self._digests = {entry.digest for entry, _ in _entries(self._tenant, paths)}
        self._key = _key(self._tenant) if paths else b""

    def _has(self, patient: str) -> bool:
        if patient not in self._known:
            self._known[patient] = _digest(self._key, patient) in self._digests
        return self._known[patient]

    def _kept(self, file: StagedFile) -> StagedFile | None:
        """The file, or another without the rows, or None where no row is left."""
        with pq.ParquetFile(file.path) as opened:
            gone = self._gone(file.resource_type, opened.read(["lake_patient", "lake_patients"], use_threads=False))
            count = gone.true_count
            self.dropped[file.resource_type] += count
            if count in (0, file.rows):
                return None if count else file
            table = opened.read(use_threads=False).filter(pc.invert(gone))
        path = file.path.with_name(f"kept-{len(self._paths or ())}-{file.path.name}")
        write_parquet(table, path)
        return replace(file, path=path, rows=table.num_rows, size=path.stat().st_size, sha256=sha256_of(path))

    def _gone(self, resource_type: str, patients: pa.Table) -> pa.BooleanArray:
        """Which rows are of suppressed patients alone; those in others' compartments too are counted."""
        primary, lists = (patients.column(name).combine_chunks() for name in ("lake_patient", "lake_patients"))
        among = self._listed(primary)
        if lists.null_count == len(lists):
            return among
        several = pc.indices_nonzero(lists.is_valid()).to_pylist()
        held = {row: [self._has(one) for one in lists[row].as_py()] for row in several}
        self.shared[resource_type] += sum(1 for each in held.values() if any(each) and not all(each))
        gone = [all(held[row]) if row in held else one for row, one in enumerate(among.to_pylist())]
        return pa.array(gone, pa.bool_())

    def _listed(self, patients: pa.Array) -> pa.BooleanArray:
        found: Iterable[str] = (one for one in pc.unique(patients).to_pylist() if one is not None and self._has(one))
        return pc.is_in(patients, pa.array(list(found), pa.string()))

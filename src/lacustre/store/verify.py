"""Every byte of a tenant accounted for: `lacustre verify`.

Data files have their SHA-256 in their names, ledger records and view manifests are sealed with their own, and the
records have those of the Delta logs and the settings. So the ledger comes first: it says what is to be there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from lacustre.errors import StorageError
from lacustre.store.digest import sha256_in
from lacustre.store.ledger import Record
from lacustre.store.maintained_table import LAST_CHECKPOINT, LOG, PART_OF_LOG, MaintainedTable, first_needed
from lacustre.store.objects import failures, storage_error
from lacustre.store.sealed import unseal
from lacustre.store.tenant import CONTAINED, TenantStore

PARALLEL = 8
_RECORD = re.compile(r"ledger/(\d{10})\.json")
_INTENT = re.compile(r"ledger/open/[^/]+\.json")
_TABLE = re.compile(rf"((?:fhir/|{CONTAINED}/)?[^/]+)/{LOG}")
_MANIFEST = re.compile(r"views/[^/]+/manifest\.json")
_ATTEMPT = re.compile(r"views/[^/]+/attempts/[^/]+\.json")
_CHECKPOINT = ".checkpoint.parquet"
_PART_OF_COMMIT = re.compile(r"#\d+$")
"""What delta-rs leaves of a commit that was killed while it wrote it."""
_SEALED = re.compile(r"(receipts|quality|suppressed)/[^/]+\.json")
_OF_DATA = ("fhir/", f"{CONTAINED}/", "deleted/", "rejects/", "files/", "views/")
_UNFINISHED = re.compile(r"_staging/.+")

Progress = Callable[[str, float], None]
State = Literal["whole", "damaged", "gone"]


@dataclass(slots=True)
class VerifyReport:
    """What was found; files are named by their paths in the lake, sorted.

    `damaged` are files that have other bytes than were written, or cannot be read; `missing` those that the lake
    needs and has not; `unexpected` those that no part of the lake knows. `unproven` are files that belong to the
    lake and have no digest to compare with: data files of old lakes, the logs of operations that are not finished.
    `unneeded` counts files that no kept version and no current view needs; `lacustre maintain` removes them.
    """

    files: int = 0
    bytes: int = 0
    unneeded: int = 0
    unneeded_bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.damaged or self.missing or self.unexpected)


def verify(tenant: TenantStore, progress: Progress | None = None) -> VerifyReport:
    """Read everything that a tenant has, and compare it with what was written.

    Others may read and write meanwhile. Raises StorageError where the store itself fails.
    """
    return _Scrub(tenant, progress).run()


class _Scrub:
    """Paths are relative to the tenant's folder; `_left` are those that nobody has accounted for yet."""

    def __init__(self, tenant: TenantStore, progress: Progress | None) -> None:
        self._tenant, self._progress = tenant, progress
        self._root = f"{tenant.tenant.root}/"
        self._sizes = {path.removeprefix(self._root): size for path, size in tenant.store.walk(tenant.tenant.root)}
        self._left = set(self._sizes)
        self._records: dict[int, Record] = {}
        self._digests: dict[str, str] = {}
        self._unneeded: set[str] = set()
        self._open = False
        self._report = VerifyReport()

    def run(self) -> VerifyReport:
        self._check_ledger()
        self._check_settings()
        for name in self._tables():
            self._check_table(MaintainedTable(self._tenant.store, self._root + name, name))
        self._check_views()
        self._check_others()
        self._check_digests()
        for found in (self._report.damaged, self._report.missing, self._report.unexpected, self._report.unproven):
            found.sort()
        return self._report

    # the ledger, on which the rest stands

    def _check_ledger(self) -> None:
        digests: dict[int, str] = {}
        for path in self._take(_RECORD):
            data, number = self._read(path), int(path[-15:-5])
            if data is None:
                continue  # given up meanwhile
            digests[number] = hashlib.sha256(data).hexdigest()
            record = self._record(path, data)
            if record is not None and record.number == number:
                self._records[number] = record
                self._count(path)
            else:
                self._damaged(path)
        self._check_chain(digests)
        intents = self._take(_INTENT)
        for path in intents:
            self._unseal(path)
        # what operations without a record have shown is known to no record
        self._open = bool(intents) or len(digests) > len(self._records) or not self._records

    def _check_chain(self, digests: Mapping[int, str]) -> None:
        for number, record in self._records.items():
            before = number - 1
            if before in self._records and record.previous != digests[before]:
                self._damaged(f"ledger/{before:010d}.json")
        last = max(self._records, default=0)
        kept_from = self._records[last].kept_from if last else 1
        self._missing(f"ledger/{number:010d}.json" for number in range(kept_from, last) if number not in digests)

    def _record(self, path: str, data: bytes) -> Record | None:
        members = self._members(path, data)
        try:
            return Record.read(members) if members else None
        except (KeyError, TypeError):
            return None

    def _sealed(self) -> dict[str, str]:
        """The newest digest that the records have of each small file."""
        return {path: digest for number in sorted(self._records) for path, digest in self._sealed_by(number)}

    def _others_of(self, path: str) -> set[str]:
        """What else the records say of what is written again: of several writers the last may be recorded first."""
        rewritten = path.endswith(LAST_CHECKPOINT)
        return {one.sealed[path] for one in self._records.values() if path in one.sealed} if rewritten else set()

    def _sealed_by(self, number: int) -> Iterable[tuple[str, str]]:
        return self._records[number].sealed.items()

    def _check_settings(self) -> None:
        path, sealed = "tenant.json", self._sealed().get("tenant.json")
        if path not in self._left:
            self._missing([path] if self._sizes else [])
        elif sealed is None:
            self._unproven(path)
        else:
            self._digests[path] = sealed
        self._left.discard(path)

    # tables

    def _tables(self) -> list[str]:
        """The tables that the records know, and while there may be others, those that are there.

        Maintenance, which leaves no note of itself, may have made tables of contained resources.
        """
        known = {name for record in self._records.values() for name in record.tables}
        there = {found[1] for path in self._left if (found := _TABLE.match(path))}
        return sorted(known | {name for name in there if self._open or name.startswith(f"{CONTAINED}/")})

    def _check_table(self, table: MaintainedTable) -> None:
        files = {path for path in self._left if path.startswith(f"{table.name}/")}
        log = sorted(path for path in files if path.startswith(f"{table.name}/{LOG}"))
        self._left -= files
        sound = self._check_log(table, log)
        needed = self._needed(table, log) if log and sound else None
        data = files.difference(log)
        for path in sorted(data):
            self._check_data(path, needed=needed is None or path in needed)
        self._missing((needed or set()) - data)

    def _check_log(self, table: MaintainedTable, log: Sequence[str]) -> bool:
        """Compare the log's files with the ledger's digests; whether the log can be followed."""
        folder = f"{table.name}/{LOG}"
        sealed = {path: digest for path, digest in self._sealed().items() if path.startswith(folder)}
        first = first_needed([path.removeprefix(folder) for path in log], self._kept_version(table.name))
        lost = [path for path in sealed if path not in log and self._is_needed(path.removeprefix(folder), first)]
        self._missing(lost)
        states = {path: self._state(path, sealed[path], *self._others_of(path)) for path in log if path in sealed}
        unfinished = self._unfinished(table, log, states)
        for path in log:
            if path in unfinished:
                self._unproven(path)
            elif path in states:
                self._settle(path, states[path])
            elif _PART_OF_COMMIT.search(path):
                self._leave(path)
            else:
                self._report.unexpected.append(self._root + path)
        damaged = {path for path, state in states.items() if state == "damaged"}
        return not self._gone(lost) and damaged <= unfinished

    def _unfinished(self, table: MaintainedTable, log: Sequence[str], states: Mapping[str, State]) -> set[str]:
        """What operations without a record may have left in a log; maintenance, for one, leaves no note of itself."""
        sealed = {path for path, state in states.items() if state != "damaged" or not path.endswith(LAST_CHECKPOINT)}
        doubtful = {path for path in log if path not in sealed and not _PART_OF_COMMIT.search(path)}
        if self._open:
            return doubtful
        last = max((record.tables.get(table.name, -1) for record in self._records.values()), default=-1)
        checkpoints = {path for path in doubtful if path.removesuffix(_CHECKPOINT) + ".json" in log}
        entries = {path for path in doubtful if self._is_of_no_record(path, last)}
        pointers = {path for path in doubtful if path.endswith(LAST_CHECKPOINT) and self._target(path) in checkpoints}
        return checkpoints | entries | pointers

    def _is_of_no_record(self, path: str, last: int) -> bool:
        """Whether an entry of a log, later than the last recorded one, says that it is of an operation of ours."""
        name = path.rsplit("/", 1)[1]
        if not PART_OF_LOG.fullmatch(name) or not name.endswith(".json") or int(name[:20]) <= last:
            return False
        notes = [note for line in self._json_lines(path) if isinstance(note := line.get("commitInfo"), dict)]
        said = {str(note["lacustre_load"]) for note in notes if "lacustre_load" in note}
        return bool(said) and said.isdisjoint(record.id for record in self._records.values())

    def _target(self, path: str) -> str:
        """The checkpoint that a `_last_checkpoint` leads to."""
        version = next((line.get("version") for line in self._json_lines(path)), None)
        return f"{path.removesuffix(LAST_CHECKPOINT)}{version:020d}{_CHECKPOINT}" if isinstance(version, int) else ""

    def _json_lines(self, path: str) -> list[dict[str, Any]]:
        """The objects that a file has, one a line; none where it cannot be read."""
        try:
            lines = [json.loads(line) for line in (self._read(path) or b"").splitlines()]
        except ValueError:
            return []
        return lines if all(isinstance(line, dict) for line in lines) else []

    @staticmethod
    def _is_needed(name: str, first: int) -> bool:
        return int(name[:20]) >= first if PART_OF_LOG.fullmatch(name) else True

    def _kept_version(self, table: str) -> int:
        """The oldest version of a table that is kept."""
        if not self._records:
            return 0
        newest = self._records[max(self._records)]
        return self._records.get(newest.kept_from, newest).tables.get(table, 0)

    def _needed(self, table: MaintainedTable, log: Sequence[str]) -> set[str] | None:
        """The data files of all kept versions; None where the log of an unfinished operation cannot be followed."""
        unproven = [path for path in log if self._root + path in self._report.unproven]
        try:
            return {f"{table.name}/{path}" for path in table.files_since(self._kept_version(table.name))}
        except (StorageError, ValueError, KeyError):
            if not unproven:
                raise
            for path in unproven:
                self._damaged(path)
            return None

    def _check_data(self, path: str, *, needed: bool) -> None:
        digest = sha256_in(path)
        if digest is not None:
            self._digests[path] = digest
        elif needed:
            self._unproven(path)
        else:
            self._report.unexpected.append(self._root + path)
        if digest is not None and not needed:
            self._leave(path)

    # views and the rest

    def _check_views(self) -> None:
        for path in self._take(_ATTEMPT):
            self._unseal(path)
        for path in self._take(_MANIFEST):
            members = self._unseal(path)
            folder = path.removesuffix("manifest.json")
            data = {other for other in self._left if other.startswith(folder)}
            needed = {str(file["path"]).removeprefix(self._root) for file in (members or {}).get("files", ())}
            for other in sorted(data):
                self._check_data(other, needed=members is None or other in needed)
            self._missing(needed - data)
            self._left -= data

    def _check_others(self) -> None:
        """Receipts of erasures, profiles of views, what is unfinished, and what nobody knows."""
        of_list = {path for path, digest in self._sealed().items() if path.startswith("suppressed/") and digest}
        self._missing(of_list - self._left)
        for path in self._take(_SEALED):
            self._unseal(path)
        for path in self._take(_UNFINISHED):
            self._leave(path)
        for path in sorted(self._left):
            if path.startswith(_OF_DATA) and sha256_in(path):
                self._check_data(path, needed=False)  # of a table or view that is not there yet
            else:
                self._report.unexpected.append(self._root + path)

    def _check_digests(self) -> None:
        """Read what has a digest, the most of the lake, several files at a time."""
        threads = PARALLEL if self._tenant.store.remote else os.cpu_count() or 1
        total, done = sum(self._sizes[path] for path in self._digests) or 1, 0
        with ThreadPoolExecutor(threads) as pool:
            states = pool.map(self._state, self._digests, self._digests.values())
            for path, state in zip(self._digests, states, strict=True):
                self._settle(path, state)
                done += self._sizes[path]
                if self._progress is not None:
                    self._progress("reading", done / total)

    # one file

    def _state(self, path: str, *digests: str) -> State:
        """Whether a file has the bytes of one of the digests; what cannot be read has not."""
        uri = self._tenant.store.uri(self._root + path)
        try:
            with self._tenant.store.open_uri(uri) as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()  # type: ignore[arg-type]
        except failures(StorageError) as error:
            if isinstance(error, FileNotFoundError) or isinstance(error.__cause__, FileNotFoundError):
                return "gone"
            if (error if isinstance(error, StorageError) else storage_error("read", uri, error)).transient:
                raise
            return "damaged"
        return "whole" if found in digests else "damaged"

    def _settle(self, path: str, state: State) -> None:
        if state == "whole":
            self._count(path)
        elif state == "damaged":
            self._damaged(path)
        elif path not in self._unneeded:
            self._missing([path])

    def _read(self, path: str) -> bytes | None:
        return self._tenant.store.read(self._root + path)

    def _members(self, path: str, data: bytes) -> dict[str, Any] | None:
        try:
            return unseal(data, path)
        except (StorageError, ValueError):
            return None

    def _unseal(self, path: str) -> dict[str, Any] | None:
        """The members of a sealed file, None where it is damaged or gone by now."""
        data = self._read(path)
        if data is None:
            return None
        members = self._members(path, data)
        self._settle(path, "damaged" if members is None else "whole")
        return members

    def _take(self, pattern: re.Pattern[str]) -> list[str]:
        found = sorted(path for path in self._left if pattern.fullmatch(path))
        self._left.difference_update(found)
        return found

    def _count(self, path: str) -> None:
        self._report.files += 1
        self._report.bytes += self._sizes[path]

    def _leave(self, path: str) -> None:
        self._unneeded.add(path)
        self._report.unneeded += 1
        self._report.unneeded_bytes += self._sizes[path]

    def _damaged(self, path: str) -> None:
        if self._root + path not in self._report.damaged:
            self._report.damaged.append(self._root + path)

    def _missing(self, paths: Iterable[str]) -> None:
        self._report.missing += [self._root + path for path in self._gone(paths)]

    def _gone(self, paths: Iterable[str]) -> list[str]:
        """Those that are not there either by now: they may be newer than the list of files."""
        exists, uri = self._tenant.store.filesystem.exists, self._tenant.store.uri
        return [path for path in paths if not exists(uri(self._root + path))]

    def _unproven(self, path: str) -> None:
        self._report.unproven.append(self._root + path)

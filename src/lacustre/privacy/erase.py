"""Erasure of a patient from all that a tenant has (RGPD, article 17).

First everything is looked for, and nothing is changed where the erasure cannot be whole. Then the patient's rows go
out of what readers see, then the old files go, those of the Patient table last: whoever repeats an interrupted
erasure finds in them what there was. At the end all that is left is searched, and a receipt written.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from lacustre.errors import InputError
from lacustre.privacy.marked_rows import Marker, ResourceMarker, TextMarker
from lacustre.privacy.mentions import MentionSearch
from lacustre.privacy.proof import Proof, prove
from lacustre.privacy.raw_files import RawErasure, erase_from_raw
from lacustre.privacy.receipt import Receipt
from lacustre.privacy.running_builds import wait_for_builds
from lacustre.privacy.subject import Compartment, find_subject, patient_of
from lacustre.privacy.table_erasure import TableErasure, unneeded_files
from lacustre.privacy.unlink import Unlinker
from lacustre.privacy.view_erasure import Versions, ViewErasure
from lacustre.store.cache import FileCache, file_cache
from lacustre.store.contained_tables import ContainedChanges, extract_contained
from lacustre.store.delta import LakeTable
from lacustre.store.digest import sha256_in
from lacustre.store.ledger import forget_versions, intents, now, records
from lacustre.store.operation import Operation, new_operation_id, operation
from lacustre.store.salted import interrupted, salted
from lacustre.store.suppressed import suppress
from lacustre.store.tenant import TenantStore

KIND = "erase"
SELF = sys.maxsize
"""As the first version that is kept: none before the operation's own."""
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """Why and how: `raw` are folders of kept raw exports, `unfinished` says that no noted operation or build runs."""

    reason: str
    request_id: str = ""
    keep_mentions: bool = False
    raw: Sequence[Path] = ()
    unfinished: bool = False
    prove: bool = True
    progress: Progress | None = None


@dataclass(slots=True)
class _Done:
    """What was done so far."""

    erased: dict[str, Counter[str]] = field(default_factory=dict)
    views: int = 0
    raw: RawErasure = field(default_factory=lambda: RawErasure(0, 0))
    rewritten: int = 0
    removed: int = 0


def erase_patient(tenant: TenantStore, key: str, request: ErasureRequest) -> Receipt:
    """Erase `Patient/id` and the whole compartment; the same call again completes an interrupted one.

    Raises, before anything is changed, InputError for what names no known patient, for a reason that identifies the
    patient, where other operations are unfinished; DataError where another Patient resource refers to this one in a
    way that cannot be cut out. Raises InputError also where a view is still being built after minutes.
    """
    patient = patient_of(key)
    if not request.reason.strip():
        raise InputError("no_reason", "an erasure needs a reason", "give the ground of the request: --reason")
    tenant.store.require()
    mine = interrupted(tenant, KIND, patient)
    ended = frozenset(intent.id for intent in intents(tenant) if intent != mine)
    if not request.unfinished:
        _refuse_unfinished(tenant, {mine.id} if mine else set())
    with operation(tenant, KIND, tenant.settings.time_zone) as begun:
        running = begun if mine is None else replace(begun, id=mine.id, started=mine.started)
        return _Erasure(running, request, patient, ended, resumed=mine is not None).run()


def _refuse_unfinished(tenant: TenantStore, known: set[str]) -> None:
    others = [intent.id for intent in intents(tenant) if intent.id not in known]
    if others:
        raise InputError(
            "unfinished_operations",
            f"{len(others)} operations are not finished: {', '.join(others)}",
            "wait, or repeat the interrupted ones; if none of them runs any more: --unfinished",
        )


class _Erasure:
    def __init__(
        self, running: Operation, request: ErasureRequest, patient: str, ended: frozenset[str], *, resumed: bool
    ) -> None:
        self._operation, self._tenant, self._request = running, running.tenant, request
        self._ended, self._resumed = ended, resumed
        self._report("looking for the patient", 0.0)
        running.connection.execute("SET parquet_metadata_cache = true")  # files never change
        self._own = Compartment(running.connection, patient)
        self._subject = find_subject(self._tenant, running.connection, patient, self._own)
        self._search = None if request.keep_mentions else MentionSearch(self._subject)
        self._unlinker = Unlinker(self._tenant.model, self._search) if self._search else None
        self._markers: dict[str, ResourceMarker] = {}
        self._tables = [*self._fhir_tables(), *self._other_tables()]
        self._cache: FileCache = file_cache()
        self._contained = ContainedChanges()
        self._inner: dict[str, tuple[int, int]] = {}
        self._done = _Done()

    def run(self) -> Receipt:
        self._refuse_identifying(self._request.reason, self._request.request_id)
        self._look()
        self._operation.begin([salted(self._subject.id)])
        sealed = self._keep_away()
        self._take_out()
        self._remove_old()
        self._forget()
        receipt = self._receipt(self._prove())
        path = receipt.write(self._tenant)
        statement = {"receipt": path, "complete": receipt.complete}
        members = {"counts": receipt.erased, "statement": statement, "contained": self._contained.of}
        self._operation.finish((), **members, sealed=sealed)
        return receipt

    def _keep_away(self) -> dict[str, str]:
        """Have loads leave the patient out from now on, and look again: one may have committed since the first look.

        Raises InputError where one has begun: it may have looked at the list before. And where views are being built.
        """
        running = self._operation
        sealed = suppress(self._tenant, self._subject.id, running.id, running.started, self._request.request_id)
        _refuse_unfinished(self._tenant, {running.id, *self._ended})
        if not self._request.unfinished:
            wait_for_builds(self._tenant, lambda: self._report("waiting for builds of views", 0.3))
        for _, erasure in self._tables:
            erasure.look()
        return sealed

    def _forget(self) -> None:
        """Give up the versions before, and the records of what was done, which may name resources.

        What these say of the logs' digests goes into the record that gives them up.
        """
        sealed: dict[str, str] = {}
        for record in reversed(list(records(self._tenant))):
            sealed |= record.sealed
        forgetting = replace(self._operation, id=new_operation_id(), kind="forget", started=now())
        forget_versions(self._tenant, forgetting.finish((), sealed=sealed, kept_from=SELF).number)

    def _fhir_tables(self) -> Iterator[tuple[LakeTable, TableErasure]]:
        for name in self._tenant.resource_types():
            marker = ResourceMarker(self._subject, name, self._operation.files, self._own, self._search)
            self._markers[name] = marker
            yield self._erasure(self._tenant.fhir_table(name), marker)

    def _other_tables(self) -> Iterator[tuple[LakeTable, TableErasure]]:
        plain = TextMarker(self._subject, self._operation.files)
        for table in (self._tenant.rejects_table, self._tenant.files_table):
            yield self._erasure(table, plain)
        yield self._erasure(
            self._tenant.tombstones_table, TextMarker(self._subject, self._operation.files, self._subject.ids)
        )

    def _erasure(self, table: LakeTable, marker: Marker) -> tuple[LakeTable, TableErasure]:
        return table, TableErasure(self._operation, table, marker, self._unlinker)

    def _look(self) -> None:
        """Raise where there is nothing to erase, or not all of it could be."""
        found: Counter[str] = Counter()
        for position, (table, erasure) in enumerate(self._tables):
            self._report(f"looking through {table.name}", 0.3 * position / len(self._tables))
            found += erasure.look()
        if not found and not self._subject.known and not self._resumed:
            raise InputError("no_such_patient", "the tenant has nothing of this patient", "is it the right tenant?")

    def _take_out(self) -> None:
        """Take the rows out of what readers see: views first, since the tables say which rows these are."""
        self._erase_views({}, self._unlinked())
        self._erase_raw()
        for position, (table, erasure) in enumerate(self._tables):
            self._report(f"erasing from {table.name}", 0.3 + 0.4 * position / len(self._tables))
            counts = erasure.run()
            if counts:
                self._done.erased[table.name] = counts
            self._done.rewritten += erasure.rewritten
        self._extract_contained()

    def _extract_contained(self) -> None:
        """Have what was contained in the erased resources go with them."""
        self._report("erasing contained resources", 0.7)
        before = {table.name: table.version() for table in self._tenant.contained_tables()}
        self._contained = extract_contained(self._operation)
        after = {table.name: table.version() for table in self._tenant.contained_tables()}
        versions = {name: (before.get(name), version) for name, version in after.items()}
        self._inner = {name: (a, b) for name, (a, b) in versions.items() if a is not None and b is not None}
        for name, gone in (self._contained.removed - self._contained.added).items():
            self._done.erased[self._tenant.contained_table(name).name] = Counter(contained=gone)

    def _erased(self) -> frozenset[str]:
        return frozenset(key for marker in self._markers.values() for key in marker.erased)

    def _unlinked(self) -> pa.Table | None:
        """Other Patient resources as they will be."""
        return next((rows for _, erasure in self._tables if (rows := erasure.unlinked) is not None), None)

    def _erase_views(self, versions: Versions, unlinked: pa.Table | None = None) -> list[str]:
        """Rewrite the views; returns the files that they do not need any more."""
        views = ViewErasure(self._operation, self._subject, self._erased(), versions, unlinked)
        rows, unneeded = views.run()
        self._done.views += rows
        return unneeded

    def _erase_raw(self) -> None:
        for folder in self._request.raw:
            one = erase_from_raw(folder, self._subject, self._erased(), self._unlinker)
            before = self._done.raw
            self._done.raw = RawErasure(before.files + one.files, before.lines + one.lines, before.cut + one.cut)

    def _remove_old(self) -> None:
        """Remove old builds of views, what is staged, and the files of old versions, those of patients last."""
        self._report("removing old files", 0.7)
        changed = {table.name.removeprefix("fhir/"): erasure.versions for table, erasure in self._tables}
        versions = {name: both for name, both in changed.items() if both is not None} | self._inner
        self._remove(self._erase_views(versions))
        self._remove_staged()
        tables = [*(table for table, _ in self._tables), *self._tenant.contained_tables()]
        for table in sorted(tables, key=lambda table: table.name == "fhir/Patient"):
            self._remove(list(unneeded_files(self._operation, table, self._ended)))

    def _remove(self, paths: Sequence[str]) -> None:
        """Remove files of the lake, and before each its copy in the local cache."""
        for path in paths:
            digest = sha256_in(path)
            self._cache.forget([digest] if digest else [])
            self._tenant.store.remove(path)
        self._done.removed += len(paths)

    def _remove_staged(self) -> None:
        """What other operations have not finished writing is theirs no more."""
        self._tenant.store.remove_unfinished(self._tenant.tenant.root, timedelta(0))
        if not self._tenant.store.remote:
            for folder in self._operation.staging.parent.iterdir():
                if folder != self._operation.staging:
                    shutil.rmtree(folder, ignore_errors=True)

    def _prove(self) -> Proof | None:
        if not self._request.prove:
            return None

        def report(stage: str, share: float) -> None:
            self._report(stage, 0.8 + 0.2 * share)

        return prove(self._tenant, self._subject, self._request.raw, report)

    def _receipt(self, proof: Proof | None) -> Receipt:
        done = self._done
        return Receipt(
            self._operation.id,
            self._operation.started,
            now(),
            self._request.reason,
            self._request.request_id,
            proof is not None and proof.holds,
            self._resumed,
            {name: dict(counts) for name, counts in sorted(done.erased.items())},
            done.views,
            asdict(done.raw),
            done.rewritten,
            done.removed,
            asdict(proof) if proof else None,
            kept_mentions=self._request.keep_mentions,
        )

    def _refuse_identifying(self, *texts: str) -> None:
        finder = self._subject.tokens.finder()
        if any(text.encode() in finder for text in texts):
            raise InputError(
                "identifying_reason",
                "the reason or the request's id identifies the patient",
                "name the ground and a file number instead: the receipt stays",
            )

    def _report(self, stage: str, share: float) -> None:
        if self._request.progress is not None:
            self._request.progress(stage, share)

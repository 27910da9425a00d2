"""No build shows what was erased while it ran.

An erasure leaves a note, then waits for the builds that have noted that they run, and only then goes through what is
there. A build notes that it runs before it looks for erasures, and looks before it puts anything: so one of the two
sees the other. The build looks again after it has shown its manifest, since an erasure may have been told not to wait;
that gives all versions up before it takes its note away, so that the build sees it even when it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from lacustre.errors import StorageError
from lacustre.store.ledger import RECEIPTS, intents, newest, read_record
from lacustre.store.tenant import TenantStore

Source = tuple[str, int]
"""A table's name, and its version."""


class ErasureGuard:
    """Made before a build reads its table; from then on `refuse` says whether it may go on."""

    def __init__(self, tenant: TenantStore, built: str) -> None:
        """Raises StorageError where an erasure is not finished; `built` says in errors what is built."""
        self._tenant, self._built = tenant, built
        last = newest(tenant)
        self._begun = max(1, last.number if last else 0)
        self.refuse()

    def refuse(self, sources: Sequence[Source] = (), written: Sequence[str] = ()) -> None:
        """Raise StorageError where a patient is being erased, or was since the build began or has read.

        `sources` are the tables with their versions; the files that were `written` are taken away first.
        """
        if not self._is_running() and not self._is_given_up(sources):
            return
        for path in written:
            self._tenant.store.remove(path)
        raise StorageError(
            "erased_meanwhile",
            f"a patient is being erased, or was while {self._built} was built",
            "build again once the erasure is finished",
            transient=True,
        )

    def _is_running(self) -> bool:
        return any(intent.kind in RECEIPTS for intent in intents(self._tenant))

    def _is_given_up(self, sources: Sequence[Source]) -> bool:
        """Whether what was read, or the build's unfinished files, may be gone."""
        last = newest(self._tenant)
        if last is None or last.kept_from <= 1:
            return False
        kept = read_record(self._tenant, last.kept_from).tables
        return last.kept_from > self._begun or any(version < kept.get(name, -1) for name, version in sources)

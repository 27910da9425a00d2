"""What a load did: counts that add up, and whether its result may be built on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lacustre.store.contained_tables import ContainedChanges
from lacustre.store.ledger import Reason, Record, State, newest, unfinished_reasons
from lacustre.store.tenant import TenantStore

UNREADABLE = "(unreadable)"
FATES = ("inserted", "updated", "unchanged", "superseded", "rejected", "suppressed")


@dataclass(slots=True)
class TypeCounts:
    """Lines of one resource type, by their fate; `read` is their sum. `deleted` counts rows taken out of the table.

    `suppressed` lines are of patients who were erased, and of nobody else.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    superseded: int = 0
    rejected: int = 0
    deleted: int = 0
    suppressed: int = 0

    @property
    def loaded(self) -> int:
        return self.inserted + self.updated


@dataclass(frozen=True, slots=True)
class FileCounts:
    """A file of a load: resources by type, rejected lines by reason, deletions; `announced` by the manifest.

    `loaded_by` is set where an earlier load took the same file of the same export, so that this one left it.
    """

    name: str
    size: int
    digest: str
    export: str
    lines: Mapping[str, int]
    rejects: Mapping[str, int]
    deletions: int
    announced: int | None
    loaded_by: str | None = None

    @property
    def cover(self) -> str:
        """What an intent or a record says that it read, in order to be known again."""
        return f"{self.digest}@{self.export}"


@dataclass(slots=True)
class LoadResult:
    """What a load did: counts by resource type, what went to `lake_rest` by path, rejects by reason code.

    `version` is the lake's after it, None where the load changed nothing at all. `state` is `held` where the
    `reasons` (its own, or of earlier operations) keep views from being built of it. `suppressed` says what was left
    out of erased patients, as the statement does, `contained` what was extracted from the resources.
    """

    load: str
    tenant: str
    counts: dict[str, TypeCounts] = field(default_factory=dict)
    rest: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    files: int = 0
    bytes: int = 0
    ignored: list[str] = field(default_factory=list)
    seconds: float = 0.0
    deletions: int = 0
    sources: list[FileCounts] = field(default_factory=list)
    version: int | None = None
    state: State = "published"
    holds: tuple[Reason, ...] = ()
    statement: Mapping[str, Any] = field(default_factory=dict)
    suppressed: Mapping[str, Any] = field(default_factory=dict)
    contained: ContainedChanges = field(default_factory=ContainedChanges)

    def total(self, name: str) -> int:
        return sum(getattr(counts, name) for counts in self.counts.values())

    def of(self, resource_type: str) -> TypeCounts:
        return self.counts.setdefault(resource_type, TypeCounts())

    def counts_by_type(self) -> dict[str, dict[str, int]]:
        """The counts as the ledger has them, which names `suppressed` where there are any."""
        found = {name: asdict(counts) for name, counts in sorted(self.counts.items())}
        empty = () if self.total("suppressed") else ("suppressed",)
        return {
            name: {fate: count for fate, count in counts.items() if fate not in empty} for name, counts in found.items()
        }

    def settle(self, record: Record) -> None:
        """Take over what the ledger says of the operation."""
        self.version, self.state, self.holds = record.number, record.state, record.reasons
        self.statement = record.statement

    def tell_state(self, tenant: TenantStore) -> None:
        """Say what the lake's state is, where the load itself had nothing to do."""
        last = newest(tenant)
        self.holds = tuple(dict.fromkeys([*(last.reasons if last else ()), *unfinished_reasons(tenant)]))
        self.state = "held" if self.holds else "published"

    @property
    def skipped(self) -> Sequence[FileCounts]:
        """The files that an earlier load took."""
        return [file for file in self.sources if file.loaded_by]

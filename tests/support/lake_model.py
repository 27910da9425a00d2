"""What a lake should hold, the slow way: the newest version of each resource, and when it was deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Key = tuple[str, str]
"""Type and id of a resource."""


@dataclass(frozen=True, slots=True)
class Version:
    """A line of a load: `number` is the `meta.versionId` that is a number, -1 where there is none."""

    key: Key
    updated: datetime
    number: int
    resource: Mapping[str, Any]
    text: str
    place: tuple[str, int] = ("", 0)

    @property
    def order(self) -> tuple[datetime, int]:
        return self.updated, self.number


@dataclass(slots=True)
class LakeModel:
    rows: dict[Key, Version] = field(default_factory=dict)
    deleted: dict[Key, datetime] = field(default_factory=dict)

    def load(self, versions: Iterable[Version], deletions: Mapping[Key, datetime]) -> Counter[str]:
        """Take a load's lines and deletions; returns the lines by their fate, and `deleted` rows."""
        for key, instant in deletions.items():
            self.deleted[key] = max(instant, self.deleted.get(key, instant))
        best: dict[Key, Version] = {}
        fates: Counter[str] = Counter()
        for version in sorted(versions, key=lambda one: (one.order, one.place)):
            fates["superseded"] += version.key in best
            best[version.key] = version
        fates.update(map(self._take, best.values()))
        buried = [key for key in {*best, *deletions} if key in self.rows and self._is_dead(self.rows[key])]
        for key in buried:
            del self.rows[key]
        fates["deleted"] += len(buried)
        return fates

    def _take(self, new: Version) -> str:
        old = self.rows.get(new.key)
        fate = "superseded" if self._is_dead(new) else "inserted" if old is None else self._fate(old, new)
        if fate in ("inserted", "updated"):
            self.rows[new.key] = new
        return fate

    def _fate(self, old: Version, new: Version) -> str:
        if self._is_dead(old):
            return "updated"
        if old.text == new.text:
            return "unchanged"
        if new.order < old.order:
            return "superseded"
        return "unchanged" if old.resource == new.resource else "updated"

    def _is_dead(self, version: Version) -> bool:
        return version.key in self.deleted and version.updated <= self.deleted[version.key]

    @property
    def content(self) -> dict[Key, Any]:
        return {key: version.resource for key, version in self.rows.items()}

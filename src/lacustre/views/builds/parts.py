"""The parts of a table that a view is built by: the rows of one shard and segment, known by the files they are in.

Data files never change, so a part whose files are the same has the same rows. That holds whatever the log of the table
still tells, and says at once which parts a load, a deletion, an erasure or a compaction has touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from lacustre.store.delta import DataFile

_DIGITS = 32


@dataclass(frozen=True, slots=True)
class SourcePart:
    """The files of a table's shard and segment, in path order."""

    shard: str
    segment: str
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    def known_as(self, view_hash: str) -> str:
        """What a view makes of the part is known by: the same for the same definition over the same files."""
        identity = "\n".join((view_hash, *(file.path for file in self.files)))
        return hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]


def parts_of(files: Sequence[DataFile]) -> list[SourcePart]:
    """The parts that the files of a table make, by shard and segment."""

    def place(file: DataFile) -> tuple[str, str, str]:
        return file.partition["lake_shard"], file.partition["lake_segment"], file.path

    grouped = groupby(sorted(files, key=place), lambda file: place(file)[:2])
    return [SourcePart(shard, segment, tuple(members)) for (shard, segment), members in grouped]

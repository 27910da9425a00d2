"""The tables of contained resources, kept in step with the FHIR tables that they are made of.

They are made file by file: each of their data files has in its name a digest of the path of the one FHIR data file
that it was extracted from, and lies in the same partition. Data files never change, so what is to be done follows
from two lists of names: new files are read for what they contain, and what was made of files that are gone goes. It
does not matter who changed the FHIR tables, in which order, or how often this was begun.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lacustre.errors import CommitConflictError, StorageError
from lacustre.fhir.shape import Shape
from lacustre.store.chunks import write_parquet
from lacustre.store.contained import COLUMNS, POINTER, ContainedEncoder, ContainedRows
from lacustre.store.delta import COMMIT_ATTEMPTS, DataFile, NewFile, Snapshot, pause, too_many_conflicts
from lacustre.store.digest import sha256_in, sha256_of
from lacustre.store.ledger import newest
from lacustre.store.maintained_table import MaintainedTable
from lacustre.store.objects import failures, storage_error
from lacustre.store.operation import Operation
from lacustre.store.placed_files import PlacedFiles
from lacustre.store.reading import StoredFile
from lacustre.store.schema import contained_schema, merge_shapes, partitioned, shape_of
from lacustre.store.tenant import CONTAINED

BATCH_ROWS = 8192
PARALLEL = 8
_POINTERS = "lake_rest.list.element.pointer"
_TAG = re.compile(r"([A-Za-z]+-[0-9a-f]{32})-\d{6}-")


@dataclass(slots=True)
class ContainedChanges:
    """What became of the tables: `of` are the versions of the FHIR tables, by name, that they are made of now.

    `resources` counts rows by type, and `malformed` what is none, by reason, of containers that the operation itself
    wrote; `added` and `removed` count the rows of all files by type.
    """

    of: dict[str, int] = field(default_factory=dict)
    resources: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)

    @property
    def statement(self) -> dict[str, Any]:
        """What the ledger keeps of a load's; empty where there was nothing contained."""
        found = {"resources": dict(sorted(self.resources.items())), "malformed": dict(sorted(self.malformed.items()))}
        return {"contained": found} if any(found.values()) else {}


@dataclass(frozen=True, slots=True)
class _Source:
    """A FHIR table at a version: files that may be new to the contained tables, and the tags of all that it has.

    `moved` says that the same rows are in other files since.
    """

    resource_type: str
    version: int
    new: Sequence[DataFile]
    tags: frozenset[str]
    moved: bool

    def has_lost(self, tag: str) -> bool:
        """Whether a tag is of a file that the table does not have any more."""
        return _type_of(tag) == self.resource_type and tag not in self.tags


@dataclass(frozen=True, slots=True)
class _Part:
    """A file in the place of a contained table, with rows of `resource_type` made of the FHIR file of a tag."""

    tag: str
    resource_type: str
    shape: Shape
    file: NewFile


def tag_of(resource_type: str, path: str) -> str:
    """What the names of the files begin with that are made of a FHIR table's file."""
    return f"{resource_type}-{sha256(path.encode()).hexdigest()[:32]}"


def _tag_in(file: DataFile) -> str:
    found = _TAG.match(file.path.rpartition("/")[2])
    return found[1] if found else ""


def container_of(file: DataFile) -> str:
    """The resource type of the containers whose contained resources a file of a contained table has."""
    return _type_of(_tag_in(file))


def _type_of(tag: str) -> str:
    return tag.partition("-")[0]


def extract_contained(running: Operation, begin: Callable[[], None] = lambda: None) -> ContainedChanges:
    """Bring the tables of contained resources in step with the FHIR tables; nothing is written where they are.

    `begin` is called before each commit. What an earlier Lacustre loaded is extracted too. Raises StorageError; what
    was committed by then is right, and the next call does the rest.
    """
    return _Extraction(running, begin).run()


class _Extraction:
    def __init__(self, running: Operation, begin: Callable[[], None]) -> None:
        self._operation, self._tenant, self._begin = running, running.tenant, begin
        last = newest(self._tenant)
        self._known: Mapping[str, int] = last.contained if last else {}
        self._parts: dict[str, list[_Part]] = {}
        self._shown: set[str] = set()
        self._encoder: ContainedEncoder | None = None
        # an interrupted operation is completed under its own name: its files are not these
        self._nonce = secrets.token_hex(4)
        self._changes = ContainedChanges()

    def run(self) -> ContainedChanges:
        """Look, put, commit, and look again: whoever changed a FHIR table meanwhile may have found nothing to do."""
        try:
            for attempt in range(COMMIT_ATTEMPTS):
                if self._is_in_step():
                    break
                pause(attempt)
            else:
                raise too_many_conflicts(self._tenant.store.uri(f"{self._tenant.tenant.root}/{CONTAINED}"))
        finally:
            self._discard_unneeded()
        if self._encoder is not None:
            self._changes.malformed = self._encoder.malformed
        return self._changes

    def _is_in_step(self) -> bool:
        """Do what there is to do; whether nobody was faster and no FHIR table has changed since it was looked at.

        The contained tables are looked at before the FHIR tables: so what they were made of is never newer.
        """
        current = self._snapshots()
        sources = [found for name in self._tenant.resource_types() if (found := self._source(name)) is not None]
        try:
            types = self._commit_all(sources, current)
        except CommitConflictError:
            return False
        self._changes.of |= {self._table(source.resource_type).name: source.version for source in sources}
        touched = (source for source in sources if source.resource_type in types)
        return all(self._table(source.resource_type).version() == source.version for source in touched)

    def _snapshots(self) -> dict[str, Snapshot | None]:
        return {name: self._tenant.contained_table(name).snapshot() for name in self._tenant.contained_types()}

    def _table(self, resource_type: str) -> MaintainedTable:
        return MaintainedTable.of(self._tenant.fhir_table(resource_type))

    def _source(self, resource_type: str) -> _Source | None:
        """A FHIR table as it is, what its new files contain put in place."""
        table = self._table(resource_type)
        snapshot = table.snapshot()
        if snapshot is None:
            return None
        tags = frozenset(tag_of(resource_type, file.path) for file in snapshot.files)
        new, moved = _new_files(table, snapshot, self._known.get(table.name))
        self._put(resource_type, [file for file in new if tag_of(resource_type, file.path) not in self._parts])
        return _Source(resource_type, snapshot.version, new, tags, moved)

    # what files contain

    def _put(self, resource_type: str, files: Sequence[DataFile]) -> None:
        """Put what files contain in place, where nobody sees it yet."""
        suspects = self._suspects(files)
        for file in files:
            parts = self._parts[tag_of(resource_type, file.path)] = list[_Part]()
            if file.path in suspects:
                for number, rows in enumerate(self._rows(resource_type, file)):
                    parts.append(self._put_rows(tag_of(resource_type, file.path), number, file.partition, rows))

    def _suspects(self, files: Sequence[DataFile]) -> set[str]:
        """The paths of those files that may have something contained; their bytes are checked."""
        own = {file.uri for file in self._operation.written}
        read = self._operation.files
        read.unchecked(file for file in files if file.uri in own)
        read.ranged(file for file in files if file.uri not in own)
        with ThreadPoolExecutor(PARALLEL) as pool:
            suspects = [file for file, found in zip(files, pool.map(self._may_contain, files), strict=True) if found]
        read.checked(file for file in suspects if file.uri not in own)
        return {file.path for file in suspects}

    def _may_contain(self, file: DataFile) -> bool:
        try:
            with self._operation.files.open_uri(file.uri) as opened:
                return _may_contain(pq.read_metadata(opened))
        except failures(pa.ArrowException) as error:
            raise storage_error("read", file.uri, error) from error

    def _rows(self, resource_type: str, file: DataFile) -> Iterator[ContainedRows]:
        if self._encoder is None:
            shapes = {name: snapshot.shape for name, snapshot in self._snapshots().items() if snapshot}
            self._encoder = ContainedEncoder(self._tenant.model, shapes, self._operation.id)
        yield from self._encoder.encode(resource_type, self._batches(file))

    def _batches(self, file: DataFile) -> Iterator[pa.RecordBatch]:
        try:
            with self._operation.files.open_uri(file.uri) as opened, pq.ParquetFile(opened) as parquet:
                yield from parquet.iter_batches(BATCH_ROWS, columns=list(COLUMNS), use_threads=False)
        except failures(pa.ArrowException) as error:
            raise storage_error("read", file.uri, error) from error

    def _put_rows(self, tag: str, number: int, partition: Mapping[str, str], rows: ContainedRows) -> _Part:
        running, name, table = self._operation, rows.resource_type, rows.table
        local = running.staging / "contained.parquet"
        write_parquet(table, local)
        placed = PlacedFiles(self._tenant.store, self._tenant.contained_table(name), running.staging, running.id)
        stem = f"{tag}-{number:06d}-{running.id}-{self._nonce}"
        file = placed.put_as(stem, local, table.num_rows, sha256_of(local), partition)
        local.unlink()  # the file of the lake may be the same one under two names
        self._changes.resources += Counter({name: _written_by(table, running.id)})
        return _Part(tag, name, shape_of(table.schema), file)

    # commits

    def _commit_all(self, sources: Sequence[_Source], current: Mapping[str, Snapshot | None]) -> set[str]:
        """Commit to each table what follows from the sources; returns the types of the FHIR tables that it is of."""
        changed = set[str]()
        for name in sorted({*current, *(part.resource_type for parts in self._parts.values() for part in parts)}):
            files = found.files if (found := current.get(name)) else ()
            made = {_tag_in(file) for file in files}
            added = [part for part in self._wanted(sources, name) if part.tag not in made]
            removed = [file for file in files if any(source.has_lost(_tag_in(file)) for source in sources)]
            if added or removed:
                table = MaintainedTable.of(self._tenant.contained_table(name))
                types = {*(_type_of(part.tag) for part in added), *(_type_of(_tag_in(file)) for file in removed)}
                changed |= types
                table.data_change = not all(source.moved for source in sources if source.resource_type in types)
                self._commit(table, found, added, removed)
        return changed

    def _wanted(self, sources: Sequence[_Source], name: str) -> Iterator[_Part]:
        """What a table is to have of the new files."""
        for source in sources:
            for file in source.new:
                parts = self._parts[tag_of(source.resource_type, file.path)]
                yield from (part for part in parts if part.resource_type == name)

    def _commit(
        self, table: MaintainedTable, current: Snapshot | None, parts: Sequence[_Part], removed: Sequence[DataFile]
    ) -> None:
        """Show new files and hide old ones; raises CommitConflictError."""
        name = table.name.removeprefix(f"{CONTAINED}/")
        shape, added = merge_shapes(part.shape for part in parts), [part.file for part in parts]
        schema = partitioned(contained_schema(self._tenant.model, name, shape))
        self._begin()
        paths = {f"{table.path}/{file.path}" for file in added}
        self._shown |= paths  # also where no answer tells whether they are
        try:
            after = current.version if current else None
            table.commit(schema, added, removed, {"lacustre_load": self._operation.id}, after=after)
        except CommitConflictError:
            self._shown -= paths
            raise
        self._changes.added += Counter({name: sum(file.rows for file in added)})
        self._changes.removed += Counter({name: sum(file.rows for file in removed)})
        self._operation.written.extend(
            StoredFile(f"{table.uri}/{file.path}", file.size, sha256_in(file.path)) for file in added
        )

    def _discard_unneeded(self) -> None:
        """Take away what was put and is of no commit, since others were faster."""
        for part in (part for parts in self._parts.values() for part in parts):
            path = f"{self._tenant.contained_table(part.resource_type).path}/{part.file.path}"
            if path not in self._shown:
                self._tenant.store.remove(path)


def _written_by(table: pa.Table, operation: str) -> int:
    return sum(1 for load in table.column("lake_load").to_pylist() if load == operation)


def _may_contain(metadata: Any) -> bool:
    """Whether `lake_rest` of a file may have contained resources, by its statistics."""
    schema = metadata.schema
    index = next((at for at in reversed(range(len(schema))) if schema.column(at).path == _POINTERS), None)
    if index is None:
        return False
    chunks = (metadata.row_group(group).column(index) for group in range(metadata.num_row_groups))
    return any(_may_have(chunk.statistics, chunk.num_values) for chunk in chunks)


def _may_have(statistics: Any, values: int) -> bool:
    if statistics is None:
        return True
    if not statistics.has_min_max:
        return not (statistics.has_null_count and statistics.null_count == values)
    return bool(statistics.min <= POINTER <= statistics.max)


def _new_files(table: MaintainedTable, snapshot: Snapshot, known: int | None) -> tuple[list[DataFile], bool]:
    """The files that came since a version, and whether they only hold other files' rows; all where it is not known."""
    if known is None:
        return list(snapshot.files), False
    try:
        added, moved = table.added_since(known, snapshot.version)
    except StorageError:
        return list(snapshot.files), False  # the entries of the log are given up
    return [file for file in snapshot.files if file.path in added], moved and known < snapshot.version

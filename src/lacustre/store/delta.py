"""The Delta tables of a lake: created, widened and committed here, and nowhere else."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from lacustre.errors import CommitConflictError, SchemaConflictError, StorageError
from lacustre.fhir.shape import Shape
from lacustre.store.digest import sha256_in
from lacustre.store.objects import ObjectStore
from lacustre.store.schema import shape_of

CONFIGURATION = {
    # identifiers in file statistics would stay in the log for ever; Parquet's own statistics still prune
    "delta.dataSkippingNumIndexedCols": "0",
}
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
COMMIT_ATTEMPTS = 50
"""How often a writer that lost a race plans again before it gives up."""
SENDINGS = 3
"""How often a commit is sent where the log shows that it did not arrive: two that arrive are one."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A committed data file: its path in the table, its URI, its partition, its rows and bytes."""

    path: str
    uri: str
    partition: Mapping[str, str]
    rows: int
    size: int

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the file's bytes, in hexadecimal, which its name carries; None in tables of old lakes."""
        return sha256_in(self.path)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at a version. `schema` has the partition columns at its end; `files` are in path order."""

    version: int
    schema: pa.Schema
    files: tuple[DataFile, ...]

    @property
    def shape(self) -> Shape:
        return shape_of(self.schema)

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def uris(self) -> list[str]:
        return [file.uri for file in self.files]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A data file already in the table's folder, to be committed."""

    path: str
    partition: Mapping[str, str]
    rows: int
    size: int


class LakeTable:
    """One Delta table at a path of a store; `name` is what its tenant calls it.

    `pinned` is the version to read where none is asked for, negative where the table was not there yet.
    """

    def __init__(
        self,
        store: ObjectStore,
        path: str,
        name: str = "",
        partition_by: Sequence[str] = (),
        pinned: int | None = None,
    ) -> None:
        self._store = store
        self.path, self.name = path, name
        self._partition_by = list(partition_by)
        self._pinned = pinned

    @property
    def uri(self) -> str:
        return self._store.uri(self.path)

    def snapshot(self, version: int | None = None) -> Snapshot | None:
        """The table at `version`, else at the pinned or newest one; None where there is no table yet."""
        wanted = self._pinned if version is None else version
        if wanted is not None and wanted < 0:
            return None
        table = self._open(wanted)
        if table is None and wanted is not None:  # to delta-rs a version whose log was cleaned up is no table
            raise StorageError("version_gone", f"version {wanted} of the table {self.uri} is gone", "open a newer one")
        if table is None:
            return None
        actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
        files = sorted((self._data_file(action) for action in actions), key=lambda file: file.path)
        return Snapshot(table.version(), pa.schema(table.schema().to_arrow()), tuple(files))

    def _data_file(self, action: Mapping[str, Any]) -> DataFile:
        partition = {name: str(action[f"partition.{name}"]) for name in self._partition_by}
        path = action["path"]
        return DataFile(path, f"{self.uri}/{path}", partition, action["num_records"], action["size_bytes"])

    def commit(
        self,
        schema: pa.Schema,
        added: Sequence[NewFile],
        removed: Sequence[DataFile] = (),
        note: Mapping[str, str] | None = None,
        *,
        after: int | None,
    ) -> int:
        """Add and remove data files in one atomic commit, right after the version that it was planned on.

        `schema` (with the partition columns) is what the table needs to have; new nullable columns and nested
        fields are added first. `after` None makes the table. Returns the new version. Raises CommitConflictError
        where somebody else committed since (nothing has changed, and the added files are the caller's to remove),
        SchemaConflictError for any other difference of schemas, StorageError.
        """
        nonce = uuid.uuid4().hex
        said = dict(note or {})
        table = self._create(schema, said) if after is None else self._widened(schema, after, said)
        version = table.version() + 1
        actions: list[AddAction | RemoveAction] = [
            *(self._add(file) for file in added),
            *(self._remove(file) for file in removed),
        ]
        properties = CommitProperties(custom_metadata={**said, "lacustre_commit": nonce}, max_commit_retries=0)
        for attempt in range(SENDINGS):
            try:
                table.create_write_transaction(
                    actions,
                    "append",
                    table.schema(),
                    self._partition_by or None,
                    commit_properties=properties,
                    post_commithook_properties=_NO_HOOKS,
                )
            except (DeltaError, OSError) as error:
                if self._is_committed(version, nonce, error):
                    return version
                failure = error
                pause(attempt)
            else:
                return version
        raise _storage_error("commit to", self.uri, failure) from failure

    def _is_committed(self, version: int, nonce: str, error: Exception) -> bool:
        """Whether a commit that raised is there after all, its answer lost; raises for another's."""
        entry = self._store.read(f"{self.path}/_delta_log/{version:020d}.json")
        if entry is not None and nonce.encode() not in entry:
            raise CommitConflictError(self.uri, version) from error
        return entry is not None

    def append(self, schema: pa.Schema, added: Sequence[NewFile], note: Mapping[str, str] | None = None) -> int:
        """Add files that depend on nothing that the table holds; returns the new version."""
        for attempt in range(COMMIT_ATTEMPTS):
            try:
                return self.commit(schema, added, note=note, after=self.version())
            except CommitConflictError:
                pause(attempt)
        raise too_many_conflicts(self.uri)

    def version(self) -> int | None:
        """The pinned version, or else the newest; None where there is no table yet."""
        if self._pinned is not None:
            return self._pinned if self._pinned >= 0 else None
        table = self._open()
        return None if table is None else table.version()

    def _open(self, version: int | None = None) -> DeltaTable | None:
        try:
            table = DeltaTable(self.uri, version=version, storage_options=self._store.table_options)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise _storage_error("read", self.uri, error) from error
        _refuse_foreign_features(table)
        return table

    def _create(self, schema: pa.Schema, note: dict[str, str]) -> DeltaTable:
        try:
            return DeltaTable.create(
                self.uri,
                schema,
                partition_by=self._partition_by or None,
                configuration=CONFIGURATION,
                commit_properties=CommitProperties(custom_metadata=note, max_commit_retries=0),
                storage_options=self._store.table_options,
            )
        except (DeltaError, OSError) as error:
            if self.version() is not None:  # made by somebody else meanwhile, or by us and the answer was lost
                raise CommitConflictError(self.uri, 0) from error
            raise _storage_error("create", self.uri, error) from error

    def _widened(self, schema: pa.Schema, after: int, note: dict[str, str]) -> DeltaTable:
        """The table at a version, or, where `schema` has more than it, at the next one, which has that too."""
        table = self._open(after)
        if table is None:
            raise StorageError("table_vanished", f"the table {self.uri} is gone", "was it removed by hand?")
        if not adds_fields(pa.schema(table.schema().to_arrow()), schema):
            return table
        try:
            # an append of no rows is the one way of delta-rs to widen nested fields without touching data
            write_deltalake(
                table,
                schema.empty_table(),
                mode="append",
                schema_mode="merge",
                partition_by=self._partition_by or None,
                commit_properties=CommitProperties(custom_metadata=note, max_commit_retries=0),
                post_commithook_properties=_NO_HOOKS,
            )
        except (DeltaError, OSError) as error:
            if self.version() != after:  # widened by somebody else, or by us and the answer was lost
                raise CommitConflictError(self.uri, after + 1) from error
            raise _storage_error("widen", self.uri, error) from error
        widened = self._open(after + 1)
        assert widened is not None
        return widened

    @staticmethod
    def _add(file: NewFile) -> AddAction:
        stats = json.dumps({"numRecords": file.rows})
        return AddAction(file.path, file.size, cast(Any, file.partition), int(time.time() * 1000), True, stats)

    @staticmethod
    def _remove(file: DataFile) -> RemoveAction:
        return RemoveAction(file.path, True, int(time.time() * 1000), file.size, cast(Any, file.partition))


def pause(attempt: int) -> None:
    """Wait a moment after a lost race, longer after several, so that the writers do not meet again."""
    time.sleep(random.uniform(0, min(2.0, 0.02 * 2**attempt)))


def too_many_conflicts(uri: str) -> StorageError:
    return StorageError(
        "too_many_writers",
        f"other writers committed to {uri} {COMMIT_ATTEMPTS} times before this one could",
        "try again, with fewer loads at once",
        transient=True,
    )


def adds_fields(current: pa.Schema, wanted: pa.Schema) -> bool:
    """Whether `wanted` has columns or nested fields that `current` lacks.

    Raises SchemaConflictError where a field that both have differs in type.
    """
    return _adds(pa.struct(current), pa.struct(wanted), "")


def _adds(current: pa.DataType, wanted: pa.DataType, at: str) -> bool:
    if pa.types.is_list(current) and pa.types.is_list(wanted):
        return _adds(current.value_type, wanted.value_type, at)
    if pa.types.is_struct(current) and pa.types.is_struct(wanted):
        return _adds_to_struct(current, wanted, at)
    if current.equals(wanted):
        return False
    raise SchemaConflictError(
        "type_changed", f"{at.lstrip('.')} is {current} in the table and {wanted} in the new data"
    )


def _adds_to_struct(current: pa.StructType, wanted: pa.StructType, at: str) -> bool:
    added = False
    for field in wanted:
        index = current.get_field_index(field.name)
        added |= index < 0 or _adds(current.field(index).type, field.type, f"{at}.{field.name}")
    return added


def _refuse_foreign_features(table: DeltaTable) -> None:
    features = set(table.protocol().reader_features or ())
    if features & {"deletionVectors", "columnMapping"}:
        raise StorageError(
            "foreign_table_features",
            f"{table.table_uri} uses {', '.join(sorted(features))}, which reading by file list would get wrong",
            "Lacustre's tables are written by Lacustre alone",
        )


def _storage_error(verb: str, uri: str, error: Exception) -> StorageError:
    return StorageError(
        "storage_failed", f"cannot {verb} the table {uri}: {error}", transient=isinstance(error, OSError)
    )

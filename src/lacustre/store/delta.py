"""The Delta tables of a lake: created, widened and committed here, and nowhere else."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from lacustre.errors import SchemaConflictError, StorageError
from lacustre.fhir.shape import Shape
from lacustre.store.objects import ObjectStore
from lacustre.store.schema import shape_of

CONFIGURATION = {
    # identifiers in file statistics would stay in the log for ever; Parquet's own statistics still prune
    "delta.dataSkippingNumIndexedCols": "0",
}
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class DataFile:
    """A committed data file: its path in the table, its URI, its partition, its rows and bytes."""

    path: str
    uri: str
    partition: Mapping[str, str]
    rows: int
    size: int


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
    """One Delta table at a path of a store."""

    def __init__(self, store: ObjectStore, path: str, partition_by: Sequence[str] = ()) -> None:
        self._store = store
        self.path = path
        self._partition_by = list(partition_by)

    @property
    def uri(self) -> str:
        return self._store.uri(self.path)

    def snapshot(self, version: int | None = None) -> Snapshot | None:
        """The table at its newest version, or at `version`; None where there is no table yet."""
        try:
            table = DeltaTable(self.uri, version=version, storage_options=self._store.options or None)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise _storage_error("read", self.uri, error) from error
        _refuse_foreign_features(table)
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
    ) -> int:
        """Add and remove data files in one atomic commit; returns the new version.

        `schema` (with the partition columns) is what the table needs to have; new nullable columns and nested
        fields are added first. Raises SchemaConflictError for any other difference.
        """
        try:
            table = self._prepare(schema)
            table.create_write_transaction(
                [*(self._add(file) for file in added), *(self._remove(file) for file in removed)],
                "append",
                table.schema(),
                self._partition_by or None,
                commit_properties=CommitProperties(custom_metadata=dict(note or {}), max_commit_retries=0),
                post_commithook_properties=_NO_HOOKS,
            )
        except (DeltaError, OSError) as error:
            raise _storage_error("commit to", self.uri, error) from error
        return DeltaTable(self.uri, storage_options=self._store.options or None).version()

    def _prepare(self, schema: pa.Schema) -> DeltaTable:
        options = self._store.options or None
        try:
            table = DeltaTable(self.uri, storage_options=options)
        except TableNotFoundError:
            return DeltaTable.create(
                self.uri,
                schema,
                partition_by=self._partition_by or None,
                configuration=CONFIGURATION,
                storage_options=options,
            )
        _refuse_foreign_features(table)
        current = pa.schema(table.schema().to_arrow())
        if not adds_fields(current, schema):
            return table
        # an append of no rows is the one way of delta-rs to widen nested fields without touching data
        write_deltalake(
            table,
            schema.empty_table(),
            mode="append",
            schema_mode="merge",
            partition_by=self._partition_by or None,
            storage_options=options,
        )
        return DeltaTable(self.uri, storage_options=options)

    @staticmethod
    def _add(file: NewFile) -> AddAction:
        stats = json.dumps({"numRecords": file.rows})
        return AddAction(file.path, file.size, cast(Any, file.partition), int(time.time() * 1000), True, stats)

    @staticmethod
    def _remove(file: DataFile) -> RemoveAction:
        return RemoveAction(file.path, True, int(time.time() * 1000), file.size, cast(Any, file.partition))


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

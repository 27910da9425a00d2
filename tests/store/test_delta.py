"""Commits of data files: atomic, schema changes only widen, and no data in the log."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from lacustre.errors import SchemaConflictError, StorageError
from lacustre.store.delta import LakeTable, NewFile, adds_fields
from lacustre.store.objects import ObjectStore

NARROW = pa.schema([("id", pa.string()), ("name", pa.list_(pa.struct([("family", pa.string())])))])
WIDE = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.list_(pa.struct([("family", pa.string()), ("use", pa.string())]))),
        ("active", pa.bool_()),
    ]
)
PARTITION = pa.field("lake_shard", pa.int32())


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    return LakeTable(ObjectStore(str(tmp_path)), "table", partition_by=["lake_shard"])


def put(tmp_path: Path, name: str, identifier: str) -> NewFile:
    path = f"lake_shard=0/{name}.parquet"
    target = tmp_path / "table" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    row = {"id": identifier, "name": [{"family": "Martin"}]}
    pq.write_table(pa.Table.from_pylist([row], NARROW), target)
    return NewFile(path, {"lake_shard": "0"}, 1, target.stat().st_size)


def test_files_come_and_go_in_one_version(table: LakeTable, tmp_path: Path) -> None:
    assert table.snapshot() is None
    first = table.append(NARROW.append(PARTITION), [put(tmp_path, "a", "1"), put(tmp_path, "b", "2")])
    before = table.snapshot()
    assert before is not None
    version = table.commit(NARROW.append(PARTITION), [put(tmp_path, "c", "3")], before.files[:1], after=first)
    after = table.snapshot()
    assert after is not None
    assert (version, after.version) == (first + 1, first + 1)
    assert [Path(file.path).stem for file in after.files] == ["b", "c"]
    assert (after.rows, after.files[0].partition) == (2, {"lake_shard": "0"})
    old = table.snapshot(first)
    assert old is not None
    assert old.files == before.files


def test_the_table_widens_and_its_files_stay(table: LakeTable, tmp_path: Path) -> None:
    table.append(NARROW.append(PARTITION), [put(tmp_path, "a", "1")])
    table.append(WIDE.append(PARTITION), [put(tmp_path, "b", "2")])
    wide = table.snapshot()
    assert wide is not None
    assert wide.shape == {"id": {}, "name": {"family": {}, "use": {}}, "active": {}}
    table.append(NARROW.append(PARTITION), [put(tmp_path, "c", "3")])
    again = table.snapshot()
    assert again is not None
    assert (again.shape, again.version, len(again.files)) == (wide.shape, wide.version + 1, 3)


def test_another_type_is_refused(table: LakeTable, tmp_path: Path) -> None:
    table.append(NARROW.append(PARTITION), [put(tmp_path, "a", "1")])
    before = table.snapshot()
    with pytest.raises(SchemaConflictError, match=r"type_changed.*id is string"):
        table.append(pa.schema([("id", pa.int64()), PARTITION]), [put(tmp_path, "b", "2")])
    assert table.snapshot() == before


@pytest.mark.parametrize(
    "wanted",
    [
        pa.schema([("name", pa.list_(pa.struct([("family", pa.int32())])))]),
        pa.schema([("name", pa.struct([("family", pa.string())]))]),
        pa.schema([("name", pa.string())]),
        pa.schema([("new", pa.string()), ("id", pa.bool_())]),
    ],
)
def test_conflicts_at_any_depth(wanted: pa.Schema) -> None:
    with pytest.raises(SchemaConflictError):
        adds_fields(NARROW, wanted)


def test_what_adds_fields() -> None:
    assert adds_fields(NARROW, WIDE)
    assert not adds_fields(WIDE, NARROW)
    assert not adds_fields(NARROW, NARROW)


def test_nothing_of_the_data_is_in_the_log(table: LakeTable, tmp_path: Path) -> None:
    for number in range(3):
        table.append(NARROW.append(PARTITION), [put(tmp_path, f"f{number}", "secret-id")])
    log = tmp_path / "table/_delta_log"
    DeltaTable(table.uri).create_checkpoint()
    entries = [json.loads(line) for path in log.glob("*.json") for line in path.read_text().splitlines()]
    statistics = [json.loads(entry["add"]["stats"]) for entry in entries if "add" in entry]
    assert statistics == [{"numRecords": 1}] * 3
    assert not any(b"secret" in path.read_bytes() or b"Martin" in path.read_bytes() for path in log.iterdir())


def test_a_damaged_log_is_an_error_of_the_store(table: LakeTable, tmp_path: Path) -> None:
    table.append(NARROW.append(PARTITION), [put(tmp_path, "a", "1")])
    for path in (tmp_path / "table/_delta_log").glob("*.json"):
        path.write_text("{ not json")
    with pytest.raises(StorageError, match="storage_failed"):
        table.snapshot()

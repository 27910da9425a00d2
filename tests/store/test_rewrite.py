"""Files copied without some rows, or several into one of a wider schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lacustre.errors import StorageError
from lacustre.store import rewrite as module
from lacustre.store.objects import ObjectStore
from lacustre.store.rewrite import rewrite

PERIOD = pa.struct([("start", pa.string())])
NARROW = pa.schema([("id", pa.string()), ("name", pa.list_(pa.struct([("family", pa.string())])))])
WIDE = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.list_(pa.struct([("family", pa.string()), ("period", PERIOD)]))),
        ("period", PERIOD),
    ]
)


def rows(prefix: str, count: int) -> list[dict[str, Any]]:
    lists = ([{"family": "a"}, None, {"family": None}], None, [], [{"family": "b"}])
    return [{"id": f"{prefix}{number}", "name": lists[number % 4]} for number in range(count)]


def widened(row: dict[str, Any]) -> dict[str, Any]:
    name = row["name"] and [item and {"period": None, **item} for item in row["name"]]
    return {"period": None, **row, "name": name}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setattr(module, "BATCH_ROWS", 3)
    return ObjectStore(str(tmp_path))


def write(path: Path, content: list[dict[str, Any]], schema: pa.Schema) -> str:
    pq.write_table(pa.Table.from_pylist(content, schema), path, row_group_size=5)
    return str(path)


@pytest.mark.parametrize("dropped", [[], [0], [10], [3, 2, 4, 5], [2, 3, 8], list(range(10)), list(range(11))])
def test_rows_are_dropped_by_number(dropped: list[int], store: ObjectStore, tmp_path: Path) -> None:
    content, target = rows("a", 11), tmp_path / "target.parquet"
    uri = write(tmp_path / "a.parquet", content, NARROW)
    kept = [row for number, row in enumerate(content) if number not in dropped]
    assert rewrite(store, [uri], {uri: dropped, "other": [1]}, NARROW, target) == len(kept)
    assert pq.read_table(target).to_pylist() == kept


def test_files_of_several_shapes_become_one(store: ObjectStore, tmp_path: Path) -> None:
    narrow, target = rows("a", 7), tmp_path / "target.parquet"
    wide = [{"id": "w", "name": [{"family": None, "period": {"start": "2020"}}], "period": {"start": "2021"}}] * 4
    uris = [write(tmp_path / "a.parquet", narrow, NARROW), write(tmp_path / "b.parquet", wide, WIDE)]
    assert rewrite(store, uris, {uris[0]: [1], uris[1]: [0]}, WIDE, target) == 9
    table = pq.read_table(target)
    assert table.schema.equals(WIDE)
    assert table.to_pylist() == [*map(widened, narrow[:1] + narrow[2:]), *wide[1:]]


def test_a_damaged_file_is_an_error_of_the_store(store: ObjectStore, tmp_path: Path) -> None:
    damaged = tmp_path / "a.parquet"
    damaged.write_bytes(b"PAR1 not at all PAR1")
    with pytest.raises(StorageError, match="storage_failed"):
        rewrite(store, [str(damaged)], {}, NARROW, tmp_path / "target.parquet")

"""Files of a lake in a bucket: copies that are what was written, and ranges of what has no copy."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from s3fs import S3FileSystem

from lacustre.errors import StorageError
from lacustre.store.cache import FileCache
from lacustre.store.objects import ObjectStore
from lacustre.store.reading import SMALL_BYTES, RemoteFiles, StoredFile
from lacustre.store.scan import connect, read_parquet
from support.s3 import s3_bucket
from support.stored_files import flip, stored, write_stored

pytestmark = [pytest.mark.s3, pytest.mark.xdist_group("s3")]

ROWS = [20_000, 20_000, 60_000]


@dataclass(frozen=True, slots=True)
class Place:
    """A lake in a bucket with three Parquet files, the last of them not small."""

    store: ObjectStore
    cache: FileCache
    files: list[StoredFile]

    def reader(self) -> RemoteFiles:
        return RemoteFiles(self.store, self.cache)

    def damage(self, number: int, position: int) -> None:
        uri = self.files[number].uri
        data = bytearray(self.store.filesystem.cat_file(uri))
        data[position] ^= 1
        self.store.filesystem.pipe_file(uri, bytes(data))

    def kept(self) -> int:
        return sum(self.cache.open(file.sha256 or "", file.size) is not None for file in self.files)


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with s3_bucket() as bucket:
        yield ObjectStore(bucket.uri("lake"), bucket.settings)


@pytest.fixture
def place(store: ObjectStore, tmp_path: Path) -> Place:
    files = []
    for number, rows in enumerate(ROWS):
        local = write_stored(tmp_path, number, rows)
        uri = store.uri(f"{uuid.uuid4().hex}/{local.name}")
        store.filesystem.put_file(str(local), uri)
        files.append(replace(stored(local), uri=uri))
    assert files[0].size < SMALL_BYTES < files[2].size
    return Place(store, FileCache(tmp_path / "cache", 100 << 20), files)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts what the server is asked."""
    asked: Counter[str] = Counter()
    call = S3FileSystem._call_s3

    async def counting(self: S3FileSystem, method: str, *arguments: Any, **options: Any) -> Any:
        asked[method] += 1
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(S3FileSystem, "_call_s3", counting)
    return asked


def rows_of(place: Place, reader: RemoteFiles, uris: list[str]) -> list[tuple[int, int]]:
    with connect(place.store, files=reader) as connection:
        return connection.execute(
            f"SELECT count(*)::INT, min(length(text))::INT FROM {read_parquet(uris)} GROUP BY filename ORDER BY filename"
        ).fetchall()


WHOLE = sorted((rows, 32) for rows in ROWS)


def test_a_second_session_asks_the_server_nothing(place: Place, requests: Counter[str]) -> None:
    reader = place.reader()
    assert sorted(rows_of(place, reader, reader.checked(place.files))) == WHOLE
    assert requests["get_object"] == 3
    requests.clear()
    reader = place.reader()
    assert sorted(rows_of(place, reader, reader.checked(place.files))) == WHOLE
    assert not requests


@pytest.mark.parametrize("number", [0, 2])
def test_a_damaged_file_is_named(place: Place, number: int) -> None:
    place.damage(number, place.files[number].size // 3)
    with pytest.raises(StorageError) as caught:
        place.reader().checked(place.files)
    assert caught.value.code == "damaged_file"
    assert place.files[number].uri.removeprefix(f"{place.store.root}/") in caught.value.message


def test_a_missing_file_is_named(place: Place) -> None:
    place.store.filesystem.rm(place.files[1].uri)
    with pytest.raises(StorageError, match="missing_file"):
        place.reader().checked(place.files)


def test_a_damaged_copy_is_fetched_again(place: Place, tmp_path: Path) -> None:
    place.reader().checked(place.files)
    for copy in (tmp_path / "cache").rglob("*.parquet"):
        flip(copy, copy.stat().st_size // 3)
    reader = place.reader()
    assert sorted(rows_of(place, reader, reader.checked(place.files))) == WHOLE


def test_a_session_survives_the_loss_of_all_copies(place: Place) -> None:
    reader = place.reader()
    uris = reader.checked(place.files)
    with connect(place.store, files=reader) as connection:
        connection.execute(f"CREATE VIEW part AS FROM {read_parquet(uris)}")
        place.cache.forget(file.sha256 or "" for file in place.files)
        assert connection.execute("SELECT count(*)::INT FROM part WHERE length(text) = 32").fetchall() == [(100_000,)]


def test_deferred_files_are_fetched_when_their_data_are_read(place: Place, requests: Counter[str]) -> None:
    reader = place.reader()
    uris = reader.deferred(place.files)
    with connect(place.store, files=reader) as connection:
        connection.execute(f"CREATE VIEW part AS FROM {read_parquet(uris)}")
        assert place.kept() == 2
        assert connection.execute("SELECT count(*)::INT, min(length(text))::INT FROM part").fetchall() == [
            (sum(ROWS), 32)
        ]
        assert place.kept() == 3
    assert requests["get_object"] == 4


def test_a_damaged_deferred_file_fails_the_query_with_its_name(place: Place) -> None:
    place.damage(2, 1000)
    reader = place.reader()
    uris = reader.deferred(place.files)
    name = place.files[2].uri.rpartition("/")[2]
    with connect(place.store, files=reader) as connection, pytest.raises(duckdb.Error, match=name):
        connection.execute(f"SELECT max(text) FROM {read_parquet(uris)}").fetchall()


def test_what_does_not_fit_is_read_where_it_lies(place: Place, tmp_path: Path, requests: Counter[str]) -> None:
    small = Place(place.store, FileCache(tmp_path / "small", place.files[0].size + 100), place.files)
    for read in (RemoteFiles.checked, RemoteFiles.deferred):
        reader = small.reader()
        requests.clear()
        assert sorted(rows_of(small, reader, read(reader, place.files))) == WHOLE
        assert requests["head_object"] == 0
    assert small.kept() == 1


def test_without_a_cache_everything_is_read_where_it_lies(place: Place, tmp_path: Path) -> None:
    none = Place(place.store, FileCache(tmp_path / "none", 0), place.files)
    (tmp_path / "file").write_text("a file in the way")
    unwritable = Place(place.store, FileCache(tmp_path / "file", 100 << 20), place.files)
    for where in (none, unwritable):
        reader = where.reader()
        assert sorted(rows_of(where, reader, reader.checked(place.files))) == WHOLE
        assert where.kept() == 0


def test_ranges_of_what_is_not_in_the_cache(place: Place, requests: Counter[str]) -> None:
    place.reader().checked(place.files[:1])
    requests.clear()
    reader = place.reader()
    with connect(place.store, files=reader) as connection:
        source = read_parquet(reader.ranged(place.files), filename=True)
        names = connection.execute(f"SELECT DISTINCT filename FROM {source} WHERE id % 7 = 1").fetchall()
    assert {name for (name,) in names} == {file.uri for file in place.files}
    assert requests["head_object"] == 0
    assert place.kept() == 1


def test_files_of_old_lakes_are_read_where_they_lie(place: Place, requests: Counter[str]) -> None:
    old = [replace(file, sha256=None) for file in place.files]
    for read in (RemoteFiles.checked, RemoteFiles.deferred):
        reader = place.reader()
        requests.clear()
        assert sorted(rows_of(place, reader, read(reader, old))) == WHOLE
        assert requests["head_object"] == 0


def test_other_paths_go_to_the_store(place: Place) -> None:
    folder = place.files[0].uri.rpartition("/")[0]
    with connect(place.store, files=place.reader()) as connection:
        assert connection.execute(f"SELECT count(*)::INT FROM '{folder}/*.parquet'").fetchall() == [(ROWS[0],)]
        connection.execute(f"COPY (SELECT 1 AS one) TO '{folder}/mine.csv'")
        assert connection.execute(f"FROM '{folder}/mine.csv'").fetchall() == [(1,)]

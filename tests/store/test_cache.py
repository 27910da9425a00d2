"""Files of a lake are what was written, or the reader is told which one is not."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from threading import Barrier

import duckdb
import pytest

from lacustre.errors import StorageError
from lacustre.store import cache as cache_module
from lacustre.store.cache import FILLED, CheckedFiles, FileCache
from lacustre.store.digest import sha256_of
from lacustre.store.objects import ObjectStore
from lacustre.store.reading import LakeFiles, LocalFiles, StoredFile
from lacustre.store.scan import connect, read_parquet
from support.stored_files import flip, stored, write_stored

CONTENTS = [random.Random(seed).randbytes(1000) for seed in range(8)]


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def writing(data: bytes) -> Callable[[Path], None]:
    def download(target: Path) -> None:
        target.write_bytes(data)

    return download


def fill(cache: FileCache, data: bytes) -> None:
    copy = cache.fill(digest(data), len(data), writing(data))
    assert copy is not None
    copy.close()


def holds(cache: FileCache, data: bytes) -> bool:
    copy = cache.open(digest(data), len(data))
    if copy is None:
        return False
    with copy:
        assert copy.read() == data
    return True


# copies of the files of remote lakes


def test_a_copy_is_found_by_its_digest(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 10_000)
    assert not holds(cache, CONTENTS[0])
    fill(cache, CONTENTS[0])
    assert holds(cache, CONTENTS[0])
    assert not holds(cache, CONTENTS[1])
    assert holds(FileCache(tmp_path, 10_000), CONTENTS[0])
    assert (tmp_path / "files").stat().st_mode & 0o077 == 0


def test_other_bytes_than_those_of_the_digest_are_not_kept(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 10_000)
    for wrong in (CONTENTS[1], CONTENTS[0][:-1], CONTENTS[0] + b"x", b""):
        assert cache.fill(digest(CONTENTS[0]), len(CONTENTS[0]), writing(wrong)) is None
    assert not holds(cache, CONTENTS[0])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_copy_that_was_written_to_does_not_count(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 10_000)
    fill(cache, CONTENTS[0])
    (path,) = tmp_path.rglob("*.parquet")
    flip(path, 500)
    assert not holds(cache, CONTENTS[0])
    fill(cache, CONTENTS[0])
    assert holds(cache, CONTENTS[0])
    path.write_bytes(CONTENTS[0][:10])
    os.utime(path, ns=(FILLED, FILLED))
    assert not holds(cache, CONTENTS[0])


def test_what_was_read_longest_ago_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "TOUCH_SECONDS", 0)
    cache = FileCache(tmp_path, 4600)
    for number, data in enumerate(CONTENTS[:4]):
        fill(cache, data)
        age(tmp_path, data, 1000 - number)
    assert holds(cache, CONTENTS[0])
    for data in CONTENTS[4:6]:
        fill(cache, data)
    assert [holds(cache, data) for data in CONTENTS[:6]] == [True, False, False, True, True, True]


def age(folder: Path, data: bytes, seconds: float) -> None:
    """Let a copy look as if it was read last so many seconds ago."""
    (path,) = folder.rglob(f"{digest(data)}.parquet")
    os.utime(path, ns=(time.time_ns() - int(seconds * 1e9), FILLED))


def test_the_limit_holds_for_any_order_of_fills(tmp_path: Path) -> None:
    limit = 100_000
    caches = [FileCache(tmp_path, limit) for _ in range(3)]
    chance = random.Random(7)
    for number in range(200):
        fill(chance.choice(caches), chance.randbytes(chance.randrange(1, 9_000)))
        used = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
        assert used <= limit + len(caches) * limit // 16, number
    assert used > limit / 2


def test_the_limit_holds_where_threads_fill_at_once(tmp_path: Path) -> None:
    cache, together = FileCache(tmp_path, 3_500), Barrier(len(CONTENTS))

    def fill_together(data: bytes) -> None:
        def download(target: Path) -> None:
            together.wait(30)
            target.write_bytes(data)

        copy = cache.fill(digest(data), len(data), download)
        assert copy is not None
        with copy:
            assert copy.read() == data

    with ThreadPoolExecutor(len(CONTENTS)) as pool:
        list(pool.map(fill_together, CONTENTS))
    assert sum(holds(cache, data) for data in CONTENTS) == 3
    fill(cache, b"x" * 1000)
    assert holds(cache, b"x" * 1000)


def test_a_copy_that_is_open_can_be_read_when_it_is_gone(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 1500)
    copy = cache.fill(digest(CONTENTS[0]), 1000, writing(CONTENTS[0]))
    assert copy is not None
    fill(cache, CONTENTS[1])
    assert not holds(cache, CONTENTS[0])
    with copy:
        assert copy.read() == CONTENTS[0]


def test_copies_that_nobody_reads_and_remains_of_killed_processes_go(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100_000)
    fill(cache, CONTENTS[0])
    fill(cache, CONTENTS[1])
    age(tmp_path, CONTENTS[0], cache_module.UNUSED_SECONDS + 60)
    remains = tmp_path / "files" / digest(CONTENTS[0])[:2] / ".part"
    remains.write_bytes(b"x")
    os.utime(remains, (0, 0))
    fill(FileCache(tmp_path, 100_000), CONTENTS[2])
    assert [holds(cache, data) for data in CONTENTS[:3]] == [False, True, True]
    assert not remains.exists()


def test_forgotten_copies_are_gone(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 10_000)
    for data in CONTENTS[:3]:
        fill(cache, data)
    cache.forget([digest(data) for data in CONTENTS[1:4]])
    assert [holds(cache, data) for data in CONTENTS[:4]] == [True, False, False, False]


def fill_and_read(folder: Path, seed: int) -> int:
    """Fill and read in another order than the other processes do, with room for half; returns what was wrong."""
    cache, chance, wrong = FileCache(folder, 4000), random.Random(seed), 0
    for _ in range(150):
        data = chance.choice(CONTENTS)
        copy = cache.open(digest(data), len(data)) or cache.fill(digest(data), len(data), writing(data))
        assert copy is not None
        with copy:
            wrong += copy.read() != data
    return wrong


def test_processes_fill_read_and_evict_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(fill_and_read, [(tmp_path, seed) for seed in range(3)]) == [0, 0, 0]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 8000 + 4096 * 20
    assert not list(tmp_path.rglob(".*.*"))


# files of local lakes


@dataclass(frozen=True, slots=True)
class Place:
    """A local lake with Parquet files whose names have their digests."""

    store: ObjectStore
    checked: Path
    files: list[StoredFile]

    def reader(self) -> LocalFiles:
        return LocalFiles(self.store, CheckedFiles(self.checked, self.store.root))

    def path(self, number: int = 0) -> Path:
        return Path(self.files[number].uri)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    lake = tmp_path / "lake"
    lake.mkdir()
    files = [stored(write_stored(lake, number, 20_000)) for number in range(3)]
    return Place(ObjectStore(str(lake)), tmp_path / "cache", files)


def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed from now on."""
    found: list[str] = []

    def counting(path: Path) -> str:
        found.append(path.name)
        return sha256_of(path)

    monkeypatch.setattr("lacustre.store.reading.sha256_of", counting)
    return found


def test_local_files_are_hashed_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = hashed(monkeypatch)
    assert place.reader().checked(place.files) == [file.uri for file in place.files]
    assert sorted(seen) == sorted(Path(file.uri).name for file in place.files)
    place.reader().checked(place.files)
    assert len(seen) == 3
    place.path().touch()
    place.reader().checked(place.files)
    assert seen[3:] == [place.path().name]


def test_files_that_were_just_written_need_no_hashing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = hashed(monkeypatch)
    place.reader().remember(place.files[:2])
    place.reader().checked(place.files)
    assert seen == [place.path(2).name]


@pytest.mark.parametrize("how", ["flip", "flip with the old times", "cut", "longer"])
@pytest.mark.parametrize("known", [False, True])
def test_a_damaged_local_file_is_named(place: Place, known: bool, how: str) -> None:
    if known:
        place.reader().checked(place.files)
    before = place.path(1).stat()
    if how.startswith("flip"):
        flip(place.path(1), before.st_size // 2)
    elif how == "cut":
        os.truncate(place.path(1), before.st_size - 1)
    else:
        place.path(1).write_bytes(place.path(1).read_bytes() + b"\0")
    if how == "flip with the old times":
        os.utime(place.path(1), ns=(before.st_atime_ns, before.st_mtime_ns))
    for read in (LocalFiles.checked, LocalFiles.ranged):
        with pytest.raises(StorageError) as caught:
            read(place.reader(), place.files)
        assert caught.value.code == "damaged_file"
        assert place.path(1).name in caught.value.message


def test_a_missing_local_file_is_named(place: Place) -> None:
    place.path(2).unlink()
    with pytest.raises(StorageError, match=f"missing_file: {place.path(2).name}"):
        place.reader().checked(place.files)


def test_files_of_old_lakes_are_read_unchecked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = hashed(monkeypatch)
    old = [replace(file, sha256=None) for file in place.files]
    assert place.reader().checked(old) == place.reader().deferred(old) == [file.uri for file in old]
    assert not seen


def rows_of(reader: LakeFiles, store: ObjectStore, uris: list[str]) -> tuple[int, int, int]:
    with connect(store, files=reader) as connection:
        ((count, ids, length),) = connection.execute(
            f"SELECT count(*)::INT, sum(id)::INT, max(length(text))::INT FROM {read_parquet(uris)}"
        ).fetchall()
    return count, ids, length


ROWS = (60_000, sum(range(60_000)), 32)


def test_deferred_files_are_hashed_when_their_data_are_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = hashed(monkeypatch)
    reader = place.reader()
    uris = reader.deferred(place.files)
    with connect(place.store, files=reader) as connection:
        connection.execute(f"CREATE VIEW part AS FROM {read_parquet(uris)}")
        assert not seen
        assert connection.execute("SELECT count(*)::INT, sum(id)::INT FROM part").fetchall() == [ROWS[:2]]
        assert len(seen) == 3
        connection.execute("SELECT max(text) FROM part").fetchall()
    assert len(seen) == 3
    assert place.reader().deferred(place.files) == [file.uri for file in place.files]


@pytest.mark.parametrize("share", [0.001, 0.5, 0.9, 0.999])
def test_a_damaged_deferred_file_fails_the_query_with_its_name(place: Place, share: float) -> None:
    footer = int.from_bytes(place.path(1).read_bytes()[-8:-4], "little") + 8
    flip(place.path(1), int((place.files[1].size - footer) * share))
    reader = place.reader()
    uris = reader.deferred(place.files)
    with connect(place.store, files=reader) as connection:
        with pytest.raises(duckdb.Error, match=f"damaged_file: {place.path(1).name}"):
            connection.execute(f"SELECT max(id), max(text) FROM {read_parquet(uris)}").fetchall()
        sound = [uris[0], uris[2]]
        assert connection.execute(f"SELECT count(*) FROM {read_parquet(sound)}").fetchall() == [(40_000,)]


def test_a_session_of_a_local_lake_reads_what_it_is_given(place: Place) -> None:
    reader = place.reader()
    assert rows_of(reader, place.store, reader.deferred(place.files)) == ROWS
    assert rows_of(reader, place.store, reader.checked(place.files)) == ROWS


def test_several_processes_remember_together(tmp_path: Path) -> None:
    def add(number: int) -> None:
        CheckedFiles(tmp_path, "lake").add([f"{number:02d}-{part:02d}" for part in range(50)])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(20)))
    found = CheckedFiles(tmp_path, "lake")
    assert all(f"{number:02d}-{part:02d}" in found for number in range(20) for part in range(50))
    assert "00-00" not in CheckedFiles(tmp_path, "another lake")


def test_half_a_line_of_a_killed_process_means_nothing(tmp_path: Path) -> None:
    CheckedFiles(tmp_path, "lake").add(["0123456789abcdef"])
    (record,) = tmp_path.rglob("*/*")
    record.write_bytes(record.read_bytes() + b"\n01234567")
    CheckedFiles(tmp_path, "lake").add(["fedcba9876543210"])
    found = CheckedFiles(tmp_path, "lake")
    assert "0123456789abcdef" in found
    assert "fedcba9876543210" in found
    assert "01234567fedcba9876543210" not in found


def test_where_nothing_can_be_written_everything_is_hashed_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.checked.write_text("a file in the way")
    seen = hashed(monkeypatch)
    for _ in range(2):
        assert place.reader().checked(place.files) == [file.uri for file in place.files]
    assert len(seen) == 6

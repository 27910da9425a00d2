"""Files of a local lake."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lacustre.errors import SettingsError, StorageError
from lacustre.store.objects import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "lake"))


@pytest.mark.parametrize("name", ["per%20cent", "list[1]", "back\\slash", "st*r", "really?"])
def test_places_that_tables_cannot_have_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="bad_uri"):
        ObjectStore(str(tmp_path / name)).require()


@pytest.mark.parametrize("name", ["100% x", "a b", "é", "hash#", "{a,b}"])
def test_other_places_are_not(name: str, tmp_path: Path) -> None:
    ObjectStore(str(tmp_path / name)).require()


def test_a_scheme_that_is_not_ours() -> None:
    with pytest.raises(SettingsError, match="bad_uri"):
        ObjectStore("https://host/lake")


def test_a_file_is_created_once(store: ObjectStore) -> None:
    assert store.create("a/b.json", b"first")
    assert not store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"
    store.write("a/b.json", b"third")
    assert store.read("a/b.json") == b"third"
    assert list(store.walk("")) == [("a/b.json", 5)]


def test_every_file_is_listed_in_the_order_of_paths(store: ObjectStore) -> None:
    for path in ("b/c/d.json", "b.json", "b/.hidden", "é/x y.json", "b/c.json"):
        store.write(path, path.encode())
    Path(store.root, "empty").mkdir()
    below = [path for path in Path(store.root).rglob("*") if path.is_file()]
    expected = sorted((path.relative_to(store.root).as_posix(), path.stat().st_size) for path in below)
    assert list(store.walk("")) == expected
    assert list(store.walk("b")) == [entry for entry in expected if entry[0].startswith("b/")]


def test_a_file_that_goes_away_while_a_folder_is_listed(store: ObjectStore) -> None:
    store.write("a/there.json", b"12")
    Path(store.root, "a/gone.json").symlink_to(Path(store.root, "nowhere"))
    assert list(store.walk("a")) == [("a/there.json", 2)]


def test_what_is_not_there(store: ObjectStore) -> None:
    assert (store.read("none"), store.folders("none"), list(store.walk("none"))) == (None, [], [])
    store.remove("none")


def test_put_keeps_the_local_file(store: ObjectStore, tmp_path: Path) -> None:
    local = tmp_path / "x"
    local.write_bytes(b"data")
    store.put(local, "t/lake_shard=0/x")
    assert (store.read("t/lake_shard=0/x"), local.read_bytes()) == (b"data", b"data")
    assert store.folders("t") == ["lake_shard=0"]


def test_a_file_in_the_way_is_an_error_of_the_store(store: ObjectStore, tmp_path: Path) -> None:
    store.write("a", b"")
    local = tmp_path / "x"
    local.write_bytes(b"data")
    for act in (lambda: store.put(local, "a/b"), lambda: store.write("a/b", b""), lambda: store.create("a/b", b"")):
        with pytest.raises(StorageError, match="storage_failed"):
            act()


def test_a_server_that_is_not_there_is_said_and_may_come_back() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": address}
    away = ObjectStore("s3://bucket/lake", keys)
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL") as caught:
        away.require()
    assert caught.value.transient

"""Files of a lake, on a local disk or in an S3 bucket, behind one small interface."""

from __future__ import annotations

import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

import fsspec

from lacustre.errors import SettingsError, StorageError
from lacustre.store.read_ahead import ReadAhead
from lacustre.store.s3 import S3Client, status_of

_MISREAD = re.compile(r"%[0-9A-Fa-f]{2}|[\[\]\\*?]")
"""What delta-rs 1.6.6 takes for something else in the place of a table, and DuckDB for the places of several files."""


class ObjectStore:
    """The files below one URI: a folder, `file://…` or `s3://bucket/prefix`.

    `options` are object-store settings as delta-rs names them (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …), or
    `AWS_PROFILE`; what is not given comes from the environment. Paths are relative, with `/`.
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        scheme = urlsplit(uri).scheme
        self._s3 = S3Client(uri, options or {}) if scheme == "s3" else None
        if self._s3:
            self.root = uri.rstrip("/")
        elif scheme in ("", "file") or len(scheme) == 1:
            self.root = str(Path(uri.removeprefix("file://")).expanduser().resolve())
        else:
            raise SettingsError("bad_uri", f"{uri} is not a lake URI", "give a folder or s3://bucket/prefix")
        self.options = self._s3.settings if self._s3 else {}
        self.filesystem = self._s3.filesystem if self._s3 else fsspec.filesystem("file")

    @property
    def remote(self) -> bool:
        return self._s3 is not None

    @property
    def table_options(self) -> dict[str, str] | None:
        """What delta-rs needs to reach a table here; ask each time, since keys expire. None on a local disk."""
        if self._s3 is None:
            return None
        with _reaching("find keys for", self.root):
            return self._s3.table_options

    def uri(self, path: str = "") -> str:
        return f"{self.root}/{path}" if path else self.root

    def require(self) -> None:
        """Raise StorageError where nothing can be written here: the bucket is not there, or not ours to see.

        And SettingsError where the place has a name that tables cannot have.
        """
        if found := _MISREAD.search(self.root.replace(os.sep, "/")):
            raise SettingsError(
                "bad_uri", f"a lake cannot lie in {self.root}", f"give a folder without {found[0]} in its path"
            )
        if self._s3 is None:
            return
        bucket = self._s3.bucket
        with _reaching("open", self.root):
            try:
                self.filesystem.call_s3("head_bucket", Bucket=bucket)
            except (FileNotFoundError, PermissionError):
                raise StorageError(
                    "no_bucket", f"there is no bucket {bucket} to see", "create it, or check the credentials"
                ) from None

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, or None where it does not exist."""
        with _reaching("read", self.uri(path)):
            try:
                # without the second argument s3fs asks for the size first
                return bytes(self.filesystem.cat_file(self.uri(path), **({"max_concurrency": 1} if self._s3 else {})))
            except FileNotFoundError:
                return None

    def write(self, path: str, data: bytes) -> None:
        """Write a file so that readers see the old bytes or the new ones, never a part."""
        with _reaching("write", self.uri(path)):
            if self._s3:
                self.filesystem.pipe_file(self.uri(path), data)
                return
            target = _with_folder(self.uri(path))
            with self._part(path) as part:
                part.write_bytes(data)
                part.replace(target)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; says whether it was written. Safe against a concurrent creator."""
        with _reaching("create", self.uri(path)):
            if self._s3:
                return self._s3.create(self.uri(path), data)
            target = _with_folder(self.uri(path))
            with self._part(path) as part:
                part.write_bytes(data)
                try:
                    os.link(part, target)
                except FileExistsError:
                    return False
        return True

    def put(self, local: Path, path: str) -> None:
        """Give the store a finished local file, which stays where it is and must not be changed any more."""
        with _reaching("write", self.uri(path)):
            if self._s3:
                self._s3.upload(local, self.uri(path))
                return
            target = _with_folder(self.uri(path))
            try:
                os.link(local, target)
            except OSError:
                # the disk has no second names, or is another one, or the name is taken
                with self._part(path) as part:
                    shutil.copyfile(local, part)
                    part.replace(target)

    @contextmanager
    def _part(self, path: str) -> Iterator[Path]:
        """A place for an unfinished file: in its tenant's staging, where a later load removes what a kill left."""
        tenant = path.split("/")[:2] if path.count("/") > 1 else []
        folder = Path(self.uri("/".join([*tenant, "_staging", uuid.uuid4().hex])))
        folder.mkdir(parents=True)
        try:
            yield folder / "part"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def open(self, path: str) -> IO[bytes]:
        return self.open_uri(self.uri(path))

    def open_uri(self, uri: str) -> IO[bytes]:
        """Open a file of the store by its URI, or any local file by its path."""
        filesystem = self.filesystem if "://" in uri else fsspec.filesystem("file")
        with _reaching("open", uri):
            opened: IO[bytes] = filesystem.open(uri, "rb")
        return opened

    def stream(self, path: str) -> IO[bytes]:
        """Open a file that is read from its beginning to its end: from a bucket in large parts, ahead of the reader."""
        uri = self.uri(path)
        if self._s3 is None:
            return self.open(path)
        with _reaching("open", uri):
            size = int(self.filesystem.size(uri))

        def fetch(start: int, end: int) -> bytes:
            return bytes(self.filesystem.cat_file(uri, start=start, end=end))

        return cast("IO[bytes]", ReadAhead(fetch, size))

    def folders(self, path: str) -> list[str]:
        """Names of the folders directly below `path`, sorted; empty where it does not exist."""
        refreshed = {"refresh": True} if self.remote else {}
        with _reaching("list", self.uri(path)):
            try:
                entries = self.filesystem.ls(self.uri(path), detail=True, **refreshed)
            except FileNotFoundError:
                return []
        return sorted(e["name"].rstrip("/").rsplit("/", 1)[1] for e in entries if e["type"] == "directory")

    def walk(self, path: str) -> Iterator[tuple[str, int]]:
        """Every file below `path`: its path relative to the store's root, and its size in bytes; sorted."""
        root = self.root.removeprefix("s3://")
        with _reaching("list", self.uri(path)):
            if self._s3:
                listed = self.filesystem.find(self.uri(path), detail=True)
                found = {name: int(details["size"]) for name, details in listed.items()}
            else:
                found = dict(_files_below(self.uri(path)))  # in a third of the time that fsspec takes
        for name in sorted(found):
            yield name[len(root) + 1 :], found[name]

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file or folder; nothing happens where it does not exist."""
        with _reaching("remove", self.uri(path)), suppress(FileNotFoundError):
            if self._s3 and recursive:
                self._s3.remove_all(self.uri(path))
            elif self._s3:
                self.filesystem.rm_file(self.uri(path))
            else:
                self.filesystem.rm(self.uri(path), recursive=recursive)

    def remove_unfinished(self, path: str, age: timedelta) -> int:
        """Remove what uploads to a bucket left that began `age` ago and were never finished; returns how many.

        Nothing happens on a local disk, where staging folders go instead.
        """
        with _reaching("remove", self.uri(path)):
            return self._s3.remove_unfinished(self.uri(path), age) if self._s3 else 0


def _with_folder(place: str) -> Path:
    """The path, its folder made."""
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _reaching(verb: str, uri: str) -> Iterator[None]:
    """Turn a failure of the store into a StorageError."""
    try:
        yield
    except failures(ValueError) as error:
        raise storage_error(verb, uri, error) from error


_OF_CLIENTS = ("botocore.exceptions.BotoCoreError", "botocore.parsers.ResponseParserError", "aiohttp.ClientError")
_UNANSWERED = ("botocore.exceptions.ConnectionError", "botocore.exceptions.HTTPClientError", "aiohttp.ClientError")


def failures(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What files raise: OSError, `others`, and the errors of an S3 client, which are no OSError."""
    return (OSError, *others, *_imported(_OF_CLIENTS))


def _imported(names: Iterable[str]) -> tuple[type[Exception], ...]:
    """Classes of an S3 client, none before it is imported with the first bucket."""
    places = [name.rpartition(".") for name in names]
    return tuple(getattr(sys.modules[module], name) for module, _, name in places if module in sys.modules)


def storage_error(verb: str, uri: str, error: Exception) -> StorageError:
    cause = error.__cause__ if status_of(error) and error.__cause__ else error
    said = next(iter(str(cause).splitlines()), "")  # DuckDB goes on with advice for its own users
    return StorageError(
        "storage_failed",
        f"cannot {verb} {uri}: {type(error).__name__}: {said}",
        "check the URI, the credentials and AWS_ENDPOINT_URL" if uri.startswith("s3://") else None,
        transient=_may_pass(error),
    )


def _may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later: no answer, or one that says so."""
    passing: tuple[type[Exception], ...] = (TimeoutError, ConnectionError, *_imported(_UNANSWERED))
    return isinstance(error, passing) or status_of(error) in (408, 409, 429, 500, 502, 503, 504)


def _files_below(folder: str) -> Iterator[tuple[str, int]]:
    """The files below a local folder and their bytes; what goes away meanwhile, or is not there, is left out."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path)
        else:
            with suppress(FileNotFoundError):
                yield entry.path, entry.stat().st_size

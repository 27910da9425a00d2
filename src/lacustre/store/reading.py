"""Files of a lake as DuckDB and pyarrow read them: those whose bytes are known to be the ones that were written.

Readers of Parquet take flipped bits for data. So a file whose name carries its SHA-256 is compared with it before
its data are read: files of a local lake once for as long as they stay as they are, those of a remote lake when
they come into the local cache. What has no digest, or no place in the cache, is read where it lies, as it is.
"""

from __future__ import annotations

import errno
import io
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol, cast

from fsspec.spec import AbstractFileSystem

from lacustre.errors import StorageError
from lacustre.store.cache import CheckedFiles, FileCache, checked_files, file_cache
from lacustre.store.digest import sha256_of
from lacustre.store.objects import ObjectStore, failures, storage_error
from lacustre.store.sealed import damaged
from lacustre.store.shared_file import DeferredFile, LocalFile, RangesFile, open_local

DEFERRED = "lacustre://"
"""How DuckDB is told of a local file that is not checked yet."""
SMALL_BYTES = 1 << 20
"""A file with fewer bytes is fetched whole where only its footer is asked for: that is one request either way."""
TAIL_BYTES = 256 << 10
PARALLEL = 8
DOWNLOADS = 2
"""How often bytes that are not those of the digest are fetched: once could be the network's fault."""
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_UNCHANGED = datetime(2000, 1, 1, tzinfo=UTC)
_PASSED_ON = ("exists", "isdir", "isfile", "ls", "mkdir", "mv", "rm", "touch")


class Stored(Protocol):
    """A file that a lake keeps: its URI, its bytes, and their SHA-256 in hexadecimal, where it is known."""

    @property
    def uri(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A `Stored` file of its own."""

    uri: str
    size: int
    sha256: str | None


Read = Callable[[Iterable[Stored]], list[str]]
"""A method of `LakeFiles` that gives what to read for files."""


class LakeFiles(AbstractFileSystem):  # type: ignore[misc]
    """The files of one store that a session reads, and the file system by which DuckDB reads them.

    Registered with a connection (`lacustre.store.scan.connect`), it opens the files that it was told of, with no
    request for what is known of them; other paths go to the store's own file system.
    """

    cachable = False

    def __init__(self, store: ObjectStore, protocol: str) -> None:
        super().__init__()
        self.protocol = protocol
        self._store = store
        self._files: dict[str, Stored] = {}
        for name in _PASSED_ON:
            setattr(self, name, getattr(store.filesystem, name))

    @abstractmethod
    def checked(self, files: Iterable[Stored]) -> list[str]:
        """What to read for the files, after the bytes of each were checked.

        Raises StorageError, `damaged_file` or `missing_file`, for one that is not what was written.
        """

    @abstractmethod
    def deferred(self, files: Iterable[Stored]) -> list[str]:
        """What to read for files of which perhaps nobody asks: each is checked when its first data are read.

        Until then only its footer is read, unchecked. It is DuckDB that raises, an error of its own which has the
        StorageError in its text.
        """

    @abstractmethod
    def ranged(self, files: Iterable[Stored]) -> list[str]:
        """What to read for files of which a small part is needed: unchecked where they lie in a bucket."""

    def unchecked(self, files: Iterable[Stored]) -> list[str]:
        """What to read for files that the caller has just written or checked."""
        return [file.uri for file in self._register(files)]

    def remember(self, files: Iterable[Stored]) -> None:
        """Count files as checked: whoever has just written them knows their bytes.

        To be called when the files have no other name any more, since losing one changes them. Files in a bucket
        are checked when they are fetched.
        """

    def open(self, path: str, mode: str = "rb", **options: Any) -> IO[bytes]:
        """Open a file for reading, or, with another mode, one that is none of the lake's."""
        file = self._files.get(path.removeprefix(DEFERRED))
        if file is not None:
            return self._open_file(file)
        if mode != "rb":
            return cast("IO[bytes]", self._store.filesystem.open(path, mode, **options))
        return self._open_ranges(path, self.size(path)) if "://" in path else open_local(Path(path))

    def open_uri(self, uri: str) -> IO[bytes]:
        """Open a file of the store by its URI, or any local file by its path."""
        return self.open(uri)

    def glob(self, path: str, **options: Any) -> list[str]:
        """The path itself where it is a file that we know, which needs no look."""
        if path.removeprefix(DEFERRED) in self._files:
            return [path]
        return [self.unstrip_protocol(name) for name in self._store.filesystem.glob(path, **options)]

    def unstrip_protocol(self, name: str) -> str:
        return name if "://" in name else f"{self.protocol}://{name}"

    def size(self, path: str) -> int:
        file = self._files.get(path.removeprefix(DEFERRED))
        return int(self._store.filesystem.size(path)) if file is None else file.size

    def modified(self, path: str) -> datetime:
        """Files of a lake never change; DuckDB asks in order to know whether what it keeps of one still holds."""
        known = path.removeprefix(DEFERRED) in self._files
        return _UNCHANGED if known else cast(datetime, self._store.filesystem.modified(path))

    @abstractmethod
    def _open_file(self, file: Stored) -> IO[bytes]: ...

    def _open_ranges(self, uri: str, size: int) -> IO[bytes]:
        return cast("IO[bytes]", RangesFile(partial(self._store.filesystem.cat_file, uri), size))

    def _register(self, files: Iterable[Stored]) -> list[Stored]:
        found = list(files)
        self._files.update((file.uri, file) for file in found)
        return found

    def _unreadable(self, file: Stored, error: Exception) -> StorageError:
        if not isinstance(error, FileNotFoundError):
            return storage_error("read", file.uri, error)
        return StorageError("missing_file", f"{self._path(file)} is missing", "restore it from a backup")

    def _path(self, file: Stored) -> str:
        return file.uri.removeprefix(f"{self._store.root}/")


class LocalFiles(LakeFiles):
    """The files of a local lake: DuckDB opens them itself, once they are checked."""

    def __init__(self, store: ObjectStore, checked: CheckedFiles | None = None) -> None:
        super().__init__(store, DEFERRED.removesuffix("://"))
        self._checked = checked_files(store.root) if checked is None else checked

    def checked(self, files: Iterable[Stored]) -> list[str]:
        found = self._register(files)
        doubtful = [file for file in found if not self._is_checked(file)]
        _each(self._check, doubtful, os.cpu_count() or 1)
        return [file.uri for file in found]

    def deferred(self, files: Iterable[Stored]) -> list[str]:
        found = self._register(files)
        return [file.uri if self._is_checked(file) else DEFERRED + file.uri for file in found]

    def ranged(self, files: Iterable[Stored]) -> list[str]:
        return self.checked(files)

    def remember(self, files: Iterable[Stored]) -> None:
        self._checked.add(self._checked.mark(file.uri, file.sha256) for file in files if file.sha256)

    def _is_checked(self, file: Stored) -> bool:
        try:
            return file.sha256 is None or self._checked.mark(file.uri, file.sha256) in self._checked
        except OSError as error:
            raise self._unreadable(file, error) from error

    def _check(self, file: Stored) -> None:
        assert file.sha256 is not None
        path = Path(file.uri)
        try:
            mark = self._checked.mark(file.uri, file.sha256)
            whole = path.stat().st_size == file.size and sha256_of(path) == file.sha256
        except OSError as error:
            raise self._unreadable(file, error) from error
        if not whole:
            raise damaged(self._path(file))
        self._checked.add([mark])

    def open(self, path: str, mode: str = "rb", **options: Any) -> IO[bytes]:
        file = self._files.get(path.removeprefix(DEFERRED))
        if file is None or path == file.uri or self._is_checked(file):
            return super().open(path, mode, **options)
        return self._open_deferred(file)

    def _open_file(self, file: Stored) -> IO[bytes]:
        try:
            return open_local(Path(file.uri))
        except OSError as error:
            raise self._unreadable(file, error) from error

    def _open_deferred(self, file: Stored) -> IO[bytes]:
        def whole() -> IO[bytes]:
            self._check(file)
            return self._open_file(file)

        with self._open_file(file) as opened:
            opened.seek(max(0, file.size - TAIL_BYTES))
            return cast("IO[bytes]", DeferredFile(file.size, opened.read(), whole))


class RemoteFiles(LakeFiles):
    """The files of a lake in a bucket: copies in the cache, else ranges of what is there."""

    def __init__(self, store: ObjectStore, cache: FileCache | None = None) -> None:
        super().__init__(store, "s3")
        self._cache = file_cache() if cache is None else cache
        self._room = self._cache.limit
        self._tails: dict[str, bytes] = {}
        self._locks: dict[str, Lock] = {}

    def checked(self, files: Iterable[Stored]) -> list[str]:
        found = self._register(files)
        _each(self._fetch, [file for file in found if not self._has_copy(file)], PARALLEL)
        return [file.uri for file in found]

    def deferred(self, files: Iterable[Stored]) -> list[str]:
        found = self._register(files)
        _each(self._prepare, [file for file in found if not self._has_copy(file)], PARALLEL)
        return [file.uri for file in found]

    def ranged(self, files: Iterable[Stored]) -> list[str]:
        return self.unchecked(files)

    def _register(self, files: Iterable[Stored]) -> list[Stored]:
        found = super()._register(files)
        for file in found:
            self._locks.setdefault(file.uri, Lock())
        return found

    def _open_file(self, file: Stored) -> IO[bytes]:
        copy = self._open_copy(file)
        if copy is not None:
            return copy
        tail = self._tails.get(file.uri)
        if tail is None:
            return self._open_ranges(file.uri, file.size)
        return cast("IO[bytes]", DeferredFile(file.size, tail, partial(self._open_whole, file)))

    def _open_whole(self, file: Stored) -> IO[bytes]:
        self._fetch(file)
        return self._open_copy(file) or self._open_ranges(file.uri, file.size)

    def _open_copy(self, file: Stored) -> IO[bytes] | None:
        copy = self._copy(file)
        return None if copy is None else cast("IO[bytes]", LocalFile(copy))

    def _copy(self, file: Stored) -> io.FileIO | None:
        return None if file.sha256 is None else self._cache.open(file.sha256, file.size)

    def _has_copy(self, file: Stored) -> bool:
        copy = self._copy(file)
        if copy is not None:
            copy.close()
        return copy is not None

    def _prepare(self, file: Stored) -> None:
        """Have what shows the file's columns: all of a small one, the footer of another."""
        if file.size < SMALL_BYTES:
            self._fetch(file)
        elif file.sha256 is not None and file.size <= self._room:
            try:
                start = max(0, file.size - TAIL_BYTES)
                self._tails[file.uri] = self._store.filesystem.cat_file(file.uri, start=start, end=file.size)
            except failures() as error:
                raise self._unreadable(file, error) from error

    def _fetch(self, file: Stored) -> None:
        """Have a copy of the file, where it has a digest and this session's files all fit into the cache."""
        with self._locks[file.uri]:
            if file.sha256 is None or file.size > self._room or self._has_copy(file):
                return
            self._room -= file.size
            for _ in range(DOWNLOADS):
                try:
                    copy = self._cache.fill(file.sha256, file.size, partial(self._download, file))
                except OSError:  # a folder that cannot be written to, or a full disk, is no reason to give up
                    self._room = 0
                    return
                if copy is not None:
                    copy.close()
                    return
            raise damaged(self._path(file))

    def _download(self, file: Stored, target: Path) -> None:
        try:
            self._store.filesystem.get_file(file.uri, str(target))
        except failures() as error:
            if isinstance(error, OSError) and error.errno in _NO_SPACE:
                raise
            raise self._unreadable(file, error) from error


def lake_files(store: ObjectStore) -> LakeFiles:
    """The files of a store, with the user's cache."""
    return RemoteFiles(store) if store.remote else LocalFiles(store)


def _each(work: Callable[[Stored], object], files: Iterable[Stored], threads: int) -> None:
    """Do the work for every file: hashing and waiting leave the interpreter free."""
    waiting = list(files)
    if waiting:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(work, waiting):
                pass

"""What a machine keeps of the lakes that a user reads, in one folder of that user's.

``files/<ab>/<sha256>.parquet``
    Copies of the files of remote lakes. A lake never changes a file, so a copy is right for as long as its bytes are.
``checked/<lake>``
    Which files of a local lake were found to be what their names say: a line for each.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from lacustre.settings import read_settings
from lacustre.store.digest import sha256_of

FILLED = 946_684_800_000_000_000
"""When a finished copy says that it was changed, in ns: what writes to it later also changes this."""
UNUSED_SECONDS = 30 * 24 * 3600
"""Copies that were not read for so long are removed: they hold patients' data, and the lake may have none any more."""
ABANDONED_SECONDS = 24 * 3600
TOUCH_SECONDS = 60
RECORD_BYTES = 64 << 20
"""A record that is longer is begun again, which costs reading the files once more."""


class FileCache:
    """Copies of immutable files, found by their SHA-256, at most `limit` bytes of them.

    Who reads a copy holds it open, and opens it again where it is gone: so any process may remove any copy at any
    time. Processes that fill at once may together exceed the limit by a sixteenth each, until the next one fills.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.limit = limit
        self._folder = folder / "files"
        self._room = self._coming = 0
        self._lock = Lock()

    def open(self, sha256: str, size: int) -> io.FileIO | None:
        """The copy, open for reading, or None where there is none, or one that is not whole or was written to."""
        path = self._path(sha256)
        try:
            opened = io.FileIO(path)
        except OSError:
            return None
        status = os.fstat(opened.fileno())
        if (status.st_size, status.st_mtime_ns) != (size, FILLED):
            opened.close()
            return None
        if time.time() - status.st_atime > TOUCH_SECONDS:
            with suppress(OSError):
                os.utime(path, ns=(time.time_ns(), FILLED))
        return opened

    def fill(self, sha256: str, size: int, download: Callable[[Path], None]) -> io.FileIO | None:
        """Keep what `download` writes to the path that it is given; the copy, open for reading.

        None where its bytes are not those of the digest. Raises OSError where the folder cannot be written to, and
        what `download` raises.
        """
        path = self._path(sha256)
        part = path.with_name(f".{sha256}.{uuid.uuid4().hex}")
        self._reserve(size)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            download(part)
            if part.stat().st_size != size or sha256_of(part) != sha256:
                return None
            os.utime(part, ns=(time.time_ns(), FILLED))
            opened = io.FileIO(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
            self._settle(size)
        return opened

    def forget(self, digests: Iterable[str]) -> None:
        """Remove copies: of files that were erased from their lake."""
        for sha256 in digests:
            self._path(sha256).unlink(missing_ok=True)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.parquet"

    def _reserve(self, size: int) -> None:
        with self._lock:
            if self._room < size:
                self._make_folder()
                self._room = self._free(size + self.limit // 16) - self._coming
            self._room -= size
            self._coming += size

    def _settle(self, size: int) -> None:
        """What came is a copy as the others; where several came at once and do not fit together, the oldest go."""
        with self._lock:
            self._coming -= size
            if self._room < 0:
                self._room = self._free(0) - self._coming

    def _make_folder(self) -> None:
        """Nobody else may look at copies of patients' data."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)

    def _free(self, wanted: int) -> int:
        """Remove what was read longest ago until `wanted` bytes fit, or nothing is left; returns the bytes that fit."""
        copies = sorted(self._copies())
        used = sum(size for _, size, _ in copies)
        oldest = time.time() - UNUSED_SECONDS
        for read, size, path in copies:
            if used + wanted <= self.limit and read > oldest:
                break
            with suppress(OSError):
                path.unlink()
                used -= size
        return min(wanted, self.limit - used)

    def _copies(self) -> Iterator[tuple[float, int, Path]]:
        """When each copy was last read, its bytes and its path; what killed processes left is removed on the way."""
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):  # another process has removed it
                status = path.stat()
                if not path.name.startswith("."):
                    yield status.st_atime, status.st_size, path
                elif time.time() - status.st_atime > ABANDONED_SECONDS:
                    path.unlink()


class CheckedFiles:
    """The files of one local lake whose bytes were compared with their digest on this machine.

    A file counts for as long as its place, size, times and inode are the same: they make its mark. Several
    processes may write: they append lines, and half a line of a killed one means nothing. Where nothing can be
    written, nothing is remembered.
    """

    def __init__(self, folder: Path, root: str) -> None:
        self._path = folder / "checked" / hashlib.blake2b(root.encode(), digest_size=16).hexdigest()
        self._known: set[str] | None = None

    @staticmethod
    def mark(path: str, sha256: str) -> str:
        """The mark of a file as it is now, with that digest; raises OSError where there is no such file."""
        found = Path(path).stat()
        stamp = (path, sha256, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return hashlib.blake2b(repr(stamp).encode(), digest_size=16).hexdigest()

    def __contains__(self, mark: str) -> bool:
        return mark in self._marks()

    def add(self, marks: Iterable[str]) -> None:
        """Remember files by the marks that they had before their bytes were read."""
        new = set(marks) - self._marks()
        self._marks().update(new)
        if new:
            with suppress(OSError):
                self._append("".join(f"\n{mark}" for mark in sorted(new)))

    def _marks(self) -> set[str]:
        if self._known is None:
            try:
                self._known = set(self._path.read_text("ascii").split("\n"))
            except (OSError, UnicodeDecodeError):
                self._known = set()
        return self._known

    def _append(self, lines: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > RECORD_BYTES:
            self._path.unlink()
        with self._path.open("ab", buffering=0) as record:
            record.write(lines.encode("ascii"))


def cache_folder() -> Path:
    """`$LACUSTRE_CACHE`, else `lacustre` in the user's cache folder (XDG base directories)."""
    chosen = read_settings().cache
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (chosen or Path(base) / "lacustre").expanduser()


def file_cache() -> FileCache:
    """The user's copies, at most `$LACUSTRE_CACHE_BYTES` of them."""
    return FileCache(cache_folder(), read_settings().cache_bytes)


def checked_files(root: str) -> CheckedFiles:
    """The files of the local lake at `root` that this user has checked."""
    return CheckedFiles(cache_folder(), root)

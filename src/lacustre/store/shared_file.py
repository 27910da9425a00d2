"""Files that DuckDB reads through Python: one object for all its threads."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from threading import Lock, get_ident
from typing import IO, cast


class SharedFile(io.RawIOBase):
    """A file that several threads read, each from a position of its own.

    DuckDB 2.0 gives all threads that read a file one Python object, and seeks before it reads: with one position,
    a thread gets what another has asked for.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._positions: dict[int, int] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._positions.get(get_ident(), 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        self._positions[get_ident()] = position
        return position

    def read(self, size: int = -1) -> bytes:
        start = min(self.tell(), self._size)
        end = self._size if size < 0 else min(self._size, start + size)
        data = self.read_range(start, end) if start < end else b""
        self._positions[get_ident()] = start + len(data)
        return data

    @abstractmethod
    def read_range(self, start: int, end: int) -> bytes:
        """The bytes from one offset up to another, both within the file."""


class LocalFile(SharedFile):
    """A file of this machine."""

    def __init__(self, opened: io.FileIO) -> None:
        super().__init__(os.fstat(opened.fileno()).st_size)
        self._opened = opened

    def read_range(self, start: int, end: int) -> bytes:
        parts = []
        while start < end and (part := os.pread(self._opened.fileno(), end - start, start)):
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        self._opened.close()
        super().close()


class RangesFile(SharedFile):
    """A file where it lies, of a size that is known: s3fs would ask for it ten times in a query."""

    def __init__(self, fetch: Callable[..., bytes], size: int) -> None:
        super().__init__(size)
        self._fetch = fetch

    def read_range(self, start: int, end: int) -> bytes:
        return bytes(self._fetch(start=start, end=end))


class DeferredFile(SharedFile):
    """A Parquet file of which the footer is at hand; for what lies before it alone, `whole` is asked for the file."""

    def __init__(self, size: int, tail: bytes, whole: Callable[[], IO[bytes]]) -> None:
        super().__init__(size)
        self._tail, self._open = tail, whole
        self._footer = size - min(len(tail), 8 + int.from_bytes(tail[-8:-4], "little"))
        self._whole: IO[bytes] | None = None
        self._lock = Lock()

    def read_range(self, start: int, end: int) -> bytes:
        first = self._size - len(self._tail)
        # readers ask for the file's last bytes without knowing where the footer begins
        if start >= first and end > self._footer:
            return self._tail[start - first : end - first]
        with self._lock:
            if self._whole is None:
                self._whole = self._open()
        self._whole.seek(start)
        return self._whole.read(end - start)

    def close(self) -> None:
        if self._whole is not None:
            self._whole.close()
        super().close()


def open_local(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", LocalFile(io.FileIO(path)))
